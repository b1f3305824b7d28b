//! The stamps that a file system gives: by whose clock, how fine, and until which year.
//!
//! A private folder is made, files and folders are made in it, their times are held against our clock before and after, and all of
//! it is removed. [`measure`] does so and waits as long as the file system lets it. A server that is dead may not let go of who asks
//! it, so [`measure_apart`] has another process do it, and leaves that alone when it does not answer.
//!
//! ```text
//!   our clock      before ├──────────────┤ after
//!   the server's             stamp ├─┤ stamp + step
//!   ahead by       between  stamp - after  and  stamp + step - before
//! ```

use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use truechimer_sys::clock;
use truechimer_time::Span;

use super::Hidden;

/// What a kernel's stamps may be behind its own clock: it takes the time of its last tick, which is 10 ms ago at most (Linux,
/// `CONFIG_HZ=100`) or 15.625 ms (Windows).
const TICK_NS: i64 = 15_625_000;
/// How often a stamp is looked at, at least.
const TRIES: usize = 6;
/// How often at most: as long as the widest step lasts, see [`PAUSE`].
const TRIES_MAX: usize = 120;
/// Between two looks, where a step has to be waited for.
const PAUSE: Duration = Duration::from_millis(20);
/// A step up to here needs no waiting for.
const FINE_NS: i64 = 100_000_000;
/// What a folder of ours is called, up to the random part.
const PREFIX: &str = ".truechimer-";
/// No answer of the other process is longer.
const ANSWER_MAX: u64 = 4096;

/// An odd instant with odd nanoseconds, from which any rounding can be told: 2020-09-13T12:26:41.123456789Z.
const ODD: (i64, u32) = (1_600_000_001, 123_456_789);
/// 2100-01-01T00:00:00Z, later than what is kept in 32 bits with a sign (2038).
const YEAR_2100: i64 = 4_102_444_800;

/// By how much a clock is ahead of ours, as an interval in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// At least; negative where it may be behind.
    pub least_ns: i64,
    /// At most.
    pub most_ns: i64,
}

impl Ahead {
    /// What one stamp says, which was given at some time between two readings of our clock, and is behind the clock that gave it by
    /// at most a `step`.
    fn of(before: i64, stamp: i64, after: i64, step: i64) -> Self {
        Self {
            least_ns: stamp.saturating_sub(after),
            most_ns: stamp.saturating_add(step).saturating_sub(before),
        }
    }

    /// What both say together.
    pub fn and(self, other: Self) -> Self {
        Self { least_ns: self.least_ns.max(other.least_ns), most_ns: self.most_ns.min(other.most_ns) }
    }

    /// The middle, and by how much it may be wrong.
    pub const fn middle(self) -> (Span, Span) {
        let (least, most) =
            (Span::from_nanos(self.least_ns).as_attos(), Span::from_nanos(self.most_ns).as_attos());
        (Span::from_attos((least + most) / 2), Span::from_attos((most - least) / 2))
    }

    /// By how much it is off at least, whichever way.
    pub fn certain_ns(self) -> i64 {
        self.least_ns.max(self.most_ns.saturating_neg()).max(0)
    }

    /// Do stamps contradict each other? Then a clock was set meanwhile, or there is more than one.
    pub fn is_void(self) -> bool {
        self.least_ns > self.most_ns
    }
}

/// What was found out about the stamps in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// By how much the stamps of files are ahead of our clock.
    pub files: Ahead,
    /// By how much those of folders are: some clients stamp files themselves, and leave folders to the server.
    pub folders: Ahead,
    /// By which steps stamps go, in nanoseconds; none if we may not set one.
    pub step_ns: Option<i64>,
    /// What becomes of a stamp of 2100-01-01, in seconds since 1970; none if we may not set one.
    pub year_2100: Option<i64>,
}

impl Stamps {
    /// Is there a stamp for every second up to 2100?
    pub fn reaches_2100(&self) -> bool {
        self.year_2100.is_none_or(|kept| kept == YEAR_2100)
    }
}

/// Why nothing is known of the stamps in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoStamps {
    /// Why.
    pub hidden: Hidden,
    /// Whether the file system does not answer. Then nothing else should be asked of it: who asks may never end.
    pub is_silent: bool,
}

impl From<String> for NoStamps {
    fn from(why: String) -> Self {
        Self { hidden: Hidden::Because(why), is_silent: false }
    }
}

/// Looks at the stamps that are given in a folder. What is made for that is removed again.
///
/// # Errors
/// We may not write there, or the file system fails.
pub fn measure(folder: &Path) -> io::Result<Stamps> {
    let ours = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
    let (step_ns, year_2100) = steps(ours.path())?;
    let step = step_ns.unwrap_or(1_000_000_000);
    let files = ahead(&ours.path().join("file"), step, make_file, |path| fs::remove_file(path))?;
    let folders =
        ahead(&ours.path().join("folder"), step, |path| fs::create_dir(path), |path| fs::remove_dir(path))?;
    ours.close()?;
    Ok(Stamps { files, folders, step_ns, year_2100 })
}

/// As [`measure`], by another process of this program, which is left to itself when it does not answer in time.
///
/// # Errors
/// We may not write there, the file system fails, or it does not answer.
pub fn measure_apart(folder: &Path, patience: Duration) -> Result<Stamps, NoStamps> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("truechimer").args(["doctor", "stamps"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| format!("cannot run ourselves a second time: {error}"))?;
    let until = Instant::now() + patience;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return answer(folder, status.success(), &mut child),
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("cannot wait for our second process: {error}").into()),
        }
    }
    // One that waits for a dead server may not end for all that; nobody waits for it.
    let _gone = child.kill();
    let seconds = patience.as_secs_f64();
    let words = format!("{} does not answer within {seconds} s: is its server dead?", folder.display());
    Err(NoStamps { hidden: Hidden::Because(words), is_silent: true })
}

fn answer(folder: &Path, is_good: bool, child: &mut Child) -> Result<Stamps, NoStamps> {
    let failed = |why: String| format!("cannot try stamps in {}: {why}", folder.display());
    let text = match is_good {
        true => child.stdout.take().map(text_of),
        false => child.stderr.take().map(text_of),
    };
    let text = text.unwrap_or_else(|| Ok(String::new())).map_err(|error| failed(error.to_string()))?;
    match is_good {
        true => Ok(serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?),
        false => Err(text.trim().trim_start_matches("truechimer: ").to_owned().into()),
    }
}

fn text_of(pipe: impl Read) -> io::Result<String> {
    let mut text = String::new();
    pipe.take(ANSWER_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A byte is written and brought to the server, so that it has a reason to give a stamp of its own.
fn make_file(path: &Path) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(b"?")?;
    file.sync_all()
}

/// Makes something again and again, and holds its stamps against our clock. A coarse step is watched until it comes, because then the
/// stamp is fresh.
fn ahead(
    path: &Path,
    step: i64,
    make: fn(&Path) -> io::Result<()>,
    remove: fn(&Path) -> io::Result<()>,
) -> io::Result<Ahead> {
    let mut ahead = Ahead { least_ns: i64::MIN, most_ns: i64::MAX };
    let coarse = step > FINE_NS;
    let (began, mut tries) = (clock::raw(), 0);
    let enough = Duration::from_nanos(step.unsigned_abs()) + 4 * PAUSE;
    loop {
        let before = now_ns();
        make(path)?;
        let after = now_ns();
        let stamp = fs::symlink_metadata(path)?;
        remove(path)?;
        let stamp = stamp.mtime().saturating_mul(1_000_000_000).saturating_add(stamp.mtime_nsec());
        ahead = ahead.and(Ahead::of(before, stamp, after, step.saturating_add(TICK_NS)));
        tries += 1;
        let watched = (clock::raw() - began).as_nanos() > enough.as_nanos() as i64;
        if tries >= TRIES_MAX || (tries >= TRIES && (!coarse || watched)) {
            return Ok(ahead);
        }
        if coarse {
            thread::sleep(PAUSE);
        }
    }
}

/// By which steps stamps go, and what becomes of one of 2100: both from what is left of stamps that we set.
fn steps(folder: &Path) -> io::Result<(Option<i64>, Option<i64>)> {
    let path = folder.join("steps");
    make_file(&path)?;
    let step = set(&path, ODD).and_then(|kept| step_of(ODD, kept));
    let late = set(&path, (YEAR_2100, 0)).map(|(seconds, _)| seconds);
    fs::remove_file(&path)?;
    Ok((step, late))
}

/// What becomes of a stamp; none if it cannot be set.
fn set(path: &Path, (seconds, nanos): (i64, u32)) -> Option<(i64, u32)> {
    let wanted = SystemTime::UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), nanos);
    let file = File::options().write(true).open(path).ok()?;
    file.set_times(FileTimes::new().set_modified(wanted)).ok()?;
    drop(file);
    let kept = fs::symlink_metadata(path).ok()?;
    Some((kept.mtime(), kept.mtime_nsec() as u32))
}

/// The coarsest step that makes the one of the other. None if it is no cutting off at all.
fn step_of(wanted: (i64, u32), kept: (i64, u32)) -> Option<i64> {
    let whole = |(seconds, nanos): (i64, u32)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (wanted, kept) = (whole(wanted), whole(kept));
    let steps = (0..10).map(|digits| 10i64.pow(digits)).chain([2_000_000_000]);
    steps.into_iter().find(|step| wanted - wanted % i128::from(*step) == kept)
}

fn now_ns() -> i64 {
    clock::realtime().since_epoch().as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_bounds_the_other_clock_on_both_sides() {
        // Given between 100 and 140 by ours; it shows 1000 and may be 20 old: the other was ahead by 860 to 920.
        let one = Ahead::of(100, 1000, 140, 20);
        assert_eq!(one, Ahead { least_ns: 860, most_ns: 920 });
        let both = one.and(Ahead::of(200, 1099, 220, 20));
        assert_eq!(both, Ahead { least_ns: 879, most_ns: 919 });
        assert_eq!((both.certain_ns(), both.is_void()), (879, false));
        assert_eq!(Ahead { least_ns: -50, most_ns: -20 }.certain_ns(), 20);
        assert_eq!(Ahead { least_ns: -50, most_ns: 20 }.certain_ns(), 0);
        assert!(one.and(Ahead::of(200, 5000, 220, 20)).is_void());
    }

    #[test]
    fn the_step_is_told_by_what_is_cut_off() {
        let cases = [
            ((ODD.0, 123_456_789), Some(1)),
            ((ODD.0, 123_456_700), Some(100)),
            ((ODD.0, 123_456_000), Some(1000)),
            ((ODD.0, 120_000_000), Some(10_000_000)),
            ((ODD.0, 0), Some(1_000_000_000)),
            ((ODD.0 - 1, 0), Some(2_000_000_000)),
            ((ODD.0 + 5, 0), None),
        ];
        for (kept, step) in cases {
            assert_eq!(step_of(ODD, kept), step, "{kept:?}");
        }
    }

    #[test]
    fn the_stamps_of_this_machine_are_its_own_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let stamps = measure(folder.path()).unwrap();
        for ahead in [stamps.files, stamps.folders] {
            assert!(!ahead.is_void() && ahead.least_ns <= 0 && 0 <= ahead.most_ns, "{stamps:?}");
        }
        assert!(stamps.step_ns.is_some_and(|step| step <= 1_000_000_000), "{stamps:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_nothing_can_be_written_is_an_error() {
        assert!(measure(Path::new("/proc/self")).is_err());
    }
}
