//! timesyncd.conf of systemd, and its drop-ins: one section, `[Time]`, and a few settings of which the last counts.

use std::path::Path;

use truechimer_time::Span;

use super::values::{duration, quoted, within_limits};
use super::{Fate, Work};

/// What was read, for settings that later lines can take back.
#[derive(Default)]
pub(super) struct Read {
    servers: Vec<Named>,
    fallbacks: Vec<Named>,
    shortest: Option<(Span, usize)>,
    longest: Option<(Span, usize)>,
}

/// A server and the line that names it.
struct Named {
    host: String,
    line: usize,
}

/// Reads a file, and the drop-ins of the folder beside it.
pub(super) fn read(work: &mut Work, path: &Path, text: &str) {
    let mut read = Read::default();
    read.file(work, path, text);
    let mut folder = path.as_os_str().to_owned();
    folder.push(".d");
    work.folder(Path::new(&folder), &mut |work, path, text| read.file(work, path, text));
    read.finish(work);
}

impl Read {
    /// One file. A backslash at the end of a line joins the next one to it.
    pub(super) fn file(&mut self, work: &mut Work, path: &Path, text: &str) {
        let mut is_time = false;
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            work.open(path, number, line);
            let at = work.report.at;
            let mut whole = line.to_owned();
            while let Some(begun) = whole.strip_suffix('\\') {
                let Some((number, more)) = lines.next() else { break };
                let more = more.trim();
                let is_comment = more.starts_with(['#', ';']);
                if !more.is_empty() && !is_comment {
                    work.open(path, number, more);
                    work.say("", Fate::Taken, "it goes on with the line before");
                }
                whole = format!("{begun} {}", if is_comment { "\\" } else { more });
            }
            work.report.at = at;
            if whole.starts_with('[') {
                is_time = whole == "[Time]";
                match is_time {
                    true => work.say("", Fate::Taken, "the settings follow"),
                    false => work.say("", Fate::Unknown, "timesyncd reads nothing but [Time]"),
                }
                continue;
            }
            match whole.split_once('=') {
                Some((key, value)) if is_time => self.setting(work, key.trim(), value.trim()),
                Some(_) => work.say("", Fate::Unknown, "this stands in no section that timesyncd reads"),
                None => work.say("", Fate::Unknown, "this is no setting"),
            }
        }
    }

    fn setting(&mut self, work: &mut Work, key: &str, value: &str) {
        let line = work.report.at;
        match key {
            "NTP" | "FallbackNTP" => {
                let list = if key == "NTP" { &mut self.servers } else { &mut self.fallbacks };
                if value.is_empty() {
                    list.clear();
                    return work.say("", Fate::Taken, "what was named before does not count");
                }
                list.extend(value.split_whitespace().map(|host| Named { host: host.to_owned(), line }));
            }
            "RootDistanceMaxSec" => match time_span(value) {
                Some(span) => {
                    work.put("", &[("select.max_distance", duration(span))], "");
                }
                None => work.say("", Fate::Unknown, "this is no duration"),
            },
            "PollIntervalMinSec" => self.shortest = self.interval(work, value),
            "PollIntervalMaxSec" => self.longest = self.interval(work, value),
            "ConnectionRetrySec" => {
                work.say(
                    "",
                    Fate::Default,
                    "who does not answer is asked again after 16 s, and then ever more rarely",
                );
            }
            "SaveIntervalSec" => {
                work.say("", Fate::Default, "the time is kept in [state] dir, and never set back beyond it");
            }
            _ => work.say("", Fate::Unknown, "this is no setting of timesyncd's that is known here"),
        }
    }

    fn interval(&self, work: &mut Work, value: &str) -> Option<(Span, usize)> {
        let span = time_span(value);
        match span {
            Some(_) => work.say("", Fate::Taken, "at each source"),
            None => work.say("", Fate::Unknown, "this is no duration"),
        }
        span.map(|span| (span, work.report.at))
    }

    /// Who is asked in the end.
    pub(super) fn finish(self, work: &mut Work) {
        let (asked, spare) = match self.servers.is_empty() {
            true => (&self.fallbacks, &self.servers),
            false => (&self.servers, &self.fallbacks),
        };
        for named in asked {
            work.report.at = named.line;
            let differs = "all are asked and vote; timesyncd asks one after the other until one answers";
            let told = if asked.len() > 1 { differs } else { "" };
            let Some(source) = work.source(&named.host, &[("address", quoted(&named.host))], told) else {
                continue;
            };
            self.intervals(work, source, &named.host);
        }
        for named in spare {
            work.report.at = named.line;
            work.say(&named.host, Fate::Needless, "it is asked only where NTP= names nobody");
        }
        if asked.is_empty() {
            work.draft.asks_defaults = true;
            work.warnings.push(
                "nobody is named, and who is asked then is written in systemd itself: the five default sources are asked \
                 instead; servers from DHCP are used as \"From DHCP\" in configuration.md says"
                    .to_owned(),
            );
        }
        work.warnings.push(
            "timesyncd steps errors beyond 0.4 s at any time; here the clock is stepped in its first three updates alone"
                .to_owned(),
        );
    }

    fn intervals(&self, work: &mut Work, source: usize, host: &str) {
        let near = super::chrony::is_near(host);
        let held = |wanted: &Option<(Span, usize)>| {
            wanted.as_ref().map(|(span, line)| (within_limits(*span, near), *line))
        };
        let (min, max) = (held(&self.shortest), held(&self.longest));
        let least = min.map(|((span, _), _)| span);
        let max = max.map(|((span, cut), line)| ((span.max(least.unwrap_or(span)), cut), line));
        let ends = [("min_interval", min), ("max_interval", max)];
        let values: Vec<(&str, String)> =
            ends.iter().filter_map(|(key, end)| end.map(|((span, _), _)| (*key, duration(span)))).collect();
        if values.is_empty() {
            return;
        }
        if let Some((_, line)) = ends.iter().find_map(|(_, end)| *end) {
            work.report.at = line;
        }
        let is_cut = ends.iter().any(|(_, end)| end.is_some_and(|((_, cut), _)| cut));
        let differs =
            if is_cut { "no more often than every 16 s for what may be somebody else's" } else { "" };
        work.tell(source, host, &values, differs);
    }
}

/// A duration as systemd has it: `90`, `5min 20s`, `1h30min`.
fn time_span(text: &str) -> Option<Span> {
    let mut total = Span::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = super::values::number(&rest[..digits]).filter(|number| *number < 1e9)?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic() && c != 'µ').unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "us" | "usec" | "µs" => 1e-6,
            "ms" | "msec" => 1e-3,
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            "M" | "month" | "months" => 2_629_800.0,
            "y" | "year" | "years" => 31_557_600.0,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        total += super::values::seconds(&format!("{:.9}", number * unit))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_systemd_are_read() {
        for (text, seconds) in [
            ("32", 32),
            ("34min 8s", 2048),
            ("1h30min", 5400),
            ("2 d", 172_800),
            ("1.5 min", 90),
            ("1w", 604_800),
        ] {
            assert_eq!(time_span(text), Some(Span::from_secs(seconds)), "{text}");
        }
        assert_eq!(time_span("500ms"), Some(Span::from_millis(500)));
        for text in ["", "s", "infinity", "5 parsecs", "-1", "1e3"] {
            assert_eq!(time_span(text), None, "{text}");
        }
    }
}
