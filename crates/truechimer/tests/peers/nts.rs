//! Sources that are asked by NTS: real servers that give keys, servers that are not who they should be, and what is sent to
//! whom.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use truechimer::replay;
use truechimer_core::status::Status;

use crate::chronyd::{Chronyd, NtsFiles, shifted};
use crate::daemon::{Daemon, Home, Wishes};
use crate::doctor::{self, is_told};
use crate::namespace::Namespace;
use crate::ntpd::Ntpd;
use crate::place::{self, eventually, free_port};
use crate::process::harmless;

const PATIENCE: Duration = Duration::from_secs(30);

/// A key exchange that is refused, 10 s until the next, 15 s from that to the one that counts.
const BOOTSTRAP: Duration = Duration::from_secs(90);

const YEAR: i32 = 31_556_952;

/// What is not asked in so long is not asked.
const WHILE: Duration = Duration::from_secs(4);

#[test]
fn debians_chronyd_gives_keys_and_is_believed_under_them() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let files = authority.certify(&Certificate::default());
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::giving_keys(&peers, &files, None)).collect();
    let before: Vec<Served> = servers.iter().map(Served::by).collect();
    let home = authority.home(servers.iter().map(Chronyd::key_exchange));
    let daemon = home.start();
    all_are_believed(&daemon, 3);
    for (server, before) in servers.iter().zip(before) {
        let now = Served::by(server);
        assert!(now.authentic > before.authentic, "{now:?}");
        assert_eq!(
            now.received - before.received,
            now.authentic - before.authentic,
            "nothing plain was asked"
        );
        assert_eq!(now.exchanges, 1, "one key exchange was enough");
    }
    let status = daemon.status();
    assert_eq!(status.nts.map(|nts| (nts.configured, nts.keyed)), Some((3, 3)));
    let text = String::from_utf8(daemon.command("sources").output().unwrap().stdout).unwrap();
    assert!(text.contains("; NTS, "), "{text}");
    daemon.terminate();
}

/// The record has no keys: what they showed stands in it, and is enough for the same decisions.
#[test]
fn a_life_with_nts_can_be_lived_again_without_its_keys() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let files = authority.certify(&Certificate::default());
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::giving_keys(&peers, &files, None)).collect();
    let statistics = authority.folder.path().join("statistics");
    let home = authority.home_with(
        servers.iter().map(Chronyd::key_exchange),
        ["125ms", "250ms"],
        &format!("[statistics]\ndir = {statistics:?}\n"),
    );
    let daemon = home.start();
    all_are_believed(&daemon, 3);
    eventually(PATIENCE, "each is asked some more", || {
        daemon.sources().sources.iter().all(|source| source.traffic.answers > 4).then_some(())
    });
    daemon.terminate();
    let record = fs::read_to_string(statistics.join("record")).unwrap();
    let count = |what: &str| record.lines().filter(|line| line.contains(what)).count();
    assert!(count(" vouched ") > 6 && count(" own ") > 6, "{record}");
    assert_eq!((count(" heard "), count(" agreed ")), (0, 3));
    let again = replay::replay(record.as_bytes(), false).unwrap();
    assert_eq!(again.difference, None);
    assert!(again.compared > 12, "{again:?}");
}

/// It is started again, with other keys of cookies: it refuses ours, and gives new ones.
#[test]
fn bad_input_49_a_chronyd_that_has_lost_its_keys_is_asked_for_new_ones() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let files = authority.certify(&Certificate::default());
    let server = Chronyd::giving_keys(&peers, &files, None);
    let (place, exchange) = (server.place, server.key_exchange());
    let home = authority.home([exchange]);
    let daemon = home.start();
    all_are_believed(&daemon, 1);
    drop(server);
    let server = Chronyd::giving_keys(&peers, &files, Some((place, exchange)));
    eventually(PATIENCE, "there are new keys", || {
        let source = daemon.sources().sources.swap_remove(0);
        let is_well = source.nts.is_some_and(|nts| nts.naks > 0) && source.reach & 0b111 == 0b111;
        (is_well && Served::by(&server).authentic > 3).then_some(())
    });
    assert_eq!(Served::by(&server).exchanges, 1, "one key exchange was enough");
    let log = daemon.process.log();
    assert!(log.contains("does not know our cookie (NTSN)"), "{log}");
    daemon.terminate();
}

#[test]
fn ntpd_gives_keys_and_is_believed_under_them() {
    let Some(peers) = place::peers() else { return };
    let Some(namespace) = Namespace::new() else { return };
    let addresses = [1, 2, 3].map(|host| Ipv4Addr::new(10, 82, 0, host));
    for address in &addresses {
        namespace.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    let authority = Authority::new();
    let names = addresses.map(|address| address.to_string()).to_vec();
    let files = authority.certify(&Certificate { names, ..Certificate::default() });
    let _ntpd = Ntpd::giving_keys(&peers, &namespace, &files);
    // An ntpd answers each address once a second at most, by and large, and takes its time to give keys.
    let places = addresses.map(|address| SocketAddr::new(address.into(), 4460));
    let home = authority.home_at(places, ["2s", "2s"]);
    let daemon = home.start_in(Some(&namespace));
    all_are_believed(&daemon, 3);
    daemon.terminate();
}

/// Neither their certificates nor their answers make a source of them, and nothing plain is asked instead.
#[test]
fn bad_inputs_33_to_36_servers_that_are_not_who_they_should_be_are_not_asked_at_all() {
    let Some(peers) = place::peers() else { return };
    let (authority, stranger) = (Authority::new(), Authority::new());
    let other_name =
        Certificate { names: vec!["127.0.0.2".into(), "localhost".into()], ..Certificate::default() };
    let expired = Certificate { validity: Validity::Ended, ..Certificate::default() };
    let cases = [
        (authority.certify(&other_name), "the certificate is for another name"),
        (authority.certify(&expired), "the certificate has expired"),
        (stranger.certify(&Certificate::default()), "from an authority that is not trusted here"),
    ];
    let servers: Vec<Chronyd> =
        cases.iter().map(|(files, _)| Chronyd::giving_keys(&peers, files, None)).collect();
    let before: Vec<Served> = servers.iter().map(Served::by).collect();
    // One more that speaks no TLS at all, and has an NTP port of the usual number of nobody.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = authority.home(servers.iter().map(Chronyd::key_exchange).chain([mute.local_addr().unwrap()]));
    let daemon = home.start();
    eventually(PATIENCE, "all are refused", || {
        let log = daemon.process.log();
        let is_refused =
            |why: &str| log.contains("warn: no keys for NTS from 127.0.0.1:") && log.contains(why);
        (cases.iter().all(|(_, why)| is_refused(why)) && is_refused("takes too long")).then_some(())
    });
    std::thread::sleep(WHILE);
    for (server, before) in servers.iter().zip(before) {
        assert_eq!(Served::by(server).received, before.received, "nothing was asked");
    }
    for source in daemon.sources().sources {
        assert_eq!((source.standing.as_str(), source.samples, source.traffic.questions), ("no keys", 0, 0));
        assert!(source.address.is_none() && source.why.is_some());
    }
    assert_eq!(daemon.status().status, Status::Unknown.to_string());
    daemon.terminate();
}

/// Their certificates are an hour old, and the clock stands twenty years ago: without a word of the operator nobody is asked;
/// with it, three that agree are believed, after each has proved itself by a certificate that is valid then.
#[test]
fn bad_input_37_chronyds_that_agree_and_prove_it_set_a_clock_before_all_certificates() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let files = authority.certify(&Certificate { validity: Validity::Fresh, ..Certificate::default() });
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::giving_keys(&peers, &files, None)).collect();
    let long_ago = || shifted(&peers, -20 * YEAR);
    let home = authority.home(servers.iter().map(Chronyd::key_exchange));
    let strict = home.start_with(None, long_ago());
    eventually(PATIENCE, "all are refused", || {
        (strict.process.log().matches("the certificate is not valid yet").count() == 3).then_some(())
    });
    std::thread::sleep(WHILE);
    assert!(strict.sources().sources.iter().all(|source| source.traffic.questions == 0));
    strict.terminate();
    let home = authority.bootstrapping(servers.iter().map(Chronyd::key_exchange));
    let daemon = home.start_with(None, long_ago());
    let is_there = |sample: &crate::truth::Sample| sample.status == Status::Synchronised;
    daemon.truth().watch_until(BOOTSTRAP, "synchronised", is_there);
    all_are_believed(&daemon, 3);
    let log = daemon.process.log();
    let told = ["asking all servers of NTS", "all keys are thrown away", "the clock was stepped by +7305 d"];
    let places = told.map(|what| log.find(what).unwrap_or_else(|| panic!("{what}: {log}")));
    assert!(places.is_sorted(), "{log}");
    daemon.terminate();
}

/// Three say the right time under certificates that ended an hour ago: what they say is not used for anything.
#[test]
fn bad_input_37_chronyds_whose_certificates_have_ended_set_no_clock_by_agreeing() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let files = authority.certify(&Certificate { validity: Validity::JustEnded, ..Certificate::default() });
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::giving_keys(&peers, &files, None)).collect();
    let home = authority.bootstrapping(servers.iter().map(Chronyd::key_exchange));
    let daemon = home.start();
    eventually(BOOTSTRAP, "they agree, and cannot prove it", || {
        daemon.process.log().contains("too few of those who said when it is").then_some(())
    });
    assert_eq!(daemon.status().status, Status::Unknown.to_string());
    assert!(daemon.truth().sample().is_none(), "no time is told");
    assert!(!daemon.process.log().contains("a majority agrees"), "{}", daemon.process.log());
    daemon.terminate();
}

/// The port of NTP beside a key exchange that fails hears nothing.
#[test]
fn a_server_without_keys_hears_nothing_at_the_port_of_ntp() {
    let authority = Authority::new();
    let ntp = UdpSocket::bind((Ipv4Addr::LOCALHOST, free_port())).unwrap();
    ntp.set_read_timeout(Some(WHILE)).unwrap();
    // Nobody takes a connection at the same number.
    let home = authority.home([ntp.local_addr().unwrap()]);
    let daemon = home.start();
    let heard = ntp.recv_from(&mut [0; 100]);
    assert!(heard.is_err(), "{heard:?}");
    let log = daemon.process.log();
    assert_eq!(log.matches("no keys for NTS").count(), 1, "told once: {log}");
    daemon.terminate();
}

#[test]
fn a_daemon_for_a_simulator_does_not_start_with_a_source_of_nts() {
    let home = Authority::new().home([place::free_place()]);
    let mut command = harmless(None);
    command
        .arg(place::truechimer())
        .args(["run", "--simulated", "--config"])
        .arg(home.path("truechimer.toml"));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(111), "{said}");
    assert!(said.contains("is asked by NTS, which takes threads, and --simulated leaves them out"), "{said}");
}

fn all_are_believed(daemon: &Daemon<'_>, count: usize) {
    let is_there = |sample: &crate::truth::Sample| sample.status == Status::Synchronised;
    daemon.truth().watch_until(PATIENCE, "synchronised", is_there);
    let sources = eventually(PATIENCE, "all are believed", || {
        let sources = daemon.sources().sources;
        sources.iter().all(|source| source.samples > 1 && source.mark == '*').then_some(sources)
    });
    assert_eq!(sources.len(), count);
    for source in sources {
        assert!(source.refused.is_empty(), "{}: {:?}", source.name, source.refused);
        let nts = source.nts.expect("it is asked by NTS");
        assert_eq!(nts.cipher.as_deref(), Some("AES-SIV-CMAC-256"));
        assert!((6..=8).contains(&nts.cookies), "{nts:?}");
        let (until, left) =
            (nts.certificate_until.expect("shown"), nts.certificate_left.expect("the time is known"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(now < until && 0.0 < left, "{nts:?}");
    }
}

/// What a chronyd says that it has done (chronyc(1), serverstats).
#[derive(Debug)]
struct Served {
    received: u32,
    exchanges: u32,
    authentic: u32,
}

impl Served {
    fn by(server: &Chronyd) -> Self {
        let report = server.report("serverstats");
        let [received, exchanges, authentic] = [0, 5, 7].map(|column| report[0][column].parse().unwrap());
        Self { received, exchanges, authentic }
    }
}

/// Who vouches for servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    ca: PathBuf,
}

/// Keys fail by the clock that is asked, by the certificate, or not at all; the doctor knows which, if others tell it the time.
#[test]
fn the_doctor_tells_a_clock_that_is_wrong_from_a_certificate_that_is() {
    let Some(peers) = place::peers() else { return };
    let authority = Authority::new();
    let examine_with = |validity, environment: Vec<(&str, OsString)>| {
        let files = authority.certify(&Certificate { validity, ..Certificate::default() });
        let keys = Chronyd::giving_keys(&peers, &files, None);
        let servers = [10.3, 20.7, 30.9].map(|ago| doctor::Server::new(1, doctor::honest(ago)));
        let folder = doctor::asking(&servers.each_ref().map(|server| server.place));
        let mut lines = fs::read_to_string(folder.path().join("chrony.conf")).unwrap();
        let port = keys.key_exchange().port();
        lines +=
            &format!("server 127.0.0.1 nts ntsport {port}\nntstrustedcerts {}\n", authority.ca.display());
        fs::write(folder.path().join("chrony.conf"), lines).unwrap();
        let mut command = doctor::asks(&folder);
        command.envs(environment);
        doctor::examine(command, "nts")
    };
    is_told(&examine_with(Validity::Fresh, Vec::new()), "fine", "keys were agreed on with");
    let behind = examine_with(Validity::Fresh, shifted(&peers, -400 * 86_400));
    is_told(&behind, "wrong", "is not valid yet by this clock: the clock is wrong, by 400.0 d");
    let ahead = examine_with(Validity::Fresh, shifted(&peers, 67 * YEAR));
    is_told(&ahead, "wrong", "has expired by this clock: the clock is wrong, by 24471 d");
    let just_ended = examine_with(Validity::JustEnded, Vec::new());
    is_told(&just_ended, "wrong", "has expired by this clock: the clock is right, say the other sources");
    is_told(&examine_with(Validity::Ended, Vec::new()), "wrong", "no keys from");
}

/// What a server's certificate says.
struct Certificate {
    names: Vec<String>,
    validity: Validity,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
enum Validity {
    /// For decades before and after.
    Long,
    /// Not any more, for years.
    Ended,
    /// Since an hour ago.
    Fresh,
    /// Until an hour ago.
    JustEnded,
}

impl Default for Certificate {
    fn default() -> Self {
        Self { names: vec![IpAddr::from(Ipv4Addr::LOCALHOST).to_string()], validity: Validity::Long }
    }
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::Builder::new().prefix("truechimer-nts-").tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder, ca }
    }

    fn certify(&self, certificate: &Certificate) -> NtsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(certificate.names.clone()).unwrap();
        let (first, last) = (date_time_ymd(2020, 1, 1), date_time_ymd(2090, 1, 1));
        let an_hour_ago = (SystemTime::now() - Duration::from_secs(3600)).into();
        (params.not_before, params.not_after) = match certificate.validity {
            Validity::Long => (first, last),
            Validity::Ended => (first, date_time_ymd(2021, 1, 1)),
            Validity::Fresh => (an_hour_ago, last),
            Validity::JustEnded => (first, an_hour_ago),
        };
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let path = |kind: &str| self.folder.path().join(format!("{number}.{kind}"));
        let files = NtsFiles { certificate: path("pem"), key: path("key") };
        fs::write(&files.certificate, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// A home whose daemon asks for keys at these places, as often as it likes.
    fn home(&self, places: impl IntoIterator<Item = SocketAddr>) -> Home {
        self.home_at(places, ["125ms", "250ms"])
    }

    /// The same, and three of them may be believed for the time being where no certificate is valid.
    fn bootstrapping(&self, places: impl IntoIterator<Item = SocketAddr>) -> Home {
        self.home_with(places, ["125ms", "250ms"], "[select]\nnts_bootstrap = 3\n")
    }

    fn home_at(&self, places: impl IntoIterator<Item = SocketAddr>, intervals: [&str; 2]) -> Home {
        self.home_with(places, intervals, "")
    }

    fn home_with(
        &self,
        places: impl IntoIterator<Item = SocketAddr>,
        intervals: [&str; 2],
        more: &str,
    ) -> Home {
        let [least, most] = intervals;
        let table = |place: SocketAddr| {
            format!(
                "[[source]]\naddress = \"{place}\"\nkind = \"nts\"\nca = {:?}\nmin_interval = \"{least}\"\n\
                 max_interval = \"{most}\"\nburst = 8\n",
                self.ca
            )
        };
        let serve = places.into_iter().map(table).chain([more.to_owned()]).collect();
        Home::new(&Wishes { serve, ..Wishes::asking([]) })
    }
}
