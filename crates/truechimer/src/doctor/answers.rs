//! What the time daemons of others say when they are asked on this machine: chronyd by its own protocol, ntpd by mode 6.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use truechimer_core::wire::chrony::{self, float};
use truechimer_time::Span;

/// A daemon on loopback answers at once, or not at all.
const PATIENCE: Duration = Duration::from_millis(700);

/// No answer is longer.
const ANSWER_MAX: usize = 1024;

/// The request for `tracking` (candm.h of chrony: 33), and the layout of its reply.
const TRACKING: u16 = 33;
const TRACKING_LAYOUT: u16 = 5;

/// A request has to be as long as its reply: 28 bytes of a header and 76 of what is told.
const TRACKING_LEN: usize = chrony::REPLY_HEADER_LEN + 76;

/// The header of mode 6 (RFC 9327, section 2): flags, operation, sequence, status, association, offset, count.
const CONTROL_LEN: usize = 12;

/// How a daemon stands, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Does it know the time?
    pub is_synchronised: bool,
    /// Steps from a reference clock.
    pub stratum: u8,
    /// How far the clock is off, either way, as it believes.
    pub off: Span,
    /// What the oscillator needs, in ppm of correction.
    pub rate_ppm: f64,
}

/// chronyd, on the port for its own clients (`cmdport`). Nothing if it does not answer.
///
/// # Errors
/// The system refuses a socket.
pub fn chronyd() -> io::Result<Option<Standing>> {
    let mut request = vec![0; TRACKING_LEN];
    request[..2].copy_from_slice(&[chrony::VERSION, 1]);
    request[4..6].copy_from_slice(&TRACKING.to_be_bytes());
    request[8..12].copy_from_slice(b"true");
    Ok(ask(chrony::PORT, &request)?.as_deref().and_then(tracking))
}

/// ntpd, by `readvar` of its system variables. Nothing if it does not answer.
///
/// # Errors
/// As [`chronyd`].
pub fn ntpd() -> io::Result<Option<Standing>> {
    // Version 2, mode 6; operation 2: read variables.
    let mut request = [0; CONTROL_LEN];
    request[..2].copy_from_slice(&[0x16, 2]);
    let answer = ask(crate::config::NTP_PORT, &request)?;
    let text = answer.as_deref().and_then(|answer| answer.get(CONTROL_LEN..));
    Ok(text.and_then(|text| variables(&String::from_utf8_lossy(text))))
}

/// The answer of a daemon on loopback.
fn ask(port: u16, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = vec![0; ANSWER_MAX];
    // Refused, or silent: nobody is there who answers.
    let heard = socket.send(request).and_then(|_| socket.recv(&mut answer));
    Ok(heard.ok().map(|len| {
        answer.truncate(len);
        answer
    }))
}

/// See [`Tracking`](truechimer_core::wire::chrony::reply::Tracking) for the layout.
fn tracking(reply: &[u8]) -> Option<Standing> {
    let half = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
    let is_told = reply.first() == Some(&chrony::VERSION)
        && half(4)? == TRACKING
        && half(6)? == TRACKING_LAYOUT
        && half(8)? == 0;
    let body = reply.get(chrony::REPLY_HEADER_LEN..).filter(|_| is_told)?;
    let number = |at: usize| Some(float::read(*body.get(at..)?.first_chunk()?));
    let leap = u16::from_be_bytes([*body.get(26)?, *body.get(27)?]);
    Some(Standing {
        is_synchronised: leap != 3,
        stratum: u8::try_from(u16::from_be_bytes([body[24], body[25]])).ok()?,
        off: Span::from_seconds(number(40)?).abs(),
        rate_ppm: -number(52)?,
    })
}

/// `leap=00, stratum=2, offset=-0.031, frequency=12.1, ..`: milliseconds and ppm.
fn variables(text: &str) -> Option<Standing> {
    let value = |name: &str| {
        let mut pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    };
    let number = |name: &str| value(name)?.parse::<f64>().ok();
    Some(Standing {
        is_synchronised: !matches!(value("leap")?, "11" | "3"),
        stratum: value("stratum")?.parse().ok()?,
        off: Span::from_seconds(number("offset").unwrap_or(0.0) / 1e3).abs(),
        rate_ppm: number("frequency").or_else(|| number("freq")).unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_core::wire::chrony::Host;
    use truechimer_core::wire::chrony::reply::{Reply, Tracking};
    use truechimer_core::wire::chrony::request::Request;
    use truechimer_core::wire::ntp::Leap;
    use truechimer_time::{Rate, Time};

    #[test]
    fn what_chronyd_says_is_read_as_it_is_written() {
        let mut request = vec![0; TRACKING_LEN];
        request[..2].copy_from_slice(&[chrony::VERSION, 1]);
        request[4..6].copy_from_slice(&TRACKING.to_be_bytes());
        let request = Request::parse(&request).expect("a request");
        let told = Tracking {
            reference_id: [192, 0, 2, 1],
            host: Host::Nobody,
            stratum: 3,
            leap: Leap::None,
            reference: Time::from_epoch(Span::from_secs(1_790_000_000)),
            offset: Span::from_millis(-7),
            last_offset: Span::ZERO,
            rms_offset: Span::ZERO,
            rate: Rate::from_ppm(12.5),
            residual: Rate::ZERO,
            skew: Rate::ZERO,
            root_delay: Span::ZERO,
            root_dispersion: Span::ZERO,
            interval: Span::ZERO,
        };
        let standing = tracking(&Reply::Tracking(told).write(&request)).expect("it is told");
        assert!(standing.is_synchronised);
        assert_eq!(standing.stratum, 3);
        assert!((standing.off.as_seconds() - 0.007).abs() < 1e-6, "{standing:?}");
        assert!((standing.rate_ppm - 12.5).abs() < 1e-3, "{standing:?}");
        let unknown = Reply::Tracking(Tracking { leap: Leap::Unknown, ..told }).write(&request);
        assert!(!tracking(&unknown).expect("it is told").is_synchronised);
        assert_eq!(tracking(&unknown[..40]), None, "it is cut short");
    }

    #[test]
    fn what_ntpd_says_is_a_list_of_variables() {
        let text = "leap=00, stratum=3, rootdelay=1.2,\r\n refid=10.0.0.1, offset=-31.25, frequency=-12.5";
        let standing = variables(text).expect("variables");
        assert_eq!((standing.is_synchronised, standing.stratum), (true, 3));
        assert_eq!(standing.off, Span::from_micros(31_250));
        assert!(!variables("leap=11, stratum=16").expect("variables").is_synchronised);
        assert_eq!(variables("nothing"), None);
    }
}
