//! As much NTP as a test needs to speak by itself: questions of 48 bytes, good and bad, and an honest answer.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1900 to 1970.
const NTP_UNIX: u64 = 2_208_988_800;

/// The mode of a question.
pub(crate) const CLIENT: u8 = 3;

/// A question of version 4 in any mode, recognised by its transmit stamp.
pub(crate) fn question(mode: u8, mark: u64) -> [u8; 48] {
    let mut question = [0; 48];
    question[0] = 4 << 3 | mode;
    question[40..].copy_from_slice(&mark.to_be_bytes());
    question
}

/// What an answer answers: its origin stamp.
pub(crate) fn origin(answer: &[u8]) -> u64 {
    u64::from_be_bytes(answer[24..32].try_into().unwrap())
}

/// Asks until there is an answer or patience is over.
pub(crate) fn answers(server: SocketAddr) -> Option<[u8; 48]> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.send_to(&question(CLIENT, 1), server).ok()?;
    let mut answer = [0; 48];
    let (len, _) = socket.recv_from(&mut answer).ok()?;
    (len == 48).then_some(answer)
}

/// An honest answer of stratum 1, from this machine's clock.
pub(crate) fn answer(question: &[u8; 48]) -> [u8; 48] {
    let mut answer = [0; 48];
    let now = now().to_be_bytes();
    answer[..4].copy_from_slice(&[4 << 3 | 4, 1, 0, 0xe9]);
    answer[12..16].copy_from_slice(b"TEST");
    for stamp in [16, 32, 40] {
        answer[stamp..stamp + 8].copy_from_slice(&now);
    }
    answer[24..32].copy_from_slice(&question[40..]);
    answer
}

/// This machine's clock, as NTP writes it.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    (now.as_secs() + NTP_UNIX) << 32 | fraction
}
