//! A stream of bytes as lines, in bounded memory, whatever the bytes.
//!
//! A line ends with a line feed, which does not belong to it, nor does a carriage return before it. The end of a line that is longer than
//! [`LINE_MAX`] is left out, and the line says so.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

/// Longer lines are cut.
pub const LINE_MAX: usize = 1 << 20;

/// So much is read at once, where it is there.
const CHUNK: usize = 256 << 10;

/// Lines of a stream.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What is in the buffer and was not handed out.
    start: usize,
    end: usize,
    is_over: bool,
    /// The line that was read last.
    line: Range<usize>,
    cut: u64,
}

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// So many more were left out.
    pub cut: u64,
}

impl<R: Read> Lines<R> {
    /// The lines of a stream.
    pub fn of(input: R) -> Self {
        Self { input, buffer: vec![0; CHUNK], start: 0, end: 0, is_over: false, line: 0..0, cut: 0 }
    }

    /// Goes on to the next line, if there is one. A last line without a line feed is one.
    ///
    /// # Errors
    /// Those of the stream, which is not to be read further then.
    pub fn advance(&mut self) -> io::Result<bool> {
        let mut searched = 0;
        loop {
            let fresh = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr(b'\n', fresh) {
                self.found(searched + at, 1);
                return Ok(true);
            }
            searched = self.end - self.start;
            if self.is_over {
                self.found(searched, 0);
                return Ok(searched > 0);
            }
            if searched > LINE_MAX {
                return self.leave_out().map(|()| true);
            }
            self.read_on()?;
        }
    }

    /// The line that was read last; an empty one before the first and after the last.
    pub fn line(&self) -> Line<'_> {
        Line { bytes: &self.buffer[self.line.clone()], cut: self.cut }
    }

    /// Hands the next bytes out, whatever they are, in as many pieces as they come; no line is at hand afterwards. How many there
    /// were: fewer only at the end of the stream.
    ///
    /// # Errors
    /// As [`Lines::advance`].
    pub(crate) fn pass(&mut self, count: u64, mut piece: impl FnMut(&[u8])) -> io::Result<u64> {
        (self.line, self.cut) = (0..0, 0);
        let mut passed = 0;
        while passed < count {
            if self.start == self.end {
                if self.is_over {
                    break;
                }
                self.read_on()?;
            }
            let here = (self.end - self.start).min(usize::try_from(count - passed).unwrap_or(usize::MAX));
            piece(&self.buffer[self.start..self.start + here]);
            self.start += here;
            passed += here as u64;
        }
        Ok(passed)
    }

    /// So many bytes are a line, and so many end it.
    fn found(&mut self, length: usize, end: usize) {
        let from = self.start;
        self.start += length + end;
        let line = &self.buffer[from..from + length];
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        let kept = length.min(LINE_MAX);
        (self.line, self.cut) = (from..from + kept, (length - kept) as u64);
    }

    /// The line is too long: its beginning stays, the rest is read and left out.
    fn leave_out(&mut self) -> io::Result<()> {
        self.line = self.start..self.start + LINE_MAX;
        self.cut = (self.end - self.line.end) as u64;
        self.buffer.resize(self.buffer.len().max(self.line.end + CHUNK), 0);
        loop {
            let read = read_some(&mut self.input, &mut self.buffer[self.line.end..])?;
            (self.start, self.end, self.is_over) = (self.line.end, self.line.end + read, read == 0);
            let at = memchr(b'\n', &self.buffer[self.start..self.end]);
            self.cut += at.unwrap_or(read) as u64;
            self.start = at.map_or(self.end, |at| self.start + at + 1);
            if at.is_some() || self.is_over {
                return Ok(());
            }
        }
    }

    fn read_on(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() < self.end + CHUNK / 2 {
            self.buffer.resize(self.end + CHUNK, 0);
        }
        let read = read_some(&mut self.input, &mut self.buffer[self.end..])?;
        self.end += read;
        self.is_over = read == 0;
        Ok(())
    }
}

fn read_some(input: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream that hands out so many bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(room.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            room[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], at_once: usize) -> Vec<(Vec<u8>, u64)> {
        let mut lines = Lines::of(Drops(bytes, at_once));
        let mut all = Vec::new();
        while lines.advance().expect("memory can be read") {
            let line = lines.line();
            all.push((line.bytes.to_vec(), line.cut));
        }
        all
    }

    #[test]
    fn bad_input_163_ends_of_lines_and_nul_bytes() {
        let all = lines(b"one\r\n\ntw\0o\xff\nthree", 2);
        let texts: Vec<&[u8]> = all.iter().map(|(bytes, _)| &bytes[..]).collect();
        assert_eq!(texts, [&b"one"[..], b"", b"tw\0o\xff", b"three"]);
        assert_eq!(lines(b"", 1), []);
    }

    #[test]
    fn bad_input_163_a_line_that_is_too_long_is_cut_and_says_so() {
        let mut bytes = vec![b'x'; 5 * LINE_MAX];
        bytes.extend_from_slice(b"\nnext\n");
        bytes.extend(vec![b'y'; LINE_MAX + 7]);
        let all = lines(&bytes, usize::MAX);
        let shape: Vec<(usize, u64)> = all.iter().map(|(line, cut)| (line.len(), *cut)).collect();
        assert_eq!(shape, [(LINE_MAX, 4 * LINE_MAX as u64), (4, 0), (LINE_MAX, 7)]);
    }

    #[test]
    fn bad_input_163_a_line_of_a_gigabyte_takes_no_more_memory_than_any() {
        let endless = io::repeat(b'x').take(1 << 30);
        let mut lines = Lines::of(endless);
        assert!(lines.advance().expect("it can be read"));
        let line = lines.line();
        assert_eq!((line.bytes.len(), line.cut), (LINE_MAX, (1 << 30) - LINE_MAX as u64));
        assert!(lines.buffer.len() <= 2 * LINE_MAX, "{}", lines.buffer.len());
        assert!(!lines.advance().expect("it can be read"));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(bytes in proptest::collection::vec(any::<u8>(), 0..400), at_once in 1usize..50) {
            prop_assert_eq!(lines(&bytes, at_once), lines(&bytes, usize::MAX));
            let joined: usize = lines(&bytes, at_once).iter().map(|(line, _)| line.len()).sum();
            prop_assert!(joined <= bytes.len());
        }
    }
}
