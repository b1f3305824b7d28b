//! What an oscillator does without chance, as a function of the time since its start.

use core::f64::consts::TAU;

use truechimer_time::{Rate, Span};

use super::OscillatorSpec;

/// A sine in the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sine {
    /// Its amplitude, in parts per million.
    pub ppm: f64,
    /// Its period.
    pub period: Span,
    /// Where in its period it is at the start, in turns: 0 rises from the middle, 0.25 is at the top.
    pub turn: f64,
}

impl Sine {
    /// Day and night.
    pub const fn daily(ppm: f64) -> Self {
        Self { ppm, period: Span::from_secs(86_400), turn: 0.0 }
    }

    fn phase(&self, since: Span) -> f64 {
        TAU * since.as_seconds() / self.period.as_seconds() + TAU * self.turn
    }

    fn rate_ppm(&self, since: Span) -> f64 {
        self.ppm * libm::sin(self.phase(since))
    }

    fn gained(&self, from: Span, until: Span) -> f64 {
        let scale = self.ppm * 1e-6 * self.period.as_seconds() / TAU;
        scale * (libm::cos(self.phase(from)) - libm::cos(self.phase(until)))
    }
}

/// An exponential approach to another rate: a machine that warms up, or whose load has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settling {
    /// It begins so long after the start.
    pub after: Span,
    /// In the end the rate has changed by so many parts per million.
    pub ppm: f64,
    /// After this time all but 1/e of it is done.
    pub within: Span,
}

impl Settling {
    fn rate_ppm(&self, since: Span) -> f64 {
        -self.ppm * libm::expm1(-self.running(since) / self.within.as_seconds())
    }

    /// The integral of the rate from its beginning.
    fn gained_until(&self, since: Span) -> f64 {
        let (t, scale) = (self.running(since), self.within.as_seconds());
        self.ppm * 1e-6 * (t + scale * libm::expm1(-t / scale))
    }

    fn running(&self, since: Span) -> f64 {
        (since - self.after).max(Span::ZERO).as_seconds()
    }
}

const DAY: f64 = 86_400.0;

impl OscillatorSpec {
    /// The rate error without chance, in parts per million, so long after the start.
    pub(super) fn course_ppm(&self, since: Span) -> f64 {
        let stepped: f64 = self.steps.iter().filter(|step| step.0 <= since).map(|step| step.1).sum();
        let sines: f64 = self.sines.iter().map(|sine| sine.rate_ppm(since)).sum();
        let settled: f64 = self.settlings.iter().map(|settling| settling.rate_ppm(since)).sum();
        self.offset_ppm + stepped + sines + settled + self.ageing_ppm * since.as_seconds() / DAY
    }

    /// What the counter gains without chance between two times since the start.
    pub(super) fn gained(&self, from: Span, until: Span) -> Span {
        let steady = Rate::from_ppm(self.offset_ppm).over(until - from);
        steady
            + self.stepped(from, until)
            + Span::from_seconds(self.swung(from, until) + self.aged(from, until))
    }

    fn stepped(&self, from: Span, until: Span) -> Span {
        let gained = |&(at, ppm): &(Span, f64)| {
            let (since, before) = ((until - at).max(Span::ZERO), (from - at).max(Span::ZERO));
            Rate::from_ppm(ppm).over(since - before)
        };
        self.steps.iter().map(gained).sum()
    }

    fn swung(&self, from: Span, until: Span) -> f64 {
        let sines: f64 = self.sines.iter().map(|sine| sine.gained(from, until)).sum();
        let settled = self.settlings.iter().map(|s| s.gained_until(until) - s.gained_until(from));
        sines + settled.sum::<f64>()
    }

    fn aged(&self, from: Span, until: Span) -> f64 {
        let (passed, both) = ((until - from).as_seconds(), (until + from).as_seconds());
        self.ageing_ppm * 1e-6 / DAY * passed * both / 2.0
    }
}
