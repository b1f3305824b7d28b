//! Who may ask: an allow-list by address prefix. What is not on it is not served.
//!
//! Addresses can be forged, so this keeps strangers out of a private service; it proves nothing about anybody.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use super::Silence;

/// The most prefixes that a list is made of.
pub const PREFIXES_MAX: usize = 4096;

/// Who is served. An empty list serves nobody.
///
/// However many prefixes it was made of, a client is found in it by halving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    v4: Ranges,
    v6: Ranges,
}

impl AllowList {
    /// A list of these prefixes, without those.
    ///
    /// # Errors
    /// More than [`PREFIXES_MAX`] of either.
    pub fn new(allowed: &[Prefix], denied: &[Prefix]) -> Result<Self, PrefixesTooMany> {
        if allowed.len().max(denied.len()) > PREFIXES_MAX {
            return Err(PrefixesTooMany);
        }
        let ranges = |bits| Ranges::of(allowed, bits).without(&Ranges::of(denied, bits));
        Ok(Self { v4: ranges(32), v6: ranges(128) })
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
        let is_allowed = match address {
            IpAddr::V4(v4) => self.v4.contain(v4.to_bits().into()),
            IpAddr::V6(v6) => self.v6.contain(v6.to_bits()),
        };
        if is_allowed { Ok(()) } else { Err(Silence::NotAllowed) }
    }
}

/// Addresses of one family as numbers: ranges with both their ends, in ascending order, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// Those of the prefixes that are of the family with addresses of so many bits.
    fn of(prefixes: &[Prefix], bits: u8) -> Self {
        let mut all: Vec<(u128, u128)> = prefixes
            .iter()
            .filter(|prefix| width(prefix.first) == bits)
            .map(|prefix| prefix.range())
            .collect();
        all.sort_unstable();
        all.dedup_by(|next, before| {
            let touches = next.0 <= before.1.saturating_add(1);
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        Self(all)
    }

    fn without(self, denied: &Self) -> Self {
        denied.0.iter().fold(self, |left, &hole| left.cut(hole))
    }

    fn cut(self, (first, last): (u128, u128)) -> Self {
        let parts = self.0.into_iter().flat_map(|(from, to)| {
            let before = (from < first).then(|| (from, to.min(first.saturating_sub(1))));
            let behind = (last < to).then(|| (from.max(last.saturating_add(1)), to));
            if to < first || last < from { [Some((from, to)), None] } else { [before, behind] }
        });
        Self(parts.flatten().collect())
    }

    fn contain(&self, address: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).is_some_and(|at| address <= self.0[at].1)
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

impl Prefix {
    /// The first and the last address, as numbers.
    fn range(self) -> (u128, u128) {
        let (first, bits) = match self.first {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let behind = u128::MAX.checked_shr(128 - u32::from(bits - self.length)).unwrap_or(0);
        (first, first | behind)
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
        assert!(AllowList::new(&[prefix].repeat(PREFIXES_MAX), &[]).is_ok());
        assert_eq!(AllowList::new(&[prefix].repeat(PREFIXES_MAX + 1), &[]), Err(PrefixesTooMany));
        assert_eq!(AllowList::new(&[], &[prefix].repeat(PREFIXES_MAX + 1)), Err(PrefixesTooMany));
    }

    #[test]
    fn what_is_denied_is_not_allowed() {
        let list =
            AllowList::new(&prefixes(&["10.0.0.0/8", "::/0"]), &prefixes(&["10.1.0.0/16", "fd00::/8"]))
                .unwrap();
        for (client, is_served) in [
            ("10.0.255.255:1", true),
            ("10.1.0.0:1", false),
            ("10.1.255.255:1", false),
            ("10.2.0.0:1", true),
            ("[fcff::1]:1", true),
            ("[fd00::1]:1", false),
            ("[fe00::1]:1", true),
        ] {
            assert_eq!(list.admit(client.parse().unwrap()).is_ok(), is_served, "{client}");
        }
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

    proptest! {
        /// The same answer as asking prefix by prefix.
        #[test]
        fn a_list_is_its_prefixes(
            allowed in prop::collection::vec((any::<u8>(), 0u8..=8), 0..12),
            denied in prop::collection::vec((any::<u8>(), 0u8..=8), 0..12),
        ) {
            // All within 192.0.2.0/24, so that they meet each other.
            let prefix = |(host, length): &(u8, u8)| {
                let length = 24 + *length;
                Prefix::new(cut(IpAddr::V4([192, 0, 2, *host].into()), length), length).unwrap()
            };
            let allowed: Vec<Prefix> = allowed.iter().map(prefix).collect();
            let denied: Vec<Prefix> = denied.iter().map(prefix).collect();
            let list = AllowList::new(&allowed, &denied).unwrap();
            for host in 1..=254 {
                let client = SocketAddr::from(([192, 0, 2, host], 123));
                let in_one = |list: &[Prefix]| list.iter().any(|prefix| prefix.contains(client.ip()));
                prop_assert_eq!(list.admit(client).is_ok(), in_one(&allowed) && !in_one(&denied), "{}", client);
            }
        }
    }

    fn list(allowed: &[&str]) -> AllowList {
        AllowList::new(&prefixes(allowed), &[]).unwrap()
    }

    fn prefixes(texts: &[&str]) -> Vec<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }
}
