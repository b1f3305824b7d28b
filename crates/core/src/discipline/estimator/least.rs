//! The shortest delay of late.

use truechimer_time::Span;

/// It is taken from the last one to two times so many exchanges.
const WINDOW: u32 = 64;

/// The shortest delay among the last exchanges, of two windows that take turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    current: Span,
    previous: Span,
    heard: u32,
}

impl Least {
    /// Nothing but one exchange.
    pub(super) fn new(delay: Span) -> Self {
        Self { current: delay, previous: delay, heard: 1 }
    }

    /// Takes in another.
    pub(super) fn hear(&mut self, delay: Span) {
        if self.heard == WINDOW {
            (self.previous, self.current, self.heard) = (self.current, delay, 0);
        }
        self.heard += 1;
        self.current = self.current.min(delay);
    }

    /// The shortest of them; never negative.
    pub(super) fn delay(&self) -> Span {
        self.current.min(self.previous).max(Span::ZERO)
    }
}
