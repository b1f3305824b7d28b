// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * An oscillator of its own for an emulated machine. Loaded into QEMU with LD_PRELOAD:
 *
 *	DRIFT_PPB=100000	CLOCK_MONOTONIC runs so many parts in 10^9 fast, counted from its own zero
 *
 * QEMU makes its HPET, ACPI timer and PIT of CLOCK_MONOTONIC, so a guest with clocksource=hpet runs so much fast. Its
 * RTC is made of gettimeofday, which runs on as it is: true time. But QEMU takes the date of the start without its
 * fraction, so that the RTC's seconds would begin anywhere. Until its main loop first waits, which is when all devices
 * are made, it is told that the second has just begun: from then on the seconds of the RTC turn with those of this machine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NANOS 1000000000LL

typedef int read_clock(clockid_t, struct timespec *);
typedef int wait_for(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

static read_clock *real_clock_gettime;
static wait_for *real_ppoll;
static long long drift_ppb;
static atomic_bool started;

__attribute__((constructor)) static void begin(void)
{
	const char *drift = getenv("DRIFT_PPB");

	real_clock_gettime = (read_clock *)dlsym(RTLD_NEXT, "clock_gettime");
	real_ppoll = (wait_for *)dlsym(RTLD_NEXT, "ppoll");
	drift_ppb = drift ? atoll(drift) : 0;
}

/* Others may be loaded before this is. */
static int read_real(clockid_t id, struct timespec *now)
{
	return real_clock_gettime ? real_clock_gettime(id, now) : (int)syscall(SYS_clock_gettime, id, now);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int failed = read_real(id, now);

	if (!failed && id == CLOCK_MONOTONIC) {
		long long nanos = now->tv_sec * NANOS + now->tv_nsec;

		nanos += (long long)((__int128)nanos * drift_ppb / NANOS);
		now->tv_sec = nanos / NANOS;
		now->tv_nsec = nanos % NANOS;
	}
	return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec real;

	(void)zone;
	if (read_real(CLOCK_REALTIME, &real))
		return -1;
	now->tv_sec = real.tv_sec;
	now->tv_usec = atomic_load(&started) ? real.tv_nsec / 1000 : 0;
	return 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *patience, const sigset_t *mask)
{
	atomic_store(&started, 1);
	return real_ppoll(fds, count, patience, mask);
}
