//! `[serve]`: whom this machine tells the time.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use truechimer_core::server::access::{PREFIXES_MAX, Prefix};
use truechimer_core::server::clients::{CLIENTS_MAX, RateRule};
use truechimer_core::server::keys::KEYS_MAX;
use truechimer_core::server::smear::{self, Smear};
use truechimer_sys::interface::Interface;
use truechimer_time::Span;

use super::ServedKey;
use super::check::{Flaw, Limits, count, key_id, within};
use super::error::{Fault, Texts};
use super::nts::{ServeNts, serve_nts};
use super::written::{Key, Places, Spelling, WrittenServe, WrittenServeKey};

/// The most places to listen at.
pub const LISTEN_MAX: usize = 16;
/// The most threads that answer.
pub const WORKERS_MAX: u32 = 64;

/// So many clients are remembered, as many as the peers do or more: half a megabyte.
const CLIENTS: usize = 16_384;
const CLIENTS_MIN: usize = 64;
const BOUND: Limits<Span> =
    Limits { what: "`max_bound`", least: Span::from_micros(1), most: Span::from_secs(16) };
const INTERVAL: Limits<Span> =
    Limits { what: "`limit_interval`", least: Span::ZERO, most: Span::from_secs(3_600) };
const BURST_MAX: u32 = 1_000_000;
/// `[serve]`
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    /// Where to listen for NTP,
    pub ntp: Vec<SocketAddr>,
    /// for TAICLOCK,
    pub taiclock: Vec<SocketAddr>,
    /// and for TIME, by UDP and TCP. At least one of the three is somewhere, and no two are at one place.
    pub time: Vec<SocketAddr>,
    /// Whom to answer,
    pub allow: Vec<Prefix>,
    /// and whom not, although he is allowed.
    pub deny: Vec<Prefix>,
    /// How many threads answer.
    pub workers: u32,
    /// How many clients are remembered.
    pub clients: usize,
    /// How often one may ask.
    pub rate: Option<RateRule>,
    /// With a bound beyond this the time is not told.
    pub max_bound: Span,
    /// The interface by which alone is listened and answered, if not by all.
    pub interface: Option<Interface>,
    /// How leap seconds are smeared, if they are.
    pub leap_smear: Option<Smear>,
    /// NTS, if it is served.
    pub nts: Option<ServeNts>,
    /// The keys under which questions may be sealed; no two with one id.
    pub keys: Vec<ServedKey>,
}

/// What `[serve]` says.
///
/// `state` is the folder of what outlives a restart.
pub(super) fn serve(written: &Spanned<WrittenServe>, texts: &Texts, state: &Path) -> Result<Serve, Flaw> {
    let (span, written) = (written.span(), written.get_ref());
    let [ntp, taiclock, time] = [
        places(&written.ntp, |place| *place)?,
        places(&written.taiclock, |place| place.0)?,
        places(&written.time, |place| place.0)?,
    ];
    let all: Vec<&Listed> = [&ntp, &taiclock, &time].into_iter().flatten().collect();
    if all.is_empty() {
        return Err(Flaw(written.ntp.as_ref().map_or(span, Spanned::span), Fault::Missing("ntp")));
    }
    each_once(&all, texts)?;
    let allow = match (prefixes(&written.allow)?, all.iter().find(|listed| !listed.place.ip().is_loopback()))
    {
        (Some(allow), _) => allow,
        (None, None) => Prefix::LOOPBACK.to_vec(),
        (None, Some(listed)) => return Err(Flaw(listed.list.clone(), Fault::AllowWhom)),
    };
    let [ntp, taiclock, time] =
        [ntp, taiclock, time].map(|list| list.into_iter().map(|listed| listed.place).collect::<Vec<_>>());
    Ok(Serve {
        allow,
        deny: prefixes(&written.deny)?.unwrap_or_default(),
        workers: count(&written.workers, "`workers`", 1, 1..=WORKERS_MAX)?,
        clients: count(&written.clients, "`clients`", CLIENTS, CLIENTS_MIN..=CLIENTS_MAX)?,
        rate: rate(written)?,
        max_bound: within(&written.max_bound, Span::from_secs(1), BOUND)?,
        keys: keys(written.key.as_deref().unwrap_or_default(), texts)?,
        leap_smear: written.leap_smear.as_ref().map(leap_smear).transpose()?,
        interface: written.interface.as_ref().map(|written| written.get_ref().0.clone()),
        nts: written.nts.as_ref().map(|nts| serve_nts(nts, &ntp, state)).transpose()?,
        ntp,
        taiclock,
        time,
    })
}

/// A place, and where it and the list that it is in are written.
pub(super) struct Listed {
    pub(super) place: SocketAddr,
    at: Range<usize>,
    list: Range<usize>,
}

pub(super) fn places<T>(written: &Places<T>, place: impl Fn(&T) -> SocketAddr) -> Result<Vec<Listed>, Flaw> {
    let Some(list) = written else { return Ok(Vec::new()) };
    if list.get_ref().len() > LISTEN_MAX {
        return Err(Flaw(list.span(), Fault::TooMany { what: "places to listen at", most: LISTEN_MAX }));
    }
    let listed = |one: &Spanned<Spelling<T>>| Listed {
        place: place(&one.get_ref().0),
        at: one.span(),
        list: list.span(),
    };
    Ok(list.get_ref().iter().map(listed).collect())
}

/// Sockets of ours can share a place, so that the kernel would not refuse it: it would share out the questions of one
/// protocol among sockets of both.
pub(super) fn each_once(all: &[&Listed], texts: &Texts) -> Result<(), Flaw> {
    for (index, listed) in all.iter().enumerate() {
        if let Some(first) = all[..index].iter().find(|before| before.place == listed.place) {
            let (place, first) = (listed.place, texts.line(first.at.clone()));
            return Err(Flaw(listed.at.clone(), Fault::SamePlace { place, first }));
        }
    }
    Ok(())
}

fn leap_smear(written: &Spanned<Spelling<Span>>) -> Result<Smear, Flaw> {
    let limits =
        || format!("a whole number of hours from {}h to {}h", smear::HOURS.start(), smear::HOURS.end());
    Smear::over(written.get_ref().0)
        .ok_or_else(|| Flaw(written.span(), Fault::OutOfLimits { what: "`leap_smear`", limits: limits() }))
}

fn keys(list: &[Spanned<WrittenServeKey>], texts: &Texts) -> Result<Vec<ServedKey>, Flaw> {
    let mut keys: Vec<ServedKey> = Vec::with_capacity(list.len().min(KEYS_MAX));
    for (index, written) in list.iter().enumerate() {
        if index == KEYS_MAX {
            return Err(Flaw(written.span(), Fault::TooMany { what: "keys", most: KEYS_MAX }));
        }
        let one = key(written)?;
        if let Some(first) = keys.iter().position(|other| other.id == one.id) {
            let first = texts.line(list[first].span());
            return Err(Flaw(written.span(), Fault::SameKey { id: one.id, first }));
        }
        keys.push(one);
    }
    Ok(keys)
}

/// A key without a word about who may use it would be everybody's who knows it.
fn key(table: &Spanned<WrittenServeKey>) -> Result<ServedKey, Flaw> {
    let (span, written) = (table.span(), table.get_ref());
    let Some(id) = &written.id else { return Err(Flaw(span, Fault::Missing("id"))) };
    let Some(allow) = prefixes(&written.allow)? else { return Err(Flaw(span, Fault::Missing("allow"))) };
    Ok(ServedKey { id: key_id(id, "id")?, allow })
}

fn rate(written: &WrittenServe) -> Result<Option<RateRule>, Flaw> {
    let default = RateRule::default();
    let interval = within(&written.limit_interval, default.interval, INTERVAL)?;
    let burst = count(&written.limit_burst, "`limit_burst`", default.burst, 1..=BURST_MAX)?;
    Ok((interval > Span::ZERO).then_some(RateRule { interval, burst }))
}

fn prefixes(written: &Key<Vec<Spelling<Prefix>>>) -> Result<Option<Vec<Prefix>>, Flaw> {
    let Some(list) = written else { return Ok(None) };
    if list.get_ref().len() > PREFIXES_MAX {
        return Err(Flaw(list.span(), Fault::TooMany { what: "prefixes", most: PREFIXES_MAX }));
    }
    Ok(Some(list.get_ref().iter().map(|prefix| prefix.0).collect()))
}
