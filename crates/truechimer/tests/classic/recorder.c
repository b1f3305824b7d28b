/* In the place of the kernel's clock: writes down what is asked for, and does nothing. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

int clock_adjtime(clockid_t clock, struct timex *timex)
{
	const char *deed = timex->modes == (ADJ_SETOFFSET | ADJ_NANO) ? "set offset" : "something else";
	(void)clock;
	dprintf(2, "%s %ld %ld\n", deed, (long)timex->time.tv_sec, (long)timex->time.tv_usec);
	return TIME_ERROR;
}

int adjtime(const struct timeval *delta, struct timeval *before)
{
	(void)before;
	dprintf(2, "slew %ld %ld\n", (long)delta->tv_sec, (long)delta->tv_usec);
	return 0;
}
