//! Answering TIME (RFC 868) and daytime (RFC 867) by UDP: who is answered, and who is not.
//!
//! Anything that comes is a question to these protocols, and the addresses on it can be forged; so this is where floods
//! and endless conversations of two servers begin. Four rules against that, each of which ends them alone:
//!
//! - a question is shorter than its answer, so that no answer is ever taken for a question;
//! - nobody is answered at a port below 1024, where servers are (echo 7, discard 9, daytime 13, quotes 17, chargen 19,
//!   TIME 37, NTP 123), nor at the ports that we serve ourselves;
//! - a network has one answer a second;
//! - an address that is no single host's is not answered.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use truechimer_time::{Mono, Time};

use super::ratelimit::RateLimit;
use crate::reason::reasons;
use crate::wire::{daytime, time37};

/// Below this are the ports of servers, and of nobody who asks (RFC 6335, section 6: the system ports).
const CLIENT_PORT_MIN: u16 = 1024;

reasons! {
    /// Why a datagram is not answered. Completes "no answer: ..".
    Ignored {
        /// A question of these protocols is shorter than its answer.
        NotAQuestion "not_a_question" "it is as long as an answer"
        /// It came from a port below 1024.
        ServerPort "server_port" "it came from a port where servers are"
        /// It came from a port that we serve.
        OwnPort "own_port" "it came from a port that is served here"
        /// It came from a multicast, broadcast or unspecified address.
        NotAHost "not_a_host" "it came from an address that is no single host's"
        /// Its network has had its answer in this second, or too many networks have.
        TooOften "too_often" "its network has been answered within this second"
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// RFC 868.
    Time,
    /// RFC 867.
    Daytime,
}

impl Service {
    /// How long its answer is.
    const fn answer_len(self) -> usize {
        match self {
            Self::Time => time37::VALUE_LEN,
            Self::Daytime => daytime::LINE_LEN,
        }
    }
}

/// The door for datagrams.
#[derive(Clone, Debug)]
pub struct Gate {
    own_ports: Vec<u16>,
    limit: RateLimit,
}

impl Gate {
    /// The door of a server with these ports.
    pub fn new(own_ports: Vec<u16>) -> Self {
        Self { own_ports, limit: RateLimit::default() }
    }

    /// Is a datagram of so many bytes from there to be answered? If so, that counts as an answer.
    ///
    /// # Errors
    /// Why not, for [`Ignored`]'s reasons.
    pub fn admit(
        &mut self,
        service: Service,
        len: usize,
        from: SocketAddr,
        now: Time<Mono>,
    ) -> Result<(), Ignored> {
        self.judge(service, len, from)?;
        if self.limit.admit(from.ip(), now) { Ok(()) } else { Err(Ignored::TooOften) }
    }

    /// Is it a question, of somebody who may be answered? Nothing is counted.
    ///
    /// # Errors
    /// Why not, for all of [`Ignored`]'s reasons but the last.
    pub fn judge(&self, service: Service, len: usize, from: SocketAddr) -> Result<(), Ignored> {
        let address = from.ip().to_canonical();
        if len >= service.answer_len() {
            return Err(Ignored::NotAQuestion);
        }
        if from.port() < CLIENT_PORT_MIN {
            return Err(Ignored::ServerPort);
        }
        if self.own_ports.contains(&from.port()) {
            return Err(Ignored::OwnPort);
        }
        if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Ignored::NotAHost);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use truechimer_time::Span;

    const NOW: Time<Mono> = Time::EPOCH;

    fn gate() -> Gate {
        Gate::new(vec![10_037, 10_013])
    }

    fn admit(service: Service, len: usize, from: &str) -> Result<(), Ignored> {
        gate().admit(service, len, from.parse().expect(from), NOW)
    }

    #[test]
    fn bad_input_84_nobody_is_answered_at_a_port_where_servers_are() {
        for port in [0, 7, 9, 13, 17, 19, 37, 123, 1023] {
            for host in ["192.0.2.1", "[2001:db8::1]"] {
                let from = std::format!("{host}:{port}");
                assert_eq!(admit(Service::Time, 0, &from), Err(Ignored::ServerPort), "{from}");
            }
        }
        assert_eq!(admit(Service::Time, 0, "192.0.2.1:1024"), Ok(()));
        for port in [10_037, 10_013] {
            let from = std::format!("192.0.2.1:{port}");
            assert_eq!(admit(Service::Daytime, 0, &from), Err(Ignored::OwnPort), "{from}");
        }
    }

    /// Whatever the ports: one forged datagram, and each server would have to answer the other's answer.
    #[test]
    fn bad_input_85_no_answer_is_a_question_to_another_server() {
        let longest = |service| (0..100).rev().find(|len| admit(service, *len, "192.0.2.1:4000").is_ok());
        assert_eq!(longest(Service::Time), Some(time37::VALUE_LEN - 1));
        assert_eq!(longest(Service::Daytime), Some(daytime::LINE_LEN - 1));
        let first = Service::Daytime.answer_len();
        assert_eq!(admit(Service::Time, first, "192.0.2.1:4000"), Err(Ignored::NotAQuestion));
        assert_eq!(admit(Service::Daytime, first, "192.0.2.1:4000"), Err(Ignored::NotAQuestion));
    }

    #[test]
    fn bad_input_86_a_network_is_answered_once_a_second() {
        let (mut gate, second) = (gate(), Span::from_secs(1));
        let mut answered = 0;
        for host in 0..1000_u16 {
            let from = SocketAddr::new(Ipv4Addr::new(192, 0, 2, host as u8).into(), 2000 + host);
            let now = NOW + Span::from_millis(i64::from(host) * 10);
            answered += usize::from(gate.admit(Service::Time, 0, from, now).is_ok());
        }
        assert_eq!(answered, 10, "in 10 s");
        let refused = gate.admit(Service::Time, 4, "198.51.100.1:4000".parse().unwrap(), NOW + second * 20);
        assert_eq!(refused, Err(Ignored::NotAQuestion));
        let after = gate.admit(Service::Time, 0, "198.51.100.1:4000".parse().unwrap(), NOW + second * 20);
        assert_eq!(after, Ok(()), "what is refused takes nobody's turn");
    }

    #[test]
    fn what_is_no_single_host_is_not_answered() {
        for from in ["0.0.0.0:4000", "224.0.0.1:4000", "255.255.255.255:4000", "[ff02::1]:4000", "[::]:4000"]
        {
            assert_eq!(admit(Service::Time, 0, from), Err(Ignored::NotAHost), "{from}");
        }
    }
}
