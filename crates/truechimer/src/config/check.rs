//! From what is written to what holds: defaults filled in, every value within its limits.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;
use truechimer_core::policy::{ClockPolicy, MENDS_MAX, Mending, Rhythm, SOURCES_MAX, TrustPolicy};
use truechimer_time::{Rate, Span};

use super::error::{ConfigError, Fault, Texts};
use super::place::Place;
use super::quantity::{Size, Spelled};
use super::words::{Kind, Target};
use super::written::{self, Key, Spelling, Written, WrittenClock, WrittenSource};
use super::{
    Clock, Config, KeyId, Source, State, Statistics, chrony, classic, default, metrics, pool, reference,
    serve,
};

/// The shortest interval for a source that may be somebody else's: 2^4 s, the least that clients of the NTP pool
/// are asked to keep apart after a burst.
pub const INTERVAL_MIN_POLITE: Span = Span::from_secs(16);
/// The shortest interval for a source in our own network.
pub const INTERVAL_MIN_NEAR: Span = Span::from_millis(125);
/// The longest interval: a quarter of a year, clockspeed's last doubling.
pub const INTERVAL_MAX: Span = Span::from_secs(7_884_000);
/// The longest burst (RFC 5905, section 7.2: BCOUNT 8).
pub const BURST_MAX: u8 = 8;
/// The longest name of an operator, in bytes.
pub const OPERATOR_LENGTH_MAX: usize = 64;
/// The fastest slew: a twelfth, what the kernel's tick and frequency can be asked for with room to spare.
pub const SLEW_MAX: Rate = Rate::from_ppb(83_333_000);
/// The most statistics files to keep.
pub const STATISTICS_KEEP_MAX: u32 = 1000;

/// No raw counter that is further off can be steered by: adjtimex(2) corrects a tick by a tenth.
const RATE_MAX: Rate = Rate::from_ppb(100_000_000);
/// RFC 5905, section 7.2: MAXDISP.
const DISTANCE_MAX: Span = Span::from_secs(16);
/// Steps after interruptions within a day, where leave is given for any.
const STEPS_PER_DAY: u32 = 3;
const MICROSECOND: Span = Span::from_micros(1);
const MILLISECOND: Span = Span::from_millis(1);
const HOUR: Span = Span::from_secs(3600);
const DAY: Span = Span::from_secs(86_400);
const YEAR: Span = Span::from_secs(31_536_000);
/// A hundred years: an error beyond it is no error of a clock.
const CENTURY: Span = Span::from_secs(3_155_760_000);

/// A fault with its place.
pub(super) struct Flaw(pub(super) Range<usize>, pub(super) Fault);

/// The configuration that the texts say together.
pub(super) fn checked(texts: &Texts) -> Result<Config, ConfigError> {
    let written = written::parse(texts)?;
    config(&written, texts).map_err(|Flaw(range, fault)| texts.blame(range, fault))
}

fn config(written: &Written, texts: &Texts) -> Result<Config, Flaw> {
    let defaults = default::config();
    let statistics = &written.statistics;
    let state = plain(&written.state.dir).unwrap_or(defaults.state.dir);
    keys_have_a_file(written)?;
    let (schedule, accuracy) = schedule(written)?;
    let intervals = default::intervals(schedule, accuracy);
    let sources = match &written.source {
        Some(list) => sources(list, texts, intervals)?,
        None => default::sources_within(intervals),
    };
    Ok(Config {
        accuracy,
        schedule,
        temperature: plain(&written.temperature),
        user: written.user.as_ref().map_or(defaults.user, |user| user.get_ref().0.clone()),
        keys_file: plain(&written.keys.file),
        clock: clock(&written.clock)?,
        trust: TrustPolicy {
            min_operators: min_operators(&written.select.min_operators, super::votes(&sources))?,
            nts_bootstrap: nts_bootstrap(&written.select.nts_bootstrap, super::protected_votes(&sources))?,
            ..trust(written)?
        },
        classic: classic::classic(&written.classic, &sources)?,
        sources,
        serve: written.serve.as_ref().map(|written| serve::serve(written, texts, &state)).transpose()?,
        chrony: written.chrony.as_ref().map(|written| chrony::chrony(written, texts)).transpose()?,
        state: State { dir: state, run_dir: plain(&written.state.run_dir).unwrap_or(defaults.state.run_dir) },
        statistics: Statistics {
            dir: plain(&statistics.dir),
            max_size: within(&statistics.max_size, defaults.statistics.max_size, STATISTICS_SIZE)?,
            keep: count(&statistics.keep, "keep", defaults.statistics.keep, 0..=STATISTICS_KEEP_MAX)?,
        },
        hook: plain(&written.hook.program),
        log: plain(&written.log.level).unwrap_or(defaults.log),
        clockbound: clockbound(written)?,
        metrics: written.metrics.as_ref().map(metrics::metrics).transpose()?,
        leap_file: plain(&written.leap.file),
    })
}

/// Clients of ClockBound read the kernel's clock, so that is the one to be kept right.
fn clockbound(written: &Written) -> Result<Option<PathBuf>, Flaw> {
    let Some(path) = &written.clockbound.path else { return Ok(None) };
    let is_ours = written.clock.target.as_ref().is_some_and(|target| target.get_ref().0 == Target::User);
    match is_ours {
        true => Err(Flaw(path.span(), Fault::ClockboundOfOurOwn)),
        false => Ok(Some(path.get_ref().0.clone())),
    }
}

const STATISTICS_SIZE: Limits<Size> =
    Limits { what: "max_size", least: Size(64 << 10), most: Size(16 << 30) };

/// The rule by which sources are asked again, and the accuracy that it may need. The classic doubling takes no notice
/// of how right the clock is, so that stating both promises what is not kept.
fn schedule(written: &Written) -> Result<(Rhythm, Option<Span>), Flaw> {
    let limits = Limits { what: "accuracy", least: Span::from_nanos(1), most: HOUR };
    let schedule = written.schedule.as_ref().map_or(Rhythm::Adaptive, |word| word.get_ref().0);
    let accuracy = match written.accuracy {
        Some(_) => Some(within(&written.accuracy, Span::ZERO, limits)?),
        None => None,
    };
    match (schedule, accuracy, &written.schedule) {
        (Rhythm::Classic, Some(_), Some(word)) => Err(Flaw(word.span(), Fault::ClassicAccuracy)),
        (Rhythm::Classic | Rhythm::Adaptive, _, _) => Ok((schedule, accuracy)),
    }
}

fn sources(
    list: &[Spanned<WrittenSource>],
    texts: &Texts,
    intervals: (Span, Span),
) -> Result<Vec<Source>, Flaw> {
    let mut sources: Vec<Source> = Vec::with_capacity(list.len().min(SOURCES_MAX));
    for written in list {
        let one = source(written, intervals)?;
        if pool::places(&sources).count() + one.pool.map_or(1, |pool| pool.places.into()) > SOURCES_MAX {
            return Err(Flaw(written.span(), Fault::TooMany { what: "sources", most: SOURCES_MAX }));
        }
        if let Some(first) = sources.iter().position(|other| other.address == one.address) {
            let first = texts.line(list[first].span());
            return Err(Flaw(written.span(), Fault::SameSource { address: one.address.to_string(), first }));
        }
        sources.push(one);
    }
    Ok(sources)
}

fn source(table: &Spanned<WrittenSource>, by_default: (Span, Span)) -> Result<Source, Flaw> {
    let (span, written) = (table.span(), table.get_ref());
    let Some(address) = &written.address else { return Err(Flaw(span, Fault::Missing("address"))) };
    let kind = kind(&written.kind)?;
    let place = written.kind.as_ref().map_or(address.span(), Spanned::span);
    let address = &address.get_ref().0;
    reference::fits(kind, address).map_err(|why| Flaw(place, Fault::Wrong(why)))?;
    let key = written.key.as_ref().map(|id| key_id(id, "key")).transpose()?;
    let ca = authorities(written, kind)?;
    let address = &if kind == Kind::Nts { address.clone().of_key_exchange() } else { address.clone() };
    let by_default = reference::intervals(kind).unwrap_or(by_default);
    let (min_interval, max_interval) = intervals(written, address, (&span, by_default))?;
    let reference = reference::reference(table, kind)?;
    let burst = if reference.is_some() { 1 } else { default::BURST };
    Ok(Source {
        kind,
        key,
        ca,
        min_interval,
        max_interval,
        burst: count(&written.burst, "burst", burst, 0..=BURST_MAX)?,
        operator: operator(&written.operator, address)?,
        prefer: written.prefer.unwrap_or(false),
        trust: is_true(&written.trust),
        require: is_true(&written.require),
        interleaved: is_true(&written.interleaved),
        pool: pool::pool(written, kind, address)?,
        address: address.clone(),
        reference,
    })
}

/// Who vouches for a key exchange server. What it protects is protected by the keys of the exchange and no others.
fn authorities(written: &WrittenSource, kind: Kind) -> Result<Option<PathBuf>, Flaw> {
    let wrong = |span, why: &str| Err(Flaw(span, Fault::Wrong(why.to_owned())));
    match (kind == Kind::Nts, &written.key, &written.ca) {
        (true, Some(key), _) => {
            wrong(key.span(), "a source is asked with a key or by NTS, not both: remove `key`")
        }
        (true, None, ca) => Ok(ca.as_ref().map(|path| path.get_ref().0.clone())),
        (false, _, Some(ca)) => wrong(ca.span(), "`ca` is for kind = \"nts\""),
        (false, _, None) => Ok(None),
    }
}

/// Whoever names a key says where it is.
fn keys_have_a_file(written: &Written) -> Result<(), Flaw> {
    let sources = written.source.iter().flatten().filter_map(|source| source.get_ref().key.as_ref());
    let served = written.serve.iter().flat_map(|serve| serve.get_ref().key.iter().flatten());
    let named = sources.map(Spanned::span).chain(served.map(Spanned::span)).next();
    match (named, &written.keys.file) {
        (Some(place), None) => Err(Flaw(place, Fault::NoKeysFile)),
        (Some(_) | None, _) => Ok(()),
    }
}

pub(super) fn key_id(written: &Spanned<i64>, what: &'static str) -> Result<KeyId, Flaw> {
    let id = u32::try_from(*written.get_ref()).ok().and_then(KeyId::new);
    let limits = || format!("1 to {}", u32::MAX);
    id.ok_or_else(|| Flaw(written.span(), Fault::OutOfLimits { what, limits: limits() }))
}

fn is_true(key: &Key<bool>) -> bool {
    key.as_ref().is_some_and(|key| *key.get_ref())
}

fn kind(written: &Key<Spelling<Kind>>) -> Result<Kind, Flaw> {
    let Some(written) = written else { return Ok(Kind::Ntp) };
    match written.get_ref().0 {
        spoken @ (Kind::Ntp | Kind::Nts | Kind::Phc | Kind::Pps | Kind::Shm | Kind::Sock) => Ok(spoken),
        other @ (Kind::Taiclock | Kind::Time) => Err(Flaw(written.span(), Fault::NotYetSpoken(other.name()))),
    }
}

/// Where only one of the two is given, the other's default gives way to it.
fn intervals(
    written: &WrittenSource,
    address: &Place,
    (table, by_default): (&Range<usize>, (Span, Span)),
) -> Result<(Span, Span), Flaw> {
    let limits = |what| Limits { what, least: INTERVAL_MIN_NEAR, most: INTERVAL_MAX };
    let (min, max) = (&written.min_interval, &written.max_interval);
    let shortest = within(min, by_default.0, limits("min_interval"))?;
    let longest = within(max, by_default.1, limits("max_interval"))?;
    let (shortest, longest) = match (min, max) {
        (None, Some(_)) => (shortest.min(longest), longest),
        (Some(_), None) | (None, None) => (shortest, longest.max(shortest)),
        (Some(_), Some(_)) => (shortest, longest),
    };
    let place = min.as_ref().or(max.as_ref()).map_or(table.clone(), Spanned::span);
    if shortest > longest {
        let crossed = Fault::IntervalsCrossed { min: shortest.write(), max: longest.write() };
        return Err(Flaw(place, crossed));
    }
    match shortest < INTERVAL_MIN_POLITE && !address.is_near() {
        true => Err(Flaw(place, Fault::Impolite { least: INTERVAL_MIN_POLITE.write() })),
        false => Ok((shortest, longest)),
    }
}

fn operator(written: &Key<String>, address: &Place) -> Result<String, Flaw> {
    let Some(written) = written else { return Ok(address.operator()) };
    let name = written.get_ref();
    let fits = !name.trim().is_empty() && name.len() <= OPERATOR_LENGTH_MAX;
    match fits && !name.chars().any(char::is_control) {
        true => Ok(name.clone()),
        false => {
            let limits = format!("a name of 1 to {OPERATOR_LENGTH_MAX} bytes without control characters");
            Err(Flaw(written.span(), Fault::OutOfLimits { what: "`operator`", limits }))
        }
    }
}

fn clock(written: &WrittenClock) -> Result<Clock, Flaw> {
    let defaults = default::config().clock;
    let step = Limits { what: "step_threshold", least: MICROSECOND, most: DAY };
    let slew = Limits { what: "max_slew", least: Rate::from_ppb(1000), most: SLEW_MAX };
    let panic = Limits { what: "panic", least: Span::from_secs(1), most: CENTURY };
    Ok(Clock {
        target: written.target.as_ref().map_or(defaults.target, |target| target.get_ref().0),
        policy: ClockPolicy {
            step_threshold: within(&written.step_threshold, defaults.policy.step_threshold, step)?,
            step_updates: count(
                &written.step_updates,
                "step_updates",
                defaults.policy.step_updates,
                0..=u32::MAX,
            )?,
            mending: mending(written)?,
            max_slew: within(&written.max_slew, defaults.policy.max_slew, slew)?,
            panic: within(&written.panic, defaults.policy.panic, panic)?,
        },
    })
}

/// Leave to step after an interruption, if any is given.
fn mending(written: &WrittenClock) -> Result<Option<Mending>, Flaw> {
    let longest = Limits { what: "step_after_interruption", least: MILLISECOND, most: YEAR };
    match (&written.step_after_interruption, &written.steps_per_day) {
        (Some(_), per_day) => Ok(Some(Mending {
            longest: within(&written.step_after_interruption, Span::ZERO, longest)?,
            per_day: count(per_day, "steps_per_day", STEPS_PER_DAY, 1..=MENDS_MAX)?,
        })),
        (None, None) => Ok(None),
        (None, Some(per_day)) => {
            let limits = "left out where there is no step_after_interruption".to_owned();
            Err(Flaw(per_day.span(), Fault::OutOfLimits { what: "steps_per_day", limits }))
        }
    }
}

fn trust(written: &Written) -> Result<TrustPolicy, Flaw> {
    let defaults = default::config().trust;
    let (assume, select) = (&written.assume, &written.select);
    let rate = Limits { what: "max_rate", least: Rate::from_ppb(1), most: RATE_MAX };
    let max_rate = within(&assume.max_rate, defaults.max_rate, rate)?;
    let drift = Limits { what: "max_drift", least: Rate::from_ppb(1), most: max_rate };
    let max_drift = within(&assume.max_drift, defaults.max_drift.min(max_rate), drift)?;
    let sudden = Limits { what: "sudden", least: Rate::from_ppb(1), most: max_rate };
    let delay = Limits { what: "max_delay", least: MILLISECOND, most: DISTANCE_MAX };
    let distance = Limits { what: "max_distance", least: MILLISECOND, most: DISTANCE_MAX };
    Ok(TrustPolicy {
        max_rate,
        max_drift,
        sudden: within(&assume.sudden, defaults.sudden.min(max_rate), sudden)?,
        max_delay: within(&select.max_delay, defaults.max_delay, delay)?,
        max_distance: within(&select.max_distance, defaults.max_distance, distance)?,
        min_operators: None,
        nts_bootstrap: None,
    })
}

/// No more than there are, or nobody would ever be believed.
fn min_operators(written: &Key<i64>, votes: usize) -> Result<Option<usize>, Flaw> {
    let Some(key) = written else { return Ok(None) };
    match usize::try_from(*key.get_ref()) {
        Ok(least) if (1..=votes.max(1)).contains(&least) => Ok(Some(least)),
        Ok(_) | Err(_) => {
            let limits = format!("1 to {}, which is how many votes there are", votes.max(1));
            Err(Flaw(key.span(), Fault::OutOfLimits { what: "`min_operators`", limits }))
        }
    }
}

/// No more than are asked by NTS, or they could never agree; and one alone agrees with himself.
fn nts_bootstrap(written: &Key<i64>, votes: usize) -> Result<Option<usize>, Flaw> {
    let Some(key) = written else { return Ok(None) };
    match usize::try_from(*key.get_ref()) {
        Ok(needed) if (2..=votes).contains(&needed) => Ok(Some(needed)),
        Ok(_) | Err(_) => {
            let limits = match votes {
                0 | 1 => "left out where fewer than 2 operators are asked by NTS (kind = \"nts\")".to_owned(),
                votes => {
                    format!("2 to {votes}, which is how many votes there are of sources with kind = \"nts\"")
                }
            };
            Err(Flaw(key.span(), Fault::OutOfLimits { what: "`nts_bootstrap`", limits }))
        }
    }
}

/// What a value may be, both ends included.
#[derive(Clone, Copy)]
pub(super) struct Limits<T> {
    pub(super) what: &'static str,
    pub(super) least: T,
    pub(super) most: T,
}

impl<T: Spelled> Limits<T> {
    fn fault(&self) -> Fault {
        Fault::OutOfLimits {
            what: self.what,
            limits: format!("{} to {}", self.least.write(), self.most.write()),
        }
    }
}

pub(super) fn within<T: Spelled + PartialOrd + Copy>(
    key: &Key<Spelling<T>>,
    default: T,
    limits: Limits<T>,
) -> Result<T, Flaw> {
    let Some(key) = key else { return Ok(default) };
    let value = key.get_ref().0;
    match limits.least <= value && value <= limits.most {
        true => Ok(value),
        false => Err(Flaw(key.span(), limits.fault())),
    }
}

/// A count within its limits.
pub(super) fn count<T>(
    key: &Key<i64>,
    what: &'static str,
    default: T,
    limits: RangeInclusive<T>,
) -> Result<T, Flaw>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    let Some(key) = key else { return Ok(default) };
    let value = T::try_from(*key.get_ref()).ok().filter(|value| limits.contains(value));
    let (least, most) = limits.into_inner();
    value.ok_or_else(|| Flaw(key.span(), Fault::OutOfLimits { what, limits: format!("{least} to {most}") }))
}

/// A value that has no limits.
fn plain<T: Clone>(key: &Option<Spelling<T>>) -> Option<T> {
    key.as_ref().map(|spelling| spelling.0.clone())
}
