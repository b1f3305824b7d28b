//! Living a life again: the record of a daemon, fed to the same node, makes the same decisions.
//!
//! Every line that says what came in is fed to a node of the same birth; every line that says what came of it is
//! compared, byte for byte, with what comes of it now. A difference means that the program has changed, or that the
//! record is not whole.

use std::io::{self, BufRead};

use truechimer_core::discipline::drift::Seen;
use truechimer_core::discipline::holdover::Hour;
use truechimer_core::learned::Learned;
use truechimer_core::moment::Moment;
use truechimer_core::node::{Action, Birth, Input, Node};
use truechimer_core::record::{LINE_MAX, RecordError, parse_input};
use truechimer_time::{LeapKind, LeapTable, Rate, Span, Time, Utc};

use crate::config::{Config, ConfigError, Keys, KeysError};
use crate::daemon::statistics::{FORMAT, Head, line_of};

/// The longest configuration line that is read.
const CONFIG_LINE_MAX: usize = 1 << 20;

/// Why a record cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    /// It is something else.
    #[error("it does not begin with \"{FORMAT}\"")]
    NotARecord,
    /// It begins in the middle.
    #[error("it continues an older file: name that first")]
    BeginsInTheMiddle,
    /// Its head is damaged.
    #[error("its line \"{0}\" is missing or cannot be read")]
    Head(&'static str),
    /// Its configuration is none.
    #[error("its configuration: {0}")]
    Config(#[from] ConfigError),
    /// Its sources were asked with keys, and without those their answers prove nothing.
    #[error("its keys: {0}")]
    Keys(#[from] KeysError),
    /// A line is damaged.
    #[error("line {line}: {error}")]
    Line {
        /// Which.
        line: u64,
        /// What is wrong with it.
        error: RecordError,
    },
}

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Lines of input.
    pub inputs: u64,
    /// Lines of outcome that were compared.
    pub compared: u64,
    /// The first difference.
    pub difference: Option<Difference>,
    /// All that came of it.
    pub lines: Vec<String>,
}

/// Where the two lives part.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The line of the record.
    pub line: u64,
    /// What the record says.
    pub then: String,
    /// What comes of it now.
    pub now: String,
}

/// Replays a record. `keep` keeps what comes of it, else only the comparison is returned.
pub fn replay(record: impl BufRead, keep: bool) -> Result<Outcome, ReplayError> {
    let mut lines = Lines { record, number: 0 };
    if lines.next(LINE_MAX)?.as_deref() != Some(FORMAT) {
        return Err(ReplayError::NotARecord);
    }
    let mut node = read_birth(&mut lines)?.ok_or(ReplayError::BeginsInTheMiddle)?;
    let mut life = Life { outcome: Outcome::default(), made: Vec::new(), keep };
    while let Some(line) = lines.next(CONFIG_LINE_MAX)? {
        match line.as_bytes().first() {
            Some(b'i') => {
                life.expect_nothing_left(lines.number);
                let (now, input) =
                    parse_input(&line).map_err(|error| ReplayError::Line { line: lines.number, error })?;
                life.outcome.inputs += 1;
                life.feed(&mut node, &now, input);
            }
            Some(b'l') => {
                life.expect_nothing_left(lines.number);
                let (now, config) = parse_listed(&line).ok_or(ReplayError::Line {
                    line: lines.number,
                    error: RecordError::Unreadable("sources"),
                })?;
                life.outcome.inputs += 1;
                life.relist(&mut node, &now, &config)?;
            }
            Some(b'm' | b'x' | b'u' | b'p') => life.compare(lines.number, line),
            // The next file: it continues this life, or another begins.
            Some(_) if line == FORMAT => {
                if let Some(born) = read_birth(&mut lines)? {
                    life.expect_nothing_left(lines.number);
                    node = born;
                }
            }
            Some(_) | None => {
                return Err(ReplayError::Line { line: lines.number, error: RecordError::NotAnInput });
            }
        }
        if life.outcome.difference.is_some() {
            break;
        }
    }
    Ok(life.outcome)
}

/// A node that lives again.
struct Life {
    outcome: Outcome,
    made: Vec<String>,
    keep: bool,
}

impl Life {
    fn feed(&mut self, node: &mut Node, now: &Moment, input: Input) {
        node.handle(now, input);
        self.hear_out(node);
    }

    /// From here on the sources were those of another configuration.
    fn relist(&mut self, node: &mut Node, now: &Moment, config: &str) -> Result<(), ReplayError> {
        let config = Config::parse("the record's configuration", config)?;
        node.relist(now, config.policy(&Keys::load(&config)?).sources);
        self.hear_out(node);
        Ok(())
    }

    fn hear_out(&mut self, node: &mut Node) {
        let actions: Vec<Action> = std::iter::from_fn(|| node.poll()).collect();
        let status = node.status();
        for action in actions {
            if let Action::Tell(event) = action
                && let Some(line) = line_of(&event, status)
            {
                self.made.push(line);
            }
        }
        if self.keep {
            self.outcome.lines.extend(self.made.iter().cloned());
        }
        self.made.reverse();
    }

    fn compare(&mut self, number: u64, then: String) {
        self.outcome.compared += 1;
        let now = self.made.pop().unwrap_or_else(|| "nothing".to_owned());
        if then != now {
            self.outcome.difference = Some(Difference { line: number, then, now });
        }
    }

    fn expect_nothing_left(&mut self, number: u64) {
        if let Some(now) = self.made.pop() {
            self.outcome.difference = Some(Difference { line: number, then: "nothing".to_owned(), now });
        }
        self.made.clear();
    }
}

/// The lines of a record, counted, none longer than it may be.
struct Lines<R> {
    record: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self, longest: usize) -> Result<Option<String>, ReplayError> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.record, longest as u64 + 2).read_until(b'\n', &mut line)?;
        self.number += 1;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            // A power cut may leave half a line at the end; half a line in the middle is damage.
            return match read > longest {
                true => Err(ReplayError::Line { line: self.number, error: RecordError::TooLong }),
                false => Ok(None),
            };
        }
        line.pop();
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }

    fn named(&mut self, name: &'static str) -> Result<String, ReplayError> {
        let line = self.next(CONFIG_LINE_MAX)?.ok_or(ReplayError::Head(name))?;
        let rest = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        rest.map(str::to_owned).ok_or(ReplayError::Head(name))
    }
}

/// The head behind the first line of a file: the node that is born there, or `None` if an older one goes on.
fn read_birth(lines: &mut Lines<impl BufRead>) -> Result<Option<Node>, ReplayError> {
    let born = lines.next(LINE_MAX)?.ok_or(ReplayError::Head("born"))?;
    match born.starts_with("continues ") {
        true => Ok(None),
        false => read_head(lines, &born).and_then(|head| birth(&head)).map(Some),
    }
}

fn read_head(lines: &mut Lines<impl BufRead>, born: &str) -> Result<Head, ReplayError> {
    let (seed, rate, floor, now) = parse_born(born).ok_or(ReplayError::Head("born"))?;
    let leaps = parse_leaps(&lines.named("leaps")?).ok_or(ReplayError::Head("leaps"))?;
    let learned = parse_learned(&lines.named("learned")?).ok_or(ReplayError::Head("learned"))?;
    let config = serde_json::from_str(&lines.named("config")?).map_err(|_| ReplayError::Head("config"))?;
    Ok(Head { seed, now, rate, floor, leaps, learned, config })
}

fn parse_born(line: &str) -> Option<([u8; 32], Rate, Time<Utc>, Moment)> {
    let (seed, rest) = line.strip_prefix("born ")?.split_once(' ')?;
    let (rate, rest) = rest.split_once(' ')?;
    let (floor, birth) = rest.split_once(' ')?;
    let (now, _) = parse_input(birth).ok()?;
    let floor = Time::from_epoch(floor.parse::<Span>().ok()?);
    Some((parse_seed(seed)?, Rate::from_attos_per_second(rate.parse().ok()?), floor, now))
}

fn parse_listed(line: &str) -> Option<(Moment, String)> {
    let (readings, config) = line.strip_prefix('l')?.split_once(" \"")?;
    let (now, _) = parse_input(&format!("i{readings}")).ok()?;
    Some((now, serde_json::from_str(&format!("\"{config}")).ok()?))
}

fn parse_seed(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut seed = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in seed.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(seed)
}

fn parse_leaps(text: &str) -> Option<LeapTable> {
    let mut table = LeapTable::NONE;
    for word in text.split_ascii_whitespace() {
        let (kind, midnight) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
            (Some(midnight), _) => (LeapKind::Inserted, midnight),
            (None, Some(midnight)) => (LeapKind::Deleted, midnight),
            (None, None) => return None,
        };
        table.push(Time::from_epoch(midnight.parse::<Span>().ok()?), kind).ok()?;
    }
    Some(table)
}

fn parse_learned(text: &str) -> Option<Option<Learned>> {
    if text == "none" {
        return Some(None);
    }
    let mut words = text.split(' ');
    let mut next = || words.next()?.parse().ok().map(Rate::from_attos_per_second);
    let (rate, rate_error, wander) = (next()?, next()?, next()?);
    let (largest, largest_before) = (next()?, next()?);
    let mut span = || words.next()?.parse::<Span>().ok();
    let at = Time::from_epoch(span()?);
    let (bound, watched) = (span()?, span()?);
    let seen = Seen { watched, largest, largest_before };
    let hours = words.map(parse_hour).collect::<Option<Vec<Hour>>>()?;
    Some(Some(Learned { rate, rate_error, wander, at, bound, seen, hours }))
}

/// An hour of the diary: `number,rate` or `number,rate,degrees`.
fn parse_hour(word: &str) -> Option<Hour> {
    let (number, rest) = word.split_once(',')?;
    let (rate, degrees) = rest.split_once(',').map_or((rest, None), |(rate, degrees)| (rate, Some(degrees)));
    Some(Hour {
        number: number.parse().ok()?,
        degrees: degrees.map(str::parse).transpose().ok()?,
        rate: Rate::from_attos_per_second(rate.parse().ok()?),
    })
}

fn birth(head: &Head) -> Result<Node, ReplayError> {
    let config = Config::parse("the record's configuration", &head.config)?;
    let birth = Birth {
        policy: config.policy(&Keys::load(&config)?),
        seed: head.seed,
        leaps: head.leaps.clone(),
        learned: head.learned.clone(),
        floor: head.floor,
        rate: head.rate,
    };
    Ok(Node::new(birth, &head.now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::statistics::listed_line;

    #[test]
    fn other_sources_are_a_line_that_is_read_back() {
        let now = Moment {
            mono: Time::from_epoch(Span::from_nanos(1_234_567_891)),
            raw: Time::from_epoch(Span::from_attos(5)),
            local: Time::from_epoch(Span::from_secs(1_790_000_000)),
            asleep: Span::ZERO,
            width: Span::from_nanos(80),
        };
        let config = Config::defaults().to_toml();
        let line = listed_line(&now, &config);
        assert!(!line.contains('\n'));
        assert_eq!(parse_listed(&line), Some((now, config)));
        for torn in [&line[..line.len() - 1], &line[..20], "l", "l 1 2 3 4 5 wake"] {
            assert_eq!(parse_listed(torn), None, "{torn}");
        }
    }
}
