//! Asking the daemon: one line to its control socket, one line back, twice.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use truechimer::talk::{REPLY_MAX, Reply, Request, SOCKET_NAME, SourcesReply, StatusReply};

/// A daemon that has not told everything within this is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// What the daemon tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// How right the time is.
    pub status: StatusReply,
    /// What is thought of the sources.
    pub sources: SourcesReply,
}

/// Why nothing was heard of the daemon. Completes itself.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// Nobody listens there, or he hangs up.
    #[error("cannot talk to the daemon at {place}: {error} (does `truechimer run` run? another --run-dir?)")]
    Unreachable {
        /// The socket.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// It takes too long.
    #[error("the daemon has not answered within {} s", PATIENCE.as_secs())]
    Late,
    /// It is no reply, or longer than one.
    #[error("cannot read what the daemon says: {0}")]
    Unreadable(serde_json::Error),
    /// It is not what was asked.
    #[error("the daemon answers something else")]
    Other,
    /// It says why it does not answer.
    #[error("the daemon refuses: {0}")]
    Refused(String),
}

/// Asks for all that can be told.
///
/// # Errors
/// Those of [`Unheard`]; nothing is tried again.
pub async fn hear(run_dir: &Path) -> Result<Heard, Unheard> {
    tokio::time::timeout(PATIENCE, both(run_dir)).await.unwrap_or(Err(Unheard::Late))
}

async fn both(run_dir: &Path) -> Result<Heard, Unheard> {
    let status = match ask(run_dir, Request::Status {}).await? {
        Reply::Status(status) => *status,
        other => return Err(instead(other)),
    };
    match ask(run_dir, Request::Sources {}).await? {
        Reply::Sources(sources) => Ok(Heard { status, sources }),
        other => Err(instead(other)),
    }
}

fn instead(reply: Reply) -> Unheard {
    match reply {
        Reply::Error(why) => Unheard::Refused(why),
        Reply::Status(_)
        | Reply::Sources(_)
        | Reply::Clients(_)
        | Reply::Subscribed {}
        | Reply::Happened(_)
        | Reply::Done {} => Unheard::Other,
    }
}

async fn ask(run_dir: &Path, request: Request) -> Result<Reply, Unheard> {
    let path = run_dir.join(SOCKET_NAME);
    let line = exchange(&path, request).await;
    let line = line.map_err(|error| Unheard::Unreachable { place: path.display().to_string(), error })?;
    serde_json::from_slice(&line).map_err(Unheard::Unreadable)
}

async fn exchange(path: &Path, request: Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path).await?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut reply = Vec::new();
    BufReader::new(stream.take(REPLY_MAX as u64)).read_until(b'\n', &mut reply).await?;
    Ok(reply)
}
