//! The 48 bytes that every NTP datagram begins with (RFC 5905, section 7.3).
//!
//! Any 48 bytes are a packet and every packet is 48 bytes: reading and writing are exact inverses. What follows
//! them is read by [`Trailer`](super::extension::Trailer).

use core::net::IpAddr;

use md5::{Digest, Md5};
use truechimer_time::ntp::{NtpPrecision, NtpShort, NtpTimestamp};

use super::{HEADER_LEN, Malformed};

/// The header of an NTP datagram, versions 1 to 4.
///
/// ```text
///    0        1        2        3
///   +--+---+--+--------+--------+--------+
/// 0 |LI|VN |Mo|stratum |poll    |precis. |  leap 2 bits, version 3 bits, mode 3 bits
///   +--+---+--+--------+--------+--------+
/// 4 |             root delay             |  16.16 s
///   +------------------------------------+
/// 8 |          root dispersion           |  16.16 s
///   +------------------------------------+
/// 12|            reference id            |  address, name or kiss code
///   +------------------------------------+
/// 16|        reference timestamp         |  32.32 s: when the server's clock was last set
///   |                                    |
///   +------------------------------------+
/// 24|          origin timestamp          |  32.32 s: the question's transmit timestamp, given back
///   |                                    |
///   +------------------------------------+
/// 32|         receive timestamp          |  32.32 s: the question came (t2)
///   |                                    |
///   +------------------------------------+
/// 40|         transmit timestamp         |  32.32 s: this datagram left (t1 of a question, t3 of an answer)
///   |                                    |
///   +------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Whether a leap second comes, and whether the sender knows the time at all.
    pub leap: Leap,
    /// The protocol version, 0 to 7. Only the lowest three bits are written.
    pub version: u8,
    /// What kind of datagram it is.
    pub mode: Mode,
    /// Steps from a reference clock, 1 to 15; 0 is unspecified or a kiss code; 16 and more is unsynchronised.
    pub stratum: u8,
    /// The logarithm to base 2 of an interval between questions, in seconds.
    pub poll: i8,
    /// How fine the sender reads its clock.
    pub precision: NtpPrecision,
    /// The round trip from the sender to its reference clock.
    pub root_delay: NtpShort,
    /// How far the sender's clock may be off from its reference clock, apart from the round trip.
    pub root_dispersion: NtpShort,
    /// Where the sender has its time from; at stratum 0 a kiss code.
    pub reference_id: [u8; 4],
    /// When the sender's clock was last set or corrected.
    pub reference: NtpTimestamp,
    /// In an answer, the transmit timestamp of the question.
    pub origin: NtpTimestamp,
    /// In an answer, when the question came (t2).
    pub receive: NtpTimestamp,
    /// When this datagram left.
    pub transmit: NtpTimestamp,
}

impl Packet {
    /// Reads the header of a datagram and leaves alone what follows it.
    ///
    /// # Errors
    /// [`Malformed::Short`]; all that is long enough is a packet.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let header = datagram.first_chunk::<HEADER_LEN>().ok_or(Malformed::Short)?;
        let [flags, stratum, poll, log2_seconds] = bytes_at(header, 0);
        Ok(Self {
            leap: Leap::ALL[usize::from(flags >> 6)],
            version: flags >> 3 & 0b111,
            mode: Mode::ALL[usize::from(flags & 0b111)],
            stratum,
            poll: poll.cast_signed(),
            precision: NtpPrecision { log2_seconds: log2_seconds.cast_signed() },
            root_delay: NtpShort::from_bytes(bytes_at(header, 4)),
            root_dispersion: NtpShort::from_bytes(bytes_at(header, 8)),
            reference_id: bytes_at(header, 12),
            reference: NtpTimestamp::from_bytes(bytes_at(header, 16)),
            origin: NtpTimestamp::from_bytes(bytes_at(header, 24)),
            receive: NtpTimestamp::from_bytes(bytes_at(header, 32)),
            transmit: NtpTimestamp::from_bytes(bytes_at(header, 40)),
        })
    }

    /// The header as it lies in a datagram.
    pub fn write(&self) -> [u8; HEADER_LEN] {
        let flags = (self.leap as u8) << 6 | (self.version & 0b111) << 3 | self.mode as u8;
        let mut header = [0; HEADER_LEN];
        header[0] = flags;
        header[1] = self.stratum;
        header[2] = self.poll.cast_unsigned();
        header[3] = self.precision.log2_seconds.cast_unsigned();
        header[4..8].copy_from_slice(&self.root_delay.to_bytes());
        header[8..12].copy_from_slice(&self.root_dispersion.to_bytes());
        header[12..16].copy_from_slice(&self.reference_id);
        header[16..24].copy_from_slice(&self.reference.to_bytes());
        header[24..32].copy_from_slice(&self.origin.to_bytes());
        header[32..40].copy_from_slice(&self.receive.to_bytes());
        header[40..48].copy_from_slice(&self.transmit.to_bytes());
        header
    }
}

/// So many bytes from an offset that is a constant of the layout.
fn bytes_at<const N: usize>(header: &[u8; HEADER_LEN], offset: usize) -> [u8; N] {
    core::array::from_fn(|i| header[offset + i])
}

/// The reference id of a server that has its time from this address: the address itself, or the first four bytes of
/// the MD5 of a long one (RFC 5905, section 7.3).
pub fn reference_id_of(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let digest = Md5::digest(v6.octets());
            [digest[0], digest[1], digest[2], digest[3]]
        }
    }
}

/// The leap indicator (RFC 5905, figure 9). The discriminant is its two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Leap {
    /// The last minute of the month has 60 seconds.
    None = 0,
    /// The last minute of the month has 61 seconds.
    Insert = 1,
    /// The last minute of the month has 59 seconds.
    Delete = 2,
    /// The sender's clock was never set: nothing it says about time means anything.
    Unknown = 3,
}

impl Leap {
    const ALL: [Self; 4] = [Self::None, Self::Insert, Self::Delete, Self::Unknown];
}

/// What kind of datagram it is (RFC 5905, figure 10). The discriminant is its three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// No mode. Version 1 knew no modes and wrote zeros here, in questions and answers alike.
    Reserved = 0,
    /// A peer that wants to be a peer.
    SymmetricActive = 1,
    /// A peer that was asked to be one.
    SymmetricPassive = 2,
    /// A question.
    Client = 3,
    /// An answer.
    Server = 4,
    /// The time, told to everybody unasked.
    Broadcast = 5,
    /// Remote control of ntpd.
    Control = 6,
    /// Remote control of old ntpd, and the worst of the amplifiers.
    Private = 7,
}

impl Mode {
    const ALL: [Self; 8] = [
        Self::Reserved,
        Self::SymmetricActive,
        Self::SymmetricPassive,
        Self::Client,
        Self::Server,
        Self::Broadcast,
        Self::Control,
        Self::Private,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_back(header in any::<[u8; 32]>(), rest in any::<[u8; 16]>()) {
            let datagram = [header.as_slice(), &rest].concat();
            prop_assert_eq!(Packet::parse(&datagram).unwrap().write().to_vec(), datagram);
        }

        #[test]
        fn what_follows_the_header_is_left_alone(trailer in prop::collection::vec(any::<u8>(), 0..100)) {
            let datagram = [&EVERY_FIELD, trailer.as_slice()].concat();
            prop_assert_eq!(Packet::parse(&datagram), Packet::parse(&EVERY_FIELD));
        }
    }

    #[test]
    fn every_field_is_where_rfc_5905_puts_it() {
        let packet = Packet::parse(&EVERY_FIELD).unwrap();
        let expected = Packet {
            leap: Leap::Insert,
            version: 4,
            mode: Mode::Server,
            stratum: 2,
            poll: -3,
            precision: NtpPrecision { log2_seconds: -23 },
            root_delay: NtpShort::from_bits(0x0405_0607),
            root_dispersion: NtpShort::from_bits(0x0809_0a0b),
            reference_id: *b"GPS\0",
            reference: NtpTimestamp::from_bits(0x1011_1213_1415_1617),
            origin: NtpTimestamp::from_bits(0x1819_1a1b_1c1d_1e1f),
            receive: NtpTimestamp::from_bits(0x2021_2223_2425_2627),
            transmit: NtpTimestamp::from_bits(0x2829_2a2b_2c2d_2e2f),
        };
        assert_eq!(packet, expected);
    }

    #[test]
    fn a_discriminant_is_its_bits() {
        assert_eq!(Leap::ALL.map(|leap| leap as u8), [0, 1, 2, 3]);
        assert_eq!(Mode::ALL.map(|mode| mode as u8), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn bad_input_24_anything_shorter_is_no_packet() {
        for length in 0..HEADER_LEN {
            assert_eq!(Packet::parse(&EVERY_FIELD[..length]), Err(Malformed::Short));
        }
    }

    const EVERY_FIELD: [u8; HEADER_LEN] = {
        let mut header = [0; HEADER_LEN];
        let mut at = 0;
        while at < HEADER_LEN {
            header[at] = at as u8;
            at += 1;
        }
        header[0] = 0b01_100_100;
        header[1] = 2;
        header[2] = 0xfd;
        header[3] = 0xe9;
        header[12] = b'G';
        header[13] = b'P';
        header[14] = b'S';
        header[15] = 0;
        header
    };
}
