//! Whom a host measures: the part that it has in the configuration of its network.
//!
//! The master measures the sources. Every other host measures the master, and the sources only where the master cannot be
//! measured.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::slice;

use truechimer_core::classic::count::PeerCount;

use crate::cli::Family;
use crate::config::{Address, Config, Kind, Master};
use crate::measuring::names;

/// One way to learn the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// All sources, by NTP and by vote.
    Sources(Vec<Address>),
    /// The master, by NTP.
    MasterByNtp(Address),
    /// The master, by TAICLOCK, whose labels are these.
    MasterByTaiclock(Address, PeerCount),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sources(addresses) if addresses.len() == 1 => write!(f, "{}", addresses[0]),
            Self::Sources(addresses) => write!(f, "{} sources", addresses.len()),
            Self::MasterByNtp(address) => write!(f, "the master {address}"),
            Self::MasterByTaiclock(address, _) => write!(f, "the master {address} (TAICLOCK)"),
        }
    }
}

/// What the host of this name tries, in order. Nothing, if there is nobody to ask.
pub fn ways(config: &Config, host: &str) -> Vec<Way> {
    let sources: Vec<Address> =
        config.sources.iter().filter_map(|source| source.address.network().cloned()).collect();
    let master = config.classic.master.as_ref().filter(|master| !is_master(master, host)).map(way);
    let sources = (!sources.is_empty()).then_some(Way::Sources(sources));
    master.into_iter().chain(sources).collect()
}

/// Where the master is. The error is for people: it cannot be found, or it is this host, which does not know that it is the
/// master because the configuration has another name for it.
pub fn found(master: &Address) -> Result<Vec<SocketAddr>, String> {
    let family = Family { ipv4: false, ipv6: false };
    let found = names::look_up(slice::from_ref(master), family).pop();
    let places = found.expect("one name was asked for, so there is one answer").map_err(|trouble| {
        format!("the master {master} cannot be found ({trouble}): is `master` in [classic] right, and is `master_address` needed?")
    })?;
    match places.iter().any(|place| is_here(place).unwrap_or(false)) {
        true => Err(format!(
            "the master {master} is this host, but does not have its name: write into `master` in [classic] what \
             `uname -n` says"
        )),
        false => Ok(places),
    }
}

/// Is it this host? Then the kernel speaks to it from the same address. What is on loopback is there on purpose.
fn is_here(place: &SocketAddr) -> io::Result<bool> {
    let from: IpAddr =
        if place.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(place)?;
    Ok(!place.ip().is_loopback() && socket.local_addr()?.ip() == place.ip())
}

fn is_master(master: &Master, host: &str) -> bool {
    master.host.as_ref().is_some_and(|name| name.is(host))
}

fn way(master: &Master) -> Way {
    match master.kind {
        Kind::Taiclock => Way::MasterByTaiclock(master.address.clone(), master.labels),
        // The configuration has let nothing else through.
        Kind::Ntp | Kind::Nts | Kind::Time | Kind::Phc | Kind::Pps | Kind::Shm | Kind::Sock => {
            Way::MasterByNtp(master.address.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(text: &str, host: &str) -> Vec<String> {
        let config = Config::parse("t", text).expect(text);
        ways(&config, host).iter().map(Way::to_string).collect()
    }

    const LAN: &str = "[[source]]\naddress = \"192.0.2.1\"\n[[source]]\naddress = \"192.0.2.2\"\n[classic]\nmaster = \"clock1\"\n";

    #[test]
    fn one_text_gives_each_host_its_part() {
        assert_eq!(tried(LAN, "clock1"), ["2 sources"]);
        assert_eq!(tried(LAN, "CLOCK1"), ["2 sources"]);
        assert_eq!(tried(LAN, "desk7"), ["the master clock1:4014 (TAICLOCK)", "2 sources"]);
        let ntp = format!("{LAN}master_kind = \"ntp\"\n");
        assert_eq!(tried(&ntp, "desk7"), ["the master clock1", "2 sources"]);
    }

    #[test]
    fn without_a_master_everybody_measures_the_sources() {
        assert_eq!(tried("[[source]]\naddress = \"192.0.2.1\"\n", "desk7"), ["192.0.2.1:123"]);
        assert!(tried("source = []\n", "desk7").is_empty());
    }

    #[test]
    fn an_address_without_a_master_is_measured_by_all() {
        let text = "source = []\n[classic]\nmaster_address = \"10.0.0.1\"\n";
        assert_eq!(tried(text, "clock1"), ["the master 10.0.0.1:4014 (TAICLOCK)"]);
    }
}
