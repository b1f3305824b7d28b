//! A page that is open, and stays so when the daemon comes back with another.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use truechimer_model::Page;
use truechimer_model::page::{SILENCE_MAX, SLEEP_MIN};
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_sys::vmclock::{self, VmClock};
use truechimer_time::{Raw, Span, Tai, Time};

use crate::{Error, Reading};

/// A page that is not renewed is looked for again after this.
const LOOK_INTERVAL: Span = Span::from_secs(1);

/// The time of this machine, with its bound. It can be shared by threads; threads that read it millions of times a second are
/// better off with one each.
pub struct Clock {
    path: PathBuf,
    owner: Option<u32>,
    page: RwLock<PageReader>,
    /// What the host of this guest tells, if it does.
    host: Option<VmClock>,
    /// When another page was last looked for, in nanoseconds of the counter.
    looked: AtomicI64,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("path", &self.path).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Clock {
    /// Opens the page at `path`, most often [`PATH`](crate::PATH). It has to belong to root, to us, or to whoever has its
    /// folder, and nobody else may be able to write to it or to replace it.
    ///
    /// # Errors
    /// [`Error::Page`]: there is none (is the daemon running?), or none that can be relied upon.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::opened(path.as_ref(), None)
    }

    /// The same for a page that has to belong to this user.
    ///
    /// # Errors
    /// As [`Clock::open`].
    pub fn open_owned_by(path: impl AsRef<Path>, uid: u32) -> Result<Self, Error> {
        Self::opened(path.as_ref(), Some(uid))
    }

    fn opened(path: &Path, owner: Option<u32>) -> Result<Self, Error> {
        let page = RwLock::new(PageReader::open_guarded(path, owner)?);
        let host = VmClock::open(Path::new(vmclock::PATH)).ok().flatten();
        Ok(Self { path: path.to_path_buf(), owner, page, host, looked: AtomicI64::new(i64::MIN) })
    }

    /// The same beside a host whose page is elsewhere, for tests.
    #[doc(hidden)]
    pub fn beside(self, host: &Path) -> Self {
        Self { host: VmClock::open(host).ok().flatten(), ..self }
    }

    /// Is this guest where it was when the page was written, as far as its host tells? To be asked after the counter was read.
    fn is_here(&self, page: &Page) -> bool {
        match (page.marker, &self.host) {
            (Some(marker), Some(host)) => host.incarnation().is_some_and(|here| here.marker == marker),
            (Some(_) | None, _) => true,
        }
    }

    /// What time it is, at a moment between the call and its return.
    ///
    /// If the page's file was replaced, as after some restarts of the daemon, the new one is read: a page that cannot be read,
    /// or has not been renewed for over two minutes, is looked for again, at most once a second.
    ///
    /// # Errors
    /// [`Error::Unknown`] while the daemon does not know the time, [`Error::Slept`] after a sleep of the machine and
    /// [`Error::Moved`] after its move until it has measured anew, and others where the page cannot be read.
    pub fn now(&self) -> Result<Reading, Error> {
        let page = self.page();
        let (raw, asleep) = clock::counter();
        let is_good = page.as_ref().is_ok_and(|page| raw - page.written <= SILENCE_MAX);
        let page = match is_good || !self.looks_again(raw) {
            true => page?,
            false => self.page()?,
        };
        let is_slept = |page: &Page, asleep: Span| (asleep - page.asleep).abs() > SLEEP_MIN;
        // One try may have been interrupted between two clocks.
        let asleep = if is_slept(&page, asleep) { clock::asleep() } else { asleep };
        if !self.is_here(&page) {
            return Err(Error::Moved);
        }
        Reading::of(&page, raw, asleep)
    }

    /// Is `instant` in the past, for certain?
    ///
    /// # Errors
    /// As [`Clock::now`].
    pub fn has_passed(&self, instant: Time<Tai>) -> Result<bool, Error> {
        Ok(self.now()?.tai.has_passed(instant))
    }

    /// Was `instant` in the future, for certain, during the call?
    ///
    /// # Errors
    /// As [`Clock::now`].
    pub fn is_to_come(&self, instant: Time<Tai>) -> Result<bool, Error> {
        Ok(self.now()?.tai.is_to_come(instant))
    }

    /// Sleeps until `instant` has passed for certain, and says what time it is then. For an instant that was the latest of a
    /// reading this takes about twice its bound.
    ///
    /// # Errors
    /// [`Error::StillToCome`] after `patience`, by `CLOCK_MONOTONIC`; else as [`Clock::now`].
    pub fn wait_until_passed(&self, instant: Time<Tai>, patience: Duration) -> Result<Reading, Error> {
        let patience = Span::from_nanos(i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX));
        let started = clock::mono();
        loop {
            let now = self.now()?;
            if now.tai.has_passed(instant) {
                return Ok(now);
            }
            let left = patience - (clock::mono() - started);
            if left <= Span::ZERO {
                return Err(Error::StillToCome);
            }
            let missing = instant - now.tai.earliest + Span::from_nanos(1);
            let nanos = missing.min(left).as_nanos().saturating_add(1);
            thread::sleep(Duration::from_nanos(nanos.max(1).unsigned_abs()));
        }
    }

    /// The user who writes the page.
    pub fn owner(&self) -> u32 {
        self.page.read().unwrap_or_else(PoisonError::into_inner).owner()
    }

    /// All that is on the page.
    ///
    /// # Errors
    /// [`Error::Page`] and [`Error::Unreadable`].
    pub fn page(&self) -> Result<Page, Error> {
        let words = self.page.read().unwrap_or_else(PoisonError::into_inner).read()?;
        Ok(Page::of_words(words)?)
    }

    /// Opens the page at the path, if it is another and it is time to look. Says whether there is a new one to be read.
    fn looks_again(&self, raw: Time<Raw>) -> bool {
        let now = raw.since_epoch().as_nanos();
        let looked = self.looked.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(looked) >= LOOK_INTERVAL.as_nanos();
        // Of several threads one looks.
        let is_ours = self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_due || !is_ours || self.page.read().unwrap_or_else(PoisonError::into_inner).is_at(&self.path) {
            return false;
        }
        // Until there is a page that can be relied upon, the old one is as good as it was.
        let Ok(page) = PageReader::open_guarded(&self.path, self.owner) else { return false };
        *self.page.write().unwrap_or_else(PoisonError::into_inner) = page;
        true
    }
}
