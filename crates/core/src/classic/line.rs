//! The original's arithmetic, exactly: one line through the first measurement and the latest.
//!
//! ```text
//!   right time
//!       │            × latest        rate = (right time passed) / (ticks passed), in nanoseconds per tick
//!       │         ╱
//!       │   × first                  each turn the clock is slewed to where the line is now
//!       └────────────── ticks
//! ```
//!
//! For those who must have it (`clockspeed --strict`), and for comparison. One bad measurement makes the line wrong until
//! the next good one, a step by somebody else is undone, and the first measurement is never forgotten. It is all in
//! floats of nanoseconds, as the original has it. Nothing here knows a clock or a file.
//!
//! Source: clockspeed(1) and the observed behaviour of clockspeed 0.62.

use truechimer_time::Span;

use super::atto::{self, ATTO_BYTES};

/// A turn lasts so long if no record comes.
pub const TURN: Span = Span::from_secs(3);

/// The most that one turn asks of the kernel: 99.999999 s either way.
pub const SLEW_MAX: Span = Span::from_micros(99_999_999);

/// A line between measurements must gain more than so many nanoseconds to have a rate.
const GAIN_MIN: f64 = 10.0;

const NANOS_PER_MICRO: f64 = 1e3;
const ATTOS_PER_NANO: f64 = 1e9;

/// What the counter and the clock show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Ticks of the counter, each taken for a nanosecond until the rate is known.
    pub ticks: i128,
    /// The local clock.
    pub clock: Span,
}

/// What a turn asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The file with the rate is to say this.
    pub keep: Option<[u8; ATTO_BYTES]>,
    /// The clock is to be moved gradually by this, instead of what is left of the turn before.
    pub slew: Option<Span>,
}

/// A reading, and how far the clock was from right time.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Reading,
    adjustment: Span,
}

/// What the original keeps in its memory.
#[derive(Clone, Debug)]
pub struct Line {
    first: Point,
    is_measured: bool,
    /// Nanoseconds in a tick.
    rate: Option<f64>,
}

impl Line {
    /// A daemon that starts at this reading, with the tick that its file says.
    pub fn new(at: Reading, tick: Option<Span>) -> Self {
        let rate = tick.map(|tick| tick.as_attos() as f64 / ATTOS_PER_NANO);
        Self { first: Point { at, adjustment: Span::ZERO }, is_measured: false, rate }
    }

    /// Nanoseconds in a tick, if that is known.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// A record came (right time minus local clock), or the time of a turn is over.
    pub fn turn(&mut self, at: Reading, record: Option<Span>) -> Turn {
        let keep = record.and_then(|adjustment| self.hear(Point { at, adjustment }));
        Turn { keep, slew: self.rate.map(|rate| self.slew(at, rate)) }
    }

    fn hear(&mut self, latest: Point) -> Option<[u8; ATTO_BYTES]> {
        if !self.is_measured {
            (self.first, self.is_measured) = (latest, true);
            return None;
        }
        let first = self.first;
        let gained = nanos(latest.at.clock - first.at.clock) + nanos(latest.adjustment - first.adjustment);
        if gained <= GAIN_MIN {
            return None;
        }
        let rate = gained / first.ticks_until(latest.at);
        self.rate = Some(rate);
        atto::write(tick(rate))
    }

    /// From the clock to the line, cut off towards zero.
    fn slew(&self, now: Reading, rate: f64) -> Span {
        let Point { at, adjustment } = self.first;
        let line = nanos(adjustment) + self.first.ticks_until(now) * rate;
        let micros = (line - nanos(now.clock - at.clock)) / NANOS_PER_MICRO;
        Span::from_micros(micros as i64).clamp(-SLEW_MAX, SLEW_MAX)
    }
}

impl Point {
    fn ticks_until(&self, later: Reading) -> f64 {
        (later.ticks - self.at.ticks) as f64
    }
}

/// A rate as the file has it: whole nanoseconds, and a thousand-millionth of what is left.
fn tick(rate: f64) -> Span {
    let whole = libm::floor(rate);
    let rest = libm::floor((rate - whole) * ATTOS_PER_NANO);
    Span::from_nanos(whole as i64) + Span::from_attos(rest as i128)
}

fn nanos(span: Span) -> f64 {
    span.as_attos() as f64 / ATTOS_PER_NANO
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counter of 2.6 GHz on which the original was watched.
    const HERTZ: f64 = 2.6e9;

    fn at(seconds: f64) -> Reading {
        Reading { ticks: (seconds * HERTZ) as i128, clock: Span::from_seconds(1e9 + seconds) }
    }

    fn millis(millis: i64) -> Option<Span> {
        Some(Span::from_millis(millis))
    }

    fn started() -> Line {
        Line::new(at(0.0), None)
    }

    #[test]
    fn nothing_is_done_before_the_second_measurement_unless_a_rate_was_kept() {
        let mut line = started();
        assert_eq!(line.turn(at(3.0), None), Turn::default());
        assert_eq!(line.turn(at(4.0), millis(500)), Turn::default());
        let second = line.turn(at(104.0), millis(500));
        assert_eq!(second.keep.map(|file| atto::read(&file).unwrap()), Some(Span::from_attos(384_615_384)));
        assert!(second.slew.unwrap() > Span::from_micros(499_990), "{second:?}");
    }

    #[test]
    fn with_a_rate_kept_it_slews_from_the_first_measurement_on() {
        let mut line = Line::new(at(0.0), Some(Span::from_attos(384_615_385)));
        let slew = |turn: Turn| turn.slew.unwrap();
        assert!(slew(line.turn(at(3.0), None)).abs() < Span::from_micros(10));
        let first = slew(line.turn(at(4.0), millis(500)));
        assert!((first - Span::from_millis(500)).abs() < Span::from_micros(10), "{first}");
    }

    #[test]
    fn one_measurement_poisons_the_rate_and_the_next_repairs_it() {
        let mut line = started();
        line.turn(at(0.0), millis(0));
        let poisoned = line.turn(at(7.0), millis(1_000_000));
        assert!((line.rate().unwrap() - 55.33).abs() < 0.01, "{:?}", line.rate());
        assert_eq!(poisoned.slew, Some(SLEW_MAX));
        line.turn(at(60.0), millis(0));
        assert!((line.rate().unwrap() - 1e9 / HERTZ).abs() < 1e-6, "{:?}", line.rate());
    }

    #[test]
    fn a_step_by_somebody_else_is_undone() {
        let mut line = Line::new(at(0.0), Some(Span::from_attos(384_615_385)));
        line.turn(at(1.0), millis(0));
        let stepped = Reading { clock: at(10.0).clock + Span::from_secs(5), ..at(10.0) };
        let slew = line.turn(stepped, None).slew.unwrap();
        assert!((slew + Span::from_secs(5)).abs() < Span::from_micros(100), "{slew}");
    }

    #[test]
    fn a_rate_that_no_file_can_say_is_used_and_not_kept() {
        let mut line = Line::new(at(0.0), None);
        line.turn(Reading { ticks: 0, clock: Span::ZERO }, millis(0));
        let slow = Reading { ticks: 4, clock: Span::from_secs(1) };
        assert_eq!(line.turn(slow, millis(0)).keep, None, "four ticks a second");
        let frozen = Reading { ticks: 0, clock: Span::from_secs(2) };
        assert_eq!(line.turn(frozen, millis(0)).keep, None);
        assert_eq!(line.turn(slow, Some(Span::from_secs(-9))).keep, None, "right time went back");
    }

    #[test]
    fn ten_nanoseconds_are_no_span() {
        let mut line = started();
        line.turn(at(0.0), millis(0));
        let soon = Reading { ticks: 26, clock: at(0.0).clock + Span::from_nanos(10) };
        line.turn(soon, millis(0));
        assert_eq!(line.rate(), None);
        line.turn(Reading { clock: soon.clock + Span::from_nanos(1), ..soon }, millis(0));
        assert!(line.rate().is_some());
    }
}
