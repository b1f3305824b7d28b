//! What we have to do with a source whose answers are followed by a question of when they left (RFC 9769).
//!
//! An answer is not taken in at once: [`FOLLOWS_AFTER`] it a second question asks for its departure, and with that it is taken
//! in. If no word comes from a server that has told before, a packet was lost, and the answer is let go: as it stands it would
//! be a slow one among quick ones. A server that does not tell is taken at its first word, and asked for departures rarely,
//! because half of the questions would be for nothing.

use truechimer_time::{Mono, Span, Time};

use crate::measure::exchange::{Answer, Earlier, Topic};

/// So long after an answer the second question follows. By then a server has read from its kernel when the answer left.
pub const FOLLOWS_AFTER: Span = Span::from_millis(20);

/// After so many departures in a row that were not told, a server that has never told is only tried now and then.
const PATIENCE: u32 = 4;

/// The same for a server that has told before.
const PATIENCE_ONCE_TOLD: u32 = 16;

/// Of so many answers one is followed by a question, once a server has shown that it does not tell.
const TRIED_EACH: u32 = 16;

/// The state of one source.
#[derive(Debug, Default)]
pub struct Interleaving {
    /// The server was asked to keep when its next answer leaves.
    keeps: bool,
    /// The answer that waits for the word of its departure.
    waiting: Option<Waiting>,
    /// So many departures in a row were asked for and not told.
    untold: u32,
    /// So many questions were not followed by another since that went on.
    spared: u32,
    /// How many departures were told.
    told: u32,
}

/// An answer that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The answer.
    answer: Answer,
    /// What the second question speaks of.
    earlier: Earlier,
    /// When that is asked.
    follows: Time<Mono>,
    /// It is asked.
    is_asked: bool,
}

impl Interleaving {
    /// What a first question is to speak of.
    pub fn topic(&mut self) -> Topic {
        self.keeps = self.is_worth_it();
        if self.keeps { Topic::Keep } else { Topic::None }
    }

    /// An answer came. Says whether its departure shall be asked for; then it waits.
    pub fn answered(&mut self, now: Time<Mono>, answer: Answer, earlier: Earlier) -> bool {
        if !self.keeps {
            return false;
        }
        let follows = now + FOLLOWS_AFTER;
        self.waiting = Some(Waiting { answer, earlier, follows, is_asked: false });
        true
    }

    fn is_worth_it(&mut self) -> bool {
        if self.untold < self.patience() {
            return true;
        }
        self.spared = (self.spared + 1) % TRIED_EACH;
        self.spared == 0
    }

    fn patience(&self) -> u32 {
        if self.told > 0 { PATIENCE_ONCE_TOLD } else { PATIENCE }
    }

    /// Does an answer wait?
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// When its departure is to be asked for, if that has not been done.
    pub fn follows(&self) -> Option<Time<Mono>> {
        self.waiting.as_ref().filter(|waiting| !waiting.is_asked).map(|waiting| waiting.follows)
    }

    /// It is being asked for. Gives what is spoken of.
    pub fn asks(&mut self) -> Option<Earlier> {
        let waiting = self.waiting.as_mut()?;
        waiting.is_asked = true;
        Some(waiting.earlier)
    }

    /// The waiting is over: the departure was told.
    pub fn told_departure(&mut self) {
        self.waiting = None;
        self.told = self.told.saturating_add(1);
        (self.untold, self.spared) = (0, 0);
    }

    /// The waiting is over, and the departure was not told. Gives the answer that waited, unless it is better let go.
    pub fn untold(&mut self) -> Option<Answer> {
        let waiting = self.waiting.take()?;
        self.untold = self.untold.saturating_add(1);
        let is_lost = self.told > 0 && self.untold < PATIENCE_ONCE_TOLD;
        (!is_lost).then_some(waiting.answer)
    }

    /// What was heard cannot be spoken of any more: it is another server now, or our counter was interrupted.
    pub fn forget(&mut self) {
        self.waiting = None;
    }

    /// How many departures were told.
    pub fn told(&self) -> u32 {
        self.told
    }
}
