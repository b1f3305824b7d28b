//! The figures: what the tables say, to be seen.

use super::contest::{self, LIMIT, OURS, Standings, YARDSTICK};
use super::setting::{self, Regime, TROUBLES, Trouble};
use super::trial::{self, Look, Schedule};
use crate::plot::{Axis, Bars, Chart, Marks, Series};
use crate::work::Effort;

/// A file with a figure in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name, without a folder.
    pub file: &'static str,
    /// Its text.
    pub svg: String,
}

/// All figures.
pub fn all(effort: &Effort<'_>) -> Vec<Figure> {
    vec![
        Figure { file: "intervals.svg", svg: intervals(effort).svg() },
        Figure { file: "troubles.svg", svg: troubles(effort).svg() },
        Figure { file: "trace.svg", svg: trace().svg() },
        Figure { file: "calibration.svg", svg: calibration(effort).svg() },
    ]
}

const MICRO: f64 = 1e6;

/// The error against the interval.
fn intervals(effort: &Effort<'_>) -> Chart {
    let powers = if effort.quick { 6..9 } else { 4..14 };
    let intervals: Vec<f64> = powers.map(|power| libm::exp2(f64::from(power))).collect();
    let standings = contest::hold(effort, &intervals, 2, |&interval, seed| {
        let setting = setting::plain(1e-9, 1e-4, Schedule::Fixed(interval)).shortened(effort.quick);
        let entrants = contest::everybody(&setting, seed);
        (setting, entrants)
    });
    let series = [YARDSTICK, "kalman", OURS, LIMIT].map(|name| {
        let error = |(&interval, standings): (&f64, &Standings)| {
            standings.guess(name).map(|score| (interval, score.rms * MICRO))
        };
        let points: Vec<(f64, f64)> = intervals.iter().zip(&standings).filter_map(error).collect();
        Series::new(name, if name == LIMIT { Marks::Dashes(points) } else { Marks::Line(points) })
    });
    let last = intervals.last().copied().unwrap_or(64.0);
    Chart {
        title: "Error against the interval between exchanges (J = 100 µs, W = 1e-9)".into(),
        x: Axis::log("interval, s", intervals.first().copied().unwrap_or(16.0), last),
        y: Axis::log("root mean square error, µs", 2.0, 5000.0),
        series: series.into(),
    }
}

/// How many times better ours is in each trouble.
fn troubles(effort: &Effort<'_>) -> Bars {
    let standings = contest::hold(effort, TROUBLES, 2, |trouble, seed| {
        let setting = trouble.setting(Regime::Often.schedule(), seed).shortened(effort.quick);
        let entrants = contest::uninformed(&setting);
        (setting, entrants)
    });
    let gain =
        |(trouble, standings): (&Trouble, &Standings)| Some((trouble.name.to_owned(), standings.gain()?));
    let bars: Vec<(String, f64)> = TROUBLES.iter().zip(&standings).filter_map(gain).collect();
    Bars {
        title: "How many times smaller our error is, asking every 64 s".into(),
        x: Axis::log(format!("root mean square error of the {YARDSTICK} / of ours"), 0.2, 300.0),
        from: 1.0,
        bars,
    }
}

/// What is shown of the trace, in hours since the start: a day and a half around a change of the route.
const TRACE_HOURS: std::ops::Range<f64> = 24.0..60.0;

/// One look in so many is drawn.
const TRACE_THINNED: usize = 30;

/// The errors through changes of the route, and what ours claims.
fn trace() -> Chart {
    let Some(trouble) = Trouble::by_name("route 0.3 ms") else { unreachable!("it is one of the list") };
    let setting = trouble.setting(Regime::Often.schedule(), 1).shortened(true);
    let (mut ours, mut others, mut band) = (Vec::new(), Vec::new(), Vec::new());
    let mut looks = 0;
    let mut entrants = contest::uninformed(&setting);
    entrants.retain(|entrant| [YARDSTICK, OURS].contains(&entrant.name));
    trial::watch(&setting, 1, entrants, &mut |look: &Look<'_>| {
        let hours = look.since.as_seconds() / 3600.0;
        looks += 1;
        if !TRACE_HOURS.contains(&hours) || looks % TRACE_THINNED != 0 {
            return;
        }
        if let [Some(other), Some(our)] = look.guesses {
            let error = (our.offset - look.offset) * MICRO;
            let sigma = our.sigma * MICRO;
            others.push((hours, (other.offset - look.offset) * MICRO));
            band.push((hours, error - 2.0 * sigma, error + 2.0 * sigma));
            ours.push((hours, error));
        }
    });
    let most = others.iter().chain(&ours).fold(50.0, |most: f64, (_, error)| most.max(error.abs()));
    Chart {
        title: "Through a route that becomes 0.3 ms longer one way (band: two σ that ours claims)".into(),
        x: Axis::linear("time, h", TRACE_HOURS.start, TRACE_HOURS.end),
        y: Axis::linear("error, µs", -most * 1.1, most * 1.1),
        series: vec![
            Series::new(OURS, Marks::Band(band)),
            Series::new(YARDSTICK, Marks::Line(others)),
            Series::new(OURS, Marks::Line(ours)),
        ],
    }
}

const CALIBRATED: [&str; 4] = ["none", "pareto 1.5", "queue there", "route 5 ms"];

/// So many multiples of σ, a quarter apart.
const MULTIPLES: usize = 33;

/// How often the error exceeds so many claimed σ.
fn calibration(effort: &Effort<'_>) -> Chart {
    let multiple = |index: usize| index as f64 / 4.0;
    let shares = effort.map(&CALIBRATED, |name| exceeded(name, effort.quick));
    let mut series: Vec<Series> = Vec::new();
    for (name, shares) in CALIBRATED.into_iter().zip(shares) {
        let points = shares.into_iter().enumerate().map(|(index, share)| (multiple(index), share));
        series.push(Series::new(name, Marks::Line(points.filter(|&(_, share)| share > 0.0).collect())));
    }
    let normal = (0..MULTIPLES)
        .map(|index| (multiple(index), libm::erfc(multiple(index) / core::f64::consts::SQRT_2)));
    series.push(Series::new("normal", Marks::Dashes(normal.filter(|&(_, share)| share > 1e-6).collect())));
    Chart {
        title: "How often the error exceeds so many claimed σ, asking every 64 s".into(),
        x: Axis::linear("multiple of the claimed σ", 0.0, multiple(MULTIPLES - 1)),
        y: Axis::log("share of all time", 1e-6, 1.0),
        series,
    }
}

fn exceeded(name: &str, is_quick: bool) -> Vec<f64> {
    let Some(trouble) = Trouble::by_name(name) else { unreachable!("it is one of the list") };
    let setting = trouble.setting(Regime::Often.schedule(), 1).shortened(is_quick);
    let (mut counts, mut looks) = ([0u64; MULTIPLES], 0u64);
    trial::watch(&setting, 1, contest::ours(), &mut |look: &Look<'_>| {
        let Some(Some(guess)) = look.guesses.first() else { return };
        let sigmas = (look.offset - guess.offset).abs() / guess.sigma;
        looks += 1;
        let below = (sigmas * 4.0).ceil().min(MULTIPLES as f64) as usize;
        counts[..below].iter_mut().for_each(|count| *count += 1);
    });
    counts.map(|count| count as f64 / looks.max(1) as f64).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_shows_ours_unmoved_where_the_yardstick_is_moved() {
        let chart = trace();
        let worst = |name: &str| {
            let lines = chart.series.iter().filter(|series| series.name == name);
            let points = lines.filter_map(|series| match &series.marks {
                Marks::Line(points) => Some(points),
                Marks::Dashes(_) | Marks::Band(_) => None,
            });
            points.flatten().fold(0.0, |most: f64, (_, error)| most.max(error.abs()))
        };
        assert!(worst(YARDSTICK) > 120.0 && worst(OURS) < 100.0, "{} {}", worst(YARDSTICK), worst(OURS));
    }

    #[test]
    fn what_exceeds_more_sigmas_exceeds_fewer() {
        let shares = exceeded("none", true);
        assert_eq!(shares[0], 1.0);
        assert!(shares.windows(2).all(|pair| pair[1] <= pair[0]));
        assert!(shares[8] < 0.08 && shares[2] > 0.3, "{shares:?}");
    }
}
