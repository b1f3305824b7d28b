//! What is asked.

use super::{HOST_LEN, Host, REPLY_HEADER_LEN, REQUEST_HEADER_LEN, REQUEST_MAX, VERSION};

/// A request has this type.
const TYPE: u8 = 1;

/// The oldest version whose requests are refused with a word: older ones have another header.
const VERSION_ANSWERED_MIN: u8 = 5;

/// The highest number of a command that any chronyd has.
const COMMAND_MAX: u16 = 74;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of the command, which the reply repeats.
    pub command: u16,
    /// What the client knows the request by, which the reply repeats.
    pub sequence: u32,
    /// So many bytes it has, and so many the reply has at most.
    pub len: usize,
    /// What is asked, or why it is not answered.
    pub query: Result<Query, Refusal>,
}

/// What may be asked by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// How many sources are there?
    SourceCount,
    /// What is the source of this place in the list?
    Source(u32),
    /// How does the clock stand?
    Tracking,
    /// What do the samples of the source of this place say?
    Statistics(u32),
    /// How many sources are asked?
    Activity,
    /// What is the source called in the configuration?
    SourceName(Host),
    /// What has the server done?
    Server,
    /// How does the source of this place stand at the vote?
    Selection(u32),
    /// How is the source protected?
    Protection(Host),
}

/// Why a request is not answered, by the number of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not for everybody, or not here at all: whatever changes something, and who asks us.
    Unauthorised = 2,
    /// There is no such command, or what is asked makes no sense.
    Invalid = 3,
    /// There is no such source.
    NoSuchSource = 4,
    /// Smoothing of what is served is not done.
    NotEnabled = 6,
    /// There is no real-time clock.
    NoRtc = 13,
    /// Another version of the protocol.
    BadVersion = 18,
    /// It has not as many bytes as its arguments, or its reply, have.
    BadLength = 19,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unauthorised,
        Self::Invalid,
        Self::NoSuchSource,
        Self::NotEnabled,
        Self::NoRtc,
        Self::BadVersion,
        Self::BadLength,
    ];
}

impl Request {
    /// Reads a datagram. `None`: it is no request, or not even a refusal would be as short as it; nothing is to be said.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let len = datagram.len();
        let &[version, kind, 0, 0, high, low, ..] = datagram.first_chunk::<REQUEST_HEADER_LEN>()? else {
            return None;
        };
        let is_read = (REPLY_HEADER_LEN..=REQUEST_MAX).contains(&len);
        if kind != TYPE || version < VERSION_ANSWERED_MIN || !is_read {
            return None;
        }
        let (command, sequence) = (u16::from_be_bytes([high, low]), word_at(datagram, 8)?);
        let query = match version == VERSION {
            true => Query::parse(command, &datagram[REQUEST_HEADER_LEN..]),
            false => Err(Refusal::BadVersion),
        };
        Some(Self { command, sequence, len, query })
    }
}

impl Query {
    fn parse(command: u16, arguments: &[u8]) -> Result<Self, Refusal> {
        let place = || word_at(arguments, 0).ok_or(Refusal::BadLength);
        let host = || {
            let bytes = arguments.first_chunk::<HOST_LEN>().ok_or(Refusal::BadLength)?;
            Host::parse(bytes).ok_or(Refusal::Invalid)
        };
        match command {
            14 => Ok(Self::SourceCount),
            15 => Ok(Self::Source(place()?)),
            33 => Ok(Self::Tracking),
            34 => Ok(Self::Statistics(place()?)),
            35 => Err(Refusal::NoRtc),
            44 => Ok(Self::Activity),
            51 => Err(Refusal::NotEnabled),
            54 => Ok(Self::Server),
            65 => Ok(Self::SourceName(host()?)),
            67 => Ok(Self::Protection(host()?)),
            69 => Ok(Self::Selection(place()?)),
            // Zero asks for nothing, and is refused as everything else is that is not for everybody.
            0..=COMMAND_MAX => Err(Refusal::Unauthorised),
            _ => Err(Refusal::Invalid),
        }
    }
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
