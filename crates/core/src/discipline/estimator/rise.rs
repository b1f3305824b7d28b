//! Whether a base has risen: a longer route looks like a queue that never drains.
//!
//! Among many exchanges some find no queue. If of the last two hundred not one came near the base, as far as one can
//! tell, the base is not where it was ([`Rise`]).
//!
//! Where exchanges are rare, two hundred take days. But a queue that stands is uneven, and round trips on a longer route
//! are alike ([`Plateau`]). Let `s` be by how much a round trip is longer than both bases, which no error of the clock
//! changes, and `j` the usual wait. Two waits of that kind together have the density `g(s) = s/j² e^(-s/j)`, a queue the
//! heavy-tailed one `h(s)`. For the last `n` round trips the evidence of a rise is then
//!
//! ```text
//!   T(n) = ln ∫ h(d) ∏ p(sᵢ - d) dd - max(Σ ln p(sᵢ), Σ ln q(sᵢ)),    p = 0.95 g + 0.05 h,    q = 0.5 g + 0.5 h
//! ```
//!
//! A route that is known by heart needs no integral: it says what `d` is. Which `n` is right is as uncertain as `T` says. The
//! waits that are usual are those that were before all of these: a rise that is not found at once teaches that waits are
//! longer, and then it is harder to see.

use alloc::vec::Vec;

use super::delay::heavy_tail;
use super::reference::Reference;
use super::track::Track;
use crate::measure::sample::Sample;

/// So many exchanges are looked at.
const WINDOW: usize = 200;

/// The least excess of them, as a part of the mean, beyond which there must have been a rise,
const OF_MEAN: f64 = 0.3;
/// if it is also more than so many standard deviations of the excess,
const SIGMAS: f64 = 6.0;
/// and of the noise of the stamps.
const NOISES: f64 = 4.0;

/// The last excesses of one way.
#[derive(Clone, Debug)]
pub(super) struct Rise {
    excesses: [f32; WINDOW],
    heard: usize,
    /// Exchanges since the base was last doubted.
    calm: usize,
}

impl Default for Rise {
    fn default() -> Self {
        Self { excesses: [0.0; WINDOW], heard: 0, calm: 0 }
    }
}

impl Rise {
    /// The base has been doubted: what was above it says no more.
    pub(super) fn forget(&mut self) {
        (self.heard, self.calm) = (0, 0);
    }

    /// Takes in an excess of which one standard deviation, and that of the noise, is known. Tells by how much the base
    /// has risen, if it has.
    pub(super) fn hear(&mut self, excess: f64, sigma: f64, noise: f64) -> Option<f64> {
        self.excesses[self.heard % WINDOW] = excess as f32;
        self.heard = if self.heard + 1 == 2 * WINDOW { WINDOW } else { self.heard + 1 };
        self.calm = (self.calm + 1).min(WINDOW + 1);
        if self.heard < WINDOW || self.calm <= WINDOW {
            return None;
        }
        let least = self.excesses.iter().copied().map(f64::from).fold(f64::INFINITY, f64::min);
        let mean = self.excesses.iter().copied().map(f64::from).sum::<f64>() / WINDOW as f64;
        let has_risen = least > OF_MEAN * mean && least > SIGMAS * sigma && least > NOISES * noise;
        has_risen.then_some(least)
    }
}

/// So many round trips are compared at most,
pub(super) const TRIPS: usize = 16;
/// so many at least,
const TRIPS_MIN: usize = 5;
/// over so many seconds at least: a queue that stands for most of an hour is as good as a route.
const TRIPS_SPAN: f64 = 2900.0;

/// Each of them is longer than the bases by so many of the usual waits; the last ones by twice that.
const LIFT_MIN: f64 = 0.5;
const NEWEST: usize = 3;

/// How likely a queue is at an exchange, usually and in a busy network.
const USUAL_QUEUE: f64 = 0.05;
const BUSY_QUEUE: f64 = 0.5;

/// An excess shorter than this part of the usual wait is as good as that long: bases and stamps are no better known.
const WAIT_MIN: f64 = 0.02;

/// The logarithm of a product of so many densities is as good as the sum of theirs: each is between 10⁻⁹ and 10¹² per
/// second.
const AT_ONCE: usize = 8;

/// The integral is a sum of parts between these, in usual waits below the shortest round trip: there is what counts of it.
const PART_EDGES: [f64; PARTS + 1] = [0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
const PARTS: usize = 8;

/// The density `p` of a round trip is nowhere greater than this, for a usual wait of one second: 0.95 times 1/e, where a
/// wait is usual, and 0.05 times 1/4, where a queue is likeliest.
const PEAK: f64 = 0.363;

/// A rise by any length is believed with so many nats of evidence, one to a known route with so many.
const EVIDENCE: f64 = 18.0;
const EVIDENCE_OF_KNOWN: f64 = 6.0;

/// A known route explains round trips that have become shorter, if each is likely but for so many nats.
const FALL_EACH: f64 = 2.5;

/// A number of trips is not out of the question if it is so many nats less likely than the likeliest. The first of them that
/// is long may be of the old route and have waited; taken for the new one, it would say that the wrong base has risen.
const UNSURE: f64 = 3.0;

/// One exchange, and what was believed before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trip {
    pub(super) sample: Sample,
    /// How long both ways took together, in seconds.
    pub(super) round: f64,
    pub(super) reference: Reference,
    pub(super) track: Track,
    pub(super) level: Level,
}

/// What round trips are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// The sum of both bases.
    pub(super) base: f64,
    /// The usual wait of one way.
    pub(super) wait: f64,
}

/// Since when a level has been another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Since {
    /// That it has been for the likeliest number of trips, in nats.
    evidence: f64,
    likeliest: usize,
    /// For so many of the last, almost certainly,
    pub(super) sure: usize,
    /// and for no more than so many.
    pub(super) trips: usize,
}

/// Round trips have risen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lift {
    pub(super) since: Since,
    /// By no more than this, in seconds.
    pub(super) most: f64,
    /// To the known level of this place, if to one that is known.
    pub(super) known: Option<usize>,
}

/// The last exchanges, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Plateau {
    trips: Vec<Trip>,
}

/// The evidence for a rise in the last round trips.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    anywhere: f64,
    known: Option<(usize, f64)>,
}

impl Plateau {
    /// Something moved: what was believed before is not to come back.
    pub(super) fn forget(&mut self) {
        self.trips.clear();
    }

    /// Takes in an exchange.
    pub(super) fn hear(&mut self, trip: Trip) {
        if self.trips.capacity() == 0 {
            self.trips.reserve_exact(TRIPS);
        }
        if self.trips.len() == TRIPS {
            self.trips.remove(0);
        }
        self.trips.push(trip);
    }

    /// The last so many exchanges, oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<Trip> {
        self.trips[self.trips.len().saturating_sub(count)..].to_vec()
    }

    /// By how much they are above a level, newest first.
    fn lifts(&self, level: &Level) -> Vec<f64> {
        self.trips.iter().rev().map(|trip| trip.round - level.base).collect()
    }

    /// The known level below that they have fallen to, if they have.
    pub(super) fn fall(&self, level: &Level, known: &[f64]) -> Option<Lift> {
        let lifts = self.lifts(level);
        let mut best = (EVIDENCE_OF_KNOWN, None);
        for (place, lift) in level.below(known) {
            let evidence = |trips: usize| {
                let lifts = &lifts[..trips];
                level.log_probability(lifts, lift, USUAL_QUEUE) - level.against(lifts)
            };
            let all: Vec<f64> = (1..=lifts.len()).map(evidence).collect();
            let Some(since) = Since::of(&all, 0) else { continue };
            if since.evidence > best.0 {
                best = (since.evidence, Some(Lift { since, most: 0.0, known: Some(place) }));
            }
        }
        best.1
    }

    /// Where they have risen to, if they have. Some levels are `known`.
    pub(super) fn lift(&self, known: &[f64]) -> Option<Lift> {
        let level = &self.trips.first()?.level;
        let mut lifts = self.lifts(level);
        lifts.truncate(level.lifted(&lifts));
        let due = self.due().filter(|&due| due <= lifts.len())?;
        let evidence = |trips: usize| level.evidence(&lifts[..trips], known);
        let least = if known.is_empty() { EVIDENCE } else { EVIDENCE_OF_KNOWN };
        if (due..=lifts.len()).all(|trips| level.evidence_max(&lifts[..trips]) <= least) {
            return None;
        }
        let all: Vec<Evidence> = (1..=lifts.len()).map(evidence).collect();
        let strengths: Vec<f64> = all.iter().map(Evidence::strength).collect();
        let since = Since::of(&strengths, due - 1).filter(|since| since.evidence > 0.0)?;
        let most = lifts[..since.sure].iter().copied().fold(f64::INFINITY, f64::min);
        Some(Lift { since, most, known: all[since.likeliest - 1].place() })
    }

    /// How many of the last are enough.
    fn due(&self) -> Option<usize> {
        let newest = self.trips.last()?.sample.at;
        let is_long = |trip: &Trip| (newest - trip.sample.at).as_seconds() >= TRIPS_SPAN;
        let long = self.trips.iter().rev().position(is_long)?;
        Some((long + 1).max(TRIPS_MIN))
    }
}

impl Since {
    /// From the evidence for each number of trips, one and up. One after the first `skipped` is the likeliest.
    fn of(all: &[f64], skipped: usize) -> Option<Self> {
        let later = all.iter().copied().enumerate().skip(skipped);
        let (index, evidence) = later.reduce(|best, other| if other.1 > best.1 { other } else { best })?;
        let is_likely = |other: &f64| *other > evidence - UNSURE;
        let sure = all.iter().position(is_likely)? + 1;
        let trips = all.iter().rposition(is_likely)? + 1;
        Some(Self { evidence, likeliest: index + 1, sure, trips })
    }
}

impl Evidence {
    /// The known level that they have risen to, if that is likely.
    fn place(&self) -> Option<usize> {
        self.known.filter(|&(_, evidence)| evidence > EVIDENCE_OF_KNOWN).map(|(place, _)| place)
    }

    /// The better of both, each against what it needs.
    fn strength(&self) -> f64 {
        let known = self.known.map_or(f64::NEG_INFINITY, |(_, evidence)| evidence - EVIDENCE_OF_KNOWN);
        known.max(self.anywhere - EVIDENCE)
    }
}

impl Level {
    /// Which of the known levels below the present one these round trips have fallen to, if one explains them.
    pub(super) fn fall(&self, rounds: &[f64], known: &[f64]) -> Option<usize> {
        let lifts: Vec<f64> = rounds.iter().map(|round| round - self.base).collect();
        let likely = self.below(known).map(|(place, lift)| {
            let each = self.log_probability(&lifts, lift, USUAL_QUEUE) / lifts.len() as f64;
            (place, each + libm::log(self.wait))
        });
        let best = likely.reduce(|best, other| if other.1 > best.1 { other } else { best })?;
        (best.1 > -FALL_EACH).then_some(best.0)
    }

    /// The known levels below the present one: their places, and how far they lie above it, which is negative.
    fn below(&self, known: &[f64]) -> impl Iterator<Item = (usize, f64)> {
        let lifts = known.iter().map(|sum| sum - self.base).enumerate();
        lifts.filter(|&(_, lift)| lift < -LIFT_MIN * self.wait)
    }

    /// How many of these, of the last trips first, are all so far above that it can be another level.
    fn lifted(&self, lifts: &[f64]) -> usize {
        let is_lifted = |(place, lift): (usize, &f64)| {
            let least = if place < NEWEST { 2.0 * LIFT_MIN } else { LIFT_MIN };
            *lift >= least * self.wait
        };
        lifts.iter().enumerate().take_while(|&each| is_lifted(each)).count()
    }

    /// How likely round trips are if nothing has moved.
    fn against(&self, lifts: &[f64]) -> f64 {
        [USUAL_QUEUE, BUSY_QUEUE]
            .map(|queue| self.log_probability(lifts, 0.0, queue))
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// No rise has more evidence than this: no level makes a round trip likelier than [`PEAK`]. That is nearly always too
    /// little, and much quicker than an integral.
    fn evidence_max(&self, lifts: &[f64]) -> f64 {
        lifts.len() as f64 * libm::log(PEAK / self.wait) - self.against(lifts)
    }

    fn evidence(&self, lifts: &[f64], known: &[f64]) -> Evidence {
        let against = self.against(lifts);
        let most = lifts.iter().copied().fold(f64::INFINITY, f64::min);
        let edge = |part: usize| (self.wait * PART_EDGES[part]).min(most);
        let parts: [f64; PARTS] = core::array::from_fn(|part| {
            let (near, far) = (edge(part), edge(part + 1));
            let lift = most - 0.5 * (near + far);
            let before = libm::log((far - near) * heavy_tail(lift, 2.0 * self.wait));
            before + self.log_probability(lifts, lift, USUAL_QUEUE)
        });
        let likeliest = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = parts.iter().map(|part| libm::exp(part - likeliest)).sum();
        let anywhere = likeliest + libm::log(sum) - against;
        let of_known = known.iter().enumerate().filter_map(|(place, sum)| {
            let lift = sum - self.base;
            let evidence = self.log_probability(lifts, lift, USUAL_QUEUE) - against;
            (lift > LIFT_MIN * self.wait && evidence > anywhere).then_some((place, evidence))
        });
        let known = of_known.reduce(|best, other| if other.1 > best.1 { other } else { best });
        Evidence { anywhere, known }
    }

    /// How likely such round trips are from bases that are longer by `lift`, if there is a queue with this probability.
    fn log_probability(&self, lifts: &[f64], lift: f64, queue: f64) -> f64 {
        let density = |excess: f64| {
            let waits = (excess / self.wait).max(WAIT_MIN);
            let usual = waits * libm::exp(-waits) / self.wait;
            (1.0 - queue) * usual + queue * heavy_tail(waits * self.wait, 2.0 * self.wait)
        };
        let product = |some: &[f64]| some.iter().map(|above| density(above - lift)).product::<f64>();
        lifts.chunks(AT_ONCE).map(|some| libm::log(product(some))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of so many excesses of 100 µs and more.
    fn told(rise: &mut Rise, excesses: usize, least: f64) -> Option<f64> {
        (0..excesses).fold(None, |told, n| told.or(rise.hear(least + (n % 10) as f64 * 2e-5, 1e-6, 1e-7)))
    }

    #[test]
    fn a_base_has_risen_when_nothing_comes_near_it_any_more() {
        let mut rise = Rise::default();
        assert_eq!(told(&mut rise, 1_000, 0.0), None);
        assert_eq!(told(&mut rise, 180, 3e-4), None, "some of the exchanges looked at are old");
        assert!(told(&mut rise, 20, 3e-4).is_some());
    }

    const LEVEL: Level = Level { base: 0.02, wait: 1e-4 };

    /// What round trips so many microseconds above the base are most likely, if a level is known at 300 µs.
    fn evidence(above: &[f64]) -> Evidence {
        LEVEL.evidence(&above.iter().map(|micros| micros * 1e-6).collect::<Vec<_>>(), &[0.0203])
    }

    #[test]
    fn round_trips_that_are_alike_have_risen_and_a_queue_has_not() {
        let (risen, queue) =
            (evidence(&[550.0, 480.0, 420.0, 610.0, 500.0]), evidence(&[310.0, 900.0, 4000.0, 120.0, 90.0]));
        assert_eq!(risen.place(), Some(0));
        assert_eq!(queue.place(), None);
        assert!(risen.anywhere > queue.anywhere, "{risen:?} {queue:?}");
        assert!(evidence(&[5_200.0; 8]).anywhere > EVIDENCE);
    }

    #[test]
    fn a_trip_that_may_be_of_either_route_is_not_sure() {
        let all: Vec<f64> = (1..=8)
            .map(|trips| {
                evidence(&[550.0, 480.0, 420.0, 610.0, 500.0, 390.0, 20.0, 150.0][..trips]).strength()
            })
            .collect();
        let since = Since::of(&all, 4).expect("there are that many");
        assert_eq!((since.sure, since.likeliest, since.trips), (5, 6, 7), "{all:?}");
    }

    #[test]
    fn round_trips_fall_to_the_known_level_that_explains_them() {
        assert_eq!(LEVEL.fall(&[0.0182, 0.0184], &[0.0203, 0.018, 0.017]), Some(1));
        assert_eq!(LEVEL.fall(&[0.0179], &[0.018]), None, "nothing is shorter than its base");
        assert_eq!(LEVEL.fall(&[0.0199], &[0.01999]), None, "that is the same level");
    }

    #[test]
    fn a_base_that_was_doubted_gets_time() {
        let mut rise = Rise::default();
        told(&mut rise, 1_000, 0.0);
        rise.forget();
        assert_eq!(told(&mut rise, WINDOW, 3e-4), None);
        assert!(told(&mut rise, 1, 3e-4).is_some_and(|by| (by - 3e-4).abs() < 1e-9));
    }
}
