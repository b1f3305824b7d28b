//! Asking the daemon: one line to its control socket, one line back.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::talk::{REPLY_MAX, Reply, Request, SOCKET_NAME};

/// A daemon that does not answer for so long is not asked any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon's reply.
pub fn ask(run_dir: &Path, request: Request) -> anyhow::Result<Reply> {
    let path = run_dir.join(SOCKET_NAME);
    let place = path.display();
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!("cannot reach the daemon at {place} (does `truechimer run` run? another --run-dir?)")
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line).with_context(|| format!("cannot ask the daemon at {place}"))?;
    let mut reply = Vec::new();
    BufReader::new(stream.take(REPLY_MAX as u64))
        .read_until(b'\n', &mut reply)
        .with_context(|| format!("the daemon at {place} does not answer"))?;
    match serde_json::from_slice(&reply).with_context(|| format!("cannot read the answer of {place}"))? {
        Reply::Error(why) => bail!("the daemon refuses: {why}"),
        reply => Ok(reply),
    }
}
