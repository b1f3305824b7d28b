use alloc::vec::Vec;
use core::f64::consts::TAU;

use super::*;
use proptest::prelude::*;

/// Twenty thousand days after the origin, at midnight.
const START: i64 = 86_400 * 20_000;

/// A machine whose counter began at [`START`], measured without noise.
struct Machine {
    second: i64,
    ahead: f64,
    state: u64,
    walked: f64,
}

impl Machine {
    fn new(seed: u64) -> Self {
        Self { second: 0, ahead: 0.0, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, walked: 0.0 }
    }

    /// Counts 64 s at a rate, and walks on.
    fn count(&mut self, rate: f64, walk: f64) {
        self.ahead += 64.0 * (2e-5 + rate + self.walked);
        self.walked += walk * 8.0 * self.normal();
        self.second += 64;
    }

    fn normal(&mut self) -> f64 {
        let mut even = || {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            (self.state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        (0..12).map(|_| even()).sum()
    }

    fn raw(&self) -> Time<Raw> {
        Time::from_epoch(Span::from_secs(self.second))
    }

    fn tai(&self) -> Time<Tai> {
        Time::from_epoch(Span::from_secs(START + self.second)) + Span::from_seconds(self.ahead)
    }

    fn mark(&self, rate: f64) -> Mark {
        let rate = 2e-5 + rate + self.walked;
        Mark { at: self.raw(), tai: self.tai(), rate, sigma: 1e-6, noise: 1e-6, rate_sigma: 1e-8 }
    }
}

/// A part per million more by day than by night.
fn day(second: i64) -> f64 {
    1e-6 * libm::sin(TAU * second as f64 / 86_400.0)
}

/// The error of the forecast and of the straight line, so many seconds after the last measurement.
fn errors(history: &History, machine: &Machine, rate: f64) -> [f64; 2] {
    let forecast = history.forecast().expect("measured");
    let from = forecast.from();
    let passed = machine.raw() - from.at;
    let line = from.time_at(machine.raw());
    let outlook = forecast.after(passed);
    assert!((outlook.rate.as_ratio() - 2e-5 - rate - machine.walked).abs() < 1e-6);
    [line + outlook.ahead, line].map(|time| (machine.tai() - time).as_seconds().abs())
}

#[test]
fn the_day_is_foretold_after_two_days() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(1));
    let mut run = |history: Option<&mut History>, seconds: i64| {
        let end = machine.second + seconds;
        let mut history = history;
        while machine.second < end {
            machine.count(day(machine.second), 1e-10);
            if let Some(history) = history.as_deref_mut() {
                history.hear(&machine.mark(day(machine.second)), 1e-9);
            }
        }
        (machine.mark(0.0), machine.second)
    };
    run(Some(&mut history), 40 * 3600);
    assert_eq!(history.leaning(), Leaning::Line);
    run(Some(&mut history), 10 * 3600);
    assert!(
        matches!(history.leaning(), Leaning::Day { amplitude } if (amplitude.as_ppm() - 1.0).abs() < 0.1)
    );
    let (_, second) = run(None, 86_400);
    let [ours, line] = errors(&history, &machine, day(second));
    assert!(ours < 0.006 && line > 0.03, "{ours} {line}");
    let outlook = history.forecast().expect("measured").after(Span::from_secs(86_400));
    assert!(ours < outlook.p999.as_seconds() && outlook.p999 < Span::from_millis(40), "{outlook:?}");
}

#[test]
fn a_sensor_in_the_case_foretells_what_no_clock_can() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(2));
    let (mut air, mut case, mut warmth) = (30.0, 30.0, 0.0);
    let mut step = |machine: &mut Machine, history: &mut History, is_measured: bool| {
        warmth += 0.02 * machine.normal() - 0.0002 * warmth;
        air = 30.0 + warmth;
        case += (air - case) * 64.0 / 1200.0;
        let rate = 1e-7 * (case - 30.0);
        machine.count(rate, 1e-10);
        history.warm(machine.raw(), air);
        if is_measured {
            history.hear(&machine.mark(rate), 1e-9);
        }
        rate
    };
    for _ in 0..4 * 1350 {
        step(&mut machine, &mut history, true);
    }
    assert_eq!(history.leaning(), Leaning::Temperature);
    let mut rate = 0.0;
    for _ in 0..1350 {
        rate = step(&mut machine, &mut history, false);
    }
    let [ours, line] = errors(&history, &machine, rate);
    assert!(ours < 0.005 && line > 2.0 * ours, "{ours} {line}");
}

#[test]
fn a_silent_sensor_does_not_speak_for_the_last_measurement() {
    let mut thermometer = Thermometer::default();
    let at = |seconds| Time::from_epoch(Span::from_secs(seconds));
    thermometer.read(at(0), 30.0, None);
    thermometer.anchor(at(600));
    assert_eq!(thermometer.anchored(), Some(30.0));
    thermometer.anchor(at(6000));
    assert_eq!(thermometer.anchored(), None);
}

#[test]
fn the_diary_is_all_that_a_restart_needs() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(3));
    for _ in 0..5 * 1350 {
        machine.count(day(machine.second), 1e-10);
        history.hear(&machine.mark(day(machine.second)), 1e-9);
    }
    let mut resumed = History::new(history.hours().to_vec(), 1e-9);
    assert_eq!(resumed.leaning(), history.leaning());
    assert!(resumed.forecast().is_none(), "nothing has been measured in this life");
    let mark = machine.mark(day(machine.second));
    resumed.hear(&mark, 1e-9);
    let after = |history: &History| history.forecast().expect("measured").after(Span::from_secs(86_400));
    let (ours, theirs) = (after(&resumed), after(&history));
    assert!((ours.ahead - theirs.ahead).abs() < Span::from_millis(1), "{ours:?} {theirs:?}");
}

#[test]
fn nothing_is_compared_across_an_interruption() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(4));
    for turn in 0..2 * 1350 {
        machine.count(0.0, 0.0);
        if turn % 100 == 0 {
            history.interrupted();
            machine.ahead += 5.0;
        }
        history.hear(&machine.mark(0.0), 1e-9);
    }
    assert!(
        history.hours().iter().all(|hour| (hour.rate.as_ratio() - 2e-5).abs() < 1e-9),
        "the counter stood still, no more"
    );
    let day = history.forecast().expect("measured").after(Span::from_secs(86_400));
    assert!(day.p999 < Span::from_millis(50), "{day:?}");
}

#[test]
fn another_source_that_is_a_millisecond_away_is_no_change_of_the_rate() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(6));
    for turn in 0..2 * 1350 {
        machine.count(0.0, 0.0);
        if turn % 300 == 100 {
            machine.ahead += 1e-3;
        }
        history.hear(&machine.mark(0.0), 1e-9);
    }
    assert!(
        history.hours().iter().all(|hour| (hour.rate.as_ratio() - 2e-5).abs() < 1e-9),
        "no hour has a jump in it"
    );
}

#[test]
fn what_is_not_settled_yet_is_not_written_down() {
    let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(7));
    for _ in 0..1350 {
        machine.count(0.0, 0.0);
        history.hear(&Mark { rate_sigma: 1e-6, ..machine.mark(0.0) }, 1e-9);
    }
    assert!(history.hours().is_empty());
    assert!(history.forecast().is_some(), "a forecast is better than none");
}

/// 30 machines that walk: the forecast of a day's error is neither too bold nor too shy.
#[test]
fn the_growth_of_a_walk_is_learned_from_the_diary_alone() {
    for walk in [1e-10, 1e-9] {
        let mut claimed = Vec::new();
        for seed in 1..=30 {
            let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(seed));
            for _ in 0..7 * 1350 {
                machine.count(0.0, walk);
                history.hear(&machine.mark(0.0), walk);
            }
            let forecast = history.forecast().expect("measured");
            claimed.push(forecast.after(Span::from_secs(86_400)).sigma.as_seconds());
        }
        claimed.sort_by(f64::total_cmp);
        // The walk, and what a rate that is known to 1e-8 or better adds.
        let true_sigma = libm::hypot(walk * libm::pow(86_400.0, 1.5) / libm::sqrt(3.0), 86_400.0 * 0.3e-8);
        let ratio = claimed[15] / true_sigma;
        assert!((0.7..1.8).contains(&ratio), "{walk}: {ratio}");
        assert!(claimed[29] < 4.0 * true_sigma, "{walk}: {claimed:?}");
    }
}

#[test]
fn what_was_never_seen_grows_like_the_walk_of_the_estimator() {
    let mut history = History::new([], 1e-9);
    let machine = Machine::new(5);
    history.hear(&Mark { sigma: 0.0, noise: 0.0, rate_sigma: 0.0, ..machine.mark(0.0) }, 2e-9);
    let sigma = history.forecast().expect("measured").after(Span::from_secs(3600)).sigma.as_seconds();
    assert!((sigma - 2e-9 * 216_000.0 / libm::sqrt(3.0)).abs() < 1e-6, "{sigma}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_plausible_history_gives_a_forecast_that_only_grows(
        seed in any::<u64>(),
        stride in 1i64..100,
        marks in proptest::collection::vec((-1e-3f64..1e-3, 1e-9f64..1.0, 1e-12f64..1e-4, -50.0f64..150.0), 1..100),
    ) {
        let (mut history, mut machine) = (History::new([], 1e-9), Machine::new(seed));
        for (rate, sigma, rate_sigma, degrees) in marks {
            (0..stride).for_each(|_| machine.count(rate, 1e-9));
            history.warm(machine.raw(), degrees);
            history.hear(&Mark { sigma, noise: sigma, rate_sigma, ..machine.mark(rate) }, 1e-9);
        }
        let forecast = history.forecast().expect("measured");
        let mut last = Span::ZERO;
        for exponent in 0..22 {
            let outlook = forecast.after(Span::from_secs(1 << exponent));
            prop_assert!(outlook.sigma > Span::ZERO && outlook.sigma < Span::MAX);
            prop_assert!(outlook.sigma <= outlook.p999 && outlook.p999 < Span::MAX);
            prop_assert!(last <= outlook.sigma, "{exponent}");
            last = outlook.sigma;
        }
        let (now, limit) = (forecast.from().at + Span::from_secs(100), Span::from_millis(100));
        let holds = forecast.holds_for(now, limit);
        let p999 = |more: Span| forecast.after(Span::from_secs(100) + more).p999;
        prop_assert!(holds.is_zero() || p999(holds) <= limit);
        prop_assert!(holds >= FORECAST_MAX || p999(holds + Span::from_secs(2)) > limit);
    }
}
