//! The published time beside the truth, which here is the clock of this machine.
//!
//! Our daemons keep clocks of their own, from servers that serve this machine's clock. So each sample tells how wrong
//! the daemon is, and whether it was right about how wrong it can be. That is checked at every sample: no test has to
//! ask for it.

use std::path::Path;
use std::time::{Duration, Instant};

use truechimer::page::{FILE_NAME, Page};
use truechimer_core::status::Status;
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::{LeapTable, Span, Tai, Time};

use crate::place::eventually;

/// How often the page is looked at.
const TURN: Duration = Duration::from_millis(100);

const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the page and the truth together.
pub(crate) struct Truth {
    reader: PageReader,
}

/// The page and the truth at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// What the page says of itself.
    pub(crate) status: Status,
    /// The best guess minus the truth.
    pub(crate) error: Span,
    /// The best guess is at most this far from the truth, it says.
    pub(crate) bound: Span,
}

impl Truth {
    /// The page in that folder, as soon as it is there.
    pub(crate) fn of(run_dir: &Path) -> Self {
        let path = run_dir.join(FILE_NAME);
        Self { reader: eventually(PATIENCE, "a page", || PageReader::open(&path).ok()) }
    }

    /// What the page says now; `None` while it knows no time.
    ///
    /// # Panics
    ///
    /// If the truth is not where the page says that it is.
    #[track_caller]
    pub(crate) fn sample(&self) -> Option<Sample> {
        let page = Page::of_words(self.reader.read().ok()?).unwrap();
        let now = clock::readings();
        let reading = page.read(now.raw, now.asleep)?;
        let [earliest, best, latest] = [reading.earliest, reading.best, reading.latest].map(utc);
        let truth = now.realtime.since_epoch();
        let width = now.width;
        assert!(
            earliest - width <= truth && truth <= latest + width,
            "{}: the truth is {:?} from the earliest and {:?} from the latest time",
            page.status,
            truth - earliest,
            latest - truth,
        );
        Some(Sample { status: page.status, error: best - truth, bound: reading.bound() })
    }

    /// Looks at the page until a sample is as it should be. All samples until then.
    #[track_caller]
    pub(crate) fn watch_until(
        &self,
        limit: Duration,
        what: &str,
        mut is_so: impl FnMut(&Sample) -> bool,
    ) -> Vec<Sample> {
        let (start, mut samples) = (Instant::now(), Vec::new());
        loop {
            if let Some(sample) = self.sample() {
                samples.push(sample);
                if is_so(&sample) {
                    return samples;
                }
            }
            assert!(start.elapsed() < limit, "not within {limit:?}: {what}; last {:?}", samples.last());
            std::thread::sleep(TURN);
        }
    }

    /// Looks at the page for a while. All samples.
    #[track_caller]
    pub(crate) fn watch(&self, duration: Duration) -> Vec<Sample> {
        let start = Instant::now();
        let samples = self.watch_until(duration + PATIENCE, "time passes", |_| start.elapsed() >= duration);
        assert!(samples.len() > 1, "the page told a time");
        samples
    }
}

/// As seconds since 1970, like the truth.
fn utc(tai: Time<Tai>) -> Span {
    LeapTable::COMPILED.utc_of_tai(tai).time.since_epoch()
}
