//! `server`, `pool` and `peer`.

use super::super::super::address::Address;
use super::super::super::quantity::Spelled;
use super::super::values::{duration, interval, quoted};
use super::super::{Fate, Work};
use super::words::OPTIONS;

/// chronyd asks so many of a pool.
const POOL: &str = "4";

/// An option with its argument, if it has one.
type Choice<'a> = (&'a str, &'a str);

/// What decides about the address before anything else is said.
struct Options<'a> {
    all: Vec<Choice<'a>>,
    /// What is no option.
    strange: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn read(words: &[&'a str]) -> Self {
        let (mut all, mut strange) = (Vec::new(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match arguments(&word.to_ascii_lowercase()) {
                Some(0) => all.push((*word, "")),
                Some(_) => all.push((*word, words.next().copied().unwrap_or_default())),
                None => strange.push(*word),
            }
        }
        Self { all, strange }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.all.iter().rev().find(|(option, _)| option.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// How many arguments an option has, if it is one.
fn arguments(option: &str) -> Option<usize> {
    match option {
        "nts" | "prefer" | "noselect" | "trust" | "require" | "xleave" => Some(0),
        "minpoll" | "maxpoll" | "key" | "maxsources" | "port" | "ntsport" | "certset" => Some(1),
        _ => OPTIONS.iter().find(|(name, _, _, _)| *name == option).map(|(_, arguments, _, _)| *arguments),
    }
}

/// Takes a source over; if it is asked by NTS, its number and the set of its authorities.
pub(super) fn read(work: &mut Work, directive: &str, words: &[&str]) -> Option<(usize, u32)> {
    let [host, rest @ ..] = words else {
        work.say("", Fate::Unknown, "no host is named");
        return None;
    };
    let options = Options::read(rest);
    if options.value("noselect").is_some() {
        work.say(
            "",
            Fate::LeftOut,
            "who is asked has a vote: a source that is only watched cannot be said here",
        );
        return None;
    }
    let nts = options.value("nts").is_some();
    let source = begin(work, directive, host, &options)?;
    for (option, value) in &options.all {
        tell(work, source, (option, value), nts);
    }
    intervals(work, source, (host, directive), &options);
    for word in &options.strange {
        work.say(word, Fate::Unknown, "this is no option of a source that is known here");
    }
    let set = options.value("certset").and_then(|set| set.parse().ok()).unwrap_or(0);
    nts.then_some((source, set))
}

fn begin(work: &mut Work, directive: &str, host: &str, options: &Options<'_>) -> Option<usize> {
    let nts = options.value("nts").is_some();
    let port = options.value(if nts { "ntsport" } else { "port" }).filter(|port| *port != "123");
    let address = with_port(host, port);
    let mut keys = vec![("address", quoted(&address))];
    if nts {
        keys.push(("kind", quoted("nts")));
    }
    let is_pool = directive == "pool" && !nts;
    if is_pool {
        keys.push(("pool", options.value("maxsources").unwrap_or(POOL).to_owned()));
    }
    let differs = match (directive, nts) {
        ("pool", true) => "one server of the name is asked: a pool is not asked by NTS",
        ("pool", false) if !is_of_strangers(host) => {
            "its servers have one vote together, and addresses of private networks are not taken: `near = true` if it is \
             one's own"
        }
        ("peer", _) => "it is asked as a server, and gets its time from us only if it asks",
        (_, _) => "",
    };
    work.source("", &keys, differs)
}

/// `a.example:1123`, `[2001:db8::1]:1123`
pub(in super::super) fn with_port(host: &str, port: Option<&str>) -> String {
    match port {
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(in super::super) fn is_of_strangers(host: &str) -> bool {
    Address::read(host).is_ok_and(|address| address.is_of_strangers())
}

pub(in super::super) fn is_near(host: &str) -> bool {
    Address::read(host).is_ok_and(|address| address.is_near())
}

fn tell(work: &mut Work, source: usize, (option, value): Choice<'_>, nts: bool) {
    let shown = if value.is_empty() { option.to_owned() } else { format!("{option} {value}") };
    let yes = || "true".to_owned();
    match option.to_ascii_lowercase().as_str() {
        "nts" | "maxsources" | "minpoll" | "maxpoll" => {}
        "port" if nts && value != "123" => {
            work.say(&shown, Fate::LeftOut, "the server of keys says at which port the time is");
        }
        "port" => {}
        "ntsport" if !nts => work.say(&shown, Fate::Needless, "it is not asked by NTS"),
        "ntsport" => {}
        "certset" => work.say(&shown, Fate::Taken, "see `ntstrustedcerts`"),
        "prefer" => work.tell(source, &shown, &[("prefer", yes())], ""),
        "trust" => work.tell(source, &shown, &[("trust", yes())], ""),
        "require" => work.tell(source, &shown, &[("require", yes())], ""),
        "xleave" => {
            let differs = "each answer is followed by a second question of when it really left";
            work.tell(source, &shown, &[("interleaved", yes())], differs);
        }
        "key" => work.tell(source, &shown, &[("key", value.to_owned())], ""),
        other => {
            if let Some((_, _, fate, why)) = OPTIONS.iter().find(|(name, _, _, _)| *name == other) {
                work.say(&shown, *fate, why);
            }
        }
    }
}

/// Both ends of the interval, which must not cross.
fn intervals(work: &mut Work, source: usize, (host, directive): (&str, &str), options: &Options<'_>) {
    let ends = (options.value("minpoll"), options.value("maxpoll"));
    polls(work, source, is_near(host) && directive != "pool", ends);
}

/// Both ends of an interval as exponents of two.
pub(in super::super) fn polls(
    work: &mut Work,
    source: usize,
    near: bool,
    ends: (Option<&str>, Option<&str>),
) {
    let read = |text: Option<&str>| text.map(|text| text.parse::<i32>().map_err(|_| text.to_owned()));
    let (min, max) = match (read(ends.0).transpose(), read(ends.1).transpose()) {
        (Ok(min), Ok(max)) => (min, max),
        (Err(text), _) | (_, Err(text)) => {
            return work.say(&text, Fate::Unknown, "this is no exponent of two for an interval");
        }
    };
    let max = max.map(|max| max.max(min.unwrap_or(max)));
    let mut values = Vec::new();
    let mut shown = Vec::new();
    let mut is_changed = false;
    for (name, key, exponent) in [("minpoll", "min_interval", min), ("maxpoll", "max_interval", max)] {
        let Some(exponent) = exponent else { continue };
        let (span, changed) = interval(exponent, near);
        is_changed |= changed;
        shown.push(format!("{name} {exponent}"));
        values.push((key, duration(span)));
    }
    let differs = match is_changed {
        true => {
            "as near as is allowed: 16 s at least for what may be somebody else's, 125 ms for an address of one's own \
                 network"
        }
        false => "",
    };
    if !values.is_empty() {
        work.tell(source, &shown.join(" "), &values, differs);
    }
}
