//! Spans and rates with the unit that makes them short: `1.234 ms`, `-35.00 µs`, `+12.345 ppm`.

use truechimer_time::{Rate, Span};

/// A unit of time: how many attoseconds it has, and its name.
type Unit = (i128, &'static str);

/// The longest first.
const UNITS: [Unit; 7] = [
    (86_400_000_000_000_000_000_000, "d"),
    (3_600_000_000_000_000_000_000, "h"),
    (60_000_000_000_000_000_000, "min"),
    SECOND,
    (1_000_000_000_000_000, "ms"),
    (1_000_000_000_000, "µs"),
    NANO,
];
const SECOND: Unit = (1_000_000_000_000_000_000, "s");
const NANO: Unit = (1_000_000_000, "ns");

/// Seconds go up to here: 90 s are read more easily than 1.5 min.
const MINUTES_FROM: i128 = 120_000_000_000_000_000_000;

/// A length of time to four digits, rounded half up; `-` where it is negative.
///
/// ```
/// use truechimer::ui::units::span;
/// use truechimer_time::Span;
/// assert_eq!(span(Span::from_nanos(1_234_000)), "1.234 ms");
/// assert_eq!(span(Span::from_nanos(-35_000)), "-35.00 µs");
/// ```
pub fn span(span: Span) -> String {
    let attos = span.abs().as_attos();
    figures(if span.is_negative() { "-" } else { "" }, attos, unit_of(attos))
}

/// An offset: a length of time that shows its sign also where it is positive.
pub fn offset(offset: Span) -> String {
    let attos = offset.abs().as_attos();
    figures(if offset.is_negative() { "-" } else { "+" }, attos, unit_of(attos))
}

/// A length of time that is known within a bound: with so many more digits that what is cut off matters little
/// beside the bound. `5.000 s ± 35 µs` would be wrong where `5.000312 s ± 35 µs` is meant.
///
/// ```
/// use truechimer::ui::units::span_within;
/// use truechimer_time::Span;
/// assert_eq!(span_within(Span::from_micros(5_000_312), Span::from_micros(35)), "5.000312 s");
/// assert_eq!(span_within(Span::from_micros(5_000_312), Span::from_millis(35)), "5.000 s");
/// ```
pub fn span_within(span: Span, bound: Span) -> String {
    fine(if span.is_negative() { "-" } else { "" }, span, bound)
}

/// An offset that is known within a bound; see [`span_within`].
pub fn offset_within(offset: Span, bound: Span) -> String {
    fine(if offset.is_negative() { "-" } else { "+" }, offset, bound)
}

/// A bound: rounded up, because a bound that is rounded down is a lie.
///
/// ```
/// use truechimer::ui::units::bound;
/// use truechimer_time::Span;
/// assert_eq!(bound(Span::from_nanos(1_234_001)), "± 1.235 ms");
/// ```
pub fn bound(bound: Span) -> String {
    let attos = bound.abs().as_attos();
    let (scale, name) = unit_of(attos);
    let step = scale / 10i128.pow(decimals_of(attos, scale));
    let missing = (step - attos % step) % step;
    figures("± ", attos.saturating_add(missing), (scale, name))
}

/// A rate with its sign, to a thousandth of a ppm: `+12.345 ppm`.
pub fn rate(rate: Rate) -> String {
    format!("{rate:+.3}")
}

/// Four digits, or so many that the last one counts for less than a tenth of the bound; nanoseconds are the end. More
/// digits are for seconds and less, because nobody reads a small fraction of a day.
fn fine(sign: &str, span: Span, bound: Span) -> String {
    let attos = span.abs().as_attos();
    let unit @ (scale, _) = unit_of(attos);
    let enough = (bound.abs().as_attos() / 10).max(NANO.0);
    if scale / 10i128.pow(decimals_of(attos, scale)) <= enough {
        return figures(sign, attos, unit);
    }
    let unit @ (scale, _) = if scale > SECOND.0 { SECOND } else { unit };
    let decimals = (0..9).find(|decimals| scale / 10i128.pow(*decimals) <= enough).unwrap_or(9);
    figures_to(sign, attos, unit, decimals)
}

/// The largest unit of which it is at least one; nanoseconds for what is shorter.
fn unit_of(attos: i128) -> Unit {
    let fits = |unit: &&Unit| attos >= if unit.1 == "min" { MINUTES_FROM } else { unit.0 };
    *UNITS.iter().find(fits).unwrap_or(&UNITS[UNITS.len() - 1])
}

/// How many digits after the point make four in all.
fn decimals_of(attos: i128, scale: i128) -> u32 {
    match attos / scale {
        0..10 => 3,
        10..100 => 2,
        100..1000 => 1,
        _ => 0,
    }
}

/// Nothing has no sign.
fn figures(sign: &str, attos: i128, unit: Unit) -> String {
    figures_to(sign, attos, unit, decimals_of(attos, unit.0))
}

/// To so many digits after the point, at most nine.
fn figures_to(sign: &str, attos: i128, (scale, name): Unit, decimals: u32) -> String {
    let step = scale / 10i128.pow(decimals);
    let steps = attos.saturating_add(step / 2) / step;
    let (whole, rest) = (steps / 10i128.pow(decimals), steps % 10i128.pow(decimals));
    let sign = if steps == 0 && sign != "± " { "" } else { sign };
    match decimals {
        0 => format!("{sign}{whole} {name}"),
        _ => format!("{sign}{whole}.{rest:0width$} {name}", width = decimals as usize),
    }
}

/// `1 line`, `2 lines`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unit_makes_the_number_short() {
        let cases = [
            (Span::ZERO, "0.000 ns"),
            (Span::from_nanos(1), "1.000 ns"),
            (Span::from_nanos(-35_000), "-35.00 µs"),
            (Span::from_nanos(1_234_567), "1.235 ms"),
            (Span::from_millis(999), "999.0 ms"),
            (Span::from_secs(16), "16.00 s"),
            (Span::from_secs(90), "90.00 s"),
            (Span::from_secs(1024), "17.07 min"),
            (Span::from_secs(2460), "41.00 min"),
            (Span::from_secs(7200), "2.000 h"),
            (Span::from_secs(86_400 * 400), "400.0 d"),
            (Span::from_attos(-1), "0.000 ns"),
        ];
        for (length, text) in cases {
            assert_eq!(span(length), text);
        }
    }

    #[test]
    fn an_offset_shows_which_way() {
        assert_eq!(offset(Span::from_micros(250)), "+250.0 µs");
        assert_eq!(offset(Span::from_micros(-250)), "-250.0 µs");
        assert_eq!(offset(Span::ZERO), "0.000 ns");
        assert_eq!(bound(Span::ZERO), "± 0.000 ns");
        assert_eq!(rate(Rate::from_ppb(12_345)), "+12.345 ppm");
        assert_eq!(rate(Rate::from_ppb(-300)), "-0.300 ppm");
    }

    #[test]
    fn what_is_cut_off_matters_little_beside_the_bound() {
        let cases = [
            (Span::from_nanos(5_000_312_499), 35_000, "+5.000312 s"),
            (Span::from_nanos(-5_000_312_499), 1, "-5.000312499 s"),
            (Span::from_nanos(5_000_312_499), 0, "+5.000312499 s"),
            (Span::from_nanos(5_000_312_499), 1_000_000_000, "+5.000 s"),
            (Span::from_secs(86_400), 35_000, "+86400.000000 s"),
            (Span::from_secs(86_400), 100_000_000_000_000, "+1.000 d"),
            (Span::from_nanos(-2_519), 28_000, "-2.519 µs"),
            (Span::ZERO, 28_000, "0.000 ns"),
        ];
        for (offset, nanos, text) in cases {
            assert_eq!(offset_within(offset, Span::from_nanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn no_length_and_no_bound_break_it(attos in any::<i128>(), bound in any::<i128>()) {
            let _ = offset_within(Span::from_attos(attos), Span::from_attos(bound));
        }

        #[test]
        fn no_length_breaks_it(attos in any::<i128>()) {
            let length = Span::from_attos(attos);
            let _ = (span(length), offset(length), bound(length));
        }

        #[test]
        fn a_bound_is_never_shown_smaller_than_it_is(attos in 0i128..100_000_000_000_000_000_000_000_000) {
            let text = bound(Span::from_attos(attos));
            let (number, unit) = text.strip_prefix("± ").unwrap().split_once(' ').unwrap();
            let scale = UNITS.iter().find(|(_, name)| *name == unit).unwrap().0;
            let decimals = number.split_once('.').map_or(0, |(_, rest)| rest.len() as u32);
            let shown: i128 = number.replace('.', "").parse().unwrap();
            prop_assert!(shown * (scale / 10i128.pow(decimals)) >= attos, "{}", text);
        }
    }
}
