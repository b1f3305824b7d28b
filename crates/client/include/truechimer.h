/*
 * The time with a bound, for C programs: reads what the Truechimer daemon publishes, without asking anybody.
 *
 *     truechimer_clock clock;
 *     truechimer_reading now;
 *     int error = truechimer_open(&clock, NULL);
 *     if (!error) error = truechimer_now(&clock, &now);
 *     if (error) fprintf(stderr, "%s\n", truechimer_error(error));
 *     else printf("%lld .. %lld\n", (long long) now.tai.earliest, (long long) now.tai.latest);
 *     truechimer_close(&clock);
 *
 * True time is between `earliest` and `latest`, under the assumptions that come with them. All numbers are nanoseconds;
 * instants are counted since 1970-01-01 00:00:00 of their own scale, and bounds are cut outwards, so that nothing is
 * promised that is not so. The layout of the page is described in docs/formats/page.md.
 *
 * This header is all there is: no library, C11 by gcc or clang, on 64 bits. Of the C library it takes open, fstat,
 * stat, mmap and clock_gettime. truechimer_now makes no system call where the kernel's vDSO reads clocks, but for a page
 * that was not renewed for two minutes: then it looks once a second whether there is another.
 *
 * A clock belongs to one thread. Define _GNU_SOURCE or _DEFAULT_SOURCE before the first header.
 */
#ifndef TRUECHIMER_H
#define TRUECHIMER_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef __SIZEOF_INT128__
#error "truechimer.h counts attoseconds in 128 bits: it takes gcc or clang on a machine of 64 bits"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Where the daemon publishes the time unless it is told otherwise ([state] run_dir). */
#define TRUECHIMER_PATH "/run/truechimer/time"

/* How the daemon is. */
enum truechimer_status {
    TRUECHIMER_UNKNOWN = 0,
    TRUECHIMER_SYNCHRONISED = 1,
    TRUECHIMER_DEGRADED = 2, /* a majority agrees, but the accuracy that is wanted is not met */
    TRUECHIMER_HOLDOVER = 3, /* nobody is heard, or the daemon is gone: the bound grows */
    TRUECHIMER_DISRUPTED = 4 /* what was known is void until it is measured anew */
};

/* Why there is no time. A system's error is its errno, which is positive. */
enum truechimer_failure {
    TRUECHIMER_NOT_A_PAGE = -1,
    TRUECHIMER_FOREIGN = -2,   /* it belongs to somebody whom nobody told us to trust */
    TRUECHIMER_UNGUARDED = -3, /* others than its owner can write to it, or replace it */
    TRUECHIMER_EMPTY = -4,
    TRUECHIMER_TORN = -5, /* its writer stopped in the middle of writing */
    TRUECHIMER_LAYOUT = -6,
    TRUECHIMER_DAMAGED = -7,
    TRUECHIMER_NOT_KNOWN = -8, /* the daemon does not know the time */
    TRUECHIMER_SLEPT = -9,     /* the machine has slept since the page was written */
    TRUECHIMER_MOVED = -10     /* it is on another host since then, or goes on from a snapshot, as VMClock tells */
};

/* True time is in here. */
typedef struct truechimer_interval {
    int64_t earliest;
    int64_t likeliest;
    int64_t latest;
} truechimer_interval;

/* The time at one moment of a call. */
typedef struct truechimer_reading {
    truechimer_interval tai; /* compare by this: TAI never jumps */
    truechimer_interval utc; /* as POSIX counts it; all counts that are possible around a leap second */
    int knows_utc;           /* else utc means nothing */
    enum truechimer_status status;
    int64_t bound;     /* the furthest that the likeliest time can be from the truth */
    int64_t sigma;     /* one standard deviation of it, as far as statistics can see */
    int64_t age;       /* since a majority was last heard */
    int64_t max_rate;  /* assumption A1: the counter is at most so far from one second per second, in 10^-18 */
    int64_t max_drift; /* assumption A2: its rate is at most so far from its average over the last day, in 10^-18 */
    int64_t raw;       /* what CLOCK_MONOTONIC_RAW showed */
} truechimer_reading;

/* A page that is open. */
typedef struct truechimer_clock {
    const uint64_t *words;
    const unsigned char *host; /* what the host tells, if it does */
    const char *path;
    int64_t owner; /* the user who has to have it; -1: root, we, or whoever has its folder */
    uint64_t device;
    uint64_t inode;
    int64_t looked; /* the counter when another page was last looked for */
} truechimer_clock;

/* The words of the page without its header. */
#define TRUECHIMER_WORDS 40
/* Where the host of a guest tells whether that is where it was (Linux 6.13), and how much of that is read. */
#ifndef TRUECHIMER_VMCLOCK
#define TRUECHIMER_VMCLOCK "/dev/vmclock0"
#endif
#define TRUECHIMER_VMCLOCK_BYTES 112
/* How often a reader tries: a write takes well under a microsecond. */
#define TRUECHIMER_ATTEMPTS 1000
/* And how often then, after 250 us each, for the writer may have lost its processor. */
#define TRUECHIMER_NAPS 100

/* ---- attoseconds -------------------------------------------------------------------------------------------------- */

/* A span or an instant. Sums saturate, as the daemon's do. */
__extension__ typedef __int128 truechimer_attos;
__extension__ typedef unsigned __int128 truechimer_bits;

#define TRUECHIMER_SECOND ((truechimer_attos) 1000000000000000000LL)
#define TRUECHIMER_NANO ((truechimer_attos) 1000000000LL)
#define TRUECHIMER_LONGEST ((truechimer_attos) (~(truechimer_bits) 0 >> 1))

static inline truechimer_attos truechimer_whole(truechimer_attos a)
{
    return a < -TRUECHIMER_LONGEST ? -TRUECHIMER_LONGEST : a;
}

static inline truechimer_attos truechimer_sum(truechimer_attos a, truechimer_attos b)
{
    truechimer_attos sum;
    if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? -TRUECHIMER_LONGEST : TRUECHIMER_LONGEST;
    return truechimer_whole(sum);
}

static inline truechimer_attos truechimer_less(truechimer_attos a, truechimer_attos b)
{
    return truechimer_sum(a, -b);
}

static inline truechimer_attos truechimer_times(truechimer_attos a, int64_t factor)
{
    truechimer_attos product;
    if (__builtin_mul_overflow(a, (truechimer_attos) factor, &product))
        return (a < 0) == (factor < 0) ? TRUECHIMER_LONGEST : -TRUECHIMER_LONGEST;
    return truechimer_whole(product);
}

static inline truechimer_attos truechimer_length(truechimer_attos a) { return a < 0 ? -a : a; }

static inline truechimer_attos truechimer_lower(truechimer_attos a, truechimer_attos b) { return a < b ? a : b; }

static inline truechimer_attos truechimer_higher(truechimer_attos a, truechimer_attos b) { return a > b ? a : b; }

/* What a rate in 10^-18 gains in a span, cut to the attosecond towards zero. */
static inline truechimer_attos truechimer_gain(int64_t rate, truechimer_attos span)
{
    truechimer_attos seconds = span / TRUECHIMER_SECOND, rest = span % TRUECHIMER_SECOND;
    return truechimer_sum(truechimer_times(seconds, rate), rest * rate / TRUECHIMER_SECOND);
}

/* What the limits of the rate may add by widening: nothing for half a day, and for each day begun by as much again (A2). */
static inline truechimer_attos truechimer_drift(int64_t rate, truechimer_attos passed)
{
    truechimer_attos day = 86400 * TRUECHIMER_SECOND, over = truechimer_less(passed, day / 2);
    truechimer_attos days = over / day, triangle;
    if (over <= 0) return 0;
    if (days > INT64_MAX - 1) days = INT64_MAX - 1;
    triangle = days * (days + 1) > INT64_MAX ? INT64_MAX / 2 : days * (days + 1) / 2;
    return truechimer_sum(truechimer_times(truechimer_gain(rate, day), (int64_t) triangle),
                          truechimer_times(truechimer_gain(rate, over - day * days), (int64_t) (days + 1)));
}

/* A root without libm: halving the exponent is within a third, and each of Newton's steps doubles the digits. */
static inline double truechimer_root(double square)
{
    double root;
    uint64_t bits;
    int step;
    if (!(square > 0)) return 0;
    memcpy(&bits, &square, sizeof bits);
    bits = (bits >> 1) + ((uint64_t) 1023 << 51);
    memcpy(&root, &bits, sizeof root);
    for (step = 0; step < 6; step++) root = (root + square / root) / 2;
    return root;
}

/* Nanoseconds, cut downwards. */
static inline int64_t truechimer_down(truechimer_attos attos)
{
    truechimer_attos nanos = attos / TRUECHIMER_NANO;
    if (attos % TRUECHIMER_NANO < 0) nanos--;
    return nanos > INT64_MAX ? INT64_MAX : nanos < INT64_MIN ? INT64_MIN : (int64_t) nanos;
}

/* Nanoseconds, cut upwards. */
static inline int64_t truechimer_up(truechimer_attos attos)
{
    int64_t nanos = truechimer_down(attos);
    return nanos < INT64_MAX && (truechimer_attos) nanos * TRUECHIMER_NANO < attos ? nanos + 1 : nanos;
}

/* ---- the page ----------------------------------------------------------------------------------------------------- */

static inline truechimer_attos truechimer_span(const uint64_t *words)
{
    return truechimer_whole((truechimer_attos) ((truechimer_bits) words[1] << 64 | words[0]));
}

static inline truechimer_attos truechimer_seconds(uint64_t word) { return (int64_t) word * TRUECHIMER_SECOND; }

static inline int truechimer_is_offset(uint64_t word)
{
    return (int64_t) word >= INT32_MIN && (int64_t) word <= INT32_MAX;
}

/* Only words that are ever written mean something. */
static inline int truechimer_check(const uint64_t *words)
{
    if (words[0] != 2) return TRUECHIMER_LAYOUT;
    if (words[1] > 4 || words[2] > 1 || words[3] > 1 || words[8] > 1 || words[10] > 2 || words[38] > 1) return TRUECHIMER_DAMAGED;
    if (!truechimer_is_offset(words[9]) || !truechimer_is_offset(words[36]) || !truechimer_is_offset(words[37]))
        return TRUECHIMER_DAMAGED;
    if (words[2] && (truechimer_span(words + 22) < 0 || truechimer_span(words + 24) < 0)) return TRUECHIMER_DAMAGED;
    return 0;
}

/* The count of UTC at an instant of TAI. */
static inline truechimer_attos truechimer_count(const uint64_t *words, truechimer_attos tai)
{
    return truechimer_less(tai, truechimer_seconds(words[tai < truechimer_span(words + 34) ? 36 : 37]));
}

static inline void truechimer_in_utc(const uint64_t *words, truechimer_attos earliest, truechimer_attos likeliest,
                                     truechimer_attos latest, truechimer_interval *utc)
{
    truechimer_attos leaps = truechimer_span(words + 34);
    truechimer_attos first = truechimer_count(words, earliest), last = truechimer_count(words, latest);
    if (earliest < leaps && leaps <= latest) {
        first = truechimer_lower(first, truechimer_less(leaps, truechimer_seconds(words[37])));
        last = truechimer_higher(last, truechimer_less(leaps, truechimer_seconds(words[36])));
    }
    utc->earliest = truechimer_down(first);
    utc->likeliest = truechimer_down(truechimer_count(words, likeliest));
    utc->latest = truechimer_up(last);
}

static inline int64_t truechimer_sigma(const uint64_t *words, truechimer_attos passed)
{
    double line = (double) truechimer_sum((int64_t) words[26] * TRUECHIMER_NANO,
                                          truechimer_gain((int64_t) words[30], truechimer_length(passed))) / 1e18;
    double after = (double) truechimer_length(passed) / 1e18;
    double walked = (double) (int64_t) words[31] / 1e18 * after * truechimer_root(after / 3);
    double sigma = truechimer_root(line * line + walked * walked) * 1e9;
    return sigma < 9223372036854775808.0 ? (int64_t) sigma : INT64_MAX;
}

/*
 * What the words of a page say when the counter shows `raw` and the machine has slept for `asleep` since boot, both in
 * attoseconds. truechimer_now does this with the clocks of now.
 */
static inline int truechimer_apply(const uint64_t *words, truechimer_attos raw, truechimer_attos asleep,
                                   truechimer_reading *now)
{
    truechimer_attos passed, best, least, most, drift, earliest, latest, likeliest, ahead;
    int error = truechimer_check(words);
    memset(now, 0, sizeof *now);
    if (error) return error;
    now->status = (enum truechimer_status) words[1];
    if (!words[2]) return TRUECHIMER_NOT_KNOWN;
    if (truechimer_length(truechimer_less(asleep, truechimer_span(words + 4))) > 10000000 * TRUECHIMER_NANO)
        return TRUECHIMER_SLEPT;
    passed = truechimer_less(raw, truechimer_span(words + 18));
    best = truechimer_span(words + 20);
    least = truechimer_gain((int64_t) words[28], passed);
    most = truechimer_gain((int64_t) words[29], passed);
    drift = truechimer_drift((int64_t) words[12], truechimer_length(passed));
    earliest = truechimer_less(truechimer_sum(truechimer_sum(truechimer_less(best, truechimer_span(words + 22)), passed),
                                              truechimer_lower(least, most)), drift);
    latest = truechimer_sum(truechimer_sum(truechimer_sum(truechimer_sum(best, truechimer_span(words + 24)), passed),
                                           truechimer_higher(least, most)), drift);
    likeliest = truechimer_sum(truechimer_sum(best, passed), truechimer_gain((int64_t) words[27], passed));
    likeliest = truechimer_lower(truechimer_higher(likeliest, earliest), latest);
    now->tai.earliest = truechimer_down(earliest);
    now->tai.likeliest = truechimer_down(likeliest);
    now->tai.latest = truechimer_up(latest);
    now->knows_utc = words[8] != 0;
    if (now->knows_utc) truechimer_in_utc(words, earliest, likeliest, latest, &now->utc);
    /* A daemon that lives writes every 64 s. One that has not for so long measures no more. */
    ahead = truechimer_less(raw, truechimer_span(words + 32));
    if (ahead > 130 * TRUECHIMER_SECOND && (words[1] == TRUECHIMER_SYNCHRONISED || words[1] == TRUECHIMER_DEGRADED))
        now->status = TRUECHIMER_HOLDOVER;
    now->bound = truechimer_up(truechimer_higher(truechimer_less(likeliest, earliest), truechimer_less(latest, likeliest)));
    now->sigma = truechimer_sigma(words, passed);
    now->age = truechimer_down(passed);
    now->max_rate = (int64_t) words[11];
    now->max_drift = (int64_t) words[12];
    now->raw = truechimer_down(raw);
    return 0;
}

/* ---- memory and clocks -------------------------------------------------------------------------------------------- */

/* All words, as they were written together: the daemon's sequence lock, from the reader's side. */
static inline int truechimer_words(const truechimer_clock *clock, uint64_t *words)
{
    const struct timespec nap = {0, 250000};
    int attempt, place;
    if (!clock->words) return TRUECHIMER_NOT_A_PAGE;
    for (attempt = 0; attempt < TRUECHIMER_ATTEMPTS + TRUECHIMER_NAPS; attempt++) {
        /* A writer that lost its processor in the middle of writing is waited for. */
        if (attempt >= TRUECHIMER_ATTEMPTS) nanosleep(&nap, NULL);
        uint64_t before = __atomic_load_n(clock->words + 3, __ATOMIC_RELAXED), after;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        for (place = 0; place < TRUECHIMER_WORDS; place++)
            words[place] = __atomic_load_n(clock->words + 4 + place, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        after = __atomic_load_n(clock->words + 3, __ATOMIC_RELAXED);
        if (before == after && before % 2 == 0) return before == 0 ? TRUECHIMER_EMPTY : 0;
    }
    return TRUECHIMER_TORN;
}

static inline truechimer_attos truechimer_clock_of(clockid_t id)
{
    struct timespec now = {0, 0};
    (void) clock_gettime(id, &now);
    return now.tv_sec * TRUECHIMER_SECOND + now.tv_nsec * TRUECHIMER_NANO;
}

/* How long the machine has slept since boot. An interruption between two clocks makes it seem longer: the tightest counts. */
static inline truechimer_attos truechimer_asleep(int tries)
{
    truechimer_attos asleep = 0, tightest = TRUECHIMER_LONGEST;
    while (tries-- > 0) {
        truechimer_attos before = truechimer_clock_of(CLOCK_MONOTONIC);
        truechimer_attos boot = truechimer_clock_of(CLOCK_BOOTTIME);
        truechimer_attos width = truechimer_clock_of(CLOCK_MONOTONIC) - before;
        if (width < tightest) {
            tightest = width;
            asleep = truechimer_higher(boot - (before + width / 2), 0);
        }
    }
    return asleep;
}

static inline int truechimer_is_open_to_others(mode_t mode) { return (mode & 022) != 0; }

/* Can nobody but its owner, root and us write to the page or put another in its place? */
static inline int truechimer_guarded(const truechimer_clock *clock, const struct stat *file)
{
    const char *slash = strrchr(clock->path, '/');
    size_t length = slash ? (size_t) (slash - clock->path) + (slash == clock->path) : 1;
    char folder_name[4096];
    struct stat folder;
    uid_t ours = geteuid();
    if (length >= sizeof folder_name) return ENAMETOOLONG;
    memcpy(folder_name, slash ? clock->path : ".", length);
    folder_name[length] = 0;
    if (stat(folder_name, &folder)) return errno;
    if (clock->owner >= 0 ? (int64_t) file->st_uid != clock->owner
                          : file->st_uid != 0 && file->st_uid != ours && file->st_uid != folder.st_uid)
        return TRUECHIMER_FOREIGN;
    if (truechimer_is_open_to_others(file->st_mode)) return TRUECHIMER_UNGUARDED;
    if (truechimer_is_open_to_others(folder.st_mode) && !(folder.st_mode & S_ISVTX)) return TRUECHIMER_UNGUARDED;
    if (folder.st_uid != 0 && folder.st_uid != ours && folder.st_uid != file->st_uid) return TRUECHIMER_UNGUARDED;
    return 0;
}

static inline int truechimer_map(truechimer_clock *clock, int file)
{
    const size_t bytes = 8 * (4 + TRUECHIMER_WORDS);
    struct stat about;
    void *start;
    int error;
    if (fstat(file, &about)) return errno;
    error = truechimer_guarded(clock, &about);
    if (error) return error;
    if (!S_ISREG(about.st_mode) || about.st_size != (off_t) bytes) return TRUECHIMER_NOT_A_PAGE;
    start = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (start == MAP_FAILED) return errno;
    clock->words = (const uint64_t *) start;
    clock->device = about.st_dev;
    clock->inode = about.st_ino;
    if (clock->words[0] == 0x747275656368696dULL && clock->words[1] == 1 && clock->words[2] == bytes) return 0;
    munmap(start, bytes);
    clock->words = NULL;
    return TRUECHIMER_NOT_A_PAGE;
}

/* Closes a clock. One that could not be opened may be closed too. */
static inline void truechimer_close(truechimer_clock *clock)
{
    if (clock->words) munmap((void *) clock->words, 8 * (4 + TRUECHIMER_WORDS));
    if (clock->host) munmap((void *) clock->host, TRUECHIMER_VMCLOCK_BYTES);
    clock->words = NULL;
    clock->host = NULL;
}

/* A number of the host's, which are little-endian. */
static inline uint64_t truechimer_told(const unsigned char *bytes, int count)
{
    uint64_t number = 0;
    while (count-- > 0) number = number << 8 | __atomic_load_n(bytes + count, __ATOMIC_RELAXED);
    return number;
}

/* Finds out whether there is a host that tells. There need not be. */
static inline void truechimer_find_host(truechimer_clock *clock)
{
    struct stat about;
    void *start;
    int file = open(TRUECHIMER_VMCLOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return;
    if (!fstat(file, &about) && (!S_ISREG(about.st_mode) || about.st_size >= TRUECHIMER_VMCLOCK_BYTES)) {
        start = mmap(NULL, TRUECHIMER_VMCLOCK_BYTES, PROT_READ, MAP_SHARED, file, 0);
        if (start != MAP_FAILED) {
            clock->host = (const unsigned char *) start;
            if (truechimer_told(clock->host, 4) != 0x4b4c4356 || truechimer_told(clock->host + 8, 2) != 1) {
                munmap(start, TRUECHIMER_VMCLOCK_BYTES);
                clock->host = NULL;
            }
        }
    }
    close(file);
}

/* Is this guest where it was when the page was written, as far as its host tells? To be asked after the counter was read. */
static inline int truechimer_is_here(const truechimer_clock *clock, const uint64_t *words)
{
    int tries;
    if (!words[38] || !clock->host) return 1;
    for (tries = 0; tries < TRUECHIMER_ATTEMPTS; tries++) {
        const uint64_t before = truechimer_told(clock->host + 12, 4);
        uint64_t marker;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        marker = truechimer_told(clock->host + 16, 8);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 == 0 && before == truechimer_told(clock->host + 12, 4)) return marker == words[39];
    }
    return 0;
}

/*
 * Opens the page at `path`, which has to outlive the clock (NULL: TRUECHIMER_PATH), if it belongs to `owner` (-1: to root,
 * to us, or to whoever has its folder) and nobody else can write to it or replace it. 0, an errno, or a truechimer_failure.
 */
static inline int truechimer_open_owned_by(truechimer_clock *clock, const char *path, int64_t owner)
{
    int file, error;
    memset(clock, 0, sizeof *clock);
    clock->path = path ? path : TRUECHIMER_PATH;
    clock->owner = owner;
    clock->looked = INT64_MIN;
    file = open(clock->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return errno;
    error = truechimer_map(clock, file);
    close(file);
    if (!error) truechimer_find_host(clock);
    return error;
}

static inline int truechimer_open(truechimer_clock *clock, const char *path)
{
    return truechimer_open_owned_by(clock, path, -1);
}

/* Opens the page again if its file is another by now, at most once a second. Says whether it is. */
static inline int truechimer_look_again(truechimer_clock *clock, truechimer_attos raw)
{
    const int64_t now = truechimer_down(raw);
    truechimer_clock other;
    struct stat about;
    if (clock->looked != INT64_MIN && now - clock->looked < 1000000000) return 0;
    clock->looked = now;
    if (lstat(clock->path, &about) || (about.st_dev == clock->device && about.st_ino == clock->inode)) return 0;
    if (truechimer_open_owned_by(&other, clock->path, clock->owner)) return 0;
    truechimer_close(clock);
    *clock = other;
    clock->looked = now;
    return 1;
}

/* What time it is, at a moment between the call and its return. 0, or a truechimer_failure. */
static inline int truechimer_now(truechimer_clock *clock, truechimer_reading *now)
{
    uint64_t words[TRUECHIMER_WORDS];
    int error = truechimer_words(clock, words), is_good;
    /* The page, then the counter, then the sleep: a sleep that stopped the counter before it was read is seen. */
    truechimer_attos raw = truechimer_clock_of(CLOCK_MONOTONIC_RAW), asleep = truechimer_asleep(1);
    if (!error) error = truechimer_check(words);
    is_good = !error && truechimer_less(raw, truechimer_span(words + 32)) <= 130 * TRUECHIMER_SECOND;
    if (!is_good && truechimer_look_again(clock, raw)) error = truechimer_words(clock, words);
    if (error) {
        memset(now, 0, sizeof *now);
        return error;
    }
    if (!truechimer_is_here(clock, words)) {
        memset(now, 0, sizeof *now);
        return TRUECHIMER_MOVED;
    }
    error = truechimer_apply(words, raw, asleep, now);
    /* One try may have been interrupted between two clocks. */
    return error == TRUECHIMER_SLEPT ? truechimer_apply(words, raw, truechimer_asleep(5), now) : error;
}

/* Is an instant, in nanoseconds of TAI, in the past for certain? What was true once stays true. */
static inline int truechimer_has_passed(const truechimer_reading *now, int64_t tai) { return tai < now->tai.earliest; }

/* Was it in the future for certain when the clock was read? It may have come meanwhile. */
static inline int truechimer_is_to_come(const truechimer_reading *now, int64_t tai) { return now->tai.latest < tai; }

/* Why there is no time, in words. */
static inline const char *truechimer_error(int error)
{
    switch (error) {
    case 0: return "no error";
    case TRUECHIMER_NOT_A_PAGE: return "not a page of this layout";
    case TRUECHIMER_FOREIGN: return "the page belongs to somebody whom nobody told us to trust";
    case TRUECHIMER_UNGUARDED: return "others than its owner can write to the page, or put another in its place";
    case TRUECHIMER_EMPTY: return "nothing has been written to the page yet";
    case TRUECHIMER_TORN: return "the page's writer stopped in the middle of writing";
    case TRUECHIMER_LAYOUT: return "the page is of another version than this program";
    case TRUECHIMER_DAMAGED: return "the page holds a word that is never written: it is damaged";
    case TRUECHIMER_NOT_KNOWN: return "the daemon does not know the time";
    case TRUECHIMER_MOVED: return "the machine was moved to another host, the time is not measured anew yet";
    case TRUECHIMER_SLEPT: return "the machine has slept, the time is not measured anew yet";
    default: return strerror(error);
    }
}

#ifdef __cplusplus
}
#endif

#endif
