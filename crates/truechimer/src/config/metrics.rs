//! `[metrics]`: a file of numbers for monitors, and under whose names.

use std::path::PathBuf;

use toml::Spanned;
use truechimer_time::Span;

use super::check::{Flaw, Limits, within};
use super::error::Fault;
use super::quantity::Spelled;
use super::words::WordError;
use super::written::WrittenMetrics;
use crate::metrics::Names;

/// Between two scrapes of a monitor, as most are set up.
const INTERVAL: Span = Span::from_secs(15);

const INTERVALS: Limits<Span> =
    Limits { what: "interval", least: Span::from_secs(1), most: Span::from_secs(3600) };

/// `[metrics]`
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// The file, which is replaced again and again.
    pub file: PathBuf,
    /// After so long.
    pub interval: Span,
    /// Under whose names: at least one, none twice.
    pub names: Vec<Names>,
}

/// What `[metrics]` says.
pub(super) fn metrics(written: &Spanned<WrittenMetrics>) -> Result<Metrics, Flaw> {
    let (span, written) = (written.span(), written.get_ref());
    let file = written.file.as_ref().ok_or(Flaw(span, Fault::Missing("file")))?;
    let interval = within(&written.interval, INTERVAL, INTERVALS)?;
    let Some(listed) = &written.names else {
        return Ok(Metrics { file: file.0.clone(), interval, names: vec![Names::Truechimer] });
    };
    let names: Vec<Names> = listed.get_ref().iter().map(|names| names.0).collect();
    let is_again = |(place, it): (usize, &Names)| names[..place].contains(it);
    if names.is_empty() || names.iter().enumerate().any(is_again) {
        let limits = format!("one or more of {}, each once", Names::KIND);
        return Err(Flaw(listed.span(), Fault::OutOfLimits { what: "names", limits }));
    }
    Ok(Metrics { file: file.0.clone(), interval, names })
}

impl Spelled for Names {
    const KIND: &'static str = "\"truechimer\", \"chrony\" or \"ntpd-rs\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        Self::named(text).ok_or(WordError("truechimer, chrony, ntpd-rs"))
    }

    fn write(&self) -> String {
        self.word().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parsed(text: &str) -> Result<Config, String> {
        Config::parse("here", text).map_err(|error| error.to_string())
    }

    fn metrics(more: &str) -> Result<Metrics, String> {
        let text = format!("[metrics]\nfile = \"/run/a.prom\"\n{more}");
        parsed(&text).map(|config| config.metrics.expect("there is a table"))
    }

    #[test]
    fn nothing_is_written_unless_a_file_is_named() {
        assert_eq!(parsed("").expect("it is well written").metrics, None);
        assert!(parsed("[metrics]\n").is_err_and(|error| error.contains("`file` is missing")));
    }

    #[test]
    fn a_file_alone_is_written_four_times_a_minute_under_our_names() {
        let file = "/run/a.prom".into();
        assert_eq!(metrics(""), Ok(Metrics { file, interval: INTERVAL, names: vec![Names::Truechimer] }));
    }

    #[test]
    fn names_are_any_of_three_each_once() {
        let names = |list: &str| metrics(&format!("names = {list}\n")).map(|metrics| metrics.names);
        assert_eq!(names(r#"["ntpd-rs", "truechimer"]"#), Ok(vec![Names::NtpdRs, Names::Truechimer]));
        for wrong in ["[]", r#"["chrony", "chrony"]"#, r#"["ntpd"]"#, r#""chrony""#] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_written_once_a_second_at_most_and_once_an_hour_at_least() {
        for (text, is_fine) in [("999ms", false), ("1s", true), ("1h", true), ("3601s", false)] {
            assert_eq!(metrics(&format!("interval = \"{text}\"\n")).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn what_holds_is_shown_as_it_is_read() {
        let text = "[metrics]\nfile = \"/run/a\"\ninterval = \"1min\"\nnames = [\"chrony\"]\n";
        let config = parsed(text).expect("it is well written");
        assert_eq!(parsed(&config.to_toml()), Ok(config));
    }
}
