//! What the servers of a clock said, each by itself, and what a majority of them allows.
//!
//! **No server is believed alone where there are others.** Whenever an answer came, each server that was asked about then says between
//! which two moments it was, carried from its own exchanges at what any clock gains or loses; what a majority of them allows is known. Where
//! there is no majority nothing is. Whoever asks a single server believes that one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use truechimer_time::{Local, Span, Time};

use crate::course::{Contradiction, Course, Evidence, Knot, Rates, Stretch, Triples};
use crate::interval::Interval;

/// A server votes for so long before and after an exchange with it: two of ntpd's longest usual intervals.
pub(super) const ABOUT: Span = Span::from_secs(2048);

/// No log has more servers that are heard.
pub(super) const SERVERS_MAX: usize = 64;

/// So many exchanges are kept, half a year of four servers each minute; what comes after them is left out and counted.
const EXCHANGES_MAX: usize = 1 << 20;

/// What was heard of each server, in the making.
#[derive(Clone, Debug)]
pub(super) struct Heard<T> {
    of: BTreeMap<IpAddr, Vec<T>>,
    count: usize,
    left_out: u64,
}

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), count: 0, left_out: 0 }
    }
}

impl<T> Heard<T> {
    /// Takes in what was heard of a server at one exchange.
    pub(super) fn take_in(&mut self, server: IpAddr, what: T) {
        let is_new = !self.of.contains_key(&server);
        if self.count >= EXCHANGES_MAX || is_new && self.of.len() == SERVERS_MAX {
            self.left_out += 1;
            return;
        }
        self.count += 1;
        self.of.entry(server).or_default().push(what);
    }

    /// Is there anything?
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// So many exchanges were left out, because there were too many.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What was heard of each, in the order in which it came.
    pub(super) fn of_each(self) -> impl Iterator<Item = Vec<T>> {
        self.of.into_values()
    }
}

impl Heard<Knot> {
    /// The course, with what the journal tells of the clock, and where it contradicts itself.
    pub(super) fn course(self, triples: Triples) -> (Course, Vec<Contradiction>) {
        let mut readings: Vec<Time<Local>> = self.of.values().flatten().map(|knot| knot.reading).collect();
        readings.sort_unstable();
        readings.dedup();
        let servers: Vec<Server> = self.of_each().map(Server::of).collect();
        let mut pieces: Vec<Vec<Knot>> = vec![Vec::new()];
        for reading in readings {
            let votes: Vec<Interval> = servers.iter().filter_map(|server| server.vote(reading)).collect();
            let knot = majority(&votes).map(|truth| knot(reading, truth));
            let last = pieces.last().and_then(|piece| piece.last());
            let goes_on = last.zip(knot).is_some_and(|(last, knot)| last.leads_to(&knot));
            if !goes_on {
                pieces.push(Vec::new());
            }
            let piece = pieces.last_mut().expect("there is always one");
            piece.extend(knot);
        }
        Course::laid(pieces, triples)
    }
}

/// What one server said, in pieces in which it did not contradict itself.
struct Server {
    pieces: Vec<Stretch>,
}

impl Server {
    fn of(mut knots: Vec<Knot>) -> Self {
        knots.sort_by_key(|knot| knot.reading);
        let pieces = knots.chunk_by(|before, after| before.leads_to(after));
        // Where each leads to the next, but three of them not to each other, nothing is said.
        Self { pieces: pieces.filter_map(|piece| Stretch::of(piece.to_vec()).ok()).collect() }
    }

    /// When the own clock showed a reading, by this server; nothing if it was not asked about then, or contradicted itself.
    fn vote(&self, reading: Time<Local>) -> Option<Interval> {
        // No piece begins before the one before it has ended.
        let ends = |piece: &Stretch| piece.knots().last().map(|knot| knot.reading);
        let begin = self.pieces.partition_point(|piece| ends(piece) < Some(reading - ABOUT));
        let reaches = |piece: &&Stretch| {
            let (first, last) = piece.knots().first().zip(piece.knots().last())?;
            let is_about = first.reading - ABOUT <= reading;
            is_about.then_some(first.reading <= reading && reading <= last.reading)
        };
        let mut able = self.pieces[begin..].iter().map_while(|piece| Some((reaches(&piece)?, piece)));
        let (is_within, piece) = able.next()?;
        let others: Vec<_> = able.collect();
        let mut within = others.iter().filter(|(is_within, _)| *is_within);
        let piece = match (is_within, others.is_empty(), within.next(), within.next()) {
            (_, true, _, _) | (true, _, None, _) => piece,
            (false, _, Some((_, other)), None) => other,
            (_, _, _, _) => return None,
        };
        let about = piece.knots().partition_point(|knot| knot.reading <= reading);
        let near = [about.checked_sub(1), Some(about)].into_iter().flatten();
        let mut near = near.filter_map(|at| piece.knots().get(at));
        near.any(|knot| (knot.reading - reading).abs() <= ABOUT).then(|| piece.truth_of(reading))?
    }
}

/// From the first to the last moment that more than half of them allow.
fn majority(votes: &[Interval]) -> Option<Interval> {
    let enough = votes.len() / 2 + 1;
    let allowed = |at| votes.iter().filter(|vote| vote.earliest <= at && at <= vote.latest).count() >= enough;
    // It can begin only where one of them begins, and end where one ends.
    let earliest = votes.iter().map(|vote| vote.earliest).filter(|at| allowed(*at)).min()?;
    let latest = votes.iter().map(|vote| vote.latest).filter(|at| allowed(*at)).max()?;
    Some(Interval { earliest, best: earliest + (latest - earliest) / 2, latest })
}

/// The true time of a reading, by ntpd's servers.
pub(super) fn knot(reading: Time<Local>, truth: Interval) -> Knot {
    Knot { reading, truth, rates: Rates::ANY, held: None, aside: Span::ZERO, evidence: Evidence::Ntpd }
}
