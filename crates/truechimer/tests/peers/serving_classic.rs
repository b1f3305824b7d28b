//! TAICLOCK and TIME, served by the daemon to our own programs and to Debian's rdate.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truechimer_core::classic::record;
use truechimer_core::status::Status;
use truechimer_core::wire::time37::Value;
use truechimer_time::{Civil, LeapTable};

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::namespace::Namespace;
use crate::ntp::{self, CLIENT};
use crate::place::{self, free_place, truechimer};
use crate::process::harmless;

const PATIENCE: Duration = Duration::from_secs(20);

/// On loopback nothing is further away than this, in seconds.
const NEAR: f64 = 5e-3;

/// An answer on loopback that has not come after this is not coming.
const SILENCE: Duration = Duration::from_millis(300);

/// Seconds from 1900 to 1970 (RFC 868).
const TO_1970: u64 = 2_208_988_800;

const TAICLOCK: &[u8] = b"ctai................unguessable!";

/// Where each protocol is spoken.
struct Places {
    ntp: SocketAddr,
    taiclock: SocketAddr,
    time: SocketAddr,
}

impl Places {
    fn free() -> Self {
        Self { ntp: free_place(), taiclock: free_place(), time: free_place() }
    }

    fn home(&self, more: &str, sources: impl IntoIterator<Item = SocketAddr>) -> Home {
        let Self { ntp, taiclock, time } = self;
        let serve =
            format!("[serve]\nntp = [\"{ntp}\"]\ntaiclock = [\"{taiclock}\"]\ntime = [\"{time}\"]\n{more}");
        Home::new(&Wishes { serve, ..Wishes::asking(sources) })
    }
}

fn ask(question: &[u8], place: SocketAddr) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket.send_to(question, place).unwrap();
    let mut answer = [0; 2048];
    let len = socket.recv(&mut answer).ok()?;
    Some(answer[..len].to_vec())
}

/// What is said by a connection, until it is closed.
fn connect(place: SocketAddr) -> Vec<u8> {
    let mut said = Vec::new();
    TcpStream::connect(place).unwrap().read_to_end(&mut said).unwrap();
    said
}

#[track_caller]
fn is_now(value: &[u8]) {
    assert_eq!(value.len(), 4, "{value:?}");
    let told = u32::from_be_bytes(Value::read(value).unwrap().bytes());
    let now = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + TO_1970) as u32;
    assert!(now.wrapping_sub(told) <= 2, "{told} instead of {now}");
}

fn silent(daemon: &Daemon<'_>, reason: &str) -> u64 {
    let silent = daemon.status().server.expect("it serves").silent;
    silent.iter().find(|(why, _)| why == reason).map_or(0, |(_, count)| *count)
}

#[test]
fn bad_input_73_who_knows_no_time_says_nothing_by_taiclock_and_time() {
    let places = Places::free();
    let home = places.home("", [free_place()]);
    let daemon = home.start();
    assert!(ask(&ntp::question(CLIENT, 1), places.ntp).is_some(), "NTP says that it does not know");
    assert_eq!(ask(TAICLOCK, places.taiclock), None);
    assert_eq!(ask(b"", places.time), None);
    assert_eq!(connect(places.time), b"");
    assert_eq!(silent(&daemon, "unsynchronised"), 3);
    daemon.terminate();
}

/// A list that lacks nothing, and whose makers promised nothing for today.
fn expired_list(folder: &Path) -> String {
    let file = folder.join("leapseconds");
    let leap = |midnight: Civil| {
        let Civil { year, month, .. } = midnight;
        let (year, month, day) = if month == 1 { (year - 1, "Dec", 31) } else { (year, "Jun", 30) };
        format!("Leap\t{year}\t{month}\t{day}\t23:59:60\t+\tS\n")
    };
    let leaps: String = LeapTable::COMPILED.leaps().iter().map(|it| leap(Civil::of(it.midnight()))).collect();
    fs::write(&file, leaps + "#updated 1483228800\n#expires 1751328000\n").unwrap();
    format!("[leap]\nfile = {file:?}\n")
}

#[test]
fn bad_input_83_no_tai_is_told_by_a_list_of_leap_seconds_that_has_expired() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let places = Places::free();
    let folder = tempfile::tempdir().unwrap();
    let home = places.home(&expired_list(folder.path()), servers.iter().map(|server| server.place));
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    assert_eq!(ask(TAICLOCK, places.taiclock), None);
    is_now(&connect(places.time));
    assert!(daemon.process.log().contains("leap seconds has expired"), "{}", daemon.process.log());
    daemon.terminate();
}

#[test]
fn all_three_protocols_tell_the_time_and_count_their_clients_together() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let places = Places::free();
    let home = places.home("workers = 3\n", servers.iter().map(|server| server.place));
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);

    let measured = |program: &str, place: SocketAddr| {
        let output = harmless(None)
            .arg(truechimer())
            .args([program, "--burst", "--kernel", "utc", &place.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        record::read(&output.stdout).unwrap().span().as_seconds()
    };
    let by_taiclock = measured("taiclock", places.taiclock);
    assert!(by_taiclock.abs() < NEAR, "{by_taiclock}");
    let by_ntp = measured("sntpclock", places.ntp);
    assert!(by_ntp.abs() < NEAR, "{by_ntp}");
    let answer = ask(TAICLOCK, places.taiclock).expect("an answer");
    assert_eq!((answer.len(), &answer[..4], &answer[20..]), (32, &b"stai"[..], &b"unguessable!"[..]));
    is_now(&ask(b"", places.time).expect("an answer"));
    is_now(&connect(places.time));
    assert_eq!(ask(b"", places.time), None, "once a second");

    let server = daemon.status().server.expect("it serves");
    let (taiclock, time) = (server.taiclock.expect("served"), server.time.expect("served"));
    assert_eq!((taiclock.listening, taiclock.answered), (vec![places.taiclock], 11));
    assert_eq!((time.listening, time.answered), (vec![places.time], 2));
    let listed = String::from_utf8(daemon.command("clients").output().unwrap().stdout).unwrap();
    let all: Vec<&str> = listed.lines().skip(1).collect();
    assert_eq!(all.len(), 1, "one client, whatever it speaks: {listed}");
    let asked: u64 = all[0].split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(asked, server.answered + 1, "{listed}");
    daemon.terminate();
}

/// Bad inputs 67 and 88: connections too are limited, by what was asked in any protocol.
#[test]
fn bad_inputs_67_88_who_connects_too_often_is_sent_away_without_a_word() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let places = Places::free();
    let more = "workers = 2\nlimit_interval = \"10s\"\nlimit_burst = 10\n";
    let home = places.home(more, servers.iter().map(|server| server.place));
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    for _ in 0..8 {
        assert!(ask(TAICLOCK, places.taiclock).is_some());
    }
    let said: Vec<Vec<u8>> = (0..200).map(|_| connect(places.time)).collect();
    said.iter().filter(|said| !said.is_empty()).for_each(|value| is_now(value));
    let told = said.iter().filter(|said| !said.is_empty()).count() as u64;
    let server = daemon.status().server.expect("it serves");
    assert_eq!(told, 2 + server.leaked, "{server:?}");
    assert_eq!(silent(&daemon, "limited"), 200 - told);
    assert!((20..90).contains(&server.leaked), "{server:?}");
    daemon.terminate();
}

/// Who says nothing and does not go hinders nobody.
#[test]
fn bad_input_88_idle_connections_hinder_nobody() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let places = Places::free();
    let home = places.home("limit_interval = \"0s\"\n", servers.iter().map(|server| server.place));
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(places.time).unwrap()).collect();
    is_now(&connect(places.time));
    assert!(ask(TAICLOCK, places.taiclock).is_some());
    assert!(ask(&ntp::question(CLIENT, 1), places.ntp).is_some());
    drop(idle);
    daemon.terminate();
}

/// Debian's rdate knows no port but 37.
#[test]
fn debians_rdate_understands_the_daemon() {
    let Some(peers) = place::peers() else { return };
    let Some(namespace) = Namespace::new() else { return };
    let servers =
        [2, 3, 4].map(|host| Chronyd::in_network(&peers, &namespace, Ipv4Addr::new(127, 0, 0, host)));
    let serve =
        "[serve]\ntime = [\"0.0.0.0\", \"[::]\"]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n".to_owned();
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start_in(Some(&namespace));
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    let rdate = |options: &str, host: &str| -> Output {
        let mut command = harmless(Some(&namespace));
        command.arg(peers.join("usr/sbin/rdate")).env("TZ", "UTC");
        command.args([options, host]).output().unwrap()
    };
    for (options, host) in [("-pv", "127.0.0.1"), ("-puv", "127.0.0.1"), ("-pv", "::1"), ("-puv", "::1")] {
        let output = rdate(options, host);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let by = said.trim_end().rsplit_once("adjust local clock by ").expect("the sentence").1;
        let by: f64 = by.strip_suffix(" seconds").expect("a unit").parse().unwrap();
        assert!(by.abs() <= 1.0, "{options} {host}: {said}");
    }
    let time = daemon.status().server.and_then(|server| server.time).expect("it is served");
    assert_eq!(time.answered, 4);
    daemon.terminate();
}
