//! The shape of the configuration as it is written: every key, none of them required, each with its place.
//!
//! This is the one list of keys. Reading refuses any other; writing the effective configuration goes through the
//! same types, so that what is shown can be read again.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use toml::de::DeTable;
use truechimer_time::{Rate, Span};

use truechimer_core::classic::count::{KernelCount, PeerCount};
use truechimer_core::policy::{Rhythm, Scale};
use truechimer_core::server::access::Prefix;
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_core::wire::{chrony, taiclock, time37};
use truechimer_sys::interface::Interface;

use super::address::{Address, At};
use super::error::{ConfigError, Fault, Texts};
use super::place::Place;
use super::quantity::{Size, Spelled};
use super::reference::{Edge, Offset, RefId};
use super::words::{Account, Host, Kind, Level, Target};
use crate::metrics::Names;

/// A value that may be left out, with its place in the text if it was not.
pub(super) type Key<T> = Option<toml::Spanned<T>>;

/// Places to listen at.
pub(super) type Places<T> = Key<Vec<toml::Spanned<Spelling<T>>>>;

/// All files together.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) accuracy: Key<Spelling<Span>>,
    pub(super) schedule: Key<Spelling<Rhythm>>,
    pub(super) temperature: Option<Spelling<PathBuf>>,
    pub(super) user: Key<Spelling<Account>>,
    pub(super) source: Option<Vec<toml::Spanned<WrittenSource>>>,
    pub(super) keys: WrittenKeys,
    pub(super) clock: WrittenClock,
    pub(super) assume: WrittenAssume,
    pub(super) select: WrittenSelect,
    pub(super) serve: Key<WrittenServe>,
    pub(super) chrony: Key<WrittenChrony>,
    pub(super) classic: WrittenClassic,
    pub(super) state: WrittenState,
    pub(super) statistics: WrittenStatistics,
    pub(super) hook: WrittenHook,
    pub(super) log: WrittenLog,
    pub(super) clockbound: WrittenClockbound,
    pub(super) metrics: Key<WrittenMetrics>,
    pub(super) leap: WrittenLeap,
}

/// `[[source]]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenSource {
    pub(super) address: Key<Spelling<Place>>,
    pub(super) kind: Key<Spelling<Kind>>,
    pub(super) key: Key<i64>,
    pub(super) ca: Key<Spelling<PathBuf>>,
    pub(super) interleaved: Key<bool>,
    pub(super) pool: Key<i64>,
    pub(super) near: Key<bool>,
    pub(super) min_interval: Key<Spelling<Span>>,
    pub(super) max_interval: Key<Spelling<Span>>,
    pub(super) burst: Key<i64>,
    pub(super) operator: Key<String>,
    pub(super) prefer: Option<bool>,
    pub(super) trust: Key<bool>,
    pub(super) require: Key<bool>,
    pub(super) scale: Key<Spelling<Scale>>,
    pub(super) edge: Key<Spelling<Edge>>,
    pub(super) error: Key<Spelling<Span>>,
    pub(super) offset: Key<Spelling<Offset>>,
    pub(super) refine: Key<bool>,
    pub(super) refid: Key<Spelling<RefId>>,
}

/// `[keys]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenKeys {
    pub(super) file: Option<Spelling<PathBuf>>,
}

/// `[clock]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenClock {
    pub(super) target: Key<Spelling<Target>>,
    pub(super) step_threshold: Key<Spelling<Span>>,
    pub(super) step_updates: Key<i64>,
    pub(super) step_after_interruption: Key<Spelling<Span>>,
    pub(super) steps_per_day: Key<i64>,
    pub(super) max_slew: Key<Spelling<Rate>>,
    pub(super) panic: Key<Spelling<Span>>,
}

/// `[assume]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenAssume {
    pub(super) max_rate: Key<Spelling<Rate>>,
    pub(super) max_drift: Key<Spelling<Rate>>,
    pub(super) sudden: Key<Spelling<Rate>>,
}

/// `[select]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenSelect {
    pub(super) max_delay: Key<Spelling<Span>>,
    pub(super) max_distance: Key<Spelling<Span>>,
    pub(super) min_operators: Key<i64>,
    pub(super) nts_bootstrap: Key<i64>,
}

/// `[serve]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenServe {
    pub(super) ntp: Places<SocketAddr>,
    pub(super) taiclock: Places<At<{ taiclock::PORT }>>,
    pub(super) time: Places<At<{ time37::PORT }>>,
    pub(super) allow: Key<Vec<Spelling<Prefix>>>,
    pub(super) deny: Key<Vec<Spelling<Prefix>>>,
    pub(super) workers: Key<i64>,
    pub(super) clients: Key<i64>,
    pub(super) limit_interval: Key<Spelling<Span>>,
    pub(super) limit_burst: Key<i64>,
    pub(super) max_bound: Key<Spelling<Span>>,
    pub(super) interface: Key<Spelling<Interface>>,
    pub(super) leap_smear: Key<Spelling<Span>>,
    pub(super) nts: Key<WrittenServeNts>,
    pub(super) key: Option<Vec<toml::Spanned<WrittenServeKey>>>,
}

/// `[[serve.key]]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenServeKey {
    pub(super) id: Key<i64>,
    pub(super) allow: Key<Vec<Spelling<Prefix>>>,
}

/// `[serve.nts]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenServeNts {
    pub(super) listen: Places<SocketAddr>,
    pub(super) certificate: Option<Spelling<PathBuf>>,
    pub(super) key: Option<Spelling<PathBuf>>,
    pub(super) server: Key<Spelling<ServerName>>,
    pub(super) port: Key<i64>,
    pub(super) ring: Option<Spelling<PathBuf>>,
    pub(super) turn: Key<Spelling<Span>>,
}

/// `[chrony]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenChrony {
    pub(super) listen: Places<At<{ chrony::PORT }>>,
    pub(super) socket: Option<Spelling<PathBuf>>,
}

/// `[classic]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenClassic {
    pub(super) home: Option<Spelling<PathBuf>>,
    pub(super) kernel: Key<Spelling<KernelCount>>,
    pub(super) master: Key<Spelling<Host>>,
    pub(super) master_address: Key<Spelling<Address>>,
    pub(super) master_kind: Key<Spelling<Kind>>,
    pub(super) master_labels: Key<Spelling<PeerCount>>,
    pub(super) first_wait: Key<Spelling<Span>>,
    pub(super) longest_wait: Key<Spelling<Span>>,
    pub(super) status: Option<Spelling<PathBuf>>,
}

/// `[state]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenState {
    pub(super) dir: Option<Spelling<PathBuf>>,
    pub(super) run_dir: Option<Spelling<PathBuf>>,
}

/// `[statistics]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenStatistics {
    pub(super) dir: Option<Spelling<PathBuf>>,
    pub(super) max_size: Key<Spelling<Size>>,
    pub(super) keep: Key<i64>,
}

/// `[hook]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenHook {
    pub(super) program: Option<Spelling<PathBuf>>,
}

/// `[log]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLog {
    pub(super) level: Option<Spelling<Level>>,
}

/// `[clockbound]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenClockbound {
    pub(super) path: Key<Spelling<PathBuf>>,
}

/// `[metrics]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenMetrics {
    pub(super) file: Option<Spelling<PathBuf>>,
    pub(super) interval: Key<Spelling<Span>>,
    pub(super) names: Key<Vec<Spelling<Names>>>,
}

/// `[leap]`
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLeap {
    pub(super) file: Option<Spelling<PathBuf>>,
}

/// A value that stands in the file as a text.
#[derive(Clone, Debug)]
pub(super) struct Spelling<T>(pub(super) T);

impl<T: Spelled> Serialize for Spelling<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.write())
    }
}

impl<'de, T: Spelled> Deserialize<'de> for Spelling<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpellingVisitor(PhantomData))
    }
}

struct SpellingVisitor<T>(PhantomData<T>);

impl<T: Spelled> Visitor<'_> for SpellingVisitor<T> {
    type Value = Spelling<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::KIND)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Spelling<T>, E> {
        let shown = || text.escape_debug().take(64).collect::<String>();
        T::read(text).map(Spelling).map_err(|error| E::custom(format_args!("\"{}\" {error}", shown())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Spelling<T>, E> {
        Err(bare::<T, E>(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Spelling<T>, E> {
        Err(bare::<T, E>(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Spelling<T>, E> {
        Err(bare::<T, E>(number))
    }
}

/// Why a number without quotation marks is refused.
fn bare<T: Spelled, E: Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("{number} is a bare number: this must be {}", T::KIND))
}

/// Reads all texts as one configuration.
pub(super) fn parse(texts: &Texts) -> Result<Written, ConfigError> {
    let tree = super::merge::merged(texts)?;
    shaped(tree, texts, "source")
}

/// A tree as a type has it; `list` is what a list of tables is called in it.
pub(super) fn shaped<T: DeserializeOwned>(
    tree: DeTable<'_>,
    texts: &Texts,
    list: &str,
) -> Result<T, ConfigError> {
    let deserializer = toml::de::Deserializer::from(toml::Spanned::new(0..0, tree));
    T::deserialize(deserializer).map_err(|error| {
        let fault = fault_of(error.message(), list);
        texts.blame(error.span().unwrap_or(0..0), fault)
    })
}

/// The fault that the library's words stand for.
fn fault_of(message: &str, list: &str) -> Fault {
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    match quoted.next() {
        Some(key) if message.starts_with("unknown field") => {
            Fault::UnknownKey { key, known: quoted.collect() }
        }
        Some(_) | None if message.ends_with("map, expected a sequence") => {
            Fault::Wrong(format!("a list of tables is begun by [[{list}]], with two brackets"))
        }
        Some(_) | None if message.ends_with("sequence, expected a map") => {
            Fault::Wrong("tables with names are begun by one bracket, as in [host.NAME]".to_owned())
        }
        Some(_) | None if message.starts_with("invalid type: string") && message.ends_with("a sequence") => {
            Fault::Wrong("this is a list, in brackets even if it has one entry: [..]".to_owned())
        }
        Some(_) | None => Fault::Wrong(message.to_owned()),
    }
}
