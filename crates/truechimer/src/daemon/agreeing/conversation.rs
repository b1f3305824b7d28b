//! One key exchange, from the name of the server to keys (RFC 8915, section 4).
//!
//! ```text
//!   look up ─► connect ─► TLS 1.3, certificate, ALPN "ntske/1" ─► request ─► answer ─► keys, cookies, whom to ask
//!              └────────────────── PATIENCE for all of this ──────────────────────┘
//! ```
//!
//! **Invariant:** nothing is agreed on with a server whose certificate is not for the name that the operator wrote, from an
//! authority that the operator or the system trusts, and valid when the node says, which is not what the machine's clock
//! shows.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{self, CertificateDer};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use truechimer_core::node::Dates;
use truechimer_core::source::association::ADDRESSES_MAX;
use truechimer_core::source::nts::{Agreement, Cookie, NoKeys};
use truechimer_core::wire::aead::{Aead, KEY_LEN_MAX, SessionKeys};
use truechimer_core::wire::nts_ke::response::{Answer, BadAnswer};
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_core::wire::nts_ke::{ALPN, Direction, EXPORTER_LABEL, Exporter, Inbox, request};
use truechimer_sys::clock;
use truechimer_time::{Mono, Span, Time};
use zeroize::Zeroizing;

use super::dates::{Now, Verifier};
use crate::config::NTP_PORT;

/// So long a key exchange lasts at most once the name is looked up.
pub(super) const PATIENCE: Span = Span::from_secs(5);

/// No file of authorities is longer, in bytes: that of all that browsers trust has a quarter of it.
const AUTHORITIES_MAX: u64 = 1 << 20;

/// A key exchange server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, or its address. The certificate has to be for that.
    pub(crate) host: String,
    /// Its port, over TCP.
    pub(crate) port: u16,
    /// Who vouches for its certificate, in PEM, if not those whom the system trusts.
    pub(crate) ca: Option<PathBuf>,
}

/// Why there are no keys.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In a word.
    pub(crate) why: NoKeys,
    /// In a sentence.
    pub(crate) detail: String,
}

impl Failure {
    fn new(why: NoKeys, detail: impl fmt::Display) -> Self {
        Self { why, detail: detail.to_string() }
    }
}

/// Agrees on keys with a server whose certificate is valid when that says.
pub(super) fn agree(place: &Place, dates: Dates) -> Result<Agreement, Failure> {
    agree_at(&look_up(&place.host, place.port)?, place, dates)
}

/// The same at the first of these addresses that takes the connection.
pub(super) fn agree_at(addresses: &[SocketAddr], place: &Place, dates: Dates) -> Result<Agreement, Failure> {
    let name = pki_types::ServerName::try_from(place.host.clone()).map_err(|error| {
        Failure::new(NoKeys::OtherName, format_args!("no certificate has such a name: {error}"))
    })?;
    let verifier = verifier(place, dates)?;
    let config = config(Arc::clone(&verifier), dates)?;
    let ends = clock::mono() + PATIENCE;
    let stream = connect(addresses, ends)?;
    let peer = stream.peer_addr().map_err(|error| Failure::new(NoKeys::Broken, error))?;
    let mut tls = ClientConnection::new(config, name.clone())
        .map_err(|error| Failure::new(NoKeys::Ourselves, error))?;
    let answer = converse(&mut tls, &mut Timed { stream, ends })?;
    let keys = keys(&tls, answer.aead, answer.exporter)?;
    let servers = servers(&answer, peer.ip())?;
    Ok(Agreement {
        keys,
        cookies: answer.cookies.iter().filter_map(|bytes| Cookie::new(bytes)).collect(),
        servers,
        certified_until: tls.peer_certificates().and_then(|chain| verifier.valid_until(chain, &name)),
    })
}

/// Who looks at the certificates of a server.
fn verifier(place: &Place, dates: Dates) -> Result<Arc<Verifier>, Failure> {
    let verifier = Verifier::new(place.authorities()?, provider(), dates);
    verifier.map(Arc::new).map_err(|error| Failure::new(NoKeys::Ourselves, error))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How to speak TLS with a key exchange server at this place.
///
/// # Errors
/// The authorities cannot be used.
pub(crate) fn config_for(place: &Place, dates: Dates) -> Result<Arc<ClientConfig>, Failure> {
    config(verifier(place, dates)?, dates)
}

/// TLS 1.3 and nothing older, one protocol, nothing remembered between connections.
fn config(verifier: Arc<Verifier>, dates: Dates) -> Result<Arc<ClientConfig>, Failure> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Now(dates)));
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Failure::new(NoKeys::Ourselves, error))?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

impl Place {
    /// A server by its name or address, its port, and the file of those who vouch for it, if not those whom the system trusts.
    pub fn new(host: String, port: u16, ca: Option<PathBuf>) -> Self {
        Self { host, port, ca }
    }

    /// One key exchange, of which nothing is kept.
    ///
    /// # Errors
    /// Why there are no keys, in a word and in a sentence.
    pub fn try_once(&self, dates: Dates) -> Result<(), (NoKeys, String)> {
        agree(self, dates).map(drop).map_err(|failure| (failure.why, failure.detail))
    }

    /// Who may vouch for its certificate. Read anew for each exchange: authorities come and go while we run.
    pub(crate) fn authorities(&self) -> Result<RootCertStore, Failure> {
        let (certificates, whose) = match &self.ca {
            Some(path) => (certificates(path)?, path.display().to_string()),
            None => (rustls_native_certs::load_native_certs().certs, "this system".to_owned()),
        };
        let mut store = RootCertStore::empty();
        let (good, _odd) = store.add_parsable_certificates(certificates);
        match good {
            0 => Err(Failure::new(
                NoKeys::Ourselves,
                format_args!(
                    "{whose} has no certificate of an authority (Debian's are in the package ca-certificates)"
                ),
            )),
            _ => Ok(store),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unusable = |error: &dyn fmt::Display| {
        Failure::new(NoKeys::Ourselves, format_args!("cannot use {}: {error}", path.display()))
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| unusable(&error))?;
    file.take(AUTHORITIES_MAX).read_to_end(&mut text).map_err(|error| unusable(&error))?;
    CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| unusable(&error))
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| Failure::new(NoKeys::NotFound, format_args!("{host}: {error}")))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    match addresses.is_empty() {
        true => Err(Failure::new(NoKeys::NotFound, format_args!("{host} has no address"))),
        false => Ok(addresses),
    }
}

/// The first address that takes the connection. Each has its share of the time that is left.
fn connect(addresses: &[SocketAddr], ends: Time<Mono>) -> Result<TcpStream, Failure> {
    let mut failure = Failure::new(NoKeys::NotFound, "there is no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = (ends - clock::mono()) / i64::try_from(addresses.len() - tried).unwrap_or(1);
        match left(share).and_then(|share| TcpStream::connect_timeout(address, share)) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Failure::new(NoKeys::NotReached, format_args!("{address}: {error}")),
        }
    }
    Err(failure)
}

/// A span as the system takes it.
fn left(span: Span) -> io::Result<Duration> {
    let millis = span.as_seconds() * 1000.0;
    match millis >= 1.0 {
        true => Ok(Duration::from_millis(millis as u64)),
        false => Err(ErrorKind::TimedOut.into()),
    }
}

/// A connection that ends at a certain time, however slowly the other side goes on.
struct Timed {
    stream: TcpStream,
    ends: Time<Mono>,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.ends - clock::mono())?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.ends - clock::mono())?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Asks, and takes the answer.
fn converse(tls: &mut ClientConnection, stream: &mut Timed) -> Result<Answer, Failure> {
    while tls.is_handshaking() {
        tls.complete_io(stream).map_err(|error| failure_of(&error))?;
    }
    if tls.alpn_protocol() != Some(ALPN) {
        return Err(Failure::new(NoKeys::Protocol, "the server agrees to no protocol of ours"));
    }
    let mut channel = rustls::Stream::new(tls, stream);
    channel.write_all(&request::write(&Aead::ALL)).map_err(|error| failure_of(&error))?;
    let inbox = receive(&mut channel)?;
    let answer = Answer::read(&inbox, &Aead::ALL).map_err(|bad| {
        let is_torn = bad == BadAnswer::NotWhole;
        Failure::new(if is_torn { NoKeys::Broken } else { NoKeys::Answer }, bad)
    })?;
    tls.send_close_notify();
    // The server has nothing more to say, whether it hears our goodbye or not.
    let _gone = tls.complete_io(stream);
    Ok(answer)
}

/// All of the answer, or as much of it as came.
fn receive(channel: &mut impl Read) -> Result<Inbox, Failure> {
    let mut inbox = Inbox::for_answer();
    let mut bytes = Zeroizing::new([0; 4096]);
    loop {
        let len = match channel.read(&mut bytes[..]) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure_of(&error)),
        };
        let is_whole = inbox.take(&bytes[..len]).map_err(|bad| Failure::new(NoKeys::Answer, bad))?;
        if is_whole || len == 0 {
            return Ok(inbox);
        }
    }
}

/// What is wrong with a connection.
fn failure_of(error: &io::Error) -> Failure {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match (of_tls, error.kind()) {
        (Some(error), _) => why_of(error),
        (None, ErrorKind::WouldBlock | ErrorKind::TimedOut) => NoKeys::Late,
        (None, _) => NoKeys::Broken,
    };
    let detail = of_tls.map_or_else(|| error.to_string(), rustls::Error::to_string);
    Failure { why, detail: printable(&detail) }
}

fn why_of(error: &rustls::Error) -> NoKeys {
    use rustls::{AlertDescription as Alert, Error};
    match error {
        Error::InvalidCertificate(error) => why_not(error),
        Error::NoApplicationProtocol | Error::AlertReceived(Alert::NoApplicationProtocol) => NoKeys::Protocol,
        _ => NoKeys::Tls,
    }
}

fn why_not(error: &CertificateError) -> NoKeys {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => NoKeys::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => NoKeys::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            NoKeys::OtherName
        }
        // The second is one who has the name of an authority that is trusted, and not its key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => NoKeys::UnknownIssuer,
        _ => NoKeys::Certificate,
    }
}

/// No more than a line of it, and nothing that commands a terminal: a certificate may hold any text.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(300).collect()
}

/// The keys that both sides have now (RFC 8915, section 5.1).
pub(crate) fn keys(tls: &ClientConnection, aead: Aead, exporter: Exporter) -> Result<SessionKeys, Failure> {
    let draw = |direction| {
        let context = exporter.context(aead, direction);
        let mut key = Zeroizing::new([0; KEY_LEN_MAX]);
        let place = &mut key[..aead.key_len()];
        tls.export_keying_material(place, EXPORTER_LABEL.as_bytes(), Some(&context))
            .map_err(|error| Failure::new(NoKeys::Tls, error))?;
        Ok::<_, Failure>(key)
    };
    let (c2s, s2c) = (draw(Direction::C2s)?, draw(Direction::S2c)?);
    let keys = SessionKeys::new(aead, &c2s[..aead.key_len()], &s2c[..aead.key_len()]);
    Ok(keys.expect("they are as long as the cipher wants them"))
}

/// Where the time is to be asked for: where the answer says, else at the very host that we have talked to.
fn servers(answer: &Answer, peer: IpAddr) -> Result<Vec<SocketAddr>, Failure> {
    let port = answer.port.unwrap_or(NTP_PORT);
    match &answer.server {
        None => Ok(vec![SocketAddr::new(peer, port)]),
        Some(ServerName::Address(address)) => Ok(vec![SocketAddr::new(*address, port)]),
        Some(ServerName::Name(name)) => {
            let found = look_up(name, port)?;
            let usable: Vec<SocketAddr> =
                found.into_iter().filter(|place| is_usable(place.ip(), peer)).collect();
            match usable.is_empty() {
                true => Err(Failure::new(NoKeys::NotFound, format_args!("{name} leads to no single host"))),
                false => Ok(usable),
            }
        }
    }
}

/// Can the time be asked for there? A name may lead anywhere; to ourselves only if the key exchange was with ourselves.
pub(crate) fn is_usable(address: IpAddr, peer: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    let is_of_many = is_broadcast || address.is_unspecified() || address.is_multicast();
    !is_of_many && (!address.to_canonical().is_loopback() || peer.to_canonical().is_loopback())
}
