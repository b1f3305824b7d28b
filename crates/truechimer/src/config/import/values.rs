//! Values as other programs write them, as ours.

use truechimer_time::{Rate, Span};

use super::super::check::{INTERVAL_MAX, INTERVAL_MIN_NEAR, INTERVAL_MIN_POLITE, SLEW_MAX};
use super::super::quantity::Spelled;
use super::super::reference::Offset;

/// No number of seconds that anybody means is larger: a thousand centuries.
const SECONDS_MAX: f64 = 3.2e12;

/// A text in TOML's quotation marks.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts.
pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A number that is one.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number of seconds, to the nanosecond.
pub(super) fn seconds(text: &str) -> Option<Span> {
    let seconds = number(text).filter(|seconds| seconds.abs() <= SECONDS_MAX)?;
    Some(Span::from_attos((seconds * 1e9).round() as i128 * 1_000_000_000))
}

/// A duration as the configuration has it.
pub(super) fn duration(span: Span) -> String {
    quoted(&Offset(span).write())
}

/// A rate as the configuration has it, from parts per million; not more than `most`, and whether it was cut.
pub(super) fn rate(ppm: f64, most: Rate) -> (String, bool) {
    let wanted = Rate::from_ppb((ppm * 1000.0).round() as i64);
    (quoted(&wanted.min(most).write()), wanted > most)
}

/// The fastest slew that there is.
pub(super) fn slew(ppm: f64) -> (String, bool) {
    rate(ppm, SLEW_MAX)
}

/// The interval of a poll exponent, as it may be for a source that is near or not; and whether it was changed.
pub(super) fn interval(exponent: i32, is_near: bool) -> (Span, bool) {
    within_limits(Span::from_seconds(2f64.powi(exponent.clamp(-32, 32))), is_near)
}

/// An interval as it may be, and whether it was changed.
pub(super) fn within_limits(wanted: Span, is_near: bool) -> (Span, bool) {
    let least = if is_near { INTERVAL_MIN_NEAR } else { INTERVAL_MIN_POLITE };
    let held = wanted.clamp(least, INTERVAL_MAX);
    (held, held != wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_others_are_ours() {
        assert_eq!(seconds("1").map(duration), Some("\"1s\"".to_owned()));
        assert_eq!(seconds("0.128").map(duration), Some("\"128ms\"".to_owned()));
        assert_eq!(seconds("-37").map(duration), Some("\"-37s\"".to_owned()));
        assert_eq!(seconds("1e-9").map(duration), Some("\"1ns\"".to_owned()));
        for text in ["nan", "inf", "", "x", "1e300"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(slew(1000.0), ("\"1000ppm\"".to_owned(), false));
        assert_eq!(slew(100_000.0), ("\"83333ppm\"".to_owned(), true));
    }

    #[test]
    fn strangers_are_not_asked_more_often_than_is_polite() {
        assert_eq!(interval(6, false), (Span::from_secs(64), false));
        assert_eq!(interval(0, false), (Span::from_secs(16), true));
        assert_eq!(interval(-3, true), (Span::from_millis(125), false));
        assert_eq!(interval(-6, true), (Span::from_millis(125), true));
        assert_eq!(interval(24, false), (INTERVAL_MAX, true));
    }
}
