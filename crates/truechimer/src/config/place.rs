//! Where a source is: on the network, or in this machine.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use truechimer_core::wire::nts_ke;

use super::address::{Address, AddressError, NTP_PORT};
use super::quantity::Spelled;

/// The key of the segment of unit 0, `NTP0` ("SHM" driver of ntpd); those of the others follow.
const UNIT_0: i32 = 0x4e54_5030;

/// The highest number of a unit.
const UNIT_MAX: i32 = 255;

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On the network.
    Network(Address),
    /// A device or a socket of this machine.
    Path(PathBuf),
    /// A segment of System V shared memory, by its key.
    Segment(i32),
}

impl Place {
    /// Its address, if it is on the network.
    pub fn network(&self) -> Option<&Address> {
        match self {
            Self::Network(address) => Some(address),
            Self::Path(_) | Self::Segment(_) => None,
        }
    }

    /// The same host, asked for keys for NTS. NTP's own port, which is the one that nobody wrote, stands for that of key
    /// exchanges.
    pub(super) fn of_key_exchange(self) -> Self {
        match self {
            Self::Network(address) => Self::Network(address.with_port(|port| match port {
                NTP_PORT => nts_ke::PORT,
                other => other,
            })),
            Self::Path(_) | Self::Segment(_) => self,
        }
    }

    /// What `getaddrinfo` is asked for; nothing that it knows, if it is not on the network.
    pub fn host_and_port(&self) -> (String, u16) {
        self.network().map_or_else(|| (self.to_string(), 0), Address::host_and_port)
    }

    /// The place, if it is on the network and no name need be looked up.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.network()?.literal()
    }

    /// Is it certainly in our own network, or in this machine?
    pub fn is_near(&self) -> bool {
        self.network().is_none_or(Address::is_near)
    }

    /// Whom to count as its operator when nobody says. Each device counts for itself.
    pub fn operator(&self) -> String {
        self.network().map_or_else(|| self.to_string(), Address::operator)
    }

    /// The number of a segment's unit, if it is one of those.
    pub fn unit(&self) -> Option<i32> {
        match self {
            Self::Segment(key) => key.checked_sub(UNIT_0).filter(|unit| (0..=UNIT_MAX).contains(unit)),
            Self::Network(_) | Self::Path(_) => None,
        }
    }
}

impl fmt::Display for Place {
    /// As people know it: an address, a path, `SHM 2`, `SHM 0x1234`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
            Self::Segment(_) => write!(f, "SHM {}", self.write()),
        }
    }
}

impl Spelled for Place {
    const KIND: &'static str = "a name or an address such as \"ntp.example.net\" or \"192.0.2.1:123\", or a device such as \"/dev/pps0\"";
    type Error = AddressError;

    fn read(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        if let Some(digits) = text.strip_prefix("0x") {
            let key = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
            return key.map(|key| Self::Segment(key as i32)).ok_or(AddressError::NotAnAddress);
        }
        let is_unit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(unit) = text.parse::<i32>().ok().filter(|unit| is_unit && *unit <= UNIT_MAX) {
            return Ok(Self::Segment(UNIT_0 + unit));
        }
        Address::read(text).map(Self::Network)
    }

    fn write(&self) -> String {
        match (self, self.unit()) {
            (Self::Network(address), _) => address.write(),
            (Self::Path(path), _) => path.to_string_lossy().into_owned(),
            (Self::Segment(_), Some(unit)) => unit.to_string(),
            (Self::Segment(key), None) => format!("{key:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_on_the_network_or_in_the_machine() {
        let cases = [
            ("/dev/ptp0", "/dev/ptp0", Place::Path("/dev/ptp0".into())),
            ("2", "SHM 2", Place::Segment(0x4e54_5032)),
            ("0x4e545030", "SHM 0", Place::Segment(0x4e54_5030)),
            ("0xdeadbeef", "SHM 0xdeadbeef", Place::Segment(0xdead_beef_u32 as i32)),
            ("192.0.2.1", "192.0.2.1:123", Place::Network(Address::read("192.0.2.1").expect("an address"))),
        ];
        for (text, shown, place) in cases {
            assert_eq!(Place::read(text).as_ref(), Ok(&place), "{text}");
            assert_eq!((place.to_string().as_str(), Place::read(&place.write())), (shown, Ok(place)));
        }
        for text in ["", "256", "0x", "0x123456789", "0x+1", "/dev/\0", "-1"] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,40}|0x[0-9a-f]{0,9}|[0-9]{0,5}|/[a-z/.]{0,20}") {
            if let Ok(place) = Place::read(&text) {
                prop_assert_eq!(Place::read(&place.write()), Ok(place));
            }
        }
    }
}
