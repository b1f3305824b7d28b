//! The diary of the oscillator: its mean rate in each hour of the last weeks, and how warm it was.
//!
//! All that is learned about days is read from here, by whoever needs it and with what is known by then; so what is
//! learned can be thrown away at any time, and the diary alone has to survive a restart. Hours are hours of TAI, so
//! that neither a suspend nor a restart shifts what happened at which time of day.
//!
//! **Invariant:** hours are in their order, none is twice there, none is further back than [`HOURS_MAX`].

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use truechimer_time::{Rate, Raw, Span, Tai, Time};

/// So far back the diary goes: 32 days. An hour takes 24 bytes, all of them 18 KiB.
pub const HOURS_MAX: usize = 768;

/// The length of an hour.
pub(super) const HOUR: Span = Span::from_secs(3600);

/// Rates are written down in whole steps of this.
const RATE_STEP: Rate = Rate::from_attos_per_second(100_000);

/// An hour of which less was seen is not written down, in seconds.
const SEEN_MIN: f64 = 1800.0;

/// Two measurements further apart than this say nothing about single hours.
const STRETCH_MAX: Span = Span::from_secs(6 * 3600);

/// An entry of the diary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    /// Which: whole hours since the origin of TAI.
    pub number: u32,
    /// The mean temperature, in degrees Celsius, where it was known; in hundredths.
    pub degrees: Option<f32>,
    /// The mean rate: seconds of TAI gained on each second of the raw counter, in steps of 10⁻¹³.
    pub rate: Rate,
}

/// The last weeks.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary {
    hours: Vec<Hour>,
    open: Open,
    warmth: VecDeque<Warmth>,
}

/// The hour that is not over yet.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    number: u32,
    gained: f64,
    counted: f64,
}

/// What a thermometer said in one hour.
#[derive(Clone, Copy, Debug)]
struct Warmth {
    number: u32,
    sum: f64,
    readings: u32,
}

impl Diary {
    /// A diary that goes on from entries of an earlier life. Those that are out of order are left out.
    pub(super) fn resumed(hours: impl IntoIterator<Item = Hour>) -> Self {
        let mut diary = Self::default();
        hours.into_iter().for_each(|hour| diary.write(hour));
        diary
    }

    /// The entries, the oldest first.
    pub(super) fn hours(&self) -> &[Hour] {
        &self.hours
    }

    /// The newest entry.
    pub(super) fn newest(&self) -> Option<&Hour> {
        self.hours.last()
    }

    /// The counter ran without interruption from one reading to another, and true time from one instant to another.
    /// Returns whether an hour was written down.
    pub(super) fn pass(&mut self, from: (Time<Raw>, Time<Tai>), to: (Time<Raw>, Time<Tai>)) -> bool {
        let (counted, passed) = (to.0 - from.0, to.1 - from.1);
        if passed <= Span::ZERO || passed > STRETCH_MAX {
            return false;
        }
        let gain = (passed - counted).as_seconds() / passed.as_seconds();
        let newest = self.newest().copied();
        let mut at = from.1;
        while at < to.1 {
            let number = hour_of(at);
            let end = to.1.min(start_of(number) + HOUR);
            self.spend(number, (end - at).as_seconds(), gain);
            at = end;
        }
        self.newest().copied() != newest
    }

    /// A thermometer was read.
    pub(super) fn warm(&mut self, at: Time<Tai>, degrees: f64) {
        let number = hour_of(at);
        match self.warmth.back_mut() {
            Some(last) if last.number == number => {
                last.sum += degrees;
                last.readings = last.readings.saturating_add(1);
            }
            Some(_) | None => self.warmth.push_back(Warmth { number, sum: degrees, readings: 1 }),
        }
        // The clock is asked after hours at the latest; what was read before that belongs to hours without a rate.
        if self.warmth.len() > 8 {
            self.warmth.pop_front();
        }
    }

    /// Some seconds of an hour, with the share of them that the counter missed.
    fn spend(&mut self, number: u32, seconds: f64, gain: f64) {
        if number != self.open.number {
            self.close();
            self.open.number = number;
        }
        self.open.gained += gain * seconds;
        self.open.counted += (1.0 - gain) * seconds;
    }

    fn close(&mut self) {
        let Open { number, gained, counted } = core::mem::take(&mut self.open);
        if counted >= SEEN_MIN {
            // What is written is what is read after a restart: no digit more than anybody could have measured.
            let steps = libm::round(gained / counted / RATE_STEP.as_ratio()) as i64;
            let rate = Rate::from_attos_per_second(steps.saturating_mul(RATE_STEP.as_attos_per_second()));
            self.write(Hour { number, degrees: self.degrees(number), rate });
        }
    }

    fn degrees(&self, number: u32) -> Option<f32> {
        let warmth = self.warmth.iter().find(|warmth| warmth.number == number)?;
        let mean = warmth.sum / f64::from(warmth.readings);
        Some((libm::round(mean * 100.0) / 100.0) as f32)
    }

    fn write(&mut self, hour: Hour) {
        if self.newest().is_some_and(|newest| hour.number <= newest.number) {
            return;
        }
        self.hours.push(hour);
        self.hours.retain(|old| ((hour.number - old.number) as usize) < HOURS_MAX);
    }
}

/// Whole hours since the origin of TAI; the first hour for what was before, the last that can be said for what is
/// beyond the year 490000.
pub(super) fn hour_of(at: Time<Tai>) -> u32 {
    let hours = at.since_epoch().as_attos().max(0) / HOUR.as_attos();
    u32::try_from(hours).unwrap_or(u32::MAX)
}

/// When an hour begins.
pub(super) fn start_of(number: u32) -> Time<Tai> {
    Time::from_epoch(HOUR * i64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Time<Raw> = Time::EPOCH;

    fn tai(seconds: i64) -> Time<Tai> {
        Time::from_epoch(Span::from_secs(1_000_000 * 3600 + seconds))
    }

    /// The counter at an instant, if it gains nothing at first and 10 ppm from `turn` on, behind the truth.
    fn raw(seconds: i64, turn: i64) -> Time<Raw> {
        RAW + Span::from_secs(seconds) - Span::from_micros(10 * (seconds - turn).max(0))
    }

    #[test]
    fn an_hour_has_the_mean_rate_of_its_seconds() {
        let mut diary = Diary::default();
        for second in (0..9000).step_by(100) {
            let (from, to) = (second, second + 100);
            diary.pass((raw(from, 5400), tai(from)), (raw(to, 5400), tai(to)));
        }
        let hours: Vec<Hour> = diary.hours().to_vec();
        assert_eq!(hours.len(), 2, "the third hour is not over: {hours:?}");
        assert_eq!((hours[0].number, hours[0].rate), (1_000_000, Rate::ZERO));
        assert!((hours[1].rate.as_ratio() - 5e-6).abs() < 1e-10, "{hours:?}");
    }

    #[test]
    fn rare_measurements_are_spread_over_hours_and_very_rare_ones_are_not() {
        let mut diary = Diary::default();
        assert!(diary.pass((raw(0, 0), tai(0)), (raw(4 * 3600 + 1, 0), tai(4 * 3600 + 1))));
        assert_eq!(diary.hours().len(), 4);
        assert!(!diary.pass((raw(20_000, 0), tai(20_000)), (raw(90_000, 0), tai(90_000))));
        assert_eq!(diary.hours().len(), 4);
    }

    #[test]
    fn a_machine_that_slept_for_most_of_an_hour_says_nothing_about_it() {
        let mut diary = Diary::default();
        diary.pass((raw(0, 0), tai(0)), (raw(1000, 0), tai(1000)));
        diary.pass((raw(1000, 0), tai(3000)), (raw(1700, 0), tai(3700)));
        assert_eq!(diary.hours().len(), 0);
        diary.pass((raw(1700, 0), tai(3700)), (raw(6000, 0), tai(8000)));
        assert_eq!(diary.hours().len(), 1, "the next hour was seen whole");
    }

    #[test]
    fn the_oldest_makes_room() {
        let hour = |number| Hour { number, degrees: None, rate: Rate::ZERO };
        let diary = Diary::resumed((0..2000).map(hour));
        assert_eq!((diary.hours().len(), diary.newest().map(|hour| hour.number)), (HOURS_MAX, Some(1999)));
        let diary = Diary::resumed([5, 3, 5, 9].map(hour));
        assert_eq!(diary.hours().iter().map(|hour| hour.number).collect::<Vec<_>>(), [5, 9]);
    }

    #[test]
    fn warmth_is_written_beside_the_rate_of_its_hour() {
        let mut diary = Diary::default();
        diary.warm(tai(10), 20.0);
        diary.warm(tai(20), 22.0);
        diary.warm(tai(3610), 90.0);
        diary.pass((raw(0, 0), tai(0)), (raw(3700, 0), tai(3700)));
        assert_eq!(diary.newest().and_then(|hour| hour.degrees), Some(21.0));
    }
}
