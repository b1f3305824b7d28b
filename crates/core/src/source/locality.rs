//! What an address alone tells of who is there: somebody of our own network, the same provider as another, nobody.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Loopback, private (RFC 1918, RFC 4193) or link-local: certainly in our own network, or in this machine.
pub fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Can one host that others reach over the Internet have it? Besides the near ones these cannot: "this network" and
/// class E (RFC 1122, section 3.2.1.3; RFC 1112, section 4), what providers use behind their translators (RFC 6598), and
/// whatever [is no host](is_one_host).
pub fn is_public(ip: IpAddr) -> bool {
    let is_reserved = match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            a == 0 || a >= 240 || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(_) => false,
    };
    is_one_host(ip) && !is_near(ip) && !is_reserved
}

/// Is it the address of one host, and not of none, many or all?
pub fn is_one_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// What a provider hands out at the least, with its other bits zero: 24 bits of IPv4, 48 of IPv6 (RFC 6177). Two addresses
/// of one block are taken to be of one operator.
pub fn block(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::from([a, b, c, 0]).into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Ipv6Addr::from([a, b, c, 0, 0, 0, 0, 0]).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_of_a_pool_is_one_that_others_reach() {
        for text in ["192.0.2.1", "8.8.8.8", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(is_public(ip(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "0.1.2.3",
            "0.0.0.0",
            "224.0.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fd00::1",
            "fe80::1",
            "ff05::101",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn neighbours_share_a_block() {
        assert_eq!(block(ip("192.0.2.1")), block(ip("192.0.2.250")));
        assert_eq!(block(ip("192.0.2.1")), block(ip("::ffff:192.0.2.9")));
        assert_ne!(block(ip("192.0.2.1")), block(ip("192.0.3.1")));
        assert_eq!(block(ip("2001:db8:1:2::3")), block(ip("2001:db8:1:ff::9")));
        assert_ne!(block(ip("2001:db8:1::")), block(ip("2001:db8:2::")));
    }
}
