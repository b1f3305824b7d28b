/* Lets a program believe that it steers the clock: what it asks of it is forgotten, what it reads is real.
   For a server that ends at once without the right to set the clock (ntpd-rs). It must not have that right. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

int clock_adjtime(clockid_t clock, struct timex *call)
{
	unsigned int modes = call->modes;
	call->modes = 0;
	long state = syscall(SYS_clock_adjtime, clock, call);
	call->modes = modes;
	return state < 0 ? (int) state : TIME_OK;
}

int adjtimex(struct timex *call)
{
	return clock_adjtime(CLOCK_REALTIME, call);
}

int ntp_adjtime(struct timex *call)
{
	return clock_adjtime(CLOCK_REALTIME, call);
}

int clock_settime(clockid_t clock, const struct timespec *time)
{
	(void) clock;
	(void) time;
	return 0;
}
