//! Reference clocks, with stand-ins that need no hardware: programs that write to shared memory and to a socket. They tell the
//! time of this machine's own clock, which is the truth here.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use truechimer_core::status::Status;
use truechimer_core::wire::refclock::{SEGMENT_LEN, SOCK_LEN, SOCK_MAGIC};
use truechimer_sys::clock;
use truechimer_sys::segment::{Segment, remove};
use truechimer_time::Span;

use crate::daemon::{Home, Wishes};
use crate::place::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

/// How often a stand-in speaks.
const TURN: Duration = Duration::from_millis(50);

/// A program that speaks again and again, until it is dropped.
struct Speaker {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    fn start(mut speak: impl FnMut() + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                speak();
                std::thread::sleep(TURN);
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn now() -> (i64, i64) {
    let (seconds, attos) = clock::realtime().since_epoch().split();
    (seconds as i64, (attos / 1_000_000_000) as i64)
}

/// A sample of a clock that is as right as this machine's.
fn datagram() -> [u8; SOCK_LEN] {
    let (seconds, nanos) = now();
    let mut bytes = [0; SOCK_LEN];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..16].copy_from_slice(&(nanos / 1000).to_ne_bytes());
    bytes[36..].copy_from_slice(&SOCK_MAGIC.to_ne_bytes());
    bytes
}

fn with<const LEN: usize>(mut bytes: [u8; LEN], place: usize, value: &[u8]) -> [u8; LEN] {
    bytes[place..place + value.len()].copy_from_slice(value);
    bytes
}

fn write(segment: &Segment, count: u32) {
    let (seconds, nanos) = now();
    segment.put(0, 1);
    segment.put(1, count);
    for place in [2, 6] {
        segment.put(place, seconds as u32);
        segment.put(place + 1, (seconds >> 32) as u32);
        segment.put(place + 2, (nanos / 1000) as u32);
    }
    segment.put(13, nanos as u32);
    segment.put(14, nanos as u32);
    segment.put(12, 1);
}

/// Wishes of which the tables of the sources are these.
fn wishes(sources: String) -> Wishes {
    Wishes { serve: sources, ..Wishes::asking([]) }
}

#[test]
fn bad_input_129_a_socket_is_believed_as_far_as_its_datagrams_make_sense() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gps.sock");
    let home = Home::new(&wishes(format!(
        "[[source]]\nkind = \"sock\"\naddress = {path:?}\nerror = \"200us\"\nrefid = \"TEST\"\n\
         min_interval = \"200ms\"\nmax_interval = \"200ms\"\n"
    )));
    let daemon = home.start();
    let speaker = UnixDatagram::unbound().unwrap();
    // What it does not hear, because nobody listens any more, is no failure of the stand-in.
    let say = move |path: &Path, bytes: &[u8]| drop(speaker.send_to(bytes, path));
    let nonsense: [&[u8]; 5] = [
        b"",
        &[0xff; 400],
        &with(datagram(), 36, &[0; 4]),
        &with(datagram(), 16, &f64::NAN.to_ne_bytes()),
        &with(datagram(), 16, &1e300f64.to_ne_bytes()),
    ];
    let refused = |daemon: &crate::daemon::Daemon<'_>| daemon.sources().sources[0].refused.clone();
    for (bytes, why) in nonsense.iter().zip(["length", "length", "magic", "not_a_number", "absurd"]) {
        eventually(PATIENCE, why, || {
            say(&path, bytes);
            refused(&daemon).iter().any(|(reason, _)| reason == why).then_some(())
        });
    }
    assert_eq!(daemon.status().status, Status::Unknown.to_string(), "nothing of it was believed");

    let speaking = path.clone();
    let _speaker = Speaker::start(move || say(&speaking, &datagram()));
    let samples = daemon.truth().watch_until(PATIENCE, "it is right", |sample| {
        sample.status == Status::Synchronised && sample.bound < Span::from_millis(1)
    });
    assert!(samples.iter().all(|sample| sample.error.abs() < Span::from_millis(1)), "{samples:?}");
    daemon.truth().watch(Duration::from_secs(1));
    let source = daemon.sources().sources.remove(0);
    assert_eq!((source.name.as_str(), source.mark, source.stratum), (&*path.to_string_lossy(), '*', Some(0)));
    assert_eq!(source.reference_id.as_deref(), Some("54455354"));
    assert_eq!(daemon.status().stratum, 1, "who has a reference clock is of stratum 1");
    daemon.terminate();
    assert!(!path.exists(), "the socket goes with the daemon");
}

#[test]
fn bad_input_129_shared_memory_is_believed_as_far_as_it_makes_sense() {
    let key = 0x7445_0000 | (std::process::id() as i32 & 0xffff);
    let segment = Segment::attach(key, SEGMENT_LEN, 0o600).unwrap();
    let home = Home::new(&wishes(format!(
        "[[source]]\nkind = \"shm\"\naddress = \"{key:#x}\"\nerror = \"200us\"\n\
         min_interval = \"200ms\"\nmax_interval = \"200ms\"\n"
    )));
    let daemon = home.start();
    let refused = |why: &str| {
        let refused = daemon.sources().sources.remove(0).refused;
        refused.iter().any(|(reason, _)| reason == why).then_some(())
    };
    eventually(PATIENCE, "nobody has written", || refused("nothing"));
    let mut count = 0;
    let mut spoil = |place: usize, word: u32, why: &str| {
        eventually(PATIENCE, why, || {
            count += 1;
            write(&segment, count);
            segment.put(place, word);
            refused(why)
        });
        write(&segment, count);
    };
    spoil(0, 9, "mode");
    spoil(4, 2_000_000, "fraction");
    spoil(9, 77, "leap");
    spoil(9, 3, "never_set");
    let speaker = Speaker::start(move || {
        count += 1;
        segment.put(9, 0);
        write(&segment, count);
    });
    daemon.truth().watch_until(PATIENCE, "it is right", |sample| {
        sample.status == Status::Synchronised && sample.bound < Span::from_millis(5)
    });
    daemon.truth().watch(Duration::from_secs(1));
    drop(speaker);
    daemon.terminate();
    remove(key).unwrap();
}

#[test]
fn devices_that_are_not_there_are_told_of_with_a_remedy_and_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    fs::write(&file, "precious").unwrap();
    let home = Home::new(&wishes(format!(
        "[[source]]\nkind = \"pps\"\naddress = \"/dev/no-such-pulse\"\n\
         [[source]]\nkind = \"phc\"\naddress = \"/dev/null\"\n\
         [[source]]\nkind = \"sock\"\naddress = {file:?}\n"
    )));
    let mut daemon = home.start();
    let words = eventually(PATIENCE, "all are told of", || {
        let log = daemon.process.log();
        let told = ["/dev/no-such-pulse", "it is no PTP clock", "something that is no socket is there"];
        told.iter().all(|words| log.contains(words)).then_some(log)
    });
    assert!(words.contains("load its driver, plug it in, or correct `address`"), "{words}");
    let sources = daemon.sources().sources;
    assert!(sources.iter().all(|source| source.mark == '?'), "{sources:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(daemon.process.is_alive());
    daemon.terminate();
}
