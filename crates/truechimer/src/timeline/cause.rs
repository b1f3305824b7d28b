//! What was before what: the options that name it, the pass over the logs that finds it, and what is said of it.
//!
//! What follows from it is decided in `truechimer_timeline::cause`.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Deserialize;
use toml::Spanned;
use truechimer_time::Span;
use truechimer_timeline::cause::learned::{Contradiction, Learned, Member};
use truechimer_timeline::cause::pairs::{Found, LINES_MAX, Place, Search, Tally};
use truechimer_timeline::cause::{CAUSES_MAX, Cause, KEY_MAX};
use truechimer_timeline::render::{Scale, evidence_word, instant};
use truechimer_timeline::story::{Hosts, Log, StoryError, tell};

use super::inputs::{Input, STDIN};
use crate::config::{self, ConfigError, Fault, Spelled, Texts};
use crate::ui::units;

/// No more contradictions are told by name.
const SHOWN_MAX: usize = 16;

/// What the user tells of the order of lines, and asks.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Lines that match SENT were written before those that match RECEIVED, where their named groups are equal
    ///
    /// Both are regular expressions with the same named groups, as in --cause 'sent id=(?<id>\S+)' 'received id=(?<id>\S+)'.
    #[arg(long = "cause", value_names = ["SENT", "RECEIVED"], num_args = 2, allow_hyphen_values = true)]
    pub causes: Vec<String>,
    /// The same in a file: [[cause]] with sent, received, and least, if it takes so long at least
    #[arg(long = "causes", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The clock of HOST was not set during these logs
    #[arg(long, value_name = "HOST")]
    pub unset: Vec<String>,
    /// What the configuration says of causes.
    #[arg(skip)]
    pub configured: Vec<Cause>,
    /// Whose clocks were not set by the configuration, which may name more hosts than there are.
    #[arg(skip)]
    pub configured_unset: Vec<String>,
    /// Tell no story, but whether line A could have caused line B, each FILE:LINE
    #[arg(long, value_names = ["A", "B"], num_args = 2)]
    pub could_have_caused: Vec<String>,
}

/// It was called wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(String);

/// A file of causes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cause: Vec<WrittenCause>,
}

/// A cause as a file says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenCause {
    sent: Spanned<String>,
    received: Spanned<String>,
    least: Option<Spanned<String>>,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    causes: Vec<Cause>,
    /// The hosts whose clocks were not set, and of which there are lines.
    unset: &'a [String],
    /// Others of them, of which there may be lines.
    configured_unset: &'a [String],
    /// The two lines that are asked for, if any.
    asked: Option<[Place; 2]>,
}

/// What was found, and what it tells.
#[derive(Clone, Debug)]
pub struct Told {
    /// The pairs.
    pub found: Found,
    /// What they tell.
    pub learned: Learned,
}

impl Options {
    /// What is looked for in these logs; `None` if nothing is asked of order.
    ///
    /// # Errors
    /// A [`Misuse`]: patterns that tell of no pairs, lines that are not there. Or a file cannot be read.
    pub fn wanted(&self, logs: &[&Input]) -> anyhow::Result<Option<Wanted<'_>>> {
        if *self == Self::default() {
            return Ok(None);
        }
        if logs.iter().any(|input| input.path.as_os_str() == STDIN) {
            return misuse(
                "standard input can be read only once, and order is looked for before: put it into a file",
            );
        }
        let mut causes = Vec::new();
        for [sent, received] in self.causes.as_chunks().0 {
            let cause = Cause::of(sent, received, Span::ZERO);
            causes.push(cause.map_err(|error| Misuse(error.to_string()))?);
        }
        for path in &self.files {
            causes.extend(written(path)?);
        }
        causes.extend(self.configured.iter().cloned());
        if causes.len() > CAUSES_MAX {
            return misuse(format!("more than {CAUSES_MAX} causes: name fewer"));
        }
        let asked = match &self.could_have_caused[..] {
            [one, other] => Some([place(one, logs)?, place(other, logs)?]),
            _ => None,
        };
        if asked.is_some_and(|[one, other]| one == other) {
            return misuse("a line does not cause itself");
        }
        let (unset, configured_unset) = (&self.unset[..], &self.configured_unset[..]);
        Ok(Some(Wanted { causes, unset, configured_unset, asked }))
    }
}

/// Says that it was called wrongly, and how.
///
/// # Errors
/// Always a [`Misuse`].
pub fn misuse<T>(text: impl Into<String>) -> anyhow::Result<T> {
    Err(Misuse(text.into()).into())
}

/// A file that cannot be used was named wrongly, unless the system does not give it to us.
pub fn blamed(error: ConfigError) -> anyhow::Error {
    match matches!(*error.fault, Fault::Unreadable(_)) {
        true => error.into(),
        false => Misuse(error.to_string()).into(),
    }
}

fn written(path: &Path) -> anyhow::Result<Vec<Cause>> {
    let (Written { cause }, texts) = config::lone(path, "cause").map_err(blamed)?;
    causes(&cause, &texts).map_err(blamed)
}

/// The causes of a file.
///
/// # Errors
/// One is none; with its place.
pub(crate) fn causes(written: &[WrittenCause], texts: &Texts) -> Result<Vec<Cause>, ConfigError> {
    let read = |one: &WrittenCause| one.read().map_err(|(at, why)| texts.blame(at, Fault::Wrong(why)));
    written.iter().map(read).collect()
}

impl WrittenCause {
    /// The cause; or where it is none, and why.
    fn read(&self) -> Result<Cause, (Range<usize>, String)> {
        let Self { sent, received, least } = self;
        let span = |text: &Spanned<String>| {
            Span::read(text.get_ref()).map_err(|error| (text.span(), error.to_string()))
        };
        let least = least.as_ref().map_or(Ok(Span::ZERO), span)?;
        // Each by itself, so that the right one is blamed; then together.
        for text in [sent, received] {
            let alone = Cause::of(text.get_ref(), text.get_ref(), Span::ZERO);
            alone.map_err(|error| (text.span(), error.to_string()))?;
        }
        Cause::of(sent.get_ref(), received.get_ref(), least)
            .map_err(|error| (received.span(), error.to_string()))
    }
}

/// The line that somebody calls FILE:LINE.
fn place(called: &str, logs: &[&Input]) -> anyhow::Result<Place> {
    let parts = called.rsplit_once(':').and_then(|(path, number)| Some((path, number.parse::<u64>().ok()?)));
    let Some((path, number)) = parts.filter(|(_, number)| *number > 0) else {
        return misuse(format!("{called:?} is no line: it must be FILE:LINE, as in web/syslog:12"));
    };
    let path = Path::new(path);
    let is_same = |input: &&Input| {
        let whole = |path: &Path| path.canonicalize().ok();
        input.path == path || whole(path).is_some_and(|path| whole(&input.path) == Some(path))
    };
    match logs.iter().position(is_same) {
        Some(log) => Ok(Place::of(log, number)),
        None => misuse(format!("{} is not among the logs", path.display())),
    }
}

/// Takes the word of the user that clocks were not set.
fn take_for_unset(hosts: &mut Hosts, unset: &[String]) -> Vec<usize> {
    let take = |name: &String| {
        hosts.change(name, |host| {
            if host.course.stretches().len() > 1 {
                eprintln!(
                    "truechimer: {name}: by its evidence its clock was set; that it was not is not believed"
                );
            } else {
                host.course = std::mem::take(&mut host.course).unset();
            }
        })
    };
    unset.iter().map(take).collect()
}

impl Wanted<'_> {
    /// Reads all logs once, finds what belongs together, and makes the courses of the hosts narrower by it.
    ///
    /// # Errors
    /// A log cannot be opened or read on; or a line that is asked for is not there, which is a [`Misuse`].
    pub fn learn<R: Read>(
        &self,
        hosts: &mut Hosts,
        names: &[String],
        mut open: impl FnMut(&Hosts, usize) -> anyhow::Result<Log<R>>,
    ) -> anyhow::Result<Told> {
        let unset = take_for_unset(hosts, self.unset);
        // Of hosts that only lines name nothing is known before these are read, and a name that no line has shall be no host.
        let is_known = |hosts: &Hosts, name: &String| hosts.all().iter().any(|host| host.name == *name);
        let (known, unknown): (Vec<String>, Vec<String>) =
            self.configured_unset.iter().cloned().partition(|name| is_known(hosts, name));
        take_for_unset(hosts, &known);
        let mut wrote = BTreeSet::new();
        let asked = self.asked.as_ref().map_or(&[][..], |asked| &asked[..]);
        let mut search = Search::of(&self.causes, asked);
        for (number, name) in names.iter().enumerate() {
            let mut log = open(hosts, number)?;
            let mut line = 0;
            let read = tell(hosts, std::slice::from_mut(&mut log), |_, told| {
                line += 1;
                wrote.insert(told.host);
                search.take_in(Place::of(number, line), told);
                Ok(())
            });
            match read {
                Ok(()) => {}
                Err(StoryError::Log(error)) => {
                    return Err(
                        anyhow::Error::new(error.error).context(format!("cannot read {name} further"))
                    );
                }
                Err(StoryError::Listener(error)) => return Err(error.into()),
            }
        }
        let found = search.end();
        let named: Vec<String> = unknown.into_iter().filter(|name| is_known(hosts, name)).collect();
        take_for_unset(hosts, &named);
        for (place, line) in asked.iter().zip(&found.asked) {
            if line.is_none() {
                return misuse(format!("{} has no line {} with a stamp", names[place.log], place.number));
            }
        }
        let is_silent = |(_, host): &(&String, &usize)| !wrote.contains(host);
        if let Some((name, _)) = self.unset.iter().zip(&unset).find(is_silent) {
            return misuse(format!("no line is of {name}, whose clock was not set"));
        }
        let learned = Learned::of(hosts, &found);
        learned.teach(hosts);
        Ok(Told { found, learned })
    }
}

impl Told {
    /// The two lines that were asked for, by their numbers among those that were found.
    pub fn asked(&self) -> Option<[usize; 2]> {
        match self.found.asked[..] {
            [Some(one), Some(other)] => Some([one, other]),
            [..] => None,
        }
    }

    /// FILE:LINE.
    pub fn place(&self, names: &[String], line: usize) -> String {
        let Place { log, number } = self.found.lines[line].place;
        format!("{}:{number}", names[log])
    }

    /// What was found and what cannot be true, to stderr. When that is gone, nobody wants to know.
    pub fn say(&self, hosts: &Hosts, names: &[String], scale: Scale) {
        let mut stderr = io::stderr().lock();
        for (number, tally) in self.found.tallies.iter().enumerate() {
            let _ = writeln!(stderr, "truechimer: cause {}: {}", number + 1, tallied(tally));
        }
        let Learned { contradictions, gave_up, .. } = &self.learned;
        for contradiction in contradictions.iter().take(SHOWN_MAX) {
            let by = units::span(contradiction.by);
            let has_pairs = contradiction.members.iter().any(|member| matches!(member, Member::Pair(_)));
            let left = if has_pairs {
                "the pairs among them are left out"
            } else {
                "that it was not set is not believed"
            };
            let _ = writeln!(stderr, "truechimer: these cannot all be true, by {by}; {left}:");
            for member in self.members(hosts, names, scale, contradiction) {
                let _ = writeln!(stderr, "  {member}");
            }
        }
        if contradictions.len() > SHOWN_MAX {
            let more = contradictions.len() - SHOWN_MAX;
            let _ = writeln!(stderr, "truechimer: and {more} more that cannot all be true");
        }
        if *gave_up {
            let _ = writeln!(stderr, "truechimer: too much cannot be true: all pairs are left out");
        }
    }

    fn members<'a>(
        &'a self,
        hosts: &'a Hosts,
        names: &'a [String],
        scale: Scale,
        contradiction: &'a Contradiction,
    ) -> impl Iterator<Item = String> {
        let place = |line: usize| self.place(names, line);
        let by = |line: usize| {
            let truth = self.found.lines[line].when.truth;
            truth.map_or_else(String::new, |truth| format!(", by {}", evidence_word(truth.evidence)))
        };
        let at = move |at: Span| instant(truechimer_time::Time::from_epoch(at), scale);
        contradiction.members.iter().map(move |member| match *member {
            Member::NotBefore { line, at: then } => {
                format!("{} was not before {}{}", place(line), at(then), by(line))
            }
            Member::NotAfter { line, at: then } => {
                format!("{} was not after {}{}", place(line), at(then), by(line))
            }
            Member::Pair(pair) => {
                let pair = &self.found.pairs[pair];
                let least = match pair.least {
                    Span::ZERO => "after".to_owned(),
                    least => format!("at least {} after", units::span(least)),
                };
                format!(
                    "{} was {least} {} (cause {})",
                    place(pair.received),
                    place(pair.sent),
                    pair.cause + 1
                )
            }
            Member::Clock { earlier, later } => {
                let name = &hosts.host(self.found.lines[earlier].host).name;
                format!("the clock of {name} was not set between {} and {}", place(earlier), place(later))
            }
        })
    }
}

fn tallied(tally: &Tally) -> String {
    let Tally { pairs, not_received, not_sent, sent_twice, too_long, without_stamp, too_many } = *tally;
    let mut text = units::counted(pairs, "pair", "pairs");
    let parts = [
        (not_received, "keys were sent and never received".to_owned()),
        (not_sent, "keys were received and never sent".to_owned()),
        (sent_twice, "keys were sent twice, and are left out".to_owned()),
        (too_long, format!("lines have keys of more than {KEY_MAX} bytes, and are left out")),
        (without_stamp, "lines have no stamp, and are left out".to_owned()),
        (too_many, format!("lines are beyond the first {LINES_MAX}, and are left out")),
    ];
    for (count, what) in parts.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("; {count} {what}"));
    }
    text
}
