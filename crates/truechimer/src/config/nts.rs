//! `[serve.nts]`: giving keys, and answering those who have some (RFC 8915).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use truechimer_core::server::cookie::TURN;
use truechimer_core::wire::nts_ke;
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_time::Span;

use super::address::NTP_PORT;
use super::check::{Flaw, Limits, count, within};
use super::error::Fault;
use super::quantity::Spelled;
use super::serve::LISTEN_MAX;
use super::written::{Spelling, WrittenServeNts};
use crate::daemon::key_exchange::CertificateFiles;

const TURN_LIMITS: Limits<Span> =
    Limits { what: "`turn`", least: Span::from_secs(60), most: Span::from_secs(30 * 86_400) };

/// The file of the keys of cookies, below the folder of states: in the part that the daemon may write.
const RING: &str = "node/cookies";

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

/// What `[serve.nts]` says.
pub(super) fn serve_nts(
    written: &Spanned<WrittenServeNts>,
    ntp: &[SocketAddr],
    state: &Path,
) -> Result<ServeNts, Flaw> {
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
