//! The history as a drawing: panels of curves, all over the same dates, and how steady the counter is.

use truechimer_core::status::Status;
use truechimer_sim::plot::{Axis, Chart, Marks, Panel, Series, Sheet, Spell, Turn};
use truechimer_time::{Civil, Span, Time, Utc};

use super::Entry;
use super::course::{Course, Lasted, Point};
use super::deviation::Steadiness;

/// A curve has no more points than this times two: a drawing is not a thousand pixels wide.
const COLUMNS: usize = 700;

/// So many turns are drawn, the newest: with more of them nothing else would be seen.
const TURNS_MAX: usize = 100;

/// What a panel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// How wrong the clock was.
    Offset,
    /// How well the time was known.
    Bound,
    /// How fast the raw counter ran.
    Frequency,
    /// How steady it was.
    Deviation,
}

impl Shown {
    /// All of them, in the order of a sheet.
    pub const ALL: [Self; 4] = [Self::Offset, Self::Bound, Self::Frequency, Self::Deviation];
}

/// A sheet with these panels; none if there is nothing to draw.
pub fn sheet(entries: &[Entry], shown: &[Shown]) -> Option<Sheet> {
    let course = Course::of(entries);
    let (from, to) = course.extent()?;
    // One instant alone stands in the middle of a minute.
    let (from, to) = if from < to { (from, to) } else { (from - 30.0, to + 30.0) };
    let canvas = Canvas { course: &course, from, to };
    let panel = |shown: &Shown| match shown {
        Shown::Offset => canvas.offset(),
        Shown::Bound => canvas.bound(),
        Shown::Frequency => canvas.frequency(),
        Shown::Deviation => deviation(&Steadiness::of(entries)),
    };
    let title = format!("the time of this machine, {} to {} UTC", minute(from), minute(to));
    Some(Sheet { title, panels: shown.iter().map(panel).collect() })
}

/// `2026-11-23 06:05`.
fn minute(at: f64) -> String {
    let date = format!("{:.0}", Civil::of(Time::<Utc>::from_epoch(Span::from_secs(at as i64))));
    date[..16].replace('T', " ")
}

/// What all panels over dates share.
struct Canvas<'a> {
    course: &'a Course,
    from: f64,
    to: f64,
}

impl Canvas<'_> {
    fn offset(&self) -> Panel {
        let unit = Unit::of(self.most(|point| point.offset.abs() + point.sigma));
        let band = self.bands(|it| (it.offset - it.sigma, it.offset + it.sigma), unit);
        let lines = self.lines(|point| point.offset, unit);
        let y = around(&format!("right time minus clock, {}", unit.name), &[&band, &lines], true);
        let series = band.into_iter().map(|marks| Series::new("1 sigma of the time", marks));
        let series = series.chain(lines.into_iter().map(|marks| Series::new("offset", marks)));
        self.panel("offset of the clock", y, series.collect())
    }

    fn bound(&self) -> Panel {
        let positive = |value: f64| value.max(1e-9) * 1e3;
        let unit = Unit { name: "ms", per_second: 1.0 };
        let bounds = self.lines(|point| positive(point.bound), unit);
        let sigmas = self.lines(|point| positive(point.sigma), unit);
        let values = || self.course.points().flat_map(|point| [positive(point.bound), positive(point.sigma)]);
        let (least, most) =
            values().fold((f64::MAX, f64::MIN), |(least, most), it| (least.min(it), most.max(it)));
        let y = decades("error of the likeliest time, ms", least, most);
        let dashes = sigmas.into_iter().map(|marks| Series::new("1 sigma", dashed(marks)));
        let series = bounds.into_iter().map(|marks| Series::new("bound", marks)).chain(dashes);
        self.panel("how well the time is known", y, series.collect())
    }

    fn frequency(&self) -> Panel {
        let ppm = Unit { name: "ppm", per_second: 1.0 };
        let band = self.bands(|it| (it.fast - it.fast_sigma, it.fast + it.fast_sigma), ppm);
        let lines = self.lines(|point| point.fast, ppm);
        let y = around("counter fast by, ppm", &[&lines], false);
        let series = band.into_iter().map(|marks| Series::new("1 sigma of the rate", marks));
        let series = series.chain(lines.into_iter().map(|marks| Series::new("rate", marks)));
        self.panel("frequency of the raw counter", y, series.collect())
    }

    fn panel(&self, title: &str, y: Axis, series: Vec<Series>) -> Panel {
        let note = series.is_empty().then(|| "the time was never known".to_owned());
        let turns = &self.course.turns[self.course.turns.len().saturating_sub(TURNS_MAX)..];
        Panel {
            chart: Chart { title: title.to_owned(), x: Axis::dates("UTC", self.from, self.to), y, series },
            spells: self.course.lasted.iter().filter_map(spell).collect(),
            turns: turns.iter().map(|(at, word)| Turn { at: *at, word: word.clone() }).collect(),
            note,
        }
    }

    fn most(&self, value: impl Fn(&Point) -> f64) -> f64 {
        self.course.points().map(value).fold(0.0, f64::max)
    }

    fn lines(&self, value: impl Fn(&Point) -> f64, unit: Unit) -> Vec<Marks> {
        let curve = |stretch: &Vec<Point>| {
            let points = stretch.iter().map(|point| (point.utc, value(point) * unit.per_second)).collect();
            Marks::Line(visible(self.thinned(points)))
        };
        self.course.stretches.iter().map(curve).collect()
    }

    fn bands(&self, ends: impl Fn(&Point) -> (f64, f64), unit: Unit) -> Vec<Marks> {
        let band = |stretch: &Vec<Point>| {
            let ends = |point: &Point| {
                let (low, high) = ends(point);
                (point.utc, low * unit.per_second, high * unit.per_second)
            };
            Marks::Band(self.thinned_band(stretch.iter().map(ends).collect()))
        };
        self.course.stretches.iter().map(band).collect()
    }

    fn column(&self, x: f64) -> usize {
        ((x - self.from) / (self.to - self.from) * COLUMNS as f64) as usize
    }

    /// As wide as it gets in each column, and how it leaves it.
    fn thinned_band(&self, points: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
        if points.len() <= 2 * COLUMNS {
            return points;
        }
        let columns = points.chunk_by(|one, next| self.column(one.0) == self.column(next.0));
        let widest = columns.flat_map(|column| {
            let low = column.iter().map(|point| point.1).fold(f64::MAX, f64::min);
            let high = column.iter().map(|point| point.2).fold(f64::MIN, f64::max);
            let (first, last) = (column[0], column[column.len() - 1]);
            [(first.0, low, high), (last.0, low, high), last]
        });
        widest.collect()
    }

    /// Of the points of each column the lowest and the highest, in their order, and both ends.
    fn thinned(&self, points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
        if points.len() <= 2 * COLUMNS {
            return points;
        }
        let columns = points.chunk_by(|one, next| self.column(one.0) == self.column(next.0));
        let extremes = columns.flat_map(|column| {
            let by_height = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
            let mut pair: Vec<(f64, f64)> = column
                .iter()
                .min_by(by_height)
                .into_iter()
                .chain(column.iter().max_by(by_height))
                .copied()
                .collect();
            pair.sort_by(|one, other| one.0.total_cmp(&other.0));
            pair
        });
        extremes.collect()
    }
}

/// A line through one point has no length: it gets one.
fn visible(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if let [(x, y)] = points[..] {
        points.push((x + 1.0, y));
    }
    points
}

fn dashed(marks: Marks) -> Marks {
    match marks {
        Marks::Line(points) => Marks::Dashes(points),
        Marks::Dashes(_) | Marks::Band(_) => marks,
    }
}

/// What was as it should be is not painted.
fn spell(lasted: &Lasted) -> Option<Spell> {
    let colour = match lasted.status {
        Status::Synchronised => return None,
        Status::Unknown => 0,
        Status::Disrupted => 1,
        Status::Degraded => 3,
        Status::Holdover => 4,
    };
    Some(Spell { from: lasted.from, to: lasted.to, word: lasted.status.word().to_owned(), colour })
}

/// The unit in which figures are short.
#[derive(Clone, Copy)]
struct Unit {
    name: &'static str,
    per_second: f64,
}

impl Unit {
    fn of(most: f64) -> Self {
        match most {
            it if it >= 1.0 => Self { name: "s", per_second: 1.0 },
            it if it >= 1e-3 => Self { name: "ms", per_second: 1e3 },
            it if it >= 1e-6 => Self { name: "µs", per_second: 1e6 },
            _ => Self { name: "ns", per_second: 1e9 },
        }
    }
}

/// An axis that has room for all marks, and for zero if that is asked for.
fn around(label: &str, marks: &[&Vec<Marks>], with_zero: bool) -> Axis {
    let values = marks.iter().flat_map(|marks| marks.iter()).flat_map(|marks| match marks {
        Marks::Line(points) | Marks::Dashes(points) => points.iter().map(|(_, y)| *y).collect::<Vec<f64>>(),
        Marks::Band(points) => points.iter().flat_map(|(_, low, high)| [*low, *high]).collect(),
    });
    let values = values.chain(with_zero.then_some(0.0));
    let ends = values.fold(None, |ends: Option<(f64, f64)>, it| {
        Some(ends.map_or((it, it), |(least, most)| (least.min(it), most.max(it))))
    });
    let (least, most) = ends.unwrap_or((0.0, 0.0));
    let margin = ((most - least) * 0.05).max(most.abs().max(least.abs()) * 1e-6).max(1e-3);
    Axis::linear(label, least - margin, most + margin)
}

/// An axis over whole powers of ten.
fn decades(label: &str, least: f64, most: f64) -> Axis {
    if least > most {
        return Axis::log(label, 0.1, 10.0);
    }
    let (low, high) = (libm::floor(libm::log10(least)), libm::ceil(libm::log10(most)));
    Axis::log(label, libm::pow(10.0, low), libm::pow(10.0, high.max(low + 1.0)))
}

fn deviation(steadiness: &Steadiness) -> Panel {
    let points: Vec<(f64, f64)> = steadiness.deviations.iter().map(|it| (it.tau, it.deviation)).collect();
    let values = || points.iter().chain(&steadiness.floor);
    let least = |pick: fn(&(f64, f64)) -> f64| values().map(pick).fold(f64::MAX, f64::min);
    let most = |pick: fn(&(f64, f64)) -> f64| values().map(pick).fold(f64::MIN, f64::max);
    let x = decades("over, s of the counter", least(|it| it.0), most(|it| it.0));
    // A counter that is perfect for all we see has no place on an axis of ratios.
    let y = decades("Allan deviation", least(|it| it.1.max(1e-18)), most(|it| it.1.max(1e-18)));
    let note = match (points.is_empty(), steadiness.floor.is_empty()) {
        (true, true) => Some("too little was measured in one go to tell".to_owned()),
        (true, false) => Some("steadier than the readings can tell".to_owned()),
        (false, _) => None,
    };
    let floor = (!steadiness.floor.is_empty()).then(|| {
        Series::new("what the readings' errors make", Marks::Dashes(visible(steadiness.floor.clone())))
    });
    let line = (!points.is_empty()).then(|| Series::new("counter", Marks::Line(wide(points))));
    let series = line.into_iter().chain(floor).collect();
    let title = "overlapping Allan deviation of the raw counter".to_owned();
    Panel { chart: Chart { title, x, y, series }, spells: Vec::new(), turns: Vec::new(), note }
}

/// One point alone, on an axis of ratios.
fn wide(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if let [(x, y)] = points[..] {
        points.push((x * 1.05, y));
    }
    points
}

#[cfg(test)]
mod tests;
