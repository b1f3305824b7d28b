// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Reads what the test module offers as any program would, and holds it against the truth that the module was given.
 *
 *	look pps TRUTH TIMES	waits for so many pulses of /dev/pps0
 *	look phc TRUTH TIMES	reads /dev/ptp0 so often, by PTP_SYS_OFFSET_EXTENDED and by clock_gettime
 *
 * A row each, in nanoseconds: how late a pulse was stamped, by what the kernel's clock showed then; how far the PTP clock
 * is from the truth, and how long the bracket was. Takes no account of a wander, sets no clock.
 */
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <linux/pps.h>
#include <linux/ptp_clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NANOS 1000000000LL
#define CLOCK_OF_FD(fd) ((~(clockid_t)(fd) << 3) | 3)

typedef long long nanos;

static nanos start, rate_attos;

static void parse(const char *truth)
{
	char *end;

	start = strtoll(truth, &end, 10) * NANOS;
	if (*end == '.') {
		nanos unit = NANOS / 10;

		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			start += (*end - '0') * unit;
	}
	if (*end != ':')
		error(100, 0, "a truth is what `truth begin` prints");
	rate_attos = strtoll(end + 1, NULL, 10);
}

static nanos at(nanos raw)
{
	return start + raw + (nanos)((__int128)raw * rate_attos / ((__int128)NANOS * NANOS));
}

static nanos clock_of(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now))
		error(111, errno, "cannot read clock %d", id);
	return now.tv_sec * NANOS + now.tv_nsec;
}

static int device(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		error(111, errno, "cannot open %s", path);
	return fd;
}

/* True time less the kernel's clock, in whole and right at this moment. */
static nanos ahead(void)
{
	nanos before = clock_of(CLOCK_MONOTONIC_RAW), real = clock_of(CLOCK_REALTIME);

	return at((before + clock_of(CLOCK_MONOTONIC_RAW)) / 2) - real;
}

static void watch_pulses(int times)
{
	int fd = device("/dev/pps0");
	unsigned last = 0;

	for (int i = 0; i < times; i++) {
		struct pps_fdata data = { .timeout = { .sec = 3 } };
		nanos stamp, late;

		if (ioctl(fd, PPS_FETCH, &data))
			error(1, errno, "no pulse in 3 s");
		stamp = data.info.assert_tu.sec * NANOS + data.info.assert_tu.nsec + ahead();
		late = (stamp + NANOS / 2) % NANOS - NANOS / 2;
		printf("pulse %u%s late %lld\n", data.info.assert_sequence,
		       last && data.info.assert_sequence != last + 1 ? " MISSED" : "", late);
		last = data.info.assert_sequence;
	}
}

static nanos of(struct ptp_clock_time t)
{
	return t.sec * NANOS + t.nsec;
}

static void read_extended(int fd)
{
	struct ptp_sys_offset_extended all = { .n_samples = 5 };
	nanos best = NANOS, off = 0, ahead_now;

	if (ioctl(fd, PTP_SYS_OFFSET_EXTENDED, &all))
		error(111, errno, "PTP_SYS_OFFSET_EXTENDED");
	ahead_now = ahead();
	for (unsigned i = 0; i < all.n_samples; i++) {
		nanos before = of(all.ts[i][0]), after = of(all.ts[i][2]);

		if (after - before < best) {
			best = after - before;
			off = of(all.ts[i][1]) - (before + after) / 2 - ahead_now;
		}
	}
	printf("extended: off %lld width %lld\n", off, best);
}

static void read_plain(int fd)
{
	nanos before = clock_of(CLOCK_MONOTONIC_RAW), phc = clock_of(CLOCK_OF_FD(fd));
	nanos after = clock_of(CLOCK_MONOTONIC_RAW);

	printf("gettime: off %lld width %lld\n", phc - at((before + after) / 2), after - before);
}

static void try_to_set(int fd)
{
	struct timespec then = { .tv_sec = 1 };
	int refused = clock_settime(CLOCK_OF_FD(fd), &then) && errno == EOPNOTSUPP;

	printf("settime: %s\n", refused ? "refused" : "TAKEN");
}

int main(int argc, char **argv)
{
	int times, fd;

	if (argc != 4)
		error(100, 0, "look pps|phc TRUTH TIMES");
	parse(argv[2]);
	times = atoi(argv[3]);
	if (!strcmp(argv[1], "pps")) {
		watch_pulses(times);
		return 0;
	}
	fd = device("/dev/ptp0");
	for (int i = 0; i < times; i++) {
		read_extended(fd);
		read_plain(fd);
	}
	try_to_set(fd);
	return 0;
}
