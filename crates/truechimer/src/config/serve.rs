//! `[serve]`: whom this machine tells the time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use truechimer_core::server::access::{PREFIXES_MAX, Prefix};
use truechimer_core::server::clients::{CLIENTS_MAX, RateRule};
use truechimer_core::server::cookie::TURN;
use truechimer_core::wire::nts_ke;
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_time::Span;

use super::address::NTP_PORT;
use super::check::{Flaw, Limits, count, within};
use super::error::Fault;
use super::quantity::Spelled;
use super::written::{Key, Spelling, WrittenServe, WrittenServeNts};
use crate::daemon::key_exchange::CertificateFiles;

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
const TURN_LIMITS: Limits<Span> =
    Limits { what: "`turn`", least: Span::from_secs(60), most: Span::from_secs(30 * 86_400) };

/// The file of the keys of cookies, below the folder of states: in the part that the daemon may write.
const RING: &str = "node/cookies";

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
}

/// `[serve.nts]`
#[derive(Clone, Debug, PartialEq)]
pub struct ServeNts {
    /// Where keys are given; nowhere, if another host does that.
    pub listen: Vec<SocketAddr>,
    /// Who we are.
    pub certificate: Option<CertificateFiles>,
    /// The host that gives the time to those who got keys here, if it is another one.
    pub server: Option<ServerName>,
    /// Its port, if that is not 123.
    pub port: Option<u16>,
    /// The file of the keys of cookies.
    pub ring: PathBuf,
    /// How long a key of cookies is used.
    pub turn: Span,
}

impl Spelled for ServerName {
    const KIND: &'static str = "a host that others can find, such as \"time.example.net\"";
    type Error = NoServerName;

    fn read(text: &str) -> Result<Self, NoServerName> {
        Self::read(text.as_bytes()).ok_or(NoServerName)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Why a text is not sent to clients as the name of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a name of the DNS nor the address of a single host that others can reach")]
pub struct NoServerName;

/// What `[serve]` says.
///
/// `state` is the folder of what outlives a restart.
pub(super) fn serve(written: &Spanned<WrittenServe>, state: &Path) -> Result<Serve, Flaw> {
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
        nts: written.nts.as_ref().map(|nts| serve_nts(nts, &ntp, state)).transpose()?,
        ntp,
    })
}

fn serve_nts(written: &Spanned<WrittenServeNts>, ntp: &[SocketAddr], state: &Path) -> Result<ServeNts, Flaw> {
    let (span, written) = (written.span(), written.get_ref());
    let listen = match &written.listen {
        Some(list) if list.get_ref().len() > LISTEN_MAX => {
            return Err(Flaw(list.span(), Fault::TooMany { what: "places to listen at", most: LISTEN_MAX }));
        }
        Some(list) => list.get_ref().iter().map(|place| place.get_ref().0).collect(),
        None => ntp.iter().map(|place| SocketAddr::new(place.ip(), nts_ke::PORT)).collect::<Vec<_>>(),
    };
    let file = |written: &Option<Spelling<PathBuf>>| written.as_ref().map(|path| path.0.clone());
    let certificate = match (file(&written.certificate), file(&written.key)) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (None, None) if listen.is_empty() => None,
        (None, _) => return Err(Flaw(span, Fault::Missing("certificate"))),
        (_, None) => return Err(Flaw(span, Fault::Missing("key"))),
    };
    let ours = ntp.first().map(SocketAddr::port).filter(|port| *port != NTP_PORT);
    let server = written.server.as_ref().map(|host| host.get_ref().0.clone());
    Ok(ServeNts {
        certificate,
        port: match written.port {
            Some(_) => Some(count(&written.port, "`port`", NTP_PORT, 1..=u16::MAX)?),
            None => ours.filter(|_| server.is_none()),
        },
        server,
        ring: file(&written.ring).unwrap_or_else(|| state.join(RING)),
        turn: within(&written.turn, TURN, TURN_LIMITS)?,
        listen,
    })
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
