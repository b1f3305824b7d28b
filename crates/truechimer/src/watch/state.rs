//! What the live view knows, and what the keys make of it.

use std::collections::VecDeque;

use truechimer_time::Span;

use super::informant::{News, Order};
use super::look::Look;
use crate::happened::Happened;
use crate::history::course::Course;
use crate::history::{Entry, What};
use crate::talk::{SourceReply, StatusReply};
use crate::ui::stamp;
use truechimer_time::{Civil, LeapTable, Time};

/// So many spots of the curves are kept: a day of one each second.
const TRAIL_MAX: usize = 100_000;

/// So many events are kept.
const EVENTS_MAX: usize = 500;

/// How far the curves can go back.
const SPANS: [Span; 2] = [Span::from_secs(30), Span::from_secs(30 * 86_400)];

/// Two spots that are further apart are not joined: an hour is the longest that a history is silent.
const JOINED_MAX: f64 = 3720.0;

/// What the clock was like at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// When, in seconds since 1970-01-01 00:00:00 UTC.
    pub utc: f64,
    /// Right time minus clock, in seconds.
    pub offset: f64,
    /// The most that it can be beside that, in seconds.
    pub bound: f64,
}

/// Something that happened, as people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, as a date.
    pub when: String,
    /// `error`, `warn` or `info`.
    pub level: String,
    /// What, as one word.
    pub label: String,
    /// The same as a sentence.
    pub words: String,
}

/// What is on the screen below its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// A part of everything.
    All,
    /// The curves alone.
    Curves,
    /// The sources alone.
    Sources,
    /// What happened, alone.
    Events,
}

/// In which order the sources are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// As in the configuration.
    Configured,
    /// By name.
    Name,
    /// Those that agree first.
    Standing,
    /// The furthest from the clock first.
    Offset,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To leave.
    Quit,
    /// The next panel.
    Panel,
    /// Curves that go back further.
    Longer,
    /// Curves that show more of less.
    Shorter,
    /// Another order of the sources.
    Sort,
    /// A burst of questions to all sources.
    Burst,
    /// That nothing moves, or everything again.
    Pause,
    /// What the keys do.
    Help,
    /// Nothing: no key with a meaning, which closes that list all the same.
    Other,
}

/// What is known of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// The last look at the page, or why there is none.
    pub look: Option<Result<Look, String>>,
    /// Unbroken curves, the newest last.
    pub trail: Vec<Vec<Spot>>,
    /// How the daemon stands.
    pub status: Option<StatusReply>,
    /// What it thinks of its sources.
    pub sources: Vec<SourceReply>,
    /// What happened, the newest last.
    pub events: VecDeque<Line>,
    /// Why the daemon cannot be reached, if that is so.
    pub gone: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What is known now.
    live: Known,
    /// What was known when it was paused.
    frozen: Option<Box<Known>>,
    /// Which panel is shown.
    pub panel: Panel,
    /// In which order the sources are.
    pub sort: Sort,
    /// How far the curves go back.
    pub span: Span,
    /// What the keys do is shown.
    pub is_helping: bool,
    /// What came of the last order.
    pub notice: Option<String>,
    /// It is over.
    pub is_over: bool,
}

impl State {
    /// Nothing is known yet.
    pub fn new(span: Span) -> Self {
        let [least, most] = SPANS;
        Self {
            live: Known::default(),
            frozen: None,
            panel: Panel::All,
            sort: Sort::Configured,
            span: span.max(least).min(most),
            is_helping: false,
            notice: None,
            is_over: false,
        }
    }

    /// What is to be seen: what is known, or was when it was paused.
    pub fn seen(&self) -> &Known {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    /// Does nothing move?
    pub fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// What was before we looked. It replaces what is known of events; curves go before those that were seen by ourselves.
    pub fn remember(&mut self, entries: &[Entry]) {
        self.live.events = entries.iter().filter_map(line).collect();
        let begun =
            self.live.trail.first().and_then(|stretch| stretch.first()).map_or(f64::MAX, |spot| spot.utc);
        let mut trail: Vec<Vec<Spot>> = Vec::new();
        for stretch in Course::of(entries).stretches {
            let before = stretch.iter().filter(|point| point.utc < begun);
            let spots: Vec<Spot> = before
                .map(|point| Spot { utc: point.utc, offset: point.offset, bound: point.bound })
                .collect();
            if !spots.is_empty() {
                trail.push(spots);
            }
        }
        trail.append(&mut self.live.trail);
        self.live.trail = trail;
        self.forget();
    }

    /// A look at the page, or why there was none.
    pub fn look(&mut self, look: Result<Look, String>) {
        let known = look.as_ref().ok().and_then(|look| look.known);
        self.live.look = Some(look);
        match known {
            Some(known) => {
                let (offset, bound) = (known.offset.as_seconds(), known.bound.as_seconds());
                self.go_on(Spot { utc: known.utc, offset, bound });
            }
            None if self.live.trail.last().is_some_and(|stretch| !stretch.is_empty()) => {
                self.live.trail.push(Vec::new());
            }
            None => {}
        }
        self.forget();
    }

    fn go_on(&mut self, spot: Spot) {
        let is_next = |last: &Spot| last.utc < spot.utc && spot.utc - last.utc < JOINED_MAX;
        match self.live.trail.last_mut() {
            Some(stretch) if stretch.last().is_none_or(is_next) => stretch.push(spot),
            Some(_) | None => self.live.trail.push(vec![spot]),
        }
    }

    /// The oldest go first.
    fn forget(&mut self) {
        let count: usize = self.live.trail.iter().map(Vec::len).sum();
        let mut surplus = count.saturating_sub(TRAIL_MAX);
        for stretch in &mut self.live.trail {
            let part = surplus.min(stretch.len());
            stretch.drain(..part);
            surplus -= part;
        }
        let last = self.live.trail.len().saturating_sub(1);
        let mut index = 0;
        self.live.trail.retain(|stretch| {
            index += 1;
            !stretch.is_empty() || index > last
        });
        let surplus = self.live.events.len().saturating_sub(EVENTS_MAX);
        self.live.events.drain(..surplus);
    }

    /// News of the daemon. True if the history has to be read again for what we have missed.
    pub fn hear(&mut self, news: News) -> bool {
        match news {
            News::Status(status) => {
                (self.live.status, self.live.gone) = (Some(*status), None);
            }
            News::Sources(sources) => self.live.sources = sources.sources,
            News::Happened(happened) => {
                self.live.events.push_back(told(&happened));
                self.forget();
            }
            News::Listening => return true,
            News::Gone(why) => self.live.gone = Some(why),
            News::Answered(Ok(())) => self.notice = Some("all sources are asked in a burst".to_owned()),
            News::Answered(Err(why)) => self.notice = Some(why),
        }
        false
    }

    /// What a key asks for; an order is for the daemon.
    pub fn press(&mut self, key: Key) -> Option<Order> {
        self.notice = None;
        if self.is_helping && key != Key::Quit {
            self.is_helping = false;
            return None;
        }
        let [least, most] = SPANS;
        match key {
            Key::Quit => self.is_over = true,
            Key::Panel => self.panel = self.panel.next(),
            Key::Longer => self.span = (self.span + self.span).min(most),
            Key::Shorter => self.span = self.span.half().max(least),
            Key::Sort => self.sort = self.sort.next(),
            Key::Burst => return Some(Order::Burst),
            Key::Pause => {
                self.frozen = if self.is_paused() { None } else { Some(Box::new(self.live.clone())) }
            }
            Key::Help => self.is_helping = true,
            Key::Other => {}
        }
        None
    }
}

impl Panel {
    fn next(self) -> Self {
        match self {
            Self::All => Self::Curves,
            Self::Curves => Self::Sources,
            Self::Sources => Self::Events,
            Self::Events => Self::All,
        }
    }
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Configured => Self::Name,
            Self::Name => Self::Standing,
            Self::Standing => Self::Offset,
            Self::Offset => Self::Configured,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Configured => "as configured",
            Self::Name => "by name",
            Self::Standing => "by standing",
            Self::Offset => "by offset",
        }
    }
}

fn told(happened: &Happened) -> Line {
    let Happened { label, level, words, .. } = happened.clone();
    let when = happened.utc.clone().unwrap_or_else(|| format!("~{}", happened.local));
    Line { when, level, label, words }
}

fn line(entry: &Entry) -> Option<Line> {
    let shown = || format!("~{:.6}", Civil::of(Time::from_epoch(entry.at.local.since_epoch())));
    match &entry.what {
        What::Born { clocksource, .. } => Some(Line {
            when: shown(),
            level: "info".to_owned(),
            label: "begun".to_owned(),
            words: format!("the daemon begins, on {clocksource}"),
        }),
        What::Told(told) => Some(Line {
            when: told.tai.map_or_else(shown, |tai| stamp::utc(tai, &LeapTable::COMPILED)),
            level: told.level.name().to_owned(),
            label: told.label.clone(),
            words: told.words.clone(),
        }),
        What::Known { .. } | What::Runs(_) => None,
    }
}

#[cfg(test)]
mod tests;
