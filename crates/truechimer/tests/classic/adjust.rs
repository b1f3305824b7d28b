//! `clockadjust`: the service against servers on loopback, each scene one of those in which the original's scripts failed.
//! Waits are short; no test sets a clock.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use truechimer::config::Config;
use truechimer_time::Span;

use crate::add::{harmless, recorder};
use crate::peer::{Peer, announced, honest, ntp, tai};
use crate::{assert_about, format, run, text};

/// A machine that has other things to do still gets this far.
const PATIENCE: Duration = Duration::from_secs(90);

/// The folder of a clockspeed that is not there, and a configuration.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// With a fifo that nobody reads.
    fn new(config: &str) -> Self {
        let scene = Self { folder: tempfile::tempdir().expect("a folder") };
        assert!(Command::new("mkfifo").arg(scene.fifo()).status().expect("mkfifo is there").success());
        scene.configure(config);
        scene
    }

    /// What `[classic]` needs here is added to it.
    fn configure(&self, config: &str) {
        let (folder, classic) = (self.folder.path().display(), "[classic]\n");
        let classic = format!("{classic}home = \"{folder}\"\nstatus = \"{folder}/status\"\n");
        let whole = match config.contains("[classic]\n") {
            true => config.replace("[classic]\n", &classic),
            false => format!("{config}{classic}"),
        };
        let whole = format!("{whole}[state]\ndir = \"{folder}/state\"\n");
        fs::write(self.config(), whole).expect("a file");
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("truechimer.toml")
    }

    fn fifo(&self) -> PathBuf {
        self.folder.path().join("adjust")
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut all = vec!["--config".to_owned(), self.config().display().to_string()];
        all.extend(more.iter().map(|argument| (*argument).to_owned()));
        all
    }

    fn ended(&self, more: &[&str]) -> Output {
        let arguments = self.arguments(more);
        run("clockadjust", &arguments.iter().map(String::as_str).collect::<Vec<_>>(), b"")
    }

    /// The step at boot, by a library that says what it would have done.
    fn stepped(&self, marker: &Path, library: &Path, more: &[&str]) -> Output {
        let mut arguments = vec!["clockadjust".to_owned()];
        arguments.extend(self.arguments(&["--step", "--marker", marker.to_str().expect("a plain path")]));
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        harmless(Path::new(env!("CARGO_BIN_EXE_truechimer")), &arguments, b"", Some(library))
    }

    fn started(&self, more: &[&str]) -> Service {
        Service::of(
            Command::new(env!("CARGO_BIN_EXE_truechimer")).arg0("clockadjust").args(self.arguments(more)),
        )
    }

    /// Somebody who reads the fifo, as clockspeed does.
    fn reader(&self) -> Reader {
        Reader { pipe: OpenOptions::new().read(true).write(true).open(self.fifo()).expect("a fifo") }
    }
}

struct Reader {
    pipe: File,
}

impl Reader {
    /// The next record, in seconds.
    fn next(&self) -> f64 {
        let mut pipe = self.pipe.try_clone().expect("a descriptor");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut record = [0; 16];
            pipe.read_exact(&mut record).expect("both ends are ours");
            // Whoever waits no longer has failed already.
            let _ = tell.send(record);
        });
        let record = told.recv_timeout(PATIENCE).expect("a record comes");
        format::read(&record).expect("a record").span().as_seconds()
    }
}

/// A service that ends with the test.
struct Service {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Service {
    fn of(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it can be run");
        let (tell, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let ends: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for end in ends {
            let tell = tell.clone();
            thread::spawn(move || {
                BufReader::new(end).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// The next line with these words in it.
    #[track_caller]
    fn says(&mut self, words: &str) -> String {
        let ends = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(ends.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("\"{words}\" was not said, but {:#?}", self.seen),
            }
            if let Some(line) = self.seen.last().filter(|line| line.contains(words)) {
                return line.clone();
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn ends(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().expect("it is ours").code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A source of each of these, and a classic schedule with this first wait.
fn classic(places: &[&str], first_wait: &str) -> String {
    let sources: String = places.iter().map(|place| format!("[[source]]\naddress = \"{place}\"\n")).collect();
    let classic = format!("[classic]\nfirst_wait = \"{first_wait}\"\nlongest_wait = \"1h\"\n");
    format!("schedule = \"classic\"\n{sources}{classic}")
}

/// Where nobody answers yet.
fn deserted() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    socket.local_addr().expect("it is bound").to_string()
}

fn server(place: &str, ahead: Span) -> Peer {
    Peer::at(place, move |question| Some(honest(question, ahead)))
}

const AHEAD: Span = Span::from_millis(5500);

#[test]
fn each_measurement_is_a_record_and_a_line() {
    let peer = ntp(AHEAD, |_| {});
    let scene = Scene::new(&classic(&[&peer.name()], "1s"));
    let reader = scene.reader();
    let mut service = scene.started(&["--classic-log"]);
    let line = service.says("passed on");
    assert!(
        line.contains(": offset +5.") && line.contains("rate not known yet, passed on; next in "),
        "{line}"
    );
    assert!(service.says("before: 20").len() == "before: 2026-11-21 23:51:27.385306000000000000".len());
    service.says("after:  20");
    assert_about(reader.next(), AHEAD);
    // The second, if neither of the two waited for this machine.
    let line = service.says(" ppm, passed on");
    assert!(line.contains("Z"), "{line}");
    assert_about(reader.next(), AHEAD);
    assert_eq!(service.ends(), Some(0));
}

#[test]
fn one_server_that_is_wrong_is_outvoted() {
    let (good, also_good, bad) = (ntp(AHEAD, |_| {}), ntp(AHEAD, |_| {}), ntp(Span::from_secs(100), |_| {}));
    let scene = Scene::new(&classic(&[&good.name(), &bad.name(), &also_good.name()], "1h"));
    let reader = scene.reader();
    let output = scene.ended(&["--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("2 of 3 votes: offset +5."), "{}", text(&output.stdout));
    assert_about(reader.next(), AHEAD);
}

/// The original's servers changed their addresses, and some machines were found unsynchronized one day.
#[test]
fn a_server_that_moves_is_found_at_the_next_measurement() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = compiled(folder.path()) else { return };
    let old = server("127.0.0.1:0", AHEAD);
    let port = old.place.port();
    let new = server(&format!("127.0.0.2:{port}"), AHEAD);
    let address = folder.path().join("address");
    fs::write(&address, "127.0.0.1\n").expect("a file");
    let scene = Scene::new(&classic(&[&format!("timepiece.example:{port}")], "1h"));
    let reader = scene.reader();
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.arg0("clockadjust").args(scene.arguments(&[]));
    command.env("LD_PRELOAD", library).env("TRUECHIMER_TEST_ADDRESS", &address);
    let mut service = Service::of(&mut command);
    service.says("passed on");
    assert_about(reader.next(), AHEAD);
    assert!(!old.heard().is_empty() && new.heard().is_empty());
    fs::write(&address, "127.0.0.2\n").expect("a file");
    service.signal("-HUP");
    service.says("passed on");
    assert_about(reader.next(), AHEAD);
    assert!(old.heard().is_empty() && !new.heard().is_empty());
}

fn compiled(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("resolver.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic/resolver.c");
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    match made {
        Ok(status) if status.success() => Some(library),
        Ok(_) | Err(_) if std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some() => {
            eprintln!("SKIPPED: no C compiler, so no name was looked up");
            None
        }
        Ok(_) | Err(_) => {
            panic!("the library cannot be compiled; without a C compiler set TRUECHIMER_WITHOUT_CC=1")
        }
    }
}

/// The original doubled its wait whether it had measured or not, so that a few failures at the start meant weeks.
#[test]
fn a_failure_is_followed_up_soon_and_lengthens_no_wait() {
    let place = deserted();
    let scene = Scene::new(&classic(&[&place], "8s"));
    let _reader = scene.reader();
    let mut service = scene.started(&[]);
    for waits in [["1.", "2."], ["3.", "4."]] {
        let line = service.says("measured again in ");
        assert!(line.contains("nobody listens at that port"), "{line}");
        assert!(line.contains("nothing was passed on so far"), "{line}");
        let wait = line.rsplit("again in ").next().expect("it was there");
        assert!(waits.iter().any(|digits| wait.starts_with(digits)), "{line}");
    }
    let _server = server(&place, Span::ZERO);
    let line = service.says("passed on; next in ");
    let wait = line.rsplit("next in ").next().and_then(|rest| rest.split(' ').next());
    let wait: f64 = wait.and_then(|seconds| seconds.parse().ok()).expect("seconds");
    assert!(wait <= 8.0, "the first wait, less what the measurement took: {line}");
}

/// The original's `tee` blocked for ever when clockspeed was down.
#[test]
fn a_fifo_that_nobody_reads_holds_nothing_up() {
    let peer = ntp(AHEAD, |_| {});
    let scene = Scene::new(&classic(&[&peer.name()], "60s"));
    let mut service = scene.started(&[]);
    let line = service.says("nobody reads it");
    assert!(line.contains("does clockspeed run?") && line.contains("is kept for "), "{line}");
    let questions = peer.heard().len();
    let reader = scene.reader();
    assert_about(reader.next(), AHEAD);
    service.says("passed on; next in ");
    assert_eq!(
        (questions, peer.heard().len()),
        (4, 0),
        "what was kept was passed on, and not measured again"
    );
    assert_eq!(service.ends(), Some(0));
}

#[test]
fn a_measurement_that_took_longer_than_the_wait_is_kept_for_a_moment() {
    let peer = Peer::start(|question| {
        thread::sleep(Duration::from_millis(400));
        Some(honest(question, AHEAD))
    });
    let scene = Scene::new(&classic(&[&peer.name()], "1s"));
    let line = scene.started(&[]).says("is kept for ");
    assert!(!line.contains("kept for -"), "{line}");
}

#[test]
fn without_a_fifo_it_says_so() {
    let peer = ntp(AHEAD, |_| {});
    let scene = Scene::new(&classic(&[&peer.name()], "60s"));
    fs::remove_file(scene.fifo()).expect("it is there");
    let output = scene.ended(&["--once"]);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("adjust cannot be written to: there is no such file"));
    fs::write(scene.fifo(), "mine").expect("a file");
    assert!(text(&scene.ended(&["--once"]).stderr).contains("it is no fifo"));
    assert_eq!(fs::read(scene.fifo()).expect("it is there"), b"mine");
}

/// The original ignored that the step at boot had failed, and held the wrong time from then on; and stepped again at
/// each restart of the service.
#[test]
fn the_step_at_boot_is_tried_until_it_succeeds_and_then_never_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = recorder(folder.path()) else { return };
    let place = deserted();
    let scene = Scene::new(&classic(&[&place], "1h"));
    let marker = folder.path().join("run/clock-stepped");
    let step = |more: &[&str]| scene.stepped(&marker, &library, more);
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        server(&place, AHEAD)
    });
    let first = step(&[]);
    let _server = late.join().expect("it has started");
    let told = text(&first.stderr);
    assert_eq!(first.status.code(), Some(0), "{told}");
    assert!(told.contains("; measured again in "), "{told}");
    assert_eq!(told.matches("set offset 5 ").count(), 1, "{told}");
    assert!(text(&first.stdout).starts_with("stepped the clock forward by 5."), "{}", text(&first.stdout));
    let second = step(&[]);
    assert_eq!((second.status.code(), text(&second.stderr)), (Some(0), String::new()));
    assert!(text(&second.stdout).contains("set in this boot already"), "{}", text(&second.stdout));
    assert_eq!(text(&step(&["--again"]).stderr).matches("set offset 5 ").count(), 1);
    fs::write(&marker, "00000000-0000-0000-0000-000000000000\n").expect("a file");
    assert_eq!(text(&step(&[]).stderr).matches("set offset 5 ").count(), 1, "another boot's marker");
}

/// The step at boot of a client of this network: what was said of the clock, and what was done to it.
fn client_step(config: &str) -> Option<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let library = recorder(folder.path())?;
    let scene = Scene::new(config);
    let output = scene.stepped(&folder.path().join("run/clock-stepped"), &library, &["--host", "desk7"]);
    let (said, done) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{done}");
    assert_eq!(done.matches("set offset ").count(), 1, "{done}");
    Some((said, done))
}

const DAY_AHEAD: Span = Span::from_secs(86_400);

/// TAICLOCK proves nothing: whoever answers in the master's place at boot would otherwise set the clock to anything.
#[test]
fn a_long_step_that_the_sources_contradict_is_theirs() {
    let (master, source) = (tai(DAY_AHEAD, |_| {}), ntp(AHEAD, |_| {}));
    let Some((said, done)) = client_step(&lan(&master.name(), &source.name())) else { return };
    assert!(done.contains("set offset 5 "), "{done}");
    assert!(said.contains(&format!("({}; the master {} is off by ", source.name(), master.name())), "{said}");
    assert!(said.contains("not believed"), "{said}");
}

#[test]
fn a_long_step_that_the_sources_confirm_is_made() {
    let (master, source) = (tai(DAY_AHEAD, |_| {}), ntp(DAY_AHEAD + Span::from_secs(1), |_| {}));
    let Some((said, done)) = client_step(&lan(&master.name(), &source.name())) else { return };
    assert!(done.contains("set offset 86400 ") || done.contains("set offset 86399 "), "{done}");
    let by = format!("(the master {}, confirmed by {})", master.name(), source.name());
    assert!(said.contains(&by), "{said}");
}

#[test]
fn a_long_step_waits_for_the_sources_and_a_short_one_does_not() {
    let (far, near, place) = (tai(DAY_AHEAD, |_| {}), tai(Span::from_secs(40), |_| {}), deserted());
    let Some((said, done)) = client_step(&lan(&near.name(), &place)) else { return };
    assert!(said.starts_with("stepped the clock forward by ") && !done.contains("warning"), "{said}{done}");
    let for_late = place.clone();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_secs(4));
        server(&for_late, AHEAD)
    });
    let stepped = client_step(&lan(&far.name(), &place));
    let _server = late.join().expect("it has started");
    let Some((_, done)) = stepped else { return };
    assert!(done.contains("that is more than 60.00 s, and the sources cannot confirm it: "), "{done}");
    assert!(done.contains("; measured again in ") && done.contains("set offset 5 "), "{done}");
}

#[test]
fn where_there_are_no_sources_the_master_is_believed_and_that_is_said() {
    let master = tai(DAY_AHEAD, |_| {});
    let config =
        format!("source = []\n[classic]\nmaster_address = \"{}\"\nmaster_labels = \"utc\"\n", master.name());
    let Some((said, done)) = client_step(&config) else { return };
    assert!(done.contains("set offset 86400 ") || done.contains("set offset 86399 "), "{done}");
    assert!(said.contains("; nobody else was asked: there are no sources)"), "{said}");
}

/// The original exported nothing, and nothing noticed when measurements had stopped.
#[test]
fn it_is_noticed_when_measurements_stop() {
    let silent = Arc::new(AtomicBool::new(false));
    let is_silent = Arc::clone(&silent);
    let peer = Peer::start(move |question| {
        (!is_silent.load(Ordering::Relaxed)).then(|| honest(question, Span::ZERO))
    });
    let scene = Scene::new(&classic(&[&peer.name()], "4s"));
    let _reader = scene.reader();
    let missing = scene.ended(&["--check"]);
    assert_eq!(missing.status.code(), Some(111));
    let mut service = scene.started(&[]);
    service.says("passed on");
    silent.store(true, Ordering::Relaxed);
    let check = scene.ended(&["--check"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stdout));
    assert!(text(&check.stdout).starts_with("right: measured "), "{}", text(&check.stdout));
    let line = service.says("measured again in ");
    assert!(line.contains("the last measurement was passed on "), "{line}");
    let ends = Instant::now() + PATIENCE;
    let late = loop {
        let check = scene.ended(&["--check"]);
        let told = text(&check.stdout);
        if check.status.code() == Some(1) && told.contains("have failed since") || Instant::now() > ends {
            break told;
        }
        thread::sleep(Duration::from_millis(300));
    };
    assert!(late.starts_with("late: measured ") && late.contains("attempts have failed since"), "{late}");
    let status = fs::read_to_string(scene.folder.path().join("status")).expect("it is written");
    assert!(status.contains("\"bound\":") && status.contains("\"offset\":"), "{status}");
}

fn lan(master: &str, source: &str) -> String {
    format!(
        "[[source]]\naddress = \"{source}\"\n[classic]\nmaster = \"clock1\"\nmaster_address = \"{master}\"\n\
         master_labels = \"utc\"\n"
    )
}

#[test]
fn one_text_serves_the_master_and_its_clients() {
    let (master, source) = (tai(AHEAD, |_| {}), ntp(AHEAD, |_| {}));
    let scene = Scene::new(&lan(&master.name(), &source.name()));
    let reader = scene.reader();
    let client = scene.ended(&["--once", "--host", "desk7"]);
    assert_eq!(client.status.code(), Some(0), "{}", text(&client.stderr));
    assert!(text(&client.stdout).starts_with("the master 127.0.0.1:"), "{}", text(&client.stdout));
    assert_about(reader.next(), AHEAD);
    assert!(!master.heard().is_empty() && source.heard().is_empty());
    assert_eq!(scene.ended(&["--once", "--host", "Clock1"]).status.code(), Some(0));
    assert_about(reader.next(), AHEAD);
    assert!(master.heard().is_empty() && !source.heard().is_empty());
}

#[test]
fn a_master_that_cannot_be_found_is_named_and_the_sources_take_its_place() {
    let source = ntp(AHEAD, |_| {});
    let misspelt = lan("clcok1.invalid", &source.name());
    let scene = Scene::new(&misspelt);
    let reader = scene.reader();
    let client = scene.ended(&["--once", "--host", "desk7"]);
    let told = text(&client.stderr);
    assert_eq!(client.status.code(), Some(0), "{told}");
    assert!(told.contains("the master clcok1.invalid:4014 cannot be found ("), "{told}");
    assert!(
        told.contains("is `master` in [classic] right") && told.contains("are measured instead"),
        "{told}"
    );
    assert_about(reader.next(), AHEAD);
    let config = scene.config().display().to_string();
    let checked = run("truechimer", &["config", "check", &config], b"");
    assert_eq!(checked.status.code(), Some(0));
    let told = text(&checked.stdout);
    assert!(told.contains("measures the master clcok1.invalid:4014 (TAICLOCK); if that fails, "), "{told}");
    assert!(told.contains("note: the master clcok1.invalid:4014 cannot be found"), "{told}");
}

/// Where the configuration has another name for the master, it would measure itself, and be right for ever.
#[test]
fn a_master_that_does_not_know_its_name_does_not_measure_itself() {
    let Some(ours) = address_of_ours() else { return };
    let source = ntp(AHEAD, |_| {});
    let scene = Scene::new(&lan(&ours.to_string(), &source.name()));
    let reader = scene.reader();
    let output = scene.ended(&["--once", "--host", "clcok1"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("is this host, but does not have its name: write into `master`"), "{told}");
    assert_about(reader.next(), AHEAD);
}

/// One that is not on loopback: from which the kernel would speak to the world.
fn address_of_ours() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("there is IPv4");
    let found = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    if found.is_err() {
        eprintln!("SKIPPED: a master that measures itself (no network but loopback)");
    }
    found.ok().map(|place| place.ip())
}

/// `svc -h`, `systemctl reload`: what was edited holds at once, and what cannot be used is shown and changes nothing.
#[test]
fn the_configuration_is_read_again_when_the_line_is_hung_up() {
    let (old, new) = (ntp(AHEAD, |_| {}), ntp(-AHEAD, |_| {}));
    let scene = Scene::new(&classic(&[&old.name()], "1h"));
    let reader = scene.reader();
    let mut service = scene.started(&[]);
    assert!(service.says("passed on").contains(": offset +5."));
    assert_about(reader.next(), AHEAD);
    scene.configure("colour = \"red\"\n");
    service.signal("-HUP");
    service.says("unknown key `colour`");
    service.says("passed on");
    assert_about(reader.next(), AHEAD);
    scene.configure(&classic(&[&new.name()], "1h"));
    service.signal("-HUP");
    service.says("from where the last one leads");
    service.signal("-HUP");
    assert!(service.says("passed on").contains(": offset -5."));
    assert_about(reader.next(), -AHEAD);
    assert_eq!(service.ends(), Some(0));
}

#[test]
fn clients_fall_back_to_the_sources_when_the_master_is_gone() {
    let source = ntp(AHEAD, |_| {});
    let scene = Scene::new(&lan(&deserted(), &source.name()));
    let reader = scene.reader();
    let client = scene.ended(&["--once", "--host", "desk7"]);
    assert_eq!(client.status.code(), Some(0), "{}", text(&client.stderr));
    let told = text(&client.stderr);
    assert!(told.contains("clockadjust: warning: the master 127.0.0.1:"), "{told}");
    assert!(told.contains(" are measured instead"), "{told}");
    assert_about(reader.next(), AHEAD);
}

/// Where the sources are measured instead, and right, the next measurement is due as ever.
#[test]
fn what_contradicts_is_promised_no_measurement() {
    let ahead = Arc::new(AtomicI64::new(0));
    let now = Arc::clone(&ahead);
    let master =
        Peer::start(move |question| announced(question, Span::from_secs(now.load(Ordering::Relaxed))));
    let source = ntp(Span::ZERO, |_| {});
    let scene = Scene::new(&lan(&master.name(), &source.name()));
    let _reader = scene.reader();
    assert_eq!(scene.ended(&["--once", "--host", "desk7"]).status.code(), Some(0));
    ahead.store(30, Ordering::Relaxed);
    let output = scene.ended(&["--once", "--host", "desk7"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("from where the last one leads") && told.contains("measured instead"), "{told}");
    assert!(!told.contains("again"), "{told}");
}

#[test]
fn a_master_may_speak_ntp() {
    let (master, source) = (ntp(AHEAD, |_| {}), ntp(Span::ZERO, |_| {}));
    let scene = Scene::new(&format!("{}master_kind = \"ntp\"\n", lan(&master.name(), &source.name())));
    let reader = scene.reader();
    assert_eq!(scene.ended(&["--once", "--host", "desk7"]).status.code(), Some(0));
    assert_about(reader.next(), AHEAD);
    assert!(source.heard().is_empty());
}

/// The protocol's text asks for the limit; the original's `taiclock` had none.
#[test]
fn taiclock_moves_the_clock_by_a_minute_a_day_at_most() {
    let master = tai(Span::from_secs(61), |_| {});
    let text_of =
        format!("source = []\n[classic]\nmaster_address = \"{}\"\nmaster_labels = \"utc\"\n", master.name());
    let scene = Scene::new(&text_of);
    let _reader = scene.reader();
    let refused = scene.ended(&["--once"]);
    assert_eq!(refused.status.code(), Some(111));
    let told = text(&refused.stderr);
    assert!(told.contains("may move the clock by 60.00 s a day") && told.contains("not passed on"), "{told}");
}

/// The limit is one of days; a service that is started again, or by cron, is another process.
#[test]
fn the_minute_of_a_day_outlives_the_process() {
    let ahead = Arc::new(AtomicI64::new(40));
    let now = Arc::clone(&ahead);
    let master =
        Peer::start(move |question| announced(question, Span::from_secs(now.load(Ordering::Relaxed))));
    let scene = Scene::new(&format!(
        "source = []\n[classic]\nmaster_address = \"{}\"\nmaster_labels = \"utc\"\n",
        master.name()
    ));
    let reader = scene.reader();
    for _ in 0..2 {
        assert_eq!(scene.ended(&["--once"]).status.code(), Some(0), "the same again moves nothing");
        assert_about(reader.next(), Span::from_secs(40));
    }
    ahead.store(70, Ordering::Relaxed);
    let doubted = text(&scene.ended(&["--once"]).stderr);
    assert!(doubted.contains("from where the last one leads"), "{doubted}");
    let said_twice = text(&scene.ended(&["--once"]).stderr);
    assert!(said_twice.contains("by 60.00 s a day, and this would make it 70.0"), "{said_twice}");
    fs::remove_dir_all(scene.folder.path().join("state")).expect("it was made");
    fs::write(scene.folder.path().join("state"), "no folder").expect("a file");
    ahead.store(40, Ordering::Relaxed);
    let output = scene.ended(&["--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("is forgotten at a restart: cannot "), "{}", text(&output.stderr));
}

/// A call by root, to try it out, is not to take the file away from the account that measures.
#[test]
fn what_root_keeps_belongs_to_the_owner_of_the_folder() {
    let master = tai(AHEAD, |_| {});
    let scene = Scene::new(&format!(
        "source = []\n[classic]\nmaster_address = \"{}\"\nmaster_labels = \"utc\"\n",
        master.name()
    ));
    let folder = scene.folder.path().join("state/clockadjust");
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(scene.folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    if chown(&folder, Some(65_534), Some(65_534)).is_err() {
        return eprintln!("SKIPPED: what root keeps (we are not root)");
    }
    let _reader = scene.reader();
    for name in ["kept", "kept.prev"] {
        let output = scene.ended(&["--once"]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        let about = fs::metadata(folder.join(name)).expect("it is kept");
        assert_eq!((about.uid(), about.gid()), (65_534, 65_534), "{name}");
    }
}

#[test]
fn a_clock_of_all_seconds_gets_all_seconds() {
    let peer = ntp(AHEAD, |_| {});
    let scene =
        Scene::new(&format!("[[source]]\naddress = \"{}\"\n[classic]\nkernel = \"tai-10\"\n", peer.name()));
    let reader = scene.reader();
    assert_eq!(scene.ended(&["--once"]).status.code(), Some(0));
    assert_about(reader.next(), AHEAD + Span::from_secs(27));
}

/// The original is maintained by nobody since 1998. Its file of variables still leads on.
#[test]
fn the_configuration_of_the_original_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("clockspeed.conf"), folder.path().join("truechimer.toml"));
    let variables = "MASTER=clock1\nMASTER_IP=192.168.1.7\nSNTP_IP=`dnsip ntp2.ptb.de | sed 's/ .*//'`\n\
                     CLOCK_DIR=/usr/local/clockspeed\n";
    fs::write(&old, variables).expect("a file");
    let import = || run("truechimer", &["config", "import", old.to_str().expect("a plain path")], b"");
    let output = import();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stderr).matches('\n').count(),
        1,
        "one source alone is warned of, and nothing else"
    );
    fs::write(&new, &output.stdout).expect("a file");
    let config = Config::load(Some(&new)).expect("it can be used");
    assert_eq!(config.sources[0].address.to_string(), "ntp2.ptb.de");
    fs::write(&old, format!("{variables}rm -rf /nowhere\n")).expect("a file");
    let output = import();
    assert_eq!(output.status.code(), Some(1));
    let told = format!(
        "{}:5: rm -rf /nowhere: left out: this is a command and no variable: nothing is run",
        old.display()
    );
    assert!(text(&output.stderr).contains(&told), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_imported_is_named_once() {
    let output = run("truechimer", &["config", "import", "/nonexistent/conf"], b"");
    assert_eq!(output.status.code(), Some(111));
    let told = text(&output.stderr);
    assert!(told.contains("/nonexistent/conf"), "{told}");
    assert_eq!(told.matches("No such file or directory").count(), 1, "{told}");
}

#[test]
fn a_wrong_call_is_one_line_and_a_wrong_configuration_is_shown() {
    let output = run("clockadjust", &["--step", "--once"], b"");
    assert_eq!(output.status.code(), Some(100));
    let scene = Scene::new("colour = \"red\"\n");
    let output = scene.ended(&[]);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("unknown key `colour`"), "{}", text(&output.stderr));
}
