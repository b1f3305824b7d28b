//! One JSON object a line: records of OpenTelemetry, `journalctl -o json`, and what loggers write.
//!
//! | key | what |
//! | --- | --- |
//! | `timeUnixNano`, `time_unix_nano`, `TimeUnixNano` | nanoseconds (OpenTelemetry) |
//! | `__REALTIME_TIMESTAMP`, `__MONOTONIC_TIMESTAMP`, `_BOOT_ID`, `_HOSTNAME` | the journal, microseconds |
//! | `@timestamp`, `timestamp`, `time`, `ts`, `datetime`, `date` | a date, or a number |
//! | `host`, `hostname`, `host.name`, `host: {name}` | where |
//!
//! A number has 9 to 11 digits before its point for seconds, 12 to 14 for milliseconds, 15 to 17 for microseconds and 18 to 20 for
//! nanoseconds: with other units it would be before 1973 or after 5138.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;
use truechimer_time::{Span, Time};

use crate::dialect::date::{Second, iso};
use crate::dialect::{BootId, Dialect, Found, Name};
use crate::scan::Scan;
use crate::stamp::{Reading, Stamp};

/// What is of interest in an object: the values as they are written.
#[derive(Clone, Copy, Debug, Default)]
struct Fields<'a> {
    /// The stamp, and how good its key is: the lowest wins.
    stamp: Option<(usize, &'a str)>,
    mono: Option<&'a str>,
    boot: Option<&'a str>,
    host: Option<&'a str>,
}

/// Keys of stamps, the best first: what was made by machines for machines.
const STAMPS: [&str; 10] = [
    "timeUnixNano",
    "time_unix_nano",
    "TimeUnixNano",
    "__REALTIME_TIMESTAMP",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "datetime",
    "date",
];

const HOSTS: [&str; 4] = ["host", "hostname", "host.name", "_HOSTNAME"];

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let object = line.trim_ascii_start();
    if !object.starts_with(b"{") {
        return None;
    }
    let fields = Deserializer::from_slice(object).deserialize_map(Fields::default()).ok()?;
    let (_, written) = fields.stamp?;
    Some(Found {
        host: fields.host.and_then(host),
        boot: fields.boot.and_then(text).and_then(BootId::parse),
        mono: fields.mono.and_then(micros).map(Time::from_epoch),
        ..Dialect::Json.found(stamp(written)?)
    })
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Of keys that come twice the first counts.
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            let value = value.get();
            if let Some(rank) = STAMPS.iter().position(|name| *name == key) {
                let better = self.stamp.is_none_or(|(has, _)| rank < has) && stamp(value).is_some();
                self.stamp = if better { Some((rank, value)) } else { self.stamp };
            } else if HOSTS.contains(&&*key) {
                self.host = self.host.or(Some(value));
            } else if key == "__MONOTONIC_TIMESTAMP" {
                self.mono = self.mono.or(Some(value));
            } else if key == "_BOOT_ID" {
                self.boot = self.boot.or(Some(value));
            }
        }
        Ok(self)
    }
}

/// A key, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The stamp that a value says.
fn stamp(value: &str) -> Option<Stamp> {
    let digits = text(value).unwrap_or(value.as_bytes());
    let mut scan = Scan::new(digits);
    match scan.rest().iter().position(|byte| !byte.is_ascii_digit()) {
        Some(4) => {
            let stamp = iso(&mut scan, &mut Second::default())?;
            scan.rest().is_empty().then_some(stamp)
        }
        _ => number(scan),
    }
}

/// A number of seconds, or of smaller units, since 1970.
pub(super) fn number(mut scan: Scan<'_>) -> Option<Stamp> {
    let before = scan.take_while(|byte| byte.is_ascii_digit());
    let unit = match before.len() {
        9..=11 => Span::from_secs(1),
        12..=14 => Span::from_millis(1),
        15..=17 => Span::from_micros(1),
        18..=20 => Span::from_nanos(1),
        _ => return None,
    };
    let whole = Scan::new(before).number(20)?;
    let (attos, part) = scan.fraction()?;
    // Zap and Python write seconds as floating numbers: 1.7900000001234567e9.
    if !scan.rest().is_empty() {
        return None;
    }
    let per_second = Span::from_secs(1).as_attos() / unit.as_attos();
    let time = unit.as_attos() * i128::from(whole) + i128::from(attos) / per_second;
    let resolution = Span::from_attos((part.as_attos() / per_second).max(1));
    let resolution = if part == Span::from_secs(1) { unit } else { resolution };
    Some(Stamp { reading: Reading::Clock(Time::from_epoch(Span::from_attos(time))), resolution })
}

/// Microseconds, in quotes or not.
fn micros(value: &str) -> Option<Span> {
    let mut scan = Scan::new(text(value).unwrap_or(value.as_bytes()));
    let micros = scan.number(18)?;
    scan.rest().is_empty().then(|| Span::from_micros(micros as i64))
}

/// What is between the quotes, if nothing in it is escaped.
fn text(value: &str) -> Option<&[u8]> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner.as_bytes())
}

/// A name, or the name in an object.
fn host(value: &str) -> Option<Name<'_>> {
    #[derive(serde::Deserialize)]
    struct Host<'a> {
        #[serde(borrow)]
        name: &'a str,
    }
    let named = || Some(serde_json::from_str::<Host<'_>>(value).ok()?.name.as_bytes());
    text(value).or_else(named).filter(|name| !name.is_empty())
}
