//! Clocks of which the truth is known: what they showed at any moment, and what befell them.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// So long a life is, in nanoseconds of true time.
pub(crate) const LIFE: i64 = 10_800 * SECOND;

/// When the leap second begins in lives that have one: in the middle.
pub(crate) const LEAP: i64 = LIFE / 2;

/// Numbers that look random, the same for the same seed.
pub(crate) struct Chance(pub(crate) ChaCha8Rng);

impl Chance {
    /// From `low` up to `high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + ((u128::from(self.0.next_u64()) * (high - low) as u128) >> 64) as i64
    }

    /// One of two.
    pub(crate) fn is_so(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// As likely to be of one order of magnitude as of the next.
    pub(crate) fn magnitude(&mut self, low: i64, high: i64) -> i64 {
        let mut top = low;
        let mut steps = Vec::new();
        while top < high {
            steps.push(top);
            top *= 10;
        }
        let step = steps[self.between(0, steps.len() as i64) as usize];
        self.between(step, (step * 10).min(high))
    }
}

/// Since a moment the clock went on evenly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    /// True time, nanoseconds since the beginning.
    pub(crate) since: i64,
    /// What the clock was ahead of a right one that knows of no leap second.
    pub(crate) ahead: i64,
    /// It gains so much on true time, in parts in 10⁹.
    pub(crate) gains: i64,
    /// What the raw counter showed.
    pub(crate) raw: i64,
    /// How long the machine has slept since boot.
    pub(crate) asleep: i64,
    /// Which boot it is.
    pub(crate) boot: u32,
    /// Nothing runs on the machine that could write.
    pub(crate) is_down: bool,
    /// The clock was set, or the machine slept or was started anew, in the moment at which the leg begins.
    pub(crate) is_set: bool,
}

/// A clock, and its raw counter.
pub(crate) struct Clock {
    pub(crate) legs: Vec<Leg>,
    /// The counter gains so much on true time, in parts in 10⁹.
    pub(crate) counter_gains: i64,
}

/// What befalls a clock besides slews.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    /// It is wrong by so much in the beginning, at most.
    pub(crate) wrong: i64,
    /// It is slewed by so much at most, in parts in 10⁹.
    pub(crate) slews: i64,
    /// It is set so often, by at most so much.
    pub(crate) steps: (i64, i64),
    /// The machine sleeps once.
    pub(crate) sleeps: bool,
    /// The machine is started anew once.
    pub(crate) reboots: bool,
    /// There is a leap second, and the kernel sets the clock back.
    pub(crate) leaps: bool,
}

fn gained(passed: i64, gains: i64) -> i64 {
    (i128::from(passed) * i128::from(gains) / i128::from(SECOND)) as i64
}

impl Clock {
    pub(crate) fn new(chance: &mut Chance, fate: Fate) -> Self {
        let counter_gains = chance.between(-80_000, 80_000);
        let first = Leg {
            since: 0,
            ahead: if fate.wrong > 0 { chance.between(-fate.wrong, fate.wrong) } else { 0 },
            gains: chance.between(-fate.slews, fate.slews),
            raw: chance.between(SECOND, 1000 * SECOND),
            asleep: 0,
            boot: 0,
            is_down: false,
            is_set: true,
        };
        let mut clock = Self { legs: vec![first], counter_gains };
        let mut events: Vec<(i64, u8)> = Vec::new();
        (0..chance.between(5, 20)).for_each(|_| events.push((chance.between(0, LIFE), 0)));
        (0..fate.steps.0).for_each(|_| events.push((chance.between(0, LIFE), 1)));
        events.extend(fate.sleeps.then(|| (chance.between(0, LIFE), 2)));
        events.extend(fate.reboots.then(|| (chance.between(0, LIFE), 3)));
        events.extend(fate.leaps.then_some((LEAP, 4)));
        events.sort_unstable();
        for (at, what) in events {
            clock.befall(chance, at, what, fate);
        }
        clock
    }

    fn befall(&mut self, chance: &mut Chance, at: i64, what: u8, fate: Fate) {
        let now = self.leg(at);
        if now.since > at || now.is_down {
            return;
        }
        let here = Leg { since: at, ahead: self.ahead(at), raw: self.raw(at), is_set: false, ..now };
        match what {
            0 => self.legs.push(Leg { gains: chance.between(-fate.slews, fate.slews), ..here }),
            1 => {
                let size = chance.magnitude(SECOND / 100, fate.steps.1);
                let size = if chance.is_so() { size } else { -size };
                self.legs.push(Leg { ahead: here.ahead + size, is_set: true, ..here });
            }
            2 => {
                let slept = chance.between(60 * SECOND, 1800 * SECOND);
                self.legs.push(Leg { gains: 0, is_down: true, ..here });
                let woken = Leg { since: at + slept, asleep: here.asleep + slept, is_set: true, ..here };
                // The battery clock has another opinion.
                self.legs.push(Leg { ahead: here.ahead + chance.between(-SECOND, SECOND), ..woken });
            }
            3 => {
                self.legs.push(Leg { gains: 0, is_down: true, ..here });
                let since = at + chance.between(20 * SECOND, 60 * SECOND);
                let ahead = chance.between(-3 * SECOND, 3 * SECOND);
                let started = Leg {
                    since,
                    ahead,
                    raw: 5 * SECOND,
                    asleep: 0,
                    boot: here.boot + 1,
                    is_set: true,
                    ..here
                };
                self.legs.push(started);
            }
            // Who is down at a leap comes back a second fast.
            _ => self.legs.push(Leg { ahead: here.ahead - SECOND, is_set: true, ..here }),
        }
    }

    /// The leg at a moment.
    pub(crate) fn leg(&self, at: i64) -> Leg {
        let after = self.legs.partition_point(|leg| leg.since <= at);
        self.legs[after.saturating_sub(1)]
    }

    /// What the clock is ahead of a right one that knows of no leap second.
    pub(crate) fn ahead(&self, at: i64) -> i64 {
        let leg = self.leg(at);
        leg.ahead + gained(at - leg.since, leg.gains)
    }

    /// What the raw counter shows.
    pub(crate) fn raw(&self, at: i64) -> i64 {
        let leg = self.leg(at);
        let passed = at - leg.since;
        leg.raw + passed + gained(passed, self.counter_gains)
    }

    /// The greatest error of the clock between two moments, against what a right one shows.
    pub(crate) fn worst(&self, from: i64, to: i64, right: impl Fn(i64) -> i64) -> i64 {
        let ends = self.legs.iter().filter(|leg| from < leg.since && leg.since <= to).map(|leg| leg.since);
        ends.flat_map(|end| [end - 1, end])
            .chain([from, to])
            .map(|at| (self.ahead(at) - right(at)).abs())
            .max()
            .unwrap_or(0)
    }
}
