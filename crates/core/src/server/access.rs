//! Who may ask: an allow-list by address prefix. What is not on it is not served.
//!
//! Addresses can be forged, so this keeps strangers out of a private service; it proves nothing about anybody.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use super::Silence;

/// The most prefixes that a list holds: each question is compared with all of them.
pub const PREFIXES_MAX: usize = 256;

/// The prefixes that are served. An empty list serves nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    prefixes: Vec<Prefix>,
}

impl AllowList {
    /// A list of these prefixes.
    ///
    /// # Errors
    /// More than [`PREFIXES_MAX`] of them.
    pub fn new(prefixes: Vec<Prefix>) -> Result<Self, PrefixesTooMany> {
        if prefixes.len() > PREFIXES_MAX { Err(PrefixesTooMany) } else { Ok(Self { prefixes }) }
    }

    /// May this client be answered?
    ///
    /// # Errors
    /// [`Silence`] with its reason, if not.
    pub fn admit(&self, client: SocketAddr) -> Result<(), Silence> {
        let address = client.ip().to_canonical();
        if client.port() == 0 {
            return Err(Silence::PortZero);
        }
        if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Silence::NotAHost);
        }
        let allowed = self.prefixes.iter().any(|prefix| prefix.contains(address));
        if allowed { Ok(()) } else { Err(Silence::NotAllowed) }
    }
}

/// More prefixes than an [`AllowList`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixesTooMany;

impl fmt::Display for PrefixesTooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {PREFIXES_MAX} prefixes")
    }
}

impl core::error::Error for PrefixesTooMany {}

/// The addresses that begin with the same bits.
///
/// ```
/// use truechimer_core::server::access::Prefix;
/// let private: Prefix = "10.0.0.0/8".parse().unwrap();
/// assert!(private.contains("10.200.3.4".parse().unwrap()));
/// assert_eq!("10.0.0.1/8".parse::<Prefix>().unwrap_err().to_string(), "bits are set behind the first 8; did you mean 10.0.0.0/8?");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    first: IpAddr,
    length: u8,
}

impl Prefix {
    /// This machine alone, in both families.
    pub const LOOPBACK: [Self; 2] = [
        Self { first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), length: 8 },
        Self { first: IpAddr::V6(Ipv6Addr::LOCALHOST), length: 128 },
    ];

    /// The prefix of so many bits of an address. One in IPv6 clothes (`::ffff:10.0.0.0/104`) is its IPv4 prefix.
    ///
    /// # Errors
    /// More bits than the address has, or bits set behind them.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = width(address);
        if length > bits {
            return Err(PrefixError::TooManyBits { bits });
        }
        let (address, length) = match (address.to_canonical(), length.checked_sub(96)) {
            (IpAddr::V4(v4), Some(length)) if address.is_ipv6() => (IpAddr::V4(v4), length),
            _ => (address, length),
        };
        let prefix = Self { first: cut(address, length), length };
        if prefix.first == address { Ok(prefix) } else { Err(PrefixError::BitsBehind { meant: prefix }) }
    }

    /// Does the address begin with these bits? An IPv4 address that came in IPv6 clothes (`::ffff:10.0.0.1`) is
    /// the same host, and is compared as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.first) && cut(address, self.length) == self.first
    }
}

/// How many bits an address has.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits cleared behind the first so many.
fn cut(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or a lone address for one host.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::NotAnAddress)?;
        let length = length.map_or(Ok(width(address)), bits)?;
        Self::new(address, length)
    }
}

/// One to three digits: the integer parser alone would let `+8` pass.
fn bits(text: &str) -> Result<u8, PrefixError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(PrefixError::NotALength)
}

/// Why a text is not a prefix. Completes "cannot use this prefix: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// What stands before the slash is no IPv4 or IPv6 address.
    NotAnAddress,
    /// What stands after the slash is no number of bits.
    NotALength,
    /// More bits than the address has.
    TooManyBits {
        /// How many it has.
        bits: u8,
    },
    /// Bits are set behind the prefix: perhaps one host was meant, perhaps a network.
    BitsBehind {
        /// The network that contains the address.
        meant: Prefix,
    },
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress => f.write_str("it does not begin with an IPv4 or IPv6 address"),
            Self::NotALength => f.write_str("what follows the slash is not a number of bits"),
            Self::TooManyBits { bits } => write!(f, "an address of this kind has only {bits} bits"),
            Self::BitsBehind { meant } => {
                write!(f, "bits are set behind the first {}; did you mean {meant}?", meant.length)
            }
        }
    }
}

impl core::error::Error for PrefixError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn only_the_prefixes_of_the_list_are_served() {
        let list = list(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for served in ["10.1.2.3:123", "192.0.2.7:40000", "[2001:db8::1]:123", "[::ffff:10.1.2.3]:123"] {
            assert_eq!(list.admit(served.parse().unwrap()), Ok(()), "{served}");
        }
        for stranger in
            ["11.0.0.1:123", "192.0.2.8:123", "[2001:db9::1]:123", "[::ffff:11.0.0.1]:123", "[::1]:5"]
        {
            assert_eq!(list.admit(stranger.parse().unwrap()), Err(Silence::NotAllowed), "{stranger}");
        }
    }

    #[test]
    fn an_empty_list_serves_nobody() {
        assert_eq!(AllowList::default().admit("127.0.0.1:123".parse().unwrap()), Err(Silence::NotAllowed));
    }

    #[test]
    fn bad_input_76_what_is_no_client_is_not_served() {
        let everybody = list(&["0.0.0.0/0", "::/0"]);
        assert_eq!(everybody.admit("10.0.0.1:0".parse().unwrap()), Err(Silence::PortZero));
        for nobody in [
            "0.0.0.0:9",
            "224.0.1.1:123",
            "255.255.255.255:9",
            "[::]:9",
            "[ff02::101]:9",
            "[::ffff:224.0.1.1]:9",
        ] {
            assert_eq!(everybody.admit(nobody.parse().unwrap()), Err(Silence::NotAHost), "{nobody}");
        }
        assert_eq!(everybody.admit("10.0.0.1:123".parse().unwrap()), Ok(()));
        assert_eq!(everybody.admit("[fe80::1]:123".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_prefix_that_is_none_says_why() {
        let why = |text: &str| text.parse::<Prefix>().unwrap_err();
        for text in ["", "/8", "10.0.0/8", "10.0.0.256", "fe80::1%eth0/64", "host/8", " 10.0.0.0/8"] {
            assert_eq!(why(text), PrefixError::NotAnAddress, "{text:?}");
        }
        for text in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/8/8", "::/256", "::/a"] {
            assert_eq!(why(text), PrefixError::NotALength, "{text:?}");
        }
        assert_eq!(why("10.0.0.0/33").to_string(), "an address of this kind has only 32 bits");
        assert_eq!(why("::/129"), PrefixError::TooManyBits { bits: 128 });
        assert_eq!(
            why("2001:db8::1/32").to_string(),
            "bits are set behind the first 32; did you mean 2001:db8::/32?"
        );
    }

    #[test]
    fn an_ipv4_prefix_in_ipv6_clothes_is_an_ipv4_prefix() {
        let prefix: Prefix = "::ffff:10.0.0.0/104".parse().unwrap();
        assert_eq!(prefix.to_string(), "10.0.0.0/8");
        let host: Prefix = "::ffff:192.0.2.7".parse().unwrap();
        assert!(host.contains("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_list_has_a_limit() {
        let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
        assert!(AllowList::new([prefix].repeat(PREFIXES_MAX)).is_ok());
        assert_eq!(AllowList::new([prefix].repeat(PREFIXES_MAX + 1)), Err(PrefixesTooMany));
    }

    proptest! {
        #[test]
        fn a_prefix_contains_what_shares_its_bits(network in any::<u128>(), host in any::<u128>(), length in 0u8..=128) {
            let first = cut(IpAddr::V6(network.into()), length);
            let prefix = Prefix::new(first, length).unwrap();
            let shared = (network ^ host).leading_zeros() >= u32::from(length);
            let host = IpAddr::V6(host.into());
            prop_assume!(host == host.to_canonical());
            prop_assert_eq!(prefix.contains(host), shared);
            prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }

        #[test]
        fn an_ipv4_prefix_too(network in any::<u32>(), host in any::<u32>(), length in 0u8..=32) {
            let prefix = Prefix::new(cut(IpAddr::V4(network.into()), length), length).unwrap();
            let shared = (network ^ host).leading_zeros() >= u32::from(length);
            prop_assert_eq!(prefix.contains(IpAddr::V4(host.into())), shared);
        }
    }

    fn list(prefixes: &[&str]) -> AllowList {
        AllowList::new(prefixes.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
    }
}
