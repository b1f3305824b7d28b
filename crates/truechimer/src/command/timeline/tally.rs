//! What is told on stderr beside a story: what lines leave open, and what was most likely not meant so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use truechimer_timeline::shown::Doubt;
use truechimer_timeline::story::{Hosts, Told};

use crate::timeline::inputs::Input;
use crate::ui::units;

/// So many pairs of a log and a host that its lines name are kept.
const STRANGERS_MAX: usize = 4096;

/// No more names are listed.
const NAMES_MAX: usize = 8;

/// How many lines of which host are in doubt, and why; and who was named where.
pub(super) struct Tally<'a> {
    folders: Vec<&'a Path>,
    logs: &'a [&'a Input],
    /// Of which hosts options say something.
    spoken_of: BTreeSet<&'a str>,
    doubts: BTreeMap<(usize, Doubt), u64>,
    without_evidence: BTreeMap<usize, u64>,
    /// Logs whose lines name these hosts.
    named: BTreeSet<(usize, usize)>,
    /// What the lines of each log had.
    seen: Vec<Seen>,
}

/// What the lines of a log had, as far as they are told.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Whose the last line with a stamp was, if there is one.
    host: Option<usize>,
    /// So many lines without a stamp.
    stampless: u64,
}

impl<'a> Tally<'a> {
    /// Of these logs, found in what was named.
    pub(super) fn of(paths: &'a [PathBuf], logs: &'a [&'a Input], spoken_of: BTreeSet<&'a str>) -> Self {
        let folders = paths.iter().map(PathBuf::as_path).filter(|path| path.is_dir()).collect();
        let (doubts, without_evidence, named) = Default::default();
        let seen = vec![Seen::default(); logs.len()];
        Self { folders, logs, spoken_of, doubts, without_evidence, named, seen }
    }

    /// Takes in a line that is told.
    pub(super) fn count(&mut self, told: &Told<'_>) {
        let seen = &mut self.seen[told.log];
        let Some(when) = &told.when else {
            seen.stampless += 1;
            return;
        };
        if seen.host.replace(told.host) != Some(told.host) && self.named.len() < STRANGERS_MAX {
            self.named.insert((told.log, told.host));
        }
        if let Some(doubt) = when.shown.doubt {
            *self.doubts.entry((told.host, doubt)).or_default() += 1;
        } else if !told.interval().is_bounded() {
            *self.without_evidence.entry(told.host).or_default() += 1;
        }
    }

    /// To stderr, where it does not disturb. When that is gone, nobody wants to know.
    pub(super) fn tell(&self, hosts: &Hosts) {
        let mut stderr = io::stderr().lock();
        for ((host, doubt), count) in &self.doubts {
            let name = &hosts.host(*host).name;
            let (what, help) = advice(*doubt);
            let help = help.replace("HOST", name);
            let lines = units::counted(*count, "line", "lines");
            let _ = writeln!(stderr, "truechimer: {name}: {what} in {lines}; {help}");
        }
        for (host, count) in &self.without_evidence {
            let name = &hosts.host(*host).name;
            let help = format!(
                "its history, chronyd's tracking.log or ntpd's rawstats tells, or --assume {name}=1s"
            );
            let lines = units::counted(*count, "line", "lines");
            let _ =
                writeln!(stderr, "truechimer: {name}: {lines} by a clock of which nothing is known; {help}");
        }
        let is_odd = |(_, seen): &(&&Input, &Seen)| seen.host.is_none() && seen.stampless > 0;
        for (input, seen) in self.logs.iter().zip(&self.seen).filter(is_odd) {
            let path = input.path.display();
            let lines = units::counted(seen.stampless, "line", "lines");
            let help = "say how they are written by --pattern, or leave it out";
            let _ = writeln!(stderr, "truechimer: {path}: no stamp of a known kind in {lines}; {help}");
        }
        for told in self.folder_of_hosts(hosts).into_iter().chain(self.nobody(hosts)) {
            let _ = writeln!(stderr, "truechimer: {told}");
        }
    }

    /// A folder that was taken for a host, though it most likely has the folders of many: the lines of a file below it are of a host that
    /// the folder or the file is called after.
    fn folder_of_hosts(&self, hosts: &Hosts) -> Option<String> {
        let meant = |&(log, host): &(usize, usize)| {
            let input = self.logs[log];
            let called = &hosts.host(host).name;
            let folder = self.folders.iter().find(|folder| input.path.starts_with(folder))?;
            let below = input.path.strip_prefix(folder).ok()?;
            let is_called = |part: &Path| part.file_stem().is_some_and(|stem| stem == first(called));
            let is_meant = input.host != *called && below.ancestors().any(is_called);
            is_meant.then_some((*folder, input, called))
        };
        let (folder, input, called) = self.named.iter().find_map(meant)?;
        let (folder, path, host) = (folder.display(), input.path.display(), &input.host);
        Some(format!(
            "all in {folder} was taken for one host, {host}, though the lines of {path} are of {called}; if it has a folder or a \
             file for each host, name these: {}/*",
            folder.to_string().trim_end_matches('/')
        ))
    }

    /// Hosts of which options say something, and that are not there.
    fn nobody(&self, hosts: &Hosts) -> Vec<String> {
        let is_there =
            |name: &str| hosts.all().iter().any(|host| host.name == name || first(&host.name) == name);
        let names: Vec<&str> = hosts.all().iter().take(NAMES_MAX).map(|host| host.name.as_str()).collect();
        let and_more = if hosts.all().len() > NAMES_MAX { " .." } else { "" };
        let said = |name: &&str| {
            format!(
                "there is no host {name}, of which an option speaks; hosts are {}{and_more}",
                names.join(", ")
            )
        };
        self.spoken_of.iter().filter(|name| !is_there(name)).map(said).collect()
    }
}

/// What lines lack, and what helps.
fn advice(doubt: Doubt) -> (&'static str, &'static str) {
    match doubt {
        Doubt::Zone => ("no zone", "say --zone HOST=Europe/Berlin"),
        Doubt::Year => ("no year, nor was the file written about then,", "say --year 2026"),
        Doubt::Label => {
            ("labels that are TAI, or the clock and ten seconds,", "say --labels HOST=tai or HOST=clock+10")
        }
        Doubt::Boot => (
            "only the time since a boot",
            "journalctl -o export has more, or say --boot HOST=ID beside the journal of that boot",
        ),
        Doubt::SummerTime => {
            ("an hour that clocks showed twice, or never,", "stamps in UTC have no such hour")
        }
        Doubt::LeapSecond => ("a leap second", "both seconds beside it are meant"),
    }
}

/// The first part of a host's name.
fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
