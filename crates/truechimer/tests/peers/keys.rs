//! Sources that share a key with us: real servers with each type of key, and servers that do not have it.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use truechimer::talk::SourceReply;
use truechimer_core::status::Status;
use truechimer_core::wire::mac::{Key, KeyKind};
use truechimer_time::Span;

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::namespace::Namespace;
use crate::ntp;
use crate::ntpd::Ntpd;
use crate::place::{self, eventually, free_place, truechimer};
use crate::process::harmless;

const PATIENCE: Duration = Duration::from_secs(25);

/// What is not believed in so long is not believed.
const WHILE: Duration = Duration::from_secs(3);

/// Each type once, as chronyd has them.
const CHRONYDS: &str = "1 AES128 HEX:000102030405060708090A0B0C0D0E0F\n\
    2 AES256 HEX:000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n\
    3 SHA256 HEX:202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F\n\
    4 SHA1 ASCII:correct#horse#battery\n\
    5 MD5 hunter2\n";

/// The same as ntpd has them. It has no way to write a # within a text.
const NTPDS: &str = "1 AES 000102030405060708090a0b0c0d0e0f\n\
    2 AES-256 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\
    3 SHA256 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f # text\n\
    4 SHA-1 2b7e151628aed2a6abf7158809cf4f3c01234567\n\
    5 MD5 hunter2\n";

/// A file of keys that is ours alone.
struct KeysFile {
    _folder: TempDir,
    path: PathBuf,
}

impl KeysFile {
    fn new(text: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-keys-").tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self { _folder: folder, path }
    }

    /// A home whose daemon asks at these places, each with its key, as often as it likes.
    fn home(&self, sources: impl IntoIterator<Item = (SocketAddr, u32)>) -> Home {
        self.home_at(sources, ["125ms", "250ms"])
    }

    fn home_at(&self, sources: impl IntoIterator<Item = (SocketAddr, u32)>, intervals: [&str; 2]) -> Home {
        let [least, most] = intervals;
        let table = |(place, key): (SocketAddr, u32)| {
            format!(
                "[[source]]\naddress = \"{place}\"\nkey = {key}\nmin_interval = \"{least}\"\n\
                 max_interval = \"{most}\"\nburst = 8\n"
            )
        };
        let sources: String = sources.into_iter().map(table).collect();
        let serve = format!("[keys]\nfile = {:?}\n{sources}", self.path);
        Home::new(&Wishes { serve, ..Wishes::asking([]) })
    }
}

#[test]
fn debians_chronyd_is_believed_with_each_type_of_key() {
    let Some(peers) = place::peers() else { return };
    let keys = KeysFile::new(CHRONYDS);
    let servers: Vec<Chronyd> = (0..5).map(|_| Chronyd::sharing(&peers, &keys.path)).collect();
    let home = keys.home(servers.iter().map(|server| server.place).zip(1..));
    let daemon = home.start();
    all_are_believed(&daemon);
    for server in &servers {
        // chronyc(1), serverstats: the eighth column counts authenticated packets.
        let report = server.report("serverstats");
        assert!(report[0][7].parse::<u32>().is_ok_and(|count| count > 0), "{report:?}");
    }
    let log = daemon.process.log();
    let warning = "warn: keys for old peers only, MD5 or SHA-1: 4, 5; ";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert!(!log.contains("hunter2") && !log.contains("horse"), "{log}");
    daemon.terminate();
}

#[test]
fn ntpd_is_believed_with_each_type_of_key() {
    let Some(peers) = place::peers() else { return };
    let Some(namespace) = Namespace::new() else { return };
    let addresses = [1, 2, 3, 4, 5].map(|host| format!("10.82.0.{host}"));
    for address in &addresses {
        namespace.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    let keys = KeysFile::new(NTPDS);
    let _ntpd = Ntpd::sharing(&peers, &namespace, &keys.path);
    eventually(PATIENCE, "ntpd serves", || {
        let mut query = namespace.command(truechimer());
        query
            .args(["query", "--samples", "1"])
            .args(&addresses)
            .output()
            .unwrap()
            .status
            .success()
            .then_some(())
    });
    let places = addresses.map(|address| SocketAddr::new(address.parse().unwrap(), 123));
    // An ntpd answers each address once a second at most, by and large.
    let home = keys.home_at(places.into_iter().zip(1..), ["2s", "2s"]);
    let daemon = home.start_in(Some(&namespace));
    all_are_believed(&daemon);
    daemon.terminate();
}

fn all_are_believed(daemon: &Daemon<'_>) {
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    let sources = eventually(PATIENCE, "all five are believed", || {
        let sources = daemon.sources().sources;
        sources.iter().all(|source| source.samples > 1 && source.mark == '*').then_some(sources)
    });
    for SourceReply { name, refused, .. } in &sources {
        assert!(refused.is_empty(), "{name}: {refused:?}");
    }
    assert_eq!(sources.len(), 5);
}

/// Another secret, another type, a key that the server does not have: it says nothing, and nothing is believed.
#[test]
fn a_chronyd_without_our_key_is_not_believed() {
    let Some(peers) = place::peers() else { return };
    let ours = KeysFile::new(CHRONYDS);
    let others = [
        "1 AES128 HEX:000102030405060708090A0B0C0D0E00\n",
        "1 MD5 HEX:000102030405060708090A0B0C0D0E0F\n",
        "6 AES128 HEX:000102030405060708090A0B0C0D0E0F\n",
    ]
    .map(KeysFile::new);
    let strangers: Vec<Chronyd> = others.iter().map(|keys| Chronyd::sharing(&peers, &keys.path)).collect();
    let friend = Chronyd::sharing(&peers, &ours.path);
    let home = ours.home(strangers.iter().chain([&friend]).map(|server| (server.place, 1)));
    let daemon = home.start();
    eventually(PATIENCE, "the others are found dead", || {
        (daemon.process.log().matches("has not answered its last 8 polls").count() >= 3).then_some(())
    });
    let sources = daemon.sources().sources;
    for source in &sources[..3] {
        assert_eq!((source.samples, source.reach), (0, 0), "{}: {:?}", source.name, source.refused);
    }
    assert!(sources[3].samples > 1, "who has the key is heard");
    assert_eq!(daemon.status().status, Status::Unknown.to_string(), "one of four is no majority");
    daemon.terminate();
}

/// Who is on the way sees the question and gives its random bits back, has keys of other servers of ours, and is a
/// thousand seconds ahead; the server answers last.
#[test]
fn bad_inputs_09_to_14_only_the_key_of_this_server_speaks_for_it() {
    let lines: String = (7..10).map(|id| format!("{id} AES128 HEX:{id:032X}\n")).collect();
    let keys = KeysFile::new(&lines);
    let servers: Vec<Besieged> = (7..10).map(Besieged::start).collect();
    let home = keys.home(servers.iter().map(|server| server.place).zip(7..));
    let daemon = home.start();
    let is_right = |sample: &crate::truth::Sample| {
        sample.status == Status::Synchronised && sample.error.abs() < Span::from_millis(5)
    };
    daemon.truth().watch_until(PATIENCE, "synchronised", is_right);
    assert!(daemon.truth().watch(WHILE).iter().all(is_right));
    for source in daemon.sources().sources {
        let count =
            |reason: &str| source.refused.iter().find(|(known, _)| known == reason).map(|(_, count)| *count);
        for reason in ["missing_mac", "crypto_nak", "other_key", "wrong_mac", "mac_length"] {
            assert!(count(reason) >= Some(8), "{}: {reason}: {:?}", source.name, source.refused);
        }
        assert!(source.samples > 1 && source.mark == '*', "{}", source.name);
    }
    daemon.terminate();
    for server in servers {
        assert!(server.end() > 8);
    }
}

/// A server with a key, and somebody before it who answers first.
struct Besieged {
    place: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Besieged {
    fn start(id: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let place = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || besieged(&socket, id, &over));
        Self { place, is_over, thread }
    }

    /// Ends it. How many sealed questions it has answered.
    fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn besieged(socket: &UdpSocket, id: u32, is_over: &AtomicBool) -> usize {
    let key = key(id, KeyKind::Aes128, id);
    let (mut answered, mut question) = (0, [0; 100]);
    // A test has ended long before a server has seen so many, even one that has panicked.
    while !is_over.load(Ordering::Relaxed) && answered < 10_000 {
        let Ok((len, from)) = socket.recv_from(&mut question) else { continue };
        let header: &[u8; 48] = question.first_chunk().unwrap();
        if len != 68 || !key.verify(header, &question[52..len]) {
            continue;
        }
        let answer = ntp::answer(header);
        // The asker is gone after a while: then the kernel says so, and that is not of interest.
        for forged in forgeries(&answer, id) {
            let _ = socket.send_to(&forged, from);
        }
        let _ = socket.send_to(key.seal(&answer).as_bytes(), from);
        answered += 1;
    }
    answered
}

/// Bad inputs 9 to 14, in this order, of an answer under this key.
fn forgeries(answer: &[u8; 48], id: u32) -> Vec<Vec<u8>> {
    let mut ahead = *answer;
    for stamp in [16, 32, 40] {
        let seconds = u32::from_be_bytes(ahead[stamp..stamp + 4].try_into().unwrap());
        ahead[stamp..stamp + 4].copy_from_slice(&(seconds + 1000).to_be_bytes());
    }
    let other_of_ours = if id == 9 { 7 } else { id + 1 };
    let sealed = |id, kind, secret| key(id, kind, secret).seal(&ahead).as_bytes().to_vec();
    let mut wrong_in_its_last_byte = key(id, KeyKind::Aes128, id).seal(answer).as_bytes().to_vec();
    *wrong_in_its_last_byte.last_mut().unwrap() ^= 1;
    let mut forged = vec![
        ahead.to_vec(),
        [&ahead[..], &[0; 4]].concat(),
        sealed(other_of_ours, KeyKind::Aes128, other_of_ours),
        sealed(id, KeyKind::Sha1, id),
        sealed(id, KeyKind::Aes128, other_of_ours),
        wrong_in_its_last_byte,
        sealed(99, KeyKind::Aes128, id),
    ];
    forged.extend([1, 3, 5, 19, 21, 23, 25].map(|length| [&ahead[..], &[0x5a; 25][..length]].concat()));
    forged
}

/// A key whose secret is a number, written as the file above does.
fn key(id: u32, kind: KeyKind, secret: u32) -> Key {
    Key::new(id, kind, u128::from(secret).to_be_bytes().to_vec()).unwrap()
}

#[test]
fn bad_input_126_a_daemon_does_not_start_with_keys_that_others_can_read() {
    let keys = KeysFile::new(CHRONYDS);
    fs::set_permissions(&keys.path, fs::Permissions::from_mode(0o644)).unwrap();
    let home = keys.home([(place::free_place(), 1)]);
    for arguments in [&["run", "--config"][..], &["config", "check"]] {
        let mut command = harmless(None);
        let output =
            command.arg(truechimer()).args(arguments).arg(home.path("truechimer.toml")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 111)), "{arguments:?}: {said}");
        assert!(said.contains("is open to others than its owner (mode 0644)"), "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn debians_chronyd_believes_us_with_each_type_of_key_and_with_no_other() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let (ours, place) = (KeysFile::new(CHRONYDS), free_place());
    let granted: String =
        (1..=5).map(|id| format!("[[serve.key]]\nid = {id}\nallow = [\"127.0.0.1/32\"]\n")).collect();
    let serve = format!("[keys]\nfile = {:?}\n[serve]\nntp = [\"{place}\"]\n{granted}", ours.path);
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    let clients: Vec<Chronyd> =
        (1..=5).map(|id| Chronyd::asking_under(&peers, place, id, &ours.path)).collect();
    let others = KeysFile::new("1 AES128 HEX:FF0102030405060708090A0B0C0D0E0F\n6 MD5 hunter3\n");
    let strangers = [1, 6].map(|id| Chronyd::asking_under(&peers, place, id, &others.path));
    let is_selected =
        |client: &Chronyd| client.report("sources").first().is_some_and(|source| source[1] == "*");
    eventually(PATIENCE, "all five select us", || clients.iter().all(is_selected).then_some(()));
    let server = daemon.status().server.expect("it serves");
    assert!(server.sealed >= 5 && server.sealed == server.answered, "{server:?}");
    for why in ["wrong_mac", "unknown_key"] {
        assert!(server.silent.iter().any(|(reason, count)| reason == why && *count > 0), "{why}: {server:?}");
    }
    assert!(!strangers.iter().any(is_selected));
    daemon.terminate();
}
