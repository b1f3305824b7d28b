/*
 * The clock of a machine that exists in a file: a counter that runs fast or slow, and a kernel's clock on top of it
 * that is stepped, slewed and tuned as Linux would do it. All processes that are preloaded with this and name the same
 * file are on that machine. The clock of the real one is read and never touched.
 *
 *     MACHINE=file               the machine
 *     MACHINE_ERROR=seconds      by how much its clock is ahead when it is made
 *     MACHINE_PPM=ppm            by how much its counter is fast
 *     MACHINE_LOG=file           a line for each step
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* Linux slews by this at most (MAX_TICKADJ). */
#define SLEW 500e-6

struct machine {
	int64_t is_made;
	double counter_rate; /* of the counter, less one */
	double frequency; /* of the clock on the counter, less one */
	long frequency_word;
	long tick;
	int64_t counter; /* when everything below held */
	int64_t clock;
	int64_t slew; /* still to come */
	int64_t maxerror;
	int64_t status;
};

static struct machine *machine;
static int file = -1;

static int64_t really(clockid_t clock)
{
	static int (*real)(clockid_t, struct timespec *);
	struct timespec now;
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static double number(const char *name)
{
	const char *value = getenv(name);
	return value ? atof(value) : 0;
}

static void fail(const char *what)
{
	perror(what);
	_exit(97);
}

/* The counter is the same on all machines to begin with. */
static int64_t counter(void)
{
	int64_t raw = really(CLOCK_MONOTONIC_RAW);
	return raw + (int64_t)(raw * machine->counter_rate);
}

static void enter(void)
{
	const char *path = getenv("MACHINE");
	if (!machine) {
		struct stat size;
		if (!path || (file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
			fail("MACHINE");
		if (flock(file, LOCK_EX) < 0 || fstat(file, &size) < 0)
			fail("MACHINE");
		if (size.st_size == 0 && (fchmod(file, 0666) < 0 || ftruncate(file, sizeof *machine) < 0))
			fail("MACHINE");
		machine = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (machine == MAP_FAILED)
			fail("MACHINE");
		if (!machine->is_made) {
			machine->counter_rate = number("MACHINE_PPM") * 1e-6;
			machine->tick = 10000;
			machine->status = STA_UNSYNC;
			machine->maxerror = 16000000;
			machine->counter = counter();
			machine->clock = really(CLOCK_REALTIME) + (int64_t)(number("MACHINE_ERROR") * SECOND);
			machine->is_made = 1;
		}
	} else if (flock(file, LOCK_EX) < 0) {
		fail("MACHINE");
	}
}

static void leave(void)
{
	if (flock(file, LOCK_UN) < 0)
		fail("MACHINE");
}

/* Carries the clock on to now. */
static int64_t turn(void)
{
	int64_t now = counter(), passed = now - machine->counter;
	double rate = machine->frequency + (machine->tick - 10000) * 1e-4;
	int64_t most = (int64_t)(passed * SLEW), slew = machine->slew;
	if (slew > most)
		slew = most;
	if (slew < -most)
		slew = -most;
	machine->counter = now;
	machine->clock += passed + (int64_t)(passed * rate) + slew;
	machine->slew -= slew;
	return machine->clock;
}

static int64_t local(void)
{
	int64_t now;
	enter();
	now = turn();
	leave();
	return now;
}

static void step(int64_t by)
{
	const char *path = getenv("MACHINE_LOG");
	machine->clock += by;
	machine->slew = 0;
	if (path) {
		FILE *log = fopen(path, "a");
		if (!log)
			fail("MACHINE_LOG");
		fprintf(log, "%.9f\n", by / 1e9);
		fclose(log);
	}
}

int clock_gettime(clockid_t clock, struct timespec *into)
{
	int64_t now;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		now = local();
	else if (clock == CLOCK_MONOTONIC_RAW) {
		enter();
		now = counter();
		leave();
	} else
		now = really(clock);
	into->tv_sec = now / SECOND;
	into->tv_nsec = now % SECOND;
	return 0;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone)
{
	int64_t now = local();
	(void)zone;
	into->tv_sec = now / SECOND;
	into->tv_usec = now % SECOND / 1000;
	return 0;
}

time_t time(time_t *into)
{
	time_t now = local() / SECOND;
	if (into)
		*into = now;
	return now;
}

int clock_settime(clockid_t clock, const struct timespec *to)
{
	if (clock != CLOCK_REALTIME) {
		errno = EINVAL;
		return -1;
	}
	enter();
	step(to->tv_sec * SECOND + to->tv_nsec - turn());
	leave();
	return 0;
}

int settimeofday(const struct timeval *to, const struct timezone *zone)
{
	struct timespec precise = { to->tv_sec, to->tv_usec * 1000 };
	(void)zone;
	return clock_settime(CLOCK_REALTIME, &precise);
}

int adjtime(const struct timeval *by, struct timeval *before)
{
	enter();
	turn();
	if (before) {
		before->tv_sec = machine->slew / SECOND;
		before->tv_usec = machine->slew % SECOND / 1000;
	}
	if (by)
		machine->slew = by->tv_sec * SECOND + by->tv_usec * 1000;
	leave();
	return 0;
}

int clock_adjtime(clockid_t clock, struct timex *timex)
{
	unsigned modes = timex->modes;
	int64_t now;
	if (clock != CLOCK_REALTIME) {
		errno = EINVAL;
		return -1;
	}
	enter();
	turn();
	if (modes & ADJ_SETOFFSET)
		step(timex->time.tv_sec * SECOND + timex->time.tv_usec * (modes & ADJ_NANO ? 1 : 1000));
	if ((modes & ADJ_OFFSET_SINGLESHOT) == ADJ_OFFSET_SINGLESHOT)
		machine->slew = timex->offset * 1000;
	else {
		if (modes & ADJ_FREQUENCY) {
			machine->frequency_word = timex->freq;
			machine->frequency = timex->freq / 65536e6;
		}
		if (modes & ADJ_TICK)
			machine->tick = timex->tick;
		if (modes & ADJ_STATUS)
			machine->status = timex->status;
		if (modes & ADJ_MAXERROR)
			machine->maxerror = timex->maxerror;
	}
	now = machine->clock;
	timex->freq = machine->frequency_word;
	timex->tick = machine->tick;
	timex->status = (int)machine->status | STA_NANO;
	timex->maxerror = machine->maxerror;
	timex->offset = 0;
	timex->time.tv_sec = now / SECOND;
	timex->time.tv_usec = now % SECOND;
	leave();
	return timex->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

int adjtimex(struct timex *timex)
{
	return clock_adjtime(CLOCK_REALTIME, timex);
}

/* The kernel would stamp packets with a clock that this machine has not. */
int setsockopt(int socket, int level, int option, const void *value, socklen_t length)
{
	static int (*real)(int, int, int, const void *, socklen_t);
	if (!real)
		real = (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
	if (level == SOL_SOCKET && (option == SO_TIMESTAMP || option == SO_TIMESTAMPNS || option == SO_TIMESTAMPING)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return real(socket, level, option, value, length);
}
