//! `refclock`: PHC, PPS, SHM and SOCK are kinds of sources here too.

use truechimer_time::Span;

use super::super::values::{duration, quoted, seconds};
use super::super::{Fate, Work};

/// Options with an argument.
const WITH_ARGUMENT: &[&str] = &[
    "poll",
    "dpoll",
    "refid",
    "lock",
    "rate",
    "maxlockage",
    "width",
    "offset",
    "delay",
    "stratum",
    "precision",
    "maxdispersion",
    "filter",
    "maxsamples",
    "minsamples",
];
/// Options without.
const WITHOUT: &[&str] = &["noselect", "prefer", "trust", "require", "tai", "local", "pps"];

/// What a driver's parameter stands for.
struct Driver<'a> {
    kind: &'static str,
    address: &'a str,
    /// What stands behind it, after colons.
    modifiers: Vec<&'a str>,
    /// What is taken for granted of its error, if nothing is said.
    error: Span,
}

impl<'a> Driver<'a> {
    fn read(driver: &str, parameter: &'a str) -> Option<Self> {
        let (kind, error) = match driver.to_ascii_uppercase().as_str() {
            "PHC" => ("phc", Span::from_micros(10)),
            "PPS" => ("pps", Span::from_micros(50)),
            "SHM" => ("shm", Span::from_millis(250)),
            "SOCK" => ("sock", Span::from_millis(1)),
            _ => return None,
        };
        let mut parts = parameter.split(':');
        let address = parts.next().unwrap_or_default();
        Some(Self { kind, address, modifiers: parts.collect(), error })
    }
}

/// Takes a reference clock over.
pub(super) fn read(work: &mut Work, words: &[&str]) {
    let [driver, parameter, options @ ..] = words else {
        return work.say("", Fate::Unknown, "a driver and its parameter are expected here");
    };
    let Some(driver) = Driver::read(driver, parameter) else {
        return work.say("", Fate::LeftOut, "this driver is not here: PHC, PPS, SHM and SOCK are");
    };
    let Some(options) = pairs(work, options) else { return };
    let has = |name: &str| options.iter().any(|(option, _)| option == name);
    if has("noselect") {
        return work.say(
            "",
            Fate::LeftOut,
            "who is read has a vote, and pulses take their second from all that agree; name it without noselect if there \
             is nobody else",
        );
    }
    if has("pps") && driver.kind != "pps" {
        return work.say(
            "",
            Fate::LeftOut,
            "pulses are read from a device, kind = \"pps\", not from a program",
        );
    }
    let mut keys = vec![("kind", quoted(driver.kind)), ("address", quoted(driver.address))];
    if driver.kind == "phc" {
        keys.push(("scale", quoted(if has("tai") { "tai" } else { "utc" })));
    }
    let Some(source) = work.source("", &keys, "") else { return };
    for modifier in &driver.modifiers {
        match (driver.kind, *modifier) {
            ("pps", "clear") => work.tell(source, "clear", &[("edge", quoted("clear"))], ""),
            ("phc", "nocrossts") => {
                work.say(modifier, Fate::Needless, "the best way to read it is found out");
            }
            ("shm", modifier) if modifier.starts_with("perm=") => {
                work.say(modifier, Fate::Default, "units 0 and 1 are root's alone, all others everybody's");
            }
            (_, modifier) => work.say(modifier, Fate::LeftOut, "this is not known of such a clock"),
        }
    }
    for (option, value) in &options {
        tell(work, source, driver.kind, (option, value));
    }
    error(work, source, &driver, &options);
}

/// The options with their arguments; nothing, if one of them is none.
fn pairs(work: &mut Work, words: &[&str]) -> Option<Vec<(String, String)>> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.to_ascii_lowercase();
        if WITH_ARGUMENT.contains(&name.as_str()) {
            options.push((name, words.next().copied().unwrap_or_default().to_owned()));
        } else if WITHOUT.contains(&name.as_str()) {
            options.push((name, String::new()));
        } else {
            work.say(word, Fate::Unknown, "this is no option of a reference clock that is known here");
            return None;
        }
    }
    Some(options)
}

fn tell(work: &mut Work, source: usize, kind: &str, (option, value): (&str, &str)) {
    let shown = format!("{option} {value}");
    let shown = shown.trim_end();
    let yes = || "true".to_owned();
    match option {
        "prefer" => work.tell(source, shown, &[("prefer", yes())], ""),
        "trust" => work.tell(source, shown, &[("trust", yes())], ""),
        "require" => work.tell(source, shown, &[("require", yes())], ""),
        "refid" => work.tell(source, shown, &[("refid", quoted(value))], ""),
        "offset" => match seconds(value) {
            Some(offset) => work.tell(source, shown, &[("offset", duration(offset))], ""),
            None => work.say(shown, Fate::Unknown, "a number of seconds is expected here"),
        },
        "tai" if kind != "phc" => {
            work.say(
                shown,
                Fate::LeftOut,
                "TAI is counted by PTP clocks alone: write the difference as `offset`",
            );
        }
        "lock" => work.say(shown, Fate::Differs, "pulses take their second from all that agree"),
        "poll" | "dpoll" => {
            work.say(shown, Fate::Default, "clocks are read every second, programs every four, and averaged");
        }
        "stratum" => work.say(shown, Fate::LeftOut, "a source counts by its distance, not by its stratum"),
        "local" => {
            work.say(shown, Fate::LeftOut, "no clock of this machine stands in for the time of others");
        }
        "rate" | "width" | "maxlockage" => {
            work.say(shown, Fate::LeftOut, "one pulse a second is taken for granted");
        }
        "filter" | "maxdispersion" | "maxsamples" | "minsamples" => {
            work.say(shown, Fate::Needless, "readings are averaged by what their noise allows");
        }
        _ => {}
    }
}

/// The bound rests on what is vouched for, so it is never less than by default: chronyd's numbers mean less than that.
fn error(work: &mut Work, source: usize, driver: &Driver<'_>, options: &[(String, String)]) {
    let value =
        |name: &str| options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str());
    let given: Vec<String> = ["delay", "precision"]
        .into_iter()
        .filter_map(|name| value(name).map(|value| format!("{name} {value}")))
        .collect();
    if given.is_empty() {
        return;
    }
    let part = |name| value(name).map_or(Some(Span::ZERO), seconds);
    let (Some(delay), Some(precision)) = (part("delay"), part("precision")) else {
        return work.say(&given.join(" "), Fate::Unknown, "numbers of seconds are expected here");
    };
    let most = delay.half() + precision;
    match most > driver.error {
        true => {
            let differs = "half the delay and the precision: it is never further from the truth than this";
            work.tell(source, &given.join(" "), &[("error", duration(most))], differs);
        }
        false => work.say(
            &given.join(" "),
            Fate::Differs,
            "`error` stays what it is by default, because the bound rests on it; state less if you have measured it",
        ),
    }
}
