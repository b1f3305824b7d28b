//! Random worlds, each from a seed, in which the assumptions hold and a majority of the operators is honest.
//!
//! A world belongs to a [`Class`], which says what goes wrong in it more than elsewhere. Its seed decides all, its length
//! too, so that what was found in a long campaign can be looked at alone.

use truechimer_core::event::SteeringFault;
use truechimer_core::policy::Rhythm;
use truechimer_time::{Rate, Span, Tai, Time};

use super::dice::{Dice, HOUR};
use crate::chance::Stream;
use crate::kernel::KernelSpec;
use crate::network::{Bursts, Outages, PathSpec, Queue, Routes, Shape};
use crate::oscillator::OscillatorSpec;
use crate::oscillator::course::{Settling, Sine};
use crate::oscillator::noise::RandomSteps;
use crate::scenario::{Change, Scenario};
use crate::server::{Quirk, ServerSpec};
use crate::world::START;

const DAY: f64 = 24.0 * HOUR;

/// What goes wrong in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing but what oscillators and networks do anyway.
    Honest,
    /// Some servers lie: constantly, by a ramp, a jump, in turns, about their stratum, era or leap seconds.
    Liars,
    /// Somebody keeps honest servers from being heard; sources are trusted, preferred and required.
    Attackers,
    /// Others step and retune the clock.
    Writers,
    /// The machine sleeps, and boots.
    Sleepers,
    /// The daemon is killed, at any event.
    Deaths,
    /// The kernel refuses, fails, rounds coarsely or lies.
    Kernels,
    /// Links come and go; nobody can be asked for days.
    Outages,
    /// Queues, changes of route, heavy tails, duplicates, loss.
    Weather,
    /// Oscillators that walk, flicker, step, settle, age and tick.
    Oscillators,
    /// Sources are asked rarely: for an accuracy, or by the classic doubling.
    Schedules,
    /// A leap second or the end of an NTP era falls into it.
    Calendars,
    /// All of it.
    Everything,
}

impl Class {
    /// All of them; seeds take turns.
    pub const ALL: [Self; 13] = [
        Self::Honest,
        Self::Liars,
        Self::Attackers,
        Self::Writers,
        Self::Sleepers,
        Self::Deaths,
        Self::Kernels,
        Self::Outages,
        Self::Weather,
        Self::Oscillators,
        Self::Schedules,
        Self::Calendars,
        Self::Everything,
    ];

    /// The class of a seed's world.
    pub fn of(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Liars => "liars",
            Self::Attackers => "attackers",
            Self::Writers => "writers",
            Self::Sleepers => "sleepers",
            Self::Deaths => "deaths",
            Self::Kernels => "kernels",
            Self::Outages => "outages",
            Self::Weather => "weather",
            Self::Oscillators => "oscillators",
            Self::Schedules => "schedules",
            Self::Calendars => "calendars",
            Self::Everything => "everything",
        }
    }

    /// Does this go wrong in such a world?
    fn has(self, fault: Self) -> bool {
        self == fault || self == Self::Everything
    }
}

/// The lengths of worlds, in days.
const LENGTHS: [f64; 10] = [0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 30.0, 45.0, 60.0, 90.0];

/// One world of so many lasts a whole year.
const YEARS_ONE_IN: f64 = 1.0 / 40.0;

/// How long the world of a seed lasts.
pub fn length(seed: u64) -> Span {
    let mut chance = Dice(Stream::new(seed, "length"));
    let days = if chance.0.happens(YEARS_ONE_IN) { 365.0 } else { *chance.pick(&LENGTHS) };
    Span::from_seconds(days * DAY)
}

/// The world of a seed.
pub fn world(seed: u64) -> Scenario {
    let class = Class::of(seed);
    let mut chance = Dice(Stream::new(seed, "world"));
    let duration = length(seed).as_seconds();
    let (servers, min_operators) = chance.poll(class, duration);
    let (intervals, accuracy, rhythm) = chance.rhythm(class, duration);
    let start = if class.has(Class::Calendars) { chance.date(duration) } else { START };
    Scenario {
        name: class.name(),
        start,
        floor: Time::from_epoch(start.since_epoch()) - Span::from_seconds(2.0 * DAY),
        duration: Span::from_seconds(duration),
        oscillator: chance.any_oscillator(class, duration),
        clock_error: Span::from_seconds(*chance.pick(&[0.0, 0.001, 0.7, -0.09, 3000.0, -1e6])),
        servers,
        changes: chance.mishaps(class, duration),
        intervals,
        accuracy,
        rhythm,
        watch: Span::from_secs(64),
        kernel: if class.has(Class::Kernels) { chance.kernel() } else { KernelSpec::default() },
        deaths: if class.has(Class::Deaths) { chance.deaths() } else { Vec::new() },
        min_operators,
        ..Scenario::default()
    }
}

/// A random world of a few days, with mishaps of any kind, far oftener than in life. The honest operators are more than the liars; whoever can, silences them.
pub fn campaign(seed: u64) -> Scenario {
    let mut chance = Dice(Stream::new(seed, "campaign"));
    let duration = *chance.pick(&[6.0, 12.0, 30.0, 120.0, 240.0]) * HOUR;
    let honest = 2 + chance.below(4);
    let liars = chance.below(honest.min(3));
    let spare = honest - liars - 1;
    let mut servers: Vec<ServerSpec> = (0..honest + liars).map(|_| chance.server()).collect();
    for liar in &mut servers[..liars] {
        chance.corrupt(liar, duration);
    }
    for honest in &mut servers[liars..liars + spare.min(1)] {
        honest.quirk = chance.silence(duration);
    }
    if let Some(last) = servers.last_mut() {
        last.quirk = if chance.0.happens(0.3) { Quirk::Stutters } else { last.quirk };
    }
    chance.shuffle(&mut servers);
    for (operator, server) in servers.iter_mut().enumerate() {
        server.operator = operator as u8;
    }
    let mut poll = Dice(Stream::new(seed, "poll"));
    poll.silence_honest(&mut servers, duration);
    poll.wish(&mut servers);
    poll.add_siblings(&mut servers);
    // Fewer lie than must agree, whoever is dead.
    let min_operators = poll.0.happens(0.3).then(|| liars + 1 + poll.below(3));
    let least = *chance.pick(&[16, 64, 64, 256]);
    let most = least * *chance.pick(&[1, 4, 16, 16, 512]);
    Scenario {
        name: "campaign",
        duration: Span::from_seconds(duration),
        oscillator: chance.oscillator(),
        clock_error: Span::from_seconds(*chance.pick(&[0.0, 0.7, -0.09, 3000.0, -1e6])),
        servers,
        changes: chance.changes(duration),
        intervals: (Span::from_secs(least), Span::from_secs(most)),
        accuracy: *chance.pick(&[None, Some(Span::from_millis(1)), Some(Span::from_millis(50))]),
        min_operators,
        ..Scenario::default()
    }
}

impl Dice {
    /// Servers of whom a majority is honest, and how many operators must agree.
    fn poll(&mut self, class: Class, duration: f64) -> (Vec<ServerSpec>, Option<usize>) {
        let honest = 2 + self.below(4);
        let lie = class.has(Class::Liars) || class.has(Class::Attackers);
        let liars = if lie { self.below(honest.min(3)) } else { 0 };
        let mut servers: Vec<ServerSpec> = (0..honest + liars).map(|_| self.server()).collect();
        for server in &mut servers {
            self.disturb(class, &mut server.path);
        }
        for liar in &mut servers[..liars] {
            self.corrupt_more(liar, duration);
        }
        self.shuffle(&mut servers);
        for (operator, server) in servers.iter_mut().enumerate() {
            server.operator = operator as u8;
        }
        if class.has(Class::Attackers) {
            self.silence_honest(&mut servers, duration);
            self.wish(&mut servers);
            self.add_siblings(&mut servers);
        }
        // Fewer lie than must agree, and the honest are enough.
        let min_operators = self.0.happens(0.2).then(|| (liars + 1 + self.below(3)).min(honest));
        (servers, min_operators)
    }

    fn corrupt_more(&mut self, server: &mut ServerSpec, duration: f64) {
        match self.below(6) {
            0 => server.quirk = Quirk::CriesLeap,
            1 => (server.quirk, server.dispersion) = (Quirk::Leapless, Span::from_micros(1)),
            _ => self.corrupt(server, duration),
        }
    }

    /// How often is asked: by default, often where the history is short, or in the other ways that can be stated.
    fn rhythm(&mut self, class: Class, duration: f64) -> ((Span, Span), Option<Span>, Rhythm) {
        let seconds = |least, most| (Span::from_secs(least), Span::from_secs(most));
        let accuracy = *self.pick(&[100, 1_000, 10_000]);
        let way = self.below(4);
        match class.has(Class::Schedules) {
            true if way == 0 => (seconds(600, 7_884_000), None, Rhythm::Classic),
            true if way < 3 => (seconds(64, 129_600), Some(Span::from_micros(accuracy)), Rhythm::Adaptive),
            false if way == 0 && duration <= 7.0 * DAY => (seconds(16, 64), None, Rhythm::Adaptive),
            true | false => (seconds(64, 1024), None, Rhythm::Adaptive),
        }
    }

    /// A start such that the leap second of 2016 or the end of the first NTP era (2036-02-07) falls into the history.
    fn date(&mut self, duration: f64) -> Time<Tai> {
        // Seconds of TAI since 1970 of 2017-01-01 00:00:00 UTC and of 2036-02-07 06:28:16 UTC.
        let day = *self.pick(&[1_483_228_837.0, 2_085_978_533.0]);
        Time::from_epoch(Span::from_seconds(day - duration * self.between(0.05, 0.95)))
    }

    fn disturb(&mut self, class: Class, path: &mut PathSpec) {
        if class.has(Class::Weather) {
            self.weather(path);
        }
        if class.has(Class::Outages) {
            path.outages = self.outages();
        }
    }

    fn weather(&mut self, path: &mut PathSpec) {
        let base = path.base.as_seconds();
        let seconds = Span::from_seconds;
        path.shape = *self.pick(&[
            Shape::Exponential,
            Shape::Gamma,
            Shape::Weibull { power: 2.0 },
            Shape::Pareto { alpha: 1.5 },
            Shape::Pareto { alpha: 2.5 },
            Shape::Normal,
            Shape::Constant,
        ]);
        path.jitter_back = *self.pick(&[0.2, 1.0, 1.0, 5.0]);
        path.loss = *self.pick(&[0.0, 0.05, 0.3, 0.6]);
        path.duplicates = *self.pick(&[0.0, 0.0, 0.1]);
        path.stamp_noise = seconds(*self.pick(&[0.0, 1e-6, 2e-5]));
        let queue = *self.pick(&[Queue::OneWay, Queue::There, Queue::Standing, Queue::Busy]);
        let every = self.between(600.0, DAY);
        let length = seconds(every * self.between(0.05, 0.7));
        let depth = seconds(base * self.between(0.1, 10.0));
        path.bursts = self.0.happens(0.6).then_some(Bursts { every: seconds(every), length, depth, queue });
        let every = seconds(self.between(HOUR, 3.0 * DAY));
        let longer = seconds(base * self.between(-0.05, 2.0));
        path.routes = self.0.happens(0.5).then_some(Routes { every, longer: longer.max(Span::ZERO) });
    }

    fn outages(&mut self) -> Outages {
        let every = self.between(0.5 * HOUR, 4.0 * DAY);
        let share = self.between(0.05, 0.9);
        let (every, length) = (Span::from_seconds(every), Span::from_seconds(every * share));
        match self.0.happens(0.5) {
            true => Outages::Random { every, length },
            false => Outages::Dialled { up: every - length, every },
        }
    }

    /// One that keeps to A1 and A2, and to what is learned of A2: after two days no sudden change of more than 3 ppm.
    fn any_oscillator(&mut self, class: Class, duration: f64) -> OscillatorSpec {
        let seconds = Span::from_seconds;
        let calm = OscillatorSpec {
            offset_ppm: self.between(-150.0, 150.0),
            walk: *self.pick(&[0.0, 1e-10, 1e-9, 1e-9]),
            sines: vec![Sine { turn: self.0.uniform(), ..Sine::daily(*self.pick(&[0.0, 0.3, 1.0, 3.0])) }],
            ..OscillatorSpec::default()
        };
        if !class.has(Class::Oscillators) {
            return calm;
        }
        let hourly =
            Sine { ppm: self.between(0.0, 0.3), period: seconds(self.between(0.5, 3.0) * HOUR), turn: 0.0 };
        let late = seconds(self.between(2.0 * DAY, duration.max(3.0 * DAY)));
        let settling = Settling {
            after: Span::ZERO,
            ppm: self.between(-8.0, 8.0),
            within: seconds(self.between(600.0, 2.0 * HOUR)),
        };
        let every = seconds(self.between(HOUR, 10.0 * DAY));
        OscillatorSpec {
            ageing_ppm: self.between(-0.02, 0.02),
            walk: *self.pick(&[0.0, 1e-10, 1e-9, 3e-9, 1e-8]),
            flicker: *self.pick(&[0.0, 1e-9, 1e-8, 3e-8]),
            white: *self.pick(&[0.0, 1e-10, 1e-9, 1e-8]),
            sines: calm.sines.iter().copied().chain([hourly]).collect(),
            steps: vec![
                (seconds(self.between(0.0, 1.5 * DAY)), self.between(-8.0, 8.0)),
                (late, self.between(-2.0, 2.0)),
            ],
            settlings: self.0.happens(0.5).then_some(settling).into_iter().collect(),
            random_steps: self.0.happens(0.3).then_some(RandomSteps { every, ppm: 0.1 }),
            tick: *self.pick(&[Span::ZERO, Span::from_nanos(1), Span::from_nanos(40), Span::from_micros(1)]),
            ..calm
        }
    }

    fn kernel(&mut self) -> KernelSpec {
        KernelSpec {
            unit: Rate::from_ppb(*self.pick(&[0, 0, 100, 1_000, 100_000])),
            fails: *self.pick(&[0.0, 0.0, 0.1, 0.9]),
            is_deaf: self.0.happens(0.1),
        }
    }

    /// Some die in the first burst, some in the midst of life, some again and again.
    fn deaths(&mut self) -> Vec<u64> {
        let most = *self.pick(&[60.0, 1_000.0, 30_000.0]);
        let mut deaths: Vec<u64> = (0..1 + self.below(20)).map(|_| self.between(1.0, most) as u64).collect();
        deaths.sort_unstable();
        deaths
    }

    /// About one mishap a week of each kind that the class has, and one at least.
    fn mishaps(&mut self, class: Class, duration: f64) -> Vec<(Span, Change)> {
        let mut changes = Vec::new();
        for fault in [Class::Writers, Class::Sleepers, Class::Deaths, Class::Kernels, Class::Outages] {
            let count = if class.has(fault) {
                1 + (self.between(0.0, duration / (3.5 * DAY)) as usize).min(30)
            } else {
                0
            };
            for _ in 0..count {
                let at = self.between(0.0, duration);
                self.mishap(fault, at, &mut changes);
            }
        }
        changes
    }

    fn mishap(&mut self, fault: Class, at: f64, changes: &mut Vec<(Span, Change)>) {
        let when = Span::from_seconds(at);
        let later = |seconds: f64| Span::from_seconds(at + seconds);
        let sign = *self.pick(&[1.0, -1.0]);
        match fault {
            Class::Writers if self.0.happens(0.5) => {
                let by = self.signed(sign, &[0.0003, 0.002, 0.3, 5.0, 4000.0]);
                changes.push((when, Change::StepByOthers(by)));
            }
            Class::Writers => {
                let ppb = *self.pick(&[500, 20_000, -100_000, 400_000]);
                changes.push((when, Change::RetuneByOthers(Rate::from_ppb(ppb))));
            }
            Class::Sleepers => {
                let slept = Span::from_seconds(*self.pick(&[0.02, 3.0, 60.0, 5.0 * HOUR, 3.0 * DAY]));
                let rtc_error = self.signed(sign, &[0.0, 0.05, 2.0]);
                changes.push((when, Change::Sleep { slept, rtc_error }));
                // A machine that boots sleeps too, as far as its clocks go, and has forgotten the daemon.
                changes.extend(self.0.happens(0.3).then_some((when, Change::Restart)));
            }
            Class::Deaths => changes.extend([
                (later(-60.0 * HOUR * self.0.uniform()).max(Span::ZERO), Change::Save),
                (when, if self.0.happens(0.5) { Change::Crash } else { Change::Restart }),
            ]),
            Class::Kernels => {
                let fault = *self.pick(&[
                    SteeringFault::NotPermitted,
                    SteeringFault::Vetoed,
                    SteeringFault::KeeperLost,
                ]);
                let until = later(*self.pick(&[60.0, HOUR, 30.0 * HOUR]));
                changes.extend([
                    (when, Change::KernelRefuses(Some(fault))),
                    (until, Change::KernelRefuses(None)),
                ]);
            }
            Class::Outages => {
                let until = later(*self.pick(&[60.0, HOUR, 30.0 * HOUR, 20.0 * DAY]));
                changes.extend([(when, Change::CutAll(true)), (until, Change::CutAll(false))]);
            }
            Class::Honest
            | Class::Liars
            | Class::Attackers
            | Class::Weather
            | Class::Oscillators
            | Class::Schedules
            | Class::Calendars
            | Class::Everything => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_years_are_more_than_a_thousand_worlds() {
        let years =
            |worlds: u64| (1..=worlds).map(|seed| length(seed).as_seconds() / (365.25 * DAY)).sum::<f64>();
        assert!((80.0..110.0).contains(&years(1000)), "{}", years(1000));
    }

    #[test]
    fn the_honest_are_more_than_the_liars() {
        for seed in 0..300 {
            let servers = world(seed).servers;
            let count = |honest| {
                let mut operators: Vec<u8> = servers
                    .iter()
                    .filter(|server| super::super::dice::is_honest(server) == honest)
                    .map(|server| server.operator)
                    .collect();
                operators.sort_unstable();
                operators.dedup();
                operators.len()
            };
            assert!(count(true) > count(false), "seed {seed}");
        }
    }

    #[test]
    fn leap_seconds_and_eras_fall_into_the_calendars() {
        for seed in (11..600).step_by(13) {
            let scenario = world(seed);
            let end = scenario.start + scenario.duration;
            let falls = [1_483_228_836, 2_085_978_533].map(Span::from_secs).map(Time::from_epoch);
            assert!(falls.iter().any(|&day| scenario.start < day && day < end), "seed {seed}");
        }
    }
}
