//! Records, and which of them agree: the vote.
//!
//! A record is good to within a stated error, and the oscillator is good to within two numbers: the rate is never further
//! from nominal than `max_rate`, and at any time within `max_drift` of its average over any stretch. So any two records
//! limit the rate, and records whose limits meet can all be right. The largest such company among the last few records
//! is believed, and those who were believed before win a tie: one bad record is outvoted whenever it comes, and three in
//! a row of another opinion are believed.

use alloc::vec::Vec;

use truechimer_time::{Raw, Span, Tai, Time};

use super::Assumed;
use super::certain::{self, Certain};
use super::drift::{self, Habits};
use crate::discipline::bracket::Bracket;
use crate::discipline::oscillator::RateLimits;

/// The most records remembered.
pub const HISTORY_MAX: usize = 16;

/// So many of the latest records vote. A majority of them is three.
pub const VOTERS: usize = 5;

/// Which records, by their place in the history: a bit for each.
type Places = u32;

/// What was heard since the counter was last disturbed.
#[derive(Clone, Debug)]
pub(super) struct History {
    assumed: Assumed,
    heard: Vec<Bracket>,
    believed: Company,
}

/// Records that can all be right, and the rate if they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Company {
    places: Places,
    limits: RateLimits,
}

impl Company {
    fn size(self) -> u32 {
        self.places.count_ones()
    }

    fn shares(self, places: Places) -> u32 {
        (self.places & places).count_ones()
    }
}

impl History {
    /// Nothing has been heard yet.
    pub(super) fn new(assumed: Assumed) -> Self {
        let believed = Company { places: 0, limits: assumed.anything() };
        Self { assumed, heard: Vec::new(), believed }
    }

    /// Takes in a record, later than all others, and votes. Is it believed?
    pub(super) fn hear(&mut self, record: Bracket) -> bool {
        self.make_room();
        self.heard.push(record);
        self.believed = self.vote();
        self.is_newest_believed()
    }

    /// Would the newest record be believed if right time had jumped by this just before it? If so, it has: all others
    /// are moved. Who steps the clock may be right, and one record that agrees is a second witness.
    pub(super) fn jump(&mut self, by: Span) -> bool {
        let mut moved = self.clone();
        let Some((_newest, older)) = moved.heard.split_last_mut() else { return false };
        older.iter_mut().for_each(|old| (old.earliest, old.latest) = (old.earliest + by, old.latest + by));
        moved.believed = moved.vote();
        let fits = moved.is_newest_believed();
        if fits {
            *self = moved;
        }
        fits
    }

    /// The believed records, the oldest first.
    pub(super) fn believed(&self) -> impl Iterator<Item = Bracket> {
        let places = self.believed.places;
        let is_believed = move |place: usize| places & (1 << place) != 0;
        self.heard.iter().enumerate().filter(move |(place, _)| is_believed(*place)).map(|(_, record)| *record)
    }

    /// How many are believed.
    pub(super) fn agreeing(&self) -> u32 {
        self.believed.size()
    }

    /// Is the newest record one of those?
    pub(super) fn is_newest_believed(&self) -> bool {
        self.heard.len().checked_sub(1).is_some_and(|newest| self.believed.places & (1 << newest) != 0)
    }

    /// Is a majority of those who vote believed? Otherwise nobody knows who is right.
    pub(super) fn is_majority(&self) -> bool {
        2 * self.believed.shares(self.voters()) > self.voters().count_ones()
    }

    /// When the newest was heard, believed or not.
    pub(super) fn newest(&self) -> Option<Time<Raw>> {
        self.heard.last().map(|record| record.at)
    }

    /// The limits of the rate, if the believed records are right.
    pub(super) fn limits(&self) -> RateLimits {
        self.believed.limits
    }

    /// What is certain since the newest believed record. `None` before the first.
    pub(super) fn certain(&self, habits: Habits) -> Option<Certain> {
        let believed: Vec<Bracket> = self.believed().collect();
        let usual = Certain::always(&believed, self.limits())?;
        let drift = drift::learned(&believed, habits, &self.assumed);
        Some(drift.and_then(|drift| usual.learned(&believed, drift)).unwrap_or(usual))
    }

    fn vote(&self) -> Company {
        let len = self.heard.len();
        let alone = (0..len).map(|place| Company { places: 1 << place, limits: self.assumed.anything() });
        let pairs = (0..len).flat_map(|first| (first + 1..len).map(move |second| (first, second)));
        let companies = alone.chain(pairs.filter_map(|(first, second)| self.company(first, second)));
        // Of equals the last one counts, which is that of the newest records.
        companies.max_by_key(|company| self.votes(*company)).unwrap_or(self.believed)
    }

    /// The latest records decide, then who was believed before, then all.
    fn votes(&self, company: Company) -> (u32, u32, u32) {
        (company.shares(self.voters()), company.shares(self.believed.places), company.size())
    }

    fn voters(&self) -> Places {
        (0..self.heard.len()).rev().take(VOTERS).map(|place| 1 << place).sum()
    }

    /// All that can be right together with these two, the newest asked first.
    fn company(&self, first: usize, second: usize) -> Option<Company> {
        let places = (1 << first) | (1 << second);
        let limits = self.assumed.anything().meet(self.between(first, second))?;
        let others = (0..self.heard.len()).rev().filter(|&place| place != first && place != second);
        Some(others.fold(Company { places, limits }, |company, place| self.joined(company, place)))
    }

    fn joined(&self, company: Company, place: usize) -> Company {
        let members = (0..self.heard.len()).filter(|member| company.places & (1 << member) != 0);
        let limits =
            members.map(|member| self.between(member, place)).try_fold(company.limits, RateLimits::meet);
        match limits {
            Some(limits) => Company { places: company.places | 1 << place, limits },
            None => company,
        }
    }

    /// The rate at any time, if both records are right.
    fn between(&self, one: usize, other: usize) -> RateLimits {
        certain::between(self.heard[one.min(other)], self.heard[one.max(other)], self.assumed.max_drift)
    }

    /// Where there is no room one goes that is not believed, or else the one whose neighbours stand closest together
    /// in proportion to their age. The oldest stays, and so do those who vote.
    fn make_room(&mut self) {
        if self.heard.len() < HISTORY_MAX {
            return;
        }
        let now = self.heard[self.heard.len() - 1].at;
        let crowding = |place: usize| {
            let (before, after) = (self.heard[place - 1].at, self.heard[place + 1].at);
            (after - before).as_seconds() / (now - before).as_seconds().max(1e-9)
        };
        let is_believed = |place: usize| self.believed.places & (1 << place) != 0;
        let may_go = 1..self.heard.len() - VOTERS;
        let goes = may_go
            .min_by(|&a, &b| is_believed(a).cmp(&is_believed(b)).then(crowding(a).total_cmp(&crowding(b))));
        if let Some(place) = goes {
            self.heard.remove(place);
            let (below, above) =
                (self.believed.places & ((1 << place) - 1), self.believed.places >> (place + 1));
            self.believed.places = below | above << place;
        }
    }
}

/// A record as certainty: right time when the counter showed `at` is within `error` of `right`.
pub(super) fn bracket(at: Time<Raw>, right: Time<Tai>, error: Span) -> Bracket {
    Bracket { at, earliest: right - error, latest: right + error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Rate;

    const ASSUMED: Assumed = Assumed {
        error: Span::from_millis(100),
        max_rate: Rate::from_ppb(500_000),
        max_drift: Rate::from_ppb(15_000),
        sudden: Rate::from_ppb(3_000),
    };

    const HABITS: Habits = Habits { noise: 5e-3, walk: 0.0 };

    /// A record of a counter that is 50 ppm slow, `off` wrong.
    fn record(seconds: i64, off: Span) -> Bracket {
        let passed = Span::from_secs(seconds);
        let right = Time::EPOCH + passed + Rate::from_ppb(50_000).over(passed) + off;
        bracket(Time::EPOCH + passed, right, ASSUMED.error)
    }

    fn heard(records: &[(i64, Span)]) -> History {
        let mut history = History::new(ASSUMED);
        for &(seconds, off) in records {
            history.hear(record(seconds, off));
        }
        history
    }

    fn believed(history: &History) -> Vec<i64> {
        history.believed().map(|record| record.at.since_epoch().as_nanos() / 1_000_000_000).collect()
    }

    const FAR: Span = Span::from_secs(1000);

    #[test]
    fn one_bad_record_is_outvoted_whenever_it_comes() {
        let times = [0, 7, 600, 1800, 4200, 9000];
        for off in [FAR, -FAR] {
            for bad in 0..times.len() {
                let records: Vec<_> =
                    times.iter().map(|&t| (t, if t == times[bad] { off } else { Span::ZERO })).collect();
                let good: Vec<i64> = times.into_iter().filter(|&t| t != times[bad]).collect();
                assert_eq!(believed(&heard(&records)), good, "{off} at {}", times[bad]);
            }
        }
    }

    #[test]
    fn a_record_that_makes_a_strange_rate_is_found_out() {
        let slightly = Span::from_millis(400);
        let strange = [(0, Span::ZERO), (7, Span::ZERO), (600, slightly)];
        assert_eq!(believed(&heard(&strange)), [0, 7, 600], "the rate could be 400 ppm");
        let more = [(1800, Span::ZERO), (4200, Span::ZERO)];
        assert_eq!(believed(&heard(&[&strange[..], &more].concat())), [0, 7, 1800, 4200]);
    }

    #[test]
    fn who_was_first_wins_a_tie() {
        assert_eq!(believed(&heard(&[(0, Span::ZERO), (7, FAR)])), [0]);
        assert_eq!(
            believed(&heard(&[(0, Span::ZERO), (600, FAR), (1200, Span::ZERO), (1800, FAR)])),
            [0, 1200]
        );
    }

    #[test]
    fn three_in_a_row_of_another_opinion_are_believed() {
        let shift = Span::from_secs(27);
        let mut records: Vec<_> = (0..12).map(|n| (n * 3600, Span::ZERO)).collect();
        for n in 12..14 {
            records.push((n * 3600, shift));
            assert_eq!(heard(&records).agreeing(), 12);
        }
        records.push((14 * 3600, shift));
        assert_eq!(believed(&heard(&records)), [12 * 3600, 13 * 3600, 14 * 3600]);
    }

    #[test]
    fn a_jump_that_the_newest_record_confirms_has_been() {
        let mut history = heard(&[(0, Span::ZERO), (600, Span::ZERO), (1800, Span::ZERO)]);
        assert!(!history.hear(record(4200, Span::from_secs(-1))));
        assert!(!history.jump(Span::from_secs(3)));
        assert!(history.jump(Span::from_secs(-1)));
        assert_eq!(history.agreeing(), 4);
        assert!(!History::new(ASSUMED).jump(Span::ZERO), "nothing was heard");
    }

    #[test]
    fn the_memory_is_limited_and_keeps_the_oldest_and_the_believed() {
        let mut history = History::new(ASSUMED);
        for n in 0..200 {
            history.hear(record(n * 600, if n % 7 == 3 { FAR } else { Span::ZERO }));
            assert!(history.heard.len() <= HISTORY_MAX);
        }
        assert_eq!(believed(&history)[0], 0);
        assert!(history.agreeing() as usize >= HISTORY_MAX - VOTERS, "{}", history.agreeing());
        assert!(history.limits().error() < Rate::from_ppb(20_000));
    }

    proptest! {
        /// Records within their error, of an oscillator that keeps to what is assumed, are never outvoted.
        #[test]
        fn the_honest_all_agree_and_enclose_the_truth(
            gaps in proptest::collection::vec(1i64..3_000_000, 1..30),
            errors in proptest::collection::vec(-99i64..99, 30),
            ppb in -480_000i64..480_000,
        ) {
            let mut history = History::new(ASSUMED);
            let (mut at, mut right) = (Time::EPOCH, Time::<Tai>::EPOCH);
            for (index, &gap) in gaps.iter().enumerate() {
                let swing = if index % 2 == 0 { 7_000 } else { -7_000 };
                let passed = Span::from_secs(gap);
                at += passed;
                right += passed + Rate::from_ppb(ppb + swing).over(passed);
                let told = right + Span::from_millis(errors[index]);
                prop_assert!(history.hear(bracket(at, told, ASSUMED.error)));
                let believed: Vec<Bracket> = history.believed().collect();
                let certain = Certain::always(&believed, history.limits()).expect("one is believed").bracket;
                prop_assert!(certain.earliest <= right && right <= certain.latest);
                let limits = history.limits();
                prop_assert!(limits.min <= Rate::from_ppb(ppb + swing) && Rate::from_ppb(ppb + swing) <= limits.max);
            }
        }

        /// Whatever is heard, something is believed.
        #[test]
        fn any_records_are_borne(offs in proptest::collection::vec((1i64..100_000, any::<i32>()), 1..30)) {
            let mut history = History::new(ASSUMED);
            let mut at = 0;
            for (gap, off) in offs {
                at += gap;
                history.hear(record(at, Span::from_secs(i64::from(off))));
                prop_assert!(history.agreeing() >= 1 && history.certain(HABITS).is_some());
            }
        }
    }
}
