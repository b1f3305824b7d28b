//! `[serve]`: whom this machine tells the time.

use std::net::SocketAddr;
use std::path::Path;

use toml::Spanned;
use truechimer_core::server::access::{PREFIXES_MAX, Prefix};
use truechimer_core::server::clients::{CLIENTS_MAX, RateRule};
use truechimer_core::server::keys::KEYS_MAX;
use truechimer_time::Span;

use super::ServedKey;
use super::check::{Flaw, Limits, count, key_id, within};
use super::error::{Fault, Texts};
use super::nts::{ServeNts, serve_nts};
use super::written::{Key, Spelling, WrittenServe, WrittenServeKey};

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
    /// Where to listen for NTP.
    pub ntp: Vec<SocketAddr>,
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
    let Some(listen) = &written.ntp else { return Err(Flaw(span, Fault::Missing("ntp"))) };
    let ntp: Vec<_> = listen.get_ref().iter().map(|place| place.get_ref().0).collect();
    if ntp.is_empty() {
        return Err(Flaw(listen.span(), Fault::Missing("ntp")));
    }
    if ntp.len() > LISTEN_MAX {
        return Err(Flaw(listen.span(), Fault::TooMany { what: "places to listen at", most: LISTEN_MAX }));
    }
    let allow = match prefixes(&written.allow)? {
        Some(allow) => allow,
        None if ntp.iter().all(|place| place.ip().is_loopback()) => Prefix::LOOPBACK.to_vec(),
        None => return Err(Flaw(listen.span(), Fault::AllowWhom)),
    };
    Ok(Serve {
        allow,
        deny: prefixes(&written.deny)?.unwrap_or_default(),
        workers: count(&written.workers, "`workers`", 1, 1..=WORKERS_MAX)?,
        clients: count(&written.clients, "`clients`", CLIENTS, CLIENTS_MIN..=CLIENTS_MAX)?,
        rate: rate(written)?,
        max_bound: within(&written.max_bound, Span::from_secs(1), BOUND)?,
        keys: keys(written.key.as_deref().unwrap_or_default(), texts)?,
        nts: written.nts.as_ref().map(|nts| serve_nts(nts, &ntp, state)).transpose()?,
        ntp,
    })
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
