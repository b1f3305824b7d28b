// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * True seconds inside an emulated machine, from its RTC: QEMU (-rtc base=utc,clock=host) makes that of the clock of the
 * machine outside, whatever becomes of the clocks of the one inside, and even while that one is stopped.
 *
 *	turns SECONDS	a row for each turn of a second that was seen, until so many have passed
 *
 * A row is what CLOCK_MONOTONIC_RAW showed at the turn, in nanoseconds; which second began, UTC since 1970; and how long
 * it took to read around the turn, in nanoseconds: the turn is within half of this. A turn that nobody looked at because
 * the machine was busy has no row. Sets no clock.
 */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <time.h>

#define NANOS 1000000000LL
/* So long before a turn is expected it is looked for, and so long after it is given up. */
#define EARLY (20 * NANOS / 1000)
#define LATE (5 * NANOS / 1000)
/* So many turns may be missed in a row before the next is looked for all the time. */
#define MISSES 3

/* MC146818A data sheet, address map; the century is where ACPI has it on a PC. */
enum { ADDRESS = 0x70, DATA = 0x71, SECOND = 0, MINUTE = 2, HOUR = 4, DAY = 7, MONTH = 8, YEAR = 9, CENTURY = 0x32 };

typedef long long nanos;

struct turn {
	nanos raw, width;
	time_t utc;
};

static nanos raw_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * NANOS + now.tv_nsec;
}

/* Two decimal digits. */
static int digits(unsigned char place)
{
	unsigned char byte;

	outb(place, ADDRESS);
	byte = inb(DATA);
	return (byte >> 4) * 10 + (byte & 15);
}

static time_t date_once(void)
{
	struct tm tm = { .tm_mday = digits(DAY), .tm_mon = digits(MONTH) - 1, .tm_hour = digits(HOUR) };

	tm.tm_year = digits(CENTURY) * 100 + digits(YEAR) - 1900;
	tm.tm_min = digits(MINUTE);
	tm.tm_sec = digits(SECOND);
	return timegm(&tm);
}

/* The kernel reads the RTC too, and may come between the choice of a register and its reading: twice the same is right. */
static time_t date(void)
{
	time_t before, after = date_once();

	do {
		before = after;
		after = date_once();
	} while (before != after && before + 1 != after);
	return after;
}

/* Looks until the second turns, or until the raw counter shows this. The turn is after the last look at the old one began. */
static int seen(nanos until, struct turn *turn)
{
	nanos before = raw_now(), look = before;
	time_t last = date();

	while (look < until) {
		int second;

		look = raw_now();
		second = digits(SECOND);
		if (second == (last + 1) % 60) {
			nanos width = raw_now() - before;

			*turn = (struct turn){ .raw = before + width / 2, .width = width, .utc = last + 1 };
			/* Not if it was stopped at just this place. */
			return date() <= last + 2;
		}
		before = look;
	}
	return 0;
}

static void sleep_until(nanos raw)
{
	nanos left = raw - raw_now();
	struct timespec nap = { .tv_sec = left / NANOS, .tv_nsec = left % NANOS };

	if (left > 0)
		nanosleep(&nap, NULL);
}

int main(int argc, char **argv)
{
	struct turn turn = { 0 };
	time_t end;
	int missed = MISSES;

	if (argc != 2)
		error(100, 0, "turns SECONDS");
	if (ioperm(ADDRESS, 2, 1))
		error(111, errno, "cannot read the RTC");
	end = date() + atoi(argv[1]);
	for (nanos due = 0; turn.utc < end && date() < end + MISSES; due += NANOS) {
		time_t expected = turn.utc + missed;

		if (missed < MISSES)
			sleep_until(due - EARLY);
		/* Stopped and gone on: the seconds turn somewhere else. */
		if (llabs(date() - expected) > 1)
			missed = MISSES;
		if (!seen(missed < MISSES ? due + LATE : raw_now() + 2 * NANOS, &turn)) {
			missed++;
			continue;
		}
		missed = 0;
		due = turn.raw;
		printf("%lld %lld %lld\n", turn.raw, (nanos)turn.utc, turn.width);
		fflush(stdout);
	}
	return 0;
}
