//! Whom others answer, as lists of ours.
//!
//! With chronyd and ntpd the narrowest network that holds an address decides, so that one may be let in within a network
//! that is kept out within one that is let in. Here whoever is refused is refused. All else is the same said otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network; the bits beyond its length are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    ip: IpAddr,
    bits: u8,
}

impl Net {
    pub(super) const EVERYBODY: [Self; 2] = [
        Self { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), bits: 0 },
        Self { ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0 },
    ];

    pub(super) fn new(ip: IpAddr, bits: u8) -> Option<Self> {
        let ip = match ip {
            IpAddr::V4(ip) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) if bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { ip, bits })
    }

    /// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`; and as chronyd has it `192.0.2`, `192.0/16`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Self::new(ip, bits.unwrap_or(if ip.is_ipv4() { 32 } else { 128 }));
        }
        let mut octets = [0; 4];
        let parts: Vec<&str> = address.split('.').collect();
        for (octet, part) in octets.iter_mut().zip(&parts) {
            *octet = part.parse().ok()?;
        }
        let whole = u8::try_from(parts.len()).ok().filter(|parts| (1..=3).contains(parts))?;
        Self::new(IpAddr::from(octets), bits.unwrap_or(8 * whole))
    }

    /// An address with a mask that is one; bits of it behind a gap are none.
    pub(super) fn masked(ip: IpAddr, mask: IpAddr) -> Option<Self> {
        let (ones, is_prefix) = match mask {
            IpAddr::V4(mask) => (
                mask.to_bits().leading_ones(),
                mask.to_bits().count_zeros() == mask.to_bits().trailing_zeros(),
            ),
            IpAddr::V6(mask) => (
                mask.to_bits().leading_ones(),
                mask.to_bits().count_zeros() == mask.to_bits().trailing_zeros(),
            ),
        };
        (is_prefix && ip.is_ipv4() == mask.is_ipv4()).then(|| Self::new(ip, ones as u8)).flatten()
    }

    fn holds(self, other: Self) -> bool {
        self.bits <= other.bits && Self::new(other.ip, self.bits) == Some(self)
    }

    pub(super) fn write(self) -> String {
        format!("{}/{}", self.ip, self.bits)
    }
}

/// Who is answered, by one directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) net: Net,
    pub(super) allows: bool,
    /// Forget what was said of networks within it.
    pub(super) all: bool,
    /// The line that says it.
    pub(super) line: usize,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    Allowed,
    Denied,
    /// It says what a wider rule says, or what holds anyway.
    Idle,
    /// A later line says otherwise.
    Overruled,
    /// Somebody is let in within a network that is kept out within one that is let in.
    Impossible,
}

/// The lists that say the same as the rules.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
    /// What became of each rule, in their order.
    pub(super) became: Vec<Became>,
}

/// Who is answered in the end.
pub(super) fn lists(rules: &[Rule]) -> Lists {
    let mut held: Vec<usize> = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        held.retain(|&other| {
            let other = rules[other].net;
            other != rule.net && !(rule.all && rule.net.holds(other))
        });
        held.push(index);
    }
    let mut lists = Lists { became: vec![Became::Overruled; rules.len()], ..Lists::default() };
    for &index in &held {
        let rule = &rules[index];
        let wider = || {
            held.iter()
                .map(|&other| &rules[other])
                .filter(|other| other.net != rule.net && other.net.holds(rule.net))
        };
        let by_default = wider().max_by_key(|other| other.net.bits).is_some_and(|other| other.allows);
        let is_within_allowed = wider().any(|other| other.allows);
        lists.became[index] = match (rule.allows, by_default) {
            (true, true) | (false, false) => Became::Idle,
            (true, false) if is_within_allowed => Became::Impossible,
            (true, false) => {
                lists.allow.push(rule.net.write());
                Became::Allowed
            }
            (false, true) => {
                lists.deny.push(rule.net.write());
                Became::Denied
            }
        };
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Prefix, Spelled};
    use proptest::prelude::*;

    fn net(text: &str) -> Net {
        Net::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn rule(allows: bool, text: &str) -> Rule {
        Rule { net: net(text), allows, all: false, line: 0 }
    }

    /// The narrowest rule decides, the last of those that are for one network.
    fn is_answered(rules: &[Rule], who: Net) -> bool {
        let holding = rules.iter().enumerate().filter(|(_, rule)| rule.net.holds(who));
        holding.max_by_key(|(index, rule)| (rule.net.bits, *index)).is_some_and(|(_, rule)| rule.allows)
    }

    proptest! {
        #[test]
        fn the_lists_answer_whom_the_rules_answer_unless_they_say_so(
            rules in proptest::collection::vec((any::<bool>(), 0u8..4, 0u8..=3), 0..8),
            who in 0u8..4,
        ) {
            let rules: Vec<Rule> = rules.iter().map(|(allows, end, bits)| {
                let ip = IpAddr::from([10, 0, 0, end << 6]);
                Rule { net: Net::new(ip, 24 + bits).unwrap(), allows: *allows, all: false, line: 0 }
            }).collect();
            let lists = lists(&rules);
            let who = Net::new(IpAddr::from([10, 0, 0, (who << 6) | 9]), 32).unwrap();
            let in_list = |list: &[String]| list.iter().any(|prefix| net(prefix).holds(who));
            let ours = in_list(&lists.allow) && !in_list(&lists.deny);
            let theirs = is_answered(&rules, who);
            prop_assert!(theirs || !ours, "nobody is let in who was kept out");
            if !lists.became.contains(&Became::Impossible) {
                prop_assert_eq!(theirs, ours);
            }
        }
    }

    #[test]
    fn networks_are_read_in_all_their_forms() {
        for (text, written) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2", "192.0.2.0/24"),
            ("192.0", "192.0.0.0/16"),
            ("10", "10.0.0.0/8"),
            ("192.0/12", "192.0.0.0/12"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("2001:db8::7/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(net(text).write(), written);
            assert!(Prefix::read(written).is_ok(), "{written}");
        }
        for text in ["", "a.example", "1.2.3.4.5", "300", "1.2.3.4/33", "::1/129", "/8", "1..2"] {
            assert_eq!(Net::read(text), None, "{text}");
        }
        let masked = |ip: &str, mask: &str| Net::masked(ip.parse().unwrap(), mask.parse().unwrap());
        assert_eq!(masked("10.1.2.3", "255.255.0.0"), Some(net("10.1/16")));
        assert_eq!(masked("10.1.2.3", "255.0.255.0"), None);
    }

    #[test]
    fn an_exception_to_an_exception_is_named() {
        let rules = [rule(true, "10.0.0.0/8"), rule(false, "10.1.0.0/16"), rule(true, "10.1.2.0/24")];
        let became = lists(&rules).became;
        assert_eq!(became, [Became::Allowed, Became::Denied, Became::Impossible]);
        let again = [rule(false, "10.1.0.0/16"), rule(true, "10.1.2.0/24")];
        let kept = lists(&again);
        assert_eq!((kept.allow, kept.deny), (vec!["10.1.2.0/24".to_owned()], vec![]));
        assert_eq!(kept.became, [Became::Idle, Became::Allowed]);
    }
}
