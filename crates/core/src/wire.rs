//! Bytes on the wire, apart from what they mean.
//!
//! Each module reads one layout and writes it back. Reading is total: any bytes at all give either a value or a
//! [`Malformed`], in time proportional to their number and without allocation. Nothing here decides whether a
//! packet is believed.

pub mod aead;
pub mod chrony;
pub mod daytime;
pub mod extension;
pub mod icmp;
pub mod mac;
pub mod ntp;
pub mod nts;
pub mod nts_ke;
pub mod refclock;
pub mod taiclock;
pub mod time37;

use crate::reason::reasons;

/// How many bytes the header has, and the least that a datagram has.
pub const HEADER_LEN: usize = 48;

/// The longest datagram that is read at all, in bytes: an NTS answer with eight cookies fits twice.
pub const DATAGRAM_MAX: usize = 2048;

reasons! {
    /// Why bytes are not an NTP datagram. Completes "cannot read this datagram: ..".
    Malformed {
        /// Fewer than the 48 bytes of the header.
        Short "short" "it is shorter than the 48 bytes of a header"
        /// More than [`DATAGRAM_MAX`] bytes.
        Long "long" "it is longer than any datagram that is read"
        /// What follows the header and the extension fields is as long as no MAC is (RFC 7822, section 3).
        MacLength "mac_length" "what follows the header is as long as no message authentication code is"
        /// An extension field claims fewer than 16 bytes (RFC 7822, section 3).
        FieldShort "field_short" "an extension field claims less than 16 bytes"
        /// An extension field claims a length that is no multiple of four (RFC 7822, section 3).
        FieldUnaligned "field_unaligned" "an extension field claims a length that is no multiple of four"
        /// An extension field claims more bytes than follow.
        FieldBeyondEnd "field_beyond_end" "an extension field claims more bytes than there are"
        /// More than [`FIELDS_MAX`](extension::FIELDS_MAX) extension fields.
        FieldsTooMany "fields_too_many" "it has more extension fields than are read"
    }
}
