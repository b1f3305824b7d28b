//! What a process of ours hears from the other one that it has started for work apart.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::process::{Child, MESSAGE_MAX, Message};

/// Waits for the first message of the child. `None` if it ends without one.
pub fn message_of(child: &Child) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = [0; MESSAGE_MAX];
    let mut set = PollSet::new();
    loop {
        match child.channel.receive(&mut buffer) {
            Ok(Message::Whole(len)) => return Ok(Some(buffer[..len].to_vec())),
            Ok(Message::End) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                set.clear();
                set.add(child.channel.as_fd(), Interest::Read, ());
                set.wait(None)?;
            }
            Err(error) => return Err(error),
        }
    }
}
