use super::*;
use crate::config::Level;
use crate::history::tests::{at, model};
use crate::history::{At, Told};
use truechimer_core::discipline::model::Model;

/// The phase of a counter of which these are the rates, one second each.
fn phase(rates: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let walk = rates.into_iter().map(|rate| {
        sum += rate;
        sum
    });
    std::iter::once(0.0).chain(walk).collect::<Vec<f64>>()
}

/// The thousand numbers of NIST SP 1065, section 12.4.
fn nist_numbers() -> impl Iterator<Item = f64> {
    let mut n: u64 = 1_234_567_890;
    std::iter::repeat_with(move || {
        let number = n as f64 / 2_147_483_647.0;
        n = 16_807 * n % 2_147_483_647;
        number
    })
}

fn is_near(value: f64, right: f64, share: f64) -> bool {
    (value / right - 1.0).abs() < share
}

#[test]
fn four_readings_as_by_hand() {
    // (4 - 2 + 0) and (9 - 8 + 1) are both 2: √(8 / 4) over one second.
    let deviations = overlapping(&[vec![0.0, 1.0, 4.0, 9.0]], 1.0);
    assert_eq!(deviations.len(), 1);
    assert!(is_near(deviations[0].deviation, std::f64::consts::SQRT_2, 1e-12), "{deviations:?}");
    assert_eq!(deviations[0].terms, 2);
    // The same every 10 s, and a second run that is too short to tell anything.
    let deviations = overlapping(&[vec![0.0, 1.0, 4.0, 9.0], vec![5.0, 99.0]], 10.0);
    assert!(is_near(deviations[0].deviation, std::f64::consts::SQRT_2 / 10.0, 1e-12), "{deviations:?}");
    assert!(overlapping(&[vec![0.0, 1.0]], 1.0).is_empty() && overlapping(&[], 1.0).is_empty());
}

#[test]
fn the_published_sets_of_numbers_give_the_published_deviations() {
    let few = phase([892.0, 809.0, 823.0, 798.0, 671.0, 644.0, 883.0, 903.0, 677.0]);
    let deviations = overlapping(&[few], 1.0);
    assert!(is_near(deviations[0].deviation, 91.22945, 1e-6), "{deviations:?}");
    assert!(is_near(deviations[1].deviation, 85.95287, 1e-6), "{deviations:?}");
    let many = [phase(nist_numbers().take(1000))];
    for (m, right) in [(1, 2.922319e-1), (10, 9.159953e-2), (100, 3.241343e-2)] {
        let deviation = over(&many, 1.0, m).expect("there are terms");
        assert!(is_near(deviation.deviation, right, 1e-6), "{deviation:?}");
    }
}

#[test]
fn white_rates_fall_and_walking_rates_rise_with_the_root_of_time() {
    let white = || nist_numbers().take(60_000).map(|number| number - 0.5);
    let sigma = libm::sqrt(1.0 / 12.0);
    for deviation in &overlapping(&[phase(white())], 1.0)[..9] {
        let right = sigma / libm::sqrt(deviation.tau);
        assert!(is_near(deviation.deviation, right, 0.15), "{deviation:?} is not {right}");
    }
    // Steps of the rate, each second: σ² = s² (2 m² + 1) / (6 m).
    let walk = phase(phase(white()));
    for deviation in &overlapping(&[walk], 1.0)[..9] {
        let m = deviation.tau;
        let right = sigma * libm::sqrt((2.0 * m * m + 1.0) / (6.0 * m));
        assert!(is_near(deviation.deviation, right, 0.2), "{deviation:?} is not {right}");
    }
}

/// A line that says so much of TAI minus counter.
fn known(seconds: i64, x: f64, sigma: Span) -> Entry {
    let model = model(at(seconds).raw);
    let best = model.best + Span::from_seconds(x);
    let mut bracket = model.bracket;
    (bracket.earliest, bracket.latest) = (best - Span::from_millis(1), best + Span::from_millis(1));
    let model = Model { best, bracket, sigma, ..model };
    Entry { at: at(seconds), what: What::Known { status: Status::Synchronised, model: Some(model) } }
}

fn born(seconds: i64, boot: &str) -> Entry {
    Entry { at: at(seconds), what: What::Born { boot: boot.to_owned(), clocksource: "tsc".to_owned() } }
}

fn told(seconds: i64, label: &str) -> Entry {
    let told = Told { tai: None, level: Level::Warn, label: label.into(), by: None, words: String::new() };
    Entry { at: at(seconds), what: What::Told(told) }
}

/// A counter whose rate is white with 0.29 ppm over a minute, as it is seen every minute.
fn lived(minutes: usize, sigma: Span) -> Vec<Entry> {
    let phases = phase(nist_numbers().take(minutes).map(|number| (number - 0.5) * 60e-6));
    let line = |(minute, x)| known(60 * minute as i64, x, sigma);
    std::iter::once(born(0, "a")).chain(phases.into_iter().enumerate().map(line)).collect()
}

#[test]
fn a_history_tells_what_its_counter_does() {
    let steadiness = Steadiness::of(&lived(5000, Span::from_nanos(10)));
    let taus: Vec<f64> = steadiness.deviations.iter().map(|it| it.tau).collect();
    assert_eq!(taus[..3], [64.0, 128.0, 256.0]);
    for deviation in &steadiness.deviations[2..7] {
        let right = libm::sqrt(1.0 / 12.0) * 1e-6 / libm::sqrt(deviation.tau / 60.0);
        assert!(is_near(deviation.deviation, right, 0.3), "{deviation:?} is not {right}");
    }
}

#[test]
fn what_the_readings_are_too_vague_for_is_not_given() {
    let steadiness = Steadiness::of(&lived(1000, Span::from_micros(200)));
    let floor = |tau: f64| steadiness.floor.iter().find(|(at, _)| *at == tau).expect("for each").1;
    assert!(steadiness.floor.len() > steadiness.deviations.len(), "{steadiness:?}");
    assert!(steadiness.deviations.iter().all(|it| it.deviation > floor(it.tau)), "{steadiness:?}");
    assert!(is_near(floor(64.0), libm::sqrt(3.0) * 200e-6 / 64.0, 1e-9));
    let started = known(-60, 0.3, Span::from_secs(1));
    let with_start = std::iter::once(started).chain(lived(1000, Span::from_micros(200))).collect::<Vec<_>>();
    assert_eq!(Steadiness::of(&with_start).deviations, steadiness.deviations);
}

#[test]
fn no_term_reaches_over_a_break_of_the_counter() {
    let vague = Span::from_nanos(10);
    let count = |middle: Vec<Entry>| {
        let before = (0..10).map(|minute| known(60 * minute, 0.0, vague));
        let after = (11..21).map(|minute| known(60 * minute, 0.5, vague));
        let entries: Vec<Entry> =
            std::iter::once(born(-1, "a")).chain(before).chain(middle).chain(after).collect();
        runs(&entries).iter().map(Vec::len).collect::<Vec<_>>()
    };
    let void = Entry { at: at(600), what: What::Known { status: Status::Disrupted, model: None } };
    assert_eq!(count(vec![]), [20]);
    assert_eq!(count(vec![born(600, "a")]), [20], "a daemon that begins anew counts on");
    for breaks in [born(600, "b"), void, told(600, "clocksource_changed"), told(600, "paused")] {
        assert_eq!(count(vec![breaks.clone()]), [10, 10], "{breaks}");
    }
    assert_eq!(count(vec![told(600, "reachable")]), [20]);
    let slept = Entry { at: At { asleep: Span::from_secs(9), ..at(600) }, what: told(600, "reachable").what };
    assert_eq!(count(vec![slept]), [10, 10]);
}

#[test]
fn a_gap_is_not_filled_with_a_straight_line() {
    let vague = Span::from_nanos(10);
    let mut entries = lived(200, vague);
    entries.extend((0..200).map(|minute| known(86_400 + 60 * minute, 0.0, vague)));
    let runs = runs(&entries);
    assert_eq!(runs.len(), 1);
    let lengths: Vec<usize> = split(&runs[0], 64.0).map(<[Reading]>::len).collect();
    assert_eq!(lengths, [201, 200]);
}

#[test]
fn one_point_and_none_say_nothing() {
    assert_eq!(Steadiness::of(&[]), Steadiness::default());
    assert_eq!(Steadiness::of(&lived(0, Span::from_nanos(1))), Steadiness::default());
    assert_eq!(
        Steadiness::of(&[born(0, "a"), known(1, 0.0, Span::ZERO), known(61, 0.0, Span::ZERO)]).deviations,
        []
    );
}
