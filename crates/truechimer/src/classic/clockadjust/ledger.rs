//! How much TAICLOCK has moved the clock within a day, and whether it may move it further.

use truechimer_time::{Mono, Span, Time};

/// The text of the TAICLOCK protocol: clients "should limit the total daily adjustment to 60 seconds at most".
pub const DAILY_LIMIT: Span = Span::from_secs(60);
const DAY: Span = Span::from_secs(86_400);

/// What is moved within so long is one entry, which counts until all of it is a day old.
const BIN: Span = Span::from_secs(600);

/// More than a day and one bin have: a file with more is not ours.
pub const ENTRIES_MAX: usize = 160;

/// The adjustments of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Entry>,
}

/// Some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the first of them was made.
    pub since: Time<Mono>,
    /// All of them together, without their signs.
    pub amount: Span,
}

impl Ledger {
    /// With entries that were kept, from the oldest on.
    pub fn of(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// All that count, from the oldest on.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes down that the clock is moved by so much now.
    ///
    /// # Errors
    /// It would be too much: the sum that it would make. Nothing is written down then.
    pub fn spend(&mut self, amount: Span, now: Time<Mono>) -> Result<(), Span> {
        self.entries.retain(|entry| now - entry.since < DAY + BIN);
        let sum = self.entries.iter().fold(amount, |sum, entry| sum + entry.amount);
        if sum > DAILY_LIMIT {
            return Err(sum);
        }
        match self.entries.last_mut().filter(|last| now - last.since < BIN) {
            Some(last) => last.amount += amount,
            None => self.entries.push(Entry { since: now, amount }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time<Mono> {
        Time::EPOCH + Span::from_secs(seconds)
    }

    #[test]
    fn a_day_has_sixty_seconds_to_spend() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.spend(Span::from_secs(61), at(0)), Err(Span::from_secs(61)));
        assert_eq!(ledger.spend(Span::from_secs(40), at(0)), Ok(()));
        assert_eq!(ledger.spend(Span::from_secs(30), at(80_000)), Err(Span::from_secs(70)));
        assert_eq!(ledger.spend(Span::from_secs(20), at(80_000)), Ok(()));
        assert_eq!(ledger.spend(Span::from_secs(40), at(87_000)), Ok(()), "the first was yesterday");
    }

    #[test]
    fn the_most_frequent_measurements_fit_into_it() {
        let mut ledger = Ledger::default();
        for second in 0..200_000 {
            assert_eq!(ledger.spend(Span::from_micros(100), at(second)), Ok(()), "{second}");
            assert!(ledger.entries().len() <= ENTRIES_MAX);
        }
    }
}
