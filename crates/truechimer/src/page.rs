//! What the daemon publishes in shared memory, from what its node says.

use std::path::Path;

use anyhow::Context;
use truechimer_core::moment::Moment;
use truechimer_core::node::report::Publication;
use truechimer_core::policy::TrustPolicy;
use truechimer_core::status::Status;
pub use truechimer_model::page::{FILE_NAME, LAYOUT, Page, Unreadable, UserClock, UtcCourse};
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::shm::PageReader;
use truechimer_sys::vmclock::{self, VmClock};
use truechimer_time::LeapTable;

/// The page of a daemon, found by its run folder, and the clocks at a moment after it was written. What it says is void if this
/// guest has moved to another host since.
///
/// # Errors
/// There is none, it is somebody else's, or it is of another version; with its path.
pub fn read(run_dir: &Path) -> anyhow::Result<(Page, Readings)> {
    let path = run_dir.join(FILE_NAME);
    let place = path.display();
    let reader = PageReader::open(&path)
        .with_context(|| format!("cannot read {place} (does `truechimer run` run? another --run-dir?)"))?;
    look(&reader).with_context(|| format!("cannot read {place}"))
}

/// The same of a page that is open.
///
/// # Errors
/// It is of another version, or its writer was stopped in the midst of it.
pub fn look(reader: &PageReader) -> anyhow::Result<(Page, Readings)> {
    let page = Page::of_words(reader.read()?)?;
    let now = clock::readings();
    // The host is asked last: a guest that is moved after that was not at the readings.
    let page = match is_here(&page) {
        true => page,
        false => Page { status: Status::Disrupted, model: None, ..page },
    };
    Ok((page, now))
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
fn is_here(page: &Page) -> bool {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::history::tests::model;
    use truechimer_time::{Rate, Span, Time};

    /// A page whose clock is so far from the likeliest time, which is known to within 500 µs and 100 ppb more from then on.
    pub(crate) fn page(now: &Readings, away: Span, status: Status) -> Page {
        let model = model(now.raw);
        let utc = LeapTable::COMPILED.utc_of_tai(model.best).time;
        let local = Time::from_epoch(utc.since_epoch()) + away;
        Page {
            status,
            model: Some(model),
            written: now.raw,
            asleep: now.asleep,
            course: Some(UtcCourse::at(&LeapTable::COMPILED, model.best)),
            tai_minus_utc: Some(37),
            leap: None,
            offset: -away,
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            marker: None,
            clock: Some(UserClock { anchor: now.raw, local, rate: Rate::ZERO }),
        }
    }
}
