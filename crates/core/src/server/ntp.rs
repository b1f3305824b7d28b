//! Answering NTP questions.
//!
//! Mode 3 of versions 1 to 4 is answered with mode 4 of the same version, always with the bare 48 bytes of the header.
//! Extension fields and a MAC of the question are read past: we share no keys with clients, and a client that wants
//! a sealed answer refuses the bare one. A crypto-NAK would tell it no more.
//!
//! Mode 0 of version 1 is not answered, although RFC 5905 lets one guess a question behind it: version 1 wrote
//! zeros there in answers too, so two servers that guess so can be made to answer each other for ever.

use truechimer_time::ntp::{NtpPrecision, NtpShort, NtpTimestamp};
use truechimer_time::{Span, Time, Utc};

use super::Silence;
use crate::wire::extension::Trailer;
use crate::wire::ntp::{Leap, Mode, Packet};
use crate::wire::{HEADER_LEN, Malformed};

/// The stratum of a server that does not know the time.
///
/// RFC 5905, figure 11. Its reference code writes 0 instead; but together with a reference id 0 may be taken for a
/// kiss code, and an SNTP client that is kissed goes away for good (RFC 4330, section 8), while 16 is never anything
/// but "not now".
const UNSYNCHRONISED: u8 = 16;

/// The root dispersion of a server that does not know the time (MAXDISP of RFC 5905, section 7.2).
const DISPERSION_MAX: Span = Span::from_secs(16);

/// How fine a clock is read by those whom it is served to: a packet's stamps are worth no more than 2⁻²⁰ s, about 1 µs.
pub const PRECISION: NtpPrecision = NtpPrecision { log2_seconds: -20 };

/// What we tell about our clock, as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Do we know the time? If not, nothing else of this is told but the precision.
    pub synchronised: bool,
    /// Whether a leap second comes.
    pub leap: Leap,
    /// Steps from a reference clock, 1 to 15. Any other value is told as not synchronised.
    pub stratum: u8,
    /// How fine we read our clock.
    pub precision: NtpPrecision,
    /// The round trip to the reference clock. Rounded up on the wire.
    pub root_delay: Span,
    /// How far the clock may be off apart from that. Rounded up on the wire.
    pub root_dispersion: Span,
    /// Where we have the time from.
    pub reference_id: [u8; 4],
    /// When the clock was last corrected.
    pub reference: Time<Utc>,
}

/// The answer to a datagram that was received at one instant and is answered now.
///
/// Both are readings of the clock that is served, taken as close to the wire as can be had. The answer never has
/// more bytes than the question.
///
/// # Errors
/// [`Silence`] with its reason, where nothing may be sent.
pub fn answer(
    request: &[u8],
    received: Time<Utc>,
    now: Time<Utc>,
    served: &Served,
) -> Result<[u8; HEADER_LEN], Silence> {
    let (question, _) = question(request)?;
    Ok(reply(served.header(), &question, known(received), known(now)))
}

/// The answer to a question, from the header that all answers share, when the question came, and when the answer leaves.
pub fn reply(
    shared: [u8; HEADER_LEN],
    question: &Packet,
    received: NtpTimestamp,
    leaves: NtpTimestamp,
) -> [u8; HEADER_LEN] {
    addressed(shared, question, question.transmit, (received, leaves))
}

/// The answer in interleaved mode: it tells when the answer before it left.
pub fn reply_interleaved(
    shared: [u8; HEADER_LEN],
    question: &Packet,
    received: NtpTimestamp,
    last_left: NtpTimestamp,
) -> [u8; HEADER_LEN] {
    addressed(shared, question, question.receive, (received, last_left))
}

fn addressed(
    mut header: [u8; HEADER_LEN],
    question: &Packet,
    origin: NtpTimestamp,
    (received, left): (NtpTimestamp, NtpTimestamp),
) -> [u8; HEADER_LEN] {
    header[0] = header[0] & 0b1100_0111 | question.version << 3;
    header[2] = question.poll.cast_unsigned();
    header[24..32].copy_from_slice(&origin.to_bytes());
    header[32..40].copy_from_slice(&received.to_bytes());
    header[40..48].copy_from_slice(&left.to_bytes());
    header
}

/// The question and what follows its header, if it is one that may be answered.
///
/// # Errors
/// [`Silence`] with its reason, if it is none.
pub fn question(request: &[u8]) -> Result<(Packet, Trailer<'_>), Silence> {
    let packet = Packet::parse(request).map_err(Silence::of)?;
    if !(1..=4).contains(&packet.version) {
        return Err(Silence::Version);
    }
    if packet.mode != Mode::Client {
        return Err(Silence::NotAQuestion);
    }
    let trailer = Trailer::parse(request, packet.version).map_err(Silence::of)?;
    Ok((packet, trailer))
}

impl Served {
    /// What a server tells that has the time from a reference clock of its own, read to about a microsecond.
    pub fn of_reference_clock(reference_id: [u8; 4], root_dispersion: Span, reference: Time<Utc>) -> Self {
        Self {
            synchronised: true,
            leap: Leap::None,
            stratum: 1,
            precision: PRECISION,
            root_delay: Span::ZERO,
            root_dispersion,
            reference_id,
            reference,
        }
    }

    /// What a server tells that does not know the time.
    pub fn unsynchronised() -> Self {
        Self {
            synchronised: false,
            leap: Leap::Unknown,
            stratum: UNSYNCHRONISED,
            precision: PRECISION,
            root_delay: Span::ZERO,
            root_dispersion: Span::ZERO,
            reference_id: [0; 4],
            reference: Time::EPOCH,
        }
    }

    /// The part of an answer that is the same for everybody.
    pub fn header(&self) -> [u8; HEADER_LEN] {
        let told = if self.is_usable() { self.told_synchronised() } else { self.told_unsynchronised() };
        told.write()
    }

    /// Is it told as the time?
    pub fn is_usable(&self) -> bool {
        self.synchronised && self.leap != Leap::Unknown && (1..UNSYNCHRONISED).contains(&self.stratum)
    }

    fn told_synchronised(&self) -> Packet {
        Packet {
            leap: self.leap,
            stratum: self.stratum,
            root_delay: NtpShort::at_least(self.root_delay),
            root_dispersion: NtpShort::at_least(self.root_dispersion),
            reference_id: self.reference_id,
            reference: known(self.reference),
            ..self.told_unsynchronised()
        }
    }

    fn told_unsynchronised(&self) -> Packet {
        Packet {
            leap: Leap::Unknown,
            version: 4,
            mode: Mode::Server,
            stratum: UNSYNCHRONISED,
            poll: 0,
            precision: self.precision,
            root_delay: NtpShort::ZERO,
            root_dispersion: NtpShort::at_least(DISPERSION_MAX),
            reference_id: [0; 4],
            reference: NtpTimestamp::ZERO,
            origin: NtpTimestamp::ZERO,
            receive: NtpTimestamp::ZERO,
            transmit: NtpTimestamp::ZERO,
        }
    }
}

impl Silence {
    fn of(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Short => Self::Short,
            Malformed::Long
            | Malformed::MacLength
            | Malformed::FieldShort
            | Malformed::FieldUnaligned
            | Malformed::FieldBeyondEnd
            | Malformed::FieldsTooMany => Self::Malformed,
        }
    }
}

/// The timestamp of an instant that is known. Zero means "unknown", and is also the first moment of each era: the
/// next step, 233 ps later, stands for it.
fn known(time: Time<Utc>) -> NtpTimestamp {
    match NtpTimestamp::of(time) {
        NtpTimestamp::ZERO => NtpTimestamp::from_bits(1),
        timestamp => timestamp,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_question_is_answered_in_kind() {
        let answer = answer(&question(4, Mode::Client), RECEIVED, NOW, &SERVED).unwrap();
        let answer = Packet::parse(&answer).unwrap();
        let expected = Packet {
            leap: Leap::Insert,
            version: 4,
            mode: Mode::Server,
            stratum: 3,
            poll: 10,
            precision: SERVED.precision,
            root_delay: NtpShort::at_least(Span::from_millis(20)),
            root_dispersion: NtpShort::at_least(Span::from_millis(7)),
            reference_id: [192, 0, 2, 1],
            reference: NtpTimestamp::of(SERVED.reference),
            origin: NtpTimestamp::from_bits(0x0123_4567_89ab_cdef),
            receive: NtpTimestamp::of(RECEIVED),
            transmit: NtpTimestamp::of(NOW),
        };
        assert_eq!(answer, expected);
    }

    #[test]
    fn bad_input_59_nothing_but_a_question_is_answered() {
        use Mode::{Broadcast, Control, Private, Reserved, Server, SymmetricActive, SymmetricPassive};
        for version in 1..=4 {
            for mode in [Reserved, SymmetricActive, SymmetricPassive, Server, Broadcast, Control, Private] {
                let silence = answer(&question(version, mode), RECEIVED, NOW, &SERVED);
                assert_eq!(silence, Err(Silence::NotAQuestion), "version {version}, {mode:?}");
            }
        }
    }

    #[test]
    fn bad_input_59_our_own_answer_is_not_answered() {
        let first = answer(&question(4, Mode::Client), RECEIVED, NOW, &SERVED).unwrap();
        assert_eq!(answer(&first, RECEIVED, NOW, &SERVED), Err(Silence::NotAQuestion));
    }

    #[test]
    fn bad_input_60_other_versions_are_not_answered() {
        for version in [0, 5, 6, 7] {
            let silence = answer(&question(version, Mode::Client), RECEIVED, NOW, &SERVED);
            assert_eq!(silence, Err(Silence::Version), "version {version}");
        }
    }

    #[test]
    fn bad_input_61_the_same_version_comes_back() {
        for version in 1..=4 {
            let answer = answer(&question(version, Mode::Client), RECEIVED, NOW, &SERVED).unwrap();
            let packet = Packet::parse(&answer).unwrap();
            assert_eq!((packet.version, packet.mode), (version, Mode::Server));
        }
    }

    #[test]
    fn bad_input_62_short_datagrams_are_not_answered() {
        for length in 0..HEADER_LEN {
            let silence = answer(&question(4, Mode::Client)[..length], RECEIVED, NOW, &SERVED);
            assert_eq!(silence, Err(Silence::Short), "{length} bytes");
        }
        // A mode 6 request of ntpq: twelve bytes.
        let ntpq = [0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(answer(&ntpq, RECEIVED, NOW, &SERVED), Err(Silence::Short));
    }

    #[test]
    fn a_seal_and_extension_fields_get_the_bare_answer() {
        let mac = [vec![0, 0, 0, 1], vec![0xdd; 20]].concat();
        let field = [vec![1, 4, 0, 32], vec![0xee; 28]].concat();
        let plain = question(4, Mode::Client);
        for trailer in [mac.clone(), field.clone(), [field, mac].concat()] {
            let sealed = [plain.as_slice(), &trailer].concat();
            assert_eq!(answer(&sealed, RECEIVED, NOW, &SERVED), answer(&plain, RECEIVED, NOW, &SERVED));
        }
        assert_eq!(
            answer(&[plain.as_slice(), &[0]].concat(), RECEIVED, NOW, &SERVED),
            Err(Silence::Malformed)
        );
    }

    #[test]
    fn a_server_without_the_time_says_so() {
        let unsure = [
            Served { synchronised: false, ..SERVED },
            Served { leap: Leap::Unknown, ..SERVED },
            Served { stratum: 0, ..SERVED },
            Served { stratum: 16, ..SERVED },
        ];
        for served in unsure {
            let answer = answer(&question(4, Mode::Client), RECEIVED, NOW, &served).unwrap();
            let packet = Packet::parse(&answer).unwrap();
            assert_eq!((packet.leap, packet.stratum, packet.reference_id), (Leap::Unknown, 16, [0; 4]));
            assert_eq!(packet.root_dispersion.span(), Span::from_secs(16));
            assert!(packet.reference.is_zero());
        }
    }

    #[test]
    fn bad_input_89_the_first_moment_of_an_era_is_not_unknown() {
        let era = NtpTimestamp::ZERO.resolve(NOW + Span::from_secs(10 * 365 * 86_400));
        let answer = answer(&question(4, Mode::Client), era, era, &SERVED).unwrap();
        let packet = Packet::parse(&answer).unwrap();
        assert!(!packet.receive.is_zero() && !packet.transmit.is_zero());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn bad_input_63_an_answer_is_never_longer(
            flags in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let request = [&[flags], rest.as_slice()].concat();
            if let Ok(answer) = answer(&request, RECEIVED, NOW, &SERVED) {
                prop_assert!(answer.len() <= request.len());
                prop_assert_eq!(flags & 0b111, 3);
            }
        }

        #[test]
        fn any_48_bytes_in_client_mode_are_answered(rest in prop::collection::vec(any::<u8>(), 47), version in 1u8..=4) {
            let request = [&[version << 3 | 3], rest.as_slice()].concat();
            prop_assert!(answer(&request, RECEIVED, NOW, &SERVED).is_ok());
        }
    }

    const RECEIVED: Time<Utc> = Time::from_epoch(Span::from_secs(1_790_000_000));
    const NOW: Time<Utc> = Time::from_epoch(Span::from_micros(1_790_000_000_000_030));
    const SERVED: Served = Served {
        synchronised: true,
        leap: Leap::Insert,
        stratum: 3,
        precision: NtpPrecision { log2_seconds: -24 },
        root_delay: Span::from_millis(20),
        root_dispersion: Span::from_millis(7),
        reference_id: [192, 0, 2, 1],
        reference: Time::from_epoch(Span::from_secs(1_789_999_900)),
    };

    pub(in crate::server) fn question(version: u8, mode: Mode) -> Vec<u8> {
        let packet = Packet {
            version,
            mode,
            poll: 10,
            transmit: NtpTimestamp::from_bits(0x0123_4567_89ab_cdef),
            ..SERVED.told_unsynchronised()
        };
        packet.write().to_vec()
    }
}
