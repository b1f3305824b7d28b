//! `truechimer stamp`: a label with the time and its bound before each line. Bytes go through as they came, however long a line is.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use memchr::memchr;
use truechimer_client::Clock;
use truechimer_core::classic::count::KernelCount;
use truechimer_sys::clock;
use truechimer_time::{LeapTable, Mono, Span, Tai, Time};
use truechimer_timeline::labelled;

use crate::cli;
use crate::command::Outcome;
use crate::page::FILE_NAME;
use crate::zone;

/// Write a TAI64N label with the time and its bound before each line of standard input
///
/// As tai64n does, but TAI, and with how right it is: `@4000.. ±0.000123 line`. tai64nlocal and s6-tai64nlocal read it, and so do
/// localtime and timeline. Where the daemon does not tell the time, the label is by the system clock, and its bound is `?`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Stamp {
    /// Which daemon
    #[command(flatten)]
    pub daemon: cli::Daemon,
}

/// So many bytes are read at once.
const CHUNK: usize = 1 << 16;

/// Without a page one is looked for after this.
const LOOK_INTERVAL: Span = Span::from_secs(1);

/// Stamps lines until the end.
pub fn stamp(arguments: &Stamp) -> anyhow::Result<Outcome> {
    let mut source = Source::of(arguments.daemon.run_dir.join(FILE_NAME));
    let mut input = BufReader::with_capacity(CHUNK, io::stdin().lock());
    let mut output = io::stdout().lock();
    let mut lines = Labeller::default();
    let mut stamped = Vec::new();
    loop {
        let bytes = match input.fill_buf() {
            Ok([]) => return Ok(Outcome::Yes),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(anyhow::Error::new(error).context("cannot read standard input")),
        };
        let (time, bound) = source.now();
        stamped.clear();
        lines.label(bytes, &mut stamped, |to| labelled::write(to, time, bound));
        let length = bytes.len();
        input.consume(length);
        output.write_all(&stamped)?;
        output.flush()?;
    }
}

/// Where in a line the stream is.
#[derive(Default)]
struct Labeller {
    is_within: bool,
}

impl Labeller {
    /// Appends the bytes, with a label before each line that begins in them.
    fn label(&mut self, mut bytes: &[u8], to: &mut Vec<u8>, mut label: impl FnMut(&mut Vec<u8>) -> bool) {
        while !bytes.is_empty() {
            if !self.is_within {
                label(to);
            }
            let end = memchr(b'\n', bytes);
            let (now, later) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            to.extend_from_slice(now);
            self.is_within = end.is_none();
            bytes = later;
        }
    }
}

/// Who tells the time: the daemon, by its page; else the system clock.
struct Source {
    path: PathBuf,
    clock: Option<Clock>,
    looked: Option<Time<Mono>>,
    /// The system clock counts this.
    count: KernelCount,
    has_complained: bool,
}

impl Source {
    fn of(path: PathBuf) -> Self {
        let count = if zone::library_is_right() { KernelCount::TaiLessTen } else { KernelCount::Utc };
        Self { path, clock: None, looked: None, count, has_complained: false }
    }

    /// The likeliest time, and how wrong that is at most, if that is known.
    fn now(&mut self) -> (Time<Tai>, Option<Span>) {
        match self.told() {
            Ok(reading) => (reading.tai.likeliest, Some(reading.bound())),
            Err(reason) => {
                self.complain(&reason);
                (self.count.tai(clock::realtime(), &LeapTable::COMPILED), None)
            }
        }
    }

    fn told(&mut self) -> Result<truechimer_client::Reading, String> {
        if self.clock.is_none() {
            let now = clock::mono();
            if self.looked.is_some_and(|looked| now - looked < LOOK_INTERVAL) {
                return Err("there is no page of a daemon".to_owned());
            }
            self.looked = Some(now);
            self.clock = Some(Clock::open(&self.path).map_err(|error| error.to_string())?);
        }
        let clock = self.clock.as_ref().ok_or("there is no page of a daemon")?;
        clock.now().map_err(|error| error.to_string())
    }

    /// Once, however often it happens. When stderr is gone, the labels have to do.
    fn complain(&mut self, reason: &str) {
        if !self.has_complained {
            self.has_complained = true;
            let place = self.path.display();
            let what = "labels are by the system clock, and nobody knows how right they are (±?)";
            let _ = writeln!(io::stderr(), "truechimer: {place}: {reason}; until that changes, {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labelled(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut lines, mut to) = (Labeller::default(), Vec::new());
        for chunk in chunks {
            lines.label(chunk, &mut to, |to| {
                to.extend_from_slice(b"@ ");
                true
            });
        }
        to
    }

    #[test]
    fn each_line_has_one_label_and_keeps_its_bytes() {
        assert_eq!(labelled(&[b"a\n\nb\0\xff\r\nlast"]), b"@ a\n@ \n@ b\0\xff\r\n@ last");
        assert_eq!(labelled(&[]), b"");
        assert_eq!(labelled(&[b"\n"]), b"@ \n");
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_the_bytes_come(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..60), at in 0usize..60) {
            let (one, other) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(labelled(&[one, other]), labelled(&[&bytes]));
        }
    }
}
