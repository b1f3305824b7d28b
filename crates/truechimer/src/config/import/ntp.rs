//! ntp.conf, of ntpsec and of the classic ntpd: one command on each line, comments behind `#`.

mod source;
mod words;

use std::net::IpAddr;
use std::path::Path;

use truechimer_time::Span;

use super::access::{Net, Rule};
use super::chrony::span;
use super::files::{beside, ending};
use super::serving::Serving;
use super::values::{duration, quoted, seconds};
use super::{Fate, Work};

/// No error of a clock is larger: "never give up".
const CENTURY: Span = Span::from_secs(3_155_760_000);

/// Is this a command of ntpd's?
pub(super) fn knows(word: &str) -> bool {
    words::TAKEN.contains(&word) || words::said(word).is_some()
}

/// What is known only when all has been read.
#[derive(Default)]
struct Ntp {
    serving: Serving,
    /// `minsane` and its line.
    least: Option<(String, usize, usize)>,
    /// The number of each source of a driver, and its address.
    clocks: Vec<(String, Option<usize>)>,
    /// Keys that are used, with their lines, and those that are trusted.
    keys: Vec<(u32, usize)>,
    trusted: Option<Vec<u32>>,
    /// Who vouches for sources of NTS that do not say.
    authorities: Option<(String, usize)>,
    /// Sources of NTS that do not say who vouches for them.
    protected: Vec<usize>,
    ignores_v6: bool,
    /// `keys` and its line.
    file: Option<(String, usize)>,
}

/// Reads a file, those in `ntp.d` beside it, and all that they include.
pub(super) fn read(work: &mut Work, path: &Path, text: &str) {
    let mut ntp = Ntp::default();
    ntp.file(work, path, text);
    if path.file_name().is_some_and(|name| name == "ntp.conf") {
        work.folder(&beside(path, "ntp.d"), &mut |work, path, text| ntp.file(work, path, text));
    }
    ntp.finish(work);
}

impl Ntp {
    fn file(&mut self, work: &mut Work, path: &Path, text: &str) {
        for (number, line) in (1..).zip(text.lines()) {
            let said = line.split('#').next().unwrap_or_default().trim();
            if said.is_empty() {
                continue;
            }
            let words: Vec<&str> = said.split_whitespace().map(|word| word.trim_matches('"')).collect();
            let name = words[0].to_ascii_lowercase();
            // The passphrase of old ways to seal is nobody's business.
            work.open(path, number, if name == "crypto" { "crypto .." } else { said });
            self.command(work, path, (&name, &words[1..]));
        }
    }

    /// The last file of keys that is named is the one that ntpd reads.
    fn keys(&mut self, work: &mut Work, file: &str) {
        if let Some((_, before)) = self.file.replace((file.to_owned(), work.report.at)) {
            work.overrule(before, "");
        }
    }

    fn command(&mut self, work: &mut Work, path: &Path, (name, words): (&str, &[&str])) {
        match (name, words) {
            ("server" | "pool" | "peer" | "refclock", _) => source::read(self, work, name, words),
            ("fudge", [address, rest @ ..]) => source::fudge(self, work, address, rest),
            ("includefile", [file]) => self.include(work, &beside(path, file)),
            ("keys", [file]) => self.keys(work, file),
            ("trustedkey", [_, ..]) => self.trust(work, words),
            ("leapfile", [file, ..]) => work.take("", "leap.file", quoted(file)),
            ("leapsmearinterval", [text]) => span(work, "serve.leap_smear", text, ""),
            ("tinker", [_, ..]) => options(work, words, tinker),
            ("tos", [_, ..]) => options(work, words, |work, pair| self.tos(work, pair)),
            ("restrict", [_, ..]) => self.restrict(work, words),
            ("interface" | "nic", [verb, place]) => self.interface(work, verb, place),
            ("discard", [_, ..]) => options(work, words, discard),
            ("enable" | "disable", [_, ..]) => switches(work, name == "enable", words),
            ("nts", [_, ..]) => self.nts(work, words),
            ("statistics", [_, ..]) => {
                let dir = quoted("/var/log/truechimer");
                work.put("", &[("statistics.dir", dir)], "other files in a format of our own: docs/formats");
            }
            (_, _) => match words::said(name) {
                Some((fate, why)) => work.say("", fate, why),
                None if words::TAKEN.contains(&name) => {
                    work.say("", Fate::Unknown, "this is not how ntpd has it written");
                }
                None => work.say("", Fate::Unknown, "this is no command of ntpd's that is known here"),
            },
        }
    }

    fn include(&mut self, work: &mut Work, path: &Path) {
        if !path.is_dir() {
            return work.include(path, &mut |work, path, text| self.file(work, path, text));
        }
        match ending(path, ".conf") {
            Ok(files) => {
                work.say("", Fate::Taken, "its files ending in .conf are read");
                for file in files {
                    work.include(&file, &mut |work, path, text| self.file(work, path, text));
                }
            }
            Err(error) => work.say("", Fate::LeftOut, &format!("the folder cannot be read: {error}")),
        }
    }

    fn trust(&mut self, work: &mut Work, words: &[&str]) {
        let trusted = self.trusted.get_or_insert_default();
        trusted.extend(words.iter().filter_map(|word| word.parse::<u32>().ok()));
        work.say("", Fate::Default, "a source is believed under the key that it names, and no other");
    }

    fn tos(&mut self, work: &mut Work, (option, value): (&str, &str)) {
        let what = format!("{option} {value}");
        match (option, value.parse::<usize>()) {
            ("minsane", Ok(count)) => {
                if let Some((what, _, before)) = self.least.replace((what, count, work.report.at)) {
                    work.overrule(before, &what);
                }
            }
            ("maxdist", _) => match seconds(value) {
                Some(span) => {
                    work.put(&what, &[("select.max_distance", duration(span))], "");
                }
                None => work.say(&what, Fate::Unknown, "a number of seconds is expected here"),
            },
            ("minclock" | "maxclock" | "mindist" | "beacon", _) => {
                work.say(
                    &what,
                    Fate::Needless,
                    "all that agree are weighed together; a pool has the places that it says",
                );
            }
            ("orphan" | "orphanwait" | "floor" | "ceiling" | "cohort" | "bcpollbstep" | "basedate", _) => {
                work.say(
                    &what,
                    Fate::LeftOut,
                    "who does not know the time says so, and strata decide nothing",
                );
            }
            (_, _) => work.say(&what, Fate::Unknown, "this is no option of tos that is known here"),
        }
    }

    /// `restrict`: whom the narrowest line for an address lets ask.
    fn restrict(&mut self, work: &mut Work, words: &[&str]) {
        let (family, words) = match words {
            ["-4", rest @ ..] => (Some(0), rest),
            ["-6", rest @ ..] => (Some(1), rest),
            rest => (None, rest),
        };
        let [who, flags @ ..] = words else {
            return work.say("", Fate::Unknown, "an address is expected here");
        };
        let (nets, flags) = match (*who, flags) {
            ("source", _) => {
                return work.say(
                    "",
                    Fate::Needless,
                    "answers of our sources need no leave, and nobody gets any by being one",
                );
            }
            ("default", flags) => match family {
                Some(at) => (vec![Net::EVERYBODY[at]], flags),
                None => (Net::EVERYBODY.to_vec(), flags),
            },
            (text, ["mask", mask, flags @ ..]) => {
                let net = match (text.parse::<IpAddr>(), mask.parse::<IpAddr>()) {
                    (Ok(ip), Ok(mask)) => Net::masked(ip, mask),
                    (_, _) => None,
                };
                (net.into_iter().collect(), flags)
            }
            (text, flags) => {
                (Net::read(text).filter(|_| text.contains([':', '.'])).into_iter().collect(), flags)
            }
        };
        if nets.is_empty() {
            return work.say(
                "",
                Fate::LeftOut,
                "names and masks with gaps are not looked at: write networks as 10.0.0.0/8",
            );
        }
        let mut allows = true;
        for flag in flags {
            match words::flag(flag) {
                Some(words::Flag::Refuses) => allows = false,
                Some(words::Flag::Said(fate, why)) => work.say(flag, fate, why),
                None => work.say(flag, Fate::Unknown, "this is no flag of restrict that is known here"),
            }
        }
        let line = work.report.at;
        self.serving.rules.extend(nets.into_iter().map(|net| Rule { net, allows, all: false, line }));
    }

    fn interface(&mut self, work: &mut Work, verb: &str, place: &str) {
        match (verb, place, place.parse::<IpAddr>()) {
            ("listen", _, Ok(ip)) => {
                let place = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
                self.serving.places.push(place);
                work.say("", Fate::Taken, "in [serve] ntp");
            }
            ("listen", "all" | "wildcard", _) | ("ignore" | "drop", "wildcard" | "all", _) => {
                work.say("", Fate::Default, "[serve] ntp says where is listened, and nothing else is");
            }
            ("ignore" | "drop", "ipv6", _) => {
                self.ignores_v6 = true;
                work.say("", Fate::Taken, "in [serve] ntp");
            }
            ("listen", name, _) if !["ipv4", "ipv6"].contains(&name) => {
                work.take("", "serve.interface", quoted(name));
            }
            (_, _, _) => work.say("", Fate::LeftOut, "say in [serve] ntp and interface where is listened"),
        }
    }

    /// ntpsec's own: certificates and authorities.
    fn nts(&mut self, work: &mut Work, words: &[&str]) {
        let line = work.report.at;
        for pair in words.chunks(2) {
            match pair {
                ["cert", file] => self.serving.certificate = Some(((*file).to_owned(), line)),
                ["key", file] => self.serving.key = Some(((*file).to_owned(), line)),
                ["ca", file] => self.authorities = Some(((*file).to_owned(), line)),
                ["cookie", file] => work.say(&format!("cookie {file}"), Fate::Default, "kept in [state] dir"),
                ["enable", ..] => work.say("enable", Fate::Taken, "with the certificate and its key"),
                ["disable", ..] => {
                    self.serving.certificate = None;
                    self.serving.key = None;
                    work.say("disable", Fate::Taken, "no keys are given");
                }
                [option, ..] => {
                    work.say(option, Fate::LeftOut, "TLS 1.3 is spoken, and what goes with it agreed on");
                }
                [] => {}
            }
        }
    }

    /// What had to wait for the last line.
    fn finish(mut self, work: &mut Work) {
        let last = work.report.at;
        if let Some((what, count, line)) = self.least.take() {
            work.report.at = line;
            super::least(work, &what, count);
        }
        for (id, line) in
            self.keys.iter().filter(|(id, _)| !self.trusted.iter().flatten().any(|key| key == id))
        {
            work.report.at = *line;
            work.say(
                &format!("key {id}"),
                Fate::Differs,
                "ntpd does not trust it (trustedkey); here it is used",
            );
        }
        if let Some((file, line)) = self.authorities.take() {
            work.report.at = line;
            if self.protected.is_empty() {
                work.say("", Fate::Needless, "no source of NTS wants it");
            }
            for source in self.protected.clone() {
                let differs = "these authorities alone, those of the system are not asked besides";
                work.tell(source, "", &[("ca", quoted(&file))], differs);
            }
        }
        work.report.at = last;
        self.serve(work);
        work.warnings.push(
            "ntpd steps errors beyond 128 ms whenever they last; here the clock is stepped in its first three updates \
             alone (step_updates), and slewed or left alone after that"
                .to_owned(),
        );
    }

    /// Without a word ntpd answers everybody.
    fn serve(mut self, work: &mut Work) {
        let keys = self.file.take();
        if !self.serving.rules.iter().any(|rule| Net::EVERYBODY.contains(&rule.net)) {
            let line = self.serving.rules.first().map_or(work.report.at, |rule| rule.line);
            let everybody = Net::EVERYBODY.map(|net| Rule { net, allows: true, all: false, line });
            if !work.report.lines.is_empty() {
                self.serving.rules.splice(0..0, everybody);
            }
        }
        if self.ignores_v6 && self.serving.places.is_empty() {
            self.serving.places.push("0.0.0.0".to_owned());
        }
        self.serving.finish(work);
        super::keys_file(work, keys);
        if work.draft.value("serve.allow").is_some_and(|allow| allow.contains("0.0.0.0/0")) {
            work.warnings.push(
                "ntpd answers whoever asks unless `restrict` forbids it, and so does [serve]: remove that table if this \
                 machine serves nobody"
                    .to_owned(),
            );
        }
    }
}

/// Options in pairs.
fn options(work: &mut Work, words: &[&str], mut tell: impl FnMut(&mut Work, (&str, &str))) {
    for pair in words.chunks(2) {
        match pair {
            [option, value] => tell(work, (option, value)),
            [option, ..] => work.say(option, Fate::Unknown, "a value is expected behind it"),
            [] => {}
        }
    }
}

fn tinker(work: &mut Work, (option, value): (&str, &str)) {
    let what = format!("{option} {value}");
    let Some(span) = seconds(value) else {
        return work.say(&what, Fate::Unknown, "a number is expected here");
    };
    match (option, span.is_zero()) {
        ("step", true) => {
            work.put(&what, &[("clock.step_updates", "0".to_owned())], "");
        }
        ("step", false) => {
            let differs = "in the first updates alone; ntpd would step later too";
            work.put(&what, &[("clock.step_threshold", duration(span))], differs);
        }
        ("panic", _) => {
            let span = if span.is_zero() { CENTURY } else { span };
            let differs =
                "beyond it the clock is left alone and that is said; ntpd ends. Not in the first updates";
            work.put(&what, &[("clock.panic", duration(span))], differs);
        }
        ("stepback" | "stepfwd" | "stepout", _) => {
            work.say(
                &what,
                Fate::LeftOut,
                "one threshold is for both directions, and a step is decided at once",
            );
        }
        ("allan" | "dispersion" | "huffpuff" | "minpoll" | "maxpoll" | "freq", _) => {
            work.say(&what, Fate::Needless, "it is learned, or not needed where errors are bounded");
        }
        (_, _) => work.say(&what, Fate::Unknown, "this is no option of tinker that is known here"),
    }
}

fn discard(work: &mut Work, (option, value): (&str, &str)) {
    let what = format!("{option} {value}");
    match (option, value.parse::<i32>()) {
        ("average", Ok(exponent)) => {
            let span = Span::from_seconds(2f64.powi(exponent.clamp(-32, 32)));
            let differs = "for all clients, not only those that `limited` is for";
            work.put(&what, &[("serve.limit_interval", duration(span))], differs);
        }
        ("minimum" | "monitor", Ok(_)) => {
            work.say(
                &what,
                Fate::Needless,
                "[serve] limit_interval and limit_burst say how often one may ask",
            );
        }
        (_, _) => work.say(&what, Fate::Unknown, "this is no option of discard that is known here"),
    }
}

fn switches(work: &mut Work, on: bool, words: &[&str]) {
    for word in words {
        match (word.to_ascii_lowercase().as_str(), on) {
            ("ntp", false) => {
                let differs = "the kernel's clock is not touched; one of our own is kept in shared memory";
                work.put(word, &[("clock.target", quoted("user"))], differs);
            }
            ("ntp" | "auth", true) => work.say(word, Fate::Default, "it is so"),
            ("kernel" | "calibrate" | "stats" | "pps", _) => {
                work.say(word, Fate::Needless, "there is no such loop here");
            }
            ("monitor" | "mode7", false) => {
                work.say(word, Fate::Default, "nobody is told anything but the time");
            }
            ("monitor", true) => {
                work.say(word, Fate::Differs, "`truechimer clients` shows who asks, on this machine alone");
            }
            ("bclient", false) => work.say(word, Fate::Default, "what is sent to all is not heard"),
            ("auth", false) => {
                work.say(word, Fate::Default, "symmetric associations and broadcasts are not there at all");
            }
            ("bclient" | "mode7", true) => work.say(word, Fate::LeftOut, "nothing of the kind is here"),
            (_, _) => work.say(word, Fate::Unknown, "this is no switch that is known here"),
        }
    }
}

/// Every command and every option of a source that something is said about.
#[cfg(test)]
pub(super) fn vocabulary() -> Vec<&'static str> {
    let said = words::SAID.iter().map(|(word, _, _)| *word);
    let options = words::OPTIONS.iter().map(|(word, _, _, _)| *word);
    words::TAKEN.iter().copied().chain(said).chain(options).collect()
}
