//! A leap second that is made up for the end of the month, which the servers have nearly reached, and smeared by the real daemon.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use truechimer_core::wire::taiclock::Question;
use truechimer_time::leap::DAT_BYTES_MAX;
use truechimer_time::{LeapKind, LeapTable, Span, Time};

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::ntp::{self, CLIENT};
use crate::place::{self, eventually, free_place};

const PATIENCE: Duration = Duration::from_secs(20);

/// On loopback nothing is further away than this, in seconds.
const NEAR: f64 = 5e-3;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// Seconds from 1900 to 1970 (RFC 868).
const TO_1970: f64 = 2_208_988_800.0;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A table with a leap second at the end of a month to come, and servers whose clocks are six hours before it.
struct Leap {
    midnight: i64,
    /// So far are they ahead of this machine, in seconds.
    ahead: i32,
    leaps: LeapTable,
    file: PathBuf,
    _folder: TempDir,
}

impl Leap {
    fn new() -> Self {
        let today = now() as i64 / DAY;
        let (leaps, midnight) = (1..62)
            .find_map(|days| {
                let (midnight, mut leaps) = ((today + days) * DAY, LeapTable::COMPILED);
                leaps.push(Time::from_epoch(Span::from_secs(midnight)), LeapKind::Inserted).ok()?;
                Some((leaps, midnight))
            })
            .expect("a month ends");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leapsecs.dat");
        fs::write(&file, leaps.to_dat(&mut [0; DAT_BYTES_MAX]).unwrap()).unwrap();
        let ahead = (midnight - 6 * HOUR - now() as i64) as i32;
        Self { midnight, ahead, leaps, file, _folder: folder }
    }

    /// The time by the servers.
    fn now(&self) -> f64 {
        now() + f64::from(self.ahead)
    }

    /// What is to be told minus UTC, six hours before midnight: from noon on it has fallen behind.
    fn away(&self) -> f64 {
        let since_noon = self.now() - self.midnight as f64 + (DAY / 2) as f64;
        -since_noon / (DAY + 1) as f64
    }
}

/// What is told, and by which reference id and leap indicator.
fn told(place: SocketAddr) -> (f64, [u8; 4], u8) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&ntp::question(CLIENT, 1), place).unwrap();
    let mut answer = [0; 48];
    socket.recv(&mut answer).unwrap();
    let word = |at: usize| f64::from(u32::from_be_bytes([0, 1, 2, 3].map(|i| answer[at + i])));
    let sent = word(40) + word(44) / 4_294_967_296.0 - TO_1970;
    (sent, [12, 13, 14, 15].map(|at| answer[at]), answer[0] >> 6)
}

/// What TAICLOCK tells, in seconds of TAI.
fn tai(place: SocketAddr) -> f64 {
    let question = Question::new(*b"unguessable!");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(question.bytes(), place).unwrap();
    let mut answer = [0; 64];
    let len = socket.recv(&mut answer).unwrap();
    question.read(&answer[..len]).unwrap().since_epoch().as_seconds()
}

#[test]
fn a_leap_second_is_smeared_for_clients_who_are_told_so_and_for_nobody_else() {
    let Some(peers) = place::peers() else { return };
    let leap = Leap::new();
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::ahead(&peers, leap.ahead)).collect();
    let (ntp, taiclock) = (free_place(), free_place());
    let serve = format!(
        "[serve]\nntp = [\"{ntp}\"]\ntaiclock = [\"{taiclock}\"]\nleap_smear = \"24h\"\n[leap]\nfile = {:?}\n",
        leap.file
    );
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start();
    // Not by the truth of this machine: the servers are ahead of it.
    eventually(PATIENCE, "synchronised", || (daemon.status().status == "synchronised").then_some(()));

    let (told, reference_id, indicator) = told(ntp);
    let (away, expected) = (told - leap.now(), leap.away());
    assert!((away - expected).abs() < NEAR, "{away} instead of {expected}");
    assert_eq!((reference_id[0], indicator), (254, 0), "{reference_id:?}");
    // Two's complement with 22 bits of fraction.
    let [_, high, middle, low] = reference_id;
    let written = f64::from(i32::from_be_bytes([high, middle, low, 0]) >> 8) / 4_194_304.0;
    assert!((written - expected).abs() < NEAR, "{written} instead of {expected}");
    let utc = Time::from_epoch(Span::from_seconds(leap.now()));
    let off = tai(taiclock) - leap.leaps.tai_of_utc(utc).since_epoch().as_seconds();
    assert!(off.abs() < NEAR, "TAI is never smeared: {off}");

    let status = daemon.status();
    assert_eq!(status.server.and_then(|server| server.leap_smear), Some(86_400.0));
    assert!(status.offset.is_some_and(|offset| offset.abs() < NEAR), "our own clock is not smeared");
    let said = String::from_utf8(daemon.command("status").output().unwrap().stdout).unwrap();
    assert!(said.contains("leap seconds are smeared over"), "{said}");
    assert!(daemon.process.log().contains("SMEARED TIME IS SERVED"), "{}", daemon.process.log());
    daemon.terminate();
}
