//! The names carry the numbers of the project's list of bad inputs.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::request::{BadRequest, ErrorCode, Nothing, Request};
use super::response::{Answer, BadAnswer, Granted, write_error, write_nothing};
use super::server_name::ServerName;
use super::*;

const BOTH: [Aead; 2] = [Aead::GcmSiv128, Aead::SivCmac256];

#[test]
fn a_request_is_read_as_it_was_written() {
    let read = |aeads: &[Aead]| read_request(&request::write(aeads)).unwrap().grant;
    assert_eq!(read(&BOTH), Ok((Aead::GcmSiv128, Exporter::AsWritten)));
    assert_eq!(read(&Aead::ALL), Ok((Aead::SivCmac256, Exporter::AsWritten)));
    assert_eq!(read(&[Aead::SivCmac256]), Ok((Aead::SivCmac256, Exporter::AsWritten)));
}

#[test]
fn the_bytes_of_a_request_are_those_of_the_rfc() {
    let bytes = request::write(&[Aead::SivCmac256]);
    assert_eq!(bytes, [0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, 0, 15, 0x80, 0, 0, 0]);
}

#[test]
fn an_answer_is_read_as_it_was_written() {
    let cookies: Vec<_> = (1..=8).map(|n| vec![n; 100]).collect();
    for (server, port) in [(None, None), (Some("time.example"), Some(1123)), (Some("2001:db8::1"), None)] {
        for aead in Aead::ALL {
            let bytes = Granted { aead, cookies: &cookies, server, port }.write();
            let answer = read_answer(&bytes).unwrap();
            assert_eq!((answer.aead, answer.exporter), (aead, Exporter::AsWritten));
            assert_eq!((&answer.cookies, answer.port), (&cookies, port));
            assert_eq!(answer.server.map(|server| server.to_string()).as_deref(), server);
        }
    }
}

#[test]
fn what_is_not_granted_is_said() {
    assert_eq!(read_answer(&write_nothing(Nothing::NoProtocol)), Err(BadAnswer::NoProtocol));
    assert_eq!(read_answer(&write_nothing(Nothing::NoAead)), Err(BadAnswer::NoAead));
    let other = message(&[(NEXT, &[0, 7]), (AEADS, &[0, 15])]);
    assert_eq!(read_request(&other).unwrap().grant, Err(Nothing::NoProtocol));
    let other = message(&[(NEXT, &[0, 0]), (AEADS, &[0, 17])]);
    assert_eq!(read_request(&other).unwrap().grant, Err(Nothing::NoAead));
    for number in [0, 1, 2, 3, 65_535] {
        let code = ErrorCode::of(number);
        assert_eq!((code.number(), read_answer(&write_error(code))), (number, Err(BadAnswer::Error(code))));
    }
}

#[test]
fn keys_are_exported_in_the_context_of_the_rfc() {
    let context = |exporter: Exporter, aead, direction| exporter.context(aead, direction);
    assert_eq!(context(Exporter::AsWritten, Aead::SivCmac256, Direction::C2s), [0, 0, 0, 15, 0]);
    assert_eq!(context(Exporter::AsWritten, Aead::GcmSiv128, Direction::S2c), [0, 0, 0, 30, 1]);
}

#[test]
fn bad_input_56_keys_of_gcm_siv_are_exported_as_the_other_side_does() {
    // A chronyd before 4.6.1 chooses the cipher without a word on how it exports.
    let old = message(&[(NEXT, &[0, 0]), (AEADS, &[0, 30]), (COOKIE, &[1; 68])]);
    let answer = read_answer(&old).unwrap();
    assert_eq!((answer.aead, answer.exporter), (Aead::GcmSiv128, Exporter::AsChronyd));
    assert_eq!(answer.exporter.context(answer.aead, Direction::S2c), [0, 0, 0, 15, 1]);
    let new = message(&[(NEXT, &[0, 0]), (AEADS, &[0, 30]), (1024, &[]), (COOKIE, &[1; 68])]);
    assert_eq!(read_answer(&new).unwrap().exporter, Exporter::AsWritten);
    // Such a client gets the cipher about which there is no doubt, or none.
    let old = message(&[(NEXT, &[0, 0]), (AEADS, &[0, 30, 0, 15])]);
    assert_eq!(read_request(&old).unwrap().grant, Ok((Aead::SivCmac256, Exporter::AsWritten)));
    let only = message(&[(NEXT, &[0, 0]), (AEADS, &[0, 30])]);
    assert_eq!(read_request(&only).unwrap().grant, Err(Nothing::NoAead));
}

// --- bytes in pieces ---------------------------------------------------------------------------------------------

#[test]
fn bad_input_38_an_answer_in_pieces_is_an_answer() {
    let bytes = grant();
    let whole = read_answer(&bytes).unwrap();
    let mut byte_by_byte = Inbox::for_answer();
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(byte_by_byte.take(&[*byte]), Ok(at + 1 == bytes.len()));
    }
    assert_eq!(Answer::read(&byte_by_byte, &BOTH).as_ref(), Ok(&whole));
    for split in 0..=bytes.len() {
        let mut inbox = Inbox::for_answer();
        assert_eq!(inbox.take(&bytes[..split]), Ok(split == bytes.len()));
        assert_eq!(inbox.take(&bytes[split..]), Ok(true));
        assert_eq!(Answer::read(&inbox, &BOTH).as_ref(), Ok(&whole));
    }
}

#[test]
fn bad_input_39_an_answer_without_an_end_is_none() {
    let bytes = grant();
    for cut in 0..bytes.len() {
        let mut inbox = Inbox::for_answer();
        assert_eq!(inbox.take(&bytes[..cut]), Ok(false));
        assert_eq!(Answer::read(&inbox, &BOTH), Err(BadAnswer::NotWhole));
        assert_eq!(Request::read(&inbox), Err(BadRequest::NotWhole));
    }
}

#[test]
fn bad_input_39_endless_records_are_given_up_at_the_limit() {
    for (mut inbox, limit) in [(Inbox::for_answer(), ANSWER_MAX), (Inbox::for_request(), REQUEST_MAX)] {
        let record = [0x40, 0, 0, 4, 1, 2, 3, 4];
        for _ in 0..limit / record.len() {
            assert_eq!(inbox.take(&record), Ok(false));
        }
        assert_eq!(inbox.take(&[0x80]), Err(BadMessage::Long));
        assert!(inbox.bytes.len() <= limit);
    }
    assert_eq!(Inbox::for_answer().take(&vec![0; ANSWER_MAX + 1]), Err(BadMessage::Long));
}

#[test]
fn the_end_is_the_end() {
    let ends: [(&[u8], _); 4] = [
        (&[0x80, 0, 0, 0, 0], Err(BadMessage::AfterEnd)),
        (&[0x00, 0, 0, 0], Err(BadMessage::End)),
        (&[0x80, 0, 0, 1, 0], Err(BadMessage::End)),
        (&[0x80, 0, 0, 0], Ok(true)),
    ];
    for (bytes, verdict) in ends {
        assert_eq!(Inbox::for_answer().take(bytes), verdict, "{bytes:?}");
    }
    let mut inbox = Inbox::for_answer();
    assert_eq!((inbox.take(&[0x80, 0, 0, 0]), inbox.take(&[])), (Ok(true), Ok(true)));
    assert_eq!(inbox.take(&[0]), Err(BadMessage::AfterEnd));
}

// --- one sin each ------------------------------------------------------------------------------------------------

#[test]
fn bad_input_40_unknown_records_are_ignored_unless_they_are_critical() {
    for unknown in [8, 99, 1023, 1025, 0x7fff] {
        let with = |kind| {
            let records = [GRANT.as_slice(), &[(kind, &[1, 2, 3])]].concat();
            read_answer(&message(&records)).map(|_| ())
        };
        assert_eq!(with(unknown), Ok(()));
        assert_eq!(with(unknown | CRITICAL), Err(BadAnswer::UnknownCritical(unknown)));
        let with = |kind| {
            let records = [ASK.as_slice(), &[(kind, &[1, 2, 3])]].concat();
            read_request(&message(&records)).map(|_| ())
        };
        assert_eq!(with(unknown), Ok(()));
        assert_eq!(with(unknown | CRITICAL), Err(BadRequest::UnknownCritical));
    }
    assert_eq!(BadRequest::UnknownCritical.code(), ErrorCode::UnrecognizedCriticalRecord);
}

#[test]
fn bad_input_41_what_may_be_said_once_is_not_said_twice() {
    let in_answers: [(Piece<'_>, _); 4] = [
        ((NEXT, &[0, 0]), BadAnswer::ProtocolsTwice),
        ((AEADS, &[0, 15]), BadAnswer::AeadTwice),
        ((SERVER, b"time.example"), BadAnswer::ServerTwice),
        ((PORT_IS, &[0, 123]), BadAnswer::PortTwice),
    ];
    for (piece, sin) in in_answers {
        let once = GRANT.iter().filter(|(kind, _)| *kind != piece.0).copied();
        let twice: Vec<_> = once.chain([piece, piece]).collect();
        assert_eq!(read_answer(&message(&twice)), Err(sin));
    }
    let in_requests: [(Piece<'_>, _); 4] = [
        ((NEXT, &[0, 0]), BadRequest::ProtocolsTwice),
        ((AEADS, &[0, 15]), BadRequest::AeadsTwice),
        ((SERVER, b"time.example"), BadRequest::ServerTwice),
        ((PORT_IS, &[0, 123]), BadRequest::PortTwice),
    ];
    for (piece, sin) in in_requests {
        let once = ASK.iter().filter(|(kind, _)| *kind != piece.0).copied();
        let twice: Vec<_> = once.chain([piece, piece]).collect();
        assert_eq!(read_request(&message(&twice)), Err(sin));
        assert_eq!(sin.code(), ErrorCode::BadRequest);
    }
}

#[test]
fn bad_input_42_a_cipher_that_was_not_offered_is_not_used() {
    let chosen = |ids: &[u8]| message(&[(NEXT, &[0, 0]), (AEADS, ids), (COOKIE, &[1; 100])]);
    assert_eq!(read_answer(&chosen(&[0, 17])), Err(BadAnswer::AeadNotOffered(17)));
    assert_eq!(read_answer(&chosen(&[0, 15, 0, 30])), Err(BadAnswer::AeadsMany));
    assert_eq!(read_answer(&chosen(&[0])), Err(BadAnswer::Torn));
    let mut inbox = Inbox::for_answer();
    inbox.take(&chosen(&[0, 30])).unwrap();
    assert_eq!(Answer::read(&inbox, &[Aead::SivCmac256]), Err(BadAnswer::AeadNotOffered(30)));
}

#[test]
fn bad_input_43_cookies_are_few_and_neither_empty_nor_huge() {
    let with = |lengths: &[usize]| {
        let cookies: Vec<_> = lengths.iter().map(|length| vec![7; *length]).collect();
        let cookies = cookies.iter().map(|cookie| (COOKIE, cookie.as_slice()));
        let records: Vec<_> = [(NEXT, &[0, 0][..]), (AEADS, &[0, 15])].into_iter().chain(cookies).collect();
        read_answer(&message(&records)).map(|answer| answer.cookies.len())
    };
    assert_eq!(with(&[]), Err(BadAnswer::NoCookies));
    for length in [0, COOKIE_MAX + 1, 65_000] {
        assert_eq!(with(&[100, length]), Err(BadAnswer::CookieLength(length)));
    }
    assert_eq!(with(&[1, COOKIE_MAX]), Ok(2));
    assert_eq!(with(&[100; 9]), Ok(8));
    assert_eq!(with(&[100; 500]), Ok(8));
}

#[test]
fn bad_input_44_servers_that_cannot_be() {
    let none = [
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "127.0.0.1",
        "127.255.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "224.0.1.1",
        "239.1.1.1",
        "255.255.255.255",
        "ff02::1",
        "fe80::1%eth0",
        "fe80::1%2",
        "time\0.example",
        "",
        ".",
        "..",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "b\u{fc}ro.example",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "time.example:123",
        "[2001:db8::1]",
        "time.example\n",
        " time.example",
    ];
    for name in none {
        assert_eq!(ServerName::read(name.as_bytes()), None, "{name:?}");
        let records = [GRANT.as_slice(), &[(SERVER, name.as_bytes())]].concat();
        assert_eq!(read_answer(&message(&records)), Err(BadAnswer::Server), "{name:?}");
    }
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(ServerName::read(["x", &long].concat().as_bytes()), None);
    assert_eq!(ServerName::read("a".repeat(64).as_bytes()), None);
    let some =
        ["192.0.2.1", "2001:db8::1", "time.example", "time.example.", "3com.example", "xn--bro-hoa.example"];
    for name in some.into_iter().chain([long.as_str()]) {
        assert_eq!(ServerName::read(name.as_bytes()).map(|name| name.to_string()).as_deref(), Some(name));
    }
}

#[test]
fn bad_input_45_port_zero_is_none() {
    for (body, verdict) in
        [(&[0, 0][..], Err(BadAnswer::Port)), (&[1], Err(BadAnswer::Port)), (&[0, 123], Ok(Some(123)))]
    {
        let records = [GRANT.as_slice(), &[(PORT_IS, body)]].concat();
        assert_eq!(read_answer(&message(&records)).map(|answer| answer.port), verdict);
    }
    let records = [ASK.as_slice(), &[(PORT_IS, &[1])]].concat();
    assert_eq!(read_request(&message(&records)), Err(BadRequest::PortLength));
}

#[test]
fn bad_input_46_a_client_has_no_errors_warnings_and_cookies() {
    for (kind, sin) in
        [(ERROR, BadRequest::Error), (WARNING, BadRequest::Warning), (COOKIE, BadRequest::Cookie)]
    {
        for critical in [0, CRITICAL] {
            let records = [ASK.as_slice(), &[(kind | critical, &[0, 1])]].concat();
            assert_eq!(read_request(&message(&records)), Err(sin));
            assert_eq!(sin.code(), ErrorCode::BadRequest);
        }
    }
}

#[test]
fn errors_and_warnings_of_a_server_end_the_exchange() {
    let with = |piece| read_answer(&message(&[GRANT.as_slice(), &[piece]].concat()));
    assert_eq!(with((ERROR, &[0, 2])), Err(BadAnswer::Error(ErrorCode::InternalServerError)));
    assert_eq!(with((WARNING, &[1, 0])), Err(BadAnswer::Warning(256)));
    assert_eq!((with((ERROR, &[0])), with((WARNING, &[]))), (Err(BadAnswer::Torn), Err(BadAnswer::Torn)));
}

#[test]
fn what_must_be_said_is_missed() {
    assert_eq!(read_request(&message(&[(AEADS, &[0, 15])])), Err(BadRequest::ProtocolsMissing));
    assert_eq!(read_request(&message(&[(NEXT, &[0, 0])])), Err(BadRequest::AeadsMissing));
    assert_eq!(read_request(&message(&[(NEXT, &[])])), Err(BadRequest::ProtocolsLength));
    assert_eq!(read_request(&message(&[(NEXT, &[0])])), Err(BadRequest::ProtocolsLength));
    assert_eq!(read_request(&message(&[(NEXT, &[0, 0]), (AEADS, &[])])), Err(BadRequest::AeadsLength));
    assert_eq!(
        read_request(&message(&[(NEXT, &[0, 0]), (AEADS, &[0, 15, 0])])),
        Err(BadRequest::AeadsLength)
    );
    assert_eq!(read_answer(&message(&[(AEADS, &[0, 15])])), Err(BadAnswer::ProtocolsMissing));
    assert_eq!(read_answer(&message(&[(NEXT, &[0, 0])])), Err(BadAnswer::AeadMissing));
    assert_eq!(read_answer(&message(&[(NEXT, &[0, 7])])), Err(BadAnswer::ProtocolNotOffered));
    assert_eq!(read_answer(&message(&[(NEXT, &[0, 0, 0, 0])])), Err(BadAnswer::ProtocolNotOffered));
}

#[test]
fn cookies_are_not_shown() {
    let shown = std::format!("{:?}", read_answer(&grant()).unwrap());
    assert!(shown.contains("cookies: 1,"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_a_message_or_a_reason(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
    ) {
        let mut inbox = Inbox::for_request();
        let mut verdict = Ok(false);
        for piece in &pieces {
            verdict = verdict.and_then(|_| inbox.take(piece));
        }
        let (_, _) = (Request::read(&inbox), Answer::read(&inbox, &BOTH));
        let mut at_once = Inbox::for_request();
        prop_assert_eq!(at_once.take(&pieces.concat()), verdict);
    }

    #[test]
    fn any_records_are_judged(
        records in prop::collection::vec(
            (prop::sample::select(vec![0x8001, 1, 2, 3, 0x8004, 5, 6, 7, 1024, 9, 0x8009]),
             prop::collection::vec(0u8..40, 0..6)),
            0..8,
        ),
    ) {
        let records: Vec<_> = records.iter().map(|(kind, body)| (*kind, body.as_slice())).collect();
        let bytes = message(&records);
        if let Ok(answer) = read_answer(&bytes) {
            prop_assert!((1..=COOKIES_MAX).contains(&answer.cookies.len()));
            prop_assert!(answer.port != Some(0));
        }
        if let Ok(Request { grant: Ok((aead, _)) }) = read_request(&bytes) {
            prop_assert!(BOTH.contains(&aead));
        }
    }
}

type Piece<'a> = (u16, &'a [u8]);

const NEXT: u16 = kind::NEXT_PROTOCOL | CRITICAL;
const AEADS: u16 = kind::AEAD;
const COOKIE: u16 = kind::COOKIE;
const SERVER: u16 = kind::SERVER | CRITICAL;
const PORT_IS: u16 = kind::PORT | CRITICAL;
const ERROR: u16 = kind::ERROR | CRITICAL;
const WARNING: u16 = kind::WARNING | CRITICAL;

const ASK: [Piece<'static>; 2] = [(NEXT, &[0, 0]), (AEADS, &[0, 15])];
const GRANT: [Piece<'static>; 3] = [(NEXT, &[0, 0]), (AEADS, &[0, 15]), (COOKIE, &[9; 100])];

fn grant() -> Vec<u8> {
    message(&GRANT)
}

fn message(records: &[Piece<'_>]) -> Vec<u8> {
    records.iter().fold(Outbox::new(), |outbox, (kind, body)| outbox.record(*kind, body)).end()
}

fn inbox(mut inbox: Inbox, bytes: &[u8]) -> Inbox {
    // A test that sends half a message wants to know what is made of it.
    let _ = inbox.take(bytes);
    inbox
}

fn read_request(bytes: &[u8]) -> Result<Request, BadRequest> {
    Request::read(&inbox(Inbox::for_request(), bytes))
}

fn read_answer(bytes: &[u8]) -> Result<Answer, BadAnswer> {
    Answer::read(&inbox(Inbox::for_answer(), bytes), &BOTH)
}
