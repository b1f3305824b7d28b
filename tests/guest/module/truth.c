// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * True time as devices, for tests in a guest: a pulse per second and a PTP hardware clock.
 *
 * The guest's own clock is the one under test, so true time is made of the raw counter (CLOCK_MONOTONIC_RAW), which
 * nobody can steer:
 *
 *	TAI = start + raw + raw * rate + wander * sin(2 pi raw / period)
 *
 *	truth=START:RATE	what `truth begin` prints: seconds of TAI at raw zero, and attoseconds gained per second
 *	wander_ns, period_s	the sine above: 477465 and 600 make +- 5 ppm in ten minutes
 *
 * What follows can be changed at any time in /sys/module/truth/parameters:
 *
 *	pulses			0: the antenna has lost the sky
 *	pulse_ns		how late each pulse is; negative is early
 *	jitter_ns		each pulse is later still by chance, evenly up to this; the chances are the same in every run
 *	phc_ns			how far ahead of TAI the PTP clock is; -37000000000 makes it UTC of 2017 and after
 *	generation		written to for the first time: there is a VMGenID; again: it is another one, which the kernel tells
 *
 * And this can be read there:
 *
 *	counters		the processor's counter (TSC) and the raw one in ns, taken at once
 *
 * Nothing here sets or steers any clock, and what is asked to do so is refused.
 */
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pps_kernel.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/timekeeping.h>
#include <asm/tsc.h>

#define ATTOS_PER_SEC 1000000000000000000ULL

/* A timer is late by what an interrupt takes, so it is aimed too early, and the rest is waited for in the interrupt. */
#define EARLY_NS 20000

static char *truth;
module_param(truth, charp, 0444);
static ulong wander_ns;
module_param(wander_ns, ulong, 0444);
static ulong period_s = 600;
module_param(period_s, ulong, 0444);
static bool pulses = true;
module_param(pulses, bool, 0644);
static long pulse_ns;
module_param(pulse_ns, long, 0644);
static ulong jitter_ns;
module_param(jitter_ns, ulong, 0644);
static long phc_ns;
module_param(phc_ns, long, 0644);

/* Linux 6.10 has a platform driver of this name, which does the same; kernels of clouds are built without it. */
static struct platform_device *generation_device;

static int take(struct platform_device *device)
{
	return 0;
}

static struct platform_driver generation_driver = { .probe = take, .driver = { .name = "vmgenid" } };

static int tell_generation(const char *text, const struct kernel_param *param)
{
	char *words[] = { "NEW_VMGENID=1", NULL };
	int failed;

	if (generation_device)
		return kobject_uevent_env(&generation_device->dev.kobj, KOBJ_CHANGE, words);
	failed = platform_driver_register(&generation_driver);
	if (failed)
		return failed;
	generation_device = platform_device_register_simple("vmgenid", PLATFORM_DEVID_NONE, NULL, 0);
	if (!IS_ERR(generation_device))
		return 0;
	failed = PTR_ERR(generation_device);
	generation_device = NULL;
	platform_driver_unregister(&generation_driver);
	return failed;
}
static const struct kernel_param_ops generation_ops = { .set = tell_generation };
module_param_cb(generation, &generation_ops, NULL, 0200);

/* A processor's counter goes on while the machine sleeps, the raw clock does not. */
static int show_counters(char *buffer, const struct kernel_param *param)
{
	unsigned long flags;
	u64 ticks, raw;

	local_irq_save(flags);
	ticks = rdtsc_ordered();
	raw = ktime_get_raw_ns();
	local_irq_restore(flags);
	return scnprintf(buffer, PAGE_SIZE, "%llu %llu\n", ticks, raw);
}
static const struct kernel_param_ops counters_ops = { .get = show_counters };
module_param_cb(counters, &counters_ops, NULL, 0444);

static s64 start_ns;
static s64 rate;

/* The nine digits after the point that are nanoseconds; what is finer is left out. */
static s64 nanos_of(const char *digits)
{
	s64 nanos = 0;
	int i;

	for (i = 0; i < 9; i++)
		nanos = nanos * 10 + (*digits >= '0' && *digits <= '9' ? *digits++ - '0' : 0);
	return nanos;
}

static int parse_truth(void)
{
	char *end;
	u64 seconds;

	if (!truth)
		return -EINVAL;
	seconds = simple_strtoull(truth, &end, 10);
	if (end == truth || seconds > KTIME_SEC_MAX)
		return -ERANGE;
	start_ns = seconds * NSEC_PER_SEC + (*end == '.' ? nanos_of(end + 1) : 0);
	end = strchr(end, ':');
	return end ? kstrtos64(end + 1, 10, &rate) : -EINVAL;
}

/*
 * The sine of a quarter turn times u / 2^30, as 2^30ths: the first six terms of its series, which are right to 6e-8.
 */
static s64 sine_of_quarter(s64 u)
{
	static const s64 terms[] = { -3864, 172272, -5026995, 85569306, -693598668, 1686629713 };
	s64 square = u * u >> 30, sum = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(terms); i++)
		sum = (sum * square >> 30) + terms[i];
	return sum * u >> 30;
}

static s64 wander_at(u64 raw)
{
	u64 period = period_s * NSEC_PER_SEC;
	u64 turn, u;
	s64 sine;

	if (!wander_ns || !period)
		return 0;
	turn = mul_u64_u64_div_u64(raw % period, 1ULL << 32, period);
	u = turn & (BIT_ULL(30) - 1);
	sine = sine_of_quarter(turn & BIT_ULL(30) ? BIT_ULL(30) - u : u);
	sine = (s64)wander_ns * sine >> 30;
	return turn & BIT_ULL(31) ? -sine : sine;
}

static s64 gained_at(u64 raw)
{
	u64 gained = mul_u64_u64_div_u64(raw, abs(rate), ATTOS_PER_SEC);

	return rate < 0 ? -(s64)gained : gained;
}

/* True time in nanoseconds of TAI since 1970. */
static s64 true_now(void)
{
	u64 raw = ktime_get_raw_ns();

	return start_ns + raw + gained_at(raw) + wander_at(raw);
}

/* The pulse. */

static struct pps_device *pps;
static struct hrtimer timer;
/* The true second that is marked next, and when the pulse for it comes. */
static s64 second, due;

/* splitmix64 of the second: the same chance in every run. */
static u64 chance(u64 seed)
{
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	return seed ^ (seed >> 31);
}

static void plan_pulse(s64 next)
{
	ulong most = READ_ONCE(jitter_ns);

	second = next;
	due = second * NSEC_PER_SEC + READ_ONCE(pulse_ns) + (most ? chance(second) % most : 0);
}

/*
 * How long to set the timer. It counts the monotonic clock, which may be a tenth slower than true time, so that it is
 * only trusted with seven eighths of the way: some eight aims make a pulse.
 */
static s64 aim(s64 left)
{
	return clamp_t(s64, left - left / 8 - EARLY_NS / 2, NSEC_PER_USEC, NSEC_PER_SEC);
}

static enum hrtimer_restart fire(struct hrtimer *timer)
{
	struct pps_event_time now;
	s64 left = due - true_now();

	if (left <= EARLY_NS) {
		while (true_now() < due)
			cpu_relax();
		pps_get_ts(&now);
		if (READ_ONCE(pulses))
			pps_event(pps, &now, PPS_CAPTUREASSERT, NULL);
		plan_pulse(second + 1);
		left = due - true_now();
	}
	hrtimer_set_expires(timer, ktime_add_ns(ktime_get(), aim(left)));
	return HRTIMER_RESTART;
}

static struct pps_source_info pulse = {
	.name = "truth",
	.mode = PPS_CAPTUREASSERT | PPS_OFFSETASSERT | PPS_CANWAIT | PPS_TSFMT_TSPEC,
	.owner = THIS_MODULE,
};

static void start_pulses(void)
{
	/* The second after the next, so that no delay can make the first pulse one that is over. */
	plan_pulse(div_s64(true_now(), NSEC_PER_SEC) + 2);
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = fire;
	hrtimer_start(&timer, ns_to_ktime(EARLY_NS), HRTIMER_MODE_REL_HARD);
}

/* The PTP hardware clock: it can be read and nothing else. */

static int read_clock(struct ptp_clock_info *info, struct timespec64 *ts, struct ptp_system_timestamp *system)
{
	s64 now;

	ptp_read_system_prets(system);
	now = true_now();
	ptp_read_system_postts(system);
	*ts = ns_to_timespec64(now + READ_ONCE(phc_ns));
	return 0;
}

static int refuse_set(struct ptp_clock_info *info, const struct timespec64 *ts)
{
	return -EOPNOTSUPP;
}

static int refuse_step(struct ptp_clock_info *info, s64 delta)
{
	return -EOPNOTSUPP;
}

static int refuse_rate(struct ptp_clock_info *info, long scaled_ppm)
{
	return -EOPNOTSUPP;
}

static int refuse_pin(struct ptp_clock_info *info, struct ptp_clock_request *request, int on)
{
	return -EOPNOTSUPP;
}

static struct ptp_clock_info clock = {
	.owner = THIS_MODULE,
	.name = "truth",
	.gettimex64 = read_clock,
	.settime64 = refuse_set,
	.adjtime = refuse_step,
	.adjfine = refuse_rate,
	.enable = refuse_pin,
};

static struct ptp_clock *ptp;

static int __init truth_init(void)
{
	int error = parse_truth();

	if (error) {
		pr_err("truth: truth=START:RATE is what `truth begin` prints\n");
		return error;
	}
	ptp = ptp_clock_register(&clock, NULL);
	if (IS_ERR(ptp))
		return PTR_ERR(ptp);
	pps = pps_register_source(&pulse, PPS_CAPTUREASSERT | PPS_OFFSETASSERT);
	if (IS_ERR(pps)) {
		ptp_clock_unregister(ptp);
		return PTR_ERR(pps);
	}
	start_pulses();
	return 0;
}

static void __exit truth_exit(void)
{
	if (generation_device) {
		platform_device_unregister(generation_device);
		platform_driver_unregister(&generation_driver);
	}
	hrtimer_cancel(&timer);
	pps_unregister_source(pps);
	ptp_clock_unregister(ptp);
}

module_init(truth_init);
module_exit(truth_exit);
MODULE_DESCRIPTION("True time as a pulse per second and a PTP hardware clock, for tests");
MODULE_LICENSE("Dual MIT/GPL");
