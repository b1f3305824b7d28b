//! `truechimer doctor` among real ills: clocks that run away, servers that are not who they seem, daemons that are too many or stopped.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::place::{self, eventually, free_port, truechimer};

const PATIENCE: Duration = Duration::from_secs(90);

/// Seconds from 1900 to 1970 (RFC 868).
const TO_1970: f64 = 2_208_988_800.0;

/// What a server says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    reference_id: [u8; 4],
    /// When its clock was last set.
    set_at: f64,
    /// By how much its clock is ahead, in seconds.
    ahead: f64,
    /// And by how much more with each second, in millionths.
    gains: f64,
    /// The answer leaves from another address than the one that was asked.
    is_elsewhere: bool,
    /// Longer questions are dropped.
    longest: usize,
    /// So much longer is the way back.
    way_back: Duration,
}

/// A server of this machine's clock at one address of loopback, which ends with this value.
pub(crate) struct Server {
    pub(crate) place: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// At 127.0.0.`last`.
    pub(crate) fn new(last: u8, says: Says) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, last], free_port()))).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let place = socket.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        let thread = thread::spawn(move || serve(&socket, says, &over));
        Self { place, ends, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// An honest server whose clock was set so many seconds ago.
pub(crate) fn honest(seconds: f64) -> Says {
    Says {
        reference_id: [192, 0, 2, 1],
        set_at: now() - seconds,
        ahead: 0.0,
        gains: 0.0,
        is_elsewhere: false,
        longest: 1024,
        way_back: Duration::ZERO,
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + TO_1970
}

fn stamp(seconds: f64) -> [u8; 8] {
    let whole = seconds.floor();
    let fraction = ((seconds - whole) * 4_294_967_296.0) as u32;
    ((whole as u64) << 32 | u64::from(fraction)).to_be_bytes()
}

fn serve(socket: &UdpSocket, says: Says, over: &AtomicBool) {
    let begun = now();
    let shown = || now() + says.ahead + (now() - begun) * says.gains * 1e-6;
    while !over.load(Ordering::Relaxed) {
        let mut question = [0; 1500];
        let Ok((len, from)) = socket.recv_from(&mut question) else { continue };
        let time = stamp(shown());
        if len < 48 || says.longest < len {
            continue;
        }
        let mut answer = [0; 48];
        answer[..4].copy_from_slice(&[0x24, 3, 6, 0xec]);
        answer[12..16].copy_from_slice(&says.reference_id);
        answer[16..24].copy_from_slice(&stamp(says.set_at));
        answer[24..32].copy_from_slice(&question[40..48]);
        answer[32..40].copy_from_slice(&time);
        answer[40..48].copy_from_slice(&stamp(shown()));
        thread::sleep(says.way_back);
        // Who has gone in the meantime hears nothing.
        match says.is_elsewhere {
            false => drop(socket.send_to(&answer, from)),
            true => drop(UdpSocket::bind("127.0.0.99:0").unwrap().send_to(&answer, from)),
        }
    }
}

/// A configuration of chronyd that asks these.
pub(crate) fn asking(places: &[SocketAddr]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let line = |place: &SocketAddr| format!("server {} port {} iburst\n", place.ip(), place.port());
    let lines: String = places.iter().map(line).collect();
    fs::write(folder.path().join("chrony.conf"), lines).unwrap();
    folder
}

/// The findings of a run: verdict and words.
pub(crate) fn examine(mut command: Command, only: &str) -> Vec<(String, String)> {
    let output = command.args(["doctor", "--json", "--for", "3s", "--only", only]).output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = report["findings"].as_array().expect("findings").iter();
    let findings: Vec<_> = rows.map(|row| (text(row, "verdict"), text(row, "words"))).collect();
    let is_ill = findings.iter().any(|(verdict, _)| verdict == "wrong" || verdict == "risky");
    assert_eq!(report["healthy"], !is_ill, "{report}");
    let is_seen = findings.iter().any(|(verdict, _)| verdict != "unseen");
    let expected = if is_ill {
        1
    } else if is_seen {
        0
    } else {
        111
    };
    assert_eq!(output.status.code(), Some(expected), "{report}");
    findings
}

/// The same of a machine that is configured to ask these.
fn examine_asking(servers: &[&Server], only: &str) -> Vec<(String, String)> {
    let places: Vec<SocketAddr> = servers.iter().map(|server| server.place).collect();
    let folder = asking(&places);
    examine(asks(&folder), only)
}

/// The program, which will be given its subcommand, with this configuration at the end of its line.
pub(crate) fn asks(folder: &TempDir) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "program=$1 file=$2; shift 2; exec \"$program\" \"$@\" --config \"$file\"", "sh"]);
    command.arg(truechimer()).arg(folder.path().join("chrony.conf"));
    command
}

#[track_caller]
pub(crate) fn is_told(findings: &[(String, String)], verdict: &str, words: &str) {
    let found = findings.iter().any(|(is, said)| is == verdict && said.contains(words));
    assert!(found, "no {verdict} {words:?} in {findings:#?}");
}

#[test]
fn sources_that_are_different_servers_and_agree_are_healthy() {
    let servers = [Server::new(1, honest(10.3)), Server::new(2, honest(20.7)), Server::new(3, honest(30.9))];
    let checks = "way,intercepted,operators,smear,asymmetry,offset";
    let findings = examine_asking(&servers.each_ref(), checks);
    assert!(findings.iter().all(|(verdict, _)| verdict == "fine"), "{findings:#?}");
}

#[test]
fn one_server_in_the_name_of_three_is_seen() {
    let one = honest(10.3);
    let servers = [Server::new(1, one), Server::new(2, one), Server::new(3, one)];
    let findings = examine_asking(&servers.each_ref(), "intercepted");
    is_told(&findings, "wrong", "are one server");
}

#[test]
fn who_answers_in_the_place_of_another_is_named() {
    let elsewhere = Server::new(1, Says { is_elsewhere: true, ..honest(10.3) });
    let findings = examine_asking(&[&elsewhere], "intercepted");
    is_told(&findings, "wrong", "127.0.0.99 answers in its place");
}

#[test]
fn a_server_that_smears_among_others_is_told_with_its_distance() {
    let smeared = Says { reference_id: [254, 0x7a, 0xe1, 0x48], ahead: 0.25, ..honest(10.3) };
    let servers = [Server::new(1, smeared), Server::new(2, honest(20.7)), Server::new(3, honest(30.9))];
    let findings = examine_asking(&servers.each_ref(), "smear,offset");
    is_told(&findings, "wrong", "smears leap seconds");
    is_told(&findings, "wrong", "ahead of the majority: it tells a wrong time");
}

#[test]
fn a_way_back_that_is_longer_than_the_way_there_is_suspected() {
    let far = Says { way_back: Duration::from_millis(100), ..honest(10.3) };
    let servers = [Server::new(1, far), Server::new(2, honest(20.7)), Server::new(3, honest(30.9))];
    let findings = examine_asking(&servers.each_ref(), "asymmetry");
    is_told(&findings, "risky", "one direction is about 1");
    is_told(&findings, "risky", &format!("{} tells -", servers[0].place));
}

#[test]
fn silence_of_all_is_a_filter_and_an_answer_of_nobody_is_not() {
    let mute = [
        Server::new(1, Says { longest: 0, ..honest(1.1) }),
        Server::new(2, Says { longest: 0, ..honest(1.1) }),
    ];
    is_told(&examine_asking(&mute.each_ref(), "way"), "wrong", "UDP port 123 is filtered");
    let nobody = [SocketAddr::from(([127, 0, 0, 1], free_port()))];
    let folder = asking(&nobody);
    let findings = examine(asks(&folder), "way");
    assert!(findings.iter().all(|(_, words)| !words.contains("filtered")), "{findings:?}");
    is_told(&findings, "wrong", "nobody listens at that port");
}

/// The real binary, shown a clock that runs 620 ppm fast; of the kernel and the raw counter nothing is faked.
#[test]
fn a_clock_that_is_set_over_and_over_is_told_by_its_rate_against_the_counter() {
    let Some(peers) = place::peers() else { return };
    let library = peers.join("usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    assert!(library.exists(), "libfaketime is among the peers");
    let folder = asking(&[]);
    let mut command = asks(&folder);
    command
        .env("LD_PRELOAD", &library)
        .env("FAKETIME", "+0 x1.00062")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    is_told(&examine(command, "rate"), "wrong", "the clock gains 620 ppm on the raw counter");
}

/// Three servers whose clocks gain 620 ppm on this machine's: to them it is this one that loses.
#[test]
fn a_clock_that_runs_away_from_its_sources_will_never_catch_up() {
    let runs = |seconds| Says { gains: 620.0, ..honest(seconds) };
    let servers = [Server::new(1, runs(10.3)), Server::new(2, runs(20.7)), Server::new(3, runs(30.9))];
    // A busy machine makes ways longer, and the rate less certain.
    eventually(PATIENCE, "the rate is told", || {
        let findings = examine_asking(&servers.each_ref(), "rate");
        let told = |(verdict, said): &(String, String)| {
            verdict == "wrong" && said.starts_with("losing 6") && said.contains("will never catch up")
        };
        findings.iter().any(told).then_some(())
    });
}

/// A process under the name of a daemon that has all rights of a user namespace of its own, and so none over this machine's clock.
struct Daemon {
    child: Child,
}

impl Daemon {
    fn new(folder: &Path, name: &str) -> Self {
        let program = folder.join(name);
        fs::copy("/bin/sleep", &program).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user"])
            .arg(&program)
            .arg("600")
            .stdin(Stdio::null())
            .process_group(0);
        let child = command.spawn().expect("util-linux is installed");
        let comm = format!("/proc/{}/comm", child.id());
        eventually(PATIENCE, "it has its name", || {
            fs::read_to_string(&comm).is_ok_and(|seen| seen.trim() == name).then_some(())
        });
        Self { child }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(pid).status().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_second_daemon_and_one_that_is_stopped_are_told() {
    let possible = Command::new("unshare").args(["--user", "--map-root-user", "true"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        place::not_tested("daemons in a user namespace of their own");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (Daemon::new(folder.path(), "ntp-daemon"), Daemon::new(folder.path(), "clockspeed"));
    let findings = examine(Command::new(truechimer()), "writers,keeper");
    let named = [&first, &second].map(|daemon| format!("(process {})", daemon.child.id()));
    is_told(&findings, "wrong", "both may set the clock");
    second.signal("STOP");
    let status = format!("/proc/{}/status", second.child.id());
    eventually(PATIENCE, "it is stopped", || {
        fs::read_to_string(&status).unwrap().contains("State:\tT").then_some(())
    });
    let findings = examine(Command::new(truechimer()), "keeper");
    is_told(&findings, "wrong", &format!("clockspeed {} is stopped", named[1]));
}

#[test]
fn watching_goes_on_and_tells_what_changes() {
    let server = Server::new(1, honest(10.3));
    let folder = asking(&[server.place]);
    let log = folder.path().join("log");
    let mut command = asks(&folder);
    command.args(["doctor", "--only", "way", "--for", "1s", "--watch", "1s"]);
    command.stdout(fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let seen = |words: &str| fs::read_to_string(&log).unwrap().contains(words).then_some(());
    eventually(PATIENCE, "the first report", || seen("the source answers by NTP"));
    drop(server);
    eventually(PATIENCE, "that it is silent now", || seen("+ WRONG"));
    child.kill().unwrap();
    child.wait().unwrap();
    let told = fs::read_to_string(&log).unwrap();
    assert_eq!(told.matches("the source answers by NTP").count(), 1, "{told}");
}
