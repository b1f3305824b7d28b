//! Stamps of the kernel on datagrams (Documentation/networking/timestamping.rst).
//!
//! All are software stamps, by `CLOCK_REALTIME`: on receipt when the driver hands the datagram over, on sending
//! when it is handed to the driver.

use std::os::fd::BorrowedFd;

use libc::{c_int, c_uint};
use truechimer_time::{Local, Span, Time};

use crate::control::{Control, ControlMessage};
use crate::socket;

/// The kind of stamp in `sock_extended_err.ee_info` that tells when a datagram went to the driver (linux/errqueue.h).
const SCM_TSTAMP_SND: u32 = 0;
/// Lets `poll` tell of stamps as POLLPRI too (asm-generic/socket.h; libc names it on some machines only).
const SO_SELECT_ERR_QUEUE: c_int = 45;

/// Which datagrams the kernel stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stamps {
    /// None: the caller reads the clock.
    Nothing,
    /// Those that come.
    Received,
    /// Those that come, and of those that go each for which it is asked.
    Wished,
    /// Those that come and those that go.
    Both,
}

/// When a datagram went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitStamp {
    /// Which one: the kernel counts what a socket sends, one by one from the moment that stamps were enabled. Whether
    /// it begins at 0 or at 1 is not promised.
    pub id: u32,
    /// When, by `CLOCK_REALTIME`.
    pub at: Time<Local>,
}

/// One way to get stamps.
pub(super) struct Way {
    pub(super) option: c_int,
    pub(super) value: c_uint,
    pub(super) gives: Stamps,
}

/// Best first. Transmit stamps come numbered (OPT_ID) and without the datagram (OPT_TSONLY), which need not be
/// copied then, and which an unprivileged process may not be let see again.
pub(super) const WAYS: [Way; 4] = [
    Way {
        option: libc::SO_TIMESTAMPING,
        value: libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_RX_SOFTWARE
            | libc::SOF_TIMESTAMPING_TX_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_ID
            | libc::SOF_TIMESTAMPING_OPT_TSONLY,
        gives: Stamps::Both,
    },
    Way {
        option: libc::SO_TIMESTAMPING,
        value: libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_RX_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_ID
            | libc::SOF_TIMESTAMPING_OPT_TSONLY,
        gives: Stamps::Wished,
    },
    Way {
        option: libc::SO_TIMESTAMPING,
        value: libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE,
        gives: Stamps::Received,
    },
    Way { option: libc::SO_TIMESTAMPNS, value: 1, gives: Stamps::Received },
];

/// Takes the first way that the kernel knows and that gives no more than wanted.
pub(super) fn enable(fd: BorrowedFd<'_>, wanted: Stamps) -> Stamps {
    let mut ways = WAYS.iter().filter(|way| way.gives <= wanted);
    ways.find(|way| way.open(fd)).map_or(Stamps::Nothing, |way| way.gives)
}

impl Way {
    /// Asks the kernel for this way; `false` if it does not know it.
    pub(super) fn open(&self, fd: BorrowedFd<'_>) -> bool {
        let opened = socket::set_option(fd, libc::SOL_SOCKET, self.option, self.value as c_int).is_ok();
        if opened && Stamps::Wished <= self.gives {
            // Where it is not known, stamps are told as POLLERR alone.
            let _told_as_pollerr = socket::set_option(fd, libc::SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
        }
        opened
    }
}

impl TransmitStamp {
    /// Finds the stamp and its number among what came beside an entry of the error queue. An entry that is not
    /// about a datagram going to the driver is not a stamp.
    pub(super) fn read(beside: &Control) -> Option<Self> {
        let id = beside.messages().find_map(stamped_id)?;
        let at = beside.messages().find_map(received)?;
        Some(Self { id, at })
    }
}

/// Asks beside one datagram for the stamp of its going, on a socket that has [`Stamps::Wished`].
pub(super) fn ask_for_one<const MAX: usize>(beside: &mut Control<MAX>) {
    let wish: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
    beside.push(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &wish.to_ne_bytes());
}

/// The software stamp, in whichever of the two messages the kernel sends it.
pub(super) fn received(message: ControlMessage<'_>) -> Option<Time<Local>> {
    match (message.level, message.kind) {
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) => first_of(3, message.data),
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) => first_of(1, message.data),
        _another_message => None,
    }
}

/// The first of so many `timespec`s, of 32-bit or 64-bit halves as the length says. Zero is no stamp.
fn first_of(count: usize, data: &[u8]) -> Option<Time<Local>> {
    let (seconds, nanos) = match data.len() / count {
        16 => halves(data, i64::from_ne_bytes)?,
        8 => halves(data, |half| i64::from(i32::from_ne_bytes(half)))?,
        _not_a_timespec => return None,
    };
    let stamped = (seconds, nanos) != (0, 0);
    stamped.then(|| Time::from_epoch(Span::from_secs(seconds) + Span::from_nanos(nanos)))
}

fn halves<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> i64) -> Option<(i64, i64)> {
    let (seconds, rest) = data.split_first_chunk()?;
    let (nanos, _) = rest.split_first_chunk()?;
    Some((number(*seconds), number(*nanos)))
}

/// ```text
///   sock_extended_err  errno: u32 | origin: u8 | type: u8 | code: u8 | pad: u8 | info: u32 | data: u32 = our number
/// ```
fn stamped_id(message: ControlMessage<'_>) -> Option<u32> {
    let about_error = matches!(
        (message.level, message.kind),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    );
    let word = |at: usize| message.data.get(at..at + 4)?.try_into().map(u32::from_ne_bytes).ok();
    let is_stamp = word(0)? == libc::ENOMSG as u32
        && message.data[4] == libc::SO_EE_ORIGIN_TIMESTAMPING
        && word(8)? == SCM_TSTAMP_SND;
    if about_error && is_stamp { word(12) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timespecs<T: Copy>(values: &[T], bytes: impl Fn(T) -> Vec<u8>) -> Vec<u8> {
        values.iter().flat_map(|v| bytes(*v)).collect()
    }

    fn message(kind: c_int, data: &[u8]) -> ControlMessage<'_> {
        ControlMessage { level: libc::SOL_SOCKET, kind, data }
    }

    #[test]
    fn stamps_are_read_in_both_widths() {
        let wide = timespecs(&[5i64, 7, 0, 0, 9, 9], |v| v.to_ne_bytes().to_vec());
        let narrow = timespecs(&[5i32, 7, 0, 0, 9, 9], |v| v.to_ne_bytes().to_vec());
        let expected = Some(Time::from_epoch(Span::from_nanos(5_000_000_007)));
        assert_eq!(received(message(libc::SO_TIMESTAMPING, &wide)), expected);
        assert_eq!(received(message(libc::SO_TIMESTAMPING, &narrow)), expected);
        assert_eq!(received(message(libc::SO_TIMESTAMPNS, &wide[..16])), expected);
    }

    #[test]
    fn a_zero_is_no_stamp() {
        assert_eq!(received(message(libc::SO_TIMESTAMPING, &[0; 48])), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_stamp_or_not(kind in 0i32..80, data in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = received(message(kind, &data));
            let _ = stamped_id(ControlMessage { level: libc::IPPROTO_IP, kind, data: &data });
        }
    }

    fn queued(origin: u8, info: u32) -> Control {
        let mut data = Vec::new();
        data.extend((libc::ENOMSG as u32).to_ne_bytes());
        data.extend([origin, 0, 0, 0]);
        data.extend(info.to_ne_bytes());
        data.extend(41u32.to_ne_bytes());
        let mut control = Control::new();
        control.push(
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            &timespecs(&[1i64, 2], |v| v.to_ne_bytes().to_vec()),
        );
        control.push(libc::IPPROTO_IP, libc::IP_RECVERR, &data);
        control
    }

    #[test]
    fn only_entries_about_sending_are_transmit_stamps() {
        let stamp = TransmitStamp::read(&queued(libc::SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND)).unwrap();
        assert_eq!((stamp.id, stamp.at), (41, Time::from_epoch(Span::from_nanos(1_000_000_002))));
        assert_eq!(TransmitStamp::read(&queued(libc::SO_EE_ORIGIN_ICMP, SCM_TSTAMP_SND)), None);
        assert_eq!(TransmitStamp::read(&queued(libc::SO_EE_ORIGIN_TIMESTAMPING, 1)), None);
        assert_eq!(TransmitStamp::read(&Control::new()), None);
    }
}
