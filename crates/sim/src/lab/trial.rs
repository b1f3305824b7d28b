//! A trial: one history, and several methods that hear the same exchanges in it.
//!
//! True time goes on from exchange to exchange; in between the methods are looked at, many times in each interval, so
//! that a score speaks about all time and not about the moments after an exchange.

use truechimer_time::{Raw, Span, Tai, Time};

use super::follower::Follower;
use super::score::{Score, Tally};
use super::{Exchange, Guess, Method};
use crate::chance::Stream;
use crate::network::{Path, PathSpec, Way};
use crate::oscillator::{Oscillator, OscillatorSpec};

/// So many looks at the methods in the shortest interval between two exchanges.
const LOOKS: f64 = 16.0;

/// An interval is drawn longer by up to this share, so that exchanges do not march in step with anything.
const SPREAD: f64 = 0.02;

/// When exchanges take place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Every so many seconds.
    Fixed(f64),
    /// As the first of the methods wants that has a schedule of its own, within limits: seconds.
    Led {
        /// No sooner..
        least: f64,
        /// ..and no later than this.
        most: f64,
    },
}

impl Schedule {
    fn least(self) -> f64 {
        match self {
            Self::Fixed(interval) => interval,
            Self::Led { least, .. } => least,
        }
    }
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The machine's oscillator.
    pub oscillator: OscillatorSpec,
    /// The way to the only server, which is right.
    pub path: PathSpec,
    /// When it is asked.
    pub schedule: Schedule,
    /// How long the history is.
    pub duration: Span,
    /// What happens before this does not count: everybody has to learn.
    pub warm: Span,
}

/// A method that takes part.
pub struct Entrant {
    /// Its name in tables.
    pub name: &'static str,
    /// What it does.
    pub method: Box<dyn Method>,
}

impl Entrant {
    /// A method, by a name.
    pub fn new(name: &'static str, method: impl Method + 'static) -> Self {
        Self { name, method: Box::new(method) }
    }
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What each entrant was worth, in their order.
    pub results: Vec<Worth>,
    /// The mean interval between two questions, in seconds.
    pub interval: f64,
}

/// What one entrant was worth; `None` where it never said anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// Its name.
    pub name: &'static str,
    /// Its guesses.
    pub guess: Option<Score>,
    /// A kernel's clock that [follows](Follower) its guesses.
    pub clock: Option<Score>,
}

/// One look at all the methods.
pub struct Look<'a> {
    /// True time since the start.
    pub since: Span,
    /// Truth minus counter, in seconds.
    pub offset: f64,
    /// What each entrant says.
    pub guesses: &'a [Option<Guess>],
}

/// Tries the entrants in the history of a seed.
pub fn run(setting: &Setting, seed: u64, entrants: Vec<Entrant>) -> Outcome {
    watch(setting, seed, entrants, &mut |_| {})
}

/// The same, with every look after the warming up shown to `audience`.
pub fn watch(
    setting: &Setting,
    seed: u64,
    entrants: Vec<Entrant>,
    audience: &mut dyn FnMut(&Look<'_>),
) -> Outcome {
    let mut history = History::new(setting, seed, entrants);
    let mut chance = Stream::new(seed, "schedule");
    let mut next = START + Span::from_seconds(setting.schedule.least() * chance.uniform());
    let mut questions = 0u32;
    while next < history.end {
        history.look_until(next, audience);
        questions += 1;
        let spread = 1.0 + SPREAD * chance.uniform();
        let interval = history.exchange(audience);
        next = (next + Span::from_seconds(interval * spread)).max(history.now);
    }
    history.look_until(history.end, audience);
    let interval = setting.duration.as_seconds() / f64::from(questions.max(1));
    Outcome { results: history.racers.into_iter().map(Racer::worth).collect(), interval }
}

const START: Time<Tai> = Time::EPOCH;
const RAW_AT_START: Time<Raw> = Time::EPOCH;

/// An entrant on its way.
struct Racer {
    name: &'static str,
    method: Box<dyn Method>,
    follower: Follower,
    guesses: Tally,
    clock: Tally,
}

impl Racer {
    fn new(entrant: Entrant) -> Self {
        Self {
            name: entrant.name,
            method: entrant.method,
            follower: Follower::default(),
            guesses: Tally::default(),
            clock: Tally::default(),
        }
    }

    fn hear(&mut self, exchange: &Exchange, interval: f64) {
        let before = self.method.guess(exchange.at);
        self.method.hear(exchange);
        if let Some(after) = self.method.guess(exchange.at) {
            self.follower.turn(exchange.at, before.map(|guess| guess.offset), after.offset, interval);
        }
    }

    fn look(&mut self, at: f64, offset: f64) -> Option<Guess> {
        let guess = self.method.guess(at);
        self.guesses.look(guess, offset);
        let shown = |guess: Guess| Guess { offset: self.follower.shown(at, guess.offset), ..guess };
        self.clock.look(guess.map(shown), offset);
        guess
    }

    fn worth(self) -> Worth {
        Worth { name: self.name, guess: self.guesses.score(), clock: self.clock.score() }
    }
}

/// A history in the making.
struct History<'a> {
    setting: &'a Setting,
    now: Time<Tai>,
    end: Time<Tai>,
    counts_from: Time<Tai>,
    look_at: Time<Tai>,
    stride: Span,
    oscillator: Oscillator,
    path: Path,
    racers: Vec<Racer>,
    guesses: Vec<Option<Guess>>,
}

impl<'a> History<'a> {
    fn new(setting: &'a Setting, seed: u64, entrants: Vec<Entrant>) -> Self {
        let chance = Stream::new(seed, "oscillator");
        let stride = Span::from_seconds((setting.schedule.least() / LOOKS).max(1.0));
        Self {
            setting,
            now: START,
            end: START + setting.duration,
            counts_from: START + setting.warm,
            look_at: START + stride,
            stride,
            oscillator: Oscillator::new(setting.oscillator.clone(), START, RAW_AT_START, chance),
            path: Path::new(setting.path.clone(), START, Stream::new(seed, "path")),
            racers: entrants.into_iter().map(Racer::new).collect(),
            guesses: Vec::new(),
        }
    }

    /// The counter, in seconds since the start.
    fn counter(&self) -> f64 {
        (self.oscillator.raw() - RAW_AT_START).as_seconds()
    }

    /// Truth minus counter, in seconds.
    fn offset(&self) -> f64 {
        ((self.now - START) - (self.oscillator.raw() - RAW_AT_START)).as_seconds()
    }

    fn advance(&mut self, to: Time<Tai>) {
        self.now = to;
        self.oscillator.run(to);
    }

    /// Goes on until `until`, with all the looks that are due before.
    fn look_until(&mut self, until: Time<Tai>, audience: &mut dyn FnMut(&Look<'_>)) {
        while self.look_at <= until {
            self.advance(self.look_at);
            self.look_at += self.stride;
            if self.counts_from <= self.now {
                self.look(audience);
            }
        }
        self.advance(until);
    }

    fn look(&mut self, audience: &mut dyn FnMut(&Look<'_>)) {
        let (at, offset) = (self.counter(), self.offset());
        self.guesses.clear();
        self.guesses.extend(self.racers.iter_mut().map(|racer| racer.look(at, offset)));
        audience(&Look { since: self.now - START, offset, guesses: &self.guesses });
    }

    /// One question, now, and its answer, if neither is lost. Gives the interval until the next question, in seconds.
    fn exchange(&mut self, audience: &mut dyn FnMut(&Look<'_>)) -> f64 {
        let offset_then = self.offset();
        let there = self.path.delay(Way::There, self.now);
        let back = there.and_then(|there| Some((there, self.path.delay(Way::Back, self.now + there)?)));
        let Some((there, back)) = back else { return self.interval() };
        self.look_until(self.now + there + back, audience);
        let exchange = Exchange {
            at: self.counter(),
            there: there.as_seconds() + offset_then,
            back: back.as_seconds() - self.offset(),
        };
        let interval = self.interval();
        self.racers.iter_mut().for_each(|racer| racer.hear(&exchange, interval));
        self.interval()
    }

    fn interval(&self) -> f64 {
        match self.setting.schedule {
            Schedule::Fixed(interval) => interval,
            Schedule::Led { least, most } => {
                let wanted = self.racers.iter().find_map(|racer| racer.method.wait());
                wanted.unwrap_or(least).clamp(least, most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::ours::Ours;

    /// Knows nothing but the last exchange, and wants to ask every so many seconds.
    struct Last {
        guess: Option<Guess>,
        wait: f64,
        heard: Vec<Exchange>,
    }

    impl Method for Last {
        fn hear(&mut self, exchange: &Exchange) {
            self.heard.push(*exchange);
            let offset = (exchange.there - exchange.back) / 2.0;
            self.guess = Some(Guess { offset, sigma: (exchange.there + exchange.back) / 2.0 });
        }

        fn guess(&mut self, _: f64) -> Option<Guess> {
            self.guess
        }

        fn wait(&self) -> Option<f64> {
            Some(self.wait)
        }
    }

    fn last(wait: f64) -> Entrant {
        Entrant::new("last", Last { guess: None, wait, heard: Vec::new() })
    }

    fn setting(schedule: Schedule) -> Setting {
        Setting {
            oscillator: OscillatorSpec { walk: 0.0, ..OscillatorSpec::default() },
            path: PathSpec {
                jitter: Span::from_micros(100),
                base: Span::from_millis(10),
                ..PathSpec::default()
            },
            schedule,
            duration: Span::from_secs(50_000),
            warm: Span::from_secs(10_000),
        }
    }

    #[test]
    fn what_only_knows_the_last_exchange_lags_behind_by_half_an_interval() {
        let outcome = run(&setting(Schedule::Fixed(100.0)), 1, vec![last(0.0)]);
        let score = outcome.results[0].guess.expect("it spoke");
        // 20 ppm fast for 101 s at most, evenly: 2.02 ms / √3.
        assert!((score.rms - 1.17e-3).abs() < 3e-5, "{score:?}");
        assert!((score.mean + 1.01e-3).abs() < 3e-5 && score.within_95 == 1.0, "{score:?}");
        assert!((outcome.interval - 101.0).abs() < 0.3, "{}", outcome.interval);
    }

    #[test]
    fn ours_learns_the_rate_and_knows_how_right_it_is() {
        let outcome = run(&setting(Schedule::Fixed(64.0)), 1, vec![Entrant::new("ours", Ours::default())]);
        let score = outcome.results[0].guess.expect("it spoke");
        assert!(score.rms < 50e-6 && score.silent == 0.0, "{score:?}");
        assert!(score.sigma > score.rms / 10.0 && score.sigma < score.rms * 10.0, "{score:?}");
    }

    #[test]
    fn company_changes_nothing() {
        let setting = setting(Schedule::Fixed(64.0));
        let alone = run(&setting, 3, vec![last(0.0)]);
        let both = run(&setting, 3, vec![Entrant::new("ours", Ours::default()), last(0.0)]);
        assert_eq!(alone.results[0], both.results[1]);
        assert_eq!(alone.interval, both.interval);
    }

    #[test]
    fn one_leads_within_limits() {
        let led = setting(Schedule::Led { least: 64.0, most: 1024.0 });
        for (wanted, interval) in [(1.0, 64.6), (300.0, 303.0), (5000.0, 1034.0)] {
            let outcome = run(&led, 1, vec![Entrant::new("ours", Ours::default()), last(wanted)]);
            assert!((outcome.interval / interval - 1.0).abs() < 0.02, "{wanted}: {}", outcome.interval);
        }
        let nobody = run(&led, 1, vec![Entrant::new("ours", Ours::default())]);
        assert!((nobody.interval - 64.6).abs() < 0.5);
    }

    #[test]
    fn one_seed_is_one_history() {
        let setting = setting(Schedule::Fixed(64.0));
        assert_eq!(run(&setting, 5, vec![last(0.0)]), run(&setting, 5, vec![last(0.0)]));
        assert_ne!(run(&setting, 5, vec![last(0.0)]), run(&setting, 6, vec![last(0.0)]));
    }
}
