//! The thread that gives keys for NTS, at the mercy of bytes: over real connections of loopback, with TLS and without.
//!
//! It lets one client come 32 times at once, so that a new one takes its place after that.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use truechimer::config::ServeNts;
use truechimer::daemon::key_exchange::{CertificateFiles, KeyExchange, PATIENCE, Prepared, Published};
use truechimer::daemon::serving::ListenError;
use truechimer_core::server::cookie::{self, Ring};
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::nts_ke::request::Request;
use truechimer_core::wire::nts_ke::response::Answer;
use truechimer_core::wire::nts_ke::{ALPN, Direction, EXPORTER_LABEL, Inbox, REQUEST_MAX};
use truechimer_sys::tcp;
use truechimer_time::Span;

/// So many connections has one server.
const VISITS_MAX: u32 = 30;

/// Longer than the server's patience, on a loaded machine.
const WAIT: Duration = Duration::from_secs(9);

/// How it is said: 0 without TLS, else within; then pieces, each with its length before it.
pub fn key_server(data: &[u8]) {
    let Some((&how, script)) = data.split_first() else { return };
    let pieces = pieces(script);
    let mut building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let server = match building.take() {
        Some(server) if server.visits < VISITS_MAX => building.insert(server),
        _ => building.insert(Server::open()),
    };
    server.visits += 1;
    let begun = Instant::now();
    if how == 0 {
        server.hears_noise(&pieces).expect("loopback is there");
    } else {
        server.hears_a_client(&pieces);
    }
    assert!(begun.elapsed() < WAIT, "nobody is held for longer than {PATIENCE:?}");
}

static BUILDING: Mutex<Option<Server>> = Mutex::new(None);

fn pieces(mut script: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((&length, rest)) = script.split_first() {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(length)));
        pieces.push(piece);
        script = rest;
    }
    pieces
}

struct Server {
    place: SocketAddr,
    client: Arc<ClientConfig>,
    ring: Arc<ArcSwapOption<truechimer::daemon::key_exchange::RingBytes>>,
    visits: u32,
    _thread: KeyExchange,
    _folder: TempDir,
}

impl Server {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = certify(folder.path());
        let place = free_place();
        let nts = ServeNts {
            listen: vec![place],
            certificate: Some(CertificateFiles {
                certificate: folder.path().join("certificate.pem"),
                key: folder.path().join("key.pem"),
            }),
            server: None,
            port: None,
            ring: folder.path().join("cookies"),
            turn: Span::from_secs(86_400),
        };
        let ring = Arc::new(ArcSwapOption::empty());
        let published = Published { ring: Arc::clone(&ring), is_synchronised: Arc::new(|| false) };
        let listen = |place| tcp::listen(place).map_err(|error| ListenError::new(place, None, error));
        let prepared = Prepared::new(&nts, [7; 32], listen).expect("it can be prepared");
        let thread = prepared.begin(published).expect("it begins");
        Self { place, client: client(root), ring, visits: 0, _thread: thread, _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.place).expect("it listens");
        stream.set_read_timeout(Some(WAIT)).expect("a socket has timeouts");
        stream.set_write_timeout(Some(WAIT)).expect("a socket has timeouts");
        stream.set_nodelay(true).expect("a socket of TCP");
        stream
    }

    /// Bytes that are no TLS, or all of it that a fuzzer can guess. Whatever is said to them, it ends.
    fn hears_noise(&self, pieces: &[&[u8]]) -> io::Result<()> {
        let mut stream = self.connect();
        // It may have had enough before the end, and then a write or the shutdown finds nobody.
        let said = pieces.iter().try_for_each(|piece| stream.write_all(piece));
        let _gone = said.and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A message in pieces, each of them a record of TLS. What comes back is what the message deserves.
    fn hears_a_client(&self, pieces: &[&[u8]]) {
        let message = pieces.concat();
        if message.len() >= REQUEST_MAX {
            return;
        }
        let tls = ClientConnection::new(Arc::clone(&self.client), "localhost".try_into().expect("a name"));
        let mut tls = StreamOwned::new(tls.expect("a client"), self.connect());
        tls.flush().expect("the handshake is nobody's to spoil");
        let said = pieces.iter().try_for_each(|piece| tls.write_all(piece).and_then(|()| tls.flush()));
        tls.conn.send_close_notify();
        // Once it has answered, it does not hear what else is said.
        let _gone = said.and_then(|()| tls.flush());
        let mut answer = Vec::new();
        match tls.read_to_end(&mut answer) {
            Ok(_) => self.is_deserved(&message, &answer, &tls.conn),
            Err(error) => assert!(is_torn(&message) && answer.is_empty(), "{error}"),
        }
    }

    fn is_deserved(&self, message: &[u8], answer: &[u8], tls: &ClientConnection) {
        let mut inbox = Inbox::for_answer();
        assert_eq!(inbox.take(answer), Ok(true), "an answer is whole");
        let answer = Answer::read(&inbox, &Aead::ALL);
        let mut at_once = Inbox::for_request();
        // What follows the end may come too late to be heard.
        if at_once.take(message).is_ok() {
            let is_granted = Request::read(&at_once).is_ok_and(|request| request.grant.is_ok());
            assert_eq!(answer.is_ok(), is_granted, "{answer:?}");
        }
        if let Ok(answer) = answer {
            self.gives_good_cookies(&answer, tls);
        }
    }

    /// The keys within are those that the client has drawn from TLS.
    fn gives_good_cookies(&self, answer: &Answer, tls: &ClientConnection) {
        let ring = self.ring.load_full().expect("it is published before anybody is let in");
        let mut ring = Ring::from_bytes(&ring).expect("a ring writes what it reads");
        let draw = |direction| {
            let context = answer.exporter.context(answer.aead, direction);
            let key = vec![0; answer.aead.key_len()];
            tls.export_keying_material(key, EXPORTER_LABEL.as_bytes(), Some(&context)).expect("it is open")
        };
        assert_eq!(answer.cookies.len(), 8);
        for cookie in &answer.cookies {
            assert_eq!(cookie.len(), cookie::len(answer.aead));
            let keys = ring.open(cookie).expect("a cookie of its own");
            assert_eq!((keys.c2s(), keys.s2c()), (&draw(Direction::C2s)[..], &draw(Direction::S2c)[..]));
        }
    }
}

/// Without an end, a message is answered or not.
fn is_torn(message: &[u8]) -> bool {
    Inbox::for_request().take(message) == Ok(false)
}

fn free_place() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address")
}

/// A certificate that vouches for itself, as files and as its client takes it.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    fs::write(folder.join("certificate.pem"), &certificate).expect("a file");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file");
    fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    CertificateDer::from_pem_slice(certificate.as_bytes()).expect("what was written")
}

fn client(root: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).expect("it is known");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}
