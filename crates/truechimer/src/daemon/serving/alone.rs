//! A server without threads, for a daemon under a simulator of clock and network: it answers one datagram after the other
//! with the plainest calls. There are no connections.

use std::net::SocketAddr;

use truechimer_core::server::desk::classic::Protocol;
use truechimer_core::server::desk::{Desk, Question, Telling};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock;
use truechimer_sys::udp::{Received, Stamps, UdpSocket};

use super::{Door, ListenError, Post};
use crate::config::Serve;
use crate::stamps;

/// How many questions of one socket are answered in one turn: our own measurements are not kept waiting.
const TURN: usize = 64;

/// Sockets and a desk.
pub(super) struct Alone {
    doors: Vec<Door>,
    desk: Desk,
}

/// A socket at each place.
pub(super) fn listen(serve: &Serve, places: &[(Protocol, SocketAddr)]) -> Result<Vec<Door>, ListenError> {
    let listen = |&(protocol, place): &(Protocol, SocketAddr)| {
        let socket = UdpSocket::bind_at(place, serve.interface.as_ref());
        let socket = socket.map_err(|error| ListenError::at(place, serve, error))?;
        socket.enable_stamps(Stamps::Received);
        Ok(Door { protocol, socket })
    };
    places.iter().map(listen).collect()
}

impl Alone {
    pub(super) fn new(doors: Vec<Door>, desk: Desk) -> Self {
        Self { doors, desk }
    }

    pub(super) fn doors(&self) -> &[Door] {
        &self.doors
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Answers what waits at one socket.
    pub(super) fn answer(&mut self, index: usize, post: &Post) {
        let mut buffer = [0; DATAGRAM_MAX + 1];
        for _ in 0..TURN {
            let received = match self.doors.get(index).map(|door| door.socket.receive(&mut buffer)) {
                Some(Ok(Some(received))) => received,
                Some(Ok(None)) | None => return,
                // About an earlier answer: its asker has gone.
                Some(Err(_)) => continue,
            };
            self.answer_one(index, &received, &buffer[..received.len], post);
        }
    }

    fn answer_one(&mut self, index: usize, received: &Received, bytes: &[u8], post: &Post) {
        let now = clock::readings();
        let came = received.stamp.and_then(|stamp| stamps::to_raw(stamp, &now));
        let came = came.map_or(now.raw, |stamp| stamp.at);
        self.desk.begin(now.mono, &post.policy);
        let leaves = clock::raw();
        let question = Question { bytes, from: received.from, received: came, leaves, to_many: false };
        let mut reply = [0; DATAGRAM_MAX];
        let telling = Telling::at(now.raw, &post.dial, &post.policy);
        let door = &self.doors[index];
        let answer = self.desk.answer_by(door.protocol, &question, &telling, &mut reply);
        let Ok(answer) = answer else { return };
        let sent = door.socket.send_to(&reply[..answer.len], received.from, received.destination);
        if sent.is_err() {
            self.desk.were_unsent(1);
        }
    }
}
