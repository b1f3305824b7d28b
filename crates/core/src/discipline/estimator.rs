//! What is likely: one source's time and our counter's rate, from exchanges that are walls rather than measurements.
//!
//! # What an exchange tells
//!
//! Let `x` be by how much a line `L` through our counter's readings is ahead of true time. The question needs the
//! delay `d₁` and the answer `d₂`, so the stamps say
//!
//! ```text
//!   u = t2 - L(t1) = d₁ - x        v = L(t4) - t3 = d₂ + x
//! ```
//!
//! A delay is a base and a wait, `d = b + e` with `e >= 0`. Hence `b₁ - u <= x <= v - b₂`, always: two walls, and `x`
//! somewhere between them. If waits are exponential, the likelihood between the walls is even *flat*. Whoever takes the
//! middle for a measurement with a Gaussian error throws away that the walls are hard: the means of `n` exchanges are
//! right to `J/√n`, where `J` is the usual wait, but the tightest walls of `n` exchanges are right to `J/n`. And a
//! queue on one way moves one wall only: the middle is wrong at once, the other wall holds.
//!
//! # The filter
//!
//! Between exchanges the rate walks at random: in `dt` seconds, with intensity `W` per square root of a second,
//!
//! ```text
//!   P ← F P Fᵀ + W² | dt³/3  dt²/2 |        F = | 1  dt |
//!                   | dt²/2  dt    |            | 0   1 |
//! ```
//!
//! The state of a filter (`track`) is `(x, y, b₁, b₂)`, `y` being the drift of `x`. It is kept as mean and covariance; an
//! exchange multiplies it by two factors, the densities of both waits ([`delay`]), and is replaced by the normal
//! distribution with the same moments ([`sites`]).
//!
//! # The bank
//!
//! Such a filter needs to be told `W` and the shape of the waits. So 66 of them run side by side (`bank`), for eleven
//! intensities and six shapes of noise; each is weighed by how well it predicted what came, with a memory of some 300
//! exchanges, and the hopeless sleep. Four shapes are of waits, from exponential to nearly Gaussian. Two are of the clock:
//! one that swings faster than it is looked at is beside its slow line at each exchange, by 0.4 or 0.8 of the usual wait,
//! `x + p` in the place of `x`. That moves both walls alike and leaves the round trip, so it is not mistaken for waits; and
//! `sigma` says then that nobody saw where the clock went between. A queue that stands on both ways for hours hides both walls; then, and
//! only as far as that is likely, the middle counts after all ([`standing`]). Scale, fine shape and congestion of the waits are learned within each
//! shape (`path`). One number rules how well that can go: with exchanges `τ` apart the error is about
//! `0.86 J^0.6 (W τ^1.5)^0.4`, or `0.43 W τ^1.5` where the network is better than the oscillator.
//!
//! # Surprises
//!
//! Packets are late, never early. What comes earlier than belief allows waits (`surprise`) until it is clear whether the
//! stamps were wrong once, a base moved, or our clock. A base that rises is found after a while (`rise`), and what
//! was made of the exchanges since then is done again; routes are remembered and recognised (`routes`).
//!
//! # For other filters of the same exchanges
//!
//! A filter over several sources can follow this one's decisions and use what it has learned: [`Estimator::steps`] is
//! what the last exchange led to, in order; [`Estimator::densities`] is what is believed of the waits;
//! [`Estimator::wander_posterior`] how likely each intensity is by this source alone; [`Estimator::bases`] where the
//! bases are. [`sites::match_walls`] is a function of a projection, whatever the state behind it.
//!
//! # What never happens here
//!
//! Half of the difference of the bases is an error of `x` that no filter can see: `(b₁ - b₂)/2` begins at zero and what
//! it was then stays in the estimate for good. The [bracket](super::bracket) answers for that, not `sigma`. Instants are
//! never floats: those only hold differences from a line that follows the estimate. Memory is constant: see
//! [`Estimator::MEMORY_MAX`].

use alloc::vec::Vec;

use truechimer_time::{Raw, Span, Tai, Time};

use self::bank::{Bank, Before};
use self::delay::{DelayDensity, Normal};
use self::least::Least;
use self::mixture::Mixture;
use self::reference::Reference;
use self::rehearsal::Rehearsal;
use self::rise::{Level, Plateau, Rise, Trip};
use self::routes::Routes;
use self::standing::Standing;
use self::surprise::{Arrival, Judgement};

use crate::measure::sample::Sample;

mod bank;
mod change;
pub mod delay;
mod least;
pub(crate) mod mixture;
mod normal;
mod path;
mod prior;
pub mod reference;
mod rehearsal;
mod rise;
mod routes;
mod shape;
pub mod sites;
pub mod standing;
mod surprise;
pub(crate) mod track;

pub use change::{Change, Way};
pub use prior::Prior;
pub use shape::{Stamps, WANDERS, WANDERS_SQUARED};

/// Nothing is a surprise before so many exchanges,
const SETTLED_EXCHANGES: u32 = 16;
/// and before so much time has passed since the first.
const SETTLED_AFTER: Span = Span::from_secs(900);

/// So many exchanges wait for an explanation, and so many that contradict.
const WAITING_MAX: usize = 6;
const CONTRADICTING_MAX: usize = 3;

/// A decision is due after so many seconds of waiting, if two contradict; and in any case.
const WAIT_FOR_TWO: f64 = 600.0;
const WAIT_FOR_ANY: f64 = 1800.0;

/// Silence for so many of the usual intervals is a gap.
const GAP: f64 = 4.0;

/// Exchanges are rare if there are so many seconds between them: many of them tell more than few, if there is time.
const RARE: f64 = 200.0;

/// No route is looked for before so much time has passed.
const ROUTES_AFTER: Span = Span::from_secs(10_000);

/// The usual interval before there was one, in seconds, and the weight of a new one.
const INTERVAL_GUESS: f64 = 64.0;
const INTERVAL_GAIN: f64 = 0.1;

/// A change so far, in seconds, leaves nothing of what was known: beyond it, rounding would eat the rest.
const CHANGE_MAX: f64 = 10.0;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It moved the estimate.
    Taken,
    /// It contradicts, or came while another did: it waits until it is clear why. Ask again soon.
    Suspect,
    /// The world has changed, as this one and those that waited show: the estimate follows and trusts itself less.
    Surprise,
}

/// One thing that a sample led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// An exchange was taken in.
    Took(Sample),
    /// An exchange was left out for good: its stamps contradict what came before and after.
    Dropped(Sample),
    /// Something moved.
    Changed(Change),
    /// The route is one that was in use before: the base there less the base back is this.
    Recalled(Normal),
    /// Everything was forgotten; the next step is an exchange from which it begins anew.
    BeganAnew,
}

/// The bases as the likeliest filter sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bases {
    /// Their sum: the shortest possible delay, in seconds.
    pub sum: Normal,
    /// There less back, in seconds. Its mean begins at zero for want of knowledge.
    pub difference: Normal,
}

/// An estimate carried to one reading of the counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The likeliest true time.
    pub tai: Time<Tai>,
    /// The likeliest rate of true time against the counter.
    pub rate: f64,
    /// One standard deviation of the time, in seconds.
    pub sigma: f64,
    /// One standard deviation of the rate.
    pub rate_sigma: f64,
}

/// An exchange that waits for an explanation.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    sample: Sample,
    contradicts: bool,
}

/// The estimate of one source.
#[derive(Clone, Debug)]
pub struct Estimator {
    prior: Prior,
    reference: Reference,
    bank: Bank,
    mixture: Mixture,
    first: Time<Raw>,
    newest: Time<Raw>,
    interval: f64,
    least: Least,
    rehearsal: Rehearsal,
    waiting: Vec<Waiting>,
    is_lost: bool,
    rises: [Rise; 2],
    plateau: Plateau,
    routes: Routes,
    steps: Vec<Step>,
}

impl Estimator {
    /// No estimator ever needs more bytes.
    pub const MEMORY_MAX: usize = 30_720;

    /// Begins with a first sample and what is known of the oscillator, limits of its rate at least.
    pub fn new(first: &Sample, prior: impl Into<Prior>) -> Self {
        let prior = prior.into();
        let reference = Reference { at: first.at, tai: middle(first), rate: prior.limits.middle() };
        Self::along(reference, first, prior, None)
    }

    /// The same along a reference of any rate; the usual wait may be known better than one sample tells.
    fn along(reference: Reference, first: &Sample, prior: Prior, wait: Option<f64>) -> Self {
        let drift = (reference.rate - prior.limits.middle()).as_ratio();
        let bank = Bank::new(reference.stamps(first), &Before { drift, wait, ..prior.before() });
        let mut estimator = Self {
            mixture: bank.mixture(),
            prior,
            reference,
            bank,
            first: first.at,
            newest: first.at,
            interval: INTERVAL_GUESS,
            least: Least::new(first.delay),
            rehearsal: Rehearsal::new(first),
            waiting: Vec::new(),
            is_lost: false,
            rises: Default::default(),
            plateau: Plateau::default(),
            routes: Routes::default(),
            steps: Vec::from([Step::BeganAnew, Step::Took(*first)]),
        };
        estimator.follow();
        estimator
    }

    /// Takes a sample in. A sample that is not newer than the newest one is ignored.
    pub fn hear(&mut self, sample: &Sample) -> Reception {
        self.steps.clear();
        if sample.at <= self.newest {
            return Reception::Suspect;
        }
        self.newest = sample.at;
        self.least.hear(sample.delay);
        if self.rehearsal.was_cold(sample) {
            *self = Self::new(sample, self.prior);
            return Reception::Taken;
        }
        if !self.is_settled() {
            self.take(sample);
            self.rehearse(sample);
            return Reception::Taken;
        }
        let arrival = self.arrival(sample, self.reference.at);
        let after_gap = arrival.passed > GAP * self.interval;
        match (self.bank.judge(&arrival, after_gap), self.waiting.is_empty()) {
            (Judgement::Fits, true) => {
                self.take(sample);
                Reception::Taken
            }
            (Judgement::ClockMoved(by), true) => {
                self.change(Change::Clock { by, rate: by / arrival.passed.max(1.0) });
                self.take(sample);
                Reception::Surprise
            }
            (Judgement::Fits, false) => self.wait(sample, false),
            (Judgement::ClockMoved(_) | Judgement::Contradicts, _) => self.wait(sample, true),
        }
    }

    /// The estimate at a reading of the counter, later or (with less right) earlier.
    pub fn estimate(&self, at: Time<Raw>) -> Estimate {
        self.mixture.estimate(&self.reference, at)
    }

    /// How fast the rate wanders, per square root of a second, as far as this source tells.
    pub fn wander(&self) -> f64 {
        self.mixture.wander()
    }

    /// How likely each of [`WANDERS_SQUARED`] is, as logarithms of probabilities.
    pub fn wander_posterior(&self) -> [f64; WANDERS] {
        self.bank.wander_posterior()
    }

    /// What is believed of the next waits, there and back.
    pub fn densities(&self) -> [DelayDensity; 2] {
        self.bank.densities()
    }

    /// What is believed of a queue that stands on both ways.
    pub fn standing(&self) -> Standing {
        self.bank.best_shape().standing()
    }

    /// The usual waits there and back, in seconds.
    pub fn jitter(&self) -> [f64; 2] {
        self.bank.best_shape().paths.map(|path| path.scale)
    }

    /// The bases of both ways.
    pub fn bases(&self) -> Bases {
        let track = &self.bank.best().track;
        Bases { sum: track.base_sum(), difference: track.base_difference() }
    }

    /// What the last sample led to, in order. Empty while it waits for an explanation, or if it was too old.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many samples have been taken in.
    pub fn samples(&self) -> u32 {
        self.bank.taken()
    }

    /// The shortest delay of late.
    pub fn delay_min(&self) -> Span {
        self.least.delay()
    }

    fn is_settled(&self) -> bool {
        self.bank.taken() >= SETTLED_EXCHANGES && self.newest - self.first >= SETTLED_AFTER
    }

    /// Begins anew once it is known better what waits are usual. The rate of the reference is kept, so that what the line
    /// does while a packet travels is nearly right from the first; what is believed of the rate is not.
    fn rehearse(&mut self, sample: &Sample) {
        let Some(wait) = self.rehearsal.hear(sample) else { return };
        let [first, rest @ ..] = self.rehearsal.samples() else { return };
        let reference = Reference { at: first.at, tai: middle(first), rate: self.reference.rate };
        let mut fresh = Self::along(reference, first, self.prior, Some(wait));
        for sample in rest {
            fresh.absorb(sample);
        }
        if !fresh.is_lost {
            let rehearsal = core::mem::take(&mut self.rehearsal);
            let steps = core::mem::take(&mut self.steps);
            *self = Self { rehearsal, steps, least: self.least, ..fresh };
        }
    }

    fn arrival(&self, sample: &Sample, since: Time<Raw>) -> Arrival {
        Arrival { passed: (sample.at - since).as_seconds(), stamps: self.reference.stamps(sample) }
    }

    /// Lets a sample wait, and decides what it means if that is due.
    fn wait(&mut self, sample: &Sample, contradicts: bool) -> Reception {
        self.waiting.push(Waiting { sample: *sample, contradicts });
        let waited = (sample.at - self.waiting[0].sample.at).as_seconds();
        let contradicting = self.waiting.iter().filter(|waiting| waiting.contradicts).count();
        let is_due = contradicting >= CONTRADICTING_MAX
            || self.waiting.len() >= WAITING_MAX
            || (contradicting >= 2 && waited > WAIT_FOR_TWO)
            || waited > WAIT_FOR_ANY;
        match (is_due, contradicting) {
            (false, _) => Reception::Suspect,
            (true, 0 | 1) => self.leave_out(),
            (true, _) => self.decide(),
        }
    }

    /// One that stands alone is an outlier.
    fn leave_out(&mut self) -> Reception {
        let mut reception = Reception::Suspect;
        for waiting in self.take_waiting() {
            if waiting.contradicts {
                self.steps.push(Step::Dropped(waiting.sample));
                reception = Reception::Suspect;
            } else {
                self.take(&waiting.sample);
                reception = Reception::Taken;
            }
        }
        reception
    }

    /// Several are no accident.
    fn decide(&mut self) -> Reception {
        let mut since = self.reference.at;
        let mut arrivals = Vec::with_capacity(WAITING_MAX);
        for waiting in &self.waiting {
            arrivals.push(self.arrival(&waiting.sample, since));
            since = waiting.sample.at;
        }
        let rounds: Vec<f64> = arrivals.iter().map(|arrival| arrival.stamps[0] + arrival.stamps[1]).collect();
        let known: Vec<f64> = self.routes.sums().collect();
        let change = self.bank.explain(&arrivals);
        match (change, self.level().fall(&rounds, &known)) {
            (Some(change), Some(place))
                if self.interval > RARE && !matches!(change, Change::Clock { .. }) =>
            {
                self.routes.leave(&self.bank);
                self.enter(place);
            }
            (Some(change), _) => self.change(change),
            (None, _) => {}
        }
        for waiting in self.take_waiting() {
            self.take(&waiting.sample);
        }
        if change.is_some() { Reception::Surprise } else { Reception::Taken }
    }

    fn take_waiting(&mut self) -> Vec<Waiting> {
        core::mem::replace(&mut self.waiting, Vec::with_capacity(WAITING_MAX))
    }

    /// Trusts itself less; not at all, if something moved too far.
    fn change(&mut self, change: Change) {
        if change.is_of_path() {
            self.routes.leave(&self.bank);
        }
        self.doubt(change);
    }

    /// The same on a route that goes on, or has been left already.
    fn doubt(&mut self, change: Change) {
        self.is_lost |= change.size() > CHANGE_MAX;
        self.steps.push(Step::Changed(change));
        for way in Way::BOTH.into_iter().filter(|&way| change.concerns(way)) {
            self.rises[way.index()].forget();
        }
        self.plateau.forget();
        self.bank.doubt(&change);
    }

    /// Takes a sample in, or begins anew with it if nothing that was known is of use.
    fn take(&mut self, sample: &Sample) {
        if !self.is_lost {
            self.absorb(sample);
        }
        if self.is_lost {
            self.begin_anew(sample);
        }
    }

    fn absorb(&mut self, sample: &Sample) {
        self.steps.push(Step::Took(*sample));
        let (reference, track, level) = (self.reference, self.bank.best().track, self.level());
        let arrival = self.arrival(sample, self.reference.at);
        self.interval += INTERVAL_GAIN * (arrival.passed.min(GAP * self.interval) - self.interval);
        let excesses = self.learn(sample, &arrival);
        if let Some(place) = self.routes.recall(&self.bank, arrival.passed) {
            self.recall(place);
        }
        self.watch(excesses);
        let round = arrival.stamps[0] + arrival.stamps[1];
        self.compare(Trip { sample: *sample, round, reference, track, level });
        self.follow();
    }

    /// Lets all filters take in a sample.
    fn learn(&mut self, sample: &Sample, arrival: &Arrival) -> [f64; 2] {
        self.reference = self.reference.anchored(sample.at);
        self.bank.predict(arrival.passed);
        self.bank.take(arrival.stamps)
    }

    fn begin_anew(&mut self, sample: &Sample) {
        let (newest, steps) = (self.newest, core::mem::take(&mut self.steps));
        let fresh = Self::new(sample, self.prior);
        let steps = steps.into_iter().chain(fresh.steps.iter().copied()).collect();
        *self = Self { newest, steps, ..fresh };
    }

    /// Looks whether a base has risen.
    fn watch(&mut self, excesses: [f64; 2]) {
        let variances = self.bank.best().track.projection().variance;
        let noise = libm::sqrt(self.bank.best_shape().noise());
        let risen = Way::BOTH.map(|way| {
            let sigma = libm::sqrt(variances[way.index()].max(0.0));
            self.rises[way.index()].hear(excesses[way.index()], sigma, noise)
        });
        let change = match risen {
            [Some(there), Some(back)] => {
                let by = 2.0 * there.max(back);
                Change::Bases { by, apart: 0.05 * by }
            }
            [Some(by), None] => Change::Base { way: Way::There, by: 2.0 * by },
            [None, Some(by)] => Change::Base { way: Way::Back, by: 2.0 * by },
            [None, None] => return,
        };
        self.change(change);
        self.bank.relearn_delays();
    }

    /// Looks whether round trips have moved together. If so, what was made of them is undone, and those that surely are of
    /// the new route are taken in again.
    fn compare(&mut self, trip: Trip) {
        self.plateau.hear(trip);
        if self.newest - self.first < ROUTES_AFTER || self.interval <= RARE {
            return;
        }
        let known: Vec<f64> = self.routes.sums().collect();
        let level = self.level();
        let moved = self.plateau.fall(&level, &known).or_else(|| self.plateau.lift(&known));
        let Some(lift) = moved else { return };
        let trips = self.plateau.last(lift.since.trips);
        let Some(first) = trips.first() else { return };
        self.reference = first.reference;
        self.bank.rewind(&first.track, trips.len());
        self.routes.leave(&self.bank);
        match lift.known {
            Some(place) => self.enter(place),
            None => self.doubt(Change::Bases { by: lift.most, apart: lift.most }),
        }
        for trip in &trips[trips.len() - lift.since.sure..] {
            let arrival = self.arrival(&trip.sample, self.reference.at);
            self.learn(&trip.sample, &arrival);
            self.follow();
        }
    }

    /// What round trips are held against.
    fn level(&self) -> Level {
        Level { base: self.bases().sum.mean, wait: self.standing().wait }
    }

    /// The path has been a known route for a while.
    fn recall(&mut self, place: usize) {
        let scale = self.bank.best_shape().scale_max();
        let Some(route) = self.routes.enter(place, scale, 0.0) else { return };
        self.steps.push(Step::Recalled(route.difference));
        self.bank.impose_difference(route.difference);
    }

    /// The path is now a known route.
    fn enter(&mut self, place: usize) {
        let (scale, clock) = (self.bank.best_shape().scale_max(), self.bank.mixture().covariance.error);
        let Some(route) = self.routes.enter(place, scale, clock) else { return };
        let now = self.bases();
        let apart = libm::fabs(route.difference.mean - now.difference.mean);
        let by = apart.max(libm::fabs(route.sum.mean - now.sum.mean));
        self.doubt(Change::Bases { by, apart: by });
        self.steps.push(Step::Recalled(route.difference));
        self.bank.impose_difference(route.difference);
        self.bank.impose_sum(route.sum);
    }

    /// Lets the reference follow the estimate.
    fn follow(&mut self) {
        let said = self.bank.mixture();
        let (error, drift) = self.reference.turn(said.error, said.drift);
        self.bank.shift(error, drift);
        self.mixture = said.shifted(error, drift);
        self.is_lost |= !said.is_sound();
    }
}

/// True time at the end of an exchange, if both ways took equally long.
fn middle(sample: &Sample) -> Time<Tai> {
    let elapsed = sample.at - sample.sent;
    let held = sample.transmitted - sample.received;
    sample.transmitted + (elapsed - held).half()
}

#[cfg(test)]
mod tests;
