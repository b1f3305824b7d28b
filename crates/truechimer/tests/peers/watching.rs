//! The live view on a terminal: what a user sees and does, and what becomes of the terminal.
//!
//! The terminal is a pseudo terminal (pty(7)): one end is the program's, and what it writes there is drawn by a library as a
//! terminal would.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::place::{self, eventually};
use crate::process::harmless;

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the last line says first.
const FOOT: &str = "q quit";

/// A terminal with the live view on it.
struct Screen {
    /// Our end of it: who uses it.
    user: File,
    /// The program's end, held open so that its settings can be seen when the program is gone.
    line: OwnedFd,
    /// As the terminal was before.
    before: Termios,
    drawn: Parser,
    child: Child,
}

impl Screen {
    /// Begins to watch a daemon, or the place where one could be.
    fn watching(home: &Home) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        ioctl_fionbio(&user, true).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let line =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let before = tcgetattr(&line).unwrap();
        let stdio = || line.try_clone().unwrap();
        let mut command = harmless(None);
        // In a session of its own, of which this is the terminal.
        command.args(["setsid", "--ctty"]).arg(place::truechimer()).arg("watch");
        command.arg("--run-dir").arg(home.path("run")).arg("--state-dir").arg(home.path("state"));
        command.env("TERM", "xterm-256color").stdin(stdio()).stdout(stdio()).stderr(stdio());
        tcsetwinsize(&user, size(24, 80)).unwrap();
        let child = command.spawn().unwrap();
        let drawn = Parser::new(cells(24), cells(80), 0);
        Self { user: user.into(), line, before, drawn, child }
    }

    /// Its size changes, which the kernel tells the program.
    fn resize(&mut self, rows: u16, columns: u16) {
        self.drawn.screen_mut().set_size(cells(rows), cells(columns));
        tcsetwinsize(&self.user, size(rows, columns)).unwrap();
    }

    fn press(&mut self, keys: &str) {
        self.user.write_all(keys.as_bytes()).unwrap();
    }

    /// What is on it now.
    fn text(&mut self) -> String {
        let mut bytes = [0; 4096];
        loop {
            match self.user.read(&mut bytes) {
                Ok(len) => self.drawn.process(&bytes[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.drawn.screen().contents()
    }

    /// Waits until something is on it, and nothing of something else.
    #[track_caller]
    fn shows(&mut self, wanted: &[&str], unwanted: &[&str]) {
        let mut last = String::new();
        let is_there = |text: &str| {
            wanted.iter().all(|it| text.contains(it)) && !unwanted.iter().any(|it| text.contains(it))
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(PATIENCE, "the screen is as it should be", || {
                last = self.text();
                is_there(&last).then_some(())
            });
        }));
        assert!(found.is_ok(), "{wanted:?} and not {unwanted:?} in\n{last}");
    }

    /// The last line that has anything.
    fn foot(&mut self) -> String {
        self.text().lines().last().unwrap_or_default().to_owned()
    }

    fn end(&mut self) -> ExitStatus {
        eventually(PATIENCE, "the live view ends", || self.child.try_wait().unwrap())
    }

    /// The program has ended, and left the terminal as it was.
    #[track_caller]
    fn ends_well(mut self) {
        assert_eq!(self.end().code(), Some(0));
        self.text();
        assert!(!self.drawn.screen().alternate_screen(), "what was there before is there again");
        assert!(!self.drawn.screen().hide_cursor(), "the cursor is seen");
        let after = tcgetattr(&self.line).unwrap();
        let settings = |termios: &Termios| {
            (termios.input_modes, termios.output_modes, termios.control_modes, termios.local_modes)
        };
        assert_eq!(settings(&after), settings(&self.before));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that has ended already cannot be killed: that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

/// A home in which nobody lives.
fn nobody() -> Home {
    Home::new(&Wishes::asking([]))
}

#[test]
fn the_view_draws_reacts_to_keys_and_leaves_the_terminal_as_it_was() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let home = Home::new(&Wishes::asking(servers.iter().map(|server| server.place)));
    let daemon = home.start();
    let mut screen = Screen::watching(&home);
    let panels = ["right time minus clock", "sources, as configured", "events"];
    screen.shows(&[&["synchronised", "truechimer", FOOT], &panels[..]].concat(), &[]);
    screen.press("?");
    screen.shows(&["let nothing move, and go on"], &[]);
    screen.press(" ");
    screen.shows(&panels, &["let nothing move, and go on"]);
    screen.press("p");
    screen.shows(&["PAUSED"], &[]);
    screen.press("p");
    screen.shows(&[FOOT], &["PAUSED"]);
    screen.press("s");
    screen.shows(&["sources, by name"], &[]);
    screen.press("\t");
    screen.shows(&["right time minus clock"], &["sources, by name"]);
    screen.press("q");
    screen.ends_well();
    daemon.terminate();
}

#[test]
fn the_view_takes_the_size_that_its_terminal_has_now() {
    let home = nobody();
    let mut screen = Screen::watching(&home);
    screen.shows(&[FOOT, "no time"], &[]);
    for (rows, columns) in [(40, 132), (10, 60), (3, 20), (1, 1), (24, 80)] {
        screen.resize(rows, columns);
        if columns > 20 {
            eventually(PATIENCE, "the foot is at the bottom", || {
                let is_there = screen.foot().starts_with(FOOT);
                (is_there && screen.text().lines().count() == usize::from(rows)).then_some(())
            });
        }
    }
    screen.press("\x1b");
    screen.ends_well();
}

#[test]
fn a_signal_ends_the_view_and_leaves_the_terminal_as_it_was() {
    for signal in ["TERM", "INT", "HUP"] {
        let home = nobody();
        let mut screen = Screen::watching(&home);
        screen.shows(&[FOOT], &[]);
        let pid = screen.child.id().to_string();
        let line = ["-c", "kill -\"$1\" \"$2\"", "sh", signal, &pid];
        assert!(std::process::Command::new("sh").args(line).status().unwrap().success());
        screen.ends_well();
    }
}

/// It read errors from the terminal that was gone, for ever and with all of a processor.
#[test]
fn the_view_ends_with_its_terminal() {
    let home = nobody();
    let mut screen = Screen::watching(&home);
    screen.shows(&[FOOT], &[]);
    let Screen { child, .. } = &mut screen;
    let pid = child.id();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    // Both ends that we have: nobody is left who could read what it writes.
    screen.user = File::open("/dev/null").unwrap();
    screen.line = File::open("/dev/null").unwrap().into();
    screen.end();
}
