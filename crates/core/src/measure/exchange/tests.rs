//! The names carry the numbers of the project's list of bad inputs.

use std::collections::BTreeSet;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_time::Raw;

use super::*;
use crate::wire::extension::FIELDS_MAX;
use crate::wire::mac::KeyKind;
use crate::wire::{DATAGRAM_MAX, HEADER_LEN};

#[test]
fn a_question_tells_nothing_but_64_random_bits() {
    let datagram = exchange(None).datagram().to_vec();
    assert_eq!(datagram.len(), 48);
    assert_eq!(datagram[0], 0x23);
    assert!(datagram[1..40].iter().all(|byte| *byte == 0));
    assert_ne!(datagram[40..], [0; 8]);
}

#[test]
fn no_two_questions_have_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let origins: BTreeSet<_> =
        (0..1000).map(|_| Exchange::start(&mut rng, server(), None).wording.transmit().to_bits()).collect();
    assert_eq!(origins.len(), 1000);
    assert!(!origins.contains(&0));
}

#[test]
fn a_sealed_question_is_the_question_and_its_mac() {
    let exchange = exchange(Some(key(7)));
    let (packet, mac) = exchange.datagram().split_at(48);
    assert_eq!((packet[0], &mac[..4]), (0x23, [0, 0, 0, 7].as_slice()));
    assert!(key(7).verify(packet, &mac[4..]));
}

#[test]
fn a_right_answer_gives_four_stamps_and_the_delay() {
    let mut exchange = exchange(None);
    let answer = answer_to(&exchange);
    let Ok(Heard::Answer(heard)) = hear(&mut exchange, &answer.write()) else { panic!("not an answer") };
    assert_eq!((heard.sent, heard.heard), (SENT, HEARD));
    assert_eq!(heard.transmitted - heard.received, heard.residence);
    assert!((heard.received - NOW).abs() < Span::from_nanos(1));
    assert!((heard.residence - Span::from_micros(50)).abs() < Span::from_nanos(1));
    assert!((heard.delay - Span::from_micros(19_950)).abs() < Span::from_nanos(1));
    assert_eq!((heard.leap, heard.version, heard.stratum, heard.poll), (Leap::None, 4, 2, 6));
    assert_eq!((heard.precision.log2_seconds, heard.reference_id), (-24, [192, 0, 2, 9]));
    assert_eq!((heard.root_delay, heard.root_dispersion), (Span::from_millis(250), Span::from_millis(125)));
    assert!(exchange.is_answered());
}

#[test]
fn the_stamp_of_the_kernel_is_preferred_whenever_it_comes() {
    let program = Stamp { by: StampedBy::Program, ..SENT };
    let kernel = Stamp { at: SENT.at + Span::from_micros(20), by: StampedBy::Kernel };
    for stamps in [[program, kernel], [kernel, program]] {
        let mut exchange = unsent(None);
        for stamp in stamps {
            exchange.sent(stamp);
        }
        let datagram = answer_to(&exchange).write();
        let Ok(Heard::Answer(answer)) = hear(&mut exchange, &datagram) else { panic!("not an answer") };
        assert_eq!(answer.sent, kernel);
    }
}

#[test]
fn a_sent_stamp_after_the_answer_does_not_open_the_exchange_again() {
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    hear(&mut exchange, &datagram).unwrap();
    exchange.sent(SENT);
    assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::Duplicate));
}

#[test]
fn extension_fields_of_an_answer_are_read_past() {
    let mut exchange = exchange(None);
    let datagram = [answer_to(&exchange).write().as_slice(), &field(28)].concat();
    assert!(hear(&mut exchange, &datagram).is_ok());
}

#[test]
fn versions_1_to_4_are_answers() {
    for version in 1..=4 {
        let mut exchange = exchange(None);
        let answer = Packet { version, ..answer_to(&exchange) };
        assert!(hear(&mut exchange, &answer.write()).is_ok(), "version {version}");
    }
}

// --- one sin each ------------------------------------------------------------------------------------------------

#[test]
fn bad_input_01_another_origin_is_bogus() {
    refused(Refusal::BogusOrigin, |answer| {
        answer.origin = NtpTimestamp::from_bits(answer.origin.to_bits() ^ 1);
    });
}

#[test]
fn bad_input_02_zero_origin_is_dropped() {
    refused(Refusal::ZeroOrigin, |answer| answer.origin = NtpTimestamp::ZERO);
}

#[test]
fn bad_input_03_the_same_answer_counts_once() {
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    assert!(hear(&mut exchange, &datagram).is_ok());
    assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::Duplicate));
    assert!(exchange.is_answered());
}

#[test]
fn bad_input_04_an_answer_to_the_previous_poll_is_dropped() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let previous = Exchange::start(&mut rng, server(), None);
    let mut current = Exchange::start(&mut rng, server(), None);
    current.sent(SENT);
    assert_eq!(hear(&mut current, &answer_to(&previous).write()), Err(Refusal::BogusOrigin));
    let datagram = answer_to(&current).write();
    assert!(hear(&mut current, &datagram).is_ok());
}

#[test]
fn bad_input_05_an_answer_after_the_window_is_dropped() {
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    let last = Stamp { at: SENT.at + WINDOW, ..HEARD };
    let late = Stamp { at: last.at + Span::from_attos(1), ..HEARD };
    assert_eq!(exchange.hear(server(), late, &datagram, &rules()), Err(Refusal::Late));
    assert!(exchange.hear(server(), last, &datagram, &rules()).is_ok());
}

#[test]
fn bad_input_06_an_answer_without_times_is_dropped() {
    refused(Refusal::ZeroReceive, |answer| answer.receive = NtpTimestamp::ZERO);
    refused(Refusal::ZeroTransmit, |answer| answer.transmit = NtpTimestamp::ZERO);
}

#[test]
fn bad_input_07_an_answer_that_left_before_its_question_came_is_dropped() {
    refused(Refusal::Backwards, |answer| {
        answer.transmit = NtpTimestamp::of(NOW - Span::from_micros(3));
    });
    // A clock that ticks every 15.6 ms may say so and is excused; one that says it ticks once a second is not.
    for (log2_seconds, back, is_excused) in
        [(-6, 15, true), (-6, 17, false), (0, 17, false), (127, 17, false)]
    {
        let mut exchange = exchange(None);
        let answer = Packet {
            precision: NtpPrecision { log2_seconds },
            transmit: NtpTimestamp::of(NOW - Span::from_millis(back)),
            ..answer_to(&exchange)
        };
        assert_eq!(hear(&mut exchange, &answer.write()).is_ok(), is_excused, "2^{log2_seconds} s, {back} ms");
    }
}

#[test]
fn bad_input_08_our_own_question_thrown_back_is_dropped() {
    let mut exchange = exchange(None);
    let question = exchange.datagram().to_vec();
    assert_eq!(hear(&mut exchange, &question), Err(Refusal::Reflected));
    refused(Refusal::Reflected, |answer| answer.mode = Mode::Client);
}

#[test]
fn bad_input_09_an_answer_without_the_mac_is_dropped() {
    refused_sealed(Refusal::MissingMac, |packet| packet);
}

#[test]
fn bad_input_10_a_crypto_nak_is_dropped_and_the_true_answer_still_taken() {
    refused_sealed(Refusal::CryptoNak, |packet| [packet, vec![0; 4]].concat());
}

#[test]
fn bad_input_11_another_trusted_key_does_not_speak_for_this_server() {
    refused_sealed(Refusal::OtherKey, |packet| sealed(packet, &key(8)));
    // Nor under the number of the right one.
    let forged = Key::new(7, KeyKind::Aes128, vec![8; 16]).unwrap();
    refused_sealed(Refusal::WrongMac, |packet| sealed(packet, &forged));
}

#[test]
fn bad_input_12_other_mac_lengths_are_dropped() {
    for length in (1..64).filter(|length| ![4, 20].contains(length)) {
        let mut exchange = exchange(Some(key(7)));
        let mac = [&[0, 0, 0, 7], vec![1; 60].as_slice()].concat();
        let datagram = [answer_to(&exchange).write().as_slice(), &mac[..length]].concat();
        // From 28 bytes on it is read as an extension field, whose length would be our key id.
        let expected = if length < 28 { Refusal::MacLength } else { Refusal::FieldShort };
        assert_eq!(hear(&mut exchange, &datagram), Err(expected), "{length}");
    }
}

// How long it takes is left to `subtle`; here is that every byte counts.
#[test]
fn bad_input_13_a_mac_with_one_wrong_byte_anywhere_is_dropped() {
    for at in 0..16 {
        refused_sealed(Refusal::WrongMac, |packet| {
            let mut datagram = sealed(packet, &key(7));
            datagram[HEADER_LEN + 4 + at] ^= 0x80;
            datagram
        });
    }
    refused_sealed(Refusal::WrongMac, |packet| {
        let mut datagram = sealed(packet, &key(7));
        datagram[15] ^= 1;
        datagram
    });
}

#[test]
fn bad_input_14_an_unknown_key_id_is_dropped() {
    for id in [0u32, 1, 0x0700_0000, u32::MAX] {
        refused_sealed(Refusal::OtherKey, |packet| [packet, id.to_be_bytes().to_vec(), vec![0; 16]].concat());
    }
}

#[test]
fn an_answer_sealed_unasked_is_dropped() {
    let mut exchange = exchange(None);
    let datagram = sealed(answer_to(&exchange).write().to_vec(), &key(7));
    assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::UnaskedMac));
}

#[test]
fn bad_input_15_another_address_or_port_is_dropped() {
    for other in ["192.0.2.2:123", "192.0.2.1:124", "[2001:db8::1]:123"] {
        let mut exchange = exchange(None);
        let datagram = answer_to(&exchange).write();
        let verdict = exchange.hear(other.parse().unwrap(), HEARD, &datagram, &rules());
        assert_eq!(verdict, Err(Refusal::WrongSender), "{other}");
        assert!(hear(&mut exchange, &datagram).is_ok());
    }
}

#[test]
fn an_ipv4_server_seen_through_an_ipv6_socket_is_the_same_server() {
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    let from = "[::ffff:192.0.2.1]:123".parse().unwrap();
    assert!(exchange.hear(from, HEARD, &datagram, &rules()).is_ok());
}

#[test]
fn bad_input_17_too_long_a_delay_is_not_used_but_proves_reach() {
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    let rules = Rules { delay_max: Span::from_millis(19), ..rules() };
    assert_eq!(exchange.hear(server(), HEARD, &datagram, &rules), Err(Refusal::TooSlow));
    assert!(Refusal::TooSlow.proves_reach());
    assert!(!exchange.is_answered());
}

#[test]
fn bad_input_18_a_negative_delay_is_dropped() {
    refused(Refusal::NegativeDelay, |answer| {
        answer.transmit = NtpTimestamp::of(NOW + Span::from_millis(21));
    });
}

#[test]
fn a_delay_below_nothing_by_less_than_the_clocks_are_fine_is_the_least_delay() {
    let mut exchange = exchange(None);
    let long = NOW + Span::from_millis(20) + Span::from_micros(5);
    let answer = Packet { transmit: NtpTimestamp::of(long), ..answer_to(&exchange) };
    let Ok(Heard::Answer(answer)) = hear(&mut exchange, &answer.write()) else { panic!("not an answer") };
    assert_eq!(answer.delay, rules().precision);
}

#[test]
fn bad_input_19_a_question_held_for_five_seconds_is_not_used() {
    refused(Refusal::HeldTooLong, |answer| {
        answer.transmit = NtpTimestamp::of(NOW + Span::from_secs(5));
    });
    assert!(Refusal::HeldTooLong.proves_reach());
}

// An interleaved answer gives back the receive timestamp of the question instead of its transmit timestamp (RFC 9769).
// In our questions that is zero; a server that mixes up its clients gives back some timestamp of its own. The
// reverse, a basic answer to an interleaved question, needs an interleaved question, and we ask none.
#[test]
fn bad_input_20_interleaved_answers_are_dropped() {
    refused(Refusal::BogusOrigin, |answer| answer.origin = answer.receive);
    refused(Refusal::ZeroOrigin, |answer| answer.origin = NtpTimestamp::ZERO);
}

#[test]
fn bad_input_21_a_stamp_of_two_polls_ago_is_dropped() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let [oldest, _, mut current] = [(); 3].map(|()| Exchange::start(&mut rng, server(), None));
    current.sent(SENT);
    assert_eq!(hear(&mut current, &answer_to(&oldest).write()), Err(Refusal::BogusOrigin));
}

#[test]
fn bad_input_22_peers_and_broadcasts_are_ignored() {
    refused(Refusal::Symmetric, |answer| answer.mode = Mode::SymmetricActive);
    refused(Refusal::Symmetric, |answer| answer.mode = Mode::SymmetricPassive);
    refused(Refusal::Broadcast, |answer| answer.mode = Mode::Broadcast);
    for mode in [Mode::Reserved, Mode::Control, Mode::Private] {
        refused(Refusal::NotAnAnswer, |answer| answer.mode = mode);
    }
}

#[test]
fn bad_input_23_an_unsynchronised_server_is_not_used() {
    refused(Refusal::LeapUnknown, |answer| answer.leap = Leap::Unknown);
    refused(Refusal::StratumZero, |answer| {
        answer.stratum = 0;
        answer.reference_id = [0; 4];
    });
    for stratum in [16, 17, 255] {
        refused(Refusal::StratumTooHigh, |answer| answer.stratum = stratum);
    }
    refused(Refusal::RootTooFar, |answer| {
        answer.root_delay = NtpShort::at_least(Span::from_secs(20));
        answer.root_dispersion = NtpShort::at_least(Span::from_secs(6));
    });
}

#[test]
fn bad_input_24_malformed_lengths_are_dropped() {
    let mut exchange = exchange(None);
    let whole = [answer_to(&exchange).write().as_slice(), &[0; 70_000]].concat();
    for length in (0..48).chain([49, 50, 51, DATAGRAM_MAX + 1, 65_535]) {
        assert!(hear(&mut exchange, &whole[..length]).is_err(), "{length}");
    }
    let ten_thousand_fields = [&whole[..48], &field(16).repeat(10_000)].concat();
    assert_eq!(hear(&mut exchange, &ten_thousand_fields), Err(Refusal::Long));
    assert!(hear(&mut exchange, &whole[..48]).is_ok());
}

#[test]
fn other_versions_are_dropped() {
    for version in [0, 5, 6, 7] {
        refused(Refusal::Version, |answer| answer.version = version);
    }
}

#[test]
fn bad_input_94_a_time_before_the_floor_is_never_obeyed() {
    let rules = Rules { floor: NOW + Span::from_secs(1), ..rules() };
    let mut exchange = exchange(None);
    let datagram = answer_to(&exchange).write();
    assert_eq!(exchange.hear(server(), HEARD, &datagram, &rules), Err(Refusal::BeforeFloor));
}

#[test]
fn bad_input_95_root_delay_and_dispersion_saturate() {
    refused(Refusal::RootTooFar, |answer| {
        answer.root_delay = NtpShort::MAX;
        answer.root_dispersion = NtpShort::MAX;
    });
    refused(Refusal::RootTooFar, |answer| answer.root_delay = NtpShort::from_bits(0x8000_0000));
}

#[test]
fn bad_input_96_97_any_precision_and_any_poll_do_no_harm() {
    for byte in i8::MIN..=i8::MAX {
        let mut exchange = exchange(None);
        let precision = NtpPrecision { log2_seconds: byte };
        let answer = Packet { precision, poll: byte, ..answer_to(&exchange) };
        assert!(hear(&mut exchange, &answer.write()).is_ok(), "{byte}");
    }
}

// --- kisses ------------------------------------------------------------------------------------------------------

#[test]
fn bad_input_25_a_kiss_for_another_question_is_ignored() {
    refused(Refusal::BogusOrigin, |answer| {
        *answer = kissed(*answer, *b"RATE");
        answer.origin = NtpTimestamp::from_bits(1);
    });
}

#[test]
fn bad_input_26_the_poll_of_a_kiss_is_handed_on_as_it_came() {
    for poll in [17, -1, i8::MIN, i8::MAX] {
        let mut exchange = exchange(None);
        let kiss = Packet { poll, ..kissed(answer_to(&exchange), *b"RATE") };
        let expected = Kiss { code: KissCode::Rate, poll };
        assert_eq!(hear(&mut exchange, &kiss.write()), Ok(Heard::Kiss(expected)));
        assert!(exchange.is_answered());
    }
}

#[test]
fn kisses_are_known_by_their_codes() {
    let codes = [
        (*b"RATE", KissCode::Rate),
        (*b"DENY", KissCode::Deny),
        (*b"RSTR", KissCode::Restrict),
        (*b"NTSN", KissCode::NtsNak),
        (*b"XABC", KissCode::Other(*b"XABC")),
        (*b"INIT", KissCode::Other(*b"INIT")),
        (*b"rate", KissCode::Other(*b"rate")),
    ];
    for (bytes, code) in codes {
        let mut exchange = exchange(None);
        let datagram = kissed(answer_to(&exchange), bytes).write();
        assert_eq!(hear(&mut exchange, &datagram), Ok(Heard::Kiss(Kiss { code, poll: 6 })));
        assert_eq!(code.to_string().as_bytes(), bytes);
    }
}

// Bad input 31, a kiss with plausible timestamps, is in the types: a `Kiss` has no place for them.
#[test]
fn bad_input_31_a_kiss_with_a_good_time_is_a_kiss() {
    let mut exchange = exchange(None);
    let kiss = Packet { stratum: 0, reference_id: *b"DENY", ..answer_to(&exchange) };
    let expected = Kiss { code: KissCode::Deny, poll: 6 };
    assert_eq!(hear(&mut exchange, &kiss.write()), Ok(Heard::Kiss(expected)));
}

#[test]
fn bad_input_32_a_kiss_writes_nothing_but_its_code_into_a_log() {
    let code = KissCode::of([b'\n', 0x1b, 0xff, 0]);
    assert_eq!(code.to_string(), r"\n\x1b\xff\x00");
}

#[test]
fn a_kiss_has_to_be_sealed_like_any_answer() {
    let mut exchange = exchange(Some(key(7)));
    let kiss = kissed(answer_to(&exchange), *b"DENY").write().to_vec();
    assert_eq!(hear(&mut exchange, &kiss), Err(Refusal::MissingMac));
    assert!(matches!(hear(&mut exchange, &sealed(kiss, &key(7))), Ok(Heard::Kiss(_))));
}

// --- all of them together ----------------------------------------------------------------------------------------

#[test]
fn every_refusal_can_happen_and_none_changes_anything() {
    let mut seen = BTreeSet::new();
    for case in Case::all() {
        let mut exchange = exchange(case.key);
        let right = right_answer(&exchange);
        let before = std::format!("{exchange:?}");
        let wrong = (case.spoil)(answer_to(&exchange));
        let verdict = exchange.hear(case.from, case.at, &wrong, &case.rules);
        assert_eq!(verdict, Err(case.refusal));
        assert_eq!(std::format!("{exchange:?}"), before, "{:?}", case.refusal);
        assert!(hear(&mut exchange, &right).is_ok(), "{:?}", case.refusal);
        seen.insert(case.refusal);
    }
    // The two that are about the exchange and not about the datagram.
    let mut early = unsent(None);
    let datagram = answer_to(&early).write();
    seen.insert(hear(&mut early, &datagram).unwrap_err());
    early.sent(SENT);
    hear(&mut early, &datagram).unwrap();
    seen.insert(hear(&mut early, &datagram).unwrap_err());
    seen.extend(protected::every_refusal());

    assert_eq!(seen.into_iter().collect::<Vec<_>>(), Refusal::ALL);
}

#[test]
fn every_refusal_has_its_own_label_and_sentence() {
    let labels: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.label()).collect();
    let sentences: BTreeSet<_> = Refusal::ALL.iter().map(Refusal::to_string).collect();
    assert_eq!((labels.len(), sentences.len()), (Refusal::ALL.len(), Refusal::ALL.len()));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_and_change_nothing(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        for key in [None, Some(key(7))] {
            let mut exchange = exchange(key);
            prop_assert!(hear(&mut exchange, &datagram).is_err());
            let right = right_answer(&exchange);
            prop_assert!(hear(&mut exchange, &right).is_ok());
        }
    }

    #[test]
    fn a_spoilt_answer_is_refused_or_ends_the_exchange(
        spoils in prop::collection::vec((0usize..100, any::<u8>()), 1..6),
        length in 0usize..120,
        has_key in any::<bool>(),
    ) {
        let mut exchange = exchange(has_key.then(|| key(7)));
        let right = right_answer(&exchange);
        let mut datagram = right.clone();
        datagram.resize(length, 0);
        for (at, byte) in spoils {
            if let Some(spoilt) = datagram.get_mut(at) {
                *spoilt = byte;
            }
        }
        let taken = hear(&mut exchange, &datagram).is_ok();
        prop_assert_eq!(exchange.is_answered(), taken);
        prop_assert_eq!(hear(&mut exchange, &right).is_ok(), !taken);
        prop_assert!(!taken || !has_key || datagram == right);
    }

    #[test]
    fn a_right_answer_is_always_taken(
        seconds in 1_790_000_000i64..10_000_000_000,
        wrong in -2_000_000_000i64..2_000_000_000,
        there in 0i64..1_000_000,
        residence in 0i64..1_000_000,
        back in 0i64..999_999,
        has_key in any::<bool>(),
    ) {
        let received = Time::from_epoch(Span::from_secs(seconds));
        let mut exchange = exchange(has_key.then(|| key(7)));
        let answer = Packet {
            receive: NtpTimestamp::of(received),
            transmit: NtpTimestamp::of(received + Span::from_micros(residence)),
            ..answer_to(&exchange)
        };
        let datagram = seal_for(&exchange, answer.write().to_vec());
        let heard = Stamp { at: SENT.at + Span::from_micros(there + residence + back), ..HEARD };
        let rules = Rules { pivot: received + Span::from_secs(wrong), ..rules() };
        let Ok(Heard::Answer(answer)) = exchange.hear(server(), heard, &datagram, &rules) else {
            return Err(TestCaseError::fail("a right answer was refused"));
        };
        prop_assert!((answer.received - received).abs() <= Span::from_nanos(1));
        let delay = Span::from_micros(there + back).max(rules.precision);
        prop_assert!((answer.delay - delay).abs() <= Span::from_nanos(1));
    }
}

// --- what the tests stand on -------------------------------------------------------------------------------------

const SENT: Stamp = Stamp { at: Time::from_epoch(Span::from_secs(1000)), by: StampedBy::Kernel };
const HEARD: Stamp =
    Stamp { at: Time::<Raw>::from_epoch(Span::from_millis(1_000_020)), by: StampedBy::Kernel };
const NOW: Time<Utc> = Time::from_epoch(Span::from_secs(1_790_000_000));

fn rules() -> Rules {
    Rules::usual(NOW, NOW - Span::from_secs(86_400))
}

/// Where we are.
fn here() -> IpAddr {
    IpAddr::from([198, 51, 100, 7])
}

fn server() -> SocketAddr {
    "192.0.2.1:123".parse().unwrap()
}

fn key(id: u32) -> Arc<Key> {
    Arc::new(Key::new(id, KeyKind::Aes128, vec![id as u8; 16]).unwrap())
}

fn unsent(key: Option<Arc<Key>>) -> Exchange {
    Exchange::start(&mut ChaCha8Rng::seed_from_u64(42), server(), key)
}

fn exchange(key: Option<Arc<Key>>) -> Exchange {
    let mut exchange = unsent(key);
    exchange.sent(SENT);
    exchange
}

fn hear(exchange: &mut Exchange, datagram: &[u8]) -> Result<Heard, Refusal> {
    exchange.hear(server(), HEARD, datagram, &rules())
}

/// 20 ms there and back, 50 µs of it at the server.
fn answer_to(exchange: &Exchange) -> Packet {
    Packet {
        leap: Leap::None,
        version: 4,
        mode: Mode::Server,
        stratum: 2,
        poll: 6,
        precision: NtpPrecision { log2_seconds: -24 },
        root_delay: NtpShort::at_least(Span::from_millis(250)),
        root_dispersion: NtpShort::at_least(Span::from_millis(125)),
        reference_id: [192, 0, 2, 9],
        reference: NtpTimestamp::of(NOW - Span::from_secs(60)),
        origin: exchange.wording.transmit(),
        receive: NtpTimestamp::of(NOW),
        transmit: NtpTimestamp::of(NOW + Span::from_micros(50)),
    }
}

fn right_answer(exchange: &Exchange) -> Vec<u8> {
    seal_for(exchange, answer_to(exchange).write().to_vec())
}

fn seal_for(exchange: &Exchange, packet: Vec<u8>) -> Vec<u8> {
    match &exchange.guard {
        Guard::Key(key) => sealed(packet, key),
        Guard::None | Guard::Nts(_) => packet,
    }
}

fn sealed(mut packet: Vec<u8>, key: &Key) -> Vec<u8> {
    key.append(&mut packet);
    packet
}

fn kissed(answer: Packet, code: [u8; 4]) -> Packet {
    Packet {
        leap: Leap::Unknown,
        stratum: 0,
        reference_id: code,
        receive: NtpTimestamp::ZERO,
        transmit: NtpTimestamp::ZERO,
        ..answer
    }
}

fn field(length: u8) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(length)];
    bytes[..4].copy_from_slice(&[1, 4, 0, length]);
    bytes
}

/// An answer that is right but for one thing is refused for that thing, and the right one is taken afterwards.
fn refused(refusal: Refusal, spoil: impl FnOnce(&mut Packet)) {
    let mut exchange = exchange(None);
    let mut answer = answer_to(&exchange);
    spoil(&mut answer);
    assert_eq!(hear(&mut exchange, &answer.write()), Err(refusal));
    let right = right_answer(&exchange);
    assert!(hear(&mut exchange, &right).is_ok());
}

/// The same with a key.
fn refused_sealed(refusal: Refusal, seal: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let mut exchange = exchange(Some(key(7)));
    let datagram = seal(answer_to(&exchange).write().to_vec());
    assert_eq!(hear(&mut exchange, &datagram), Err(refusal));
    let right = right_answer(&exchange);
    assert!(hear(&mut exchange, &right).is_ok());
}

/// One way to be refused.
struct Case {
    refusal: Refusal,
    key: Option<Arc<Key>>,
    from: SocketAddr,
    at: Stamp,
    rules: Rules,
    spoil: fn(Packet) -> Vec<u8>,
}

impl Case {
    fn new(refusal: Refusal, spoil: fn(Packet) -> Vec<u8>) -> Self {
        Self { refusal, key: None, from: server(), at: HEARD, rules: rules(), spoil }
    }

    fn sealed(refusal: Refusal, spoil: fn(Packet) -> Vec<u8>) -> Self {
        Self { key: Some(key(7)), ..Self::new(refusal, spoil) }
    }

    fn all() -> Vec<Self> {
        [Self::of_sender_and_stamps(), Self::of_lengths(), Self::of_headers(), Self::of_seals()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn of_sender_and_stamps() -> Vec<Self> {
        let whole = |answer: Packet| answer.write().to_vec();
        let late = Stamp { at: SENT.at + Span::from_secs(4), ..HEARD };
        let strict = Rules { delay_max: Span::from_millis(1), ..rules() };
        let today = Rules { floor: NOW + Span::from_secs(1), ..rules() };
        vec![
            Self { from: "192.0.2.66:123".parse().unwrap(), ..Self::new(Refusal::WrongSender, whole) },
            Self { at: late, ..Self::new(Refusal::Late, whole) },
            Self { rules: strict, ..Self::new(Refusal::TooSlow, whole) },
            Self { rules: today, ..Self::new(Refusal::BeforeFloor, whole) },
        ]
    }

    fn of_lengths() -> Vec<Self> {
        fn with(answer: Packet, trailer: &[u8]) -> Vec<u8> {
            [answer.write().as_slice(), trailer].concat()
        }
        fn claiming(answer: Packet, length: u8) -> Vec<u8> {
            let mut lying = field(32);
            lying[3] = length;
            with(answer, &lying)
        }
        vec![
            Self::new(Refusal::Short, |answer| answer.write()[..47].to_vec()),
            Self::new(Refusal::Long, |answer| with(answer, &[0; DATAGRAM_MAX])),
            Self::new(Refusal::MacLength, |answer| with(answer, &[0; 3])),
            Self::new(Refusal::FieldShort, |answer| claiming(answer, 12)),
            Self::new(Refusal::FieldUnaligned, |answer| claiming(answer, 18)),
            Self::new(Refusal::FieldBeyondEnd, |answer| claiming(answer, 36)),
            Self::new(Refusal::FieldsTooMany, |answer| with(answer, &field(28).repeat(FIELDS_MAX + 1))),
        ]
    }

    fn of_headers() -> Vec<Self> {
        fn wrong(answer: Packet) -> Vec<u8> {
            answer.write().to_vec()
        }
        fn left(answer: Packet, after: Span) -> Vec<u8> {
            wrong(Packet { transmit: NtpTimestamp::of(NOW + after), ..answer })
        }
        vec![
            Self::new(Refusal::Version, |answer| wrong(Packet { version: 5, ..answer })),
            Self::new(Refusal::Reflected, |answer| wrong(Packet { mode: Mode::Client, ..answer })),
            Self::new(Refusal::Symmetric, |answer| wrong(Packet { mode: Mode::SymmetricActive, ..answer })),
            Self::new(Refusal::Broadcast, |answer| wrong(Packet { mode: Mode::Broadcast, ..answer })),
            Self::new(Refusal::NotAnAnswer, |answer| wrong(Packet { mode: Mode::Control, ..answer })),
            Self::new(Refusal::ZeroOrigin, |answer| wrong(Packet { origin: NtpTimestamp::ZERO, ..answer })),
            Self::new(Refusal::BogusOrigin, |answer| wrong(Packet { origin: answer.transmit, ..answer })),
            Self::new(Refusal::LeapUnknown, |answer| wrong(Packet { leap: Leap::Unknown, ..answer })),
            Self::new(Refusal::StratumZero, |answer| {
                wrong(Packet { stratum: 0, reference_id: [0; 4], ..answer })
            }),
            Self::new(Refusal::StratumTooHigh, |answer| wrong(Packet { stratum: 16, ..answer })),
            Self::new(Refusal::RootTooFar, |answer| wrong(Packet { root_delay: NtpShort::MAX, ..answer })),
            Self {
                rules: Rules { here: Some(Here { address: here(), is_own_server: false }), ..rules() },
                ..Self::new(Refusal::Loop, |answer| {
                    wrong(Packet { stratum: 2, reference_id: [198, 51, 100, 7], ..answer })
                })
            },
            Self {
                rules: Rules { here: Some(Here { address: here(), is_own_server: true }), ..rules() },
                ..Self::new(Refusal::Ourselves, wrong)
            },
            Self::new(Refusal::ZeroReceive, |answer| wrong(Packet { receive: NtpTimestamp::ZERO, ..answer })),
            Self::new(Refusal::ZeroTransmit, |answer| {
                wrong(Packet { transmit: NtpTimestamp::ZERO, ..answer })
            }),
            Self::new(Refusal::Backwards, |answer| left(answer, Span::from_secs(-1))),
            Self::new(Refusal::HeldTooLong, |answer| left(answer, Span::from_secs(5))),
            Self::new(Refusal::NegativeDelay, |answer| left(answer, Span::from_secs(1))),
        ]
    }

    fn of_seals() -> Vec<Self> {
        fn mac(answer: Packet, key: &Key) -> Vec<u8> {
            sealed(answer.write().to_vec(), key)
        }
        vec![
            Self::new(Refusal::UnaskedMac, |answer| mac(answer, &key(7))),
            Self::new(Refusal::CryptoNak, |answer| [answer.write().as_slice(), &[0; 4]].concat()),
            Self::sealed(Refusal::MissingMac, |answer| answer.write().to_vec()),
            Self::sealed(Refusal::OtherKey, |answer| mac(answer, &key(8))),
            Self::sealed(Refusal::WrongMac, |answer| {
                mac(answer, &Key::new(7, KeyKind::Aes128, vec![0; 16]).unwrap())
            }),
            Self::sealed(Refusal::MacLength, |answer| {
                mac(answer, &Key::new(7, KeyKind::Sha1, vec![7; 16]).unwrap())
            }),
        ]
    }
}

mod protected;
mod speaking;
