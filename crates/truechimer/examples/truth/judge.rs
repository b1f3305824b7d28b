//! Looking at the kernel's clock, and at all that is claimed about it, once a second.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clock_bound_client::{ClockBoundClient, ClockStatus};
use truechimer::page::{self, Page};
use truechimer_core::discipline::model::Reading;
use truechimer_sys::adjust::{self, KernelClock};
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::{Local, Span, Time};

use crate::course::Course;

/// Where the daemon under test publishes the time.
const RUN_DIR: &str = "/run/truechimer";

/// Where it writes for clients of ClockBound, in the scenarios that have any.
const CLOCKBOUND: &str = "/run/truechimer/shm0";

/// Prints a row each so many seconds. Fails if something was claimed that was not true.
pub(crate) fn judge(seconds: u32, every: u32) -> anyhow::Result<ExitCode> {
    let mut course = Course::kept()?;
    let mut honest = true;
    println!(
        "{:>5} {:>14} {:>12} {:>12} {:>12} {:>10} {:>10} {:>6} {:>4} {:>13} claims",
        "s",
        "clock error us",
        "page off us",
        "page +- us",
        "maxerror us",
        "esterror",
        "rate ppm",
        "status",
        "tai",
        "clockbound us"
    );
    for second in (every..=seconds).step_by(every as usize) {
        thread::sleep(Duration::from_secs(every.into()));
        course.refresh()?;
        // Opened anew each time: a daemon that starts again may have made another.
        let page = PageReader::open(&Path::new(RUN_DIR).join(page::FILE_NAME)).ok();
        let look = Look::now(&mut course, page.as_ref())?;
        let is_honest = look.is_honest();
        honest &= is_honest;
        println!("{second:>5} {} {}", look.row(), if is_honest { "true" } else { "FALSE" });
    }
    Ok(if honest { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the judge sees at one moment.
struct Look {
    /// The kernel's clock less the truth.
    error: Span,
    kernel: KernelClock,
    /// How far the page says that its best guess can be off, and how far that is.
    page: Option<(Span, Span)>,
    /// What a client of ClockBound is told.
    client: Option<Client>,
}

/// What the library of ClockBound makes of the file.
struct Client {
    status: ClockStatus,
    earliest: Time<Local>,
    latest: Time<Local>,
    /// The right time before and after it was asked.
    right: (Time<Local>, Time<Local>),
}

impl Client {
    /// Opened anew each time, as above. `None` where there is no file, or none that the library reads.
    fn ask(course: &mut Course) -> Option<Self> {
        let mut client =
            Path::new(CLOCKBOUND).exists().then(|| ClockBoundClient::new_with_path(CLOCKBOUND))?.ok()?;
        let before = clock::raw();
        let told = client.now().ok()?;
        let after = clock::raw();
        let instant =
            |seconds: i64, nanos: i64| Time::from_epoch(Span::from_secs(seconds) + Span::from_nanos(nanos));
        let (from, to) = (course.at(before), course.at(after));
        Some(Self {
            status: told.clock_status,
            earliest: instant(told.earliest.tv_sec(), told.earliest.tv_nsec()),
            latest: instant(told.latest.tv_sec(), told.latest.tv_nsec()),
            right: (course.kernel(from), course.kernel(to)),
        })
    }

    fn claims(&self) -> bool {
        matches!(self.status, ClockStatus::Synchronized | ClockStatus::FreeRunning)
    }

    fn is_honest(&self) -> bool {
        !self.claims() || (self.earliest <= self.right.1 && self.right.0 <= self.latest)
    }

    /// Half of the interval with a letter for the status: `S` synchronised, `F` free running; else the status alone.
    fn text(&self) -> String {
        let half = (self.latest - self.earliest).half().as_seconds() * 1e6;
        match self.status {
            ClockStatus::Synchronized => format!("S{half:.1}"),
            ClockStatus::FreeRunning => format!("F{half:.1}"),
            ClockStatus::Disrupted => "disrupted".into(),
            ClockStatus::Unknown => "unknown".into(),
        }
    }
}

impl Look {
    fn now(course: &mut Course, page: Option<&PageReader>) -> anyhow::Result<Self> {
        let now = clock::readings();
        let kernel = adjust::read_state()?;
        let right = course.at(now.raw);
        let page = page.and_then(|page| page.read().ok()).and_then(|words| Page::of_words(words).ok());
        let claim = |reading: Reading| (reading.bound(), reading.best - right);
        let page = page.and_then(|page| page.read(now.raw, now.asleep)).map(claim);
        let client = Client::ask(course);
        Ok(Self { error: now.realtime - course.kernel(right), kernel, page, client })
    }

    /// Whatever is claimed is true.
    fn is_honest(&self) -> bool {
        let kernel = !self.kernel.status.synchronised() || self.error.abs() <= self.kernel.maxerror;
        let page = self.page.is_none_or(|(bound, off)| off.abs() <= bound);
        kernel && page && self.client.as_ref().is_none_or(Client::is_honest)
    }

    fn row(&self) -> String {
        let micros = |span: Span| format!("{:.1}", span.as_seconds() * 1e6);
        let page =
            |part: fn(&(Span, Span)) -> Span| self.page.as_ref().map_or("-".into(), |p| micros(part(p)));
        let KernelClock { rate, status, maxerror, esterror, tai_offset, .. } = self.kernel;
        format!(
            "{:>14} {:>12} {:>12} {:>12} {:>10} {:>10.3} {:>6} {tai_offset:>4} {:>13}",
            micros(self.error),
            page(|(_, off)| *off),
            page(|(bound, _)| *bound),
            micros(maxerror),
            micros(esterror),
            rate.as_ppm(),
            format!("{:#x}", status.bits()),
            self.client.as_ref().map_or("-".into(), Client::text),
        )
    }
}

/// A row that was printed above.
struct Row {
    second: u32,
    error: f64,
    /// What the page and the kernel claimed, where they did.
    claims: [Option<f64>; 2],
    is_honest: bool,
}

fn rows(table: &str) -> anyhow::Result<Vec<Row>> {
    let text = fs::read_to_string(table).with_context(|| table.to_owned())?;
    text.lines().skip(1).map(row).collect()
}

fn row(line: &str) -> anyhow::Result<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[second, error, _, page, kernel, .., claims] = &words[..] else {
        bail!("not a row of a judge's table: {line}")
    };
    let claimed = |word: &str| word.parse().ok();
    Ok(Row {
        second: second.parse()?,
        error: error.parse()?,
        claims: [claimed(page), claimed(kernel)],
        is_honest: claims == "true",
    })
}

/// The second of a table from which on the clock is never off by more.
pub(crate) fn first(table: &str, micros: f64) -> anyhow::Result<String> {
    let rows = rows(table)?;
    let wrong = rows.iter().rposition(|row| row.error.abs() > micros);
    let right = rows.get(wrong.map_or(0, |place| place + 1));
    Ok(right.map_or("never".into(), |row| row.second.to_string()))
}

/// What came out in these seconds of a table: all in microseconds, but for the number of false claims.
pub(crate) fn sum(table: &str, seconds: RangeInclusive<u32>) -> anyhow::Result<String> {
    let mut rows = rows(table)?;
    rows.retain(|row| seconds.contains(&row.second));
    let rms = (rows.iter().map(|row| row.error * row.error).sum::<f64>() / rows.len() as f64).sqrt();
    let worst = rows.iter().fold(0.0, |worst: f64, row| worst.max(row.error.abs()));
    let [page, kernel] =
        [0, 1].map(|claim| median(rows.iter().filter_map(|row| row.claims[claim]).collect()));
    let lies = rows.iter().filter(|row| !row.is_honest).count();
    Ok(format!("{rms:.2} {worst:.1} {page} {kernel} {lies}"))
}

fn median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or("-".into(), |value| format!("{value:.1}"))
}
