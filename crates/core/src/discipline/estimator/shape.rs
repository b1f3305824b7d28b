//! All filters that believe in one shape of quiet delay: one for each intensity with which the rate may wander.

use super::delay::{DelayDensity, Normal};
use super::path::Path;
use super::sites::match_walls;
use super::standing::Standing;
use super::track::{Track, Walk};

/// What a shape takes for granted of each exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    /// What of the usual wait is symmetric noise of each way for itself.
    pub(super) roundness: f64,
    /// How far the clock is beside the line of its slow wander, as a part of the usual wait: what one way has more of, the
    /// other has less of. That is what swings of an hour look like to somebody who asks every quarter of an hour.
    pub(super) tremor: f64,
}

/// The kinds that are tried. The first has no noise: a wall blurred by as little as a fiftieth of the usual wait is three
/// times worse than what many waits tell of it.
pub(super) const KINDS: [Kind; 6] = [
    Kind { roundness: 0.0, tremor: 0.0 },
    Kind { roundness: 0.4, tremor: 0.0 },
    Kind { roundness: 1.2, tremor: 0.0 },
    Kind { roundness: 4.0, tremor: 0.0 },
    Kind { roundness: 0.0, tremor: 0.4 },
    Kind { roundness: 0.0, tremor: 0.8 },
];

/// The intensities that are tried, squared: 10⁻¹¹ to 10⁻⁶ per √s in half decades.
pub const WANDERS_SQUARED: [f64; WANDERS] =
    [1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12];

/// How many they are.
pub const WANDERS: usize = 11;

/// Of the log-evidence of the past so much is kept from one exchange to the next.
const MEMORY: f64 = 0.997;

/// A filter that falls so many nats behind the best of its shape is hopeless. It sleeps, and tries again as a copy of the
/// best: for one exchange, and longer if it does better there.
const HOPELESS: f64 = 10.0;

/// A shape that is so many nats behind the best of the bank has no say and needs few filters: those that are worse than its
/// best by more than this sleep, too.
const FAR: f64 = 30.0;
const WORSE: f64 = 2.0;

/// A sleeper tries again every so many exchanges, more rarely in a shape that has no say; never all at once.
const TURNS: usize = 4;
const TURNS_FAR: usize = 16;

/// A queue that stood with less than this probability did not.
const NEGLIGIBLE: f64 = 1e-4;

/// Evidence for it is not counted beyond so many nats: it is certain then.
const EVIDENCE_MAX: f64 = 100.0;

/// The noise of a time stamp that nothing was learned of, in seconds.
const STAMP_NOISE: f64 = 1e-7;

/// What the stamps of one exchange say, against a reference line `L`: `t2 - L(t1)` and `L(t4) - t3`, in seconds.
pub type Stamps = [f64; 2];

/// One filter of the bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hypothesis {
    pub(super) track: Track,
    /// How likely it is, as a logarithm: 0 for the best of the bank.
    pub(super) score: f64,
    /// It is hopeless and waits for its next turn, as a copy of the best.
    is_asleep: bool,
    /// The excesses of the last exchange as it sees them.
    excess: [Normal; 2],
    /// The logarithm of the probability with which it predicted that exchange.
    log_evidence: f64,
    /// How likely a queue stood on both ways then.
    standing: f64,
}

/// The last exchange as a shape sees it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Seen {
    /// The weight of the shape in the bank.
    pub(super) weight: f64,
    pub(super) excess: [Normal; 2],
    /// How likely a queue stood on both ways.
    pub(super) standing: f64,
}

/// A filter, when all are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker<'a> {
    pub(super) score: f64,
    pub(super) track: &'a Track,
    pub(super) wander_squared: f64,
    /// The variance of the clock's tremor, which no track holds.
    pub(super) tremor: f64,
}

impl Hypothesis {
    /// Takes an exchange in, of a clock that trembles with this variance.
    fn take(&mut self, stamps: Stamps, densities: &[DelayDensity; 2], standing: &Standing, tremor: f64) {
        let projection = self.track.projection().trembling(tremor);
        let walls = match_walls(&projection, stamps, densities);
        let queued = standing.middle(&projection, stamps).map(|middle| {
            let odds = standing.likely / (1.0 - standing.likely);
            let ratio = odds * libm::exp((middle.log_evidence - walls.log_evidence).min(EVIDENCE_MAX));
            (middle, ratio)
        });
        let before = self.track;
        if tremor > 0.0 {
            self.track.learn_through(&walls, &projection);
        } else {
            self.track.learn(&walls);
        }
        self.excess = walls.excess;
        (self.log_evidence, self.standing) = (walls.log_evidence, 0.0);
        if let Some((middle, ratio)) = queued {
            self.standing = ratio / (1.0 + ratio);
            self.log_evidence += libm::log((1.0 - standing.likely) * (1.0 + ratio));
            if self.standing > NEGLIGIBLE {
                self.track.blend(&before.with_middle(&middle), self.standing);
            }
        }
    }
}

/// All filters of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) paths: [Path; 2],
    pub(super) hypotheses: [Hypothesis; WANDERS],
    pub(super) densities: [DelayDensity; 2],
    standing: f64,
}

impl Shape {
    /// All begin with one track; the waits are guessed to be of the order of `scale` seconds.
    pub(super) fn new(kind: Kind, scale: f64, track: Track, scores: &[f64; WANDERS]) -> Self {
        let paths = [Path::new(scale); 2];
        let hypotheses = scores.map(|score| Hypothesis {
            track,
            score,
            is_asleep: false,
            excess: [Normal::default(); 2],
            log_evidence: 0.0,
            standing: 0.0,
        });
        let densities = paths.map(|path| path.density(kind.roundness, 0.0, scale));
        Self { kind, paths, hypotheses, densities, standing: Standing::first() }
    }

    /// What was taken for congestion or a queue was none.
    pub(super) fn calm(&mut self) {
        self.paths.iter_mut().for_each(Path::calm);
        self.standing = self.standing.min(Standing::first());
    }

    /// Carries all filters on.
    pub(super) fn predict(&mut self, seconds: f64) {
        let all = self.hypotheses.iter_mut().zip(WANDERS_SQUARED);
        for (hypothesis, wander) in all.filter(|(hypothesis, _)| !hypothesis.is_asleep) {
            hypothesis.track.predict(seconds, Walk::new(wander, seconds));
        }
    }

    /// Takes an exchange in; `width` is how wide anything at all is.
    pub(super) fn take(&mut self, stamps: Stamps, width: f64) {
        let (noise, tremor, standing) = (self.own_noise(), self.tremor(), self.standing());
        self.densities = self.paths.map(|path| path.density(self.kind.roundness, noise, width));
        for hypothesis in self.hypotheses.iter_mut().filter(|hypothesis| !hypothesis.is_asleep) {
            hypothesis.take(stamps, &self.densities, &standing, tremor);
        }
    }

    /// Counts the evidence of the last exchange, and lets that of the past fade to what was believed before it.
    pub(super) fn weigh(&mut self, prior: &[f64; WANDERS]) {
        let all = self.hypotheses.iter_mut().zip(prior);
        for (hypothesis, prior) in all.filter(|(hypothesis, _)| !hypothesis.is_asleep) {
            hypothesis.score = MEMORY * hypothesis.score + (1.0 - MEMORY) * prior + hypothesis.log_evidence;
        }
    }

    /// What is believed of a queue that stands on both ways.
    pub(super) fn standing(&self) -> Standing {
        let ([there, back], roundness) = (self.paths.map(|path| path.scale), self.kind.roundness);
        Standing {
            likely: self.standing,
            wait: 0.5 * (there + back) * (1.0 + roundness),
            spread: 2.0 * there.min(back) * there.min(back) * (1.0 + roundness * roundness),
        }
    }

    /// The variance of the noise of a stamp, with the symmetric part of the waits and the tremor of the clock: for those
    /// who look at one way alone.
    pub(super) fn noise(&self) -> f64 {
        self.own_noise() + self.tremor()
    }

    /// The same without the tremor, which both ways share.
    fn own_noise(&self) -> f64 {
        STAMP_NOISE * STAMP_NOISE + self.part(self.kind.roundness)
    }

    /// The variance of the clock's tremor.
    pub(super) fn tremor(&self) -> f64 {
        self.part(self.kind.tremor)
    }

    /// The variance of what has this part of the usual wait as standard deviation.
    fn part(&self, part: f64) -> f64 {
        let [there, back] = self.paths;
        part * part * there.scale * back.scale
    }

    /// The filter that is most likely, of those that are awake if any is.
    pub(super) fn best(&self) -> usize {
        let rank = |index: usize| (!self.hypotheses[index].is_asleep, self.hypotheses[index].score);
        (1..WANDERS).fold(0, |best, index| if rank(index) > rank(best) { index } else { best })
    }

    /// How likely its best filter is, if it is awake.
    pub(super) fn score(&self) -> Option<f64> {
        let best = &self.hypotheses[self.best()];
        (!best.is_asleep).then_some(best.score)
    }

    /// Puts the hopeless to sleep; in a shape that is far from having a say, all that are worse than its best.
    pub(super) fn rest(&mut self, best: f64) {
        let least = best - if best < -FAR { WORSE } else { HOPELESS };
        let hopeless = |hypothesis: &&mut Hypothesis| hypothesis.is_asleep || hypothesis.score <= least;
        for hypothesis in self.hypotheses.iter_mut().filter(hopeless) {
            (hypothesis.score, hypothesis.is_asleep) = (least, true);
        }
    }

    /// Puts all to sleep.
    pub(super) fn rest_all(&mut self, score: f64) {
        for hypothesis in &mut self.hypotheses {
            (hypothesis.score, hypothesis.is_asleep) = (score, true);
        }
    }

    /// Is the whole shape hopeless?
    pub(super) fn is_asleep(&self) -> bool {
        self.score().is_none()
    }

    /// Wakes those whose turn it is: as copies of the best filter, for another try at one exchange.
    pub(super) fn wake(&mut self, turn: usize) {
        let Hypothesis { track, score, .. } = self.hypotheses[self.best()];
        let turns = if score < -FAR { TURNS_FAR } else { TURNS };
        for (index, hypothesis) in self.hypotheses.iter_mut().enumerate() {
            if hypothesis.is_asleep && (turn + index).is_multiple_of(turns) {
                (hypothesis.track, hypothesis.is_asleep) = (track, false);
            }
        }
    }

    /// Wakes all, as copies of one track.
    pub(super) fn wake_all(&mut self, track: &Track) {
        for hypothesis in &mut self.hypotheses {
            (hypothesis.track, hypothesis.is_asleep) = (*track, false);
        }
    }

    /// Those that are awake.
    fn awake(&self) -> impl Iterator<Item = &Hypothesis> {
        self.hypotheses.iter().filter(|hypothesis| !hypothesis.is_asleep)
    }

    /// The tracks of those that are awake.
    pub(super) fn tracks(&mut self) -> impl Iterator<Item = &mut Track> {
        let awake = self.hypotheses.iter_mut().filter(|hypothesis| !hypothesis.is_asleep);
        awake.map(|hypothesis| &mut hypothesis.track)
    }

    /// All filters that are awake, for those who listen.
    pub(super) fn speakers(&self) -> impl Iterator<Item = Speaker<'_>> {
        let tremor = self.tremor();
        let all = self.hypotheses.iter().zip(WANDERS_SQUARED);
        all.filter(|(hypothesis, _)| !hypothesis.is_asleep).map(
            move |(Hypothesis { track, score, .. }, wander_squared)| Speaker {
                score: *score,
                track,
                wander_squared,
                tremor,
            },
        )
    }

    /// The last exchange as this shape sees it. Somebody must be awake.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let best = self.hypotheses[self.best()].score;
        for hypothesis in self.awake() {
            let weight = libm::exp(hypothesis.score - best);
            seen.weight += weight;
            let share = weight / seen.weight;
            for (mean, excess) in seen.excess.iter_mut().zip(hypothesis.excess) {
                mean.mean += share * (excess.mean - mean.mean);
                mean.variance += share * (excess.variance - mean.variance);
            }
            seen.standing += share * (hypothesis.standing - seen.standing);
        }
        seen.weight *= libm::exp(best);
        seen
    }

    /// Learns of the delays from the last exchange, with a weight of `gain` against all that was learned before.
    pub(super) fn learn(&mut self, seen: &Seen, gain: f64) {
        self.standing = Standing::next(seen.standing);
        for (path, excess) in self.paths.iter_mut().zip(seen.excess) {
            path.learn(excess, self.kind.roundness, gain * (1.0 - seen.standing));
        }
    }

    /// The longer of the scales of both ways.
    pub(super) fn scale_max(&self) -> f64 {
        self.paths[0].scale.max(self.paths[1].scale)
    }
}
