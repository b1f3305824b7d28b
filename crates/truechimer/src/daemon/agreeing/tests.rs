//! Key exchanges with servers of all kinds, over TLS on loopback. The names carry the numbers of `docs/bad-inputs.md`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::nts_ke::ALPN;
use truechimer_core::wire::nts_ke::response::Granted;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_time::{Civil, Span, Time, Utc};

use super::conversation::{PATIENCE, agree_at};
use super::*;

/// 2030-01-01: in the midst of most certificates here.
const WHEN: Dates = Dates::At(Time::from_epoch(Span::from_secs(1_893_456_000)));

#[test]
fn both_sides_have_the_same_keys_and_the_time_is_asked_for_where_the_keys_came_from() {
    for aead in Aead::ALL {
        let world = World::new();
        let theirs = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&theirs);
        let place = world.serve(world.config(Certificate::default()), move |mut tls| {
            let answer = granted(aead, None, None);
            hear_request(&mut tls);
            tls.write_all(&answer).unwrap();
            let context = |s2c| [0, 0, 0, aead.id() as u8, s2c];
            let draw = |s2c| {
                let mut key = vec![0; aead.key_len()];
                let label = b"EXPORTER-network-time-security";
                tls.conn.export_keying_material(&mut key, label, Some(&context(s2c))).unwrap();
                key
            };
            *kept.lock().unwrap() = Some([draw(0), draw(1)]);
            part(tls);
        });
        let agreement = world.agree(place, "ke.example.test", WHEN).expect("keys");
        let [c2s, s2c] = wait_for(&theirs);
        assert_eq!(
            (agreement.keys.aead(), agreement.keys.c2s(), agreement.keys.s2c()),
            (aead, &c2s[..], &s2c[..])
        );
        assert_eq!(agreement.cookies.len(), 8);
        assert_eq!(agreement.servers, [SocketAddr::from((Ipv4Addr::LOCALHOST, 123))]);
    }
}

#[test]
fn the_time_is_asked_for_where_the_answer_says() {
    let world = World::new();
    let cases = [
        (Some("192.0.2.7"), Some(1123), "192.0.2.7:1123"),
        (Some("localhost"), None, "127.0.0.1:123"),
        (None, Some(11_123), "127.0.0.1:11123"),
    ];
    for (server, port, expected) in cases {
        let place = world.granting(Certificate::default(), granted(Aead::SivCmac256, server, port));
        let agreement = world.agree(place, "ke.example.test", WHEN).expect("keys");
        assert!(agreement.servers.contains(&expected.parse().unwrap()), "{:?}", agreement.servers);
    }
}

/// A server that knows TLS 1.2 alone, by what it says to our first message.
#[test]
fn bad_input_33_older_tls_is_not_spoken() {
    let world = World::new();
    let alert = vec![21, 3, 3, 0, 2, 2, 70];
    let hello_body = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat();
    let hello = [&[22, 3, 3, 0, 42, 2, 0, 0, 38][..], &hello_body].concat();
    for answer in [alert, hello] {
        let place = listen(move |mut stream| {
            let mut bytes = [0; 2048];
            let _asked = stream.read(&mut bytes).unwrap();
            stream.write_all(&answer).unwrap();
            let _gone = stream.read(&mut bytes);
        });
        assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Tls);
    }
}

#[test]
fn bad_input_34_without_the_protocol_there_are_no_keys() {
    let world = World::new();
    for protocols in [vec![], vec![b"http/1.1".to_vec()], vec![b"ntske/2".to_vec()]] {
        let mut config = world.config(Certificate::default());
        config.alpn_protocols = protocols;
        let place = world.serve(config, |mut tls| {
            let mut byte = [0];
            let _gone = tls.read(&mut byte);
        });
        assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Protocol);
    }
}

/// What counts is the time that the node gives, and not what the machine's clock shows.
#[test]
fn bad_inputs_35_and_37_a_certificate_is_valid_at_the_time_that_is_given_or_not_at_all() {
    let world = World::new();
    let cases = [
        ((2020, 2022), year(2021), None),
        ((2020, 2022), year(2030), Some(NoKeys::Expired)),
        ((2040, 2050), year(2045), None),
        ((2040, 2050), year(2030), Some(NoKeys::NotYetValid)),
        ((2020, 2050), year(1970), Some(NoKeys::NotYetValid)),
        ((2020, 2050), Time::from_epoch(Span::from_secs(-1)), Some(NoKeys::NotYetValid)),
    ];
    for (years, when, expected) in cases {
        let certificate = Certificate { years, ..Certificate::default() };
        let place = world.granting(certificate, granted(Aead::SivCmac256, None, None));
        let outcome = world.agree(place, "ke.example.test", Dates::At(when)).err().map(|failure| failure.why);
        assert_eq!(outcome, expected, "{years:?} at {when}");
    }
}

/// Where nobody knows when it is, a certificate must have been valid at one time since the floor, with all those between it
/// and the authority.
#[test]
fn bad_input_37_without_the_time_the_dates_of_a_chain_must_meet_after_the_floor() {
    let world = World::new();
    let cases = [
        ((2040, 2050), None, 2030, None),
        ((2020, 2050), None, 1970, None),
        ((2020, 2050), None, 2049, None),
        ((2020, 2022), None, 2030, Some(NoKeys::Expired)),
        ((2030, 2040), Some((2020, 2050)), 1970, None),
        ((2030, 2040), Some((2039, 2050)), 1970, None),
        ((2030, 2040), Some((2041, 2050)), 1970, Some(NoKeys::Expired)),
        ((2030, 2040), Some((2020, 2029)), 1970, Some(NoKeys::Expired)),
        ((2030, 2040), Some((2020, 2035)), 2036, Some(NoKeys::Expired)),
    ];
    for (years, between, floor, expected) in cases {
        let certificate = Certificate { years, between, ..Certificate::default() };
        let place = world.granting(certificate, granted(Aead::SivCmac256, None, None));
        let outcome = world.agree(place, "ke.example.test", since(floor)).err().map(|failure| failure.why);
        assert_eq!(outcome, expected, "{years:?} by {between:?} since {floor}");
    }
}

/// The chain ends with the first of its certificates that does.
#[test]
fn how_long_a_chain_is_valid_is_known_with_the_keys() {
    let world = World::new();
    let cases = [
        ((2020, 2050), None, WHEN, 2050),
        ((2020, 2031), None, WHEN, 2031),
        ((2020, 2050), Some((2020, 2040)), WHEN, 2040),
        ((2020, 2040), Some((2020, 2050)), WHEN, 2040),
        ((2030, 2040), Some((2039, 2050)), since(1970), 2040),
    ];
    for (years, between, dates, expected) in cases {
        let certificate = Certificate { years, between, ..Certificate::default() };
        let place = world.granting(certificate, granted(Aead::SivCmac256, None, None));
        let agreement = world.agree(place, "ke.example.test", dates).expect("keys");
        let until = agreement.certified_until.map(|until| Civil::of(until).to_string());
        assert_eq!(until, Some(format!("{expected}-01-01T00:00:00Z")), "{years:?} by {between:?}");
    }
}

/// All but the dates is looked at as ever.
#[test]
fn bad_input_37_without_the_time_names_and_authorities_count_all_the_same() {
    let (world, other) = (World::new(), World::new());
    for years in [(2020, 2050), (2040, 2050)] {
        let certificate = Certificate { years, ..Certificate::default() };
        let place = world.granting(certificate, granted(Aead::SivCmac256, None, None));
        assert_eq!(world.why_not(place, "other.example.test", since(2030)), NoKeys::OtherName);
        let place = other.granting(certificate, granted(Aead::SivCmac256, None, None));
        assert_eq!(world.why_not(place, "ke.example.test", since(2030)), NoKeys::UnknownIssuer);
        let by_other_key = world.serve_with_a_key_of_others(certificate);
        assert!(world.agree(by_other_key, "ke.example.test", since(2030)).is_err());
    }
}

#[test]
fn bad_input_36_a_certificate_is_for_the_name_that_was_written() {
    let world = World::new();
    let cases = [
        ("ke.example.test", "ke.example.test", true),
        ("KE.example.test", "ke.example.test", true),
        ("*.example.test", "ke.example.test", true),
        ("*.example.test", "example.test", false),
        ("*.example.test", "a.ke.example.test", false),
        ("k*.example.test", "ke.example.test", false),
        ("other.example.test", "ke.example.test", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("ke.example.test", "127.0.0.1", false),
        ("127.0.0.2", "127.0.0.1", false),
    ];
    for (written, asked, is_it) in cases {
        let certificate = Certificate { name: written, ..Certificate::default() };
        let place = world.granting(certificate, granted(Aead::SivCmac256, None, None));
        let outcome = world.agree(place, asked, WHEN).map(drop).map_err(|failure| failure.why);
        match is_it {
            true => assert_eq!(outcome, Ok(()), "{written} for {asked}"),
            false => assert!(outcome.is_err(), "{written} for {asked}"),
        }
    }
    let place = world.granting(Certificate::default(), granted(Aead::SivCmac256, None, None));
    assert_eq!(world.why_not(place, "other.example.test", WHEN), NoKeys::OtherName);
}

#[test]
fn an_authority_that_is_not_named_vouches_for_nothing() {
    let (world, other) = (World::new(), World::new());
    let place = other.granting(Certificate::default(), granted(Aead::SivCmac256, None, None));
    assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::UnknownIssuer);
    let missing = Place { ca: Some(world.folder.path().join("none")), ..world.place("ke.example.test") };
    assert_eq!(agree_at(&[place], &missing, WHEN).unwrap_err().why, NoKeys::Ourselves);
}

#[test]
fn bad_input_39_an_answer_that_does_not_end_is_given_up_at_the_limit() {
    let world = World::new();
    let record = [&[0x40, 0, 0x01, 0][..], &[0; 256]].concat();
    let place = world.serve(world.config(Certificate::default()), move |mut tls| {
        hear_request(&mut tls);
        while tls.write_all(&record).and_then(|()| tls.flush()).is_ok() {}
    });
    assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Answer);
}

#[test]
fn bad_inputs_44_and_45_servers_and_ports_that_cannot_be_are_not_asked() {
    let world = World::new();
    for server in ["0.0.0.0", "::", "127.0.0.1", "224.0.0.1", "255.255.255.255", "fe80::1%lo", "a\0b"] {
        let place = world.granting(Certificate::default(), granted(Aead::SivCmac256, Some(server), None));
        assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Answer, "{server:?}");
    }
    let place = world.granting(Certificate::default(), granted(Aead::SivCmac256, None, Some(0)));
    assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Answer);
}

#[test]
fn bad_input_47_connections_that_break_at_any_point_give_no_keys() {
    let world = World::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(world.why_not(closed, "ke.example.test", WHEN), NoKeys::NotReached);
    let at_once = listen(drop);
    assert_eq!(world.why_not(at_once, "ke.example.test", WHEN), NoKeys::Broken);
    let in_handshake = listen(|mut stream| {
        let mut bytes = [0; 100];
        stream.read_exact(&mut bytes).unwrap();
    });
    assert_eq!(world.why_not(in_handshake, "ke.example.test", WHEN), NoKeys::Broken);
    let answer = granted(Aead::SivCmac256, None, None);
    for said in [0, 1, 5, answer.len() / 2, answer.len() - 1] {
        let part_of_it = answer[..said].to_vec();
        let place = world.serve(world.config(Certificate::default()), move |mut tls| {
            hear_request(&mut tls);
            tls.write_all(&part_of_it).unwrap();
            tls.flush().unwrap();
        });
        assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Broken, "{said} bytes");
        let place = world.granting(Certificate::default(), answer[..said].to_vec());
        assert_eq!(world.why_not(place, "ke.example.test", WHEN), NoKeys::Broken, "{said} bytes, goodbye");
    }
}

/// A server that trickles: each exchange is given up in time, so many go on at once, and each has an end that is told.
#[test]
fn bad_input_39_slow_servers_are_given_up_in_time_and_few_at_once() {
    const SOURCES: u8 = 6;
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let world = World::new();
    let slow = listen_to_all(|mut stream| {
        TAKEN.fetch_add(1, Ordering::SeqCst);
        // The beginning of a record of 4 KiB.
        let mut bytes: &[u8] = &[22, 3, 3, 16, 0];
        while stream.write_all(bytes).is_ok() {
            bytes = &[2];
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let source = |index: u8| {
        format!(
            "[[source]]\naddress = \"127.0.0.{}:{}\"\nkind = \"nts\"\nca = {:?}\n",
            index + 1,
            slow.port(),
            world.ca
        )
    };
    let text: String = (0..SOURCES).map(source).collect();
    let mut agreeing = Agreeing::new(&Config::parse("here", &text).unwrap(), false).unwrap();
    assert!(agreeing.fd().is_none(), "no thread before the first exchange");
    let begun = Instant::now();
    for index in 0..SOURCES {
        assert!(agreeing.begin(SourceId(index), WHEN).is_none());
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(TAKEN.load(Ordering::SeqCst), AT_ONCE);
    let mut ended = Vec::new();
    while ended.len() < usize::from(SOURCES) {
        let mut poll = PollSet::new();
        poll.add(agreeing.fd().unwrap(), Interest::Read, ());
        assert_eq!(poll.wait(Some(PATIENCE * 4)).unwrap().count(), 1, "each end wakes the loop");
        ended.extend(agreeing.ends().into_iter().map(|end| (end.source.0, end.outcome.unwrap_err())));
    }
    ended.sort_unstable_by_key(|(source, _)| *source);
    let expected: Vec<(u8, NoKeys)> = (0..SOURCES).map(|index| (index, NoKeys::Late)).collect();
    assert_eq!(ended, expected);
    assert!(begun.elapsed() < Duration::from_secs(14));
    assert_eq!(TAKEN.load(Ordering::SeqCst), usize::from(SOURCES));
}

#[test]
fn under_a_simulator_there_are_no_sources_of_nts() {
    let config = Config::parse("here", "[[source]]\naddress = \"a.example.net\"\nkind = \"nts\"\n").unwrap();
    let error = Agreeing::new(&config, true).err().expect("refused").to_string();
    assert!(error.contains("a.example.net:4460") && error.contains("--simulated"), "{error}");
    assert!(Agreeing::new(&Config::parse("here", "").unwrap(), true).is_ok());
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        text.iter().for_each(|text| fs::write(&path, text).unwrap());
        let text = format!("[[source]]\naddress = \"a.example.net\"\nkind = \"nts\"\nca = {path:?}\n");
        let error = Agreeing::new(&Config::parse("here", &text).unwrap(), false).err().expect("refused");
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

/// In the January of a year.
fn year(year: i64) -> Time<Utc> {
    Time::from_epoch(Span::from_secs((year - 1970) * 31_556_952 + 1_000_000))
}

fn since(floor: i64) -> Dates {
    Dates::Since(year(floor))
}

/// An authority, and where its certificate is.
struct World {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    ca: PathBuf,
}

/// A server's certificate.
#[derive(Clone, Copy)]
struct Certificate {
    name: &'static str,
    years: (i32, i32),
    /// Those of one between it and the authority, if there is one.
    between: Option<(i32, i32)>,
}

impl Default for Certificate {
    fn default() -> Self {
        Self { name: "ke.example.test", years: (2020, 2050), between: None }
    }
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

impl World {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(1960, 1, 1), date_time_ymd(2060, 1, 1));
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder, ca }
    }

    fn place(&self, host: &str) -> Place {
        Place { host: host.to_owned(), port: 0, ca: Some(self.ca.clone()) }
    }

    fn agree(&self, place: SocketAddr, host: &str, dates: Dates) -> Result<Agreement, Failure> {
        agree_at(&[place], &self.place(host), dates)
    }

    fn why_not(&self, place: SocketAddr, host: &str, dates: Dates) -> NoKeys {
        self.agree(place, host, dates).expect_err("no keys").why
    }

    fn config(&self, certificate: Certificate) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        self.config_by(self.chain(certificate, &key), &key)
    }

    /// What vouches for a key: its certificate, and the one between, if there is one.
    fn chain(&self, certificate: Certificate, key: &KeyPair) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::new([certificate.name.to_owned()]).unwrap();
        limit(&mut params, certificate.years);
        let Some(years) = certificate.between else {
            return vec![params.signed_by(key, &self.issuer).unwrap().into()];
        };
        let mut between = CertificateParams::default();
        between.distinguished_name.push(DnType::CommonName, "between");
        between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        limit(&mut between, years);
        let its_key = KeyPair::generate().unwrap();
        let its_certificate = between.signed_by(&its_key, &self.issuer).unwrap();
        let issuer = Issuer::new(between, its_key);
        vec![params.signed_by(key, &issuer).unwrap().into(), its_certificate.into()]
    }

    fn config_by(&self, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
        let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let signer = builder.crypto_provider().key_provider.load_private_key(secret).unwrap();
        let certified = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, signer)));
        let mut config = builder.with_no_client_auth().with_cert_resolver(certified);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }

    /// Somebody who shows a good certificate and has another key.
    fn serve_with_a_key_of_others(&self, certificate: Certificate) -> SocketAddr {
        let chain = self.chain(certificate, &KeyPair::generate().unwrap());
        let config = self.config_by(chain, &KeyPair::generate().unwrap());
        self.serve(config, |mut tls| {
            let _refused = tls.read(&mut [0; 512]);
        })
    }

    /// A server that talks so to whoever comes first.
    fn serve(&self, config: ServerConfig, talk: impl FnOnce(Tls) + Send + 'static) -> SocketAddr {
        let config = Arc::new(config);
        listen(move |stream| talk(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)))
    }

    /// One that says this to a request, and goodbye.
    fn granting(&self, certificate: Certificate, answer: Vec<u8>) -> SocketAddr {
        self.serve(self.config(certificate), move |mut tls| {
            let mut bytes = [0; 512];
            if tls.read(&mut bytes).is_ok_and(|len| len > 0) && tls.write_all(&answer).is_ok() {
                part(tls);
            }
        })
    }
}

fn limit(params: &mut CertificateParams, years: (i32, i32)) {
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
}

fn part(mut tls: Tls) {
    tls.conn.send_close_notify();
    let _gone = tls.flush();
    let _rest = tls.read_to_end(&mut Vec::new());
}

fn hear_request(tls: &mut Tls) {
    let mut bytes = [0; 512];
    assert!(tls.read(&mut bytes).unwrap() > 0);
}

fn granted(aead: Aead, server: Option<&str>, port: Option<u16>) -> Vec<u8> {
    Granted { aead, cookies: &vec![vec![7; 100]; 8], server, port }.write()
}

fn wait_for<T: Clone>(slot: &Mutex<Option<T>>) -> T {
    for _ in 0..200 {
        if let Some(value) = slot.lock().unwrap().clone() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the server has said nothing");
}

fn listen(talk: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.accept().map(|(stream, _)| talk(stream)));
    place
}

/// At every address of loopback.
fn listen_to_all(talk: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || talk(stream));
        }
    });
    place
}
