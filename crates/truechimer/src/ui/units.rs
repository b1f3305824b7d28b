//! Spans and rates with the unit that makes them short: `1.234 ms`, `-35.00 µs`, `+12.345 ppm`.

use truechimer_time::{Rate, Span};

/// A unit of time: how many attoseconds it has, and its name.
type Unit = (i128, &'static str);

/// The longest first.
const UNITS: [Unit; 7] = [
    (86_400_000_000_000_000_000_000, "d"),
    (3_600_000_000_000_000_000_000, "h"),
    (60_000_000_000_000_000_000, "min"),
    (1_000_000_000_000_000_000, "s"),
    (1_000_000_000_000_000, "ms"),
    (1_000_000_000_000, "µs"),
    (1_000_000_000, "ns"),
];

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
fn figures(sign: &str, attos: i128, (scale, name): Unit) -> String {
    let decimals = decimals_of(attos, scale);
    let step = scale / 10i128.pow(decimals);
    let steps = attos.saturating_add(step / 2) / step;
    let (whole, rest) = (steps / 10i128.pow(decimals), steps % 10i128.pow(decimals));
    let sign = if steps == 0 && sign != "± " { "" } else { sign };
    match decimals {
        0 => format!("{sign}{whole} {name}"),
        _ => format!("{sign}{whole}.{rest:0width$} {name}", width = decimals as usize),
    }
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

    proptest! {
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
