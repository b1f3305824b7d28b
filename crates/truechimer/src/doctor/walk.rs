//! Looking for stamps from the future below folders of any size: as fast as the kernel tells stamps, in memory that does not grow
//! with the number of files.
//!
//! Several threads take folders from one heap of them. A folder is read entry by entry and never kept; of its entries only folders are
//! remembered, up to [`FOLDERS_MAX`], and beyond that whoever finds one looks into it at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, Metadata};
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use truechimer_sys::clock;
use truechimer_time::{Local, Span, Time};

/// So many folders wait at most.
const FOLDERS_MAX: usize = 16_384;
/// So deep a thread goes by itself when too many wait. Each level keeps a folder open.
const DEPTH_MAX: usize = 64;
/// So many entries are counted at a time.
const BATCH: u64 = 256;

/// What is looked for, and where.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Below which folder; it is looked at as well.
    pub top: &'a Path,
    /// A stamp is from the future when it is ahead of our clock by more than this.
    pub beyond: Span,
    /// How many of the worst are named.
    pub named: usize,
    /// By how many threads.
    pub threads: NonZeroUsize,
    /// Whether to look into other file systems that are mounted below.
    pub elsewhere: bool,
    /// After so many entries nothing more is looked at.
    pub entries_max: u64,
}

/// A file from the future.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Future {
    /// By how much the later of its stamps is ahead of our clock.
    pub ahead: Span,
    /// Whether its content was changed in the future (mtime), which any program can claim.
    pub by_mtime: bool,
    /// Whether it was changed in any way in the future (ctime), which only a clock can.
    pub by_ctime: bool,
    /// Where it is.
    pub path: PathBuf,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files and folders that were looked at.
    pub seen: u64,
    /// Of these, from the future.
    pub future: u64,
    /// Of these, those of which the mtime is.
    pub by_mtime: u64,
    /// Of these, those of which the ctime is.
    pub by_ctime: u64,
    /// What could not be looked at.
    pub unreadable: u64,
    /// Folders in which another file system is mounted, left out.
    pub elsewhere: u64,
    /// Whether there was more than we were to look at.
    pub is_cut: bool,
    /// The worst, worst first.
    pub worst: Vec<Future>,
}

/// Looks. `seen` counts along, for those who wait.
pub fn walk(search: &Search<'_>, seen: &AtomicU64) -> Tally {
    let Ok(top) = fs::metadata(search.top) else {
        return Tally { unreadable: 1, ..Tally::default() };
    };
    let folders = Folders::new(search.top.to_owned());
    let mut whole = thread::scope(|scope| {
        let walkers: Vec<_> = (0..search.threads.get())
            .map(|_| scope.spawn(|| Walker::new(search, &folders, seen, top.dev()).run()))
            .collect();
        let mut tallies = walkers.into_iter().map(|walker| walker.join());
        let first = Tally::default();
        tallies.try_fold(first, |whole, tally| tally.map(|tally| whole.and(tally)))
    })
    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut looked = Walker::new(search, &folders, seen, top.dev());
    looked.look(&top, || search.top.to_owned());
    whole = whole.and(looked.end());
    whole.worst.sort_by(|one, other| other.cmp(one));
    whole.worst.truncate(search.named);
    whole
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.seen += other.seen;
        self.future += other.future;
        self.by_mtime += other.by_mtime;
        self.by_ctime += other.by_ctime;
        self.unreadable += other.unreadable;
        self.elsewhere += other.elsewhere;
        self.is_cut |= other.is_cut;
        self.worst.extend(other.worst);
        self
    }
}

/// Folders that wait to be looked into, and how many are being looked into.
struct Folders {
    state: Mutex<Waiting>,
    changed: Condvar,
}

struct Waiting {
    folders: Vec<PathBuf>,
    busy: usize,
}

impl Folders {
    fn new(top: PathBuf) -> Self {
        Self { state: Mutex::new(Waiting { folders: vec![top], busy: 0 }), changed: Condvar::new() }
    }

    /// What is kept here is whole between any two statements, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next folder; none when all is done.
    fn take(&self) -> Option<PathBuf> {
        let mut state = self.state();
        loop {
            if let Some(folder) = state.folders.pop() {
                state.busy += 1;
                return Some(folder);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A folder that was taken has been looked into.
    fn done(&self) {
        let mut state = self.state();
        state.busy -= 1;
        if state.busy == 0 {
            self.changed.notify_all();
        }
    }

    /// Leaves a folder to whoever is free; back if too many wait and we can still look ourselves.
    fn leave(&self, folder: PathBuf, depth: usize) -> Option<PathBuf> {
        let mut state = self.state();
        if state.folders.len() >= FOLDERS_MAX && depth < DEPTH_MAX {
            return Some(folder);
        }
        state.folders.push(folder);
        self.changed.notify_one();
        None
    }
}

/// One thread of a search.
struct Walker<'a> {
    search: &'a Search<'a>,
    folders: &'a Folders,
    all_seen: &'a AtomicU64,
    device: u64,
    /// When a stamp is from the future, for sure not too late.
    limit: Time<Local>,
    tally: Tally,
    /// Of `tally.seen`, what `all_seen` does not know yet.
    uncounted: u64,
    worst: BinaryHeap<Reverse<Future>>,
}

impl<'a> Walker<'a> {
    fn new(search: &'a Search<'a>, folders: &'a Folders, all_seen: &'a AtomicU64, device: u64) -> Self {
        Self {
            search,
            folders,
            all_seen,
            device,
            limit: clock::realtime() + search.beyond,
            tally: Tally::default(),
            uncounted: 0,
            worst: BinaryHeap::new(),
        }
    }

    fn run(mut self) -> Tally {
        while let Some(folder) = self.folders.take() {
            self.folder(&folder, 0);
            self.folders.done();
        }
        self.end()
    }

    fn end(mut self) -> Tally {
        self.all_seen.fetch_add(self.uncounted, Ordering::Relaxed);
        self.tally.worst = self.worst.into_iter().map(|Reverse(future)| future).collect();
        self.tally
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            self.tally.unreadable += 1;
            return;
        };
        for entry in entries {
            if self.is_enough() {
                return;
            }
            let Ok((entry, about)) = entry.and_then(|entry| entry.metadata().map(|about| (entry, about)))
            else {
                self.tally.unreadable += 1;
                continue;
            };
            // Of what is no folder the device says little: layers of overlayfs have their own.
            if about.is_dir() && about.dev() != self.device && !self.search.elsewhere {
                self.tally.elsewhere += 1;
                continue;
            }
            self.look(&about, || entry.path());
            if !about.is_dir() {
                continue;
            }
            if let Some(ours) = self.folders.leave(entry.path(), depth) {
                self.folder(&ours, depth + 1);
            }
        }
    }

    /// Has everybody together looked at as much as was wanted?
    fn is_enough(&mut self) -> bool {
        if self.uncounted >= BATCH {
            self.all_seen.fetch_add(std::mem::take(&mut self.uncounted), Ordering::Relaxed);
        }
        let is_enough = self.all_seen.load(Ordering::Relaxed) + self.uncounted >= self.search.entries_max;
        self.tally.is_cut |= is_enough;
        is_enough
    }

    fn look(&mut self, about: &Metadata, path: impl FnOnce() -> PathBuf) {
        self.tally.seen += 1;
        self.uncounted += 1;
        let stamp = |seconds, nanos| Time::from_epoch(Span::from_secs(seconds) + Span::from_nanos(nanos));
        let mtime: Time<Local> = stamp(about.mtime(), about.mtime_nsec());
        let ctime: Time<Local> = stamp(about.ctime(), about.ctime_nsec());
        if mtime.max(ctime) <= self.limit {
            return;
        }
        // It may have been written since the clock was last read.
        let now = clock::realtime();
        self.limit = now + self.search.beyond;
        let (by_mtime, by_ctime) = (mtime > self.limit, ctime > self.limit);
        if !by_mtime && !by_ctime {
            return;
        }
        self.tally.future += 1;
        self.tally.by_mtime += u64::from(by_mtime);
        self.tally.by_ctime += u64::from(by_ctime);
        self.remember(mtime.max(ctime) - now, |ahead| Future { ahead, by_mtime, by_ctime, path: path() });
    }

    /// Keeps the worst, and no more than are to be named.
    fn remember(&mut self, ahead: Span, future: impl FnOnce(Span) -> Future) {
        let is_full = self.worst.len() >= self.search.named;
        if is_full && self.worst.peek().is_none_or(|Reverse(least)| ahead <= least.ahead) {
            return;
        }
        self.worst.push(Reverse(future(ahead)));
        if self.worst.len() > self.search.named {
            self.worst.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    fn search(top: &Path) -> Search<'_> {
        Search {
            top,
            beyond: Span::ZERO,
            named: 3,
            threads: NonZeroUsize::new(3).unwrap(),
            elsewhere: false,
            entries_max: u64::MAX,
        }
    }

    fn put(path: &Path, ahead: Duration) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::now() + ahead)).unwrap();
    }

    #[test]
    fn files_from_the_future_are_counted_and_the_worst_are_named() {
        let top = tempfile::tempdir().unwrap();
        for folder in 0..20 {
            for file in 0..30 {
                let ahead = if folder == 7 { 3600 * (file + 1) } else { 0 };
                put(&top.path().join(format!("{folder}/deep/{file}")), Duration::from_secs(ahead));
            }
        }
        let seen = AtomicU64::new(0);
        let tally = walk(&search(top.path()), &seen);
        assert_eq!((tally.seen, tally.future, tally.by_mtime, tally.by_ctime), (641, 30, 30, 0), "{tally:?}");
        assert_eq!(seen.into_inner(), 641);
        let names: Vec<String> = tally.worst.iter().map(|future| future.path.display().to_string()).collect();
        let expected =
            [29, 28, 27].map(|file| top.path().join(format!("7/deep/{file}")).display().to_string());
        assert_eq!(names, expected);
        assert!((tally.worst[0].ahead - Span::from_secs(30 * 3600)).abs() < Span::from_secs(600));
        let tolerant = Search { beyond: Span::from_secs(25 * 3600 + 1800), ..search(top.path()) };
        assert_eq!(walk(&tolerant, &AtomicU64::new(0)).future, 5);
    }

    #[test]
    fn links_are_not_followed_and_what_cannot_be_read_is_counted() {
        let (top, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(&other.path().join("future"), Duration::from_secs(99));
        std::os::unix::fs::symlink(other.path(), top.path().join("link")).unwrap();
        let tally = walk(&search(top.path()), &AtomicU64::new(0));
        assert_eq!((tally.seen, tally.future, tally.unreadable), (2, 0, 0), "{tally:?}");
        assert_eq!(walk(&search(&top.path().join("none")), &AtomicU64::new(0)).unreadable, 1);
    }

    #[test]
    fn looking_ends_where_it_was_told_to() {
        let top = tempfile::tempdir().unwrap();
        for file in 0..3000 {
            put(&top.path().join(file.to_string()), Duration::ZERO);
        }
        let some = walk(&Search { entries_max: 1000, ..search(top.path()) }, &AtomicU64::new(0));
        assert!(some.is_cut && some.seen <= 1001, "{some:?}");
        assert!(!walk(&search(top.path()), &AtomicU64::new(0)).is_cut);
    }

    #[test]
    fn too_many_folders_are_looked_into_at_once() {
        let folders = Folders::new(PathBuf::from("top"));
        for number in 1..FOLDERS_MAX {
            assert_eq!(folders.leave(PathBuf::from(number.to_string()), 0), None);
        }
        assert_eq!(folders.leave(PathBuf::from("one more"), 0), Some(PathBuf::from("one more")));
        assert_eq!(folders.leave(PathBuf::from("deep"), DEPTH_MAX), None, "a thread does not go any deeper");
    }
}
