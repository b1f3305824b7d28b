//! What a server answers in a key exchange, on both sides.

use alloc::vec::Vec;
use core::fmt;

use super::request::{ErrorCode, Nothing};
use super::server_name::ServerName;
use super::{COOKIE_MAX, COOKIES_MAX, Exporter, Inbox, NTPV4, Outbox, kind, once};
use crate::wire::aead::Aead;

/// What a server grants.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'a> {
    /// The cipher.
    pub aead: Aead,
    /// What to protect the first questions with: one, better eight of them.
    pub cookies: &'a [Vec<u8>],
    /// Who gives the time, if that is another host: an address, or a name of at most 253 bytes.
    pub server: Option<&'a str>,
    /// At which port, if it is not 123.
    pub port: Option<u16>,
}

impl Granted<'_> {
    /// The answer that says so.
    ///
    /// # Panics
    /// A name or a cookie has 64 KiB: both are the operator's or our own.
    pub fn write(&self) -> Vec<u8> {
        let mut outbox = Outbox::new()
            .critical(kind::NEXT_PROTOCOL, &NTPV4.to_be_bytes())
            .critical(kind::AEAD, &self.aead.id().to_be_bytes());
        if self.aead == Aead::GcmSiv128 {
            outbox = outbox.optional(kind::GCM_SIV_AS_WRITTEN, &[]);
        }
        if let Some(server) = self.server {
            outbox = outbox.critical(kind::SERVER, server.as_bytes());
        }
        if let Some(port) = self.port {
            outbox = outbox.critical(kind::PORT, &port.to_be_bytes());
        }
        self.cookies.iter().fold(outbox, |outbox, cookie| outbox.optional(kind::COOKIE, cookie)).end()
    }
}

/// The answer to a request in order that is granted nothing.
pub fn write_nothing(why: Nothing) -> Vec<u8> {
    match why {
        Nothing::NoProtocol => Outbox::new().critical(kind::NEXT_PROTOCOL, &[]).end(),
        Nothing::NoAead => {
            Outbox::new().critical(kind::NEXT_PROTOCOL, &NTPV4.to_be_bytes()).critical(kind::AEAD, &[]).end()
        }
    }
}

/// The answer to a request that is not in order, or cannot be answered.
pub fn write_error(code: ErrorCode) -> Vec<u8> {
    Outbox::new().critical(kind::ERROR, &code.number().to_be_bytes()).end()
}

/// What a client was granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The cipher.
    pub aead: Aead,
    /// How its keys are exported.
    pub exporter: Exporter,
    /// One to eight cookies, each of 1 to [`COOKIE_MAX`] bytes.
    pub cookies: Vec<Vec<u8>>,
    /// Who gives the time: if nobody is named, the host that gave the keys.
    pub server: Option<ServerName>,
    /// At which port: if none is named, 123.
    pub port: Option<u16>,
}

impl fmt::Debug for Answer {
    /// Cookies are shown by their number: who has seen one can recognise who sends it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("aead", &self.aead)
            .field("exporter", &self.exporter)
            .field("cookies", &self.cookies.len())
            .field("server", &self.server)
            .field("port", &self.port)
            .finish()
    }
}

impl Answer {
    /// Reads the answer to a request that offered these ciphers.
    ///
    /// # Errors
    /// [`BadAnswer`]: the keys of this exchange must not be used.
    pub fn read(inbox: &Inbox, offered: &[Aead]) -> Result<Self, BadAnswer> {
        let mut said = Said::default();
        for record in inbox.records() {
            said.note(record)?;
        }
        if !inbox.is_whole {
            return Err(BadAnswer::NotWhole);
        }
        said.answer(offered)
    }
}

/// What was said so far.
#[derive(Default)]
struct Said {
    /// Empty, or NTPv4.
    speaks_ntp: Option<bool>,
    /// Its number, if any was chosen.
    aead: Option<Option<u16>>,
    as_written: bool,
    cookies: Vec<Vec<u8>>,
    server: Option<ServerName>,
    port: Option<u16>,
}

impl Said {
    fn note(&mut self, record: super::Record<'_>) -> Result<(), BadAnswer> {
        match record.kind {
            kind::NEXT_PROTOCOL => {
                once(&mut self.speaks_ntp, speaks_ntp(&record)?, BadAnswer::ProtocolsTwice)
            }
            kind::AEAD => once(&mut self.aead, chosen(&record)?, BadAnswer::AeadTwice),
            kind::COOKIE => self.keep(record.body),
            kind::SERVER => {
                let server = ServerName::read(record.body).ok_or(BadAnswer::Server)?;
                once(&mut self.server, server, BadAnswer::ServerTwice)
            }
            kind::PORT => {
                let port = record.number().filter(|port| *port != 0).ok_or(BadAnswer::Port)?;
                once(&mut self.port, port, BadAnswer::PortTwice)
            }
            kind::GCM_SIV_AS_WRITTEN => {
                self.as_written = true;
                Ok(())
            }
            kind::ERROR => {
                Err(record.number().map_or(BadAnswer::Torn, |code| BadAnswer::Error(ErrorCode::of(code))))
            }
            kind::WARNING => Err(record.number().map_or(BadAnswer::Torn, BadAnswer::Warning)),
            unknown if record.is_critical => Err(BadAnswer::UnknownCritical(unknown)),
            _ => Ok(()),
        }
    }

    /// Keeps a cookie, if there is room for it.
    fn keep(&mut self, cookie: &[u8]) -> Result<(), BadAnswer> {
        if !(1..=COOKIE_MAX).contains(&cookie.len()) {
            return Err(BadAnswer::CookieLength(cookie.len()));
        }
        if self.cookies.len() < COOKIES_MAX {
            self.cookies.push(cookie.to_vec());
        }
        Ok(())
    }

    fn answer(self, offered: &[Aead]) -> Result<Answer, BadAnswer> {
        if !self.speaks_ntp.ok_or(BadAnswer::ProtocolsMissing)? {
            return Err(BadAnswer::NoProtocol);
        }
        let id = self.aead.ok_or(BadAnswer::AeadMissing)?.ok_or(BadAnswer::NoAead)?;
        let aead = offered.iter().copied().find(|aead| aead.id() == id);
        let aead = aead.ok_or(BadAnswer::AeadNotOffered(id))?;
        if self.cookies.is_empty() {
            return Err(BadAnswer::NoCookies);
        }
        let is_as_written = aead != Aead::GcmSiv128 || self.as_written;
        let exporter = if is_as_written { Exporter::AsWritten } else { Exporter::AsChronyd };
        Ok(Answer { aead, exporter, cookies: self.cookies, server: self.server, port: self.port })
    }
}

/// Does the server speak NTPv4? We have asked for nothing else.
fn speaks_ntp(record: &super::Record<'_>) -> Result<bool, BadAnswer> {
    let mut protocols = record.numbers().ok_or(BadAnswer::Torn)?;
    match protocols.next() {
        None => Ok(false),
        Some(NTPV4) if protocols.next().is_none() => Ok(true),
        Some(_) => Err(BadAnswer::ProtocolNotOffered),
    }
}

/// The cipher that the server has chosen, if it has.
fn chosen(record: &super::Record<'_>) -> Result<Option<u16>, BadAnswer> {
    let mut ids = record.numbers().ok_or(BadAnswer::Torn)?;
    let id = ids.next();
    match ids.next() {
        None => Ok(id),
        Some(_) => Err(BadAnswer::AeadsMany),
    }
}

/// Why the answer of a key exchange is of no use. Completes "cannot use these keys: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// The connection ended before the message.
    NotWhole,
    /// The server says that something is wrong.
    Error(ErrorCode),
    /// The server warns of something. None of the warnings is known, so each is an error (RFC 8915, section 4.1.4).
    Warning(u16),
    /// A critical record of a kind that is not known here.
    UnknownCritical(u16),
    /// A record is shorter or longer than its kind is, or has half a number.
    Torn,
    /// No record names a protocol.
    ProtocolsMissing,
    /// Two records name protocols.
    ProtocolsTwice,
    /// A protocol that was not asked for.
    ProtocolNotOffered,
    /// The server gives no keys for NTPv4.
    NoProtocol,
    /// No record names a cipher.
    AeadMissing,
    /// Two records name ciphers.
    AeadTwice,
    /// More than one cipher is chosen.
    AeadsMany,
    /// The server speaks none of our ciphers.
    NoAead,
    /// It has chosen this one, which was not offered.
    AeadNotOffered(u16),
    /// Not one cookie.
    NoCookies,
    /// A cookie of so many bytes.
    CookieLength(usize),
    /// The NTP server is named twice.
    ServerTwice,
    /// It is no address of a single other host, and no name.
    Server,
    /// The port is named twice.
    PortTwice,
    /// It is 0, or no port at all.
    Port,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWhole => f.write_str("the answer has no end"),
            Self::Error(code) => write!(f, "the server says: {code}"),
            Self::Warning(number) => write!(f, "the server gives warning {number}, which is not known here"),
            Self::UnknownCritical(kind) => write!(f, "a critical record of kind {kind} is not known here"),
            Self::Torn => f.write_str("a record has a length that its kind has not"),
            Self::ProtocolsMissing => f.write_str("the answer names no protocol"),
            Self::ProtocolsTwice => f.write_str("the answer names protocols twice"),
            Self::ProtocolNotOffered => f.write_str("they are for a protocol that was not asked for"),
            Self::NoProtocol => f.write_str("the server gives none for NTP"),
            Self::AeadMissing => f.write_str("the answer names no cipher"),
            Self::AeadTwice => f.write_str("the answer names ciphers twice"),
            Self::AeadsMany => f.write_str("the answer names more than one cipher"),
            Self::NoAead => f.write_str("the server speaks none of our ciphers"),
            Self::AeadNotOffered(id) => write!(f, "the server has chosen cipher {id}, which was not offered"),
            Self::NoCookies => f.write_str("the server gives no cookies"),
            Self::CookieLength(length) => {
                write!(f, "the server gives a cookie of {length} bytes, and 1 to {COOKIE_MAX} are usual")
            }
            Self::ServerTwice => f.write_str("the answer names two NTP servers"),
            Self::Server => f.write_str("the NTP server that the answer names cannot be one"),
            Self::PortTwice => f.write_str("the answer names two ports"),
            Self::Port => f.write_str("the port that the answer names is none"),
        }
    }
}

impl core::error::Error for BadAnswer {}
