use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use truechimer_time::unix::Timespec;
use truechimer_time::{Rate, Span};

use super::float;
use super::reply::*;
use super::request::{Query, Refusal, Request};
use super::{Host, REPLY_HEADER_LEN, REQUEST_MAX};
use crate::wire::ntp::Leap;

/// What Debian's chronyc 4.3 asks: a command, its argument, and the length that it pads to.
fn asked(command: u16, argument: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = vec![6, 1, 0, 0];
    bytes.extend(command.to_be_bytes());
    bytes.extend([0, 0, 0x3a, 0x6b, 0xc9, 0x15, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(argument);
    bytes.resize(len, 0);
    bytes
}

fn request(command: u16, argument: &[u8], len: usize) -> Request {
    Request::parse(&asked(command, argument, len)).expect("it is a request")
}

fn query(command: u16, argument: &[u8], len: usize) -> Result<Query, Refusal> {
    request(command, argument, len).query
}

fn localhost() -> Host {
    Host::At([127, 0, 0, 1].into())
}

#[test]
fn what_chronyc_asks_is_understood() {
    assert_eq!(query(14, &[], 32), Ok(Query::SourceCount));
    assert_eq!(query(15, &[0, 0, 0, 2], 76), Ok(Query::Source(2)));
    assert_eq!(query(33, &[], 104), Ok(Query::Tracking));
    assert_eq!(query(34, &[0, 0, 1, 0], 84), Ok(Query::Statistics(256)));
    assert_eq!(query(44, &[], 48), Ok(Query::Activity));
    assert_eq!(query(54, &[], 72), Ok(Query::Server));
    assert_eq!(query(65, &localhost().write(), 284), Ok(Query::SourceName(localhost())));
    assert_eq!(query(67, &localhost().write(), 52), Ok(Query::Protection(localhost())));
    assert_eq!(query(69, &[0; 4], 76), Ok(Query::Selection(0)));
    assert_eq!(request(33, &[], 104).sequence, 0x3a6b_c915);
}

#[test]
fn what_changes_something_or_is_others_business_is_not_for_everybody() {
    for command in [0, 1, 3, 11, 17, 41, 43, 53, 55, 62, 64, 68, 72, 74] {
        assert_eq!(query(command, &[], 520), Err(Refusal::Unauthorised), "{command}");
    }
    assert_eq!(query(75, &[], 520), Err(Refusal::Invalid));
    assert_eq!(query(u16::MAX, &[], 28), Err(Refusal::Invalid));
}

#[test]
fn bad_input_119_what_is_no_request_gets_no_reply() {
    let good = asked(33, &[], 104);
    assert!(Request::parse(&good).is_some());
    for (at, byte) in [(0, 4), (0, 0), (1, 2), (1, 0), (2, 1), (3, 1)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(Request::parse(&bad), None, "{at} {byte}");
    }
    for len in [0, 1, 19, 20, 27] {
        assert_eq!(Request::parse(&good[..len]), None, "{len} bytes have no room for a refusal");
    }
    assert_eq!(Request::parse(&asked(33, &[], REQUEST_MAX + 1)), None);
}

#[test]
fn bad_input_119_another_version_a_missing_argument_and_no_such_family_are_refused_by_name() {
    let mut other = asked(33, &[], 104);
    other[0] = 7;
    let other = Request::parse(&other).expect("its header is the same");
    assert_eq!(other.query, Err(Refusal::BadVersion));
    assert_eq!(query(65, &[0; 19], 39), Err(Refusal::BadLength));
    let mut host = localhost().write();
    host[17] = 4;
    assert_eq!(query(65, &host, 284), Err(Refusal::Invalid));
}

#[test]
fn hosts_are_read_as_they_are_written() {
    let six = Host::At("2001:db8::1".parse().expect("an address"));
    for host in [Host::Nobody, localhost(), six, Host::Number(7)] {
        assert_eq!(Host::parse(&host.write()), Some(host));
    }
}

fn tracking() -> Tracking {
    Tracking {
        reference_id: [127, 0, 0, 1],
        host: localhost(),
        stratum: 9,
        leap: Leap::None,
        reference: Timespec::new(0x6b03_c685, 0x2219_9ce0).time(),
        offset: Span::from_nanos(-2_194),
        last_offset: Span::from_nanos(-286),
        rms_offset: Span::from_nanos(1_529),
        rate: Rate::from_ppb(-32),
        residual: Rate::from_ppb(-10),
        skew: Rate::from_ppb(320),
        root_delay: Span::from_nanos(7_503),
        root_dispersion: Span::from_nanos(3_477),
        interval: Span::from_secs(1),
    }
}

fn float_at(reply: &[u8], at: usize) -> f64 {
    float::read(*reply[at..].first_chunk().expect("it is within the reply"))
}

/// Held against a reply of Debian's chronyd, of which chronyc said: fast of NTP time by 2194 ns, last offset +286 ns,
/// frequency 0.032 ppm fast, residual +0.010 ppm.
#[test]
fn tracking_is_laid_out_and_signed_as_chronyd_has_it() {
    let request = request(33, &[], 104);
    let reply = Reply::Tracking(tracking()).write(&request);
    let head =
        [6, 2, 0, 0, 0, 33, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0x3a, 0x6b, 0xc9, 0x15, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(reply.len(), 104);
    assert_eq!(reply[..REPLY_HEADER_LEN], head);
    let body = &reply[REPLY_HEADER_LEN..];
    assert_eq!(body[..8], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(
        body[20..40],
        [0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0x6b, 3, 0xc6, 0x85, 0x22, 0x19, 0x9c, 0xe0]
    );
    let floats: Vec<f64> = (40..76).step_by(4).map(|at| float_at(body, at)).collect();
    let told = [-2.194e-6, 0.286e-6, 1.529e-6, 0.032, 0.010, 0.320, 7.503e-6, 3.477e-6, 1.0];
    for (is, told) in floats.iter().zip(told) {
        assert!((is / told - 1.0).abs() < 1e-6, "{floats:?}");
    }
}

#[test]
fn a_source_that_is_ahead_of_us_has_negative_offsets_there() {
    let five = Span::from_secs(5);
    let source = Source {
        host: localhost(),
        is_reference: false,
        poll: -3,
        stratum: 8,
        state: State::Falseticker,
        options: Options { prefer: true, ..Options::default() },
        reach: 0o377,
        age: Some(Span::from_millis(1_900)),
        measured: five,
        adjusted: five,
        error: Span::from_micros(28),
    };
    let reply = Reply::Source(source).write(&request(15, &[0; 4], 76));
    assert_eq!(reply.len(), 76);
    let body = &reply[REPLY_HEADER_LEN..];
    assert_eq!(body[20..36], [0xff, 0xfd, 0, 8, 0, 2, 0, 0, 0, 2, 0, 255, 0, 0, 0, 1]);
    assert_eq!((float_at(body, 36), float_at(body, 40)), (-5.0, -5.0));
    let selection = Selection {
        reference_id: [127, 0, 0, 1],
        host: localhost(),
        sign: State::Falseticker.sign(),
        is_authenticated: true,
        leap: Leap::Insert,
        options: Options { trust: true, require: true, ..Options::default() },
        age: None,
        score: 1.0,
        lowest: Span::from_secs(4),
        highest: Span::from_secs(6),
    };
    let reply = Reply::Selection(selection).write(&request(69, &[0; 4], 76));
    let body = &reply[REPLY_HEADER_LEN..];
    assert_eq!(body[24..36], [b'x', 1, 1, 0, 0, 12, 0, 12, 255, 255, 255, 255]);
    assert_eq!((float_at(body, 40), float_at(body, 44)), (-6.0, -4.0), "the lowest first");
}

#[test]
fn a_source_that_runs_fast_has_a_negative_rate_there() {
    let statistics = Statistics {
        reference_id: [127, 0, 0, 1],
        host: localhost(),
        samples: 15,
        runs: 6,
        span: Span::from_secs(12),
        deviation: Span::from_nanos(1_170),
        residual: Rate::from_ppm(627.0),
        skew: Rate::from_ppm(437.0),
        offset: Span::from_secs(5),
        offset_error: Span::from_nanos(7),
    };
    let reply = Reply::Statistics(statistics).write(&request(34, &[0; 4], 84));
    assert_eq!(reply.len(), 84);
    let body = &reply[REPLY_HEADER_LEN..];
    assert_eq!(body[24..36], [0, 0, 0, 15, 0, 0, 0, 6, 0, 0, 0, 12]);
    assert_eq!((float_at(body, 40), float_at(body, 48)), (-627.0, -5.0));
}

#[test]
fn counts_are_as_wide_as_the_client_leaves_room_for() {
    let counts = ServerCounts { ntp_hits: 1 << 33 | 7, interleaved: 3, ..ServerCounts::default() };
    let narrow = Reply::Server(counts).write(&request(54, &[], 72));
    assert_eq!((narrow.len(), narrow[7]), (72, 24), "as chronyc 4.3 reads it");
    assert_eq!(narrow[28..32], [0, 0, 0, 7]);
    assert_eq!(narrow[60..64], [0, 0, 0, 3]);
    let wide = Reply::Server(counts).write(&request(54, &[], 196));
    assert_eq!((wide.len(), wide[7]), (196, 25), "as later ones do");
    assert_eq!(wide[28..36], [0, 0, 0, 2, 0, 0, 0, 7]);
}

#[test]
fn a_name_ends_within_its_room() {
    let long = "\u{e9}".repeat(200);
    let reply = Reply::SourceName(&long).write(&request(65, &localhost().write(), 284));
    assert_eq!(reply.len(), 284);
    let name = &reply[REPLY_HEADER_LEN..];
    assert_eq!(name.iter().position(|&byte| byte == 0), Some(254), "no half of a letter");
}

fn replies() -> Vec<Reply<'static>> {
    let refusals = Refusal::ALL.into_iter().map(Reply::Refused);
    let told = [
        Reply::SourceCount(3),
        Reply::Tracking(tracking()),
        Reply::Activity(Activity::default()),
        Reply::SourceName("a.example"),
        Reply::Server(ServerCounts::default()),
        Reply::Protection(Protection::None),
    ];
    refusals.chain(told).collect()
}

proptest! {
    #[test]
    fn bad_input_119_no_reply_is_longer_than_its_request(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600), help in any::<bool>(), command in 0u16..80,
    ) {
        if help && bytes.len() >= 8 {
            bytes[..6].copy_from_slice(&[6, 1, 0, 0, 0, command as u8]);
        }
        if let Some(request) = Request::parse(&bytes) {
            for reply in replies() {
                let written = reply.write(&request);
                prop_assert!((REPLY_HEADER_LEN..=bytes.len()).contains(&written.len()));
            }
        }
    }
}

#[test]
fn a_request_without_room_for_its_reply_is_told_so() {
    let reply = Reply::Tracking(tracking()).write(&request(33, &[], 103));
    assert_eq!((reply.len(), reply[7], reply[9]), (REPLY_HEADER_LEN, 1, 19));
}
