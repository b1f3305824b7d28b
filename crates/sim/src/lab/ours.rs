//! Our own method: the very estimator of the daemon, fed with what the laboratory makes.

use truechimer_core::discipline::estimator::Estimator;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::measure::sample::Sample;
use truechimer_core::policy::TrustPolicy;
use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::{Exchange, Guess, Method};

/// The estimator of one source.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    estimator: Option<Estimator>,
}

impl Method for Ours {
    fn hear(&mut self, exchange: &Exchange) {
        let sample = sample(exchange);
        match &mut self.estimator {
            None => {
                let anything = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
                self.estimator = Some(Estimator::new(&sample, anything));
            }
            // What becomes of it shows in the guesses.
            Some(estimator) => drop(estimator.hear(&sample)),
        }
    }

    fn guess(&mut self, at: f64) -> Option<Guess> {
        let at = counter(at);
        let estimate = self.estimator.as_ref()?.estimate(at);
        let offset = estimate.tai.since_epoch() - at.since_epoch();
        Some(Guess { offset: offset.as_seconds(), sigma: estimate.sigma })
    }
}

fn counter(seconds: f64) -> Time<Raw> {
    Time::from_epoch(Span::from_seconds(seconds))
}

/// The exchange as the core sees it. The server answers at once: how long it keeps a question does not matter to
/// anybody, because both of its stamps are known.
fn sample(exchange: &Exchange) -> Sample {
    let at = counter(exchange.at);
    let [there, back] = [exchange.there, exchange.back].map(Span::from_seconds);
    let transmitted = Time::<Tai>::from_epoch((at - back).since_epoch());
    Sample {
        sent: at - back - there,
        received: transmitted,
        transmitted,
        at,
        earliest: transmitted,
        latest: transmitted + there + back,
        delay: there + back,
        distance: Span::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_come_through_as_they_were() {
        let sample = sample(&Exchange { at: 1e6, there: 30.010, back: -29.995 });
        assert_eq!(sample.delay.as_micros(), 15_000);
        let early = (sample.received.since_epoch() - sample.sent.since_epoch()).as_seconds();
        assert!((early - 30.010).abs() < 1e-12, "{early}");
        let late = (sample.at.since_epoch() - sample.transmitted.since_epoch()).as_seconds();
        assert!((late + 29.995).abs() < 1e-12, "{late}");
    }

    #[test]
    fn it_says_nothing_before_it_heard_something() {
        let mut ours = Ours::default();
        assert_eq!(ours.guess(1.0), None);
        ours.hear(&Exchange { at: 10.0, there: 5.0 + 1e-3, back: -5.0 + 1e-3 });
        let guess = ours.guess(10.0).expect("it has heard something");
        assert!((guess.offset - 5.0).abs() < 1e-3 && guess.sigma > 0.0, "{guess:?}");
    }
}
