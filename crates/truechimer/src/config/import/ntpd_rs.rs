//! ntp.toml of ntpd-rs: TOML like ours, with other keys.

use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};
use truechimer_time::Span;

use super::super::error::Place;
use super::chrony::{is_near, is_of_strangers, polls};
use super::values::{duration, list, quoted, seconds, slew};
use super::{Fate, Work};

/// ntpd-rs asks so many of a pool.
const POOL: i64 = 4;

/// A key of a table, with what stands there and in which line of the report.
struct Leaf {
    key: String,
    value: Value,
    line: usize,
}

/// A table, with its line.
struct Group {
    name: String,
    leaves: Vec<Leaf>,
    line: usize,
}

impl Group {
    fn text(&self, key: &str) -> Option<&str> {
        self.leaf(key).and_then(|leaf| leaf.value.as_str())
    }

    fn leaf(&self, key: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.key == key)
    }
}

/// Reads a file.
pub(super) fn read(work: &mut Work, path: &Path, text: &str) {
    let first = work.report.lines.len();
    let mut numbers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() && !line.trim().starts_with('#') {
            work.open(path, number, line);
            numbers.push(number);
        }
    }
    let line_of = |byte: usize| {
        let number = Place::of(text.as_bytes(), byte..byte).line;
        first + numbers.iter().rposition(|known| *known <= number).unwrap_or(0)
    };
    match groups(text, &line_of) {
        Ok(groups) => take(work, &groups),
        Err((message, line)) => {
            for at in first..work.report.lines.len() {
                work.report.at = at;
                work.say("", Fate::Unknown, &format!("the file is not TOML: {message}, in line {line}"));
            }
        }
    }
    for at in first..work.report.lines.len() {
        if work.report.lines[at].said.is_empty() {
            work.report.at = at;
            let is_table = work.report.lines[at].text.starts_with('[');
            work.say(
                "",
                Fate::Taken,
                if is_table { "its keys follow" } else { "it goes on with the lines before" },
            );
        }
    }
}

/// All tables, in no order of their own.
fn groups(text: &str, line_of: &dyn Fn(usize) -> usize) -> Result<Vec<Group>, (String, usize)> {
    let blame = |error: toml::de::Error| {
        let line = error.span().map_or(1, |span| Place::of(text.as_bytes(), span).line);
        (super::shown(error.message()), line)
    };
    let places = DeTable::parse(text).map_err(blame)?;
    let values: Table = text.parse().map_err(blame)?;
    let mut groups = Vec::new();
    let mut loose = Group { name: String::new(), leaves: Vec::new(), line: line_of(0) };
    for (key, place) in places.get_ref() {
        let (name, line) = (key.get_ref().to_string(), line_of(key.span().start));
        match (place.get_ref(), values.get(name.as_str())) {
            (DeValue::Table(table), Some(Value::Table(values))) => {
                group(&name, (table, values), line, (&mut groups, line_of));
            }
            (DeValue::Array(tables), Some(Value::Array(values))) if values.iter().all(Value::is_table) => {
                for (table, values) in tables.iter().zip(values) {
                    if let (DeValue::Table(inner), Value::Table(values)) = (table.get_ref(), values) {
                        group(&name, (inner, values), line_of(table.span().start), (&mut groups, line_of));
                    }
                }
            }
            (_, Some(value)) => loose.leaves.push(Leaf { key: name, value: value.clone(), line }),
            (_, None) => {}
        }
    }
    groups.push(loose);
    Ok(groups)
}

fn group(
    name: &str,
    (places, values): (&DeTable<'_>, &Table),
    line: usize,
    (groups, line_of): (&mut Vec<Group>, &dyn Fn(usize) -> usize),
) {
    let leaf = |(key, _): (&Spanned<std::borrow::Cow<'_, str>>, _)| {
        let value = values.get(key.get_ref().as_ref())?.clone();
        Some(Leaf { key: key.get_ref().to_string(), value, line: line_of(key.span().start) })
    };
    let leaves = places.iter().filter_map(leaf).collect();
    groups.push(Group { name: name.to_owned(), leaves, line });
}

fn take(work: &mut Work, groups: &[Group]) {
    let named = |name: &'static str| groups.iter().filter(move |group| group.name == name);
    let limits = named("source-defaults").find_map(|group| group.leaf("poll-interval-limits"));
    for source in named("source") {
        self::source(work, source, limits);
    }
    for group in groups {
        for leaf in &group.leaves {
            work.report.at = leaf.line;
            match group.name.as_str() {
                "source" | "server" | "nts-ke-server" => {}
                "source-defaults" => defaults(work, leaf),
                "synchronization" => synchronization(work, leaf),
                "observability" => observability(work, leaf),
                "keyset" => keyset(work, leaf),
                _ => work.say(&leaf.key, Fate::Unknown, "this is no key of ntpd-rs that is known here"),
            }
        }
    }
    serve(work, &named("server").collect::<Vec<_>>());
    for (number, group) in named("nts-ke-server").enumerate() {
        key_exchange(work, group, number == 0);
    }
    if !named("synchronization").any(|group| group.leaf("minimum-agreeing-sources").is_some()) {
        work.warnings.push(
            "ntpd-rs wants three sources to agree where nothing is said; here more than half of all operators do"
                .to_owned(),
        );
    }
}

fn source(work: &mut Work, group: &Group, limits: Option<&Leaf>) {
    work.report.at = group.line;
    let mode = group.text("mode").unwrap_or_default();
    let address = group.text("address").or(group.text("path")).unwrap_or_default();
    let mut keys = vec![("address", quoted(address))];
    let differs = match mode {
        "server" => "",
        "pool" => {
            let count = group.leaf("count").and_then(|leaf| leaf.value.as_integer()).unwrap_or(POOL);
            keys.push(("pool", count.to_string()));
            match is_of_strangers(address) {
                true => "",
                false => {
                    "its servers have one vote together, and addresses of private networks are not taken"
                }
            }
        }
        "nts" | "nts-pool" => {
            keys.push(("kind", quoted("nts")));
            if mode == "nts" { "" } else { "one server: a pool is not asked by NTS" }
        }
        "sock" | "pps" => {
            keys.push(("kind", quoted(mode)));
            "`error` says how far it can be from the truth"
        }
        _ => {
            for leaf in &group.leaves {
                work.report.at = leaf.line;
                work.say(
                    &leaf.key,
                    Fate::LeftOut,
                    "a source of this mode is not here: server, pool, nts, sock and pps are",
                );
            }
            return;
        }
    };
    let made = work.source("", &keys, differs);
    for leaf in &group.leaves {
        work.report.at = leaf.line;
        match made {
            Some(source) => about_source(work, source, leaf),
            None => work.say(&leaf.key, Fate::LeftOut, "its source is left out"),
        }
    }
    if let (Some(source), Some(leaf)) = (made, group.leaf("poll-interval-limits").or(limits)) {
        work.report.at = leaf.line;
        let end = |key: &str| leaf.value.get(key).and_then(Value::as_integer).map(|end| end.to_string());
        let (min, max) = (end("min"), end("max"));
        let near = is_near(address) && mode != "pool";
        polls(work, source, near, (min.as_deref(), max.as_deref()));
    }
}

fn about_source(work: &mut Work, source: usize, leaf: &Leaf) {
    let key = leaf.key.as_str();
    match (key, &leaf.value) {
        ("mode" | "address" | "path" | "count", _) => work.say(key, Fate::Taken, "at this source"),
        ("poll-interval-limits", _) => {}
        ("certificate-authority", Value::String(file)) => {
            let differs = "these authorities alone, those of the system are not asked besides";
            work.tell(source, key, &[("ca", quoted(file))], differs);
        }
        ("initial-poll-interval", _) => {
            work.say(key, Fate::Needless, "each source begins with six questions");
        }
        ("precision", _) => {
            work.say(
                key,
                Fate::Differs,
                "noise is measured; `error` says how far the clock can ever be from the truth",
            );
        }
        ("period", _) => work.say(key, Fate::LeftOut, "one pulse a second is taken for granted"),
        ("ntp-version", _) => work.say(key, Fate::LeftOut, "version 4 is spoken"),
        ("ignore", _) => work.say(key, Fate::LeftOut, "a pool gives up servers that are of no use by itself"),
        (_, _) => work.say(key, Fate::Unknown, "this is no key of a source that is known here"),
    }
}

fn defaults(work: &mut Work, leaf: &Leaf) {
    match leaf.key.as_str() {
        "poll-interval-limits" => work.say(&leaf.key, Fate::Taken, "at each source that has none of its own"),
        "initial-poll-interval" => {
            work.say(&leaf.key, Fate::Needless, "each source begins with six questions");
        }
        _ => work.say(&leaf.key, Fate::Unknown, "this is no key of ntpd-rs that is known here"),
    }
}

/// A number, as a number or a text.
fn span_of(value: &Value) -> Option<Span> {
    match value {
        Value::Integer(number) => seconds(&number.to_string()),
        Value::Float(number) => seconds(&number.to_string()),
        Value::String(text) => seconds(text),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn synchronization(work: &mut Work, leaf: &Leaf) {
    let key = leaf.key.as_str();
    match (key, &leaf.value) {
        ("minimum-agreeing-sources", Value::Integer(count)) => {
            super::least(work, key, usize::try_from(*count).unwrap_or(0));
        }
        ("single-step-panic-threshold", value) => match span_of(value) {
            Some(span) => {
                let differs = "beyond it the clock is left alone and that is said; ntpd-rs ends. Not in the first updates";
                work.put(key, &[("clock.panic", duration(span))], differs);
            }
            None => work.say(key, Fate::LeftOut, "one threshold is for both directions: [clock] panic"),
        },
        ("startup-step-panic-threshold" | "accumulated-step-panic-threshold", _) => {
            work.say(
                key,
                Fate::LeftOut,
                "in its first updates the clock may be stepped by any error, later not at all",
            );
        }
        ("local-stratum", _) => work.say(key, Fate::LeftOut, "who does not know the time says so"),
        ("reference-id" | "warn-on-jump", _) => {
            work.say(key, Fate::Needless, "it is said of the sources and the steps");
        }
        ("algorithm", Value::Table(table)) => algorithm(work, table),
        (_, _) => work.say(key, Fate::Unknown, "this is no key of ntpd-rs that is known here"),
    }
}

fn algorithm(work: &mut Work, table: &Table) {
    for (key, value) in table {
        match (key.as_str(), value.as_float(), span_of(value)) {
            ("step-threshold", _, Some(span)) => {
                let differs = "in the first updates alone; ntpd-rs would step later too";
                work.put(key, &[("clock.step_threshold", duration(span))], differs);
            }
            ("slew-maximum-frequency-offset", Some(ratio), _) => {
                work.put(key, &[("clock.max_slew", slew(ratio * 1e6).0)], "");
            }
            (_, _, _) => work.say(
                key,
                Fate::Needless,
                "it is learned, or has no counterpart: the estimator is another",
            ),
        }
    }
}

fn observability(work: &mut Work, leaf: &Leaf) {
    match (leaf.key.as_str(), leaf.value.as_str()) {
        ("log-level", Some(level)) => work.take(&leaf.key, "log.level", quoted(level)),
        ("observation-path" | "observation-permissions" | "ansi-colors", _) => {
            work.say(&leaf.key, Fate::Needless, "`truechimer status` talks by a socket in [state] run_dir");
        }
        ("metrics-exporter-listen", _) => {
            work.say(&leaf.key, Fate::LeftOut, "numbers are told by `truechimer status --json`");
        }
        (_, _) => work.say(&leaf.key, Fate::Unknown, "this is no key of ntpd-rs that is known here"),
    }
}

fn keyset(work: &mut Work, leaf: &Leaf) {
    match (leaf.key.as_str(), span_of(&leaf.value)) {
        ("key-rotation-interval", Some(span)) => {
            let key = duration(span);
            let why = format!("write it as [serve.nts] turn = {key}, if it is not a day");
            let is_day = span == Span::from_secs(86_400);
            work.say(&leaf.key, if is_day { Fate::Default } else { Fate::LeftOut }, &why);
        }
        ("stale-key-count", _) if leaf.value.as_integer() == Some(7) => {
            work.say(&leaf.key, Fate::Default, "seven older keys stay good");
        }
        ("stale-key-count", _) => work.say(&leaf.key, Fate::LeftOut, "seven older keys stay good"),
        ("key-storage-path", _) => {
            work.say(&leaf.key, Fate::Default, "the keys of cookies are kept in [state] dir");
        }
        (_, _) => work.say(&leaf.key, Fate::Unknown, "this is no key of ntpd-rs that is known here"),
    }
}

/// All servers have one list of clients here: those with another list than the first one are left out.
fn serve(work: &mut Work, servers: &[&Group]) {
    let lists = |group: &Group| {
        ["allowlist", "denylist"].map(|key| {
            let filter = group.leaf(key).and_then(|leaf| leaf.value.get("filter")).and_then(Value::as_array);
            filter
                .map(|filter| filter.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        })
    };
    let Some(first) = servers.first() else { return };
    let [allow, deny] = lists(first);
    let (same, other): (Vec<&&Group>, Vec<&&Group>) =
        servers.iter().partition(|group| lists(group) == [allow.clone(), deny.clone()]);
    for group in other {
        for leaf in &group.leaves {
            work.report.at = leaf.line;
            work.say(
                &leaf.key,
                Fate::LeftOut,
                "[serve] has one list of clients for all places, and this is another one",
            );
        }
    }
    let places: Vec<String> =
        same.iter().filter_map(|group| group.text("listen")).map(str::to_owned).collect();
    work.report.at = first.line;
    let everybody = || vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
    let mut values =
        vec![("serve.ntp", list(&places)), ("serve.allow", list(&masked(allow.unwrap_or_else(everybody))))];
    if let Some(deny) = deny.filter(|deny| !deny.is_empty()) {
        values.push(("serve.deny", list(&masked(deny))));
    }
    let is_served = work.put("", &values, "");
    for leaf in same.iter().flat_map(|group| &group.leaves) {
        work.report.at = leaf.line;
        about_server(work, leaf, is_served);
    }
}

/// Prefixes without bits beyond their length.
fn masked(nets: Vec<String>) -> Vec<String> {
    nets.into_iter()
        .map(|net| super::access::Net::read(&net).map_or(net, super::access::Net::write))
        .collect()
}

fn about_server(work: &mut Work, leaf: &Leaf, is_served: bool) {
    let key = leaf.key.as_str();
    match (key, &leaf.value) {
        (_, _) if !is_served => work.say(key, Fate::LeftOut, "nothing is served, see above"),
        ("listen" | "allowlist", _) => work.say(key, Fate::Taken, "in [serve]"),
        ("denylist", value) if value.get("action").and_then(Value::as_str) == Some("deny") => {
            work.say(key, Fate::Differs, "in [serve] deny; he gets no answer, not even that he is refused");
        }
        ("denylist", _) => work.say(key, Fate::Taken, "in [serve] deny"),
        ("rate-limiting-cutoff-ms", Value::Integer(millis)) if *millis > 0 => {
            let differs = "on average, and first a hundred at once; of those beyond, one in four is answered";
            work.put(key, &[("serve.limit_interval", quoted(&format!("{millis}ms")))], differs);
        }
        ("rate-limiting-cache-size" | "rate-limiting-cutoff-ms", _) => {
            work.say(key, Fate::Needless, "[serve] clients and limit_interval have defaults of their own");
        }
        ("require-nts", Value::Boolean(false)) => work.say(key, Fate::Default, "it is so"),
        ("require-nts", _) => work.say(key, Fate::LeftOut, "who asks plainly is answered plainly"),
        ("accept-ntp-versions", _) => work.say(key, Fate::LeftOut, "versions 1 to 4 are answered"),
        (_, _) => work.say(key, Fate::Unknown, "this is no key of a server that is known here"),
    }
}

fn key_exchange(work: &mut Work, group: &Group, is_first: bool) {
    let files = (group.text("certificate-chain-path"), group.text("private-key-path"));
    work.report.at = group.line;
    let is_served = match files {
        (Some(certificate), Some(key)) if is_first && work.draft.value("serve.ntp").is_some() => {
            let mut values =
                vec![("serve.nts.certificate", quoted(certificate)), ("serve.nts.key", quoted(key))];
            if let Some(place) = group.text("listen") {
                values.push(("serve.nts.listen", list(&[place.to_owned()])));
            }
            if let Some(server) = group.text("ntp-server") {
                values.push(("serve.nts.server", quoted(server)));
            }
            if let Some(port) = group.leaf("ntp-port").and_then(|leaf| leaf.value.as_integer()) {
                values.push(("serve.nts.port", port.to_string()));
            }
            work.put("", &values, "")
        }
        (_, _) => {
            work.say("", Fate::LeftOut, "keys are given by one certificate, beside a [[server]]");
            false
        }
    };
    for leaf in &group.leaves {
        work.report.at = leaf.line;
        let (fate, why) = match leaf.key.as_str() {
            _ if !is_served => (Fate::LeftOut, "no keys are given, see above"),
            "certificate-chain-path" | "private-key-path" | "listen" | "ntp-server" | "ntp-port" => {
                (Fate::Taken, "in [serve.nts]")
            }
            "key-exchange-timeout-ms" | "concurrent-connections" => {
                (Fate::Needless, "connections are few and short in any case")
            }
            "accept-ntp-versions" => (Fate::LeftOut, "version 4 is spoken"),
            _ => (Fate::Unknown, "this is no key of ntpd-rs that is known here"),
        };
        work.say(&leaf.key, fate, why);
    }
}
