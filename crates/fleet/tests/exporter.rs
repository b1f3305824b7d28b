//! The real exporter, asked over HTTP, in front of the real daemon.
//!
//! **Never here:** the clock of this machine. The daemons keep a clock of their own (`target = "user"`) without the right to set any other.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use truechimer::talk::{SourcesReply, StatusReply};

const PATIENCE: Duration = Duration::from_secs(30);

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";

fn exporter_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_truechimer-exporter"))
}

/// Our own program, which cargo puts beside the exporter. Built here, if this package is tested alone and it is not there.
fn truechimer() -> PathBuf {
    static BUILT: Once = Once::new();
    let program = exporter_program().with_file_name("truechimer");
    BUILT.call_once(|| {
        if program.exists() {
            return;
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "truechimer", "--bin", "truechimer"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "truechimer cannot be built");
    });
    program
}

/// What runs a program that can neither set the clock nor outlive us.
fn harmless() -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL");
    if is_root() {
        command.args(["--bounding-set=-sys_time", "--inh-caps=-all", "--ambient-caps=-all"]);
    }
    command.arg("--");
    command
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status")
        .expect("it is Linux")
        .lines()
        .any(|line| line.starts_with("Uid:\t0\t"))
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is killed when this value goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A daemon with a home of its own.
struct Daemon {
    home: TempDir,
    _process: Running,
}

impl Daemon {
    /// It asks one place where nobody is.
    fn start() -> Self {
        let home = tempfile::Builder::new().prefix("truechimer-fleet-").tempdir().expect("a folder");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let path = |name: &str| home.path().join(name);
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let config = format!(
            "user = {:?}\n[[source]]\naddress = \"127.0.0.1:9\"\noperator = \"no \\\"one\\\"\"\n[clock]\ntarget = \"user\"\n\
             [state]\ndir = {:?}\nrun_dir = {:?}\n",
            String::from_utf8(user).expect("a name").trim(),
            path("state"),
            path("run")
        );
        fs::write(path("truechimer.toml"), config).expect("it is ours");
        let log = fs::File::create(path("log")).expect("it is ours");
        let mut command = harmless();
        command.arg(truechimer()).args(["run", "--config"]).arg(path("truechimer.toml"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        let process = Running(command.spawn().expect("setpriv is installed (util-linux)"));
        let daemon = Self { _process: process, home };
        eventually("the daemon listens to us", || daemon.ask::<StatusReply>("status"));
        daemon
    }

    fn run_dir(&self) -> PathBuf {
        self.home.path().join("run")
    }

    fn ask<T: for<'a> serde::Deserialize<'a>>(&self, what: &str) -> Option<T> {
        let output =
            Command::new(truechimer()).args([what, "--json", "--run-dir"]).arg(self.run_dir()).output();
        serde_json::from_slice(&output.expect("it runs").stdout).ok()
    }
}

/// An exporter, and where it listens.
struct Exporter {
    _process: Running,
    place: SocketAddr,
}

impl Exporter {
    fn start(program: &[&Path], run_dir: &Path, names: &str) -> Self {
        let mut command = harmless();
        command.args(program).args(["--listen", "127.0.0.1:0", "--names", names, "--run-dir"]).arg(run_dir);
        let mut child =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("setpriv is installed");
        let said = child.stderr.take().expect("it is piped");
        let process = Running(child);
        let mut lines = BufReader::new(said).lines();
        let first = lines.next().expect("it says where it listens").expect("a line");
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let place = first
            .strip_prefix("truechimer-exporter: listening at http://")
            .and_then(|it| it.strip_suffix("/metrics"));
        let place = place.unwrap_or_else(|| panic!("{first}")).parse().expect("an address");
        Self { _process: process, place }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.place).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes that");
        stream
    }

    /// Head and body of the answer.
    fn get(&self, path: &str, accept: &str) -> (String, String) {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nAccept: {accept}\r\n\r\n").expect("it is read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer to its end");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head.to_ascii_lowercase(), body.to_owned())
    }
}

fn number(text: &str, sample: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(rest.parse().unwrap_or_else(|_| panic!("{sample} {rest}")))
}

#[test]
fn what_is_exported_is_what_status_says() {
    let daemon = Daemon::start();
    let exporter = Exporter::start(&[exporter_program()], &daemon.run_dir(), "truechimer,chrony,ntpd-rs");
    let (head, text) = exporter.get("/metrics", OPENMETRICS);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(
        text.ends_with("\n# EOF\n") && text.contains("\n# UNIT truechimer_uptime_seconds seconds\n"),
        "{text}"
    );
    let status: StatusReply = daemon.ask("status").expect("it answers");
    let sources: SourcesReply = daemon.ask("sources").expect("it answers");
    assert_eq!(number(&text, "truechimer_up"), Some(1.0));
    assert_eq!(number(&text, "chrony_up"), Some(1.0));
    let state = format!("truechimer_status{{truechimer_status=\"{}\"}}", status.status);
    assert_eq!(number(&text, &state), Some(1.0));
    assert_eq!(number(&text, "truechimer_stratum"), Some(16.0));
    let assumed = status.assumptions.max_rate_ppm / 1e6;
    assert_eq!(number(&text, "truechimer_assumed_rate_ratio"), Some(assumed));
    let uptime = number(&text, "truechimer_uptime_seconds").expect("it is known");
    assert!(uptime > 0.0 && uptime <= status.uptime.expect("it is told"), "{uptime}");
    let source = &sources.sources[0];
    let of = format!("{{name=\"{}\",address=\"127.0.0.1:9\",operator=\"no \\\"one\\\"\"}}", source.name);
    let questions = number(&text, &format!("truechimer_source_questions_total{of}")).expect("it is told");
    assert!(questions <= source.traffic.questions as f64, "{questions}");
    assert_eq!(number(&text, &format!("truechimer_source_interval_seconds{of}")), Some(source.interval));

    let (head, text) = exporter.get("/metrics", "*/*");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
}

#[test]
fn a_daemon_that_is_down_or_says_nothing_is_a_number_and_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = Exporter::start(&[exporter_program()], folder.path(), "truechimer,chrony");
    let down = || {
        let (head, text) = exporter.get("/metrics", "text/plain");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(number(&text, "truechimer_up"), Some(0.0), "{text}");
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 2, "{text}");
        let (head, body) = exporter.get("/health", "*/*");
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        body
    };
    assert!(down().contains("cannot talk to the daemon"));
    let socket = folder.path().join("control");
    // It takes connections into its queue and never answers.
    let _mute = UnixListener::bind(&socket).expect("a socket");
    assert!(down().contains("has not answered within"));
}

#[test]
fn only_three_paths_are_there_to_be_got() {
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = Exporter::start(&[exporter_program()], folder.path(), "truechimer");
    let (head, page) = exporter.get("/", "text/html");
    assert!(head.starts_with("http/1.1 200 ") && page.contains("href=\"/metrics\""), "{head}\n{page}");
    assert!(exporter.get("/step", "*/*").0.starts_with("http/1.1 404 "));
    let mut stream = exporter.connect();
    stream
        .write_all(b"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n")
        .expect("it is read");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("an answer although there is no body");
    assert_eq!(&head, b"HTTP/1.1 405");
}

#[test]
fn headers_without_end_are_cut_off_and_those_who_say_nothing_make_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = Exporter::start(&[exporter_program()], folder.path(), "truechimer");
    let mut endless = exporter.connect();
    let flood = [b'x'; 65_536];
    let _reset_meanwhile =
        endless.write_all(b"GET / HTTP/1.1\r\nA: ").and_then(|()| endless.write_all(&flood));
    let mut answer = Vec::new();
    match endless.read_to_end(&mut answer) {
        Ok(_) => assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{answer:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    // As many as there are places, and more: all places are taken by nobody, for a while.
    let silent: Vec<TcpStream> = (0..20).map(|_| exporter.connect()).collect();
    assert!(exporter.get("/", "*/*").0.starts_with("http/1.1 200 "), "whoever speaks is heard in the end");
    drop(silent);
}

#[test]
fn truechimer_exporter_is_the_program_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = Exporter::start(&[&truechimer(), Path::new("exporter")], folder.path(), "truechimer");
    assert_eq!(exporter.place.ip(), Ipv4Addr::LOCALHOST);
    assert!(exporter.get("/metrics", "*/*").1.contains("truechimer_up 0"));
    let help = Command::new(truechimer()).args(["exporter", "--help"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&help.stdout).contains("--listen"), "{help:?}");
}

#[test]
fn who_calls_it_wrongly_or_wants_a_place_that_is_taken_is_told_by_the_exit_code() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let place = taken.local_addr().expect("it has one").to_string();
    let code = |arguments: &[&str]| {
        Command::new(exporter_program()).args(arguments).output().expect("it runs").status.code()
    };
    assert_eq!(code(&["--listen", &place]), Some(111));
    assert_eq!(code(&["--names", "ntpd"]), Some(100));
    assert_eq!(code(&["--version"]), Some(0));
}

#[test]
fn without_the_program_truechimer_says_what_to_install() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("truechimer");
    fs::copy(truechimer(), &alone).expect("it is copied");
    let output = Command::new(&alone).arg("exporter").env("PATH", folder.path()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(111), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("truechimer-fleet"), "{output:?}");
}

/// The page is made from the table that reads the arguments, as those of all other programs are.
#[test]
fn it_has_a_manual_page_and_completions() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let output = Command::new(exporter_program()).args(arguments).current_dir(folder.path()).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(run(&["man", "."]), "");
    let page = fs::read_to_string(folder.path().join("truechimer-exporter.1")).expect("it is written");
    let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "one page: {names:?}");
    for words in ["listen", "names", "run\\-dir", "127.0.0.1:10123", "/metrics"] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("truechimer-exporter") && script.contains("run-dir"), "{shell}: {script}");
        assert!(!script.contains("elvish"), "what is for packagers alone is not completed: {script}");
    }
    let help = run(&["--help"]);
    assert!(help.starts_with("Tell monitors over HTTP") && help.contains("/health"), "{help}");
    assert!(
        !help.contains("completions") && !page.contains("subcommands"),
        "what is for packagers alone is not shown"
    );
}
