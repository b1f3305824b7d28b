//! How rarely ours may ask and still be as right as the yardstick that asks every 64 s.

use truechimer_time::Span;

use super::contest::{self, OURS, Standings, YARDSTICK};
use super::score::geometric_mean;
use super::setting;
use super::trial::{Schedule, Setting};
use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;

const WALKS: [f64; 3] = [1e-10, 1e-9, 1e-8];
const JITTERS: [f64; 4] = [1e-5, 1e-4, 1e-3, 1e-2];

/// Histories of each interval, unless it is said otherwise.
const SEEDS: u64 = 3;

/// The yardstick's interval, and the shortest of ours, in seconds. The others are its doubles..
const LEAST: f64 = 64.0;

/// ..of which there are so many: up to four and a half hours, or a quarter of an hour if it has to be quick.
const INTERVALS: i32 = 9;
const INTERVALS_QUICK: i32 = 5;

/// A history has at least so many exchanges that count, however rare they are..
const EXCHANGES: f64 = 600.0;

/// ..after at least so many from which to learn.
const EXCHANGES_WARM: f64 = 100.0;

/// One walk and one jitter.
#[derive(Clone, Copy, Debug)]
struct Place {
    walk: f64,
    jitter: f64,
}

/// `sim poll`.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let places = places(effort.quick);
    let count = if effort.quick { INTERVALS_QUICK } else { INTERVALS };
    let intervals: Vec<f64> = (0..count).map(|power| LEAST * libm::exp2(f64::from(power))).collect();
    let cells: Vec<(Place, f64)> =
        places.iter().flat_map(|&place| intervals.iter().map(move |&interval| (place, interval))).collect();
    let standings = contest::hold(effort, &cells, SEEDS, |&(place, interval), _| {
        let setting =
            long_enough(setting::plain(place.walk, place.jitter, Schedule::Fixed(interval)), interval);
        let entrants = if interval == LEAST { contest::uninformed(&setting) } else { contest::ours() };
        (setting, entrants)
    });
    let mut sheet = Sheet::new("poll", columns());
    for (place, standings) in places.iter().zip(standings.chunks(intervals.len())) {
        sheet.row(row(place, &intervals, standings));
    }
    let gains = sheet.figures("times rarer");
    let worst = gains.iter().copied().reduce(f64::min);
    sheet.findings.extend(geometric_mean(&gains).map(|mean| ("times rarer, geometric mean".into(), mean, 2)));
    sheet.findings.extend(worst.map(|worst| ("times rarer, worst".into(), worst, 2)));
    vec![sheet]
}

fn places(quick: bool) -> Vec<Place> {
    if quick {
        return vec![Place { walk: 1e-8, jitter: 1e-4 }];
    }
    WALKS.iter().flat_map(|&walk| JITTERS.map(|jitter| Place { walk, jitter })).collect()
}

fn long_enough(setting: Setting, interval: f64) -> Setting {
    let warm = setting.warm.max(Span::from_seconds(EXCHANGES_WARM * interval));
    let duration = setting.duration.max(warm + Span::from_seconds(EXCHANGES * interval));
    Setting { warm, duration, ..setting }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("W", "/√s", Form::Power),
        Column::new("J", "s", Form::Power),
        Column::new(format!("{YARDSTICK} at 64 s"), "µs", Form::Short),
        Column::new(format!("{OURS} at 64 s"), "µs", Form::Short),
        Column::new("as right at", "s", Form::Fixed(0)),
        Column::new("times rarer", "", Form::Fixed(1)),
    ]
}

fn row(place: &Place, intervals: &[f64], standings: &[Standings]) -> Vec<Cell> {
    let target = standings[0].guess(YARDSTICK).map(|score| score.rms);
    let errors: Vec<f64> =
        standings.iter().map_while(|standings| standings.clock(OURS).map(|score| score.rms)).collect();
    let interval = target.and_then(|target| crossing(intervals, &errors, target));
    vec![
        place.walk.into(),
        place.jitter.into(),
        target.map(|rms| rms * 1e6).into(),
        errors.first().map(|rms| rms * 1e6).into(),
        interval.into(),
        interval.map(|interval| interval / LEAST).into(),
    ]
}

/// Where the error, as a function of the interval, reaches the target: between two intervals by a power law, `None`
/// if it is larger at the shortest or smaller even at the longest.
fn crossing(intervals: &[f64], errors: &[f64], target: f64) -> Option<f64> {
    let after = errors.iter().position(|&error| error > target)?;
    let before = after.checked_sub(1)?;
    let share = libm::log(target / errors[before]) / libm::log(errors[after] / errors[before]);
    Some(intervals[before] * libm::pow(intervals[after] / intervals[before], share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crossing_is_found_on_a_power_law() {
        let intervals = [64.0, 128.0, 256.0];
        let errors = intervals.map(|interval: f64| interval.powf(1.5));
        let found = crossing(&intervals, &errors, 100f64.powf(1.5)).expect("in between");
        assert!((found - 100.0).abs() < 1e-9, "{found}");
        assert_eq!(crossing(&intervals, &errors, 1.0), None);
        assert_eq!(crossing(&intervals, &errors, 1e9), None);
    }

    #[test]
    fn rare_exchanges_make_long_histories() {
        let setting = long_enough(setting::plain(1e-9, 1e-4, Schedule::Fixed(16_384.0)), 16_384.0);
        assert!((setting.duration - setting.warm).as_seconds() >= EXCHANGES * 16_384.0);
        assert_eq!(
            long_enough(setting::plain(1e-9, 1e-4, Schedule::Fixed(64.0)), 64.0).duration.as_seconds(),
            1e6
        );
    }
}
