//! What can only be tried by a process with one thread: splitting it in two, and giving up privileges for good.
//!
//! Each test runs its dangerous half in a child. The clock is never set: a child that tries to has first given up
//! the right to do so, and has seen in two ways that it is gone.

// All of this is test, which clippy sees only where `#[test]` says so.
#![allow(clippy::unwrap_used)]
// One test stands in for a supervisor: it makes a descriptor and an environment.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::net::UdpSocket;
use std::os::fd::IntoRawFd;
use std::time::{Duration, Instant};
use std::{env, io};

use truechimer_sys::adjust::{self, ClockError};
use truechimer_sys::capability::{Capability, drop_all_capabilities, has_cap_sys_time};
use truechimer_sys::handed;
use truechimer_sys::process::{Channel, Message, spawn_child};
use truechimer_sys::user::{User, become_user, effective_uid};
use truechimer_time::Span;

struct Test {
    name: &'static str,
    needs_root: bool,
    run: fn(),
}

const TESTS: [Test; 8] = [
    anybody("a child answers messages", a_child_answers_messages),
    anybody("a child ends with its own status", a_child_ends_with_its_own_status),
    anybody("a panic in a child is an exit status", a_panic_in_a_child_is_an_exit_status),
    anybody("a child that is dropped is gone", a_child_that_is_dropped_is_gone),
    anybody("what was handed over is not a child's", what_was_handed_over_is_not_a_childs),
    root("a child dies with its parent, even as another user", a_child_dies_with_its_parent),
    anybody("the kernel refuses the clock to whom may not set it", the_kernel_refuses_the_clock),
    root("a user change keeps what is named and nothing else", a_user_change_keeps_what_is_named),
];

const fn anybody(name: &'static str, run: fn()) -> Test {
    Test { name, needs_root: false, run }
}

const fn root(name: &'static str, run: fn()) -> Test {
    Test { name, needs_root: true, run }
}

fn main() {
    for Test { name, needs_root, run } in TESTS {
        if needs_root && effective_uid() != 0 {
            println!("test {name} ... ignored, needs root");
            continue;
        }
        run();
        println!("test {name} ... ok");
    }
}

/// Nobody, by number: whether the account exists does not matter to the kernel.
fn nobody() -> User {
    User { name: "nobody".to_owned(), uid: 65534, gid: 65534 }
}

/// Runs `life` in a child and requires that it returns 0.
fn in_a_child(life: impl FnOnce(Channel) -> i32) {
    let mut child = spawn_child(life).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// One of the lines of numbers in /proc/self/status.
fn told_by_proc(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn a_child_answers_messages() {
    let mut child = spawn_child(|channel| {
        let mut bytes = [0; 16];
        while let Message::Whole(len) = channel.receive(&mut bytes).unwrap() {
            bytes[..len].reverse();
            channel.send(&bytes[..len]).unwrap();
        }
        0
    })
    .unwrap();
    let mut bytes = [0; 16];
    for (question, answer) in [(b"abc", b"cba"), (b"xyz", b"zyx")] {
        child.channel.send(question).unwrap();
        assert_eq!(patiently(|| child.channel.receive(&mut bytes)), Message::Whole(3));
        assert_eq!(&bytes[..3], answer);
    }
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    child.kill().unwrap();
}

/// Again and again while it would have to wait.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(start.elapsed() < Duration::from_secs(30), "it never came");
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result.unwrap(),
        }
    }
}

fn a_child_ends_with_its_own_status() {
    let mut child = spawn_child(|_| 42).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(42));
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

fn a_panic_in_a_child_is_an_exit_status() {
    let mut child = spawn_child(|_| {
        std::panic::set_hook(Box::new(|_| {}));
        panic!("on purpose")
    })
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(111));
}

/// A child of ours stands for the daemon, and its child for the keeper of the clock.
fn what_was_handed_over_is_not_a_childs() {
    in_a_child(|channel| {
        // Its descriptor may be the one that the socket takes.
        let _never_closed = ManuallyDrop::new(channel);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = socket.local_addr().unwrap();
        let us = std::process::id().to_string();
        // SAFETY: this process has one thread, and nobody in it uses descriptor 3 any more.
        unsafe {
            assert_eq!(libc::dup2(socket.into_raw_fd(), 3), 3);
            for (name, value) in [("LISTEN_PID", us.as_str()), ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "ntp")]
            {
                env::set_var(name, value);
            }
        }
        let announced = handed::announced().unwrap();
        assert!(
            ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].iter().all(|name| env::var_os(name).is_none())
        );
        let is_open = || std::fs::read_link("/proc/self/fd/3").is_ok();
        in_a_child(move |_| i32::from(is_open()));
        assert!(is_open());
        let taken = announced.take().unwrap();
        assert_eq!((taken.len(), taken[0].name.as_str(), taken[0].place), (1, "ntp", place));
        assert!(handed::announced().unwrap().take().unwrap().is_empty(), "nobody takes it twice");
        0
    });
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// A process that is gone or only waits to be reaped has no memory any more.
fn is_gone(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/statm")).map_or(true, |statm| statm.starts_with("0 "))
}

fn a_child_that_is_dropped_is_gone() {
    let child = spawn_child(|_| sleep_for_ever()).unwrap();
    let pid = child.pid();
    assert!(!is_gone(pid));
    drop(child);
    assert!(is_gone(pid));
}

fn a_child_dies_with_its_parent() {
    let mut child = spawn_child(|channel| {
        let grandchild = spawn_child(|ready| {
            become_user(&nobody(), &[]).unwrap();
            ready.send(b"changed").unwrap();
            sleep_for_ever()
        })
        .unwrap();
        patiently(|| grandchild.channel.receive(&mut [0; 16]));
        channel.send(&grandchild.pid().to_ne_bytes()).unwrap();
        sleep_for_ever()
    })
    .unwrap();
    let mut pid = [0; 4];
    assert_eq!(patiently(|| child.channel.receive(&mut pid)), Message::Whole(4));
    let pid = i32::from_ne_bytes(pid);
    assert!(!is_gone(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    patiently(|| if is_gone(pid) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) });
}

/// Bad input 105.
fn the_kernel_refuses_the_clock() {
    let present = adjust::read_state().unwrap();
    in_a_child(|_| {
        drop_all_capabilities().unwrap();
        let none = "0".repeat(16);
        let gone = !has_cap_sys_time().unwrap()
            && ["CapEff", "CapPrm", "CapInh", "CapAmb"].iter().all(|set| told_by_proc(set) == none);
        assert!(gone, "no test ever tries to set a clock that it could set");
        assert_eq!(adjust::set_rate(present.rate), Err(ClockError::NotPermitted));
        assert_eq!(adjust::slew(Span::ZERO), Err(ClockError::NotPermitted));
        assert_eq!(adjust::set_errors(present.maxerror, present.esterror), Err(ClockError::NotPermitted));
        assert_eq!(adjust::read_state().unwrap().rate, present.rate);
        0
    });
}

fn a_user_change_keeps_what_is_named() {
    in_a_child(|_| {
        become_user(&nobody(), &[Capability::BindService]).unwrap();
        assert_eq!(effective_uid(), 65534);
        assert_eq!(told_by_proc("Uid"), "65534\t65534\t65534\t65534");
        assert_eq!(told_by_proc("Gid"), "65534\t65534\t65534\t65534");
        assert_eq!(told_by_proc("Groups"), "65534");
        assert_eq!(told_by_proc("CapEff"), format!("{:016x}", 1 << 10));
        assert_eq!(told_by_proc("CapPrm"), format!("{:016x}", 1 << 10));
        assert_eq!(told_by_proc("NoNewPrivs"), "1");
        assert!(!has_cap_sys_time().unwrap());
        assert!(become_user(&User { name: "root".to_owned(), uid: 0, gid: 0 }, &[]).is_err());
        0
    });
}
