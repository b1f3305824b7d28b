//! Where a source is and who may ask us: names, addresses and prefixes as the operator writes them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use truechimer_core::server::access::{Prefix, PrefixError};
use truechimer_core::source::locality::{block, is_near, is_one_host};

use super::quantity::Spelled;

/// The port of NTP (RFC 5905, section 16).
pub const NTP_PORT: u16 = 123;
/// The longest host name (RFC 1035, section 2.3.4).
const NAME_LENGTH_MAX: usize = 253;
/// The longest part of a host name between dots (RFC 1035, section 2.3.4).
const LABEL_LENGTH_MAX: usize = 63;

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A name to be looked up, in small letters and without the dot at its end.
    Name {
        /// The name.
        host: String,
        /// The UDP port.
        port: u16,
    },
    /// A place that needs no looking up.
    Literal(SocketAddr),
}

impl Address {
    /// What `getaddrinfo` is asked for.
    pub fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Name { host, port } => (host.clone(), *port),
            Self::Literal(place) => (place.ip().to_string(), place.port()),
        }
    }

    /// The same host at another port.
    pub(super) fn with_port(self, other: impl FnOnce(u16) -> u16) -> Self {
        match self {
            Self::Name { host, port } => Self::Name { host, port: other(port) },
            Self::Literal(place) => Self::Literal(SocketAddr::new(place.ip(), other(place.port()))),
        }
    }

    /// The place, if no name need be looked up.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self {
            Self::Name { .. } => None,
            Self::Literal(place) => Some(*place),
        }
    }

    /// Is it certainly in our own network, where nobody else's service can be overrun?
    pub fn is_near(&self) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Literal(place) => is_near(place.ip()),
        }
    }

    /// Is it a name of the NTP pool, behind which volunteers stand who do not know each other?
    pub fn is_of_strangers(&self) -> bool {
        match self {
            Self::Name { host, .. } => is_in_pool(host),
            Self::Literal(_) => false,
        }
    }

    /// Whom to count as its operator when nobody says: by the domain of the name, or by the prefix of the address.
    ///
    /// Each name of the NTP pool leads to volunteers who have nothing in common but the register, so it stands for
    /// itself. Prefixes tell operators apart on the Internet only; in our own network every host counts for itself.
    pub fn operator(&self) -> String {
        match self {
            Self::Name { host, .. } if is_in_pool(host) => host.clone(),
            Self::Name { host, .. } => domain(host).to_owned(),
            Self::Literal(place) if is_near(place.ip()) => place.to_string(),
            Self::Literal(place) => prefix(place.ip()),
        }
    }
}

/// Names under this stand for servers that have nothing in common but the register.
const POOL: &str = "pool.ntp.org";

fn is_in_pool(host: &str) -> bool {
    host == POOL || host.strip_suffix(POOL).is_some_and(|rest| rest.ends_with('.'))
}

/// Second-level labels under which registries of countries hand out names, so that three labels make a registrant. No
/// list is complete: under a registry that is missing here, strangers have one vote together, which is safe.
const REGISTRIES: [&str; 17] = [
    "ac", "asso", "co", "com", "ed", "edu", "go", "gob", "gov", "govt", "gv", "mil", "ne", "net", "nom",
    "or", "org",
];

/// The part of a name that somebody has registered: the last two labels, or three under `co.uk` and its like.
fn domain(host: &str) -> &str {
    let mut labels = host.rsplit('.');
    let country = labels.next().is_some_and(|last| last.len() == 2);
    let registry = labels.next().is_some_and(|second| REGISTRIES.contains(&second));
    let dots = if country && registry { 2 } else { 1 };
    let start = host.rmatch_indices('.').nth(dots).map_or(0, |(dot, _)| dot + 1);
    &host[start..]
}

/// The block of an address, as people write it.
fn prefix(ip: IpAddr) -> String {
    let block = block(ip);
    format!("{block}/{}", if block.is_ipv4() { 24 } else { 48 })
}

impl fmt::Display for Address {
    /// `ptbtime1.ptb.de`, `ptbtime1.ptb.de:1123`, `192.0.2.1:123`, `[2001:db8::1]:123`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, port: NTP_PORT } => f.write_str(host),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Literal(place) => place.fmt(f),
        }
    }
}

/// Why a text is no address of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither a name nor an address.
    #[error("is neither a host name nor an address")]
    NotAnAddress,
    /// Not 1 to 65535.
    #[error("has a port that is not 1 to 65535")]
    BadPort,
    /// An IPv6 address with a port, but no brackets.
    #[error("is an IPv6 address with something behind it: write \"[2001:db8::1]:123\"")]
    NoBrackets,
    /// 0.0.0.0, a multicast or a broadcast address.
    #[error("is not the address of one host")]
    NotOneHost,
}

impl Spelled for Address {
    const KIND: &'static str = "a name or an address such as \"ntp.example.net\" or \"192.0.2.1:123\"";
    type Error = AddressError;

    fn read(text: &str) -> Result<Self, AddressError> {
        if let Some(place) = place(text, NTP_PORT)? {
            return one_host(place).map(Self::Literal);
        }
        let (host, port) = match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => return Err(AddressError::NoBrackets),
            Some((host, port)) => (host, read_port(port)?),
            None => (text, NTP_PORT),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if is_name(&host) { Ok(Self::Name { host, port }) } else { Err(AddressError::NotAnAddress) }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// An address in figures, with or without a port; `None` for what may be a name.
fn place(text: &str, port: u16) -> Result<Option<SocketAddr>, AddressError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Some(SocketAddr::new(ip, port)));
    }
    match text.parse::<SocketAddr>() {
        Ok(place) if place.port() == 0 => Err(AddressError::BadPort),
        Ok(place) => Ok(Some(place)),
        Err(_) if text.starts_with('[') => Err(AddressError::NotAnAddress),
        Err(_) => Ok(None),
    }
}

fn one_host(place: SocketAddr) -> Result<SocketAddr, AddressError> {
    if is_one_host(place.ip()) { Ok(place) } else { Err(AddressError::NotOneHost) }
}

fn read_port(text: &str) -> Result<u16, AddressError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port != 0).ok_or(AddressError::BadPort)
}

/// Letters, digits, hyphens and underscores between dots, and not figures alone (that is a mistyped address).
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    host.len() <= NAME_LENGTH_MAX && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

impl Spelled for SocketAddr {
    const KIND: &'static str = "an address with a port such as \"127.0.0.1:123\" or \"[::]:123\"";
    type Error = AddressError;

    fn read(text: &str) -> Result<Self, AddressError> {
        place(text, NTP_PORT)?.ok_or(AddressError::NotAnAddress)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// A place to listen at by a protocol that has another port than NTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At<const PORT: u16>(pub(super) SocketAddr);

impl<const PORT: u16> Spelled for At<PORT> {
    const KIND: &'static str = "an address, with a port or without, such as \"127.0.0.1\" or \"[::]:4014\"";
    type Error = AddressError;

    fn read(text: &str) -> Result<Self, AddressError> {
        place(text, PORT)?.map(Self).ok_or(AddressError::NotAnAddress)
    }

    fn write(&self) -> String {
        self.0.to_string()
    }
}

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be used: {0}")]
pub struct NoPrefix(pub PrefixError);

impl Spelled for Prefix {
    const KIND: &'static str = "a prefix such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
    type Error = NoPrefix;

    fn read(text: &str) -> Result<Self, NoPrefix> {
        text.parse().map_err(NoPrefix)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Why a text names no place in the file system that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It would depend on the folder that the program was started from.
    #[error("does not begin with /")]
    Relative,
    /// A NUL cannot be part of a path.
    #[error("has a NUL in it")]
    Nul,
}

impl Spelled for PathBuf {
    const KIND: &'static str = "an absolute path such as \"/var/lib/truechimer\"";
    type Error = PathError;

    fn read(text: &str) -> Result<Self, PathError> {
        match (text.contains('\0'), Path::new(text).is_absolute()) {
            (true, _) => Err(PathError::Nul),
            (false, false) => Err(PathError::Relative),
            (false, true) => Ok(Self::from(text)),
        }
    }

    fn write(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(text in "\\PC{0,60}|[0-9a-f:.\\[\\]/%]{0,50}") {
            let address = Address::read(&text);
            let _ = (Prefix::read(&text), SocketAddr::read(&text));
            if let Ok(address) = address {
                prop_assert_eq!(Address::read(&address.write()), Ok(address));
            }
        }
    }

    #[test]
    fn a_source_is_a_name_or_an_address() {
        let cases = [
            ("ptbtime1.ptb.de", "ptbtime1.ptb.de"),
            ("PTBtime1.PTB.de.", "ptbtime1.ptb.de"),
            ("ntp.example.net:1123", "ntp.example.net:1123"),
            ("192.0.2.1", "192.0.2.1:123"),
            ("192.0.2.1:4000", "192.0.2.1:4000"),
            ("2001:db8::1", "[2001:db8::1]:123"),
            ("[2001:db8::1]", "[2001:db8::1]:123"),
            ("[2001:db8::1]:4000", "[2001:db8::1]:4000"),
        ];
        for (text, shown) in cases {
            assert_eq!(
                Address::read(text).map(|address| address.to_string()),
                Ok(shown.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        let cases = [
            ("", AddressError::NotAnAddress),
            ("two words", AddressError::NotAnAddress),
            ("-x.example", AddressError::NotAnAddress),
            ("192.0.2.256", AddressError::NotAnAddress),
            ("a..b", AddressError::NotAnAddress),
            ("name:0", AddressError::BadPort),
            ("name:65536", AddressError::BadPort),
            ("name:+5", AddressError::BadPort),
            ("192.0.2.1:0", AddressError::BadPort),
            ("2001:db8::1:x", AddressError::NoBrackets),
            ("0.0.0.0", AddressError::NotOneHost),
            ("[::]:123", AddressError::NotOneHost),
            ("224.0.1.1", AddressError::NotOneHost),
        ];
        for (text, why) in cases {
            assert_eq!(Address::read(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_operator_is_guessed_from_the_domain_or_the_prefix() {
        let cases = [
            ("ptbtime1.ptb.de", "ptb.de"),
            ("time.example.com", "example.com"),
            ("localhost", "localhost"),
            ("ntp2.npl.co.uk", "npl.co.uk"),
            ("ntp.nict.go.jp", "nict.go.jp"),
            ("ntp.nowhere.de", "nowhere.de"),
            ("time.com.example.org", "example.org"),
            ("0.de.pool.ntp.org", "0.de.pool.ntp.org"),
            ("2.debian.pool.ntp.org", "2.debian.pool.ntp.org"),
            ("spool.ntp.org", "ntp.org"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("192.0.2.250:1123", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("192.168.1.1", "192.168.1.1:123"),
            ("[::1]:4000", "[::1]:4000"),
        ];
        for (text, operator) in cases {
            assert_eq!(Address::read(text).unwrap().operator(), operator, "{text}");
        }
    }

    #[test]
    fn only_addresses_of_our_own_network_are_near() {
        for text in
            ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.0.1", "[::1]:5000", "fd00::1", "fe80::1"]
        {
            assert!(Address::read(text).unwrap().is_near(), "{text}");
        }
        for text in ["192.0.2.1", "2001:db8::1", "localhost", "8.8.8.8"] {
            assert!(!Address::read(text).unwrap().is_near(), "{text}");
        }
    }

    #[test]
    fn everybody_is_everybody() {
        assert!(Prefix::read("0.0.0.0/0").unwrap().contains(IpAddr::from([203, 0, 113, 9])));
        assert!(Prefix::read("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(Prefix::read("10.0.0.0/8").unwrap().contains("::ffff:10.2.3.4".parse().unwrap()));
        assert!(!Prefix::read("::/0").unwrap().contains(IpAddr::from([203, 0, 113, 9])));
    }
}
