//! In which dialect a client wants to be told, by its `Accept` (RFC 9110, section 12.5.1).

use truechimer::metrics::Dialect;

const NEWER: &str = "application/openmetrics-text";

/// A weight in thousandths, as RFC 9110 writes them; one that cannot be read is none.
type Weight = u16;

/// The newer dialect for those who ask for it by name and like it no less than the older; the older for all others, a browser
/// included.
pub fn wanted<'a>(accepted: impl Iterator<Item = &'a str>) -> Dialect {
    let ranges: Vec<(String, Weight)> = accepted.flat_map(|value| value.split(',')).map(range).collect();
    let weight = |types: &[&str]| {
        types
            .iter()
            .find_map(|wanted| ranges.iter().find(|(range, _)| range == wanted))
            .map_or(0, |(_, it)| *it)
    };
    let (newer, older) = (weight(&[NEWER]), weight(&["text/plain", "text/*", "*/*"]));
    if newer > 0 && newer >= older { Dialect::OpenMetrics } else { Dialect::Prometheus }
}

fn range(text: &str) -> (String, Weight) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let parts: Vec<&str> = parts.collect();
    let value = |name: &str| {
        let mut named = parts.iter().copied().filter_map(|part: &str| part.split_once('='));
        named.find(|(it, _)| it.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    // What is written is version 1.0.0. A client that wants another is not given it under that name.
    let is_ours = range != NEWER || value("version").is_none_or(|version| version == "1.0.0");
    let weight = value("q").map_or(1000, thousandths);
    (range, if is_ours { weight } else { 0 })
}

fn thousandths(text: &str) -> Weight {
    let weight = text.parse::<f64>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    weight.map_or(0, |weight| (weight * 1000.0) as Weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accepts: &[&str]) -> Dialect {
        wanted(accepts.iter().copied())
    }

    #[test]
    fn who_asks_for_nothing_or_for_anything_gets_the_older() {
        for accepts in
            [&[][..], &["*/*"], &["text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"], &[""], &[";q=;=,"]]
        {
            assert_eq!(of(accepts), Dialect::Prometheus, "{accepts:?}");
        }
    }

    #[test]
    fn prometheus_gets_what_it_likes_best() {
        let likes = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(of(&[likes]), Dialect::OpenMetrics);
        assert_eq!(
            of(&["text/plain;q=0.9", "application/openmetrics-text;version=1.0.0;q=0.5"]),
            Dialect::Prometheus
        );
        assert_eq!(of(&["Application/OpenMetrics-Text ; Q=0.5 , text/plain;q=0.4"]), Dialect::OpenMetrics);
    }

    #[test]
    fn a_version_that_is_not_written_and_a_weight_of_zero_are_no_wish() {
        assert_eq!(of(&["application/openmetrics-text;version=2.0.0"]), Dialect::Prometheus);
        assert_eq!(of(&["application/openmetrics-text;q=0"]), Dialect::Prometheus);
        assert_eq!(of(&["application/openmetrics-text;q=7"]), Dialect::Prometheus);
    }
}
