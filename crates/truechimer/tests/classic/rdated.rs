//! `rdated`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use truechimer_core::wire::time37::Value;
use truechimer_sys::{adjust, clock, user};
use truechimer_time::{Time, Utc};

use crate::{failed, run, text, told};

/// A server of ours, which ends with the test.
struct Served {
    child: Child,
    ip: &'static str,
    time: u16,
    daytime: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(ip: &'static str, more: &[&str]) -> Self {
        let (time, daytime) = (free_port(ip), free_port(ip));
        let child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
            .arg0("rdated")
            .args(["-i", ip, "--time", &time.to_string(), "--daytime", &daytime.to_string()])
            .args(more)
            .env("TZ", "UTC")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let served = Self { child, ip, time, daytime };
        served.await_ports();
        served
    }

    /// The one that is bound last.
    fn await_ports(&self) {
        for _ in 0..100 {
            if TcpStream::connect((self.ip, self.daytime)).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not listen");
    }

    fn by_tcp(&self, port: u16) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut stream = TcpStream::connect((self.ip, port)).expect("it listens");
        stream.read_to_end(&mut heard).expect("an end");
        heard
    }

    /// The answer to this, which is to come.
    #[track_caller]
    fn by_udp(&self, port: u16, question: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind((self.ip, 0)).expect("loopback has a free port");
        self.heard(&socket, port, question, Duration::from_secs(5)).expect("an answer")
    }

    /// Is there no answer to this?
    fn passes_over(&self, port: u16, question: &[u8]) -> bool {
        let socket = UdpSocket::bind((self.ip, 0)).expect("loopback has a free port");
        self.passes_over_from(&socket, port, question)
    }

    fn passes_over_from(&self, socket: &UdpSocket, port: u16, question: &[u8]) -> bool {
        self.heard(socket, port, question, Duration::from_millis(300)).is_none()
    }

    fn heard(&self, socket: &UdpSocket, port: u16, question: &[u8], patience: Duration) -> Option<Vec<u8>> {
        socket.set_read_timeout(Some(patience)).expect("more than nothing");
        socket.send_to(question, (self.ip, port)).expect("loopback carries it");
        let mut answer = [0; 100];
        socket.recv(&mut answer).ok().map(|len| answer[..len].to_vec())
    }

    /// What the kernel says about the process.
    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim().to_owned()
    }
}

/// Free for both protocols.
fn free_port(ip: &str) -> u16 {
    let free = || {
        let socket = UdpSocket::bind((ip, 0)).expect("loopback has a free port");
        let port = socket.local_addr().expect("it is bound").port();
        TcpListener::bind((ip, port)).is_ok().then_some(port)
    };
    (0..100).find_map(|_| free()).expect("one port is free for both")
}

#[track_caller]
fn is_now(answer: &[u8]) {
    assert_eq!(answer.len(), 4, "{answer:?}");
    let now = Time::<Utc>::from_epoch(clock::realtime().since_epoch());
    let behind = now - Value::read(answer).expect("4 bytes").resolve(now);
    assert!((0.0..3.0).contains(&behind.as_seconds()), "{behind}");
}

/// A turn of the rate limit.
fn next_turn() {
    thread::sleep(Duration::from_millis(1050));
}

#[test]
fn both_services_answer_by_both_protocols_in_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        let served = Served::start(ip, &["--unsynchronised"]);
        is_now(&served.by_tcp(served.time));
        is_now(&served.by_udp(served.time, b""));
        next_turn();
        for line in [served.by_tcp(served.daytime), served.by_udp(served.daytime, b"\n")] {
            let line = text(&line);
            assert!(line.len() == 26 && line.ends_with("\r\n") && line.contains(" 20"), "{line:?}");
        }
    }
}

#[test]
fn rdate_and_rdated_understand_each_other() {
    for (ip, family) in [("127.0.0.1", "-4"), ("::1", "-6")] {
        let served = Served::start(ip, &["--unsynchronised"]);
        let port = served.time.to_string();
        for options in ["-pv", "-puv"] {
            let output = run("rdate", &[family, options, "-o", &port, ip], b"");
            let (code, stdout, stderr) = told(&output);
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "{options}");
            assert!(stdout.ends_with("\nrdate: adjust local clock by 0 seconds\n"), "{stdout}");
        }
    }
}

#[test]
fn bad_input_84_what_comes_from_ports_of_servers_is_not_answered() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    if user::effective_uid() != 0 {
        eprintln!("SKIPPED, NOT TESTED: sending from ports below 1024 (needs root)");
        return;
    }
    // Addresses of their own, so that neither other servers of this machine nor the rate matter.
    for (host, port) in [7, 13, 17, 19, 37, 123].into_iter().enumerate() {
        let socket = UdpSocket::bind((format!("127.77.0.{}", host + 1), port)).expect("a free port");
        assert!(served.passes_over_from(&socket, served.time, b""), "from port {port}");
    }
    is_now(&served.by_udp(served.time, b""));
}

#[test]
fn bad_input_85_two_servers_do_not_talk_to_each_other() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    let (value, line) = (served.by_tcp(served.time), served.by_tcp(served.daytime));
    assert!(served.passes_over(served.time, &value), "an answer is no question");
    assert!(served.passes_over(served.time, &line) && served.passes_over(served.daytime, &line));
    // None of these took a turn.
    is_now(&served.by_udp(served.time, b""));
}

#[test]
fn bad_input_86_a_host_has_one_answer_a_second() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    for _ in 0..200 {
        socket.send_to(b"", ("127.0.0.1", served.time)).unwrap();
    }
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let answers = (0..200).take_while(|_| socket.recv(&mut [0; 8]).is_ok()).count();
    let turns = 1 + begun.elapsed().as_secs() as usize;
    assert!((1..=turns).contains(&answers), "{answers} answers in {:?}", begun.elapsed());
}

#[test]
fn bad_input_88_idle_clients_are_bounded_and_hinder_nobody() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    let idle: Vec<TcpStream> =
        (0..400).map(|_| TcpStream::connect(("127.0.0.1", served.time)).expect("it listens")).collect();
    is_now(&served.by_tcp(served.time));
    let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).expect("it runs").count();
    assert!(open < 150, "{open} descriptors");
    drop(idle);
}

#[test]
fn it_has_no_power_over_anything() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    assert_eq!((served.status("CapEff:"), served.status("CapPrm:")), ("0".repeat(16), "0".repeat(16)));
    assert_eq!(served.status("NoNewPrivs:"), "1");
    assert!(!served.status("Uid:").split_whitespace().any(|uid| uid == "0"), "{}", served.status("Uid:"));
}

#[test]
fn it_is_silent_while_its_clock_is_not_kept_right() {
    let kept = adjust::read_state().expect("it can be read").status.synchronised();
    let mut served = Served::start("127.0.0.1", &[]);
    if kept {
        is_now(&served.by_tcp(served.time));
        return;
    }
    assert_eq!(served.by_tcp(served.time), b"", "it closes without a word");
    assert!(served.passes_over(served.time, b""));
    let mut said = BufReader::new(served.child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let why = "this clock is not synchronised: nobody is answered (see --unsynchronised)";
    assert_eq!(line, format!("rdated: warning: {why}\n"));
}

#[test]
fn a_port_that_is_taken_ends_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run("rdated", &["-i", "127.0.0.1", "--time", &port.to_string(), "--daytime", "0"], b"");
    let said = format!("rdated: fatal: unable to bind TCP 127.0.0.1:{port}: address already used\n");
    assert_eq!(told(&output), failed(111, &said));
}

#[test]
fn without_its_user_it_does_not_run() {
    if user::effective_uid() != 0 {
        eprintln!("SKIPPED, NOT TESTED: becoming another user (needs root)");
        return;
    }
    let port = free_port("127.0.0.1").to_string();
    let output =
        run("rdated", &["-i", "127.0.0.1", "--time", &port, "--daytime", "0", "--user", "no such user"], b"");
    let said = "rdated: fatal: unable to become the user no such user: there is none; make one, or name another by \
                --user\n";
    assert_eq!(told(&output), failed(111, said));
}
