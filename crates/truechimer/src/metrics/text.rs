//! Families as text, in the two dialects that are spoken.
//!
//! They differ little and all of it matters: a reader of the older one (Prometheus text 0.0.4, which is what the textfile
//! collector of node_exporter reads) refuses the whole text for one kind that it does not know, and a reader of OpenMetrics
//! 1.0 for an end that is missing.

use std::fmt::{self, Write};

use super::{Family, Kind, Sample};

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus.
    Prometheus,
}

impl Dialect {
    /// What it is called in HTTP.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    fn kind(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (_, Kind::Counter) => "counter",
            (_, Kind::Gauge) | (Self::Prometheus, Kind::States | Kind::Info) => "gauge",
            (Self::OpenMetrics, Kind::States) => "stateset",
            (Self::OpenMetrics, Kind::Info) => "info",
        }
    }

    /// The name under which a family is described. In the older dialect it is that of its samples.
    fn described(self, family: &Family) -> String {
        match self {
            Self::OpenMetrics => family.name.to_owned(),
            Self::Prometheus => family.sample_name(),
        }
    }
}

/// All families that have a number, as a text.
pub fn expose(families: &[Family], dialect: Dialect) -> String {
    let mut text = String::new();
    let known = families.iter().filter(|family| !family.samples.is_empty());
    for family in known {
        describe(&mut text, family, dialect).expect("a String takes what is written to it");
    }
    match dialect {
        Dialect::OpenMetrics => text + "# EOF\n",
        Dialect::Prometheus => text,
    }
}

fn describe(text: &mut String, family: &Family, dialect: Dialect) -> fmt::Result {
    let name = dialect.described(family);
    writeln!(text, "# HELP {name} {}.", family.help)?;
    writeln!(text, "# TYPE {name} {}", dialect.kind(family.kind))?;
    if let (Dialect::OpenMetrics, Some(unit)) = (dialect, family.unit) {
        writeln!(text, "# UNIT {name} {unit}")?;
    }
    let name = family.sample_name();
    family.samples.iter().try_for_each(|sample| tell(text, &name, sample))
}

fn tell(text: &mut String, name: &str, Sample { labels, value }: &Sample) -> fmt::Result {
    text.write_str(name)?;
    for (place, (label, value)) in labels.iter().enumerate() {
        let before = if place == 0 { '{' } else { ',' };
        write!(text, "{before}{label}=\"")?;
        escape(text, value)?;
        text.write_char('"')?;
    }
    if !labels.is_empty() {
        text.write_char('}')?;
    }
    match value {
        value if value.is_nan() => text.write_str(" NaN\n"),
        value if value.is_infinite() => text.write_str(if *value > 0.0 { " +Inf\n" } else { " -Inf\n" }),
        value => writeln!(text, " {value}"),
    }
}

/// The three characters that would end a value or its line.
fn escape(text: &mut String, value: &str) -> fmt::Result {
    for char in value.chars() {
        match char {
            '\\' => text.write_str("\\\\")?,
            '"' => text.write_str("\\\"")?,
            '\n' => text.write_str("\\n")?,
            char => text.write_char(char)?,
        }
    }
    Ok(())
}
