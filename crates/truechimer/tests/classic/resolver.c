/* In the place of DNS: whatever name is asked for, its address is what a file says now. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	char address[64] = "";
	FILE *file = fopen(getenv("TRUECHIMER_TEST_ADDRESS"), "r");
	(void)node;
	if (!file || !fgets(address, sizeof address, file))
		return EAI_NONAME;
	fclose(file);
	address[strcspn(address, "\n")] = 0;
	real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
	return real(address, service, hints, result);
}
