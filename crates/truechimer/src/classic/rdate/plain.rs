//! One host, asked by RFC 868: a value and when it came.
//!
//! The answer names a whole second, so that true time lies in the second that it names, and the time on the way after it.
//! Nothing about the answer can be checked. By UDP the socket is connected and each question has a port of its own, which
//! is all that keeps strangers out.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::wire::time37::{VALUE_LEN, Value};
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::{SocketError, UdpSocket};
use truechimer_time::Span;

use super::could;
use crate::classic::asking::wait;
use crate::floor::made;
use crate::measuring::{ERA_AHEAD, LEAPS};
use crate::stamps::was_set_between;

/// One address is waited for so long by TCP, connection and answer together.
const PATIENCE: Duration = Duration::from_secs(5);

/// So often it is asked by UDP..
const QUESTIONS: usize = 3;

/// ..and so long each answer is waited for: longer than the second that servers like ours take off between two.
const PATIENCE_UDP: Span = Span::from_secs(2);

/// So many addresses of a name are tried.
const PLACES_MAX: usize = 8;

/// More than any answer has that is known (8 bytes).
const BUFFER: usize = 16;

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Where true time was when it came, if the host is right.
    pub(super) bracket: Bracket,
    /// The clocks then.
    pub(super) at: Readings,
    /// How long it took, from the beginning of the question.
    pub(super) delay: Span,
}

/// Asks at one address after the other, until one answers.
pub(super) fn ask(places: &[SocketAddr], transport: Transport) -> Result<Heard, String> {
    let mut why = String::new();
    for place in places.iter().take(PLACES_MAX) {
        let heard = match transport {
            Transport::Tcp => by_tcp(*place),
            Transport::Udp => by_udp(*place),
        };
        match heard {
            Ok(heard) => return Ok(heard),
            Err(text) => why = text,
        }
    }
    Err(why)
}

fn by_tcp(place: SocketAddr) -> Result<Heard, String> {
    let (begun, ends) = (clock::readings(), Instant::now() + PATIENCE);
    let stream = TcpStream::connect_timeout(&place, PATIENCE);
    let stream = stream.map_err(|error| could("connect socket", &error))?;
    let answer = value(stream, ends).map_err(|error| could("read data", &error))?;
    understood(&begun, &answer)
}

/// The first bytes that come, as many as a value has, or fewer if there are no more.
fn value(mut stream: TcpStream, ends: Instant) -> io::Result<Vec<u8>> {
    let mut answer = [0; VALUE_LEN];
    let mut len = 0;
    while len < VALUE_LEN {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut answer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer[..len].to_vec())
}

fn by_udp(place: SocketAddr) -> Result<Heard, String> {
    for _ in 0..QUESTIONS {
        let begun = clock::readings();
        let failed = |deed, error: SocketError| could(deed, &io::Error::from_raw_os_error(error.errno()));
        let socket = UdpSocket::connect(place).map_err(|error| failed("connect socket", error))?;
        socket.send(&[]).map_err(|error| failed("send data", error))?;
        let ends = begun.mono + PATIENCE_UDP;
        while wait(socket.as_fd(), ends).map_err(|miss| format!("Could not read data: {}", miss.text))? {
            let mut answer = [0; BUFFER];
            let received = socket.receive(&mut answer).map_err(|error| failed("read data", error))?;
            if let Some(received) = received {
                return understood(&begun, &answer[..received.len]);
            }
        }
    }
    Err(could("read data", &ErrorKind::TimedOut.into()))
}

/// What an answer means that has just come.
fn understood(begun: &Readings, answer: &[u8]) -> Result<Heard, String> {
    let at = clock::readings();
    if was_set_between(begun, &at) {
        return Err("the clock was set while it was measured".to_owned());
    }
    let value = Value::read(answer).ok_or_else(|| {
        format!("Could not read data: {} bytes are no answer, {VALUE_LEN} would be", answer.len())
    })?;
    let delay = at.raw - begun.raw;
    let (first, last) = value.within(made() + ERA_AHEAD);
    let (earliest, latest) = (LEAPS.tai_of_utc(first), LEAPS.tai_of_utc(last) + delay);
    Ok(Heard { bracket: Bracket { at: at.raw, earliest, latest }, at, delay })
}
