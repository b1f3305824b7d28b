//! What monitors are told: from the replies of the control socket to families of metrics.
//!
//! **Contract:** [`families`] is a function of two replies and of the names that are wanted, and [`expose`] one of families.
//! Nothing is measured and nothing counted here. The names are our own (`truechimer_..`, base units, our signs), and where
//! they are asked for those of chrony's exporter and of ntpd-rs, with their signs and units. `docs/manual/metrics.md` has all.

pub mod chrony;
pub mod ntpd_rs;
mod serving;
mod sources;
mod text;
mod time;

use crate::talk::{SourcesReply, StatusReply};

pub use text::{Dialect, expose};

/// Whose names metrics have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Our own.
    Truechimer,
    /// Those of `chrony_exporter`.
    Chrony,
    /// Those of ntpd-rs.
    NtpdRs,
}

impl Names {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Truechimer, Self::Chrony, Self::NtpdRs];

    /// The word for them in a configuration and on a command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Truechimer => "truechimer",
            Self::Chrony => "chrony",
            Self::NtpdRs => "ntpd-rs",
        }
    }

    /// The names that this word stands for.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|names| names.word() == word)
    }
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, until the daemon starts again.
    Counter,
    /// One of several words holds: each is a sample, 1 or 0.
    States,
    /// What matters are the labels; the number is 1.
    Info,
}

/// The labels of a sample, in order.
pub type Labels = Vec<(&'static str, String)>;

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What sets it apart from the others of its family.
    pub labels: Labels,
    /// It.
    pub value: f64,
}

/// All numbers of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name, with its unit and without what a kind adds: `_total` of a counter, `_info` of an information.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The unit, with which the name ends.
    pub unit: Option<&'static str>,
    /// What it means, in a sentence without its full stop.
    pub help: &'static str,
    /// The numbers; no two have the same labels.
    pub samples: Vec<Sample>,
}

impl Family {
    fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let unit = ["seconds", "ratio"].into_iter().find(|unit| name.ends_with(unit));
        let unit = unit.filter(|_| kind != Kind::Counter);
        Self { name, kind, unit, help, samples: Vec::new() }
    }

    /// Something that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, help)
    }

    /// Something that is counted.
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, help)
    }

    /// Something that is told by labels.
    pub fn info(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Info, help)
    }

    /// One of `words` holds, by which family and label are called alike, as OpenMetrics wants it. None holds, if `now` is none
    /// of them.
    pub fn states(name: &'static str, help: &'static str, words: &[&str], now: &str) -> Self {
        let state = |family: Self, word: &&str| {
            family.with(vec![(name, (*word).to_owned())], f64::from(u8::from(*word == now)))
        };
        words.iter().fold(Self::new(name, Kind::States, help), state)
    }

    /// With one more number, if it is known.
    #[must_use]
    pub fn with(mut self, labels: Labels, value: impl Into<Option<f64>>) -> Self {
        let is_told = self.samples.iter().any(|sample| sample.labels == labels);
        if let Some(value) = value.into().filter(|_| !is_told) {
            self.samples.push(Sample { labels, value });
        }
        self
    }

    /// With its only number, if it is known.
    #[must_use]
    pub fn of(self, value: impl Into<Option<f64>>) -> Self {
        self.with(Labels::new(), value)
    }

    /// The name of its samples.
    pub fn sample_name(&self) -> String {
        match self.kind {
            Kind::Gauge | Kind::States => self.name.to_owned(),
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
        }
    }
}

/// All that can be told under these names, families without a number included.
pub fn families(status: &StatusReply, sources: &SourcesReply, names: &[Names]) -> Vec<Family> {
    let of = |names: &Names| match names {
        Names::Truechimer => {
            [time::families(status), sources::families(sources), serving::families(status.server.as_ref())]
                .concat()
        }
        Names::Chrony => chrony::families(status, sources),
        Names::NtpdRs => ntpd_rs::families(status, sources),
    };
    names.iter().flat_map(of).collect()
}

/// Whether the daemon answers whoever asks on behalf of a monitor.
pub fn up(is_up: bool, names: &[Names]) -> Vec<Family> {
    let up = |names: &Names| match names {
        Names::Truechimer => Some(Family::gauge("truechimer_up", "The daemon answers")),
        Names::Chrony => Some(Family::gauge("chrony_up", "The daemon answers")),
        Names::NtpdRs => None,
    };
    let value = f64::from(u8::from(is_up));
    names.iter().filter_map(up).map(|family| family.of(value)).collect()
}

/// A count as a number. Beyond 2^53 it is rounded, which no rate of it shows.
fn count(count: u64) -> f64 {
    count as f64
}

/// Yes or no as a number.
fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[cfg(test)]
pub(crate) mod tests;
