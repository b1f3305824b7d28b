//! What a client asks for in a key exchange, on both sides.

use alloc::vec::Vec;
use core::fmt;

use super::{Exporter, Inbox, NTPV4, Outbox, kind, once};
use crate::reason::reasons;
use crate::wire::aead::Aead;

/// The request of a client that speaks these ciphers, best first. With AES-128-GCM-SIV it says that it
/// [exports keys as written](Exporter::AsWritten).
pub fn write(aeads: &[Aead]) -> Vec<u8> {
    let ids: Vec<u8> = aeads.iter().flat_map(|aead| aead.id().to_be_bytes()).collect();
    let outbox = Outbox::new().critical(kind::NEXT_PROTOCOL, &NTPV4.to_be_bytes()).critical(kind::AEAD, &ids);
    match aeads.contains(&Aead::GcmSiv128) {
        true => outbox.optional(kind::GCM_SIV_AS_WRITTEN, &[]).end(),
        false => outbox.end(),
    }
}

/// What a client asks for, as far as it can be granted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The cipher to use, and how its keys are exported; or why there is none.
    pub grant: Result<(Aead, Exporter), Nothing>,
}

/// Why a request that is in order is granted nothing. The answer says so, and has no cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The client wants keys for other protocols than NTPv4.
    NoProtocol,
    /// The client offers no cipher that is spoken here.
    NoAead,
}

impl Request {
    /// Reads a request that is whole.
    ///
    /// Of the ciphers that the client offers, the first that is spoken here is granted. AES-128-GCM-SIV is granted to
    /// clients only that say how they export its keys. A wish for another server or port is not heeded (RFC 8915,
    /// sections 4.1.7 and 4.1.8).
    ///
    /// # Errors
    /// [`BadRequest`]: answer with [its code](BadRequest::code), and grant nothing.
    pub fn read(inbox: &Inbox) -> Result<Self, BadRequest> {
        let mut said = Said::default();
        for record in inbox.records() {
            said.note(record)?;
        }
        said.grant(inbox.is_whole).map(|grant| Self { grant })
    }
}

/// What was said so far.
#[derive(Default)]
struct Said {
    offers_ntp: Option<bool>,
    /// The first cipher that is spoken here, and the first that is not AES-128-GCM-SIV.
    aeads: Option<(Option<Aead>, Option<Aead>)>,
    as_written: Option<()>,
    server: Option<()>,
    port: Option<()>,
}

impl Said {
    fn note(&mut self, record: super::Record<'_>) -> Result<(), BadRequest> {
        match record.kind {
            kind::NEXT_PROTOCOL => {
                let mut protocols = record.numbers().ok_or(BadRequest::ProtocolsLength)?.peekable();
                protocols.peek().ok_or(BadRequest::ProtocolsLength)?;
                once(&mut self.offers_ntp, protocols.any(|id| id == NTPV4), BadRequest::ProtocolsTwice)
            }
            kind::AEAD => once(&mut self.aeads, offered(&record)?, BadRequest::AeadsTwice),
            kind::SERVER => once(&mut self.server, (), BadRequest::ServerTwice),
            kind::PORT if record.number().is_none() => Err(BadRequest::PortLength),
            kind::PORT => once(&mut self.port, (), BadRequest::PortTwice),
            kind::GCM_SIV_AS_WRITTEN => {
                self.as_written = Some(());
                Ok(())
            }
            kind::ERROR => Err(BadRequest::Error),
            kind::WARNING => Err(BadRequest::Warning),
            kind::COOKIE => Err(BadRequest::Cookie),
            _ if record.is_critical => Err(BadRequest::UnknownCritical),
            _ => Ok(()),
        }
    }

    fn grant(self, is_whole: bool) -> Result<Result<(Aead, Exporter), Nothing>, BadRequest> {
        if !is_whole {
            return Err(BadRequest::NotWhole);
        }
        if !self.offers_ntp.ok_or(BadRequest::ProtocolsMissing)? {
            return Ok(Err(Nothing::NoProtocol));
        }
        let (first, plain) = self.aeads.ok_or(BadRequest::AeadsMissing)?;
        let aead = if self.as_written.is_some() { first } else { plain };
        Ok(aead.map(|aead| (aead, Exporter::AsWritten)).ok_or(Nothing::NoAead))
    }
}

/// The first cipher of a record that is spoken here, and the first of those that everybody exports the keys of alike.
fn offered(record: &super::Record<'_>) -> Result<(Option<Aead>, Option<Aead>), BadRequest> {
    if record.body.is_empty() {
        return Err(BadRequest::AeadsLength);
    }
    let mut known = record.numbers().ok_or(BadRequest::AeadsLength)?.filter_map(Aead::of);
    let first = known.next();
    let plain = first.into_iter().chain(known).find(|aead| *aead != Aead::GcmSiv128);
    Ok((first, plain))
}

/// What the server says is wrong with a request (RFC 8915, section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0: a critical record that it does not know.
    UnrecognizedCriticalRecord,
    /// 1: the request is not whole, or not in order.
    BadRequest,
    /// 2: it is not able to answer.
    InternalServerError,
    /// Any other.
    Other(u16),
}

impl ErrorCode {
    /// The code with this number.
    pub fn of(number: u16) -> Self {
        match number {
            0 => Self::UnrecognizedCriticalRecord,
            1 => Self::BadRequest,
            2 => Self::InternalServerError,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::UnrecognizedCriticalRecord => 0,
            Self::BadRequest => 1,
            Self::InternalServerError => 2,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnrecognizedCriticalRecord => f.write_str("it does not know a critical record of ours"),
            Self::BadRequest => f.write_str("our request is not in order"),
            Self::InternalServerError => f.write_str("it is not able to answer"),
            Self::Other(number) => write!(f, "error {number}"),
        }
    }
}

reasons! {
    /// Why a request is not granted. Completes "cannot grant this request: ..".
    BadRequest {
        /// The connection, or our patience, ended before the message.
        NotWhole "not_whole" "it has no end"
        /// A critical record of a kind that is not known here.
        UnknownCritical "unknown_critical" "it has a critical record that is not known here"
        /// No record names protocols.
        ProtocolsMissing "protocols_missing" "it does not say for which protocol keys are wanted"
        /// Two records name protocols.
        ProtocolsTwice "protocols_twice" "it says twice for which protocol keys are wanted"
        /// The list of protocols is empty, or has half a number.
        ProtocolsLength "protocols_length" "its list of protocols is empty or torn"
        /// NTPv4 is wanted, but no record names ciphers.
        AeadsMissing "aeads_missing" "it offers no ciphers"
        /// Two records name ciphers.
        AeadsTwice "aeads_twice" "it offers ciphers twice"
        /// The list of ciphers is empty, or has half a number.
        AeadsLength "aeads_length" "its list of ciphers is empty or torn"
        /// Two records wish for a server.
        ServerTwice "server_twice" "it wishes for two servers"
        /// Two records wish for a port.
        PortTwice "port_twice" "it wishes for two ports"
        /// A port that is not two bytes.
        PortLength "port_length" "its port is no port"
        /// A client has no errors to report here.
        Error "error" "it is a client's, and reports an error"
        /// A client has no warnings to give here.
        Warning "warning" "it is a client's, and gives a warning"
        /// A client has no cookies to give.
        Cookie "cookie" "it is a client's, and gives a cookie"
    }
}

impl BadRequest {
    /// What to tell the client.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::UnknownCritical => ErrorCode::UnrecognizedCriticalRecord,
            Self::NotWhole
            | Self::ProtocolsMissing
            | Self::ProtocolsTwice
            | Self::ProtocolsLength
            | Self::AeadsMissing
            | Self::AeadsTwice
            | Self::AeadsLength
            | Self::ServerTwice
            | Self::PortTwice
            | Self::PortLength
            | Self::Error
            | Self::Warning
            | Self::Cookie => ErrorCode::BadRequest,
        }
    }
}
