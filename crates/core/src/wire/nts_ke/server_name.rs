//! Where a key exchange sends the client for the time (RFC 8915, section 4.1.7).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str;

/// The longest name of a host, in bytes (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 253;

/// The longest part of a name between two dots, in bytes.
const LABEL_MAX: usize = 63;

/// An NTP server, as a key exchange names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// By its address: that of a single host, and not of this one.
    Address(IpAddr),
    /// By a name of the DNS.
    Name(String),
}

impl ServerName {
    /// Reads the body of a record. `None` if it is no address of a single other host, and no name that only the DNS
    /// can resolve: resolvers take `0x7f.1` for an address, so a name does not end in a label that begins with a digit.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        match text.parse::<IpAddr>() {
            Ok(address) => is_single_other_host(address.to_canonical()).then_some(Self::Address(address)),
            Err(_) => is_name(text).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn is_single_other_host(address: IpAddr) -> bool {
    let is_of_many = match address {
        IpAddr::V4(v4) => v4 == Ipv4Addr::BROADCAST || v4.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    !(is_of_many || address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

fn is_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_MAX
        && text.split('.').all(is_label)
        && !last.starts_with(|first: char| first.is_ascii_digit())
}

/// Letters, digits, and hyphens between them.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
