//! Why a datagram is not used: every way in which it can fail to be the answer to our question.

use crate::reason::reasons;
use crate::wire::Malformed;
use crate::wire::nts::Flaw;

reasons! {
    /// Why a datagram is not used. Completes "cannot use this answer: ..".
    Refusal {
        /// Another address or port than the one that was asked.
        WrongSender "wrong_sender" "it came from another address or port than was asked"
        /// [`Malformed::Short`].
        Short "short" "it is shorter than the 48 bytes of a header"
        /// [`Malformed::Long`].
        Long "long" "it is longer than any answer"
        /// [`Malformed::MacLength`], or a digest that is as long as none of our key.
        MacLength "mac_length" "its message authentication code has a length that none has"
        /// [`Malformed::FieldShort`].
        FieldShort "field_short" "an extension field claims less than 16 bytes"
        /// [`Malformed::FieldUnaligned`].
        FieldUnaligned "field_unaligned" "an extension field claims a length that is no multiple of four"
        /// [`Malformed::FieldBeyondEnd`].
        FieldBeyondEnd "field_beyond_end" "an extension field claims more bytes than there are"
        /// [`Malformed::FieldsTooMany`].
        FieldsTooMany "fields_too_many" "it has more extension fields than are read"
        /// A version other than 1 to 4.
        Version "version" "it is of a version that is not spoken here"
        /// Mode 3: our own question, perhaps.
        Reflected "reflected" "it is a question, perhaps our own thrown back"
        /// Mode 1 or 2. We have no peers.
        Symmetric "symmetric" "it is from a peer, and we have none"
        /// Mode 5. We listen to nobody whom we did not ask.
        Broadcast "broadcast" "it is a broadcast, and none is listened to"
        /// Mode 0, 6 or 7.
        NotAnAnswer "not_an_answer" "its mode is not that of an answer"
        /// An origin timestamp of zero (CVE-2015-8138).
        ZeroOrigin "zero_origin" "it answers no question at all"
        /// Another origin timestamp than our random bits: forged, to an earlier question, or interleaved.
        BogusOrigin "bogus_origin" "it answers another question than ours"
        /// No MAC, though the question had one.
        MissingMac "missing_mac" "it is not sealed, though a key is configured"
        /// A MAC, though the question had none.
        UnaskedMac "unasked_mac" "it is sealed, though no key is configured"
        /// The server could not check the MAC of the question. Anybody on the path can say so.
        CryptoNak "crypto_nak" "the server says that it does not know our key"
        /// A MAC under another key id than that of this server's key.
        OtherKey "other_key" "it is sealed with a key that is not this server's"
        /// A MAC that the key did not make over these bytes.
        WrongMac "wrong_mac" "its seal is broken"
        /// No authenticator of NTS, though the question had one (RFC 8915, section 5.7).
        Unprotected "unprotected" "it is not protected, though our question was"
        /// No unique identifier, or another one than the question's.
        OtherUniqueId "other_unique_id" "it has not the unique identifier of our question"
        /// Its fields of NTS are not as they must be.
        NtsMalformed "nts_malformed" "its protection by NTS cannot be read"
        /// Its authenticator was not made with the key of this session.
        NtsForged "nts_forged" "its protection by NTS is broken"
        /// It was heard before its question left.
        Unsent "unsent" "its question has not been sent yet"
        /// The question is answered already.
        Duplicate "duplicate" "its question is answered already"
        /// It came after the window.
        Late "late" "it came too late"
        /// Leap indicator 3.
        LeapUnknown "leap_unknown" "the server says that its clock was never set"
        /// Stratum 0 without a kiss code.
        StratumZero "stratum_zero" "the server does not say how far it is from a reference clock"
        /// Stratum 16 or more.
        StratumTooHigh "stratum_too_high" "the server is unsynchronised: its stratum is 16 or more"
        /// Root delay / 2 + root dispersion at the limit or beyond.
        RootTooFar "root_too_far" "the server is too far from its reference clock"
        /// Its reference id is that of our address (RFC 5905, section 7.3).
        Loop "loop" "the server has its time from us"
        /// We have asked our own server.
        Ourselves "ourselves" "it is from our own server"
        /// A receive timestamp of zero.
        ZeroReceive "zero_receive" "it does not say when our question came"
        /// A transmit timestamp of zero.
        ZeroTransmit "zero_transmit" "it does not say when it left"
        /// A time that has certainly passed.
        BeforeFloor "before_floor" "the server's time is in the past for certain"
        /// It left before its question came, by more than the server's clock is coarse.
        Backwards "backwards" "it left the server before our question came there"
        /// The server held the question for too long.
        HeldTooLong "held_too_long" "the server held our question for too long"
        /// The server held the question for longer than we waited.
        NegativeDelay "negative_delay" "the server held our question for longer than we waited"
        /// The delay is longer than anything can be learned from.
        TooSlow "too_slow" "it was under way for too long"
    }
}

impl Refusal {
    /// Does the refused answer show that the server can be reached and knows the time? It is authentic and whole,
    /// only there is nothing to be learned from it.
    pub fn proves_reach(self) -> bool {
        matches!(self, Self::TooSlow | Self::HeldTooLong | Self::Loop | Self::Ourselves)
    }

    /// Does the server have its time from us?
    pub fn is_loop(self) -> bool {
        matches!(self, Self::Loop | Self::Ourselves)
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Unprotected => Self::Unprotected,
            Flaw::UniqueIdMissing | Flaw::UniqueIdShort => Self::OtherUniqueId,
            Flaw::UniqueIdTwice
            | Flaw::CookieMissing
            | Flaw::CookieTwice
            | Flaw::AuthenticatorMissing
            | Flaw::NonceLength
            | Flaw::TextLength
            | Flaw::PaddingShort
            | Flaw::Inner => Self::NtsMalformed,
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Short => Self::Short,
            Malformed::Long => Self::Long,
            Malformed::MacLength => Self::MacLength,
            Malformed::FieldShort => Self::FieldShort,
            Malformed::FieldUnaligned => Self::FieldUnaligned,
            Malformed::FieldBeyondEnd => Self::FieldBeyondEnd,
            Malformed::FieldsTooMany => Self::FieldsTooMany,
        }
    }
}
