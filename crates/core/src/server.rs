//! Serving: from a question to an answer or to silence.
//!
//! Everything here is a function of the question, of what is served and of what is remembered of those who asked before,
//! which is little and has a limit. [`desk`] is the whole of it; whoever owns the sockets hands it what came.
//!
//! **Invariant:** an answer is never longer than its question, and nothing but a question is ever answered, so that
//! neither amplification nor a loop between two servers is possible. Where a protocol wants a longer answer ([`time37`]),
//! a rate stands in for the first half.

pub mod access;
pub mod clients;
pub mod cookie;
pub mod desk;
pub mod dial;
pub mod interleaved;
pub mod keys;
pub mod ntp;
pub mod nts;
pub mod ratelimit;
pub mod smear;
pub mod taiclock;
pub mod time37;

use crate::reason::reasons;

reasons! {
    /// Why a datagram is not answered. Completes "no answer: ..".
    Silence {
        /// Fewer than 48 bytes: no header.
        Short "short" "it is shorter than the 48 bytes of a header"
        /// Something follows the header that is neither extension fields nor a MAC.
        Malformed "malformed" "what follows its header cannot be read"
        /// A protocol version other than 1 to 4.
        Version "version" "it is of a version that is not spoken here"
        /// A mode other than client (3).
        NotAQuestion "not_a_question" "it is no question"
        /// It came from port 0, where nobody can listen.
        PortZero "port_zero" "it came from port 0"
        /// It came from a multicast, broadcast or unspecified address, where nobody single listens.
        NotAHost "not_a_host" "it came from an address that is no single host's"
        /// It was sent to a broadcast address or a group: whoever asks so asks for many answers.
        ToMany "to_many" "it was sent to many hosts at once"
        /// It came from an address that no prefix of the allow-list contains.
        NotAllowed "not_allowed" "it came from an address that is not served"
        /// It is protected by NTS, and its fields cannot be used.
        Unsound "unsound" "its NTS fields cannot be used"
        /// It came from a port below 1024, where servers are, by a protocol to which anything is a question.
        ServerPort "server_port" "it came from a port where servers are"
        /// The time is not known well enough, and the protocol has no word for that.
        Unsynchronised "unsynchronised" "the time is not known, and its protocol cannot say so"
        /// Its client has asked too often.
        Limited "limited" "its client has asked too often"
        /// A MAC under a key that is not served.
        UnknownKey "unknown_key" "it is sealed with a key that is not served"
        /// A MAC under a key that this address may not use (CVE-2015-7974).
        ForeignKey "foreign_key" "it is sealed with a key that is not for its address"
        /// A digest that is as long as none of its key.
        MacLength "mac_length" "its message authentication code has a length that its key does not give"
        /// A MAC that is not of this question under this key.
        WrongMac "wrong_mac" "its seal is broken"
    }
}
