//! A stream of bytes as what happened, a line each, whatever the stream is made of: its first bytes tell.

use std::io::{self, Chain, Cursor, Read};
use std::sync::Arc;

use crate::dialect::{Found, Linguist, Own};
use crate::journal::{self, Entries};
use crate::lines::{Line, Lines};
use crate::packets::{self, Packets};

/// A stream, after its first bytes were looked at.
type Seen<R> = Chain<Cursor<Vec<u8>>, R>;

/// What a stream tells, a line each.
#[derive(Debug)]
pub struct Records<R> {
    kind: Kind<R>,
    /// Patterns of the user's own.
    own: Arc<[Own]>,
}

#[derive(Debug)]
enum Kind<R> {
    /// Nothing was read.
    Unseen(R),
    /// Lines of text.
    Text(Box<(Lines<Seen<R>>, Linguist)>),
    /// Entries of the journal.
    Journal(Box<Entries<Seen<R>>>),
    /// Packets.
    Packets(Box<Packets<Seen<R>>>),
    /// The first bytes could not be read.
    Failed,
}

impl<R: Read> Records<R> {
    /// What a stream tells.
    pub fn of(input: R) -> Self {
        Self { kind: Kind::Unseen(input), own: Arc::default() }
    }

    /// The same, if lines may have stamps of the user's own kind.
    #[must_use]
    pub fn with(self, own: Arc<[Own]>) -> Self {
        Self { own, ..self }
    }

    /// Goes on to the next line, if there is one.
    ///
    /// # Errors
    /// Those of the stream, or it is torn. It is not to be read further then.
    pub fn advance(&mut self) -> io::Result<bool> {
        match &mut self.kind {
            Kind::Text(text) => text.0.advance(),
            Kind::Journal(entries) => entries.advance(),
            Kind::Packets(packets) => packets.advance(),
            Kind::Failed => Ok(false),
            Kind::Unseen(_) => {
                self.look()?;
                self.advance()
            }
        }
    }

    /// The line that was read last; an empty one before the first and after the last.
    pub fn line(&self) -> Line<'_> {
        match &self.kind {
            Kind::Text(text) => text.0.line(),
            Kind::Journal(entries) => entries.line(),
            Kind::Packets(packets) => packets.line(),
            Kind::Unseen(_) | Kind::Failed => Line { bytes: b"", cut: 0 },
        }
    }

    /// What the line that was read last says of when and where, if it has a stamp that we can read.
    pub fn found(&mut self) -> Option<Found<'_>> {
        match &mut self.kind {
            Kind::Text(text) => {
                let (lines, linguist) = &mut **text;
                linguist.read(lines.line().bytes)
            }
            Kind::Journal(entries) => entries.found(),
            Kind::Packets(packets) => packets.found(),
            Kind::Unseen(_) | Kind::Failed => None,
        }
    }

    /// Looks at the first bytes.
    fn look(&mut self) -> io::Result<()> {
        let Kind::Unseen(mut input) = std::mem::replace(&mut self.kind, Kind::Failed) else { return Ok(()) };
        let mut head = Vec::with_capacity(journal::HEAD);
        input.by_ref().take(journal::HEAD as u64).read_to_end(&mut head)?;
        let is = (journal::is_head(&head), packets::is_head(&head));
        let seen = Cursor::new(head).chain(input);
        self.kind = match is {
            (true, _) => Kind::Journal(Box::new(Entries::of(seen))),
            (false, true) => Kind::Packets(Box::new(Packets::of(seen))),
            (false, false) => Kind::Text(Box::new((Lines::of(seen), Linguist::with(self.own.clone())))),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Vec<(String, bool)> {
        let mut records = Records::of(bytes);
        let mut all = Vec::new();
        while records.advance().expect("memory can be read") {
            let text = String::from_utf8_lossy(records.line().bytes).into_owned();
            all.push((text, records.found().is_some()));
        }
        all
    }

    #[test]
    fn the_first_bytes_tell_what_a_stream_is() {
        let line = "2026-11-23T08:00:00Z x";
        assert_eq!(told(line.as_bytes()), [(line.to_owned(), true)]);
        let entry = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795420830123456\nMESSAGE=x\n";
        assert_eq!(told(entry), [("unknown: x".to_owned(), true)]);
        assert_eq!(told(b""), []);
        assert_eq!(told(b"\n"), [(String::new(), false)]);
    }

    #[test]
    fn a_stream_that_fails_at_once_says_so() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut records = Records::of(Broken);
        assert!(records.advance().is_err());
        assert!(!records.advance().expect("it is over"));
    }
}
