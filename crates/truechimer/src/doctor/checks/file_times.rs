//! By whose clock files are stamped.

use std::env;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use truechimer_time::{Civil, Span, Time};

use crate::doctor::mounts::{self, Mount};
use crate::doctor::stamps::{self, Ahead, Stamps};
use crate::doctor::{Area, Check, Finding, Hidden, Machine, Verdict};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "file-times",
    area: Area::Files,
    question: "Are files stamped by a clock that agrees with this one?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A file on a network file system is stamped by the clock of its server. Where
that is ahead, new files are from the future: make builds what is built, or
says \"Clock skew detected\", find -newer and backups by date miss what was
written meanwhile, and rsync copies again. Where it is behind, what was just
written looks older than what it was made from, and is not built again.

On every network file system that is mounted a private folder is made
(.truechimer- and some letters), files and folders are made in it, their
stamps are held against this clock, read before and after, and all of it is
removed. That gives the server's clock against this one as an interval that
is certain up to the 16 ms by which kernels round stamps down. A server that
does not answer within 10 s is left alone. `truechimer doctor files DIR` does
the same in any folder.

WRONG   The stamps are off by a second or more.
risky   They are off by 100 ms or more; or they go by steps of a second or
        more, so that what is made within one looks equally old; or they end
        before 2100 (most of these in 2038).
unseen  We may not write there, or the server does not answer.
fine    They agree.

What to do: let the server take its time from where this machine does. Which
of both is wrong: `truechimer query` asks others, or the server itself if it
serves NTP. Steps and years belong to the file system: ext4 made with inodes
of 128 bytes has seconds until 2038 (tune2fs -l shows the inode size), XFS
without bigtime ends in 2038 (xfs_admin -O bigtime=1), FAT has 2 s; sshfs has
whole seconds because its protocol has.
";

/// How long a file system may take to answer. A coarse step of 2 s takes 5 s to be seen.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// No more mounts are looked at.
const MOUNTS_MAX: usize = 64;
/// Off by so much, whole seconds are wrong.
const WRONG_NS: i64 = 1_000_000_000;
/// Off by so much, what is written within a tenth of a second is in the wrong order.
const RISKY_NS: i64 = 100_000_000;
/// Steps from here on are coarse.
const COARSE_NS: i64 = 1_000_000_000;

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    if !machine.is_ours() {
        return Err(Hidden::Because("the file systems of another machine cannot be written to".to_owned()));
    }
    let mounts = mounts::mounts(machine)?;
    let remote: Vec<&Mount> = mounts.iter().filter(|mount| mount.is_remote()).collect();
    if remote.is_empty() {
        return Ok(vec![Finding::fine("no network file system is mounted")]);
    }
    let mut findings: Vec<Finding> = thread::scope(|scope| {
        let begun: Vec<_> =
            remote.iter().take(MOUNTS_MAX).map(|mount| scope.spawn(|| examine(mount, &mounts))).collect();
        let ended = begun.into_iter().map(|thread| thread.join());
        ended.flat_map(|seen| seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    if remote.len() > MOUNTS_MAX {
        let left = remote.len() - MOUNTS_MAX;
        findings.push(unseen(format!(
            "{left} more network file systems are mounted: only {MOUNTS_MAX} were looked at"
        )));
    }
    Ok(findings)
}

/// What one mount gives, in the first of its folders that lets us write.
fn examine(mount: &Mount, mounts: &[Mount]) -> Vec<Finding> {
    let place = format!("{} ({} from {})", mount.point.display(), mount.kind, mount.from);
    if mount.read_only {
        return vec![unseen(format!("{place} is mounted read-only: its stamps cannot be tried"))];
    }
    let mut why = None;
    for folder in folders(mount, mounts) {
        match stamps::measure_apart(&folder, PATIENCE) {
            Ok(stamps) => return with_server(judge(&place, &stamps), mount),
            Err(none) if none.is_silent => return vec![Finding::unseen(&none.hidden)],
            Err(none) => why = why.or(Some(none.hidden)),
        }
    }
    why.map(|hidden| unseen(format!("{place}: {hidden}")).told("name a folder there in which you may write"))
        .map(|finding| vec![finding.run(format!("truechimer doctor files {}", quoted(&mount.point)))])
        .unwrap_or_default()
}

/// Where a mount may let us write: at its top, at home, here.
fn folders(mount: &Mount, mounts: &[Mount]) -> Vec<PathBuf> {
    let ours = [env::home_dir(), env::current_dir().ok()].into_iter().flatten();
    let inside = ours.filter(|folder| mounts::holding(mounts, folder) == Some(mount));
    std::iter::once(mount.point.clone()).chain(inside).collect()
}

/// What stamps say of the place where they were given: at least one finding.
pub fn judge(place: &str, stamps: &Stamps) -> Vec<Finding> {
    let both = stamps.files.and(stamps.folders);
    let is_void = stamps.files.is_void() || stamps.folders.is_void();
    let mut findings = match both.is_void() && !is_void {
        true => vec![
            skew(&format!("{place}, files alone"), stamps.files, stamps),
            skew(&format!("{place}, folders alone"), stamps.folders, stamps),
        ],
        false => vec![skew(place, both, stamps)],
    };
    findings.extend(coarse(place, stamps));
    findings.extend(short(place, stamps));
    findings
}

fn skew(place: &str, ahead: Ahead, stamps: &Stamps) -> Finding {
    if ahead.is_void() {
        return unseen(format!(
            "{place}: its stamps contradict each other: a clock was set meanwhile, or there are several"
        ));
    }
    let (middle, bound) = ahead.middle();
    let shown = units::span_within(middle.abs(), bound);
    let within = units::bound(bound);
    let way = if middle.is_negative() { "behind" } else { "ahead of" };
    let off = format!("{place}: stamps are {shown} {way} this clock ({within})");
    let verdict = match ahead.certain_ns() {
        WRONG_NS.. => Verdict::Wrong,
        RISKY_NS.. => Verdict::Risky,
        _ if bound > Span::from_secs(1) => Verdict::Unseen,
        _ => Verdict::Fine,
    };
    let finding = match verdict {
        Verdict::Wrong | Verdict::Risky if !middle.is_negative() => {
            Finding::new(verdict, format!("{off}: new files are from the future"))
        }
        Verdict::Wrong | Verdict::Risky => {
            Finding::new(verdict, format!("{off}: new files look older than they are"))
        }
        Verdict::Unseen => Finding::new(verdict, format!("{off}: that is too coarse to tell")),
        Verdict::Fine => {
            Finding::fine(format!("{place}: stamps agree with this clock ({within}){}", by(stamps)))
        }
    };
    finding.number("ahead_seconds", middle.as_seconds()).number("ahead_bound_seconds", bound.as_seconds())
}

fn by(stamps: &Stamps) -> String {
    stamps
        .step_ns
        .map_or(String::new(), |step| format!(", by steps of {}", units::span(Span::from_nanos(step))))
}

fn coarse(place: &str, stamps: &Stamps) -> Option<Finding> {
    let step = stamps.step_ns.filter(|step| *step >= COARSE_NS)?;
    let shown = units::span(Span::from_nanos(step));
    let words = format!("{place}: stamps go by steps of {shown}: what is made within one looks equally old");
    let finding = Finding::risky(words).number("step_seconds", step as f64 / 1e9);
    Some(finding.told(
        "build and compare by date elsewhere; the page of this check says which file systems are finer",
    ))
}

fn short(place: &str, stamps: &Stamps) -> Option<Finding> {
    let kept = stamps.year_2100.filter(|_| !stamps.reaches_2100())?;
    let date = Civil::of(Time::from_epoch(Span::from_secs(kept)));
    let words = format!("{place}: stamps do not reach the year 2100: it becomes {date:.0}");
    let finding = Finding::risky(words).number("year_2100_seconds", kept as f64);
    Some(
        finding
            .told("move to a file system with stamps of 64 bits; the page of this check says how")
            .run(EXPLAIN),
    )
}

const EXPLAIN: &str = "truechimer doctor --explain file-times";

/// What can be done about a server's clock, where its name is known.
fn with_server(findings: Vec<Finding>, mount: &Mount) -> Vec<Finding> {
    let is_off =
        |finding: &Finding| finding.verdict.is_trouble() && finding.numbers.contains_key("ahead_seconds");
    let help = |finding: Finding| match (is_off(&finding), server(mount)) {
        (true, Some(server)) => told_of_clocks(finding)
            .told(format!("if {server} serves NTP, this says which of both is wrong:"))
            .run(format!("truechimer query {} pool.ntp.org", quoted(Path::new(&server)))),
        (true, None) => told_of_clocks(finding),
        (false, Some(_) | None) => finding,
    };
    findings.into_iter().map(help).collect()
}

/// With what helps whoever stamps wrongly.
pub fn told_of_clocks(finding: Finding) -> Finding {
    finding.told(
        "let the server take its time from where this machine does, and make sure that this clock is right",
    )
}

/// The host in `host:/export`, `user@host:path` and `//host/share`.
fn server(mount: &Mount) -> Option<String> {
    let host = match mount.from.strip_prefix("//") {
        Some(share) => share.split('/').next()?,
        None => mount.from.split_once(":/").or_else(|| mount.from.split_once(':'))?.0,
    };
    let host = host.rsplit('@').next()?;
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    (!host.is_empty() && host.chars().all(is_host)).then(|| host.to_owned())
}

/// A path as a word of a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@%,=".contains(letter);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn unseen(words: String) -> Finding {
    Finding::unseen(&Hidden::Because(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn stamps(least: i64, most: i64) -> Stamps {
        let ahead = Ahead { least_ns: least, most_ns: most };
        Stamps { files: ahead, folders: ahead, step_ns: Some(1), year_2100: Some(4_102_444_800) }
    }

    fn only(findings: &[Finding]) -> &Finding {
        assert_eq!(findings.len(), 1, "{findings:?}");
        &findings[0]
    }

    #[test]
    fn a_server_that_is_ahead_or_behind_is_told_with_its_bound() {
        let ahead = judge("/mnt", &stamps(90 * SECOND, 90 * SECOND + 20_000_000));
        assert_eq!(only(&ahead).verdict, Verdict::Wrong);
        assert_eq!(
            only(&ahead).words,
            "/mnt: stamps are 90.010 s ahead of this clock (± 10.00 ms): new files are from the future"
        );
        let behind = judge("/mnt", &stamps(-220_000_000, -180_000_000));
        assert_eq!(only(&behind).verdict, Verdict::Risky);
        assert!(
            only(&behind).words.contains("200.0 ms behind this clock (± 20.00 ms): new files look older"),
            "{behind:?}"
        );
    }

    #[test]
    fn what_agrees_is_fine_and_what_cannot_be_told_is_unseen() {
        assert_eq!(only(&judge("/mnt", &stamps(-16_000_000, 1_000_000))).verdict, Verdict::Fine);
        assert_eq!(only(&judge("/mnt", &stamps(-5 * SECOND, SECOND))).verdict, Verdict::Unseen);
        let void = judge("/mnt", &stamps(5, -5));
        assert!(only(&void).words.contains("contradict each other"), "{void:?}");
    }

    #[test]
    fn folders_that_are_stamped_by_another_clock_than_files_are_told_apart() {
        let mut both = stamps(-10_000_000, 10_000_000);
        both.folders = Ahead { least_ns: 3 * SECOND, most_ns: 3 * SECOND + 1000 };
        let findings = judge("/mnt", &both);
        assert_eq!(
            findings.iter().map(|finding| finding.verdict).collect::<Vec<_>>(),
            [Verdict::Fine, Verdict::Wrong]
        );
        assert!(findings[1].words.starts_with("/mnt, folders alone:"), "{findings:?}");
    }

    #[test]
    fn coarse_steps_and_years_that_end_are_risks_of_their_own() {
        let coarse = Stamps { step_ns: Some(2 * SECOND), year_2100: Some(2_147_483_647), ..stamps(-5, 5) };
        let findings = judge("/mnt", &coarse);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[1].words.contains("steps of 2.000 s"), "{findings:?}");
        assert!(findings[2].words.contains("it becomes 2038-01-19T03:14:07Z"), "{findings:?}");
        let unknown = Stamps { step_ns: None, year_2100: None, ..stamps(-5, 5) };
        assert_eq!(only(&judge("/mnt", &unknown)).verdict, Verdict::Fine);
    }

    #[test]
    fn the_server_is_found_in_what_is_mounted() {
        let from = |text: &str| {
            let mount = Mount {
                point: PathBuf::from("/mnt"),
                kind: "nfs".to_owned(),
                from: text.to_owned(),
                read_only: false,
                options: String::new(),
            };
            server(&mount)
        };
        assert_eq!(from("files.example:/export").as_deref(), Some("files.example"));
        assert_eq!(from("me@files:dir").as_deref(), Some("files"));
        assert_eq!(from("//files/share").as_deref(), Some("files"));
        assert_eq!(from("[2001:db8::1]:/export").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(from("none"), None);
        assert_eq!(from("$(reboot):/x"), None);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/srv/a-b.c")), "/srv/a-b.c");
        assert_eq!(quoted(Path::new("/srv/a b;c")), "'/srv/a b;c'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
