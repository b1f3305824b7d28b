//! `truechimer localtime`: the labels of lines as local time. What is no label goes through as it came.

use std::io::{self, BufRead, BufReader, Write};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memchr::memchr;
use truechimer_time::{Civil, LeapTable, Span, Tai, Time};
use truechimer_timeline::labelled::{HEAD_MAX, Labelled, Mark};

use crate::command::Outcome;

/// Write the labels at the beginning of lines of standard input as local time
///
/// Those of truechimer stamp, with their bound, and those of tai64n, multilog and s6-log. All other lines are left as they are.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Localtime {
    /// Write UTC instead
    #[arg(long)]
    pub utc: bool,
    /// How labels without a bound are made; without this they are taken for TAI
    #[arg(long, value_name = "LABELS", value_enum)]
    pub labels: Option<Made>,
}

/// How labels are made.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// They are TAI: s6-log, s6-tai64n
    Tai,
    /// They are the clock and ten seconds: multilog and tai64n on a clock that counts UTC
    #[value(name = "clock+10")]
    ClockAndTen,
}

/// So many bytes are read at once.
const CHUNK: usize = 1 << 16;

/// What multilog and tai64n add to the clock.
const TEN: Span = Span::from_secs(10);

/// Rewrites lines until the end.
pub fn localtime(arguments: &Localtime) -> anyhow::Result<Outcome> {
    let zone = if arguments.utc { None } else { zone() };
    let face = Face { zone, made: arguments.labels.unwrap_or(Made::Tai) };
    let mut input = BufReader::with_capacity(CHUNK, io::stdin().lock());
    let mut output = io::stdout().lock();
    let mut lines = Rewriter { face, head: Some(Vec::new()), has_guessed: false };
    let mut written = Vec::new();
    let mut has_complained = arguments.labels.is_some();
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(anyhow::Error::new(error).context("cannot read standard input")),
        };
        let length = bytes.len();
        written.clear();
        match bytes {
            [] => lines.end(&mut written),
            bytes => lines.rewrite(bytes, &mut written),
        }
        input.consume(length);
        output.write_all(&written)?;
        output.flush()?;
        if lines.has_guessed && !has_complained {
            has_complained = true;
            let help = "if multilog or tai64n made them, say --labels clock+10, which is 27 s apart";
            // When stderr is gone, nobody wants to know.
            let _ = writeln!(io::stderr(), "truechimer: labels without a bound are taken for TAI; {help}");
        }
        if length == 0 {
            return Ok(Outcome::Yes);
        }
    }
}

/// The zone of this process or of the machine. Where there is none, the C library takes UTC, and so do we, with a word.
fn zone() -> Option<TimeZone> {
    let found = TimeZone::try_system();
    if let Err(error) = &found {
        // When stderr is gone, the Z behind the dates has to do.
        let _ = writeln!(io::stderr(), "truechimer: the zone is not known, and dates are in UTC: {error}");
    }
    found.ok()
}

/// Rewrites a stream, of which it holds no more than the beginning of a line.
struct Rewriter {
    face: Face,
    /// The beginning of the line, as long as it may still be a label; `None` behind it.
    head: Option<Vec<u8>>,
    /// A label did not say what it is.
    has_guessed: bool,
}

impl Rewriter {
    fn rewrite(&mut self, mut bytes: &[u8], to: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes).map(|end| end + 1);
            let (now, later) = bytes.split_at(end.unwrap_or(bytes.len()));
            bytes = later;
            match &mut self.head {
                None => to.extend_from_slice(now),
                Some(head) => {
                    head.extend_from_slice(now);
                    if end.is_some() || HEAD_MAX < head.len() || head.first() != Some(&b'@') {
                        self.end(to);
                    }
                }
            }
            self.head = if end.is_some() { Some(Vec::new()) } else { self.head.take() };
        }
    }

    /// What is held is all that comes of the beginning of this line.
    fn end(&mut self, to: &mut Vec<u8>) {
        let Some(head) = self.head.take() else { return };
        let found = Labelled::read(&head);
        let date = found.as_ref().and_then(|label| self.face.date(label));
        match found.zip(date) {
            Some((label, date)) => {
                self.has_guessed |= label.mark == Mark::Bare;
                to.extend_from_slice(date.as_bytes());
                to.extend_from_slice(&head[label.length..]);
            }
            None => to.extend_from_slice(&head),
        }
    }
}

/// How dates are written.
struct Face {
    /// UTC without one.
    zone: Option<TimeZone>,
    made: Made,
}

impl Face {
    /// A label as RFC 3339 has it, with as many digits as it had; `None` beyond all calendars.
    fn date(&self, label: &Labelled) -> Option<String> {
        let (time, is_leap) = self.count(label);
        let (seconds, attos) = time.since_epoch().split();
        let timestamp = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        let digits = match label.resolution.as_attos() {
            1 => 18,
            1_000_000_000 => 9,
            _ => 0,
        };
        let fraction = match digits {
            0 => String::new(),
            digits => format!(".{}", &format!("{attos:018}")[..digits]),
        };
        let zoned = timestamp.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC));
        let offset = if self.zone.is_some() { zoned.strftime("%:z").to_string() } else { "Z".to_owned() };
        let second = if is_leap { 60 } else { zoned.second() };
        Some(format!("{}:{second:02}{fraction}{offset}", zoned.strftime("%Y-%m-%dT%H:%M")))
    }

    /// The count of POSIX; in a leap second that of the second before it, and that it is one.
    fn count(&self, label: &Labelled) -> (Time<truechimer_time::Utc>, bool) {
        match (label.mark, self.made) {
            (Mark::Bare, Made::ClockAndTen) => (Time::from_epoch(label.time.since_epoch() - TEN), false),
            (Mark::Bare, Made::Tai) | (Mark::Unknown | Mark::Within(_), _) => of_tai(label.time),
        }
    }
}

fn of_tai(time: Time<Tai>) -> (Time<truechimer_time::Utc>, bool) {
    let utc = LeapTable::COMPILED.utc_of_tai(time);
    let is_leap = Civil::of_reading(utc).is_leap_second();
    (if is_leap { utc.time - Span::from_secs(1) } else { utc.time }, is_leap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rewritten(chunks: &[&[u8]], zone: Option<&str>, made: Made) -> String {
        let zone = zone.map(|name| TimeZone::get(name).expect("a zone of this machine"));
        let mut lines = Rewriter { face: Face { zone, made }, head: Some(Vec::new()), has_guessed: false };
        let mut to = Vec::new();
        for chunk in chunks {
            lines.rewrite(chunk, &mut to);
        }
        lines.end(&mut to);
        String::from_utf8_lossy(&to).into_owned()
    }

    fn in_utc(line: &str) -> String {
        rewritten(&[line.as_bytes()], None, Made::Tai)
    }

    #[test]
    fn labels_are_dates_and_bounds_stay() {
        assert_eq!(
            in_utc("@400000006b03f2c31dcd6500 ±0.000123 a\n"),
            "2026-11-23T08:00:30.500000000Z ±0.000123 a\n"
        );
        let berlin = |line: &str, made| rewritten(&[line.as_bytes()], Some("Europe/Berlin"), made);
        assert_eq!(berlin("@400000006b03f2c3", Made::Tai), "2026-11-23T09:00:30+01:00");
        let ten = berlin("@400000006b03f2c31dcd6500 a\n@400000006b03f2c31dcd6500 ±? b\n", Made::ClockAndTen);
        assert_eq!(ten, "2026-11-23T09:00:57.500000000+01:00 a\n2026-11-23T09:00:30.500000000+01:00 ±? b\n");
    }

    #[test]
    fn a_leap_second_has_its_own_name() {
        assert_eq!(in_utc("@40000000586846a41dcd6500 x"), "2016-12-31T23:59:60.500000000Z x");
        let there = rewritten(&[b"@40000000586846a4 x"], Some("Asia/Kolkata"), Made::Tai);
        assert_eq!(there, "2017-01-01T05:29:60+05:30 x");
    }

    #[test]
    fn all_else_is_left_as_it_is() {
        for line in [
            "",
            "\n",
            "@\n",
            "text @400000006b03f2c31dcd6500\n",
            "@400000006b03f2c31dcd650\n",
            "@7fffffffffffffff x\n",
            "@400000006b03f2c31dcd6500x\n",
        ] {
            assert_eq!(in_utc(line), line);
        }
        let long = format!("@{}\n", "4".repeat(200_000));
        assert_eq!(in_utc(&long), long);
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_the_bytes_come(lines in "(@400000006b03f2c31dcd6500 ±0.5 a|@4|x)\n?(@400000006b03f2c3|[ -~]{0,90})\n?", at in 0usize..120) {
            let at = at.min(lines.len());
            let chunks = [&lines.as_bytes()[..at], &lines.as_bytes()[at..]];
            prop_assert_eq!(rewritten(&chunks, None, Made::Tai), in_utc(&lines));
        }
    }
}
