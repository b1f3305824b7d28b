//! The protocols by which a host tells what its clock shows.

use truechimer_core::wire::{daytime, taiclock, time37};

use crate::config::NTP_PORT;

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// NTP (RFC 5905).
    Ntp,
    /// NTP with keys that were agreed on over TLS (RFC 8915).
    Nts,
    /// TAICLOCK.
    Taiclock,
    /// The timestamp message of ICMP (RFC 792).
    Icmp,
    /// TIME by UDP (RFC 868).
    Time,
    /// Daytime by UDP (RFC 867).
    Daytime,
    /// The Date of an answer by HTTP over TLS (RFC 9110, section 6.6.1).
    Https,
    /// The same without TLS.
    Http,
    /// TIME by TCP.
    TimeTcp,
    /// Daytime by TCP.
    DaytimeTcp,
}

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// UDP, a fresh socket for each question.
    Datagram,
    /// ICMP itself, likewise.
    Message,
    /// TCP.
    Stream,
    /// TLS on top of it.
    Tls,
}

impl Protocol {
    /// All, the most exact first.
    pub const ALL: [Self; 10] = [
        Self::Nts,
        Self::Ntp,
        Self::Taiclock,
        Self::Icmp,
        Self::Time,
        Self::Daytime,
        Self::Https,
        Self::Http,
        Self::TimeTcp,
        Self::DaytimeTcp,
    ];

    /// What is tried with a host of which nothing is said, in this order. NTS is for those who ask for it: who speaks it
    /// speaks NTP, and the keys cost more than the measurement.
    pub const LADDER: [Self; 9] = [
        Self::Ntp,
        Self::Taiclock,
        Self::Icmp,
        Self::Time,
        Self::Daytime,
        Self::Https,
        Self::Http,
        Self::TimeTcp,
        Self::DaytimeTcp,
    ];

    /// Its name, in front of `://` and in all that is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ntp => "ntp",
            Self::Nts => "nts",
            Self::Taiclock => "taiclock",
            Self::Icmp => "icmp",
            Self::Time => "time",
            Self::Daytime => "daytime",
            Self::Https => "https",
            Self::Http => "http",
            Self::TimeTcp => "time-tcp",
            Self::DaytimeTcp => "daytime-tcp",
        }
    }

    /// The protocol of this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.word() == word)
    }

    /// The port that the register has for it; of NTS that of the key exchange. ICMP has none.
    pub fn port(self) -> u16 {
        match self {
            Self::Ntp => NTP_PORT,
            Self::Nts => 4460,
            Self::Taiclock => taiclock::PORT,
            Self::Icmp => 0,
            Self::Time | Self::TimeTcp => time37::PORT,
            Self::Daytime | Self::DaytimeTcp => daytime::PORT,
            Self::Https => 443,
            Self::Http => 80,
        }
    }

    /// What carries it; for NTS, the key exchange.
    pub fn carrier(self) -> Carrier {
        match self {
            Self::Ntp | Self::Taiclock | Self::Time | Self::Daytime => Carrier::Datagram,
            Self::Icmp => Carrier::Message,
            Self::Http | Self::TimeTcp | Self::DaytimeTcp => Carrier::Stream,
            Self::Https | Self::Nts => Carrier::Tls,
        }
    }

    /// Does it tell whole seconds, so that the turn of one has to be looked for?
    pub fn is_coarse(self) -> bool {
        match self {
            Self::Ntp | Self::Nts | Self::Taiclock | Self::Icmp => false,
            Self::Time | Self::Daytime | Self::Https | Self::Http | Self::TimeTcp | Self::DaytimeTcp => true,
        }
    }

    /// Does the server speak as soon as it is connected to, and end the connection after that?
    pub fn speaks_first(self) -> bool {
        match self {
            Self::TimeTcp | Self::DaytimeTcp => true,
            Self::Ntp
            | Self::Nts
            | Self::Taiclock
            | Self::Icmp
            | Self::Time
            | Self::Daytime
            | Self::Https
            | Self::Http => false,
        }
    }
}

/// The ports of all protocols, where hosts do not name their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    moved: Vec<(Protocol, u16)>,
}

impl Ports {
    /// Those of the register, but for these.
    pub fn moved(moved: Vec<(Protocol, u16)>) -> Self {
        Self { moved }
    }

    /// Where this protocol is asked for.
    pub fn of(&self, protocol: Protocol) -> u16 {
        let moved = self.moved.iter().rev().find(|(named, _)| *named == protocol);
        moved.map_or(protocol.port(), |(_, port)| *port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_known_by_its_name() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::named(protocol.word()), Some(protocol));
        }
        assert_eq!(Protocol::named("gopher"), None);
    }

    #[test]
    fn a_port_that_was_moved_is_moved_for_one_protocol() {
        let ports = Ports::moved(vec![(Protocol::Ntp, 1123), (Protocol::Http, 8080), (Protocol::Http, 8081)]);
        assert_eq!(
            [Protocol::Ntp, Protocol::Http, Protocol::Https].map(|protocol| ports.of(protocol)),
            [1123, 8081, 443]
        );
    }
}
