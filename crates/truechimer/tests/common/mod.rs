//! What several tests of the real binary need.

use std::net::UdpSocket;
use std::thread;

use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::ntp::Leap;
use truechimer_sys::clock;
use truechimer_time::{NtpPrecision, Span, Time};

/// Where a server listens whose clock is so far ahead of ours. It ends with the test.
pub(crate) fn server(offset: Span) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let place = socket.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        let mut datagram = [0; 1024];
        while let Ok((len, from)) = socket.recv_from(&mut datagram) {
            let now = Time::from_epoch(clock::realtime().since_epoch() + offset);
            let served = Served {
                synchronised: true,
                leap: Leap::None,
                stratum: 2,
                precision: NtpPrecision { log2_seconds: -20 },
                root_delay: Span::ZERO,
                root_dispersion: Span::ZERO,
                reference_id: [192, 0, 2, 1],
                reference: now,
            };
            let told = answer(&datagram[..len], now, now, &served).expect("only questions come here");
            socket.send_to(&told, from).expect("loopback carries it");
        }
    });
    place
}
