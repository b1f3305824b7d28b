//! Whom to survey, as it is written: names, addresses, networks, files of them.
//!
//! **Invariant:** a list of targets is never longer than its limit, and what is written twice is asked once.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::protocol::{Ports, Protocol};
use crate::config::{Address, Spelled};

/// The most hosts of one survey, unless more are asked for.
pub const HOSTS_MAX: usize = 1 << 16;

/// The most hosts of any survey.
pub const HOSTS_MAX_WIDE: usize = 1 << 20;

/// No line of a file of hosts is longer.
const LINE_MAX: usize = 1024;

/// One host that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How it is called in all that is printed.
    pub name: String,
    /// Where it is.
    pub host: Host,
    /// What is tried, in this order, at which ports.
    pub ladder: Vec<(Protocol, u16)>,
    /// It is one of a whole network, where nobody said that there is a host.
    pub is_swept: bool,
}

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// At an address that has to be looked up.
    Name(String),
    /// There.
    Address(IpAddr),
}

impl fmt::Display for Host {
    /// As it stands in the Host field of HTTP (RFC 9110, section 7.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// Why a text is no target. Completes "HOST: it ..".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// A word before `://` that is no protocol.
    #[error("asks for the protocol \"{0}\", and those are {words}", words = words())]
    Protocol(String),
    /// Neither name nor address.
    #[error("{0}")]
    Address(String),
    /// A path after the host.
    #[error("has a path: write the host alone, any answer has a Date")]
    Path,
    /// A prefix that is none.
    #[error("is no network: write 192.0.2.0/24 or 2001:db8::/120")]
    Network,
    /// More hosts than are surveyed at once.
    #[error("has more addresses than the {limit} that are surveyed at once{}", wide(*limit))]
    TooWide {
        /// So many are.
        limit: usize,
    },
    /// A line of a file that nobody has written.
    #[error("is longer than {LINE_MAX} bytes")]
    Long,
}

fn words() -> String {
    Protocol::ALL.map(Protocol::word).join(", ")
}

fn wide(limit: usize) -> &'static str {
    if limit < HOSTS_MAX_WIDE { " (--wide allows 1048576)" } else { "" }
}

/// What holds for hosts that say nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usual {
    /// What is tried.
    pub ladder: Vec<Protocol>,
    /// At which ports.
    pub ports: Ports,
    /// The most hosts.
    pub limit: usize,
}

/// The hosts, each once, in the order in which they were written.
#[derive(Debug)]
pub struct Targets {
    usual: Usual,
    all: Vec<Target>,
    known: HashSet<String>,
}

impl Targets {
    /// None yet.
    pub fn new(usual: Usual) -> Self {
        Self { usual, all: Vec::new(), known: HashSet::new() }
    }

    /// Takes a host or a network as it is written.
    ///
    /// # Errors
    /// [`Unclear`], and nothing is taken.
    pub fn take(&mut self, text: &str) -> Result<(), Unclear> {
        let (protocol, rest) = match text.split_once("://") {
            Some((word, rest)) => {
                let protocol = Protocol::named(word).ok_or_else(|| Unclear::Protocol(word.to_owned()))?;
                (Some(protocol), rest)
            }
            None => (None, text),
        };
        match rest.split_once('/') {
            Some((host, "")) if protocol.is_some() => self.take_host(protocol, host),
            Some(_) => self.take_network(protocol, rest),
            None => self.take_host(protocol, rest),
        }
    }

    /// Takes the lines of a file: a host or a network in each, nothing, or `#` and a remark.
    ///
    /// # Errors
    /// The number of the line, and what is wrong in it.
    pub fn take_lines(&mut self, text: &str) -> Result<(), (usize, Unclear)> {
        for (number, line) in text.lines().enumerate() {
            let written = line.split('#').next().unwrap_or("").trim();
            let taken = match written {
                "" => Ok(()),
                _ if line.len() > LINE_MAX => Err(Unclear::Long),
                written => self.take(written),
            };
            taken.map_err(|unclear| (number + 1, unclear))?;
        }
        Ok(())
    }

    /// All of them.
    pub fn into_all(self) -> Vec<Target> {
        self.all
    }

    fn take_host(&mut self, protocol: Option<Protocol>, text: &str) -> Result<(), Unclear> {
        let address = Address::read(text).map_err(|error| Unclear::Address(error.to_string()))?;
        let port = names_port(text).then(|| address.host_and_port().1);
        let host = match &address {
            Address::Name { host, .. } => Host::Name(host.clone()),
            Address::Literal(place) => Host::Address(place.ip()),
        };
        let ladder = match (protocol, port) {
            (Some(protocol), port) => {
                vec![(protocol, port.unwrap_or_else(|| self.usual.ports.of(protocol)))]
            }
            (None, Some(port)) => vec![(spoken_at(port), port)],
            (None, None) => self.usual_ladder(),
        };
        let name = match (protocol, &address, port) {
            (Some(protocol), _, _) => format!("{}://{text}", protocol.word()),
            (None, Address::Literal(place), None) => place.ip().to_string(),
            (None, _, _) => text.to_owned(),
        };
        self.push(Target { name, host, ladder, is_swept: false })
    }

    fn take_network(&mut self, protocol: Option<Protocol>, text: &str) -> Result<(), Unclear> {
        let network: IpNet = text.parse().map_err(|_| {
            let is_name = text.split('/').next().is_some_and(|host| Address::read(host).is_ok());
            if is_name && !text.starts_with(|c: char| c.is_ascii_digit()) {
                Unclear::Path
            } else {
                Unclear::Network
            }
        })?;
        let bits = u32::from(network.max_prefix_len() - network.prefix_len());
        let limit = self.usual.limit;
        if 1u128.checked_shl(bits).is_none_or(|addresses| addresses > limit as u128) {
            return Err(Unclear::TooWide { limit });
        }
        let ladder = match protocol {
            Some(protocol) => vec![(protocol, self.usual.ports.of(protocol))],
            None => self.usual_ladder(),
        };
        let scheme = protocol.map_or(String::new(), |protocol| format!("{}://", protocol.word()));
        for address in network.hosts() {
            let name = match address {
                IpAddr::V6(v6) if protocol.is_some() => format!("{scheme}[{v6}]"),
                address => format!("{scheme}{address}"),
            };
            let (host, ladder) = (Host::Address(address), ladder.clone());
            self.push(Target { name, host, ladder, is_swept: true })?;
        }
        Ok(())
    }

    fn usual_ladder(&self) -> Vec<(Protocol, u16)> {
        self.usual.ladder.iter().map(|protocol| (*protocol, self.usual.ports.of(*protocol))).collect()
    }

    /// A host that was named has to answer, also if it is in a network that was named before.
    fn push(&mut self, target: Target) -> Result<(), Unclear> {
        if !self.known.insert(target.name.clone()) {
            if !target.is_swept {
                let same = self.all.iter_mut().find(|known| known.name == target.name);
                same.into_iter().for_each(|known| known.is_swept = false);
            }
            return Ok(());
        }
        if self.all.len() >= self.usual.limit {
            return Err(Unclear::TooWide { limit: self.usual.limit });
        }
        self.all.push(target);
        Ok(())
    }
}

/// Does an address that can be read name a port?
fn names_port(text: &str) -> bool {
    let is_bare = text.parse::<IpAddr>().is_ok() || text.ends_with(']');
    !is_bare && text.contains(':')
}

/// What is spoken at a port of which nothing else is said: what the register says, else NTP.
fn spoken_at(port: u16) -> Protocol {
    let ladder = Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::Icmp);
    ladder.into_iter().find(|protocol| protocol.port() == port).unwrap_or(Protocol::Ntp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Usual {
        Usual {
            ladder: vec![Protocol::Ntp, Protocol::Http],
            ports: Ports::moved(vec![(Protocol::Http, 8080)]),
            limit: HOSTS_MAX,
        }
    }

    fn read(texts: &[&str]) -> Result<Vec<Target>, Unclear> {
        let mut targets = Targets::new(usual());
        texts.iter().try_for_each(|text| targets.take(text))?;
        Ok(targets.into_all())
    }

    fn one(text: &str) -> Target {
        read(&[text]).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0)
    }

    #[test]
    fn a_host_is_asked_by_what_it_names() {
        let usual = vec![(Protocol::Ntp, 123), (Protocol::Http, 8080)];
        for (text, name, ladder) in [
            ("a.example", "a.example", usual.clone()),
            ("192.0.2.1", "192.0.2.1", usual.clone()),
            ("[2001:db8::1]", "2001:db8::1", usual),
            ("a.example:37", "a.example:37", vec![(Protocol::Time, 37)]),
            ("192.0.2.1:1123", "192.0.2.1:1123", vec![(Protocol::Ntp, 1123)]),
            ("http://a.example", "http://a.example", vec![(Protocol::Http, 8080)]),
            ("https://a.example/", "https://a.example", vec![(Protocol::Https, 443)]),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", vec![(Protocol::Https, 8443)]),
            ("time-tcp://a.example:3737", "time-tcp://a.example:3737", vec![(Protocol::TimeTcp, 3737)]),
            ("nts://a.example", "nts://a.example", vec![(Protocol::Nts, 4460)]),
            ("icmp://192.0.2.1", "icmp://192.0.2.1", vec![(Protocol::Icmp, 0)]),
        ] {
            let target = one(text);
            assert_eq!(
                (target.name.as_str(), target.ladder, target.is_swept),
                (name, ladder, false),
                "{text}"
            );
        }
    }

    #[test]
    fn a_network_is_all_its_hosts() {
        let names = |text| read(&[text]).unwrap().into_iter().map(|target| target.name).collect::<Vec<_>>();
        assert_eq!(names("192.0.2.8/30"), ["192.0.2.9", "192.0.2.10"]);
        assert_eq!(names("192.0.2.8/32"), ["192.0.2.8"]);
        assert_eq!(names("ntp://2001:db8::4/127"), ["ntp://[2001:db8::4]", "ntp://[2001:db8::5]"]);
        assert!(read(&["192.0.2.8/30"]).unwrap().iter().all(|target| target.is_swept));
        assert_eq!(names("10.0.0.0/16").len(), 65_534);
    }

    #[test]
    fn a_network_that_is_too_wide_is_refused_before_anything_is_asked() {
        for text in ["10.0.0.0/15", "0.0.0.0/0", "2001:db8::/111", "::/0", "ntp://10.0.0.0/8"] {
            assert_eq!(read(&[text]), Err(Unclear::TooWide { limit: HOSTS_MAX }), "{text}");
        }
        let wide = Usual { limit: HOSTS_MAX_WIDE, ..usual() };
        let mut targets = Targets::new(wide);
        assert_eq!(targets.take("10.0.0.0/11"), Err(Unclear::TooWide { limit: HOSTS_MAX_WIDE }));
        // Many networks together are no more than one.
        let many: Vec<String> = (0..2).map(|net| format!("10.{net}.0.0/16")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&many), Err(Unclear::TooWide { limit: HOSTS_MAX }));
    }

    #[test]
    fn what_is_written_twice_is_asked_once_and_a_name_counts_more_than_a_network() {
        let targets = read(&["192.0.2.8/30", "192.0.2.9", "a.example", "a.example"]).unwrap();
        let swept: Vec<(&str, bool)> = targets.iter().map(|t| (t.name.as_str(), t.is_swept)).collect();
        assert_eq!(swept, [("192.0.2.9", false), ("192.0.2.10", true), ("a.example", false)]);
    }

    #[test]
    fn a_file_has_a_host_a_line_and_remarks() {
        let mut targets = Targets::new(usual());
        targets.take_lines("# all of them\n\na.example # the first\n  192.0.2.0/31\n").unwrap();
        assert_eq!(targets.into_all().len(), 3);
        let mut targets = Targets::new(usual());
        let (line, why) = targets.take_lines("a.example\ngopher://b.example\n").unwrap_err();
        assert_eq!((line, why), (2, Unclear::Protocol("gopher".to_owned())));
        let (line, why) = targets.take_lines(&"a".repeat(2000)).unwrap_err();
        assert_eq!((line, why), (1, Unclear::Long));
    }

    #[test]
    fn what_is_no_host_says_why() {
        assert_eq!(read(&["http://a.example/index.html"]), Err(Unclear::Path));
        assert_eq!(read(&["192.0.2.0/33"]), Err(Unclear::Network));
        for text in ["", "a b", "a.example:0", "192.0.2.1:99999", "224.0.0.1", "ntp://"] {
            assert!(matches!(read(&[text]), Err(Unclear::Address(_))), "{text}");
        }
    }
}
