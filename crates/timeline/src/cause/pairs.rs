//! Finding what belongs together: logs are read one after the other, and lines with the same key meet.
//!
//! Something was sent by one line alone. Where two tell that they sent the same, nobody knows which of them was received, and the key is
//! left out. It may be received by many, by the first line of each log.

use std::collections::BTreeMap;

use truechimer_time::Span;

use super::{Cause, KEY_MAX};
use crate::story::{Told, When};

/// No more lines are kept. One takes less than two kibibytes, with its key and all that is computed of it.
pub const LINES_MAX: usize = 1 << 18;

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// In which log, counted from 0.
    pub log: usize,
    /// Which line of it, counted from 1.
    pub number: u64,
}

/// A line that says something of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Where it is.
    pub place: Place,
    /// Whose it is, counted from 0.
    pub host: usize,
    /// When it was written, by the clock of its host alone.
    pub when: When,
}

/// One line was before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The line that tells that something was sent, by its number among the marked ones.
    pub sent: usize,
    /// The line that tells that it was received.
    pub received: usize,
    /// So much later, at least.
    pub least: Span,
    /// By which cause, counted from 0.
    pub cause: usize,
}

/// What became of the lines that one cause has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// So many pairs.
    pub pairs: u64,
    /// So many keys were sent and never received.
    pub not_received: u64,
    /// So many keys were received and never sent.
    pub not_sent: u64,
    /// So many keys were sent more than once.
    pub sent_twice: u64,
    /// So many lines have a key that is too long.
    pub too_long: u64,
    /// So many lines have no stamp.
    pub without_stamp: u64,
    /// So many lines were too many.
    pub too_many: u64,
}

/// Looks for pairs in lines.
#[derive(Debug)]
pub struct Search<'a> {
    causes: &'a [Cause],
    /// Lines that are kept whether they match or not, and the line that each of them is or belongs to.
    asked: Vec<(Place, Option<usize>)>,
    lines: Vec<Marked>,
    /// The last line with a stamp.
    above: Option<Marked>,
    by_key: BTreeMap<(usize, Vec<u8>), Met>,
    tallies: Vec<Tally>,
    lines_max: usize,
}

/// Which lines have met by a key.
#[derive(Debug, Default)]
struct Met {
    sent: Sent,
    received: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Sent {
    #[default]
    Never,
    Once(usize),
    Often,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The lines that say something of others.
    pub lines: Vec<Marked>,
    /// What they say.
    pub pairs: Vec<Pair>,
    /// What became of the lines of each cause.
    pub tallies: Vec<Tally>,
    /// The lines that were asked for: themselves, or the line above that they belong to. `None` if there is none.
    pub asked: Vec<Option<usize>>,
}

impl<'a> Search<'a> {
    /// A search for pairs by these causes, and for single lines.
    pub fn of(causes: &'a [Cause], asked: &[Place]) -> Self {
        Self {
            causes,
            asked: asked.iter().map(|place| (*place, None)).collect(),
            lines: Vec::new(),
            above: None,
            by_key: BTreeMap::new(),
            tallies: vec![Tally::default(); causes.len()],
            lines_max: LINES_MAX,
        }
    }

    /// The next line: one log after the other, and each from its beginning.
    pub fn take_in(&mut self, place: Place, told: &Told<'_>) {
        let line = told.when.map(|when| Marked { place, host: told.host, when });
        self.above = line.or_else(|| self.above.filter(|above| above.place.log == place.log));
        for asked in 0..self.asked.len() {
            if self.asked[asked].0 == place
                && let Some(above) = self.above
            {
                let known = self.lines.iter().rposition(|known| known.place == above.place);
                self.asked[asked].1 = Some(known.unwrap_or_else(|| self.mark(above)));
            }
        }
        let causes = self.causes;
        for (number, cause) in causes.iter().enumerate() {
            let sent = cause.sent(told.line.bytes);
            let received = cause.received(told.line.bytes);
            // What is both is no message from one to another.
            match (sent, received) {
                (Some(key), received) if received.as_ref() != Some(&key) => {
                    self.meet(number, key, line, true);
                    received.into_iter().for_each(|key| self.meet(number, key, line, false));
                }
                (None, Some(key)) => self.meet(number, key, line, false),
                (Some(_), _) | (None, None) => {}
            }
        }
    }

    fn meet(&mut self, cause: usize, key: Vec<u8>, line: Option<Marked>, is_sent: bool) {
        let tally = &mut self.tallies[cause];
        let Some(line) = line else {
            tally.without_stamp += 1;
            return;
        };
        if key.len() > KEY_MAX {
            tally.too_long += 1;
            return;
        }
        let key = (cause, key);
        if is_sent && let Some(met) = self.by_key.get_mut(&key) {
            // That it was sent twice is seen however many lines there are.
            if !matches!(met.sent, Sent::Never) {
                met.sent = Sent::Often;
                return;
            }
        }
        let has_come_here =
            |met: &Met| met.received.last().is_some_and(|last| self.lines[*last].place.log == line.place.log);
        if !is_sent && self.by_key.get(&key).is_some_and(has_come_here) {
            return;
        }
        if self.lines.len() >= self.lines_max {
            tally.too_many += 1;
            return;
        }
        let at = self.mark(line);
        let met = self.by_key.entry(key).or_default();
        match is_sent {
            true => met.sent = Sent::Once(at),
            false => met.received.push(at),
        }
    }

    fn mark(&mut self, line: Marked) -> usize {
        if self.lines.last().is_none_or(|last| last.place != line.place) {
            self.lines.push(line);
        }
        self.lines.len() - 1
    }

    /// What was found.
    pub fn end(self) -> Found {
        let mut tallies = self.tallies;
        let mut pairs = Vec::new();
        for ((cause, _), met) in self.by_key {
            let tally = &mut tallies[cause];
            match met.sent {
                Sent::Never => tally.not_sent += 1,
                Sent::Often => tally.sent_twice += 1,
                Sent::Once(_) if met.received.is_empty() => tally.not_received += 1,
                Sent::Once(sent) => {
                    let least = self.causes[cause].least();
                    pairs.extend(met.received.iter().map(|received| Pair {
                        sent,
                        received: *received,
                        least,
                        cause,
                    }));
                    tally.pairs += met.received.len() as u64;
                }
            }
        }
        pairs.sort();
        let asked = self.asked.into_iter().map(|(_, line)| line).collect();
        Found { lines: self.lines, pairs, tallies, asked }
    }
}

#[cfg(test)]
mod tests;
