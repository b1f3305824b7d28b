//! Those who ask the daemon for the live view: one who asks again and again, one who listens. Neither minds that the daemon
//! goes away and comes back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::command::ask::ask;
use crate::happened::Happened;
use crate::talk::{REPLY_MAX, Reply, Request, SOCKET_NAME, SourcesReply, StatusReply};

/// From one question to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// What one is told of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// How it stands.
    Status(Box<StatusReply>),
    /// What it thinks of its sources.
    Sources(SourcesReply),
    /// Something has happened.
    Happened(Box<Happened>),
    /// From now on we are told what happens; what was before is in the history.
    Listening,
    /// It cannot be reached, and why.
    Gone(String),
    /// What came of an order.
    Answered(Result<(), String>),
}

/// What the daemon can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To measure all sources now.
    Burst,
}

/// Sends both on their way. They end when nobody hears them any more.
///
/// # Errors
/// The system has no thread for us.
pub fn send_out(run_dir: &Path) -> io::Result<(Receiver<News>, Sender<Order>)> {
    let (tell, news) = mpsc::channel();
    let (order, orders) = mpsc::channel();
    let (dir, listener) = (run_dir.to_owned(), tell.clone());
    thread::Builder::new().name("asker".into()).spawn(move || go_on_asking(&dir, &tell, &orders))?;
    let socket = run_dir.join(SOCKET_NAME);
    thread::Builder::new().name("listener".into()).spawn(move || go_on_listening(&socket, &listener))?;
    Ok((news, order))
}

fn go_on_asking(run_dir: &Path, tell: &Sender<News>, orders: &Receiver<Order>) {
    let mut news = vec![learn(run_dir, Request::Status {}), learn(run_dir, Request::Sources {})];
    while news.drain(..).all(|news| tell.send(news).is_ok()) {
        match orders.recv_timeout(PERIOD) {
            Ok(Order::Burst) => news.push(burst(run_dir)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let status = learn(run_dir, Request::Status {});
        let is_there = !matches!(status, News::Gone(_));
        news.push(status);
        if is_there {
            news.push(learn(run_dir, Request::Sources {}));
        }
    }
}

fn learn(run_dir: &Path, request: Request) -> News {
    match ask(run_dir, request) {
        Ok(Reply::Status(status)) => News::Status(status),
        Ok(Reply::Sources(sources)) => News::Sources(sources),
        Ok(_) => News::Gone("the daemon answers something else".to_owned()),
        Err(error) => News::Gone(format!("{error:#}")),
    }
}

fn burst(run_dir: &Path) -> News {
    News::Answered(ask(run_dir, Request::Burst {}).map(drop).map_err(|error| format!("{error:#}")))
}

/// The other one says that the daemon is gone.
fn go_on_listening(socket: &PathBuf, tell: &Sender<News>) {
    while listen(socket, tell).is_err() {
        thread::sleep(PERIOD);
    }
}

/// Well is only that nobody hears us any more.
fn listen(socket: &PathBuf, tell: &Sender<News>) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    let mut request = serde_json::to_vec(&Request::Subscribe {})?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        if stream.by_ref().take(REPLY_MAX as u64).read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let news = match serde_json::from_slice(&line)? {
            Reply::Happened(happened) => News::Happened(happened),
            Reply::Subscribed {} => News::Listening,
            Reply::Status(_) | Reply::Sources(_) | Reply::Clients(_) | Reply::Done {} | Reply::Error(_) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        if tell.send(news).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The first of the news that is looked for.
    fn wait_for(news: &Receiver<News>, is_it: impl Fn(&News) -> bool) {
        loop {
            if is_it(&news.recv_timeout(PATIENCE).expect("it comes")) {
                return;
            }
        }
    }

    #[test]
    fn a_daemon_that_goes_and_comes_back_is_listened_to_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (news, orders) = send_out(folder.path()).expect("threads");
        wait_for(&news, |news| matches!(news, News::Gone(why) if why.contains("cannot reach the daemon")));
        orders.send(Order::Burst).expect("it is there");
        wait_for(&news, |news| matches!(news, News::Answered(Err(_))));
        let socket = folder.path().join(SOCKET_NAME);
        for _ in 0..2 {
            let daemon = UnixListener::bind(&socket).expect("a socket");
            // Whoever asks for something else gets no answer.
            loop {
                let (mut stream, _) = daemon.accept().expect("a connection");
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).expect("a line");
                if line.contains("subscribe") {
                    stream.write_all(b"{\"subscribed\":{}}\n").expect("heard");
                    break;
                }
            }
            wait_for(&news, |news| *news == News::Listening);
            drop(daemon);
            std::fs::remove_file(&socket).expect("it was there");
        }
    }
}
