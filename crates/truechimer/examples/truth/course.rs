//! True time as a function of the raw counter: a line, and what may be laid over it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use truechimer::leaps;
use truechimer_sim::chance::Stream;
use truechimer_sys::clock;
use truechimer_time::leap::{Leap, UtcReading};
use truechimer_time::{Civil, LeapKind, LeapTable, Local, Rate, Raw, Span, Tai, Time, Utc};

use crate::turns;

/// Where the truth is kept.
const KEPT: &str = "/truth";
/// A walk changes its rate so often.
const STRIDE: f64 = 16.0;

/// True time, whatever the counter shows.
pub(crate) struct Course {
    /// What was written down: one fact each line.
    text: String,
    /// True time when the counter was at zero.
    start: Time<Tai>,
    /// What true time gains on the counter.
    rate: Rate,
    /// What is laid over the line begins when the counter shows this.
    from: Time<Raw>,
    /// By how much the rate rises, per second.
    ramp: f64,
    /// The rate swings so far, in such a period.
    sine: Option<(f64, f64)>,
    /// True time itself swings so far, in such a period, as it does for the kernel module.
    swing: Option<(f64, f64)>,
    walk: Option<Walk>,
    /// From such moments on, true time is so much later.
    skips: Vec<(Time<Raw>, Span)>,
    leaps: LeapTable,
    /// The kernel's clock is to count all seconds: it is TAI less this.
    tai_less: Option<Span>,
}

impl Course {
    /// The truth by which the kernel's clock is wrong as the options want it, or as it was seen from without.
    pub(crate) fn begin(options: &[&str]) -> anyhow::Result<Self> {
        let option = |name: &str| {
            options.iter().find_map(|word| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
        };
        let number = |name| option(name).map_or(Ok(0.0), str::parse::<f64>);
        let leaps = option("leaps").unwrap_or("");
        let now = clock::readings();
        let passed = now.raw.since_epoch();
        let (start, rate) = match option("turns") {
            Some(file) => turns::line(file)?,
            None => {
                let utc = Time::<Utc>::from_epoch(now.realtime.since_epoch());
                let rate = Rate::from_ppm(number("slow")?);
                let tai = table(leaps)?.tai_of_utc(utc + Span::from_seconds(number("behind")?));
                (tai - passed - rate.over(passed), rate)
            }
        };
        let mut text = format!(
            "line {}:{}\nfrom {}\nramp {:e}\nleaps {leaps}\n",
            start.since_epoch(),
            rate.as_attos_per_second(),
            passed,
            number("ramp")? * 1e-6 / 3600.0,
        );
        for name in ["sine", "swing", "walk", "tai_less"] {
            text += &option(name).map_or(String::new(), |value| format!("{name} {value}\n"));
        }
        Self::read(text)
    }

    /// Writes the truth down.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        fs::write(KEPT, &self.text).with_context(|| format!("cannot write {KEPT}"))
    }

    /// True time goes on by so much at once.
    pub(crate) fn skip(by: Span) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).open(KEPT)?;
        Ok(writeln!(file, "skip {}:{by}", clock::raw().since_epoch())?)
    }

    /// The truth that was written down.
    pub(crate) fn kept() -> anyhow::Result<Self> {
        Self::read(fs::read_to_string(KEPT).with_context(|| format!("{KEPT}: first `truth begin`"))?)
    }

    /// Reads it again if it has changed.
    pub(crate) fn refresh(&mut self) -> anyhow::Result<()> {
        let text = fs::read_to_string(KEPT)?;
        if text != self.text {
            *self = Self::read(text)?;
        }
        Ok(())
    }

    /// Where true time was when the counter was at zero, and what it gains on it: attoseconds, and attoseconds each
    /// second.
    pub(crate) fn line(&self) -> String {
        format!("{}:{}", self.start.since_epoch(), self.rate.as_attos_per_second())
    }

    /// True time when the counter shows so much.
    pub(crate) fn at(&mut self, raw: Time<Raw>) -> Time<Tai> {
        let passed = raw.since_epoch();
        let since = (raw - self.from).as_seconds();
        let swing = self.sine.map_or(0.0, |(rate, period)| {
            let turn = core::f64::consts::TAU / period;
            rate / turn * (1.0 - (turn * since).cos())
        });
        let swung = self.swing.map_or(0.0, |(most, period)| {
            let turns = passed.as_seconds() / period;
            most * (core::f64::consts::TAU * turns.fract()).sin()
        });
        let walked = self.walk.as_mut().map_or(0.0, |walk| walk.at(since));
        let over = Span::from_seconds(self.ramp * since * since / 2.0 + swing + swung + walked);
        let skipped = self.skips.iter().filter(|(at, _)| *at <= raw).map(|(_, by)| *by);
        self.start + passed + self.rate.over(passed) + skipped.fold(over, |sum, by| sum + by)
    }

    /// What a clock shows that counts as the kernel does, which repeats 23:59:59 where a second is inserted.
    pub(crate) fn local(&self, tai: Time<Tai>) -> Time<Local> {
        let UtcReading { time, leap_second, .. } = self.leaps.utc_of_tai(tai);
        let repeated = if leap_second { Span::from_secs(1) } else { Span::ZERO };
        Time::from_epoch(time.since_epoch() - repeated)
    }

    /// What the kernel's clock shows when it is right.
    pub(crate) fn kernel(&self, tai: Time<Tai>) -> Time<Local> {
        match self.tai_less {
            None => self.local(tai),
            Some(less) => Time::from_epoch(tai.since_epoch() - less),
        }
    }

    /// The leap seconds of this world.
    pub(crate) fn leaps(&self) -> &LeapTable {
        &self.leaps
    }

    fn read(text: String) -> anyhow::Result<Self> {
        let mut course = Self {
            text: String::new(),
            start: Time::EPOCH,
            rate: Rate::ZERO,
            from: Time::EPOCH,
            ramp: 0.0,
            sine: None,
            swing: None,
            walk: None,
            skips: Vec::new(),
            leaps: LeapTable::COMPILED,
            tai_less: None,
        };
        for line in text.lines() {
            let (name, value) = line.split_once(' ').context("a fact has a name and a value")?;
            course.hear(name, value).with_context(|| format!("in {KEPT}: {line}"))?;
        }
        course.text = text;
        Ok(course)
    }

    fn hear(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        match name {
            "line" => {
                let (start, rate) = pair(value)?;
                self.start = Time::from_epoch(start.parse()?);
                self.rate = Rate::from_attos_per_second(rate.parse()?);
            }
            "from" => self.from = Time::from_epoch(value.parse()?),
            "ramp" => self.ramp = value.parse()?,
            "leaps" => self.leaps = table(value)?,
            "tai_less" => self.tai_less = Some(Span::from_seconds(value.parse()?)),
            "sine" => {
                let (ppm, period) = pair(value)?;
                self.sine = Some((ppm.parse::<f64>()? * 1e-6, period.parse()?));
            }
            "swing" => {
                let (nanos, period) = pair(value)?;
                self.swing = Some((nanos.parse::<f64>()? * 1e-9, period.parse()?));
            }
            "walk" => {
                let (ppm, seed) = pair(value)?;
                self.walk = Some(Walk::new(ppm.parse::<f64>()? * 1e-6, seed.parse()?));
            }
            "skip" => {
                let (at, by) = pair(value)?;
                self.skips.push((Time::from_epoch(at.parse()?), by.parse()?));
            }
            other => bail!("there is no fact called {other}"),
        }
        Ok(())
    }
}

fn pair(value: &str) -> anyhow::Result<(&str, &str)> {
    value.split_once(':').context("two numbers with a colon between them")
}

/// The leap seconds of a file, or without one those that everybody knows.
fn table(file: &str) -> anyhow::Result<LeapTable> {
    match file {
        "" => Ok(LeapTable::COMPILED),
        file => Ok(leaps::load(&PathBuf::from(file))?),
    }
}

/// The leap seconds that everybody knows and one more, as tzdata writes them.
pub(crate) fn leaps_with(sign: &str, year: i64) -> anyhow::Result<String> {
    let kind = match sign {
        "+" => LeapKind::Inserted,
        "-" => LeapKind::Deleted,
        other => bail!("{other} is neither + nor -"),
    };
    let midnight: Civil = format!("{}-01-01T00:00:00Z", year + 1).parse()?;
    let mut table = LeapTable::COMPILED;
    table.push(midnight.time()?, kind)?;
    Ok(table.leaps().iter().map(zic_line).collect())
}

fn zic_line(leap: &Leap) -> String {
    const MONTHS: [&str; 2] = ["Jun", "Dec"];
    let last = Civil::of(leap.midnight() - Span::from_secs(1));
    let what = match leap.kind() {
        LeapKind::Inserted => "23:59:60 +",
        LeapKind::Deleted => "23:59:59 -",
    };
    format!("Leap {} {} {} {what} S\n", last.year, MONTHS[usize::from(last.month) / 12], last.day)
}

/// A rate that takes a step of chance in each stride.
struct Walk {
    chance: Stream,
    step: f64,
    /// What was gained, and at which rate it goes on, at the beginning of each stride.
    strides: Vec<(f64, f64)>,
}

impl Walk {
    fn new(step: f64, seed: u64) -> Self {
        Self { chance: Stream::new(seed, "walk"), step, strides: vec![(0.0, 0.0)] }
    }

    /// What was gained after so many seconds.
    fn at(&mut self, since: f64) -> f64 {
        let stride = (since / STRIDE).max(0.0) as usize;
        while let (true, Some((gained, rate))) = (self.strides.len() <= stride, self.strides.last().copied())
        {
            let next = rate + self.step * self.chance.normal();
            self.strides.push((gained + rate * STRIDE, next));
        }
        let (gained, rate) = self.strides[stride];
        gained + rate * (since - stride as f64 * STRIDE)
    }
}
