//! One client that wants keys: a handshake, one request, one answer, and goodbye.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use truechimer_core::wire::aead::{Aead, KEY_LEN_MAX, SessionKeys};
use truechimer_core::wire::nts_ke::request::{ErrorCode, Request};
use truechimer_core::wire::nts_ke::response::write_error;
use truechimer_core::wire::nts_ke::{Direction, EXPORTER_LABEL, Exporter, Inbox, REQUEST_MAX};
use truechimer_sys::poll::Interest;
use truechimer_time::{Mono, Time};

/// What is not sent yet takes no more than this: an answer with eight cookies fits several times.
const UNSENT_MAX: usize = 16 << 10;

/// So often is a connection read in one turn: others wait.
const READS_MAX: usize = 16;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Under,
    /// It is over, and its client has keys.
    Granted,
    /// It is over, and its client has none.
    Failed,
}

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    tls: ServerConnection,
    inbox: Inbox,
    ends: Time<Mono>,
    /// What its end counts as, once it is answered.
    answered: Option<Progress>,
    /// All of the answer is sent, and only the client's goodbye is waited for.
    is_parting: bool,
}

/// The keys of a session, to be drawn from it once its cipher is known.
pub(super) struct Session<'a>(&'a ServerConnection);

impl Session<'_> {
    /// The keys that both sides have now.
    ///
    /// # Errors
    /// The handshake is not over.
    pub(super) fn keys(&self, aead: Aead, exporter: Exporter) -> Result<SessionKeys, rustls::Error> {
        let draw = |direction| {
            let context = exporter.context(aead, direction);
            let mut key = [0; KEY_LEN_MAX];
            self.0.export_keying_material(
                &mut key[..aead.key_len()],
                EXPORTER_LABEL.as_bytes(),
                Some(&context),
            )?;
            Ok::<_, rustls::Error>(key)
        };
        let (c2s, s2c) = (draw(Direction::C2s)?, draw(Direction::S2c)?);
        let keys = SessionKeys::new(aead, &c2s[..aead.key_len()], &s2c[..aead.key_len()]);
        Ok(keys.expect("they are as long as the cipher wants them"))
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream, config: Arc<ServerConfig>, ends: Time<Mono>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(UNSENT_MAX));
        Ok(Self { stream, tls, inbox: Inbox::for_request(), ends, answered: None, is_parting: false })
    }

    pub(super) fn interest(&self) -> (BorrowedFd<'_>, Interest) {
        let interest = if self.tls.wants_write() { Interest::ReadWrite } else { Interest::Read };
        (self.stream.as_fd(), interest)
    }

    pub(super) fn ends(&self) -> Time<Mono> {
        self.ends
    }

    /// Goes on as far as it goes. `answer` gives the answer to a request, and whether that grants keys.
    pub(super) fn go_on(
        &mut self,
        now: Time<Mono>,
        answer: impl FnOnce(&Request, &Session<'_>) -> (Vec<u8>, bool),
    ) -> Progress {
        let over = self.answered.unwrap_or(Progress::Failed);
        if self.ends <= now {
            return over;
        }
        match self.step(answer) {
            Ok(true) => Progress::Under,
            Ok(false) => self.answered.unwrap_or(over),
            Err(_) => {
                // The client may be told why in an alert; whether it is, is its own business.
                let _gone = self.flush();
                self.answered.unwrap_or(over)
            }
        }
    }

    /// Reads and writes what can be; `false` at the end.
    fn step(&mut self, answer: impl FnOnce(&Request, &Session<'_>) -> (Vec<u8>, bool)) -> io::Result<bool> {
        if self.is_parting {
            return self.part();
        }
        let mut answer = Some(answer);
        for _ in 0..READS_MAX {
            let is_there = match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return self.answered.map_or(Ok(false), |_| self.flush().map(|_| false)),
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(error) => return Err(error),
            };
            if !is_there {
                break;
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            if self.answered.is_none()
                && let Some(request) = self.hear()?
                && let Some(answer) = answer.take()
            {
                self.reply(request, answer)?;
            }
        }
        if self.flush()? && self.answered.is_some() {
            self.stream.shutdown(Shutdown::Write)?;
            self.is_parting = true;
        }
        Ok(true)
    }

    /// What the client has said, once it is whole; or what is wrong with it.
    fn hear(&mut self) -> io::Result<Option<Result<Request, ErrorCode>>> {
        let mut bytes = [0; REQUEST_MAX];
        let len = match self.tls.reader().read(&mut bytes) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(match self.inbox.take(&bytes[..len]) {
            Ok(false) if len > 0 => None,
            Ok(_) => Some(Request::read(&self.inbox).map_err(|bad| bad.code())),
            Err(_) => Some(Err(ErrorCode::BadRequest)),
        })
    }

    fn reply(
        &mut self,
        request: Result<Request, ErrorCode>,
        answer: impl FnOnce(&Request, &Session<'_>) -> (Vec<u8>, bool),
    ) -> io::Result<()> {
        let (bytes, is_granted) = match &request {
            Ok(request) => answer(request, &Session(&self.tls)),
            Err(code) => (write_error(*code), false),
        };
        self.tls.writer().write_all(&bytes)?;
        self.tls.send_close_notify();
        self.answered = Some(if is_granted { Progress::Granted } else { Progress::Failed });
        Ok(())
    }

    /// Sends what is to be sent; `true` if that was all.
    fn flush(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads into nothing until the client closes: a connection that is closed while something unread waits is reset, and
    /// the reset may overtake the answer.
    fn part(&mut self) -> io::Result<bool> {
        let mut nothing = [0; 512];
        for _ in 0..READS_MAX {
            match self.stream.read(&mut nothing) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
