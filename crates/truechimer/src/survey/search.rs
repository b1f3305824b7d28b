//! What the answers of one host tell together, and when to ask again so that the next one tells most.
//!
//! A host that tells whole seconds tells a second's worth with its first answer. The next question is timed so that it
//! comes to the host when the turn of its second is as likely behind as before it: either answer halves what is left.
//!
//! ```text
//!   shown   ........ 36 ........│........ 37 ........│........ 38 ........
//!   1st question      ^ 36      the turn is somewhere within a second
//!   2nd                   ^ 36  not yet: later, within half a second
//!   3rd                                           ^ 38  behind: earlier, within a quarter
//! ```

use truechimer_time::{Raw, Span, Time};

use super::told::{Claim, Doubt, Told};
use super::window::Window;

/// A clock that is read by time(2) turns its second up to a tick too late, and the longest tick of Linux is 10 ms
/// (`CONFIG_HZ=100`): for those who tell whole seconds the clock may be ahead of what it shows by this.
pub const TICK_MAX: Span = Span::from_millis(10);

/// A turn that is known so well is not looked for any more: the tick is more.
const FINE: Span = Span::from_millis(4);

/// The most questions to one host.
pub const QUESTIONS_MAX: u8 = 8;

/// What is asked of one host by one protocol.
#[derive(Clone, Debug)]
pub struct Search {
    is_coarse: bool,
    left: u8,
    asked: u8,
    answered: u8,
    known: Option<Known>,
}

/// What is known of a clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// When the last answer was heard.
    pub at: Time<Raw>,
    /// How far it was ahead of our raw counter then.
    pub window: Window,
    /// The shortest way, there and back.
    pub delay: Span,
    /// What the host says of it.
    pub claim: Option<Claim>,
    /// What had to be assumed, each once.
    pub doubts: Vec<Doubt>,
}

impl Search {
    /// At most so many questions.
    pub fn new(is_coarse: bool, questions: u8) -> Self {
        Self { is_coarse, left: questions.clamp(1, QUESTIONS_MAX), asked: 0, answered: 0, known: None }
    }

    /// A question leaves.
    pub fn ask(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.asked += 1;
    }

    /// Its answer has come.
    pub fn hear(&mut self, told: Told) {
        self.answered += 1;
        let told = match self.is_coarse {
            true => Told { before: told.before + TICK_MAX, ..told },
            false => told,
        };
        let window = told.window();
        let is_last = told.is_last;
        self.known = Some(match self.known.take() {
            None => {
                Known { at: told.heard, window, delay: told.delay, claim: told.claim, doubts: told.doubts }
            }
            Some(known) => known.and(told, window),
        });
        if is_last || self.is_fine() || self.contradicts() {
            self.left = 0;
        }
    }

    /// How many questions have left, and how many answers could be used.
    pub fn counts(&self) -> (u8, u8) {
        (self.asked, self.answered)
    }

    /// Are there questions left?
    pub fn goes_on(&self) -> bool {
        self.left > 0
    }

    /// No more questions.
    pub fn stop(&mut self) {
        self.left = 0;
    }

    /// Has anything been heard?
    pub fn has_heard(&self) -> bool {
        self.known.is_some()
    }

    /// How long to wait with the next question from now on, not less than `least`.
    pub fn wait(&self, now: Time<Raw>, least: Span) -> Span {
        match &self.known {
            Some(known) if self.is_coarse => known.until_turn(now + least) + least,
            Some(_) | None => least,
        }
    }

    /// What is known in the end.
    pub fn end(self) -> Option<Known> {
        self.known
    }

    fn is_fine(&self) -> bool {
        let is_fine = |known: &Known| known.window.width() <= TICK_MAX + FINE.max(known.delay * 2);
        self.is_coarse && self.known.as_ref().is_some_and(is_fine)
    }

    fn contradicts(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.doubts.contains(&Doubt::Contradiction))
    }
}

impl Known {
    /// With another answer. What contradicts is not weighed: either may be true, and so may all between them.
    fn and(self, told: Told, window: Window) -> Self {
        let before = self.window.carried(told.heard - self.at);
        let mut doubts = self.doubts;
        doubts.extend(told.doubts);
        let both = before.meet(window).unwrap_or_else(|| {
            doubts.push(Doubt::Contradiction);
            before.hull(window)
        });
        let mut kept: Vec<Doubt> = Vec::new();
        for doubt in doubts {
            if !kept.contains(&doubt) {
                kept.push(doubt);
            }
        }
        Self {
            at: told.heard.max(self.at),
            window: both,
            delay: self.delay.min(told.delay),
            claim: told.claim.or(self.claim),
            doubts: kept,
        }
    }

    /// How long after an instant a question has to leave to come to the host in the midst of where its second may turn.
    fn until_turn(&self, now: Time<Raw>) -> Span {
        let shown = self.window.middle() - TICK_MAX.half();
        let shown_on_arrival = now.since_epoch() + shown + self.delay.half();
        let (_, attos) = shown_on_arrival.split();
        match attos {
            0 => Span::ZERO,
            attos => Span::from_secs(1) - Span::from_attos(attos.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RTT: Span = Span::from_micros(200);

    /// A host whose clock is ahead of the counter by so much, asked at this instant, tells its second.
    fn answer(ahead: Span, sent: Time<Raw>, way: Span, back: Span) -> Told {
        let came = sent + way;
        let (seconds, _) = (came.since_epoch() + ahead).split();
        let shows = Time::from_epoch(Span::from_secs(seconds as i64));
        Told {
            sent,
            heard: came + back,
            blur: Span::ZERO,
            after: shows,
            before: shows + Span::from_secs(1),
            delay: way + back,
            claim: None,
            doubts: Vec::new(),
            is_last: false,
        }
    }

    /// Asks until the search ends. What is known, and how long that took.
    fn search(ahead: Span, way: Span, back: Span) -> (Known, u8, Span) {
        let begun = Time::from_epoch(Span::from_secs(1_000_000));
        let (mut now, mut search) = (begun, Search::new(true, QUESTIONS_MAX));
        while search.goes_on() {
            let sent = now + search.wait(now, Span::ZERO);
            search.ask();
            let told = answer(ahead, sent, way, back);
            now = told.heard + Span::from_micros(10);
            search.hear(told);
        }
        let (asked, answered) = search.counts();
        assert_eq!(asked, answered);
        (search.end().expect("it was heard"), asked, now - begun)
    }

    proptest! {
        #[test]
        fn the_turn_is_found_to_a_few_milliseconds_and_the_clock_is_in_the_window(
            nanos in -2_000_000_000_000i64..2_000_000_000_000_000, way in 0i64..2_000_000, back in 0i64..2_000_000
        ) {
            let ahead = Span::from_nanos(nanos);
            let (known, asked, took) = search(ahead, Span::from_nanos(way), Span::from_nanos(back));
            prop_assert!(known.window.lo <= ahead && ahead <= known.window.hi, "{known:?}");
            prop_assert!(known.doubts.is_empty() && asked <= QUESTIONS_MAX);
            // A second in 2⁷ parts, the way there and back, the tick, and what clocks drift in eight seconds.
            prop_assert!(known.window.width() < Span::from_millis(8 + 4 + 10 + 10), "{known:?}");
            prop_assert!(took < Span::from_secs(9), "{took:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_contradicts_itself_and_is_not_asked_again() {
        let at = |seconds| Time::from_epoch(Span::from_secs(seconds));
        let mut search = Search::new(true, QUESTIONS_MAX);
        for ahead in [0, 7] {
            search.ask();
            search.hear(answer(Span::from_secs(ahead), at(100), RTT, RTT));
        }
        assert!(!search.goes_on());
        let known = search.end().expect("heard");
        assert_eq!(known.doubts, [Doubt::Contradiction]);
        for ahead in [0, 7] {
            assert!(known.window.lo <= Span::from_secs(ahead) && Span::from_secs(ahead) <= known.window.hi);
        }
    }

    #[test]
    fn who_does_not_want_to_be_asked_again_is_not() {
        let mut search = Search::new(true, QUESTIONS_MAX);
        search.ask();
        let told = answer(Span::ZERO, Time::from_epoch(Span::from_secs(100)), RTT, RTT);
        search.hear(Told { is_last: true, ..told });
        assert!(search.has_heard() && !search.goes_on());
    }

    #[test]
    fn exact_protocols_are_asked_again_as_soon_as_is_polite() {
        let mut search = Search::new(false, 2);
        search.ask();
        let told = answer(Span::ZERO, Time::from_epoch(Span::from_secs(100)), RTT, RTT);
        search.hear(told.clone());
        assert!(search.goes_on());
        assert_eq!(search.wait(told.heard, Span::from_secs(2)), Span::from_secs(2));
    }

    #[test]
    fn no_host_is_asked_more_often_than_the_limit() {
        let mut search = Search::new(false, 200);
        (0..QUESTIONS_MAX).for_each(|_| search.ask());
        assert!(!search.goes_on());
    }
}
