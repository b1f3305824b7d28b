use super::*;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use truechimer_core::wire::refclock::{SEGMENT_LEN, SOCK_LEN, SOCK_MAGIC};
use truechimer_sys::segment::{Segment, remove};

fn key(salt: i32) -> i32 {
    0x7444_0000 | ((std::process::id() as i32 & 0xfff) << 4) | salt
}

fn now() -> Surroundings {
    Surroundings::at(clock::readings(), None)
}

fn reference(what: What) -> Reference {
    let device = Some(Device::open(&what, None).expect("it opens"));
    let (source, retry, patience) = (SourceId(0), Time::EPOCH, RETRY_MIN);
    Reference { source, what, device, retry, patience, told: None, is_wanted: false }
}

fn read(reference: &mut Reference) -> Result<Reading, Misreading> {
    reference.read(&now()).0.expect("it is read at once")
}

/// Seconds and microseconds of a clock, as a segment has them, into words.
fn put_time(segment: &Segment, (seconds, micros, nanos): (usize, usize, usize), nanoseconds: i64) {
    let (whole, part) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    segment.put(seconds, whole as u32);
    segment.put(seconds + 1, (whole >> 32) as u32);
    segment.put(micros, (part / 1000) as u32);
    segment.put(nanos, part as u32);
}

fn write(segment: &Segment, count: u32, ahead: i64) {
    let local = clock::realtime().since_epoch().as_nanos();
    segment.put(0, 1);
    segment.put(1, count);
    put_time(segment, (2, 4, 13), local + ahead);
    put_time(segment, (6, 8, 14), local);
    segment.put(12, 1);
}

#[test]
fn a_segment_is_read_once_for_each_sample() {
    let key = key(1);
    let mut reference = reference(What::Shm { key, unit: None });
    let segment = Segment::attach(key, SEGMENT_LEN, 0o666).expect("attached");
    assert_eq!(read(&mut reference), Err(Misreading::Nothing), "nobody has written yet");
    write(&segment, 1, 250_000_000);
    let Ok(Reading::Told { at, utc, blur, .. }) = read(&mut reference) else { panic!("a time") };
    let expected = clock::realtime().since_epoch() + Span::from_millis(250) - (clock::raw() - at);
    assert!((utc.since_epoch() - expected).abs() < Span::from_millis(1), "{utc} {expected:?}");
    assert!(blur < Span::from_millis(1), "{blur:?}");
    assert_eq!(read(&mut reference), Err(Misreading::Nothing), "the reader has cleared `valid`");
    segment.put(12, 1);
    assert_eq!(read(&mut reference), Err(Misreading::Nothing), "the same again");
    write(&segment, 2, 0);
    segment.put(0, 7);
    assert_eq!(read(&mut reference), Err(Misreading::Mode));
    write(&segment, 3, 0);
    put_time(&segment, (6, 8, 14), 1_700_000_000_000_000_000);
    assert_eq!(read(&mut reference), Err(Misreading::Stale), "of years ago");
    remove(key).expect("ours");
}

#[test]
fn bad_input_121_a_segment_of_root_that_others_may_write_to_is_not_used() {
    let key = key(2);
    let _segment = Segment::attach(key, SEGMENT_LEN, 0o666).expect("made");
    let what = What::Shm { key, unit: Some(0) };
    let uid = truechimer_sys::user::effective_uid();
    let refused = Device::open(&what, None).expect_err("others may write to it");
    assert_eq!(refused, Trouble::OthersMayWrite { uid, mode: 0o666 });
    assert!(refused.words(&what).contains("ipcrm"), "{}", refused.words(&what));
    assert!(Device::open(&What::Shm { key, unit: Some(2) }, None).is_ok(), "that is what unit 2 is for");
    remove(key).expect("ours");
    let own = reference(What::Shm { key, unit: Some(1) });
    let owner = Segment::owner(key).expect("asked").expect("made");
    assert_eq!((owner.uid, owner.mode), (uid, 0o600), "{own:?}");
    remove(key).expect("ours");
}

fn datagram(offset: f64, pulse: i32) -> [u8; SOCK_LEN] {
    let mut bytes = [0; SOCK_LEN];
    let (seconds, attos) = clock::realtime().since_epoch().split();
    bytes[..8].copy_from_slice(&(seconds as i64).to_ne_bytes());
    bytes[8..16].copy_from_slice(&((attos / 1_000_000_000_000) as i64).to_ne_bytes());
    bytes[16..24].copy_from_slice(&offset.to_ne_bytes());
    bytes[24..28].copy_from_slice(&pulse.to_ne_bytes());
    bytes[36..].copy_from_slice(&SOCK_MAGIC.to_ne_bytes());
    bytes
}

fn send(path: &Path, bytes: &[u8]) {
    UnixDatagram::unbound().expect("a socket").send_to(bytes, path).expect("sent");
}

#[test]
fn a_socket_is_heard_when_it_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gps.sock");
    let mut reference = reference(What::Sock(path.clone()));
    send(&path, &datagram(0.0, 0));
    assert_eq!(reference.hear(&now()).0, None, "nobody has asked");
    assert_eq!(reference.read(&now()).0, None, "it speaks of its own accord");
    send(&path, &datagram(-0.5, 0));
    send(&path, b"not a sample");
    let Some(Ok(Reading::Told { at, utc, .. })) = reference.hear(&now()).0 else { panic!("a time") };
    let expected = clock::realtime().since_epoch() - Span::from_millis(500) - (clock::raw() - at);
    assert!((utc.since_epoch() - expected).abs() < Span::from_millis(1), "{utc} {expected:?}");
    send(&path, &datagram(0.0, 0));
    assert_eq!(reference.hear(&now()).0, None, "once for each time that it was asked");
    reference.read(&now());
    send(&path, &datagram(f64::NAN, 0));
    assert_eq!(reference.hear(&now()).0, Some(Err(Misreading::NotANumber)));
    reference.read(&now());
    send(&path, &datagram(1234.75, 1));
    let Some(Ok(Reading::Pulse { phase, .. })) = reference.hear(&now()).0 else { panic!("a pulse") };
    assert!(phase.abs() <= Span::from_millis(500), "{phase:?}");
    drop(reference);
    assert!(!path.exists(), "the socket goes with the daemon");
}

#[test]
fn bad_input_122_a_socket_takes_the_place_of_nothing_but_a_dead_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, link, dead) =
        (folder.path().join("file"), folder.path().join("link"), folder.path().join("dead"));
    fs::write(&file, b"precious").expect("written");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    for path in [&file, &link] {
        let refused = Device::open(&What::Sock(path.clone()), None).expect_err("no socket");
        assert_eq!(refused, Trouble::NoSocket);
    }
    assert_eq!(fs::read(&file).expect("still there"), b"precious");
    drop(UnixDatagram::bind(&dead).expect("bound"));
    let living = Device::open(&What::Sock(dead.clone()), None).expect("nobody listens there");
    assert_eq!(Device::open(&What::Sock(dead), None).expect_err("somebody listens"), Trouble::InUse);
    drop(living);
}

#[test]
fn a_device_that_is_gone_is_told_of_once_and_tried_ever_more_rarely() {
    let what = What::Pps("/dev/no-such-pulse".into(), PpsEdge::Assert);
    let (source, retry) = (SourceId(3), Time::EPOCH);
    let mut reference =
        Reference { source, what, device: None, retry, patience: RETRY_MIN, told: None, is_wanted: false };
    let at = |millis| {
        let now = Readings { mono: Time::from_epoch(Span::from_millis(millis)), ..clock::readings() };
        Surroundings { now, ..super::tests::now() }
    };
    let (reading, told) = reference.read(&at(1000));
    assert_eq!(reading, Some(Err(Misreading::Absent)));
    let told = told.expect("told once");
    assert!(told.contains("/dev/no-such-pulse") && told.contains("load its driver"), "{told}");
    let mut tries = 0;
    for millis in (1000..300_000).step_by(1000) {
        let before = reference.retry;
        assert_eq!(reference.read(&at(millis)), (Some(Err(Misreading::Absent)), None), "not told again");
        tries += u32::from(reference.retry != before);
    }
    assert!((8..14).contains(&tries), "{tries} in five minutes");
}
