//! What `taiclockd` and `rdated` have in common: where they listen, and when they keep silent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use truechimer_sys::adjust;
use truechimer_sys::udp::SocketError;

use super::messages::{Fatal, warn};

/// What `bind` makes for each address, or of which address it makes nothing. Without a wish these are all addresses of IPv4, and of IPv6 where there is such.
pub fn at_each<T>(
    wanted: &[IpAddr],
    bind: impl Fn(IpAddr) -> Result<T, SocketError>,
) -> Result<Vec<T>, (IpAddr, SocketError)> {
    let bind = |ip: IpAddr| bind(ip).map_err(|error| (ip, error));
    if !wanted.is_empty() {
        return wanted.iter().copied().map(bind).collect();
    }
    let v4 = bind(Ipv4Addr::UNSPECIFIED.into())?;
    match bind(Ipv6Addr::UNSPECIFIED.into()) {
        Err((_, error)) if lacks_family(error) => Ok(vec![v4]),
        v6 => v6.map(|v6| vec![v4, v6]),
    }
}

/// Why nothing listens there: completes "PROG: fatal: ..".
pub fn unable_to_bind(protocol: &str, place: SocketAddr, error: SocketError) -> Fatal {
    let place = match place.ip().is_unspecified() {
        true => format!("port {}", place.port()),
        false => place.to_string(),
    };
    let deed = format!("bind {protocol} {place}");
    match error {
        // Of an address of our own this means that it is not ours (EADDRNOTAVAIL).
        SocketError::Unreachable => Fatal::failed(format!("unable to {deed}: this host has no such address")),
        SocketError::Refused
        | SocketError::Busy
        | SocketError::Forbidden
        | SocketError::TooLong
        | SocketError::InUse
        | SocketError::Other(_) => Fatal::unable(&deed, &io::Error::from_raw_os_error(error.errno())),
    }
}

/// Does the machine lack this family of addresses? Depending on how it was switched off, there are no sockets of it
/// (EAFNOSUPPORT) or no addresses (EADDRNOTAVAIL).
fn lacks_family(error: SocketError) -> bool {
    match error {
        SocketError::Unreachable => true,
        SocketError::Other(errno) => errno == truechimer_sys::udp::NO_SUCH_FAMILY,
        SocketError::Refused
        | SocketError::Busy
        | SocketError::Forbidden
        | SocketError::TooLong
        | SocketError::InUse => false,
    }
}

/// Silence while nobody keeps the clock right. Says so when it begins and when it ends.
#[derive(Debug)]
pub struct Hush {
    name: &'static str,
    /// Answer nevertheless.
    never: bool,
    /// What was last said about it.
    said: bool,
}

impl Hush {
    /// For the program of this name; `never` if its user wants answers at all times.
    pub fn new(name: &'static str, never: bool) -> Self {
        Self { name, never, said: false }
    }

    /// Are questions to be passed over now?
    pub fn is_silent(&mut self) -> bool {
        let silent = !self.never && !is_synchronised();
        if self.said != silent {
            self.said = silent;
            let text = match silent {
                true => "this clock is not synchronised: nobody is answered (see --unsynchronised)",
                false => "this clock is synchronised again",
            };
            warn(self.name, text);
        }
        silent
    }
}

fn is_synchronised() -> bool {
    adjust::read_state().is_ok_and(|state| state.status.synchronised())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: SocketError = SocketError::Unreachable;

    #[test]
    fn without_a_wish_both_families_are_listened_to_as_far_as_there_are() {
        let all = |wanted: &[IpAddr], without: &[IpAddr], error| {
            at_each(wanted, |ip| if without.contains(&ip) { Err(error) } else { Ok(ip) })
        };
        let [v4, v6]: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        assert_eq!(all(&[], &[], NOWHERE), Ok(vec![v4, v6]));
        assert_eq!(all(&[], &[v6], NOWHERE), Ok(vec![v4]));
        assert_eq!(all(&[], &[v6], SocketError::InUse), Err((v6, SocketError::InUse)));
        assert_eq!(all(&[], &[v4], NOWHERE), Err((v4, NOWHERE)));
        let here: IpAddr = Ipv6Addr::LOCALHOST.into();
        assert_eq!(all(&[here], &[], NOWHERE), Ok(vec![here]));
        assert_eq!(all(&[here], &[here], NOWHERE), Err((here, NOWHERE)), "who names an address wants it");
    }

    #[test]
    fn who_wants_answers_at_all_times_gets_them() {
        assert!(!Hush::new("test", true).is_silent());
    }
}
