//! How often an answer goes to one network: once a second, whoever asks in its name.
//!
//! Where a question is shorter than its answer, its sender's address may be somebody's who is to be flooded. Whole
//! networks of the Internet share one turn (24 bits of IPv4, 48 of IPv6), because a flood may be spread over them. In our
//! own network each host has its own, for there the hosts of one cron table ask in the same second.

use alloc::collections::{BTreeSet, VecDeque};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use truechimer_time::{Mono, Span, Time};

/// So many networks are answered within one turn, and no more: a bound of the memory.
pub const NETWORKS_MAX: usize = 4096;

/// How long a turn lasts.
pub const TURN: Span = Span::from_secs(1);

/// Who was answered in this turn.
#[derive(Clone, Debug, Default)]
pub struct RateLimit {
    /// In the order of time.
    recent: VecDeque<(Time<Mono>, IpAddr)>,
    /// The same networks.
    known: BTreeSet<IpAddr>,
}

impl RateLimit {
    /// May an answer go there now? If so, it is taken for sent. Time does not go backward.
    pub fn admit(&mut self, to: IpAddr, now: Time<Mono>) -> bool {
        self.forget(now);
        let network = network(to.to_canonical());
        if self.known.len() >= NETWORKS_MAX || !self.known.insert(network) {
            return false;
        }
        self.recent.push_back((now, network));
        true
    }

    fn forget(&mut self, now: Time<Mono>) {
        while let Some((_, network)) = self.recent.pop_front_if(|(when, _)| now - *when >= TURN) {
            self.known.remove(&network);
        }
    }
}

/// The network that an address stands for, by its first address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_private() || v4.is_link_local() => address,
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() => address,
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

    fn at(millis: i64) -> Time<Mono> {
        Time::from_epoch(Span::from_millis(millis))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_network_has_one_turn_a_second() {
        for (first, neighbour, stranger) in [
            ("192.0.2.1", "192.0.2.254", "192.0.3.1"),
            ("2001:db8:1::1", "2001:db8:1:ffff::2", "2001:db8:2::1"),
            ("::ffff:192.0.2.1", "192.0.2.7", "192.0.3.1"),
        ] {
            let mut limit = RateLimit::default();
            assert!(limit.admit(ip(first), at(0)), "{first}");
            assert!(!limit.admit(ip(first), at(0)) && !limit.admit(ip(neighbour), at(999)), "{first}");
            assert!(limit.admit(ip(stranger), at(999)), "{stranger}");
            assert!(limit.admit(ip(neighbour), at(1000)), "{neighbour}");
            assert!(!limit.admit(ip(first), at(1999)), "{first}");
        }
    }

    #[test]
    fn neighbours_in_our_own_network_do_not_hinder_each_other() {
        let mut limit = RateLimit::default();
        for address in ["10.0.0.1", "10.0.0.2", "192.168.1.1", "192.168.1.2", "fd00::1", "fd00::2", "fe80::1"]
        {
            assert!(limit.admit(ip(address), at(0)) && !limit.admit(ip(address), at(1)), "{address}");
        }
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let mut limit = RateLimit::default();
        let strangers = || (0..).map(|net: u32| IpAddr::V4((0x0100_0000 + (net << 8)).into()));
        let admitted = strangers().take(3 * NETWORKS_MAX).filter(|to| limit.admit(*to, at(0))).count();
        assert_eq!((admitted, limit.recent.len()), (NETWORKS_MAX, NETWORKS_MAX));
        assert!(strangers().take(NETWORKS_MAX).all(|to| limit.admit(to, at(1000))));
    }
}
