//! NTS, served to Debian's chronyd, and to those who want to do harm.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use truechimer::talk::ServerCounts;
use truechimer_core::status::Status;
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::nts_ke::response::Answer;
use truechimer_core::wire::nts_ke::{ALPN, Inbox, request};

use crate::authority::Authority;
use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::place::{self, eventually, free_place};

const PATIENCE: Duration = Duration::from_secs(20);

/// A home whose daemon serves NTS, and who vouches for it.
struct Field {
    home: Home,
    keys: SocketAddr,
    authority: Authority,
    _servers: Vec<Chronyd>,
}

impl Field {
    /// `more` is added to `[serve.nts]`.
    fn new(servers: Vec<Chronyd>, more: &str) -> Self {
        let (place, keys) = (free_place(), free_place());
        let serve = format!(
            "[serve]\nntp = [\"{place}\"]\nlimit_interval = \"0s\"\n[serve.nts]\nlisten = [\"{keys}\"]\n\
             certificate = \"FOLDER/certificate.pem\"\nkey = \"FOLDER/key.pem\"\n{more}"
        );
        let wishes = Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) };
        let home = Home::new(&wishes);
        let config = home.path("truechimer.toml");
        let folder = home.path("");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("FOLDER", folder.to_str().unwrap().trim_end_matches('/'))).unwrap();
        let authority = Authority::new();
        authority.certify("localhost", &folder);
        authority.write(&folder);
        Self { home, keys, authority, _servers: servers }
    }

    fn chronyd(&self, peers: &std::path::Path) -> Chronyd {
        Chronyd::asking_by_nts(peers, self.keys, &self.home.path("authority.pem"))
    }

    /// Gets keys as a client does.
    fn exchange(&self, alpn: &[u8]) -> std::io::Result<Answer> {
        let mut tls = self.connect(alpn)?;
        tls.write_all(&request::write(&[Aead::SivCmac256]))?;
        let (mut inbox, mut bytes) = (Inbox::for_answer(), [0; 4096]);
        loop {
            let len = tls.read(&mut bytes)?;
            if len == 0 || inbox.take(&bytes[..len]).unwrap() {
                return Answer::read(&inbox, &[Aead::SivCmac256]).map_err(std::io::Error::other);
            }
        }
    }

    fn connect(&self, alpn: &[u8]) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(self.keys)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(tls, stream))
    }
}

fn served(daemon: &Daemon<'_>) -> ServerCounts {
    daemon.status().server.expect("it serves")
}

fn is_synchronised(daemon: &Daemon<'_>) {
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
}

/// chronyc(1), authdata: name, mode, key id, type, length, last exchange, attempts, NAKs, cookies, length of a cookie.
fn has_cookies(client: &Chronyd) -> Option<()> {
    let report = client.report("authdata").into_iter().next()?;
    let cookies: u32 = report.get(8)?.parse().ok()?;
    let sources = client.report("sources");
    let is_selected = sources.first().is_some_and(|source| source[1] == "*");
    (report[1] == "NTS" && cookies >= 7 && is_selected).then_some(())
}

#[test]
fn a_survey_gets_keys_and_the_time() {
    let Some(peers) = place::peers() else { return };
    let field = Field::new((0..3).map(|_| Chronyd::serving(&peers)).collect(), "");
    let daemon = field.home.start();
    is_synchronised(&daemon);
    let ask = |authorities: &str| {
        let output = std::process::Command::new(place::truechimer())
            .args(["survey", "--run-dir", "/nonexistent", "--json", "--timeout", "10s", "--ca", authorities])
            .arg(format!("nts://localhost:{}", field.keys.port()))
            .arg("-4")
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report["hosts"][0].clone())
    };
    let (status, host) = ask(field.home.path("authority.pem").to_str().unwrap());
    assert_eq!((status, host["protocol"].as_str()), (Some(0), Some("nts")), "{host}");
    let (lo, hi) = (host["ahead_of_us"]["lo"].as_f64().unwrap(), host["ahead_of_us"]["hi"].as_f64().unwrap());
    // The server tells the time of its sources, which tell that of this machine, and how far it may be from it.
    let distance = host["claim"]["distance"].as_f64().unwrap();
    assert!(lo - distance <= 0.0 && 0.0 <= hi + distance, "{host}");
    assert!(served(&daemon).protected >= 2, "{host}");
    // Whoever vouches for somebody else vouches for nobody here.
    let another = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    another.write(folder.path());
    let (status, host) = ask(folder.path().join("authority.pem").to_str().unwrap());
    assert_eq!((status, host["error"]["kind"].as_str()), (Some(1), Some("tls")), "{host}");
    daemon.terminate();
}

#[test]
fn debians_chronyd_gets_keys_and_the_time_and_keeps_both_over_our_restart() {
    let Some(peers) = place::peers() else { return };
    let field = Field::new((0..3).map(|_| Chronyd::serving(&peers)).collect(), "");
    let daemon = field.home.start();
    is_synchronised(&daemon);
    let client = field.chronyd(&peers);
    eventually(PATIENCE, "chronyd selects us by NTS", || has_cookies(&client));
    let counts = served(&daemon);
    assert!(counts.protected > 0 && counts.refused == 0, "{counts:?}");
    assert_eq!(counts.key_exchanges.expect("keys are given").granted, 1, "{counts:?}");
    daemon.terminate();
    // Bad input 74: what was sealed before a restart is opened after it.
    let daemon = field.home.start();
    is_synchronised(&daemon);
    eventually(PATIENCE, "chronyd goes on with its cookies", || {
        (served(&daemon).protected > 3).then_some(())
    });
    let counts = served(&daemon);
    assert_eq!((counts.refused, counts.key_exchanges.expect("keys are given").granted), (0, 0), "{counts:?}");
    daemon.terminate();
}

/// The host that gives keys and the one that gives the time are two, which share the file of the ring.
#[test]
fn a_host_of_its_own_may_give_the_keys() {
    let Some(peers) = place::peers() else { return };
    let time = free_place();
    let giver = Field::new(Vec::new(), &format!("port = {}\n", time.port()));
    let givers = giver.home.start();
    let ring = giver.home.path("state/node/cookies");
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let serve = format!(
        "[serve]\nntp = [\"{time}\"]\n[serve.nts]\nlisten = []\nring = {:?}\n",
        giver.home.path("copy")
    );
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start();
    is_synchronised(&daemon);
    fs::copy(&ring, giver.home.path("copy")).unwrap();
    daemon.process.signal("HUP");
    let client = giver.chronyd(&peers);
    eventually(PATIENCE, "chronyd has the keys from one and the time from the other", || {
        has_cookies(&client)
    });
    assert!(served(&daemon).protected > 0);
    assert_eq!(served(&givers).protected, 0);
    daemon.terminate();
    givers.terminate();
}

#[test]
fn a_certificate_is_renewed_without_a_restart_and_a_broken_one_is_not_taken() {
    let field = Field::new(Vec::new(), "");
    let daemon = field.home.start();
    assert_eq!(field.exchange(ALPN).unwrap().cookies.len(), 8);
    let presented = || {
        let mut tls = field.connect(ALPN).unwrap();
        tls.flush().unwrap();
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).unwrap();
        }
        tls.conn.peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    let renewed = field.authority.certify("localhost", &field.home.path(""));
    let renewed = CertificateDer::from_pem_slice(renewed.as_bytes()).unwrap().as_ref().to_vec();
    assert_ne!(presented(), renewed);
    daemon.process.signal("HUP");
    eventually(PATIENCE, "the new certificate is shown", || (presented() == renewed).then_some(()));
    fs::write(field.home.path("certificate.pem"), "not a certificate").unwrap();
    daemon.process.signal("HUP");
    eventually(PATIENCE, "it is told", || {
        daemon.process.log().contains("the old certificate stays in use").then_some(())
    });
    assert_eq!(presented(), renewed);
    assert_eq!(field.exchange(ALPN).unwrap().cookies.len(), 8);
    daemon.terminate();
}

/// Bad inputs 34, 39, 47 and 58, seen from the server.
#[test]
fn bad_inputs_34_39_47_58_who_wants_no_keys_holds_nobody_up() {
    let field = Field::new(Vec::new(), "");
    let daemon = field.home.start();
    assert!(field.exchange(b"http/1.1").is_err(), "another protocol");
    let mut idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(field.keys).unwrap()).collect();
    let mut nonsense = TcpStream::connect(field.keys).unwrap();
    // A server that has had enough of it may have closed already.
    let _refused = nonsense.write_all(&[0x16; 70_000]);
    let begun = Instant::now();
    for stream in &mut idle {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = stream.read(&mut [0; 16]);
        assert!(matches!(end, Ok(0) | Err(_)), "nothing is said to who says nothing");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let counts = served(&daemon).key_exchanges.expect("keys are given");
    assert!(counts.limited > 100 && counts.granted == 0, "{counts:?}");
    // The client's allowance comes back.
    let answer = eventually(PATIENCE, "keys are given again", || field.exchange(ALPN).ok());
    assert_eq!(answer.cookies.len(), 8);
    daemon.terminate();
}

/// Bad input 126, and a certificate without its key.
#[test]
fn bad_input_126_a_private_key_that_everybody_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let field = Field::new(Vec::new(), "");
    fs::set_permissions(field.home.path("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = std::process::Command::new(place::truechimer());
    let output = command.arg("run").arg("--config").arg(field.home.path("truechimer.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(111), "{said}");
    assert!(said.contains("is open to everybody (mode 644)"), "{said}");
}

#[test]
fn an_interface_that_is_not_there_is_named_and_what_to_do_about_it() {
    let field = Field::new(Vec::new(), "");
    let config = field.home.path("truechimer.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[serve]\n", "[serve]\ninterface = \"absent0\"\n")).unwrap();
    let mut command = std::process::Command::new(place::truechimer());
    let output = command.arg("run").arg("--config").arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(111), "{said}");
    let place = field.keys;
    let expected = format!(
        "[serve.nts]: cannot listen on {place} by the interface absent0 ([serve] interface): No such device (os error 19): \
         name one that `ip link` shows, and let it be there before the daemon starts"
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(said.matches("cannot listen").count(), 1, "said once: {said}");
}
