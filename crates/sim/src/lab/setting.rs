//! The settings of the tables: which oscillator, which path, how long.
//!
//! Unless it is said otherwise a machine walks with W = 10⁻⁹ per square root of a second, and its server is 10 ms away on
//! either way with an exponential jitter of J = 100 µs.

use truechimer_time::Span;

use super::trial::{Schedule, Setting};
use crate::chance::Stream;
use crate::network::{Bursts, Outages, PathSpec, Queue, Routes, Shape};
use crate::oscillator::OscillatorSpec;
use crate::oscillator::course::Sine;
use crate::oscillator::noise::RandomSteps;

/// Histories last so long..
const DURATION: Span = Span::from_secs(1_000_000);

/// ..and do not count in the beginning.
const WARM: Span = Span::from_secs(100_000);

/// For who has little time: with a few changes of the route in it.
const DURATION_QUICK: Span = Span::from_secs(300_000);
const WARM_QUICK: Span = Span::from_secs(30_000);

/// As often as a public server is asked at most and at least.
const LEAST: f64 = 64.0;
const MOST: f64 = 1024.0;

/// How often the server is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Regime {
    /// Every 64 s.
    Often,
    /// Every 1024 s.
    Rarely,
    /// Between the two, as the yardstick's own schedule wants.
    Led,
}

impl Regime {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Often, Self::Rarely, Self::Led];

    /// What it is called in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Often => "64",
            Self::Rarely => "1024",
            Self::Led => "64..1024",
        }
    }

    /// What it is in a trial.
    pub fn schedule(self) -> Schedule {
        match self {
            Self::Often => Schedule::Fixed(LEAST),
            Self::Rarely => Schedule::Fixed(MOST),
            Self::Led => Schedule::Led { least: LEAST, most: MOST },
        }
    }
}

/// A machine with this walk W and a path with this jitter J in seconds, both ways alike.
pub fn plain(walk: f64, jitter: f64, schedule: Schedule) -> Setting {
    Setting {
        oscillator: OscillatorSpec { walk, ..OscillatorSpec::default() },
        path: PathSpec {
            base: Span::from_millis(10),
            jitter: Span::from_seconds(jitter),
            ..PathSpec::default()
        },
        schedule,
        duration: DURATION,
        warm: WARM,
    }
}

impl Setting {
    /// The same, or less of it if it has to be quick.
    pub fn shortened(self, is_quick: bool) -> Self {
        match is_quick {
            true => Self { duration: DURATION_QUICK, warm: WARM_QUICK, ..self },
            false => self,
        }
    }
}

/// Something that can go wrong with an oscillator or a path.
#[derive(Clone, Copy)]
pub struct Trouble {
    /// What it is called in a table.
    pub name: &'static str,
    /// What is different from the usual.
    pub about: &'static str,
    make: fn(&mut Setting, &mut Stream),
}

impl Trouble {
    /// The usual setting with this trouble, whose phases are drawn from the seed.
    pub fn setting(&self, schedule: Schedule, seed: u64) -> Setting {
        let mut setting = plain(1e-9, 1e-4, schedule);
        (self.make)(&mut setting, &mut Stream::new(seed, "trouble"));
        setting
    }

    /// The trouble of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TROUBLES.iter().find(|trouble| trouble.name == name)
    }
}

const fn hours(hours: i64) -> Span {
    Span::from_secs(hours * 3600)
}

/// Queues of 2 ms that stand for an hour, every six hours.
const BURSTS: Bursts =
    Bursts { every: hours(6), length: hours(1), depth: Span::from_millis(2), queue: Queue::OneWay };

const fn trouble(name: &'static str, about: &'static str, make: fn(&mut Setting, &mut Stream)) -> Trouble {
    Trouble { name, about, make }
}

/// All of them, in the order of the table.
pub const TROUBLES: &[Trouble] = &[
    trouble("none", "as usual", |_, _| {}),
    trouble("near", "the server is 100 µs away on either way", |s, _| s.path.base = Span::from_micros(100)),
    trouble("pareto 2.5", "a tail that falls with the power 2.5", |s, _| {
        s.path.shape = Shape::Pareto { alpha: 2.5 }
    }),
    trouble("pareto 1.5", "a tail without a variance", |s, _| s.path.shape = Shape::Pareto { alpha: 1.5 }),
    trouble("weibull 0.5", "stretched exponential jitter", |s, _| {
        s.path.shape = Shape::Weibull { power: 2.0 }
    }),
    trouble("gamma 2", "the quickest packets are rare", |s, _| s.path.shape = Shape::Gamma),
    trouble("normal", "no quickest packet at all", |s, _| s.path.shape = Shape::Normal),
    trouble("uneven", "ten times the jitter there, not back", |s, _| {
        s.path.jitter = Span::from_millis(1);
        s.path.jitter_back = 0.1;
    }),
    trouble("queue one way", "a queue of 2 ms for 1 h of 6 h, on either way", |s, _| {
        s.path.bursts = Some(BURSTS);
    }),
    trouble("queue there", "the same, always on the way there", |s, _| {
        s.path.bursts = Some(Bursts { queue: Queue::There, ..BURSTS });
    }),
    trouble("queue standing", "the same, on both ways at once and as deep", |s, _| {
        s.path.bursts = Some(Bursts { queue: Queue::Standing, ..BURSTS });
    }),
    trouble("queue busy", "the same, each packet waiting exponentially", |s, _| {
        s.path.bursts = Some(Bursts { queue: Queue::Busy, ..BURSTS });
    }),
    trouble("asymmetry", "2 ms longer there than back", |s, _| s.path.asymmetry = Span::from_millis(2)),
    trouble("route 5 ms", "the way there is 5 ms longer every other day", |s, _| {
        s.path.routes = Some(Routes { every: hours(24), longer: Span::from_millis(5) });
    }),
    trouble("route 0.3 ms", "the way there is 0.3 ms longer every other day", |s, _| {
        s.path.routes = Some(Routes { every: hours(24), longer: Span::from_micros(300) });
    }),
    trouble("day 1 ppm", "1 ppm up and down every day", |s, luck| {
        s.oscillator.sines = vec![Sine { turn: luck.uniform(), ..Sine::daily(1.0) }];
    }),
    trouble("day, W 1e-10", "the same with a better oscillator", |s, luck| {
        s.oscillator.walk = 1e-10;
        s.oscillator.sines = vec![Sine { turn: luck.uniform(), ..Sine::daily(1.0) }];
    }),
    trouble("hour 0.1 ppm", "0.1 ppm up and down every hour", |s, luck| {
        s.oscillator.sines = vec![Sine { ppm: 0.1, period: hours(1), turn: luck.uniform() }];
    }),
    trouble("flicker", "flicker of 1e-9 instead of the walk", |s, _| {
        s.oscillator.walk = 0.0;
        s.oscillator.flicker = 1e-9;
    }),
    trouble("white", "white frequency noise of 1e-7 as well", |s, _| s.oscillator.white = 1e-7),
    trouble("stamps 20 µs", "20 µs of noise on the stamps", |s, _| {
        s.path.stamp_noise = Span::from_micros(20);
    }),
    trouble("loss 30 %", "a third of all exchanges fail", |s, _| s.path.loss = LOSS_EACH_WAY),
    trouble("gaps", "nothing for 2 h every 6 h", |s, _| {
        s.path.outages = Outages::Random { every: hours(6), length: hours(2) };
    }),
    trouble("steps 1 ppm", "the rate steps by 1 ppm every 12 h", |s, _| {
        s.oscillator.random_steps = Some(RandomSteps { every: hours(12), ppm: 1.0 });
    }),
    trouble("steps 0.1 ppm", "the rate steps by 0.1 ppm every 12 h, W 1e-10", |s, _| {
        s.oscillator.walk = 1e-10;
        s.oscillator.random_steps = Some(RandomSteps { every: hours(12), ppm: 0.1 });
    }),
    trouble("W 1e-10", "a better oscillator", |s, _| s.oscillator.walk = 1e-10),
];

/// 1 - √0.7: thirty exchanges of a hundred lose one of their two packets.
const LOSS_EACH_WAY: f64 = 0.163_34;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        for (index, trouble) in TROUBLES.iter().enumerate() {
            assert!(TROUBLES[..index].iter().all(|other| other.name != trouble.name), "{}", trouble.name);
            assert!(!trouble.about.is_empty() && Trouble::by_name(trouble.name).is_some());
        }
        assert!(Trouble::by_name("bliss").is_none());
    }

    #[test]
    fn a_trouble_differs_by_the_seed_in_its_phase_alone() {
        let day = Trouble::by_name("day 1 ppm").expect("a trouble of that name");
        let turn = |seed| day.setting(Schedule::Fixed(64.0), seed).oscillator.sines[0].turn;
        assert_eq!(turn(1), turn(1));
        assert_ne!(turn(1), turn(2));
    }
}
