//! The control socket: anybody on this machine may look, root and the daemon's own account may give orders.
//!
//! Each connection is one request line and one reply line. Everything about it has a limit, and none of it can block
//! the loop: connections are read and written as they are ready, and those that dawdle are dropped.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::{peer, user};
use truechimer_time::{Mono, Span, Time};

use crate::talk::{REQUEST_MAX, Reply, Request, parse_request};

/// So many connections at once; who comes later waits in the kernel's queue, and then is refused by it.
const CONNECTIONS_MAX: usize = 16;

/// A connection that takes longer is dropped.
const PATIENCE: Span = Span::from_secs(5);

/// So many subscribers at once of those who may give orders, and as many of all others.
const SUBSCRIBERS_MAX: usize = 8;

/// A subscriber who reads so much too slowly, in bytes, is dropped: he would not know what he has missed.
const BACKLOG_MAX: usize = 1 << 18;

/// The socket and its connections.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    connections: Vec<Connection>,
    subscribers: Vec<Subscriber>,
}

/// Who is told what happens, as it happens.
struct Subscriber {
    stream: UnixStream,
    may_order: bool,
    /// What he has not read yet.
    unsent: Vec<u8>,
}

struct Connection {
    stream: UnixStream,
    may_order: bool,
    ends: Time<Mono>,
    request: Vec<u8>,
    reply: Option<Vec<u8>>,
    written: usize,
}

/// What became of a connection in one turn.
enum Progress {
    Waiting,
    Asked(Result<Request, String>),
    Over,
}

impl Control {
    /// Listens at a path. A socket that nobody listens at any more is replaced; anything else there is left alone
    /// (bad input 122).
    pub fn listen(path: &Path) -> io::Result<Self> {
        clear_the_way(path, |path| UnixStream::connect(path).map(drop))?;
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Self { listener, path: path.to_path_buf(), connections: Vec::new(), subscribers: Vec::new() })
    }

    /// Waits for connections and for those that are there. The token tells nothing but that something is ready.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: T) {
        if self.connections.len() < CONNECTIONS_MAX {
            poll.add(self.listener.as_fd(), Interest::Read, token);
        }
        for connection in &self.connections {
            let interest = if connection.reply.is_some() { Interest::Write } else { Interest::Read };
            poll.add(connection.stream.as_fd(), interest, token);
        }
        for subscriber in &self.subscribers {
            let interest = if subscriber.unsent.is_empty() { Interest::Read } else { Interest::Write };
            poll.add(subscriber.stream.as_fd(), interest, token);
        }
    }

    /// Tells all subscribers what happened. Each gets as much as his socket takes at once, the rest when he reads.
    pub fn tell(&mut self, happened: &Reply) {
        let line = line_of(happened);
        self.subscribers.retain_mut(|subscriber| subscriber.hear(&line));
    }

    /// Is there anybody to be told?
    pub fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// When the next connection has dawdled too long.
    pub fn deadline(&self) -> Option<Time<Mono>> {
        self.connections.iter().map(|connection| connection.ends).min()
    }

    /// Goes on with all connections. `answer` is called for each request that may be answered.
    pub fn turn(&mut self, now: Time<Mono>, mut answer: impl FnMut(Request) -> Reply) {
        self.accept(now);
        self.subscribers.retain_mut(|subscriber| subscriber.is_there() && subscriber.hear(b""));
        for connection in std::mem::take(&mut self.connections) {
            if let Some(connection) = self.converse(connection, now, &mut answer) {
                self.connections.push(connection);
            }
        }
    }

    /// Goes on with a connection, and returns it unless it is over.
    fn converse(
        &mut self,
        mut connection: Connection,
        now: Time<Mono>,
        answer: &mut impl FnMut(Request) -> Reply,
    ) -> Option<Connection> {
        if let Progress::Asked(request) = connection.go_on() {
            let reply = match connection.permit(request) {
                Ok(Request::Subscribe {}) if self.has_room_for(connection.may_order) => {
                    self.subscribers.extend(connection.subscribe());
                    return None;
                }
                Ok(Request::Subscribe {}) => {
                    Reply::Error("there are too many subscribers already".to_owned())
                }
                Ok(request) => answer(request),
                Err(why) => Reply::Error(why),
            };
            connection.begin_reply(&reply);
            connection.go_on();
        }
        (!connection.is_over() && now < connection.ends).then_some(connection)
    }

    fn has_room_for(&self, may_order: bool) -> bool {
        let alike = self.subscribers.iter().filter(|subscriber| subscriber.may_order == may_order);
        alike.count() < SUBSCRIBERS_MAX
    }

    fn accept(&mut self, now: Time<Mono>) {
        while self.connections.len() < CONNECTIONS_MAX {
            // Nobody there, or somebody who has already gone: both come to nothing.
            let Ok((stream, _)) = self.listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection::new(stream, now + PATIENCE));
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that stays behind does no harm: the next daemon replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket that nobody listens at any more, as `connect` finds out.
pub(super) fn clear_the_way(path: &Path, connect: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let what = "something that is no socket is there already; remove it if it is not needed";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    if connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
    }
    fs::remove_file(path)
}

impl Subscriber {
    /// Is told a line, after what he has not read yet. False if he is gone, or reads too slowly.
    fn hear(&mut self, line: &[u8]) -> bool {
        self.unsent.extend_from_slice(line);
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return false,
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if is_passing(&error) => return self.unsent.len() <= BACKLOG_MAX,
                Err(_) => return false,
            }
        }
        true
    }

    /// What he says is read into nothing. False if he is gone.
    fn is_there(&mut self) -> bool {
        let mut nothing = [0; REQUEST_MAX];
        match self.stream.read(&mut nothing) {
            Ok(len) => len > 0,
            Err(error) => is_passing(&error),
        }
    }
}

fn line_of(reply: &Reply) -> Vec<u8> {
    let mut line = serde_json::to_vec(reply).unwrap_or_else(|_| br#"{"error":"no reply"}"#.to_vec());
    line.push(b'\n');
    line
}

impl Connection {
    fn new(stream: UnixStream, ends: Time<Mono>) -> Self {
        let may_order =
            peer::credentials(&stream).is_ok_and(|peer| peer.uid == 0 || peer.uid == user::effective_uid());
        Self { stream, may_order, ends, request: Vec::new(), reply: None, written: 0 }
    }

    fn permit(&self, request: Result<Request, String>) -> Result<Request, String> {
        match request {
            Ok(request) if request.is_reserved() && !self.may_order => {
                Err("this is for root and the daemon's own account only".to_owned())
            }
            request => request,
        }
    }

    fn go_on(&mut self) -> Progress {
        match self.reply.is_some() {
            true => self.write(),
            false => self.read(),
        }
    }

    fn read(&mut self) -> Progress {
        let mut buffer = [0; REQUEST_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.give_up(),
            Ok(len) => {
                self.request.extend_from_slice(&buffer[..len]);
                self.asked()
            }
            Err(error) if is_passing(&error) => Progress::Waiting,
            Err(_) => self.give_up(),
        }
    }

    fn asked(&self) -> Progress {
        let end = self.request.iter().position(|&byte| byte == b'\n');
        match end {
            Some(end) => Progress::Asked(parse_request(&self.request[..end])),
            None if self.request.len() > REQUEST_MAX => Progress::Asked(parse_request(&self.request)),
            None => Progress::Waiting,
        }
    }

    fn begin_reply(&mut self, reply: &Reply) {
        self.reply = Some(line_of(reply));
    }

    /// From now on he is told what happens.
    fn subscribe(self) -> Option<Subscriber> {
        let mut subscriber =
            Subscriber { stream: self.stream, may_order: self.may_order, unsent: Vec::new() };
        subscriber.hear(&line_of(&Reply::Subscribed {})).then_some(subscriber)
    }

    fn write(&mut self) -> Progress {
        let Some(reply) = &self.reply else { return Progress::Waiting };
        match self.stream.write(&reply[self.written..]) {
            Ok(len) if len > 0 => self.written += len,
            Err(error) if is_passing(&error) => {}
            Ok(_) | Err(_) => return self.give_up(),
        }
        if self.is_over() { Progress::Over } else { Progress::Waiting }
    }

    fn is_over(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| self.written >= reply.len())
    }

    fn give_up(&mut self) -> Progress {
        self.reply = Some(Vec::new());
        Progress::Over
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use truechimer_sys::clock;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("truechimer-control-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder.join("control")
    }

    /// Runs the socket for a while, as the daemon's loop would.
    fn turns(control: &mut Control, count: usize) {
        for _ in 0..count {
            control.turn(clock::mono(), |_| Reply::Done {});
        }
    }

    fn reply(stream: UnixStream) -> String {
        let mut line = String::new();
        io::BufReader::new(stream).read_line(&mut line).expect("a reply");
        line
    }

    #[test]
    fn a_request_may_come_byte_by_byte() {
        let path = scratch("bytes");
        let mut control = Control::listen(&path).expect("listens");
        let mut stream = UnixStream::connect(&path).expect("connects");
        for byte in b"{\"request\":\"burst\"}\n" {
            stream.write_all(&[*byte]).expect("writes");
            turns(&mut control, 1);
        }
        turns(&mut control, 2);
        assert_eq!(reply(stream), "{\"done\":{}}\n");
        assert!(control.connections.is_empty());
    }

    #[test]
    fn bad_input_119_a_request_without_end_is_refused_at_its_limit() {
        let path = scratch("endless");
        let mut control = Control::listen(&path).expect("listens");
        let mut stream = UnixStream::connect(&path).expect("connects");
        stream.write_all(&vec![b'x'; 3 * REQUEST_MAX]).expect("writes");
        turns(&mut control, 4);
        assert!(reply(stream).contains("error"));
        turns(&mut control, 1);
        assert!(control.connections.is_empty(), "and nothing is kept of it");
    }

    #[test]
    fn bad_input_119_many_and_idle_connections_are_bounded() {
        let path = scratch("many");
        let mut control = Control::listen(&path).expect("listens");
        let idle: Vec<_> = (0..3 * CONNECTIONS_MAX).filter_map(|_| UnixStream::connect(&path).ok()).collect();
        turns(&mut control, 3);
        assert_eq!(control.connections.len(), CONNECTIONS_MAX);
        control.turn(clock::mono() + PATIENCE + PATIENCE, |_| Reply::Done {});
        drop(idle);
        control.turn(clock::mono(), |_| Reply::Done {});
        control.turn(clock::mono() + PATIENCE + PATIENCE, |_| Reply::Done {});
        assert!(control.connections.len() <= CONNECTIONS_MAX);
    }

    fn happened() -> Reply {
        Reply::Happened(Box::new(crate::happened::Happened {
            version: 1,
            label: "calmed".to_owned(),
            level: "info".to_owned(),
            utc: None,
            local: String::new(),
            raw: String::new(),
            by: None,
            status: "unknown".to_owned(),
            map: None,
            words: "x".repeat(1000),
        }))
    }

    fn subscriber(control: &mut Control, path: &Path) -> UnixStream {
        let mut stream = UnixStream::connect(path).expect("connects");
        stream.write_all(b"{\"request\":\"subscribe\"}\n").expect("writes");
        turns(control, 3);
        stream
    }

    #[test]
    fn who_subscribes_is_told_until_he_goes() {
        let path = scratch("subscribe");
        let mut control = Control::listen(&path).expect("listens");
        let stream = subscriber(&mut control, &path);
        control.tell(&happened());
        control.tell(&happened());
        assert_eq!(control.deadline(), None, "he may stay");
        let mut lines = io::BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let mut line = || lines.next().expect("a line").expect("read");
        assert_eq!(line(), "{\"subscribed\":{}}");
        assert!(line().starts_with("{\"happened\":{") && line().contains("calmed"));
        drop((stream, lines));
        turns(&mut control, 1);
        assert!(!control.has_subscribers());
    }

    #[test]
    fn bad_input_119_subscribers_are_few_and_who_does_not_read_is_dropped() {
        let path = scratch("subscribers");
        let mut control = Control::listen(&path).expect("listens");
        let streams: Vec<_> = (0..2 * SUBSCRIBERS_MAX).map(|_| subscriber(&mut control, &path)).collect();
        assert_eq!(control.subscribers.len(), SUBSCRIBERS_MAX);
        assert!(reply(streams[SUBSCRIBERS_MAX].try_clone().expect("a second handle")).contains("too many"));
        for _ in 0..4096 {
            control.tell(&happened());
            assert!(control.subscribers.iter().all(|subscriber| subscriber.unsent.len() <= BACKLOG_MAX));
        }
        assert!(!control.has_subscribers());
    }

    #[test]
    fn a_stranger_may_look_but_not_order() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("non-blocking");
        let mut stranger = Connection::new(ours, clock::mono() + PATIENCE);
        stranger.may_order = false;
        assert!(stranger.permit(Ok(Request::Burst {})).is_err());
        assert!(stranger.permit(Ok(Request::Status {})).is_ok());
        drop(theirs);
    }

    #[test]
    fn bad_input_122_a_file_in_the_way_is_not_removed() {
        let path = scratch("file");
        fs::write(&path, "mine").expect("a file");
        assert!(Control::listen(&path).is_err());
        assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
        fs::remove_file(&path).expect("cleans up");
    }
}
