/*
 * What truechimer.h says of pages, for comparison with the library for Rust.
 *
 *     read PATH OWNER     the page at PATH, now
 *     read                each line of the input is a page: its words, the counter and the sleep, two words each, in hexadecimal
 *
 * A line of the output: the error, and if there is none, all numbers of the reading.
 */
#define _GNU_SOURCE
/* The test says by the environment where the host is. */
#include <stdlib.h>

#include "truechimer.h"

#include <inttypes.h>
#include <stdio.h>

static void print(int error, const truechimer_reading *now)
{
    printf("%d", error);
    if (!error) {
        printf(" %" PRId64 " %" PRId64 " %" PRId64, now->tai.earliest, now->tai.likeliest, now->tai.latest);
        printf(" %" PRId64 " %" PRId64 " %" PRId64, now->utc.earliest, now->utc.likeliest, now->utc.latest);
        printf(" %d %d %" PRId64 " %" PRId64, now->knows_utc, (int) now->status, now->bound, now->sigma);
        printf(" %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, now->age, now->max_rate, now->max_drift, now->raw);
        if (truechimer_has_passed(now, now->tai.earliest) || truechimer_is_to_come(now, now->tai.latest)) abort();
        if (now->tai.earliest > INT64_MIN && !truechimer_has_passed(now, now->tai.earliest - 1)) abort();
        if (now->tai.latest < INT64_MAX && !truechimer_is_to_come(now, now->tai.latest + 1)) abort();
    }
    printf("\n");
}

static int apply_all(void)
{
    uint64_t words[TRUECHIMER_WORDS + 4];
    truechimer_reading now;
    size_t place = 0;
    while (scanf("%" SCNx64, &words[place]) == 1) {
        if (++place < TRUECHIMER_WORDS + 4) continue;
        place = 0;
        print(truechimer_apply(words, truechimer_span(words + TRUECHIMER_WORDS),
                               truechimer_span(words + TRUECHIMER_WORDS + 2), &now), &now);
    }
    return place != 0;
}

int main(int count, char **arguments)
{
    truechimer_clock clock;
    truechimer_reading now;
    int error;
    if (count == 1) return apply_all();
    if (count != 3) return 100;
    error = truechimer_open_owned_by(&clock, arguments[1], strtoll(arguments[2], NULL, 10));
    if (!error) error = truechimer_now(&clock, &now);
    truechimer_close(&clock);
    print(error, &now);
    fprintf(stderr, "%s\n", truechimer_error(error));
    return 0;
}
