//! A hand that throws dice: servers, liars, attackers, oscillators and mishaps at random.

use truechimer_core::event::SteeringFault;
use truechimer_time::{Rate, Span};

use crate::chance::Stream;
use crate::network::PathSpec;
use crate::oscillator::OscillatorSpec;
use crate::oscillator::course::Sine;
use crate::scenario::Change;
use crate::server::{Quirk, ServerSpec, Wish};

/// Seconds.
pub(super) const HOUR: f64 = 3600.0;

/// The dice of one world.
pub(super) struct Dice(pub(super) Stream);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.0.uniform() * limit as f64) as usize
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.uniform()
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len());
        &from[index]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = self.below(index + 1);
            items.swap(index, other);
        }
    }

    /// An honest one, on any path.
    pub(super) fn server(&mut self) -> ServerSpec {
        let base = *self.pick(&[1e-4, 5e-3, 2e-2, 0.15]);
        let error = self.between(-1e-3, 1e-3);
        let path = PathSpec {
            base: Span::from_seconds(base),
            asymmetry: Span::from_seconds(base * self.between(-1.8, 1.8)),
            jitter: Span::from_seconds(base * self.between(0.0, 0.5)),
            loss: *self.pick(&[0.0, 0.01, 0.1]),
            ..PathSpec::default()
        };
        ServerSpec {
            path,
            error: Span::from_seconds(error),
            dispersion: Span::from_seconds(error.abs() + 1e-6),
            ..ServerSpec::default()
        }
    }

    /// One that lies, or does not serve.
    pub(super) fn corrupt(&mut self, server: &mut ServerSpec, duration: f64) {
        let sign = *self.pick(&[1.0, -1.0]);
        let size = sign * *self.pick(&[1e-3, 2e-2, 0.5, 3.0, 3600.0, 1e8]);
        let after = Span::from_seconds(self.between(0.0, duration));
        server.dispersion = Span::from_micros(1);
        match self.below(10) {
            0 => server.error = Span::from_seconds(size),
            1 => server.ramp = Rate::from_ratio(sign * *self.pick(&[1e-7, 1e-6, 1e-5, 1e-3])),
            2 => server.quirk = Quirk::Jumps { after, by: Span::from_seconds(size) },
            3 => (server.quirk, server.error) = (Quirk::TwoFaced, Span::from_seconds(size)),
            4 => server.quirk = Quirk::NeverSet,
            5 => server.quirk = Quirk::Kisses(**self.pick(&[b"RATE", b"DENY", b"RSTR", b"XYZ!"])),
            6 => server.quirk = Quirk::Babbles,
            7 => server.error = Span::from_secs(1 << 32),
            8 => server.stratum = 16,
            _ => server.quirk = self.silence(duration),
        }
    }

    /// An attacker on the way keeps honest servers from being heard, each for a while of its own or all at once.
    pub(super) fn silence_honest(&mut self, servers: &mut [ServerSpec], duration: f64) {
        let at_once = self.silence(duration);
        let (is_attacked, is_concerted) = (self.0.happens(0.5), self.0.happens(0.5));
        for server in servers.iter_mut().filter(|server| is_honest(server)) {
            let own = self.silence(duration);
            if is_attacked && self.0.happens(0.7) {
                server.quirk = if is_concerted { at_once } else { own };
            }
        }
    }

    /// The operator trusts none but honest servers; anybody may be preferred or required.
    pub(super) fn wish(&mut self, servers: &mut [ServerSpec]) {
        let (trusts, prefers, requires) = (self.0.happens(0.2), self.0.happens(0.3), self.0.happens(0.2));
        for server in servers {
            server.wish = Wish {
                trust: trusts && is_honest(server) && self.0.happens(0.5),
                prefer: prefers && self.0.happens(0.5),
                require: requires && self.0.happens(0.5),
                interleaved: false,
            };
        }
    }

    /// Some operators have several servers. All those of an honest one are honest.
    pub(super) fn add_siblings(&mut self, servers: &mut Vec<ServerSpec>) {
        for index in 0..servers.len() {
            if self.0.happens(0.2) {
                let mut sibling = self.server();
                sibling.operator = servers[index].operator;
                if !is_honest(&servers[index]) {
                    sibling.error = servers[index].error;
                }
                servers.push(sibling);
            }
        }
    }

    /// Silence that begins at any time and lasts for up to 30 hours.
    pub(super) fn silence(&mut self, duration: f64) -> Quirk {
        let from = self.between(0.0, duration);
        let until = from + self.between(0.0, 30.0 * HOUR);
        Quirk::Silent { from: Span::from_seconds(from), until: Span::from_seconds(until) }
    }

    /// One that keeps to A1 and A2: within 15 ppm of itself for a day, and no sudden change of more than 3 ppm once it has
    /// been watched for two days.
    pub(super) fn oscillator(&mut self) -> OscillatorSpec {
        let offset_ppm = self.between(-150.0, 150.0);
        let walk = *self.pick(&[0.0, 1e-10, 1e-9]);
        let quick = OscillatorSpec { offset_ppm, walk, ..OscillatorSpec::default() };
        let days = |days: f64| Span::from_seconds(days * 24.0 * HOUR);
        let sine = |ppm, period| Sine { period: days(period), ..Sine::daily(ppm) };
        match self.below(3) {
            0 => OscillatorSpec { steps: vec![(days(self.0.uniform() * 1.9), 10.0)], ..quick },
            1 => OscillatorSpec { sines: vec![sine(5.0, self.between(0.01, 1.0))], ..quick },
            _ => OscillatorSpec { sines: vec![sine(15.0, 8.0)], ..quick },
        }
    }

    /// Up to seven mishaps of any kind.
    pub(super) fn changes(&mut self, duration: f64) -> Vec<(Span, Change)> {
        let mut changes = Vec::new();
        for _ in 0..self.below(8) {
            let at = self.between(0.0, duration);
            let later = at + *self.pick(&[60.0, HOUR, 8.0 * HOUR, 80.0 * HOUR]);
            let when = Span::from_seconds(at);
            let until = Span::from_seconds(later);
            let sign = *self.pick(&[1.0, -1.0]);
            match self.below(6) {
                0 => changes.extend([(when, Change::CutAll(true)), (until, Change::CutAll(false))]),
                1 => {
                    let by = self.signed(sign, &[0.002, 0.3, 5.0, 4000.0]);
                    changes.push((when, Change::StepByOthers(by)));
                }
                2 => {
                    let by = *self.pick(&[20_000, 100_000, 400_000]);
                    changes.push((when, Change::RetuneByOthers(Rate::from_ppb(by))));
                }
                3 => {
                    let slept = Span::from_seconds(*self.pick(&[3.0, 60.0, 5.0 * HOUR]));
                    let rtc_error = self.signed(sign, &[0.0, 0.05, 2.0]);
                    changes.push((when, Change::Sleep { slept, rtc_error }));
                }
                4 => changes.extend([
                    (when, Change::KernelRefuses(Some(SteeringFault::NotPermitted))),
                    (until, Change::KernelRefuses(None)),
                ]),
                _ => changes.push((when, Change::Restart)),
            }
        }
        changes
    }

    pub(super) fn signed(&mut self, sign: f64, sizes: &[f64]) -> Span {
        Span::from_seconds(sign * *self.pick(sizes))
    }
}

/// Is it right as far as it says that it is?
pub(super) fn is_honest(server: &ServerSpec) -> bool {
    let is_right = match server.quirk {
        Quirk::None | Quirk::Silent { .. } | Quirk::Stutters | Quirk::CriesLeap => true,
        Quirk::Jumps { .. }
        | Quirk::TwoFaced
        | Quirk::NeverSet
        | Quirk::Kisses(_)
        | Quirk::Babbles
        | Quirk::Leapless => false,
    };
    is_right && server.ramp == Rate::ZERO && server.error.abs() <= server.dispersion && server.stratum < 16
}
