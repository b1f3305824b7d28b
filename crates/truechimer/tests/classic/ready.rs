//! The start of the servers: supervisors are told when it is over, systemd by its socket, s6 by a descriptor; and people
//! why it was not.

use std::fs::{self, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::add::powerless;
use crate::{run, text};

const PATIENCE: Duration = Duration::from_secs(60);

/// What opens descriptor 3 before it becomes the program.
const WITH_FD: &str = "exec 3>\"$1\"; shift; exec \"$@\"";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One that nobody has, neither for UDP nor for TCP.
fn free_port() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let place = socket.local_addr().expect("it is bound");
    TcpListener::bind(place).map_or_else(|_| free_port(), |_| place.port().to_string())
}

fn is_announced(program: &str, options: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, line) = (folder.path().join("notify"), folder.path().join("line"));
    let supervisor = UnixDatagram::bind(&socket).expect("a socket");
    // As systemd has it: whoever the server becomes may tell.
    for (path, mode) in [(folder.path(), 0o755), (&socket, 0o777)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    supervisor.set_read_timeout(Some(PATIENCE)).expect("a time");
    let mut command = powerless();
    command.args(["sh", "-c", WITH_FD, "sh"]).arg(&line).arg(env!("CARGO_BIN_EXE_truechimer")).arg(program);
    command.args(options).args(["--ready-fd", "3"]).env("NOTIFY_SOCKET", &socket).stdin(Stdio::null());
    let _server = Server(command.spawn().expect("it can be run"));
    let mut told = [0; 64];
    let len = supervisor.recv(&mut told).expect("it is ready");
    assert_eq!(text(&told[..len]), "READY=1", "{program}");
    let ends = Instant::now() + PATIENCE;
    while fs::read(&line).expect("the shell made it") != b"\n" {
        assert!(Instant::now() < ends, "{program} wrote no line");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn servers_say_when_they_answer() {
    let port = free_port();
    is_announced("taiclockd", &["-i", "127.0.0.1", "-p", &port]);
    is_announced("rdated", &["-i", "127.0.0.1", "--time", &port, "--daytime", "0"]);
}

#[test]
fn clockspeed_says_when_it_hears() {
    let home = tempfile::tempdir().expect("a folder");
    is_announced("clockspeed", &["--strict", "--home", home.path().to_str().expect("a plain path")]);
}

#[test]
fn a_server_that_has_nowhere_or_nothing_to_answer_says_so() {
    let port = free_port();
    let told = |program, options: &[&str]| text(&run(program, options, b"").stderr);
    assert_eq!(
        told("rdated", &["-i", "192.0.2.55", "--time", &port]),
        format!("rdated: fatal: unable to bind UDP 192.0.2.55:{port}: this host has no such address\n")
    );
    let idle = run("rdated", &["--time", "0", "--daytime", "0"], b"");
    assert_eq!(idle.status.code(), Some(100));
    assert_eq!(text(&idle.stderr), "rdated: fatal: --time 0 and --daytime 0 leave nothing to answer\n");
}

#[test]
fn a_descriptor_that_nobody_has_opened_is_not_written_to() {
    let output = run("taiclockd", &["-i", "127.0.0.1", "-p", &free_port(), "--ready-fd", "77"], b"");
    assert_eq!(output.status.code(), Some(111));
    let told = text(&output.stderr);
    assert!(told.contains("--ready-fd") && told.contains("bad file descriptor"), "{told}");
    let output = run("taiclockd", &["--ready-fd", "2"], b"");
    assert_eq!(output.status.code(), Some(100), "{}", text(&output.stderr));
}
