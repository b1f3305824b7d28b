//! Reading the kernel's clocks.
//!
//! All readings of one moment are taken together, by [`readings`]; nobody else in the daemon asks what time it is.
//! Nothing here sets or steers anything: that is [`adjust`](crate::adjust).

use truechimer_time::{Local, Mono, Raw, Span, Tai, Time};

/// How often [`readings`] tries for a tight bracket.
const TRIES: usize = 5;
/// A bracket this tight is not tried again: it is about what four reads through the vDSO take.
const TIGHT: Span = Span::from_nanos(200);
/// How many pairs of readings [`precision`] looks at.
const PRECISION_PAIRS: usize = 64;

/// The clocks of this machine at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// The unadjusted counter, in the middle of the bracket.
    pub raw: Time<Raw>,
    /// The clock that time-outs run on.
    pub mono: Time<Mono>,
    /// The clock that programs see, `CLOCK_REALTIME`.
    pub realtime: Time<Local>,
    /// How long this machine has slept since boot, see [`asleep`].
    pub asleep: Span,
    /// How long it took to read, by the raw counter: `realtime` and `mono` were read within half of this of `raw`.
    pub width: Span,
}

/// Reads all clocks together: the raw counter, the real time, the monotonic time, the raw counter again. Of up
/// to five tries the narrowest counts, so that being interrupted between two reads does no harm.
pub fn readings() -> Readings {
    Readings { asleep: asleep(), ..tightest() }
}

/// As [`readings`], in a quarter of the time, for those who read often: `asleep` is from one try, so an interruption may
/// make it seem longer. Whoever sees a sleep looks again.
pub fn glance() -> Readings {
    Readings { asleep: asleep_once().map_or(Span::ZERO, |(_, asleep)| asleep.max(Span::ZERO)), ..tightest() }
}

/// The unadjusted counter, and how long this machine had slept a moment later. In this order a sleep that stopped the counter
/// before it was read is seen. As quick as that can be: the sleep is from one try, so an interruption may make it seem longer.
/// Whoever sees one looks again, by [`asleep`].
pub fn counter() -> (Time<Raw>, Span) {
    let raw = raw();
    (raw, asleep_once().map_or(Span::ZERO, |(_, asleep)| asleep.max(Span::ZERO)))
}

fn tightest() -> Readings {
    let mut best = bracket();
    for _ in 1..TRIES {
        if best.width <= TIGHT {
            break;
        }
        let next = bracket();
        if next.width < best.width {
            best = next;
        }
    }
    best
}

fn bracket() -> Readings {
    let before = raw();
    let realtime = realtime();
    let mono = mono();
    let width = raw() - before;
    Readings { raw: before + width.half(), mono, realtime, asleep: Span::ZERO, width }
}

/// The machine's unadjusted counter, `CLOCK_MONOTONIC_RAW`.
pub fn raw() -> Time<Raw> {
    Time::from_epoch(always(libc::CLOCK_MONOTONIC_RAW))
}

/// The clock of time-outs, `CLOCK_MONOTONIC`. It may stand near zero: subtract with care.
pub fn mono() -> Time<Mono> {
    Time::from_epoch(always(libc::CLOCK_MONOTONIC))
}

/// The clock that programs see, `CLOCK_REALTIME`.
pub fn realtime() -> Time<Local> {
    Time::from_epoch(always(libc::CLOCK_REALTIME))
}

/// International atomic time, `CLOCK_TAI`: the real time and the offset that the kernel was told of, which is zero
/// until somebody does. Nothing where there is no such clock.
pub fn tai() -> Option<Time<Tai>> {
    read(libc::CLOCK_TAI).map(Time::from_epoch)
}

/// How old the time is that the kernel keeps ready between ticks (`CLOCK_MONOTONIC_COARSE`), and how far its ticks are apart. Older
/// than a tick it is where ticks were late or lost, also on a kernel without ticks in idle: it makes up for them when it wakes.
/// Nothing where there is no such clock.
pub fn tick_age() -> Option<(Span, Span)> {
    let coarse = read(libc::CLOCK_MONOTONIC_COARSE)?;
    let mut tick = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_getres writes one timespec to the pointer, which is valid for that.
    let failed = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut tick) } != 0;
    (!failed).then(|| ((mono().since_epoch() - coarse).max(Span::ZERO), span(&tick)))
}

/// How long this machine has been suspended since boot: `CLOCK_BOOTTIME` less `CLOCK_MONOTONIC`. It cannot be read
/// in one go and so jitters by the time of a read (well under a microsecond). Zero where there is no such clock.
pub fn asleep() -> Span {
    let tightest = (0..TRIES).map_while(|_| asleep_once()).min_by_key(|(width, _)| *width);
    tightest.map_or(Span::ZERO, |(_, asleep)| asleep.max(Span::ZERO))
}

/// One try, and how long it took.
fn asleep_once() -> Option<(Span, Span)> {
    let before = mono();
    let boot = read(libc::CLOCK_BOOTTIME)?;
    let width = mono() - before;
    Some((width, boot - (before + width.half()).since_epoch()))
}

/// The step by which `CLOCK_REALTIME` counts, as the kernel states it: 1 ns with high resolution timers.
pub fn resolution() -> Span {
    let mut step = libc::timespec { tv_sec: 0, tv_nsec: 1 };
    // SAFETY: the kernel writes one timespec to the address of ours, or fails and leaves it alone.
    unsafe { libc::clock_getres(libc::CLOCK_REALTIME, &raw mut step) };
    span(&step)
}

/// The precision of RFC 5905, section 7.3: the shortest time between two readings of `CLOCK_REALTIME` that differ,
/// and never less than [`resolution`].
pub fn precision() -> Span {
    let differences = (0..PRECISION_PAIRS).map(|_| {
        let before = realtime();
        realtime() - before
    });
    differences.filter(|d| *d > Span::ZERO).min().unwrap_or(Span::ZERO).max(resolution())
}

/// Reads a clock that every Linux has had since 2.6.28.
fn always(id: libc::clockid_t) -> Span {
    read(id).expect("clock_gettime fails only for clocks that the kernel does not have, and it has this one")
}

fn read(id: libc::clockid_t) -> Option<Span> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the address of ours, or fails and leaves it alone.
    let result = unsafe { libc::clock_gettime(id, &raw mut now) };
    (result == 0).then(|| span(&now))
}

fn span(time: &libc::timespec) -> Span {
    Span::from_secs(time.tv_sec as i64) + Span::from_nanos(time.tv_nsec as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward() {
        let (raw_before, mono_before) = (raw(), mono());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(raw() - raw_before >= Span::from_millis(1));
        assert!(mono() - mono_before >= Span::from_millis(1));
    }

    #[test]
    fn ticks_are_apart_and_the_time_between_them_is_not_ahead() {
        let (age, tick) = tick_age().expect("every Linux has had it since 2.6.32");
        assert!(Span::ZERO <= age && Span::ZERO < tick, "{age:?} {tick:?}");
    }

    #[test]
    fn all_readings_belong_to_one_moment() {
        for read in [readings, glance] {
            let before = (raw(), mono(), realtime());
            let readings = read();
            let after = (raw(), mono(), realtime());
            assert!(before.0 <= readings.raw && readings.raw <= after.0);
            assert!(before.1 <= readings.mono && readings.mono <= after.1);
            assert!(before.2 <= readings.realtime && readings.realtime <= after.2);
            assert!(readings.width >= Span::ZERO && readings.width <= after.0 - before.0);
        }
    }

    #[test]
    fn the_counter_is_read_together_with_the_sleep() {
        let before = raw();
        let (counter, slept) = counter();
        assert!(before <= counter && counter <= raw());
        assert!((slept - asleep()).abs() < Span::from_secs(1), "{slept:?}");
    }

    #[test]
    fn atomic_time_is_ahead_by_the_offset_that_the_kernel_knows() {
        let offset = crate::adjust::read_state().unwrap().tai_offset;
        let ahead =
            tai().unwrap().since_epoch() - realtime().since_epoch() - Span::from_secs(i64::from(offset));
        assert!(ahead.abs() < Span::from_millis(10), "{ahead:?}");
    }

    #[test]
    fn this_machine_has_not_slept_while_tested() {
        let change = asleep() - asleep();
        assert!(change.abs() < Span::from_millis(10), "{change:?}");
    }

    #[test]
    fn a_clock_that_does_not_exist_reads_as_nothing() {
        assert_eq!(read(9999), None);
    }

    #[test]
    fn precision_is_fine_and_never_finer_than_the_resolution() {
        assert!(resolution() >= Span::from_nanos(1));
        assert!(precision() >= resolution());
        assert!(precision() < Span::from_millis(10));
    }

    #[test]
    fn the_real_time_is_the_one_that_std_sees() {
        let std_now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ours = realtime().since_epoch();
        assert!((ours.as_seconds() - std_now.as_secs_f64()).abs() < 1.0);
    }
}
