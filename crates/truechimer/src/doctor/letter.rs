//! One question to an NTP server and whatever comes back, also from whom nobody asked: what the way does to datagrams.
//!
//! Unlike an exchange, which refuses what is not the answer, this looks at all that comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_core::wire::ntp::{Leap, Mode, Packet};
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{SocketError, UdpSocket};
use truechimer_time::Span;
use truechimer_time::ntp::{NtpPrecision, NtpShort, NtpTimestamp};

use super::machine::Hidden;

/// A field of the range for experiments (RFC 9748), which every server is to ignore (RFC 7822, section 3).
const FIELD: u16 = 0xf7c0;

/// As long as a protected question with a cookie of chronyd's (RFC 8915, section 5.3): 48 of the header, 36 of the identifier,
/// 104 of the cookie, 40 of the seal.
pub const LENGTH_OF_NTS: usize = 228;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who sent it, as the datagram claims.
    pub from: SocketAddr,
    /// How many more routers it could have passed.
    pub hops_left: Option<u8>,
    /// Was it the answer to this very question, by the stamp that it gives back?
    pub is_ours: bool,
    /// How many bytes it has.
    pub len: usize,
    /// Its header.
    pub header: Packet,
}

/// Asks once, in so many bytes, and takes the first answer that comes within the time.
///
/// # Errors
/// The network refuses to send, or the machine to wait; silence is no error.
pub fn ask(to: SocketAddr, len: usize, patience: Span) -> Result<Option<Reply>, Hidden> {
    let failed = |error: &dyn std::fmt::Display| Hidden::Because(format!("cannot ask {to}: {error}"));
    let here: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((here, 0).into()).map_err(|error| failed(&error))?;
    socket.count_hops().map_err(|error| failed(&error))?;
    let mut token = [0; 8];
    getrandom::fill(&mut token).map_err(|error| failed(&error))?;
    let token = NtpTimestamp::from_bytes(token);
    socket.send_to(&question(token, len), to, None).map_err(|error| failed(&error))?;
    let ends = clock::mono() + patience;
    let mut set = PollSet::new();
    loop {
        set.clear();
        set.add(std::os::fd::AsFd::as_fd(&socket), Interest::Read, ());
        let left = ends - clock::mono();
        if left <= Span::ZERO {
            return Ok(None);
        }
        set.wait(Some(left)).map_err(|error| failed(&error))?;
        match heard(&socket, token) {
            Ok(Some(reply)) => return Ok(Some(reply)),
            Ok(None) => {}
            // What ICMP says of it is for the survey to tell.
            Err(SocketError::Refused | SocketError::Unreachable) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn heard(socket: &UdpSocket, token: NtpTimestamp) -> Result<Option<Reply>, SocketError> {
    let mut datagram = [0; DATAGRAM_MAX];
    let Some(received) = socket.receive(&mut datagram)? else { return Ok(None) };
    let Ok(header) = Packet::parse(&datagram[..received.len]) else { return Ok(None) };
    let is_answer = header.mode == Mode::Server;
    let reply = Reply {
        from: received.from,
        hops_left: received.hops_left,
        is_ours: header.origin == token,
        len: received.len,
        header,
    };
    Ok(is_answer.then_some(reply))
}

/// A question of so many bytes: the header, and a field that means nothing where there is room for one.
fn question(token: NtpTimestamp, len: usize) -> Vec<u8> {
    let zero = NtpTimestamp::from_bits(0);
    let header = Packet {
        leap: Leap::None,
        version: 4,
        mode: Mode::Client,
        stratum: 0,
        poll: 6,
        precision: NtpPrecision { log2_seconds: 32 },
        root_delay: NtpShort::from_bits(0),
        root_dispersion: NtpShort::from_bits(0),
        reference_id: [0; 4],
        reference: zero,
        origin: zero,
        receive: zero,
        transmit: token,
    };
    let mut bytes = header.write().to_vec();
    if bytes.len() < len {
        let field = (len - bytes.len()) as u16;
        bytes.extend(FIELD.to_be_bytes());
        bytes.extend(field.to_be_bytes());
        bytes.resize(len, 0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as Plain;
    use std::thread;

    /// A server that gives back what this makes of the question, once.
    fn server(make: impl FnOnce(&Plain, &[u8], SocketAddr) + Send + 'static) -> SocketAddr {
        let socket = Plain::bind("127.0.0.1:0").unwrap();
        let place = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut question = [0; 2048];
            let (len, from) = socket.recv_from(&mut question).unwrap();
            make(&socket, &question[..len], from);
        });
        place
    }

    fn answer_to(question: &[u8]) -> Vec<u8> {
        let mut answer = question[..48].to_vec();
        answer[0] = 0x24;
        answer[1] = 2;
        answer.copy_within(40..48, 24);
        answer
    }

    #[test]
    fn an_answer_tells_who_sent_it_and_how_far_away_he_is() {
        let place = server(|socket, question, from| drop(socket.send_to(&answer_to(question), from)));
        let reply = ask(place, 48, Span::from_secs(30)).unwrap().expect("an answer");
        assert_eq!((reply.from, reply.is_ours, reply.len), (place, true, 48));
        assert_eq!(reply.hops_left, Some(64));
    }

    #[test]
    fn an_answer_from_elsewhere_is_seen_too() {
        let place = server(|_socket, question, from| {
            let other = Plain::bind("127.0.0.2:0").unwrap();
            drop(other.send_to(&answer_to(question), from));
        });
        let reply = ask(place, 48, Span::from_secs(30)).unwrap().expect("an answer");
        assert_eq!(reply.from.ip().to_string(), "127.0.0.2");
    }

    #[test]
    fn a_long_question_is_as_long_as_it_should_be_and_silence_is_no_error() {
        assert_eq!(question(NtpTimestamp::from_bits(7), LENGTH_OF_NTS).len(), LENGTH_OF_NTS);
        assert_eq!(question(NtpTimestamp::from_bits(7), 48).len(), 48);
        let silent = Plain::bind("127.0.0.1:0").unwrap();
        let reply = ask(silent.local_addr().unwrap(), LENGTH_OF_NTS, Span::from_millis(50));
        assert_eq!(reply, Ok(None));
    }
}
