/* In the place of DNS: whatever name is asked for, its addresses are what a file says now, one on each line. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	char address[64];
	struct addrinfo **last = result;
	FILE *file = fopen(getenv("TRUECHIMER_TEST_ADDRESS"), "r");
	(void)node;
	if (!file)
		return EAI_NONAME;
	real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
	*result = NULL;
	while (fgets(address, sizeof address, file)) {
		address[strcspn(address, "\n")] = 0;
		if (real(address, service, hints, last) == 0)
			while (*last)
				last = &(*last)->ai_next;
	}
	fclose(file);
	return *result ? 0 : EAI_NONAME;
}
