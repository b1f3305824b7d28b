//! chrony.conf: one directive on each line, comments behind `! ; # %`, case does not matter.

mod refclock;
mod source;
mod words;

pub(super) use source::{is_near, is_of_strangers, polls};

use std::path::Path;

use truechimer_time::{Rate, Span};

use super::access::{Net, Rule};
use super::files::{beside, ending, matching};
use super::serving::Serving;
use super::values::{duration, list, number, quoted, rate, seconds, slew};
use super::{Fate, Work};

/// The fastest slew of chronyd, where nobody says otherwise.
const SLEW_PPM: f64 = 83_333.0;
/// More folders are not taken by one directive of chronyd's.
const FOLDERS_MAX: usize = 10;
/// No counter is further off than this, for us.
const RATE_MAX: Rate = Rate::from_ppb(100_000_000);

/// Is this a directive of chronyd's?
pub(super) fn knows(word: &str) -> bool {
    words::TAKEN.contains(&word) || words::said(word).is_some()
}

/// What is known only when all has been read.
#[derive(Default)]
struct Chrony {
    serving: Serving,
    /// Authorities by the number of their set.
    authorities: Vec<(u32, String, usize)>,
    /// Sources of NTS and the sets that they want.
    protected: Vec<(usize, u32)>,
    /// `minsources` and its line.
    least: Option<(usize, usize)>,
    /// `keyfile` and its line.
    keys: Option<(String, usize)>,
    /// The line of `log`, if it asks for measurements.
    log: Option<usize>,
}

/// Reads a file with all that it includes.
pub(super) fn read(work: &mut Work, path: &Path, text: &str) {
    let mut chrony = Chrony::default();
    let is_sources = path.extension().is_some_and(|end| end == "sources");
    chrony.file(work, path, text, is_sources);
    chrony.finish(work);
}

impl Chrony {
    fn file(&mut self, work: &mut Work, path: &Path, text: &str, is_sources: bool) {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['!', ';', '#', '%']) {
                continue;
            }
            work.open(path, number, line);
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default().to_ascii_lowercase();
            let words: Vec<&str> = words.collect();
            match is_sources && !["server", "pool", "peer"].contains(&name.as_str()) {
                true => {
                    work.say("", Fate::Unknown, "nothing but server, pool and peer is in a file of sources");
                }
                false => self.directive(work, path, (&name, &words)),
            }
        }
    }

    fn directive(&mut self, work: &mut Work, path: &Path, (name, words): (&str, &[&str])) {
        match (name, words) {
            ("server" | "pool" | "peer", _) => self.protected.extend(source::read(work, name, words)),
            ("refclock", _) => refclock::read(work, words),
            ("include", [pattern]) => self.include(work, &beside(path, pattern)),
            ("confdir" | "sourcedir", [_, ..]) if words.len() <= FOLDERS_MAX => {
                self.folders(work, path, name, words);
            }
            ("makestep", [threshold, updates]) => makestep(work, threshold, updates),
            ("initstepslew", [threshold, ..]) => initstepslew(work, threshold),
            ("maxslewrate", [ppm]) => maxslewrate(work, ppm),
            ("maxdrift", [ppm]) => maxdrift(work, ppm),
            ("maxdistance", [text]) => span(work, "select.max_distance", text, ""),
            ("maxchange", [text, _, _]) => span(
                work,
                "clock.panic",
                text,
                "chronyd ends; here the clock is left alone and that is said, after the first updates",
            ),
            ("minsources", [count]) => self.minsources(work, count),
            ("keyfile", [file]) => {
                if let Some((_, before)) = self.keys.replace(((*file).to_owned(), work.report.at)) {
                    work.overrule(before, "");
                }
            }
            ("leapseclist", [file]) => work.take("", "leap.file", quoted(file)),
            ("tempcomp", [file, ..]) => {
                work.put(
                    "",
                    &[("temperature", quoted(file))],
                    "how the rate follows the temperature is learned; coefficients are not read",
                );
            }
            ("leapsecmode", ["system"]) => work.say("", Fate::Default, "the kernel leaps"),
            ("authselectmode", ["mix" | "ignore" | "prefer"]) => {
                work.say(
                    "",
                    Fate::Needless,
                    "who has a key or NTS is believed under that alone; votes are equal",
                );
            }
            ("bindcmdaddress", [place]) => commands(work, place),
            ("cmdport", ["0"]) => work.say("", Fate::Default, "there is no port for commands"),
            ("log", [_, ..]) => self.log(work, words),
            _ => self.serve(work, name, words),
        }
    }

    /// What is about serving, and what is only spoken of.
    fn serve(&mut self, work: &mut Work, name: &str, words: &[&str]) {
        let line = work.report.at;
        match (name, words) {
            ("allow" | "deny", _) => self.access(work, name == "allow", words),
            ("bindaddress", [address]) => match address.parse::<std::net::IpAddr>() {
                Ok(ip) if ip.is_ipv6() => self.listen(work, format!("[{ip}]"), true),
                Ok(ip) => self.listen(work, ip.to_string(), false),
                Err(_) => work.say("", Fate::LeftOut, "this is no address in figures"),
            },
            ("port", [port]) if port.parse::<u16>().is_ok() => {
                self.serving.port = port.parse().ok();
                work.say("", Fate::Taken, "in [serve] ntp, if anybody is answered");
            }
            ("binddevice", [device]) => work.take("", "serve.interface", quoted(device)),
            ("ratelimit", _) => ratelimit(work, words),
            ("ntsservercert", [file]) if self.serving.certificate.is_none() => {
                self.serving.certificate = Some(((*file).to_owned(), line));
            }
            ("ntsserverkey", [file]) if self.serving.key.is_none() => {
                self.serving.key = Some(((*file).to_owned(), line));
            }
            ("ntsservercert" | "ntsserverkey", [_]) => {
                work.say("", Fate::LeftOut, "one certificate is served, the first one");
            }
            ("ntsport", [port]) if port.parse::<u16>().is_ok_and(|port| port != 0) => {
                self.serving.nts_port = port.parse().ok().map(|port| (port, line));
            }
            ("ntstrustedcerts", [file]) => self.authorities.push((0, (*file).to_owned(), line)),
            ("ntstrustedcerts", [set, file]) if set.parse::<u32>().is_ok() => {
                self.authorities.push((set.parse().unwrap_or_default(), (*file).to_owned(), line));
            }
            (_, _) => match words::said(name) {
                Some((fate, why)) => work.say("", fate, why),
                None if words::TAKEN.contains(&name) => {
                    work.say("", Fate::Unknown, "this is not how chronyd has it written");
                }
                None => work.say("", Fate::Unknown, "this is no directive of chronyd's that is known here"),
            },
        }
    }

    /// One place for each family; a later one takes the place of the first.
    fn listen(&mut self, work: &mut Work, place: String, is_v6: bool) {
        self.serving.places.retain(|other| other.starts_with('[') != is_v6);
        self.serving.places.push(place);
        work.say("", Fate::Taken, "in [serve] ntp, if anybody is answered");
    }

    fn access(&mut self, work: &mut Work, allows: bool, words: &[&str]) {
        let (all, rest) = match words {
            ["all", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let nets = match rest {
            [] => Net::EVERYBODY.to_vec(),
            ["0/0"] => vec![Net::EVERYBODY[0]],
            [text] => match Net::read(text) {
                Some(net) => vec![net],
                None => {
                    return work.say("", Fate::LeftOut, "names are not looked up for this: write addresses");
                }
            },
            [_, _, ..] => return work.say("", Fate::Unknown, "one network is expected here"),
        };
        let line = work.report.at;
        self.serving.rules.extend(nets.into_iter().map(|net| Rule { net, allows, all, line }));
    }

    fn include(&mut self, work: &mut Work, pattern: &Path) {
        match matching(pattern) {
            Ok(files) if files.is_empty() => work.say("", Fate::LeftOut, "there is no such file"),
            Ok(files) => {
                for file in files {
                    work.include(&file, &mut |work, path, text| self.file(work, path, text, false));
                }
            }
            Err(error) => work.say("", Fate::LeftOut, &format!("its folder cannot be read: {error}")),
        }
    }

    /// Of files of one name in several folders the first is read.
    fn folders(&mut self, work: &mut Work, path: &Path, name: &str, folders: &[&str]) {
        let is_sources = name == "sourcedir";
        let mut files = Vec::new();
        for folder in folders {
            match ending(&beside(path, folder), if is_sources { ".sources" } else { ".conf" }) {
                Ok(found) => files.extend(found),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    work.say(folder, Fate::Needless, "there is no such folder");
                }
                Err(error) => work.say(folder, Fate::LeftOut, &format!("it cannot be read: {error}")),
            }
        }
        let mut seen: Vec<std::ffi::OsString> = Vec::new();
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_owned();
            let is_new = !seen.contains(&name);
            seen.push(name);
            is_new
        });
        files.sort_by_key(|file| file.file_name().map(std::ffi::OsStr::to_owned));
        let why = match is_sources {
            true => {
                "read now; for sources that come and go see \"From DHCP\" in configuration.md, or files in conf.d"
            }
            false => "its files ending in .conf are read now",
        };
        match (is_sources, files.is_empty()) {
            (true, _) => work.say("", Fate::Differs, why),
            (false, false) => work.say("", Fate::Taken, why),
            (false, true) => work.say("", Fate::Needless, "there are no such files"),
        }
        for file in files {
            work.include(&file, &mut |work, path, text| self.file(work, path, text, is_sources));
        }
    }

    fn minsources(&mut self, work: &mut Work, count: &str) {
        match count.parse::<usize>() {
            Ok(count) => {
                if let Some((_, before)) = self.least.replace((count, work.report.at)) {
                    work.overrule(before, "");
                }
            }
            Err(_) => work.say("", Fate::Unknown, "this is no number"),
        }
    }

    fn log(&mut self, work: &mut Work, words: &[&str]) {
        let wanted = ["measurements", "rawmeasurements", "statistics", "tracking", "refclocks"];
        match words.iter().any(|word| wanted.contains(&word.to_ascii_lowercase().as_str())) {
            true => {
                if let Some(before) = self.log.replace(work.report.at) {
                    work.overrule(before, "");
                }
            }
            false => work.say("", Fate::Needless, "nothing of the kind is written down here"),
        }
    }

    /// What had to wait for the last line.
    fn finish(mut self, work: &mut Work) {
        let last = work.report.at;
        self.authorities(work);
        if let Some((count, line)) = self.least {
            work.report.at = line;
            super::least(work, "", count);
        }
        if let Some(line) = self.log {
            work.report.at = line;
            let dir = quoted("/var/log/truechimer");
            work.put("", &[("statistics.dir", dir)], "other files in a format of our own: docs/formats");
        }
        if work.draft.value("clock.step_updates").is_none() {
            never_steps(work);
        }
        work.report.at = last;
        self.serving.finish(work);
        super::keys_file(work, self.keys);
    }

    fn authorities(&mut self, work: &mut Work) {
        for (at, (set, file, line)) in self.authorities.iter().enumerate() {
            work.report.at = *line;
            if self.authorities[..at].iter().any(|(other, _, _)| other == set) {
                work.say("", Fate::LeftOut, "one file is taken for each set: put both into one");
                continue;
            }
            let sources: Vec<usize> =
                self.protected.iter().filter(|(_, wants)| wants == set).map(|(source, _)| *source).collect();
            if sources.is_empty() {
                work.say("", Fate::Needless, "no source of NTS wants it");
            }
            for source in sources {
                let differs = "these authorities alone, those of the system are not asked besides";
                work.tell(source, "", &[("ca", quoted(file))], differs);
            }
        }
        for (source, set) in &self.protected {
            if *set != 0 && !self.authorities.iter().any(|(other, _, _)| other == set) {
                work.warnings.push(format!(
                    "source {} wants the authorities of set {set}, which is not there",
                    source + 1
                ));
            }
        }
    }
}

/// chronyd never steps unless it is told to, and slews very fast.
fn never_steps(work: &mut Work) {
    let mut values = vec![("clock.step_updates", "0".to_owned())];
    if work.draft.value("clock.max_slew").is_none() {
        values.push(("clock.max_slew", slew(SLEW_PPM).0));
    }
    // These two cannot be refused: they are within limits, and a test says so.
    let set = work.draft.set(&values, "without makestep chronyd never steps, and slews at up to 83333 ppm");
    assert_eq!(set, Ok(None));
    work.warnings.push(
        "without makestep chronyd never steps the clock, so step_updates = 0: a machine that starts years off stays \
         so for long; remove it to step in the first three updates"
            .to_owned(),
    );
}

/// chronyc may look, and never command.
fn commands(work: &mut Work, place: &str) {
    let differs = "chronyc may look there, and never command";
    match place {
        "/" => work.say("", Fate::Default, "there is no such socket unless [chrony] names one"),
        path if path.starts_with('/') => {
            work.put("", &[("chrony.socket", quoted(path))], differs);
        }
        address => {
            work.put("", &[("chrony.listen", list(&[address.to_owned()]))], differs);
        }
    }
}

fn makestep(work: &mut Work, threshold: &str, updates: &str) {
    let (Some(threshold), Ok(updates)) = (seconds(threshold), updates.parse::<i64>()) else {
        return work.say("", Fate::Unknown, "two numbers are expected here");
    };
    let differs = match updates {
        0.. => "",
        _ => "as it says, the clock may be stepped at any time; 3 keeps it from that once it is right",
    };
    let updates = if updates < 0 { u32::MAX.into() } else { updates };
    let values = [("clock.step_threshold", duration(threshold)), ("clock.step_updates", updates.to_string())];
    work.put("", &values, differs);
}

fn initstepslew(work: &mut Work, threshold: &str) {
    let Some(threshold) = seconds(threshold) else {
        return work.say("", Fate::Unknown, "a number of seconds is expected here");
    };
    let differs = "the first step is decided by the vote of all sources; those that are named here are not asked for it";
    let values = [("clock.step_threshold", duration(threshold)), ("clock.step_updates", "1".to_owned())];
    work.put("", &values, differs);
}

fn maxslewrate(work: &mut Work, ppm: &str) {
    let Some((value, is_cut)) = number(ppm).map(slew) else {
        return work.say("", Fate::Unknown, "a number is expected here");
    };
    work.put("", &[("clock.max_slew", value)], if is_cut { "no slew is faster" } else { "" });
}

fn maxdrift(work: &mut Work, ppm: &str) {
    let Some((value, is_cut)) = number(ppm).map(|ppm| rate(ppm, RATE_MAX)) else {
        return work.say("", Fate::Unknown, "a number is expected here");
    };
    let differs = if is_cut { "a clock that is further off cannot be steered" } else { "" };
    work.put("", &[("assume.max_rate", value)], differs);
}

/// `path` is set to so many seconds.
pub(super) fn span(work: &mut Work, path: &str, text: &str, differs: &str) {
    match seconds(text) {
        Some(span) if span >= Span::ZERO => {
            work.put("", &[(path, duration(span))], differs);
        }
        Some(_) | None => work.say("", Fate::Unknown, "a number of seconds is expected here"),
    }
}

fn ratelimit(work: &mut Work, words: &[&str]) {
    let (mut interval, mut burst, mut leak) = (3, 8, 2);
    for pair in words.chunks(2) {
        match pair {
            ["interval", text] => interval = text.parse().unwrap_or(i32::MAX),
            ["burst", text] => burst = text.parse().unwrap_or(0),
            ["leak", text] => leak = text.parse().unwrap_or(0),
            _ => return work.say("", Fate::Unknown, "this is not how chronyd has it written"),
        }
    }
    let interval = Span::from_seconds(2f64.powi(interval.clamp(-32, 32)));
    let differs = if leak == 2 { "" } else { "of those beyond, one in four is answered" };
    let values =
        [("serve.limit_interval", duration(interval)), ("serve.limit_burst", u32::to_string(&burst))];
    work.put("", &values, differs);
}

/// Every directive and every option of a source that something is said about.
#[cfg(test)]
pub(super) fn vocabulary() -> Vec<&'static str> {
    let said = words::SAID.iter().map(|(word, _, _)| *word);
    let options = words::OPTIONS.iter().map(|(word, _, _, _)| *word);
    words::TAKEN.iter().copied().chain(said).chain(options).collect()
}
