//! Of all lines those that can have been written within a stretch of time.

use truechimer_time::{Tai, Time};

use crate::story::Told;

/// A stretch of time, both ends included, and for each log whether the line above was of it.
#[derive(Clone, Debug, Default)]
pub struct Window {
    from: Option<Time<Tai>>,
    to: Option<Time<Tai>>,
    above: Vec<bool>,
}

impl Window {
    /// Between two instants; without one, from the beginning or to the end.
    pub fn of(from: Option<Time<Tai>>, to: Option<Time<Tai>>) -> Self {
        Self { from, to, above: Vec::new() }
    }

    /// Can the line have been written within? Without evidence its clock's word counts. A line that says nothing goes with the one
    /// above it in its log.
    pub fn takes(&mut self, told: &Told<'_>) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        if self.above.len() <= told.log {
            self.above.resize(told.log + 1, true);
        }
        let above = &mut self.above[told.log];
        if let Some(reach) = told.when.and_then(|when| when.reach()) {
            let is_late = self.to.is_some_and(|to| to < reach.earliest);
            let is_early = self.from.is_some_and(|from| reach.latest < from);
            *above = !is_late && !is_early;
        }
        *above
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Hints;
    use crate::story::{Host, Hosts, Log, Whose, tell};
    use truechimer_time::{Civil, LeapTable, Span};

    fn instant(text: &str) -> Time<Tai> {
        text.parse::<Civil>().expect("a date").tai(&LeapTable::COMPILED).expect("it is one")
    }

    /// The lines that a window takes of a log whose clock is right to a second, or of which nothing is known.
    fn taken(log: &str, assumed: Option<Span>, from: Option<&str>, to: Option<&str>) -> Vec<String> {
        let mut hosts = Hosts::of(vec![Host { assumed, ..Host::default() }]);
        let mut logs = [Log::of(log.as_bytes(), Whose::Only(0), Hints::default())];
        let mut window = Window::of(from.map(instant), to.map(instant));
        let mut taken = Vec::new();
        let told = tell(&mut hosts, &mut logs, |_, told| {
            if window.takes(told) {
                taken.push(String::from_utf8_lossy(told.line.bytes).into_owned());
            }
            Ok(())
        });
        told.expect("memory can be read");
        taken
    }

    const LOG: &str = "head\n2026-11-23T08:00:00.000000Z a\n  more of a\n2026-11-23T08:00:05.000000Z b\n2026-11-23T08:00:09.000000Z c\n  more of c\n";

    #[test]
    fn a_line_is_taken_if_its_interval_touches_the_window() {
        let [a, more, b, c, more_of_c] = [
            "2026-11-23T08:00:00.000000Z a",
            "  more of a",
            "2026-11-23T08:00:05.000000Z b",
            "2026-11-23T08:00:09.000000Z c",
            "  more of c",
        ];
        let second = Some(Span::from_secs(1));
        assert_eq!(taken(LOG, second, None, None), ["head", a, more, b, c, more_of_c]);
        assert_eq!(
            taken(LOG, second, Some("2026-11-23T08:00:01Z"), Some("2026-11-23T08:00:06Z")),
            ["head", a, more, b]
        );
        assert_eq!(taken(LOG, second, Some("2026-11-23T08:00:06.5Z"), None), ["head", c, more_of_c]);
        assert_eq!(taken(LOG, second, None, Some("2026-11-23T08:00:03.9Z")), ["head", a, more]);
    }

    #[test]
    fn without_evidence_the_word_of_the_clock_counts() {
        let some = taken(LOG, None, Some("2026-11-23T08:00:04Z"), Some("2026-11-23T08:00:06Z"));
        assert_eq!(some, ["head", "2026-11-23T08:00:05.000000Z b"]);
    }
}
