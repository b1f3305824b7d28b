//! ntpd's `rawstats` (ntp.conf(5), `statistics rawstats`), of NTPsec and of the reference implementation since 4.2.8.
//!
//! ```text
//! 61367 45851.330 203.0.113.15 192.0.2.1 4004426651.3305 4004426651.3306 .. .. 0 4 4 2 6 -24 0.000732 0.000015 198.51.100.7 ..
//! MJD   UTC       server       own       t1              t2              t3 t4 L V M St P pr  root     root     reference
//!                                                                                         delay    dispersion
//! ```
//!
//! Each line is an exchange: what the own clock showed when the question left (t1) and when the answer came (t4), and the server's in between
//! (t2, t3). The server's clock was ahead of the own by no less than t3 - t4 and no more than t2 - t1, and the server itself was wrong by no more
//! than its root distance, by its own word. Below 4.2.8 the root distance is not written down, and then there is
//! no evidence, but for who knows how right the servers were.
//!
//! No server is believed alone where there are others ([`super::servers`]).

use std::net::IpAddr;

use truechimer_time::{LeapTable, Span, Time, Utc};

use super::servers::{Heard, knot};
use crate::course::{Contradiction, Course, Knot, RATE_MAX, Triples};
use crate::interval::Interval;

/// An exchange is written down so soon after the answer came, by the same clock.
const WRITTEN_WITHIN: Span = Span::from_secs(60);

/// 1970 in the count of NTP, which begins in 1900 (RFC 5905, section 6).
const UNIX_EPOCH: i64 = 2_208_988_800;

/// 1970 in modified Julian days.
const UNIX_DAY: i64 = 40_587;

/// Era of NTP.
const ERA: i64 = 1 << 32;

/// Root delay and dispersion count parts of 2^16 to the second (RFC 5905, section 6), and are cut or rounded by one.
const SHORT: Span = Span::from_nanos(15_259);

/// So many columns there are below 4.2.8.
const STAMPS: usize = 8;

/// What ntpd adds to its own stamps at random, and what nine digits leave out: less than this.
const FUZZ: Span = Span::from_micros(1);

/// The course of a clock by the exchanges of its ntpd, in the making.
#[derive(Clone, Debug, Default)]
pub struct Rawstats {
    servers: Heard<Knot>,
    /// So wrong is a server at most that does not say it.
    within: Option<Span>,
}

/// Is this the beginning of such a file?
pub fn is_rawstats(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    str::from_utf8(line).is_ok_and(|line| columns(line).is_some())
}

/// The columns of a line, if it can be one: the stamps are in the count of NTP.
fn columns(line: &str) -> Option<Vec<&str>> {
    let columns: Vec<&str> = line.split_ascii_whitespace().take(32).collect();
    let is_stamp =
        |text: &&str| text.len() > 11 && text.as_bytes()[10] == b'.' && text.parse::<f64>().is_ok();
    let is_one = columns.len() >= 8
        && columns[0].len() == 5
        && columns[0].bytes().all(|byte| byte.is_ascii_digit())
        && columns[2].parse::<IpAddr>().is_ok()
        && columns[4..8].iter().all(is_stamp);
    is_one.then_some(columns)
}

impl Rawstats {
    /// Somebody says that no server was ever wrong by more than this, but for a minority of liars. It counts where the file does not tell.
    pub fn within(within: Option<Span>) -> Self {
        Self { within, ..Self::default() }
    }

    /// Takes in the next line.
    pub fn take_in(&mut self, line: &[u8]) {
        if let Some((server, knot)) = str::from_utf8(line).ok().and_then(|line| exchange(line, self.within)) {
            self.servers.take_in(server, knot);
        }
    }

    /// Is there anything?
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// So many exchanges were left out, because there were too many.
    pub fn left_out(&self) -> u64 {
        self.servers.left_out()
    }

    /// The course, with what the journal tells of the clock, and where it contradicts itself.
    pub fn course(self, triples: Triples) -> (Course, Vec<Contradiction>) {
        self.servers.course(triples)
    }
}

/// What a line says, if a server that knew the time has answered; one that does not say how right it was is within this.
fn exchange(line: &str, within: Option<Span>) -> Option<(IpAddr, Knot)> {
    let columns = columns(line)?;
    let server: IpAddr = columns[2].parse().ok()?;
    let about = written(columns[0], columns[1])?;
    let stamp = |text| unix(text, about);
    let [t1, t2, t3, t4] = [stamp(columns[4])?, stamp(columns[5])?, stamp(columns[6])?, stamp(columns[7])?];
    let is_of_then = (t4 - about).abs() <= WRITTEN_WITHIN;
    if is_clock(&server) || !is_of_then || t4 < t1 || t3 < t2 {
        return None;
    }
    let width = FUZZ + if columns.len() == STAMPS { within? } else { distance(&columns)? };
    // What the server showed when the answer came: it had sent it, and so much had gone by since it can have got the question.
    let gone = t4 - t1;
    let [earliest, latest] = [t3 - width, t2 + gone + RATE_MAX.over(gone) + width];
    let best = t3 + (gone - (t3 - t2)) / 2;
    let tai = |utc: Time<Utc>| LeapTable::COMPILED.tai_of_utc(utc);
    let truth = Interval { earliest: tai(earliest), best: tai(best), latest: tai(latest) };
    (earliest <= latest).then(|| (server, knot(Time::from_epoch(t4.since_epoch()), truth)))
}

/// How far a server was from its reference by its own word, if it knew the time.
fn distance(columns: &[&str]) -> Option<Span> {
    let number = |at: usize| columns.get(at)?.parse::<i64>().ok();
    let [leap, mode, stratum] = [number(8)?, number(10)?, number(11)?];
    let precision = number(13).filter(|precision| (-32..=0).contains(precision))?;
    if !(0..3).contains(&leap) || mode != 4 || !(1..16).contains(&stratum) {
        return None;
    }
    let [delay, dispersion] = [seconds(columns.get(14)?)?, seconds(columns.get(15)?)?];
    Some(delay / 2 + dispersion + SHORT * 2 + Span::from_seconds(2f64.powi(precision as i32)))
}

/// Is it no server but a clock of the machine's own?
pub(super) fn is_clock(server: &IpAddr) -> bool {
    matches!(server, IpAddr::V4(address) if address.octets()[..2] == [127, 127])
}

/// When the line was written, about.
pub(super) fn written(day: &str, second: &str) -> Option<Time<Utc>> {
    let day: i64 = day.parse().ok()?;
    Some(Time::from_epoch(Span::from_secs((day - UNIX_DAY) * 86_400) + seconds(second)?))
}

/// A stamp in the count of NTP, in the era in which it is nearest to that.
fn unix(text: &str, about: Time<Utc>) -> Option<Time<Utc>> {
    let (whole, part) = text.split_once('.')?;
    let whole: i64 = whole.parse().ok().filter(|whole| (1..ERA).contains(whole))?;
    let part = seconds(&format!("0.{part}"))?;
    let now = (about.since_epoch().as_seconds()) as i64;
    let era = (now + UNIX_EPOCH - whole + ERA / 2).div_euclid(ERA);
    Some(Time::from_epoch(Span::from_secs(whole + era * ERA - UNIX_EPOCH) + part))
}

/// Seconds with a fraction, not negative and less than a day or so.
pub(super) fn seconds(text: &str) -> Option<Span> {
    let seconds: f64 = text.parse().ok()?;
    (0.0..100_000.0).contains(&seconds).then(|| Span::from_seconds(seconds))
}

#[cfg(test)]
mod tests;
