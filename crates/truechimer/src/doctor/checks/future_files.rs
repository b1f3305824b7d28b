//! Files from the future.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::thread;

use truechimer_time::Span;

use super::file_times::quoted;
use crate::doctor::certainty::{Certainty, certainty};
use crate::doctor::walk::{Search, Tally, walk};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "future-files",
    area: Area::Files,
    question: "Is any file from the future?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A file with a stamp from the future was written while a clock was ahead, or
its stamp was set by a program. Until that time has come, make takes it for
newer than all that is made from it, systemd does not run what its stamp says
has just run, backups by date take it again and again, and find -newer and
logrotate are misled.

Looked at are all files below /etc, /var/lib/systemd, /var/spool/anacron and
/var/spool/cron, up to 200,000. `truechimer doctor files DIR..` looks at any
folder, however large. From the future is what lies after this clock and the
bound of its error (of Truechimer's page, else of the kernel's maxerror; none
if nobody says). Two stamps are told apart:

mtime   when the content was changed. Any program can set it, as tar and
        cp -p do: the clock that was ahead may have been another machine's.
ctime   when anything about the file was changed. Only the clock of whoever
        keeps the file can set it: that clock was ahead.

WRONG   There are files from the future.
unseen  Some folders cannot be read.
fine    There are none.

What to do: make sure that this clock is not behind. Then touch the files; the
commands change nothing else. Only the ctime is in the future: touch -r sets
the mtime to what it is, which makes the ctime now.
";

/// Where stamps steer programs: configuration, timers, jobs.
const PLACES: [&str; 4] = ["/etc", "/var/lib/systemd", "/var/spool/anacron", "/var/spool/cron"];
/// No more files are looked at in these.
const ENTRIES_MAX: u64 = 200_000;

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let known = certainty(machine).ok();
    let places = PLACES.map(|place| machine.path(place));
    let mut findings = Vec::new();
    for place in places.iter().filter(|place| place.is_dir()) {
        let search = Search {
            top: place,
            beyond: known.map_or(Span::ZERO, |known| known.most),
            named: 1,
            threads: threads(),
            elsewhere: false,
            entries_max: ENTRIES_MAX,
        };
        findings.extend(judge(&search, &walk(&search, &AtomicU64::new(0)), known));
    }
    match findings.is_empty() {
        true => {
            Err(Hidden::Because("there is none of the folders in which stamps steer programs".to_owned()))
        }
        false => Ok(findings),
    }
}

/// As many as look at stamps side by side: the kernel tells them as fast as there are processors, and a server as there are
/// questions.
pub fn threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// What was found below a folder. At least one finding.
pub fn judge(search: &Search<'_>, tally: &Tally, known: Option<Certainty>) -> Vec<Finding> {
    let top = shown(search.top);
    let mut findings = Vec::new();
    if tally.future > 0 {
        findings.push(wrong(search, tally, known));
    } else if tally.seen > 0 {
        let files = counted(tally.seen, "file", "files");
        findings.push(
            Finding::fine(format!("{top}: of {files} none is from the future"))
                .number("files", tally.seen as f64),
        );
    }
    if tally.unreadable > 0 {
        let words = format!(
            "{top}: {} cannot be read",
            counted(tally.unreadable, "folder or file", "folders and files")
        );
        let unseen = Finding::unseen(&Hidden::Because(words)).number("unreadable", tally.unreadable as f64);
        findings.push(unseen.told("run it as one who may read them to see these too"));
    }
    if tally.is_cut {
        let words = format!("{top}: there is more than {} files", grouped(search.entries_max));
        let unseen = Finding::unseen(&Hidden::Because(words))
            .run(format!("truechimer doctor files {}", quoted(search.top)));
        findings.push(unseen);
    }
    if tally.elsewhere > 0 {
        let words = format!(
            "{top}: left out {} mounted below",
            counted(tally.elsewhere, "file system", "file systems")
        );
        findings.push(Finding::fine(words).number("elsewhere", tally.elsewhere as f64));
    }
    findings
}

fn wrong(search: &Search<'_>, tally: &Tally, known: Option<Certainty>) -> Finding {
    let top = shown(search.top);
    let worst = tally.worst.first();
    let ahead = worst.map_or(Span::ZERO, |worst| worst.ahead);
    let named = worst.map_or(String::new(), |worst| format!(" ({})", shown(&worst.path)));
    let of = grouped(tally.seen);
    let are = counted(tally.future, &format!("of {of} files is"), &format!("of {of} files are"));
    let by = units::span(ahead);
    let why = match (tally.by_ctime, tally.future) {
        (0, _) => "by mtime alone: a program has set it, or brought it from a machine whose clock was ahead"
            .to_owned(),
        (some, all) if some == all => "by ctime: a clock was ahead when they were written".to_owned(),
        (some, _) => format!("{} by ctime: a clock was ahead when they were written", grouped(some)),
    };
    let finding = Finding::wrong(format!("{top}: {are} from the future, by up to {by}{named}; {why}"))
        .number("files", tally.seen as f64)
        .number("future_files", tally.future as f64)
        .number("future_by_mtime", tally.by_mtime as f64)
        .number("future_by_ctime", tally.by_ctime as f64)
        .number("ahead_max_seconds", ahead.as_seconds());
    let finding = match known {
        Some(known) => finding.told(format!(
            "this clock is right within {}, {}: it is the files that are wrong",
            units::span(known.most),
            known.witness.words()
        )),
        None => {
            finding.told("first make sure that this clock is not behind").run("truechimer query pool.ntp.org")
        }
    };
    commands(search, tally).into_iter().fold(finding, Finding::run)
}

/// What brings the stamps into the present, for GNU find and touch: first what claims that its content is from the future, then what is
/// only by its ctime.
fn commands(search: &Search<'_>, tally: &Tally) -> Vec<String> {
    let from = search.top.canonicalize().unwrap_or_else(|_| search.top.to_owned());
    if from.to_str().is_none() {
        // What would be pasted is not its name.
        return Vec::new();
    }
    let stay = if search.elsewhere { "" } else { " -xdev" };
    let find = format!("find {}{stay}", quoted(&from));
    let mut commands = Vec::new();
    if tally.by_mtime > 0 {
        commands.push(format!("{find} -newermt now -exec touch -h -c {{}} +"));
    }
    if tally.by_mtime < tally.future {
        commands.push(format!("{find} -newerct now ! -newermt now -exec touch -h -c -r {{}} {{}} \\;"));
    }
    commands
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A path on one line, without anything that a terminal would act upon.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// A number in groups of three digits: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::certainty::Witness;
    use crate::doctor::finding::Remedy;
    use std::fs::{self, File, FileTimes};
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    fn put(path: &Path, ahead: Duration) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::now() + ahead)).unwrap();
    }

    fn commands_of(finding: &Finding) -> Vec<&str> {
        finding
            .remedies
            .iter()
            .filter_map(|remedy| match remedy {
                Remedy::Run(command) => Some(command.as_str()),
                Remedy::Do(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_timer_that_has_run_in_the_future_is_found_and_the_command_that_is_told_helps() {
        let root = tempfile::tempdir().unwrap();
        put(&root.path().join("etc/fstab"), Duration::ZERO);
        put(&root.path().join("var/lib/systemd/timers/stamp it's.timer"), Duration::from_secs(86_400 * 30));
        let machine = Machine::at(root.path());
        let findings = probe(&machine).unwrap();
        let wrong: Vec<&Finding> =
            findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).collect();
        assert_eq!(wrong.len(), 1, "{findings:?}");
        assert!(wrong[0].words.contains("1 of 3 files is from the future, by up to 30.00 d"), "{wrong:?}");
        assert!(wrong[0].words.contains("stamp it's.timer); by mtime alone"), "{wrong:?}");
        let commands = commands_of(wrong[0]);
        let help = commands.iter().find(|command| command.starts_with("find ")).unwrap();
        assert!(Command::new("sh").args(["-c", help]).status().unwrap().success(), "{help}");
        let after = probe(&machine).unwrap();
        assert!(after.iter().all(|finding| finding.verdict == Verdict::Fine), "{after:?}");
    }

    #[test]
    fn which_stamp_is_wrong_decides_what_is_said_and_done() {
        let search = Search {
            top: Path::new("/srv/a b"),
            beyond: Span::ZERO,
            named: 1,
            threads: NonZeroUsize::MIN,
            elsewhere: false,
            entries_max: 9,
        };
        let known = Some(Certainty { least: Span::ZERO, most: Span::from_millis(2), witness: Witness::Page });
        let by_clock = Tally { seen: 1234, future: 2, by_mtime: 2, by_ctime: 2, ..Tally::default() };
        let finding = &judge(&search, &by_clock, known)[0];
        assert!(finding.words.contains("2 of 1,234 files are from the future"), "{finding:?}");
        assert!(finding.words.ends_with("by ctime: a clock was ahead when they were written"), "{finding:?}");
        assert_eq!(commands_of(finding), ["find '/srv/a b' -xdev -newermt now -exec touch -h -c {} +"]);
        let ctime_alone = Tally { by_mtime: 0, ..by_clock };
        let finding = &judge(&search, &ctime_alone, known)[0];
        assert_eq!(
            commands_of(finding),
            ["find '/srv/a b' -xdev -newerct now ! -newermt now -exec touch -h -c -r {} {} \\;"]
        );
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let search = Search {
            top: Path::new("/srv"),
            beyond: Span::ZERO,
            named: 1,
            threads: NonZeroUsize::MIN,
            elsewhere: false,
            entries_max: 1_000_000,
        };
        let tally = Tally { seen: 5, unreadable: 2, elsewhere: 1, is_cut: true, ..Tally::default() };
        let words: Vec<String> =
            judge(&search, &tally, None).into_iter().map(|finding| finding.words).collect();
        assert_eq!(
            words,
            [
                "/srv: of 5 files none is from the future",
                "/srv: 2 folders and files cannot be read",
                "/srv: there is more than 1,000,000 files",
                "/srv: left out 1 file system mounted below",
            ]
        );
    }

    #[test]
    fn a_name_cannot_act_upon_the_terminal() {
        assert_eq!(shown(Path::new("/a\u{1b}[2J\nfine  ä")), "/a\\u{1b}[2J\\nfine  ä");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
