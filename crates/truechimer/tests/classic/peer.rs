//! Servers on loopback that do as they are told.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use truechimer_core::server::{ntp, taiclock};
use truechimer_sys::clock;
use truechimer_time::{Span, Time};

/// A server, and what it has heard.
pub(crate) struct Peer {
    pub(crate) place: SocketAddr,
    heard: Receiver<Vec<u8>>,
}

impl Peer {
    /// Answers each question with what `script` makes of it, if anything. It ends with the test.
    pub(crate) fn start(script: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::at("127.0.0.1:0", script)
    }

    pub(crate) fn at(place: &str, script: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(place).expect("loopback has a free port");
        let voice = socket.try_clone().expect("a descriptor");
        Self::with_voice(socket, voice, script)
    }

    /// Answers from another port than was asked.
    pub(crate) fn ventriloquist(script: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        Self::with_voice(bind(), bind(), script)
    }

    fn with_voice(
        ear: UdpSocket,
        voice: UdpSocket,
        script: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let place = ear.local_addr().expect("it is bound");
        let (tell, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            while let Ok((len, from)) = ear.recv_from(&mut datagram) {
                // Told first, so that whoever has the answer finds the question. A test that does not ask is over.
                let _ = tell.send(datagram[..len].to_vec());
                if let Some(answer) = script(&datagram[..len]) {
                    voice.send_to(&answer, from).expect("loopback carries it");
                }
            }
        });
        Self { place, heard }
    }

    pub(crate) fn name(&self) -> String {
        self.place.to_string()
    }

    /// All questions so far.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.try_iter().collect()
    }
}

/// What is done to an honest answer.
pub(crate) type Change = fn(&mut Vec<u8>);

/// What an NTP server answers whose clock is so far ahead of ours.
pub(crate) fn honest(question: &[u8], ahead: Span) -> Vec<u8> {
    let now = Time::from_epoch(clock::realtime().since_epoch() + ahead);
    let served = ntp::Served::of_reference_clock(*b"TEST", Span::ZERO, now);
    ntp::answer(question, now, now, &served).expect("only questions come here").to_vec()
}

/// A server whose answers are honest but for what `change` does to them.
pub(crate) fn ntp(ahead: Span, change: impl Fn(&mut Vec<u8>) + Send + 'static) -> Peer {
    Peer::start(move |question| {
        let mut answer = honest(question, ahead);
        change(&mut answer);
        Some(answer)
    })
}

/// What a TAICLOCK server announces whose clock is so far ahead of ours, and then ten seconds more.
pub(crate) fn announced(question: &[u8], ahead: Span) -> Option<Vec<u8>> {
    let now = clock::realtime().since_epoch() + Span::from_secs(10) + ahead;
    taiclock::answer(question, Time::from_epoch(now))
}

/// A TAICLOCK server whose answers are honest but for what `change` does to them.
pub(crate) fn tai(ahead: Span, change: impl Fn(&mut Vec<u8>) + Send + 'static) -> Peer {
    Peer::start(move |question| {
        let mut answer = announced(question, ahead)?;
        change(&mut answer);
        Some(answer)
    })
}

/// A server of TCP that says this to each client and closes, as long as the test lasts.
pub(crate) fn tcp(place: &str, say: impl Fn() -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind(place).expect("loopback has a free port");
    let place = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            // A client that has heard enough may be gone.
            let _ = client.write_all(&say());
        }
    });
    place
}
