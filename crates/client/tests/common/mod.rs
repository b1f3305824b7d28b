//! Pages of now, and where to put them.
#![allow(dead_code, reason = "each test uses what it needs")]

use std::path::PathBuf;

use tempfile::TempDir;
use truechimer_model::page::UtcCourse;
use truechimer_model::{Bracket, Model, Page, RateLimits, Status};
use truechimer_sys::clock;
use truechimer_sys::shm::PageWriter;
use truechimer_time::{Rate, Span, Time};

/// A folder with a page in it.
pub(crate) struct Place {
    folder: TempDir,
    writer: PageWriter,
}

impl Place {
    /// A page that says this.
    pub(crate) fn with(page: &Page) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = PageWriter::publish(&folder.path().join("time")).expect("a page");
        writer.write(&page.to_words());
        Self { folder, writer }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    /// Writes it anew.
    pub(crate) fn write(&mut self, page: &Page) {
        self.writer.write(&page.to_words());
    }

    /// Puts another file in its place.
    pub(crate) fn replace(&mut self, page: &Page) {
        std::fs::remove_file(self.path()).expect("it was there");
        self.writer = PageWriter::publish(&self.path()).expect("a page");
        self.write(page);
    }
}

/// Writes what a host tells its guest: VMClock's magic, size, version 1, an even count, and the disruption marker.
pub(crate) fn write_host(path: &std::path::Path, marker: u8) {
    let mut host = vec![0; 4096];
    host[..12].copy_from_slice(&[b'V', b'C', b'L', b'K', 0, 16, 0, 0, 1, 0, 0, 0]);
    (host[12], host[16]) = (2, marker);
    // In its place, as a host does: who has mapped it sees it at once.
    let file =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&file, &host, 0).expect("written");
}

/// A page that was written now, by a daemon that knows the time to within 2 ms.
pub(crate) fn page_of_now() -> Page {
    let now = clock::readings();
    let best = Time::from_epoch(now.realtime.since_epoch() + Span::from_secs(37));
    let (at, rate) = (now.raw, Rate::from_ppb(-12_345));
    Page {
        status: Status::Synchronised,
        model: Some(Model {
            best,
            rate,
            bracket: Bracket {
                at,
                earliest: best - Span::from_millis(1),
                latest: best + Span::from_millis(2),
            },
            limits: RateLimits::around(rate, Rate::from_ppb(15_000)).drifting(Rate::from_ppb(15_000)),
            sigma: Span::from_micros(20),
            rate_sigma: Rate::from_ppb(3),
            wander: Rate::from_ppb(1),
        }),
        written: now.raw,
        asleep: now.asleep,
        tai_minus_utc: Some(37),
        course: Some(UtcCourse { before: 37, leaps: Time::EPOCH, after: 37 }),
        leap: None,
        offset: Span::from_micros(-17),
        max_rate: Rate::from_ppb(500_000),
        max_drift: Rate::from_ppb(15_000),
        clock: None,
        marker: None,
    }
}
