//! clockspeed for ninety days: ours and the original's arithmetic, on the same oscillators and the same records.
//!
//! The measurements are those of the classic service: 600 s after the start, and after twice as long each time (in
//! one world once a day from then on that this is more often). What is asked: how far off the clock is meanwhile, whether
//! the bound that is claimed ever was false, and how wrong the rate was that the file kept. The minds are those of the daemon; the clock follows as Linux has it follow, by its
//! frequency and by slews of 500 ppm that go on by themselves.

use std::iter;

use truechimer_core::classic::atto::{self, ATTO_BYTES};
use truechimer_core::classic::line::{self, Line};
use truechimer_core::classic::speed::{self, Assumed, Speed};
use truechimer_core::moment::Moment;
use truechimer_time::{Rate, Raw, Span, Tai, Time};

use crate::chance::Stream;
use crate::oscillator::course::Sine;
use crate::oscillator::{Oscillator, OscillatorSpec};
use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;

/// A Tuesday in 2026.
const START: Time<Tai> = Time::from_epoch(Span::from_secs(1_790_000_000));

/// So long is lived.
const LIFE: Span = Span::from_secs(90 * 86_400);

/// The wait before the first measurement. Each further one is twice as long as that before it.
const FIRST_WAIT: Span = Span::from_secs(600);

/// A bad record comes so long after the first good one, ..
const BAD_AFTER: Span = Span::from_secs(7);

/// .. or as late as this, ..
const BAD_LATE: Span = Span::from_secs(20 * 86_400);

/// .. and is off by so much.
const BAD: Span = Span::from_secs(1000);

/// One standard deviation of a record, in seconds: ten questions over some of the internet, ..
const NOISE: f64 = 5e-3;

/// .. and over a line that is shared and slow.
const NOISE_LARGE: f64 = 30e-3;

/// A record is never further off, unless it is bad.
const NOISE_MAX: f64 = 0.09;

/// How fast the kernel slews.
const SLEW_RATE: Rate = Rate::from_ppb(500_000);

/// So many lives of each kind.
const SEEDS: u64 = 100;

/// The quick form has few.
const SEEDS_QUICK: u64 = 2;

/// The quick form has those worlds only that come first.
const WORLDS_QUICK: usize = 4;

/// The longest wait of a world that measures daily.
const DAY: Span = Span::from_secs(86_400);

/// What is lived through.
#[derive(Clone, Debug)]
struct World {
    name: &'static str,
    oscillator: OscillatorSpec,
    noise: f64,
    wait_max: Span,
    bad_after: Option<Span>,
}

impl World {
    fn new(name: &'static str, oscillator: &OscillatorSpec) -> Self {
        Self { name, oscillator: oscillator.clone(), noise: NOISE, wait_max: LIFE, bad_after: None }
    }

    fn with_bad_record(name: &'static str, oscillator: &OscillatorSpec, after: Span) -> Self {
        Self { bad_after: Some(after), ..Self::new(name, oscillator) }
    }
}

fn worlds() -> Vec<World> {
    let steady = OscillatorSpec { offset_ppm: -40.0, walk: 0.0, ..OscillatorSpec::default() };
    let daily = OscillatorSpec { sines: vec![Sine::daily(1.0)], ..steady.clone() };
    let others = others(&steady);
    let mut worlds = vec![
        World::new("steady", &steady),
        World::with_bad_record("steady, one bad record", &steady, BAD_AFTER),
        World::new("1 ppm daily", &daily),
        World::with_bad_record("1 ppm daily, one bad record", &daily, BAD_AFTER),
        World::with_bad_record("1 ppm daily, one bad record late", &daily, BAD_LATE),
        World { noise: NOISE_LARGE, ..World::new("steady, poor records", &steady) },
    ];
    worlds.extend(others.iter().map(|(name, oscillator)| World::new(name, oscillator)));
    let [.., (_, room)] = &others;
    worlds.push(World { wait_max: DAY, ..World::new("a room, daily records", room) });
    worlds
}

/// What else oscillators do; the last one does something of everything.
fn others(steady: &OscillatorSpec) -> [(&'static str, OscillatorSpec); 7] {
    let season = Sine { ppm: 3.0, period: DAY * 365, turn: 0.0 };
    let mild = Sine { turn: 0.3, ..Sine::daily(0.4) };
    let walking = |walk| OscillatorSpec { walk, ..steady.clone() };
    [
        ("ageing 0.005 ppm a day", OscillatorSpec { ageing_ppm: 0.005, ..steady.clone() }),
        ("flicker 1e-8", OscillatorSpec { flicker: 1e-8, ..steady.clone() }),
        ("walk 1e-11", walking(1e-11)),
        ("walk 1e-10", walking(1e-10)),
        ("walk 1e-9", walking(1e-9)),
        (
            "1 ppm daily, 3 ppm in a year",
            OscillatorSpec { sines: vec![Sine::daily(1.0), season], ..steady.clone() },
        ),
        ("a room", OscillatorSpec { ageing_ppm: 0.002, flicker: 3e-9, sines: vec![mild], ..walking(3e-11) }),
    ]
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours,
    Strict,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Strict => "strict",
        }
    }

    /// A daemon has a turn, and the clock is looked at, so often: eight times more rarely than in life, which changes
    /// nothing that a table shows.
    fn turn(self) -> Span {
        match self {
            Self::Ours => speed::TURN * 8,
            Self::Strict => line::TURN * 8,
        }
    }
}

/// The table, and whether no bound was false.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let seeds = effort.seeds.unwrap_or(if effort.quick { SEEDS_QUICK } else { SEEDS }).max(1);
    let kinds = [Kind::Ours, Kind::Strict];
    let worlds: Vec<World> =
        worlds().into_iter().take(if effort.quick { WORLDS_QUICK } else { usize::MAX }).collect();
    let rows: Vec<(&World, Kind)> = worlds.iter().flat_map(|world| kinds.map(|kind| (world, kind))).collect();
    let lives: Vec<(&World, Kind, u64)> =
        rows.iter().flat_map(|&(world, kind)| (1..=seeds).map(move |seed| (world, kind, seed))).collect();
    let lived = effort.map(&lives, |&(world, kind, seed)| live(world, kind, seed));
    let mut sheet = Sheet::new("classic", columns());
    for (&(world, kind), lives) in rows.iter().zip(lived.chunks(seeds as usize)) {
        sheet.row(row(world, kind, lives));
    }
    let total = |figure: fn(&Life) -> u64| lived.iter().map(figure).sum::<u64>();
    let bounds_false = total(|life| life.bounds_false);
    let rms = sheet.figures("rms");
    let worst = rms.chunks_exact(2).map(|pair| pair[0] / pair[1]).fold(0.0, f64::max);
    sheet.findings.push((WORST.into(), worst, 2));
    sheet.findings.push(("bounds looked at".into(), total(|life| life.bounds_seen) as f64, 0));
    sheet.findings.push(("bounds that were false".into(), bounds_false as f64, 0));
    sheet.holds = bounds_false == 0;
    vec![sheet]
}

/// What says how much worse than the original's our error ever is.
pub const WORST: &str = "rms of ours / strict, worst row";

fn columns() -> Vec<Column> {
    vec![
        Column::new("oscillator", "", Form::Words),
        Column::new("mind", "", Form::Words),
        Column::new("records", "", Form::Fixed(0)),
        Column::new("rms", "ms", Form::Short),
        Column::new("max", "ms", Form::Short),
        Column::new("last month rms", "ms", Form::Short),
        Column::new("bound mean", "ms", Form::Short),
        Column::new("kept rate worst", "ppm", Form::Short),
        Column::new("kept rate last", "ppm", Form::Short),
    ]
}

/// All lives of a row together; of what was kept, the worst.
fn row(world: &World, kind: Kind, lives: &[Life]) -> Vec<Cell> {
    let rms = |of: fn(&Life) -> Squares| {
        let sum = lives.iter().map(of).fold(Squares::default(), Squares::with);
        libm::sqrt(sum.sum / sum.count.max(1.0)) * 1e3
    };
    let most = |of: fn(&Life) -> f64| lives.iter().map(of).fold(0.0, f64::max);
    let bounds: f64 = lives.iter().map(|life| life.bounds_sum).sum();
    let seen: u64 = lives.iter().map(|life| life.bounds_seen).sum();
    vec![
        world.name.into(),
        kind.name().into(),
        (lives.iter().map(|life| life.records).sum::<u64>() as f64 / lives.len() as f64).into(),
        rms(|life| life.errors).into(),
        (most(|life| life.errors.most) * 1e3).into(),
        rms(|life| life.errors_late).into(),
        (seen > 0).then(|| bounds / seen as f64 * 1e3).into(),
        most(|life| life.kept_worst).into(),
        most(|life| life.kept_last).into(),
    ]
}

/// What came of a life. Seconds, and parts per million.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    records: u64,
    errors: Squares,
    errors_late: Squares,
    bounds_seen: u64,
    bounds_false: u64,
    bounds_sum: f64,
    kept_worst: f64,
    kept_last: f64,
}

/// Squares added up.
#[derive(Clone, Copy, Debug, Default)]
struct Squares {
    count: f64,
    sum: f64,
    most: f64,
}

impl Squares {
    fn add(&mut self, error: f64) {
        *self = self.with(Self { count: 1.0, sum: error * error, most: error.abs() });
    }

    fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum, most: self.most.max(other.most) }
    }
}

/// A clock that follows as Linux has it follow.
#[derive(Clone, Copy, Debug)]
struct Clock {
    now: Moment,
    rate: Rate,
    slew: Span,
}

impl Clock {
    fn run(&mut self, raw: Time<Raw>) {
        let passed = raw - self.now.raw;
        let reach = SLEW_RATE.over(passed);
        let slewed = self.slew.clamp(-reach, reach);
        let gained = passed + self.rate.over(passed) + slewed;
        self.slew -= slewed;
        self.now = Moment { raw, mono: self.now.mono + gained, local: self.now.local + gained, ..self.now };
    }

    /// Truth less clock.
    fn error(&self, truth: Time<Tai>) -> Span {
        truth.since_epoch() - self.now.local.since_epoch()
    }
}

/// Who decides, and what was decided last.
enum Mind {
    Ours(Box<Speed>),
    Strict(Line),
}

impl Mind {
    fn new(kind: Kind, now: &Moment) -> Self {
        match kind {
            Kind::Ours => Self::Ours(Box::new(Speed::new(Assumed::default(), None, now, Rate::ZERO))),
            Kind::Strict => Self::Strict(Line::new(reading(now), None)),
        }
    }

    /// Has the clock do what is decided. Returns what is to be kept, and the bound that is claimed.
    fn turn(&mut self, clock: &mut Clock, record: Option<Span>) -> (Option<[u8; ATTO_BYTES]>, Option<Span>) {
        match self {
            Self::Ours(speed) => {
                let turn = speed.turn(&clock.now, record);
                clock.rate = turn.rate.unwrap_or(clock.rate);
                clock.slew = turn.slew.unwrap_or(clock.slew);
                (turn.keep, turn.trust.map(|trust| trust.bound))
            }
            Self::Strict(line) => {
                let turn = line.turn(reading(&clock.now), record);
                clock.slew = turn.slew.unwrap_or(clock.slew);
                (turn.keep, None)
            }
        }
    }
}

fn reading(now: &Moment) -> line::Reading {
    line::Reading { ticks: now.raw.since_epoch().as_nanos().into(), clock: now.local.since_epoch() }
}

/// When is measured, and whether well.
fn schedule(world: &World) -> Vec<(Time<Tai>, Span)> {
    let waits = iter::successors(Some(FIRST_WAIT), |&wait| Some((wait * 2).min(world.wait_max)));
    let times = waits.scan(START, |at, wait| {
        *at += wait;
        Some(*at)
    });
    let mut measured: Vec<_> =
        times.take_while(|&at| at <= START + LIFE).map(|at| (at, Span::ZERO)).collect();
    if let Some(after) = world.bad_after {
        measured.push((START + FIRST_WAIT + after, BAD));
        measured.sort();
    }
    measured
}

/// Lives ninety days. The clock was set at the start, by a record like the others.
fn live(world: &World, kind: Kind, seed: u64) -> Life {
    let mut counter =
        Oscillator::new(world.oscillator.clone(), START, Time::EPOCH, Stream::new(seed, "oscillator"));
    let mut chance = Stream::new(seed, "records");
    let mut noise = || Span::from_seconds((world.noise * chance.normal()).clamp(-NOISE_MAX, NOISE_MAX));
    let local = Time::from_epoch(START.since_epoch() + noise());
    let now = Moment {
        raw: Time::EPOCH,
        mono: Time::EPOCH,
        local,
        asleep: Span::ZERO,
        width: Span::from_nanos(100),
    };
    let mut clock = Clock { now, rate: Rate::ZERO, slew: Span::ZERO };
    let mut mind = Mind::new(kind, &now);
    let mut life = Life::default();
    let mut truth = START;
    let mut measured = schedule(world).into_iter().peekable();
    while truth < START + LIFE {
        let due = measured.peek().map_or(START + LIFE, |&(at, _)| at);
        truth = (truth + kind.turn()).min(due);
        counter.run(truth);
        clock.run(counter.raw());
        let record = measured.next_if(|&(at, _)| at == truth);
        let record = record.map(|(_, off)| clock.error(truth) + off + noise());
        let (kept, bound) = mind.turn(&mut clock, record);
        life.records += u64::from(record.is_some());
        life.note(clock.error(truth), bound, truth - START);
        if let Some(file) = kept {
            life.keep(file, world.oscillator.offset_ppm);
        }
    }
    life
}

impl Life {
    fn note(&mut self, error: Span, bound: Option<Span>, age: Span) {
        self.errors.add(error.as_seconds());
        if age > LIFE - Span::from_secs(30 * 86_400) {
            self.errors_late.add(error.as_seconds());
        }
        if let Some(bound) = bound {
            self.bounds_seen += 1;
            self.bounds_false += u64::from(error.abs() > bound);
            self.bounds_sum += bound.as_seconds();
        }
    }

    /// A counter that is fast by so many parts per million has ticks that are shorter.
    fn keep(&mut self, file: [u8; ATTO_BYTES], fast_ppm: f64) {
        let Ok(tick) = atto::read(&file) else { return };
        let right = 1.0 / (1.0 + fast_ppm * 1e-6);
        let off = tick.as_attos() as f64 / 1e9 - right;
        self.kept_last = off.abs() * 1e6;
        self.kept_worst = self.kept_worst.max(self.kept_last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_that_of_the_classic_service() {
        let [steady, bad, ..] = &worlds()[..] else { panic!("there are more") };
        let seconds = |world| -> Vec<i64> {
            schedule(world).iter().map(|&(at, _)| (at - START).as_nanos() / 1_000_000_000).collect()
        };
        assert_eq!(seconds(steady)[..6], [600, 1800, 4200, 9000, 18_600, 37_800]);
        assert_eq!(seconds(steady).len(), 13, "the fourteenth is after 113 days");
        assert_eq!(seconds(bad)[..3], [600, 607, 1800]);
        let daily = worlds().pop().expect("there are worlds");
        assert_eq!(seconds(&daily)[6..9], [76_200, 153_000, 239_400]);
    }
}
