//! Whether a base has risen: a longer route looks like a queue that never drains.
//!
//! Among many exchanges some find no queue. If of the last two hundred not one came near the base, as far as one can
//! tell, the base is not where it was.

/// So many exchanges are looked at.
const WINDOW: usize = 200;

/// The least excess of them, as a part of the mean, beyond which there must have been a rise,
const OF_MEAN: f64 = 0.3;
/// if it is also more than so many standard deviations of the excess,
const SIGMAS: f64 = 6.0;
/// and of the noise of the stamps.
const NOISES: f64 = 4.0;

/// The last excesses of one way.
#[derive(Clone, Debug)]
pub(super) struct Rise {
    excesses: [f64; WINDOW],
    heard: usize,
    /// Exchanges since the base was last doubted.
    calm: usize,
}

impl Default for Rise {
    fn default() -> Self {
        Self { excesses: [0.0; WINDOW], heard: 0, calm: 0 }
    }
}

impl Rise {
    /// The base has been doubted: what was above it says no more.
    pub(super) fn forget(&mut self) {
        (self.heard, self.calm) = (0, 0);
    }

    /// Takes in an excess of which one standard deviation, and that of the noise, is known. Tells by how much the base
    /// has risen, if it has.
    pub(super) fn hear(&mut self, excess: f64, sigma: f64, noise: f64) -> Option<f64> {
        self.excesses[self.heard % WINDOW] = excess;
        self.heard = if self.heard + 1 == 2 * WINDOW { WINDOW } else { self.heard + 1 };
        self.calm = (self.calm + 1).min(WINDOW + 1);
        if self.heard < WINDOW || self.calm <= WINDOW {
            return None;
        }
        let least = self.excesses.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = self.excesses.iter().sum::<f64>() / WINDOW as f64;
        let has_risen = least > OF_MEAN * mean && least > SIGMAS * sigma && least > NOISES * noise;
        has_risen.then_some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of so many excesses of 100 µs and more.
    fn told(rise: &mut Rise, excesses: usize, least: f64) -> Option<f64> {
        (0..excesses).fold(None, |told, n| told.or(rise.hear(least + (n % 10) as f64 * 2e-5, 1e-6, 1e-7)))
    }

    #[test]
    fn a_base_has_risen_when_nothing_comes_near_it_any_more() {
        let mut rise = Rise::default();
        assert_eq!(told(&mut rise, 1_000, 0.0), None);
        assert_eq!(told(&mut rise, 180, 3e-4), None, "some of the exchanges looked at are old");
        assert!(told(&mut rise, 20, 3e-4).is_some());
    }

    #[test]
    fn a_base_that_was_doubted_gets_time() {
        let mut rise = Rise::default();
        told(&mut rise, 1_000, 0.0);
        rise.forget();
        assert_eq!(told(&mut rise, WINDOW, 3e-4), None);
        assert_eq!(told(&mut rise, 1, 3e-4), Some(3e-4));
    }
}
