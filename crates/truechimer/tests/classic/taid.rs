//! `taiclockd`.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use truechimer_sys::{adjust, clock};
use truechimer_time::{Span, Tai64NA};

use crate::{adjustment, assert_about, failed, run, told};

/// A server of ours, which ends with the test.
struct Served {
    child: Child,
    place: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(ip: &str, more: &[&str]) -> Self {
        let port = free_port(ip);
        let child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
            .arg0("taiclockd")
            .args(["-i", ip, "-p", &port.to_string()])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let place = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
        Self { child, place }
    }

    /// Its answer, waited for so long.
    fn answer(&self, question: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let any = if self.place.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(any).expect("loopback has a free port");
        socket.connect(&self.place).expect("a way");
        socket.set_read_timeout(Some(patience)).expect("more than nothing");
        socket.send(question).expect("loopback carries it");
        let mut answer = [0; 2048];
        socket.recv(&mut answer).ok().map(|len| answer[..len].to_vec())
    }

    /// Asks until there is an answer: it may still be starting.
    fn awaited(&self, question: &[u8]) -> Vec<u8> {
        for _ in 0..50 {
            if let Some(answer) = self.answer(question, Duration::from_millis(200)) {
                return answer;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{} does not answer", self.place);
    }
}

fn free_port(ip: &str) -> u16 {
    let socket = UdpSocket::bind((ip, 0)).expect("loopback has a free port");
    socket.local_addr().expect("it is bound").port()
}

fn question(len: usize) -> Vec<u8> {
    let mut question: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
    let head = len.min(4);
    question[..head].copy_from_slice(&b"ctai"[..head]);
    question
}

/// By how much the label is ahead of ten more than our clock.
fn ahead(answer: &[u8]) -> f64 {
    let label = Tai64NA::from_bytes(answer[4..20].try_into().expect("16 bytes")).expect("a label");
    label.time().since_epoch().as_seconds() - clock::realtime().since_epoch().as_seconds() - 10.0
}

#[test]
fn every_length_is_answered_as_the_originals_do() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    served.awaited(&question(32));
    for asked in [20, 21, 28, 32, 100, 255, 256, 257, 512, 1400] {
        let (question, answer) = (question(asked), served.awaited(&question(asked)));
        assert_eq!(answer.len(), asked.min(256), "{asked} bytes");
        assert_eq!(
            (&answer[..4], &answer[20..]),
            (&b"stai"[..], &question[20..answer.len()]),
            "{asked} bytes"
        );
        assert_about(ahead(&answer), Span::ZERO);
    }
}

#[test]
fn what_is_no_question_is_not_answered() {
    let served = Served::start("127.0.0.1", &["--unsynchronised"]);
    served.awaited(&question(32));
    let patience = Duration::from_millis(100);
    for len in [0, 1, 4, 19] {
        assert_eq!(served.answer(&question(len), patience), None, "{len} bytes");
    }
    for head in [b"stai", b"CTAI", b"ctaj", b"\0\0\0\0"] {
        let other = [&head[..], &[0; 28]].concat();
        assert_eq!(served.answer(&other, patience), None, "{head:?}");
    }
    assert_eq!(served.awaited(&question(20)).len(), 20, "it goes on");
}

#[test]
fn it_announces_what_it_was_told_that_the_kernel_counts() {
    for (options, expected) in
        [(&[][..], 0), (&["--kernel", "tai-10"], 0), (&["--kernel", "utc"], 27), (&["--s6"], 27)]
    {
        let served = Served::start("127.0.0.1", &[&["--unsynchronised"][..], options].concat());
        assert_about(ahead(&served.awaited(&question(32))), Span::from_secs(expected));
    }
}

#[test]
fn both_programs_understand_each_other() {
    for ip in ["127.0.0.1", "::1"] {
        let served = Served::start(ip, &["--unsynchronised"]);
        served.awaited(&question(32));
        assert_about(adjustment(&run("taiclock", &[&served.place, "--burst"], b""), 16), Span::ZERO);
    }
}

#[test]
fn it_is_silent_while_its_clock_is_not_kept_right() {
    let kept = adjust::read_state().expect("it can be read").status.synchronised();
    let mut served = Served::start("127.0.0.1", &[]);
    if kept {
        served.awaited(&question(32));
        return;
    }
    // It may still be starting; then it says why it is silent, once.
    let mut said = BufReader::new(served.child.stderr.take().expect("it is piped"));
    let asked = served.place.clone();
    thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        while socket.send_to(&question(32), &asked).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let why = "this clock is not synchronised: nobody is answered (see --unsynchronised)";
    assert_eq!(line, format!("taiclockd: warning: {why}\n"));
    assert_eq!(served.answer(&question(32), Duration::from_millis(300)), None);
}

#[test]
fn a_port_that_is_taken_ends_it() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run("taiclockd", &["-i", "127.0.0.1", "-p", &port], b"");
    let said = format!("taiclockd: fatal: unable to bind UDP 127.0.0.1:{port}: address already used\n");
    assert_eq!(told(&output), failed(111, &said));
}
