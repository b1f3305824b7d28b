//! What is known of true time on this machine: what its daemon publishes, if one runs.

use std::path::Path;

use truechimer_model::page::FILE_NAME;
use truechimer_sys::shm::PageReader;
use truechimer_time::{LeapTable, Tai, Time};

use super::window::Window;
use crate::page;

/// The daemon's page, if there is one.
pub(super) struct Truth {
    reader: Option<PageReader>,
}

impl Truth {
    /// Of the daemon with this run folder. That none runs is no error: then nothing is known of true time.
    pub(super) fn of(run_dir: &Path) -> Self {
        Self { reader: PageReader::open(&run_dir.join(FILE_NAME)).ok() }
    }

    /// How far UTC is ahead of the raw counter, as far as is known now.
    pub(super) fn window(&self) -> Option<Window> {
        let (page, now) = page::look(self.reader.as_ref()?).ok()?;
        let reading = page.read(now.raw, now.asleep)?;
        let utc = |tai: Time<Tai>| LeapTable::COMPILED.utc_of_tai(page.in_own_leaps(tai)).time.since_epoch();
        let raw = now.raw.since_epoch();
        Some(Window::between(utc(reading.earliest) - raw, utc(reading.latest) - raw))
    }
}
