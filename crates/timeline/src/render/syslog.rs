//! RFC 5424: the true time in the header, how well it is known as `timeQuality` (section 7.1), the line as it was as the message.

use std::io::{self, Write};

use super::Named;
use super::face::{Face, Scale};

/// Facility user, severity notice: a line does not tell its own.
const PRIORITY: &str = "<13>";

pub(super) struct Syslog {
    face: Face,
    line: Vec<u8>,
}

impl Default for Syslog {
    fn default() -> Self {
        Self { face: Face::new(Scale::Utc), line: Vec::new() }
    }
}

impl Syslog {
    pub(super) fn tell(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let interval = named.told.interval();
        self.line.clear();
        self.line.extend_from_slice(PRIORITY.as_bytes());
        self.line.extend_from_slice(b"1 ");
        let quality = match interval.is_bounded() {
            true => {
                // The standard allows six digits, and has no second 60: such a moment is one within what is said of it.
                self.face.append(&mut self.line, interval.best, 6);
                let micros = interval.bound().as_micros().saturating_add(2);
                format!("[timeQuality tzKnown=\"1\" isSynced=\"1\" syncAccuracy=\"{micros}\"]")
            }
            false => {
                self.line.push(b'-');
                "[timeQuality tzKnown=\"0\" isSynced=\"0\"]".to_owned()
            }
        };
        let host = named.host.split_whitespace().next().unwrap_or("-");
        write!(self.line, " {host} - - - {quality} ")?;
        self.line.extend_from_slice(named.told.line.bytes);
        self.line.push(b'\n');
        out.write_all(&self.line)
    }
}
