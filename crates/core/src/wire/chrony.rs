//! The protocol by which chronyc asks chronyd how it stands, version 6, as far as it only looks: what is asked, and the
//! layouts of what is answered. Port 323 of UDP, or a datagram socket of the machine.
//!
//! ```text
//!  request                                          reply
//!   0 version  1 type: 1  2, 3 reserved              0 version  1 type: 2  2, 3 reserved
//!   4 command     6 attempt                          4 command     6 layout
//!   8 sequence                                       8 status     10 .. 15 unused
//!  12 .. 19 unused                                  16 sequence   20 .. 27 unused
//!  20 arguments, then zeros up to the length        28 what is told, by the layout
//!     of the longest reply to it at least
//! ```
//!
//! All numbers are in network order. What is not here: commands that change anything, and the list of clients; those are
//! refused by name. Nothing is ever answered by more bytes than were asked, so that whoever forges a sender gains nothing.
//!
//! Values are told with chrony's signs, which are not ours: see [`reply`].

pub mod float;
pub mod reply;
pub mod request;

use core::net::IpAddr;

/// The port of the protocol.
pub const PORT: u16 = 323;

/// The version that is spoken.
pub const VERSION: u8 = 6;

/// The longest request that is read, in bytes: chronyc's longest have 520, other programs' a few hundred.
pub const REQUEST_MAX: usize = 1024;

/// The bytes in front of what is told, and all there is of a refusal.
pub const REPLY_HEADER_LEN: usize = 28;

/// The bytes in front of the arguments of a request.
pub const REQUEST_HEADER_LEN: usize = 20;

/// The bytes of a host.
const HOST_LEN: usize = 20;

/// A source as it is named on the wire.
///
/// ```text
///   0 address, zeros after it   16 family: 0 none, 1 IPv4, 2 IPv6, 3 a number instead   18 unused
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// None.
    Nobody,
    /// One with this address.
    At(IpAddr),
    /// One without an address: a number that stands for it.
    Number(u32),
}

impl Host {
    /// Reads one; `None` if the family is none that there is.
    pub fn parse(bytes: &[u8; HOST_LEN]) -> Option<Self> {
        let [a, b, c, d, ..] = *bytes;
        match u16::from_be_bytes([bytes[16], bytes[17]]) {
            0 => Some(Self::Nobody),
            1 => Some(Self::At(IpAddr::from([a, b, c, d]))),
            2 => bytes.first_chunk::<16>().map(|address| Self::At(IpAddr::from(*address))),
            3 => Some(Self::Number(u32::from_be_bytes([a, b, c, d]))),
            4.. => None,
        }
    }

    /// Writes one.
    pub fn write(self) -> [u8; HOST_LEN] {
        let mut bytes = [0; HOST_LEN];
        let family = match self {
            Self::Nobody => 0,
            Self::At(IpAddr::V4(address)) => {
                bytes[..4].copy_from_slice(&address.octets());
                1
            }
            Self::At(IpAddr::V6(address)) => {
                bytes[..16].copy_from_slice(&address.octets());
                2
            }
            Self::Number(number) => {
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                3
            }
        };
        bytes[17] = family;
        bytes
    }
}

#[cfg(test)]
mod tests;
