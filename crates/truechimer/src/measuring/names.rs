//! Looking up names, all at once.
//!
//! The system's resolver blocks, so each name has a thread of its own. A thread that is too slow is left behind; it
//! ends with the program.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use truechimer_time::Span;

use super::Trouble;
use crate::cli::Family;
use crate::config::Address;

/// All lookups together are waited for so long: resolv.conf(5) tries two servers for 5 s each.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where each can be asked, in the order of the system's preference (RFC 6724); never nowhere.
pub(crate) fn look_up(addresses: &[Address], family: Family) -> Vec<Result<Vec<SocketAddr>, Trouble>> {
    let (answers, inbox) = mpsc::channel();
    let too_slow = Trouble::LookupTooSlow(Span::from_secs(PATIENCE.as_secs() as i64));
    let mut found = vec![Err(too_slow); addresses.len()];
    let mut waiting = 0;
    for (index, address) in addresses.iter().enumerate() {
        match address {
            Address::Literal(place) => found[index] = Ok(vec![*place]),
            Address::Name { host, port } => {
                let (host, port, answers) = (host.clone(), *port, answers.clone());
                // Nobody is left to hear an answer that comes too late.
                thread::spawn(move || drop(answers.send((index, resolve(&host, port)))));
                waiting += 1;
            }
        }
    }
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..waiting {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((index, places)) = inbox.recv_timeout(left) else { break };
        found[index] = places;
    }
    found.into_iter().map(|places| wanted(places?, family)).collect()
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
    let found = (host, port).to_socket_addrs().map_err(|error| Trouble::NotFound(error.to_string()))?;
    Ok(found.collect())
}

fn wanted(places: Vec<SocketAddr>, family: Family) -> Result<Vec<SocketAddr>, Trouble> {
    let places: Vec<SocketAddr> = places.into_iter().filter(|place| family.takes(place)).collect();
    if places.is_empty() { Err(Trouble::NoSuchAddress) } else { Ok(places) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Spelled;

    const ANY: Family = Family { ipv4: false, ipv6: false };

    fn at(text: &str) -> Address {
        Address::read(text).unwrap()
    }

    #[test]
    fn an_address_need_not_be_looked_up() {
        let found = look_up(&[at("127.0.0.1:1123"), at("[::1]")], ANY);
        let expected = ["127.0.0.1:1123", "[::1]:123"].map(|text| Ok(vec![text.parse().unwrap()]));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_that_cannot_exist_says_so_and_hinders_no_other() {
        let found = look_up(&[at("truechimer.invalid"), at("localhost:9")], ANY);
        assert!(matches!(&found[0], Err(Trouble::NotFound(_) | Trouble::LookupTooSlow(_))), "{:?}", found[0]);
        assert!(found[1].as_ref().unwrap().iter().all(|place| place.ip().is_loopback() && place.port() == 9));
    }

    #[test]
    fn an_unwanted_family_is_nowhere() {
        let v6 = Family { ipv4: false, ipv6: true };
        assert_eq!(look_up(&[at("127.0.0.1:1123")], v6), [Err(Trouble::NoSuchAddress)]);
    }
}
