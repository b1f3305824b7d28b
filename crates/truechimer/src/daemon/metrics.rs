//! The file of numbers for monitors: written again and again, whole each time.
//!
//! The textfile collector of node_exporter is its reader, so it is in the older of the two dialects. It is gone when the daemon ends
//! in good order: numbers that nobody keeps up to date are not left lying about. How old a file of a daemon that died is,
//! its reader tells (`node_textfile_mtime_seconds`).

use std::fs;
use std::path::PathBuf;

use truechimer_sys::clock as clocks;
use truechimer_sys::file;
use truechimer_time::{Mono, Span, Time};

use super::Daemon;
use crate::config::{Level, Metrics};
use crate::metrics::{self, Dialect, Names};
use crate::talk::{SourcesReply, StatusReply};

/// Everybody may read it: its reader is another account.
const MODE: u32 = 0o644;

/// The file, and when it is to be written.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    interval: Span,
    names: Vec<Names>,
    due: Time<Mono>,
    has_failed: bool,
}

impl MetricsFile {
    /// A file that is due now.
    pub fn new(metrics: &Metrics, now: Time<Mono>) -> Self {
        let Metrics { file, interval, names } = metrics.clone();
        Self { path: file, interval, names, due: now, has_failed: false }
    }

    /// When it wants to be written anew.
    pub fn due(&self) -> Time<Mono> {
        self.due
    }

    /// Writes what holds now. Returns what is to be said of it: that it cannot be written, once, and that it can again.
    pub fn write(
        &mut self,
        status: &StatusReply,
        sources: &SourcesReply,
        now: Time<Mono>,
    ) -> Option<(Level, String)> {
        self.due = now + self.interval;
        let families = metrics::families(status, sources, &self.names);
        let text = metrics::expose(&families, Dialect::Prometheus);
        let failure = file::replace(&self.path, text.as_bytes(), MODE).err();
        let before = std::mem::replace(&mut self.has_failed, failure.is_some());
        match failure {
            Some(_) if before => None,
            Some(error) => Some((Level::Error, format!("no numbers for monitors ([metrics] file): {error}"))),
            None if before => {
                let place = self.path.display();
                Some((Level::Info, format!("numbers for monitors are written to {place} again")))
            }
            None => None,
        }
    }

    /// Takes it away. If that fails, a reader sees its age.
    pub fn remove(&self) {
        let _it_is_old_then = fs::remove_file(&self.path);
    }
}

impl Daemon {
    pub(super) fn write_metrics_if_due(&mut self) {
        let now = clocks::mono();
        let Some(mut file) = self.metrics.take_if(|file| file.due() <= now) else { return };
        let said = file.write(&self.status(), &self.sources(), now);
        self.metrics = Some(file);
        if let Some((level, text)) = said {
            self.story.say(level, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::metrics::tests::{sources, status};

    fn file(path: PathBuf) -> MetricsFile {
        let interval = Span::from_secs(15);
        let metrics = Metrics { file: path, interval, names: vec![Names::Truechimer] };
        MetricsFile::new(&metrics, Time::EPOCH)
    }

    /// A daemon that wakes long after it wanted to takes itself for starved.
    #[test]
    fn it_is_due_when_the_daemon_begins_and_not_before_that() {
        let now = Time::EPOCH + Span::from_secs(7000);
        let interval = Span::from_secs(1);
        let metrics = Metrics { file: "/nowhere".into(), interval, names: Names::ALL.to_vec() };
        assert_eq!(MetricsFile::new(&metrics, now).due(), now);
    }

    #[test]
    fn it_is_whole_readable_by_all_and_gone_in_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = file(folder.path().join("a.prom"));
        let now = Time::EPOCH + Span::from_secs(100);
        assert_eq!(file.write(&status(), &sources(), now), None);
        assert_eq!(file.due(), now + Span::from_secs(15));
        let text = fs::read_to_string(&file.path).expect("it is there");
        assert!(text.contains("\ntruechimer_bound_seconds 0.002\n") && text.ends_with('\n'), "{text}");
        let mode = fs::metadata(&file.path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, MODE);
        file.remove();
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_said_once_and_when_it_can_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("later");
        let mut file = file(below.join("a.prom"));
        let mut write = || file.write(&status(), &sources(), Time::EPOCH);
        let (level, text) = write().expect("it is said");
        assert!(level == Level::Error && text.contains("a.prom") && text.contains("No such file"), "{text}");
        assert_eq!(write(), None, "once");
        fs::create_dir(&below).expect("a folder");
        assert_eq!(write().map(|(level, _)| level), Some(Level::Info));
        assert_eq!(write(), None);
    }
}
