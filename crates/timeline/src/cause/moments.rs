//! Moments of which it is known that one is so much after another: a system of difference constraints.
//!
//! Each moment lies between two ends, and edges say that one moment is at least so long after another. The bounds are the longest ways
//! through the edges, forwards from the early ends and backwards from the late ones. Where a way from an early end arrives after a
//! late one, or comes back to where it began with time to spare, not all can be true: that way is the smallest part of the system that
//! contradicts itself, and without any one piece of it the rest of it does not.
//!
//! Sweeps go through the moments in the order of time, there and back, until nothing moves: the same system has the same answer.

use truechimer_time::{Rate, Span};

/// Further away is not known: 31,000 years. All ways through the edges are shorter.
const FAR: Span = Span::from_secs(1_000_000_000_000);

/// Why one moment is after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// By a pair that the user named, with its number.
    Pair(usize),
    /// By a clock that was not set, with its number.
    Clock(usize),
}

/// One moment is at least so long after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) earlier: usize,
    pub(super) later: usize,
    pub(super) least: Span,
    pub(super) why: Why,
}

/// Between which ends a moment lies, since the epoch; [`Span::MIN`] and [`Span::MAX`] if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) earliest: Span,
    pub(super) latest: Span,
}

/// The ends of a moment by all that is known, and the moments whose own ends they stem from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) ends: Ends,
    pub(super) from: [usize; 2],
}

/// Moments and edges.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    pub(super) ends: Vec<Ends>,
    pub(super) edges: Vec<Edge>,
}

/// Edges that cannot all be true, each from where the one before it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Impossible {
    /// Numbers of edges.
    pub(super) edges: Vec<usize>,
    /// They lead from the early end of the first moment to the late end of the last one; `false` if they come back to where they began.
    pub(super) has_ends: bool,
    /// By so much.
    pub(super) by: Span,
}

impl Ends {
    pub(super) const NONE: Self = Self { earliest: Span::MIN, latest: Span::MAX };

    fn flipped(self) -> Self {
        Self { earliest: -self.latest, latest: -self.earliest }
    }
}

impl Moments {
    /// The narrowest ends of all moments.
    ///
    /// # Errors
    /// Not all can be true.
    pub(super) fn solve(&self) -> Result<Vec<Bounds>, Impossible> {
        let limits: Vec<Span> = self.ends.iter().map(|ends| ends.latest).collect();
        let start = self.ends.iter().map(|ends| ends.earliest.max(-FAR)).collect();
        let early = self.raise(&self.edges, start, &limits)?;
        let back: Vec<Edge> = self.edges.iter().map(|edge| edge.flipped()).collect();
        let start = self.ends.iter().map(|ends| ends.flipped().earliest.max(-FAR)).collect();
        let unlimited = vec![Span::MAX; self.ends.len()];
        let late = self.raise(&back, start, &unlimited)?;
        let (early_roots, late_roots) = (early.roots(&self.edges), late.roots(&back));
        let bounds = (0..self.ends.len()).map(|at| {
            let known = |value: Span| Some(value).filter(|value| *value > -(FAR / 2));
            let earliest = known(early.value[at]).unwrap_or(Span::MIN);
            let latest = known(late.value[at]).map_or(Span::MAX, |value| -value);
            Bounds { ends: Ends { earliest, latest }, from: [early_roots[at], late_roots[at]] }
        });
        Ok(bounds.collect())
    }

    /// One moment for each, all of them possible together, and none before the one that is wanted for it. What is wanted lies between
    /// the ends that [`Moments::solve`] found.
    pub(super) fn possible(&self, wanted: Vec<Span>, limits: &[Span], apart: Span) -> Option<Vec<Span>> {
        let widened: Vec<Edge> = self
            .edges
            .iter()
            .map(|edge| match edge.why {
                Why::Pair(_) => Edge { least: edge.least + apart, ..*edge },
                Why::Clock(_) => *edge,
            })
            .collect();
        self.raise(&widened, wanted, limits).ok().map(|rise| rise.value)
    }

    /// One moment is at least so long after another by the edges alone, if they lead there.
    pub(super) fn apart(&self, earlier: usize, later: usize) -> Option<Span> {
        let mut start = vec![-FAR; self.ends.len()];
        start[earlier] = Span::ZERO;
        let unlimited = vec![Span::MAX; self.ends.len()];
        let rise = self.raise(&self.edges, start, &unlimited).ok()?;
        Some(rise.value[later]).filter(|value| *value > -(FAR / 2))
    }

    /// Raises the values until all edges hold.
    fn raise(&self, edges: &[Edge], start: Vec<Span>, limits: &[Span]) -> Result<Rise, Impossible> {
        let count = start.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|at| start[*at]);
        let mut leaving = vec![Vec::new(); count];
        for (number, edge) in edges.iter().enumerate() {
            leaving[edge.earlier].push(number);
        }
        let mut rise = Rise { value: start, by: vec![None; count] };
        let mut moved = vec![true; count];
        loop {
            let mut is_still = true;
            for at in &order {
                if !std::mem::take(&mut moved[*at]) {
                    continue;
                }
                for number in &leaving[*at] {
                    let Edge { later, least, .. } = edges[*number];
                    let value = rise.value[*at] + least;
                    if rise.value[later] < value {
                        (rise.value[later], rise.by[later]) = (value, Some(*number));
                        (moved[later], is_still) = (true, false);
                        if limits[later] < value {
                            return Err(rise.way_to(later, edges, limits[later]));
                        }
                    }
                }
            }
            if is_still {
                return Ok(rise);
            }
            if let Some(circle) = rise.circle(edges) {
                return Err(circle);
            }
            order.reverse();
        }
    }
}

impl Edge {
    fn flipped(self) -> Self {
        Self { earlier: self.later, later: self.earlier, ..self }
    }
}

/// What the values have become, and by which edge each was raised last.
struct Rise {
    value: Vec<Span>,
    by: Vec<Option<usize>>,
}

impl Rise {
    /// From which moment's own end each value stems.
    fn roots(&self, edges: &[Edge]) -> Vec<usize> {
        let mut roots: Vec<Option<usize>> = vec![None; self.by.len()];
        for at in 0..self.by.len() {
            let mut way = Vec::new();
            let mut here = at;
            let root = loop {
                match (roots[here], self.by[here]) {
                    (Some(root), _) => break root,
                    (None, None) => break here,
                    (None, Some(edge)) => {
                        way.push(here);
                        here = edges[edge].earlier;
                    }
                }
            };
            way.into_iter().chain([here]).for_each(|passed| roots[passed] = Some(root));
        }
        roots.into_iter().flatten().collect()
    }

    /// The edges that brought a value above its limit; or those of a circle on the way.
    fn way_to(&self, end: usize, edges: &[Edge], limit: Span) -> Impossible {
        if let Some(circle) = self.circle(edges) {
            return circle;
        }
        let mut way = Vec::new();
        let mut here = end;
        while let Some(edge) = self.by[here] {
            way.push(edge);
            here = edges[edge].earlier;
        }
        way.reverse();
        let least: Span = way.iter().map(|edge| edges[*edge].least).sum();
        Impossible { edges: way, has_ends: true, by: self.value[here] + least - limit }
    }

    /// Edges by which a value raised itself.
    fn circle(&self, edges: &[Edge]) -> Option<Impossible> {
        let mut seen_from = vec![usize::MAX; self.by.len()];
        for start in 0..self.by.len() {
            let mut here = start;
            while seen_from[here] == usize::MAX {
                seen_from[here] = start;
                match self.by[here] {
                    Some(edge) => here = edges[edge].earlier,
                    None => break,
                }
            }
            if seen_from[here] == start && self.by[here].is_some() {
                return Some(self.circle_at(here, edges));
            }
        }
        None
    }

    fn circle_at(&self, start: usize, edges: &[Edge]) -> Impossible {
        let mut way = Vec::new();
        let mut here = start;
        while let Some(edge) = self.by[here] {
            way.push(edge);
            here = edges[edge].earlier;
            if here == start {
                break;
            }
        }
        way.reverse();
        let by = way.iter().map(|edge| edges[*edge].least).sum();
        Impossible { edges: way, has_ends: false, by }
    }
}

/// How much true time can have gone by while a clock that nobody set went on: at least, and at most, rounded outwards.
pub(crate) fn gone(by_the_clock: Span, slowest: Rate, fastest: Rate) -> [Span; 2] {
    const ROUNDING: Span = Span::from_attos(2);
    [
        by_the_clock + slowest.over(by_the_clock) - ROUNDING,
        by_the_clock + fastest.over(by_the_clock) + ROUNDING,
    ]
}

#[cfg(test)]
mod tests;
