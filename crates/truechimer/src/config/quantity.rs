//! Durations, rates and sizes as the operator writes them: a plain decimal number and a unit, `250ms`, `15ppm`,
//! `8MiB`.
//!
//! Reading is exact (no floating point) and strict: no sign, no exponent, no guessing of a unit. What is written
//! here is read back as the same value.

use std::fmt;

use truechimer_time::{Rate, Span};

/// A value that the operator spells as a text.
pub trait Spelled: Sized {
    /// What it is, with an example: completes "this must be ..".
    const KIND: &'static str;
    /// Why a text is not one; completes "`text`: ..".
    type Error: fmt::Display;
    /// Reads the operator's text.
    fn read(text: &str) -> Result<Self, Self::Error>;
    /// The shortest text that is read back as this value.
    fn write(&self) -> String;
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(
    /// How many.
    pub u64,
);

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Does not begin with a plain decimal number (`nan`, `inf`, `.5`, `1.`).
    #[error("does not begin with a plain decimal number")]
    NotANumber,
    /// A minus sign.
    #[error("cannot be negative")]
    Negative,
    /// A number alone. Seconds are not taken for granted, because the next program's default is milliseconds.
    #[error("has no unit: add one of {0}")]
    NoUnit(&'static str),
    /// Something else than a unit after the number, an exponent among others.
    #[error("`{unit}` is not a unit here: use one of {units}")]
    UnknownUnit {
        /// What stands there.
        unit: String,
        /// What may stand there.
        units: &'static str,
    },
    /// More digits after the point than can be held exactly.
    #[error("has more digits after the point than can be held")]
    TooFine,
    /// Beyond what can be held.
    #[error("is too large to be held")]
    TooLarge,
}

/// A unit's name and how many of the smallest holdable part it has.
type Unit = (&'static str, i128);

const DURATION_NAMES: &str = "ns, us, ms, s, min, h, d";
/// In attoseconds, the longest first.
const DURATIONS: [Unit; 7] = [
    ("d", 86_400_000_000_000_000_000_000),
    ("h", 3_600_000_000_000_000_000_000),
    ("min", 60_000_000_000_000_000_000),
    ("s", 1_000_000_000_000_000_000),
    ("ms", 1_000_000_000_000_000),
    ("us", 1_000_000_000_000),
    ("ns", 1_000_000_000),
];
const RATE_NAMES: &str = "ppm, ppb";
/// In parts of 10¹⁸.
const RATES: [Unit; 2] = [("ppm", 1_000_000_000_000), ("ppb", 1_000_000_000)];
const SIZE_NAMES: &str = "B, KiB, MiB, GiB";
/// In bytes.
const SIZES: [Unit; 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Spelled for Span {
    const KIND: &'static str = "a duration such as \"64s\"";
    type Error = QuantityError;

    fn read(text: &str) -> Result<Self, QuantityError> {
        scaled(text, &DURATIONS, DURATION_NAMES).map(Self::from_attos)
    }

    fn write(&self) -> String {
        whole(self.as_attos(), &DURATIONS).unwrap_or_else(|| format!("{self}s"))
    }
}

impl Spelled for Rate {
    const KIND: &'static str = "a rate such as \"15ppm\"";
    type Error = QuantityError;

    fn read(text: &str) -> Result<Self, QuantityError> {
        let parts = scaled(text, &RATES, RATE_NAMES)?;
        i64::try_from(parts).map(Self::from_attos_per_second).map_err(|_| QuantityError::TooLarge)
    }

    fn write(&self) -> String {
        let parts = i128::from(self.as_attos_per_second());
        // A millionth of 10¹⁸ parts has twelve digits: as many seconds of a span, so that its text serves.
        whole(parts, &RATES).unwrap_or_else(|| format!("{}ppm", Span::from_attos(parts * 1_000_000)))
    }
}

impl Spelled for Size {
    const KIND: &'static str = "a size such as \"8MiB\"";
    type Error = QuantityError;

    fn read(text: &str) -> Result<Self, QuantityError> {
        let bytes = scaled(text, &SIZES, SIZE_NAMES)?;
        u64::try_from(bytes).map(Self).map_err(|_| QuantityError::TooLarge)
    }

    fn write(&self) -> String {
        whole(i128::from(self.0), &SIZES).unwrap_or_else(|| format!("{}B", self.0))
    }
}

/// The value in the largest unit of which it is a whole number, if there is one.
fn whole(value: i128, units: &[Unit]) -> Option<String> {
    let (name, scale) = match value {
        0 => units.iter().find(|(name, _)| matches!(*name, "s" | "ppm" | "B"))?,
        _ => units.iter().find(|(_, scale)| value % scale == 0)?,
    };
    Some(format!("{}{name}", value / scale))
}

/// Reads `digits[.digits][ ]unit` into parts of the smallest unit.
fn scaled(text: &str, units: &[Unit], names: &'static str) -> Result<i128, QuantityError> {
    if text.starts_with('-') {
        return Err(QuantityError::Negative);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].strip_prefix(' ').unwrap_or(&text[end..]));
    let (digits, decimals) = digits(number)?;
    if unit.is_empty() {
        return Err(QuantityError::NoUnit(names));
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(QuantityError::UnknownUnit { unit: unit.chars().take(16).collect(), units: names });
    };
    let (scale, decimals) = reduced(*scale, decimals);
    let parts = digits.checked_mul(scale).ok_or(QuantityError::TooLarge)?;
    let divisor = 10i128.checked_pow(decimals).ok_or(QuantityError::TooFine)?;
    if parts % divisor == 0 { Ok(parts / divisor) } else { Err(QuantityError::TooFine) }
}

/// The fraction scale / 10^decimals with all common tens taken out, so that no product is larger than it must be.
fn reduced(mut scale: i128, mut decimals: u32) -> (i128, u32) {
    while decimals > 0 && scale % 10 == 0 {
        scale /= 10;
        decimals -= 1;
    }
    (scale, decimals)
}

/// All digits of a decimal number as one integer, and how many of them stand after the point.
fn digits(number: &str) -> Result<(i128, u32), QuantityError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(QuantityError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let decimals = u32::try_from(fraction.len()).map_err(|_| QuantityError::TooFine)?;
    let all = whole.bytes().chain(fraction.bytes());
    let value = all.into_iter().try_fold(0i128, |value, digit| {
        value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0')))
    });
    value.map(|value| (value, decimals)).ok_or(QuantityError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(attos in 0i128..i128::MAX / 100) {
            let span = Span::from_attos(attos);
            prop_assert_eq!(Span::read(&span.write()), Ok(span));
        }

        #[test]
        fn a_written_rate_is_read_back(parts in 0i64..=i64::MAX) {
            let rate = Rate::from_attos_per_second(parts);
            prop_assert_eq!(Rate::read(&rate.write()), Ok(rate));
        }

        #[test]
        fn a_written_size_is_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(Size::read(&Size(bytes).write()), Ok(Size(bytes)));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}|[-0-9.]{0,50}(s|ppm|MiB)?") {
            let _ = (Span::read(&text), Rate::read(&text), Size::read(&text));
        }
    }

    #[test]
    fn every_unit_is_exact() {
        let cases = [
            ("250ms", Span::from_millis(250)),
            ("64s", Span::from_secs(64)),
            ("1.5s", Span::from_millis(1500)),
            ("10us", Span::from_micros(10)),
            ("7ns", Span::from_nanos(7)),
            ("3min", Span::from_secs(180)),
            ("2h", Span::from_secs(7200)),
            ("1d", Span::from_secs(86_400)),
            ("64 s", Span::from_secs(64)),
            ("0.000000000000000001s", Span::from_attos(1)),
        ];
        for (text, span) in cases {
            assert_eq!(Span::read(text), Ok(span), "{text}");
        }
        assert_eq!(Rate::read("15ppm"), Ok(Rate::from_ppb(15_000)));
        assert_eq!(Rate::read("300ppb"), Ok(Rate::from_ppb(300)));
        assert_eq!(Size::read("8MiB"), Ok(Size(8 << 20)));
    }

    #[test]
    fn people_get_short_texts() {
        assert_eq!(Span::from_secs(90).write(), "90s");
        assert_eq!(Span::from_secs(86_400).write(), "1d");
        assert_eq!(Span::from_millis(1500).write(), "1500ms");
        assert_eq!(Span::ZERO.write(), "0s");
        assert_eq!(Rate::from_ppb(15_000).write(), "15ppm");
        assert_eq!(Rate::from_attos_per_second(12_345_678_901_234).write(), "12.345678901234ppm");
        assert_eq!(Size(8 << 20).write(), "8MiB");
    }

    /// Bad input 124: numbers that are none.
    #[test]
    fn numbers_that_are_none_are_refused() {
        for text in ["", "s", "nan", "NaN", "inf", "infs", ".5s", "1.s", "1..2s", "+5s", "٣s", "0x10s"] {
            assert!(Span::read(text).is_err(), "{text:?}");
        }
        assert_eq!(Span::read("-5s"), Err(QuantityError::Negative));
        assert_eq!(Span::read("64"), Err(QuantityError::NoUnit(DURATION_NAMES)));
        assert!(matches!(Span::read("1e308s"), Err(QuantityError::UnknownUnit { .. })));
        assert!(matches!(Span::read("5m"), Err(QuantityError::UnknownUnit { .. })));
        assert_eq!(Span::read(&format!("1{}s", "0".repeat(308))), Err(QuantityError::TooLarge));
        assert_eq!(Span::read(&format!("0.{}1s", "0".repeat(40))), Err(QuantityError::TooFine));
        assert_eq!(Rate::read("99999999999999ppm"), Err(QuantityError::TooLarge));
        assert_eq!(Size::read("0.5B"), Err(QuantityError::TooFine));
    }
}
