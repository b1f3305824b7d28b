use super::*;
use proptest::prelude::*;

/// An exchange whose answer came when the counter showed `seconds`, from a server to which the counter runs `rate`
/// slow; `early` and `late` are what the ways took beyond nothing, in microseconds.
fn sample(seconds: f64, rate: f64, there: f64, back: f64) -> Sample {
    let at = Time::<Raw>::EPOCH + Span::from_seconds(seconds);
    let truth = Time::<Tai>::EPOCH + Span::from_seconds(seconds) + Span::from_seconds(seconds * rate);
    let micros = |value: f64| Span::from_seconds(value * 1e-6);
    Sample {
        sent: at - micros(there + back),
        received: truth - micros(back),
        transmitted: truth - micros(back),
        at,
        earliest: truth - micros(back),
        latest: truth + micros(there),
        delay: micros(there + back),
        distance: Span::ZERO,
    }
}

fn limits() -> RateLimits {
    RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000))
}

/// Where the estimate is wrong, in seconds, after 200 samples a minute apart with the given delays.
fn error_after(delays: impl Fn(u32) -> (f64, f64), rate: f64) -> (f64, Estimate) {
    let mut estimator = Estimator::new(&sample(0.0, rate, 100.0, 100.0), limits());
    for minute in 1..200u32 {
        let (there, back) = delays(minute);
        estimator.hear(&sample(f64::from(minute) * 60.0, rate, there, back));
    }
    let at = Time::<Raw>::EPOCH + Span::from_secs(200 * 60);
    let truth = Time::<Tai>::EPOCH + Span::from_secs(200 * 60) + Span::from_seconds(200.0 * 60.0 * rate);
    let estimate = estimator.estimate(at);
    ((estimate.tai - truth).as_seconds(), estimate)
}

#[test]
fn a_steady_clock_on_a_steady_path_is_learned_to_the_microsecond() {
    let (error, estimate) = error_after(|_| (100.0, 100.0), 35e-6);
    assert!(error.abs() < 2e-6, "{error}");
    assert!((estimate.rate - 35e-6).abs() < 2e-8, "{}", estimate.rate);
}

#[test]
fn slow_packets_weigh_less_than_quick_ones() {
    let queue = |minute: u32| if minute.is_multiple_of(2) { (100.0, 100.0) } else { (3100.0, 100.0) };
    let (error, _) = error_after(queue, 35e-6);
    assert!(error.abs() < 30e-6, "half of the packets are 1.5 ms off, the estimate {error}");
}

#[test]
fn one_outlier_is_left_out_and_three_are_believed() {
    let mut estimator = Estimator::new(&sample(0.0, 0.0, 100.0, 100.0), limits());
    for minute in 1..60 {
        assert_eq!(estimator.hear(&sample(f64::from(minute) * 60.0, 0.0, 100.0, 100.0)), Reception::Taken);
    }
    let moved = |seconds: f64| {
        let mut moved = sample(seconds, 0.0, 100.0, 100.0);
        moved.earliest += Span::from_millis(500);
        moved.latest += Span::from_millis(500);
        moved
    };
    assert_eq!(estimator.hear(&moved(3600.0)), Reception::Suspect);
    assert_eq!(estimator.hear(&sample(3660.0, 0.0, 100.0, 100.0)), Reception::Taken);
    assert_eq!(estimator.hear(&moved(3720.0)), Reception::Suspect);
    assert_eq!(estimator.hear(&moved(3780.0)), Reception::Suspect);
    assert_eq!(estimator.hear(&moved(3840.0)), Reception::Surprise);
    let off = (estimator.estimate(moved(3840.0).at).tai - moved(3840.0).middle()).as_seconds();
    assert!(off.abs() < 1e-3, "{off}");
}

proptest! {
    #[test]
    fn the_variance_stays_one_and_the_time_a_number(
        strides in proptest::collection::vec((0.001f64..1e6, 0.0f64..1e6, 0.0f64..1e6), 1..60),
    ) {
        let mut estimator = Estimator::new(&sample(0.0, 0.0, 100.0, 100.0), limits());
        let mut seconds = 0.0;
        for (stride, there, back) in strides {
            seconds += stride;
            estimator.hear(&sample(seconds, 0.0, there, back));
            let Variance { time, both, rate } = estimator.variance;
            prop_assert!(time > 0.0 && rate >= 0.0 && both.is_finite() && time.is_finite());
            prop_assert!(both * both <= time * rate * (1.0 + 1e-9) + 1e-30, "{time} {both} {rate}");
        }
    }

    /// Bad input 98 and the like: where the counter and the calendar stand makes no difference.
    #[test]
    fn only_differences_matter(raw_shift in -1_000_000i64..1_000_000, tai_shift in -10_000_000_000i64..10_000_000_000) {
        let shifted = |mut sample: Sample| {
            sample.at += Span::from_secs(raw_shift);
            sample.earliest += Span::from_secs(tai_shift);
            sample.latest += Span::from_secs(tai_shift);
            sample
        };
        let plain = |minute: i32| sample(f64::from(minute) * 60.0, 1e-5, 100.0 + f64::from(minute % 7) * 10.0, 100.0);
        let mut here = Estimator::new(&plain(0), limits());
        let mut there = Estimator::new(&shifted(plain(0)), limits());
        for minute in 1..40 {
            here.hear(&plain(minute));
            there.hear(&shifted(plain(minute)));
        }
        let at = plain(40).at;
        let (one, other) = (here.estimate(at), there.estimate(at + Span::from_secs(raw_shift)));
        prop_assert_eq!(one.tai + Span::from_secs(tai_shift), other.tai);
        prop_assert_eq!(one.rate.to_bits(), other.rate.to_bits());
    }
}
