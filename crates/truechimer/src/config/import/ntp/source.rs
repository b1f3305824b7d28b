//! `server`, `pool`, `peer`, ntpsec's `refclock`, and `fudge` behind them.

use super::super::chrony::{is_near, is_of_strangers, polls};
use super::super::values::{duration, quoted, seconds};
use super::super::{Fate, Work};
use super::Ntp;
use super::words::OPTIONS;

/// Each name of a pool gets so many places: four names are sixteen, and there is room for 32.
const POOL: &str = "4";

/// Options with an argument that have a key.
const WITH_ARGUMENT: &[&str] =
    &["key", "minpoll", "maxpoll", "ca", "time1", "time2", "refid", "flag2", "unit"];
/// Options without.
const WITHOUT: &[&str] = &["prefer", "noselect", "true", "nts", "xleave"];

/// The address that old configurations give to a driver: 127.127, its type, its unit.
fn driver(host: &str) -> Option<(&str, &str)> {
    host.strip_prefix("127.127.")?.split_once('.')
}

/// The number of a driver that ntpsec names.
fn type_named(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "shm" => "28",
        "pps" => "22",
        "gpsd" => "46",
        "local" => "1",
        _ => "",
    }
}

/// Takes a source over.
pub(super) fn read(ntp: &mut Ntp, work: &mut Work, command: &str, words: &[&str]) {
    let words = match words {
        ["-4" | "-6", rest @ ..] => {
            work.say(words[0], Fate::LeftOut, "a name is looked up for both families: write the address");
            rest
        }
        rest => rest,
    };
    let [host, rest @ ..] = words else { return work.say("", Fate::Unknown, "no host is named") };
    let options = pairs(work, rest);
    let value =
        |name: &str| options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str());
    if value("noselect").is_some() {
        return work.say(
            "",
            Fate::LeftOut,
            "who is asked has a vote: a source that is only watched cannot be said here",
        );
    }
    let clock = match command {
        "refclock" => Some((type_named(host), value("unit").unwrap_or("0"))),
        _ => driver(host),
    };
    let source = match clock {
        Some((kind, unit)) => {
            let source = reference(work, kind, unit);
            ntp.clocks.push((format!("127.127.{kind}.{unit}"), source));
            source
        }
        None => server(work, (command, host), value("nts").is_some()),
    };
    let Some(source) = source else { return };
    for (option, value) in &options {
        tell(ntp, work, source, (option, value));
    }
    if clock.is_none() {
        polls(work, source, is_near(host) && command != "pool", (value("minpoll"), value("maxpoll")));
        if value("nts").is_some() && value("ca").is_none() {
            ntp.protected.push(source);
        }
    }
}

fn server(work: &mut Work, (command, host): (&str, &str), nts: bool) -> Option<usize> {
    let mut keys = vec![("address", quoted(host))];
    if nts {
        keys.push(("kind", quoted("nts")));
    }
    if command == "pool" && !nts {
        keys.push(("pool", POOL.to_owned()));
    }
    let differs = match (command, nts) {
        ("pool", true) => "one server of the name is asked: a pool is not asked by NTS",
        ("pool", false) if is_of_strangers(host) => {
            "so many of its servers; ntpd asks as many as `tos maxclock` has room for"
        }
        ("pool", false) => {
            "its servers have one vote together, and addresses of private networks are not taken: `near = true` if it is \
             one's own"
        }
        ("peer", _) => "it is asked as a server, and gets its time from us only if it asks",
        (_, _) => "",
    };
    work.source("", &keys, differs)
}

/// The driver of a clock, if there is one like it here.
fn reference(work: &mut Work, kind: &str, unit: &str) -> Option<usize> {
    let keys = match kind {
        "28" => [("kind", quoted("shm")), ("address", quoted(unit))],
        "22" => [("kind", quoted("pps")), ("address", quoted(&format!("/dev/pps{unit}")))],
        "46" => {
            work.say(
                "",
                Fate::LeftOut,
                &format!("gpsd is not asked for JSON: read its memory, kind = \"shm\", address = \"{unit}\""),
            );
            return None;
        }
        "1" => {
            work.say("", Fate::LeftOut, "no clock of this machine stands in for the time of others");
            return None;
        }
        _ => {
            work.say(
                "",
                Fate::LeftOut,
                "this driver is not here: let gpsd read the receiver, and take kind = \"shm\" or \"sock\"",
            );
            return None;
        }
    };
    work.source("", &keys, "read every second, and averaged; `error` says how far it can be from the truth")
}

/// Options with their arguments. What is none is said to be none.
fn pairs(work: &mut Work, words: &[&str]) -> Vec<(String, String)> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.to_ascii_lowercase();
        let known =
            OPTIONS.iter().find(|(option, _, _, _)| *option == name).map(|(_, arguments, _, _)| *arguments);
        let arguments = match () {
            () if WITH_ARGUMENT.contains(&name.as_str()) => Some(1),
            () if WITHOUT.contains(&name.as_str()) => Some(0),
            () => known,
        };
        match arguments {
            Some(0) => options.push((name, String::new())),
            Some(_) => options.push((name, words.next().copied().unwrap_or_default().to_owned())),
            None => work.say(word, Fate::Unknown, "this is no option that is known here"),
        }
    }
    options
}

fn tell(ntp: &mut Ntp, work: &mut Work, source: usize, (option, value): (&str, &str)) {
    let shown = format!("{option} {value}");
    let shown = shown.trim_end();
    let yes = || "true".to_owned();
    match option {
        "prefer" => work.tell(source, shown, &[("prefer", yes())], ""),
        "true" => work.tell(source, shown, &[("trust", yes())], "believed against any majority"),
        "xleave" => {
            let differs = "each answer is followed by a second question of when it really left";
            work.tell(source, shown, &[("interleaved", yes())], differs);
        }
        "key" => {
            ntp.keys.extend(value.parse::<u32>().ok().map(|id| (id, work.report.at)));
            work.tell(source, shown, &[("key", value.to_owned())], "");
        }
        "ca" => work.tell(source, shown, &[("ca", quoted(value))], "these authorities alone"),
        "refid" => work.tell(source, shown, &[("refid", quoted(value))], ""),
        "time1" => match seconds(value) {
            Some(offset) => work.tell(source, shown, &[("offset", duration(offset))], ""),
            None => work.say(shown, Fate::Unknown, "a number of seconds is expected here"),
        },
        "time2" => work.say(shown, Fate::LeftOut, "one offset is added: time1"),
        "flag2" if value == "1" => work.tell(source, shown, &[("edge", quoted("clear"))], ""),
        "flag2" => work.say(shown, Fate::Default, "the edge that asserts the pulse"),
        "nts" | "minpoll" | "maxpoll" | "unit" => {}
        other => {
            if let Some((_, _, fate, why)) = OPTIONS.iter().find(|(name, _, _, _)| *name == other) {
                work.say(shown, *fate, why);
            }
        }
    }
}

/// More about a driver that was named before.
pub(super) fn fudge(ntp: &mut Ntp, work: &mut Work, address: &str, words: &[&str]) {
    let options = pairs(work, words);
    let Some((_, source)) = ntp.clocks.iter().find(|(clock, _)| clock == address).cloned() else {
        return work.say("", Fate::LeftOut, "no clock of this address is named before it");
    };
    let Some(source) = source else {
        return work.say("", Fate::Needless, "its clock is left out");
    };
    if words.is_empty() {
        work.say("", Fate::Needless, "it says nothing of its clock");
    }
    for (option, value) in &options {
        tell(ntp, work, source, (option, value));
    }
}
