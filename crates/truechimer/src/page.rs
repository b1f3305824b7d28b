//! What the daemon publishes in shared memory, from what its node says.

use std::path::Path;

use anyhow::Context;
use truechimer_core::moment::Moment;
use truechimer_core::node::report::Publication;
use truechimer_core::policy::TrustPolicy;
use truechimer_core::status::Status;
pub use truechimer_model::page::{FILE_NAME, LAYOUT, Page, Unreadable, UserClock, UtcCourse};
use truechimer_sys::clock::Readings;
use truechimer_sys::shm::PageReader;
use truechimer_sys::vmclock::{self, VmClock};
use truechimer_time::LeapTable;

/// The page of a daemon, found by its run folder. What one says that was written before this guest moved to another host is
/// void.
///
/// # Errors
/// There is none, it is somebody else's, or it is of another version; with its path.
pub fn read(run_dir: &Path) -> anyhow::Result<Page> {
    let path = run_dir.join(FILE_NAME);
    let place = path.display();
    let reader = PageReader::open(&path)
        .with_context(|| format!("cannot read {place} (does `truechimer run` run? another --run-dir?)"))?;
    let page = Page::of_words(reader.read().with_context(|| format!("cannot read {place}"))?)?;
    Ok(if is_here(&page) { page } else { Page { status: Status::Disrupted, model: None, ..page } })
}

/// The page of a publication.
pub fn page_of(
    publication: &Publication,
    trust: &TrustPolicy,
    leaps: &LeapTable,
    clock: Option<UserClock>,
) -> Page {
    let best = publication.model.map(|model| model.read(publication.at.raw).best);
    Page {
        status: publication.status,
        model: publication.model,
        written: publication.at.raw,
        asleep: publication.at.asleep,
        tai_minus_utc: publication.tai_minus_utc,
        course: best.filter(|_| publication.tai_minus_utc.is_some()).map(|best| UtcCourse::at(leaps, best)),
        leap: publication.leap,
        offset: publication.offset,
        max_rate: trust.max_rate,
        max_drift: publication.model.map_or(trust.max_drift, |model| model.limits.drift),
        clock,
        marker: None,
    }
}

/// Is this guest where it was when the page was written, as far as its host tells?
pub fn is_here(page: &Page) -> bool {
    let Some(marker) = page.marker else { return true };
    let host = VmClock::open(Path::new(vmclock::PATH)).ok().flatten();
    host.is_none_or(|host| host.incarnation().is_some_and(|here| here.marker == marker))
}

/// The readings of a moment, as the core wants them, with the kernel's clock as the local one.
pub fn moment(readings: &Readings) -> Moment {
    Moment {
        raw: readings.raw,
        mono: readings.mono,
        local: readings.realtime,
        asleep: readings.asleep,
        width: readings.width,
    }
}
