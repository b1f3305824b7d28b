//! Reading a line from left to right.

use truechimer_time::Span;

/// No fraction of a second has more digits that count: attoseconds.
const FRACTION_DIGITS: usize = 18;

/// What is left of a line to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// This byte comes next.
    pub(crate) fn byte(&mut self, wanted: u8) -> Option<()> {
        self.any(&[wanted]).map(|_| ())
    }

    /// One of these bytes comes next.
    pub(crate) fn any(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first().filter(|(first, _)| wanted.contains(first))?;
        self.rest = rest;
        Some(*first)
    }

    /// This text comes next.
    pub(crate) fn text(&mut self, wanted: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// Exactly so many digits come next, at most 19.
    pub(crate) fn digits(&mut self, count: usize) -> Option<u64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let number = value(digits)?;
        self.rest = rest;
        Some(number)
    }

    /// Two digits come next.
    pub(crate) fn two(&mut self) -> Option<u8> {
        let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = self.rest else { return None };
        self.rest = rest;
        Some((tens - b'0') * 10 + (ones - b'0'))
    }

    /// One to so many digits come next, at most 19, and no digit after them.
    pub(crate) fn number(&mut self, most: usize) -> Option<u64> {
        let count = self.count_digits();
        if count == 0 || count > most { None } else { self.digits(count) }
    }

    /// A point or a comma with digits after it comes next, or nothing of the kind: the fraction in attoseconds, and
    /// what its last digit counts.
    pub(crate) fn fraction(&mut self) -> Option<(u64, Span)> {
        let [b'.' | b',', digits @ ..] = self.rest else { return Some((0, Span::from_secs(1))) };
        let mut number = 0;
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = digits.get(count) {
            // Finer than any clock is what comes after them.
            if count < FRACTION_DIGITS {
                number = number * 10 + u64::from(digit - b'0');
            }
            count += 1;
        }
        if count == 0 {
            return Some((0, Span::from_secs(1)));
        }
        self.rest = &digits[count..];
        let unit = 10u64.pow((FRACTION_DIGITS - count.min(FRACTION_DIGITS)) as u32);
        Some((number * unit, Span::from_attos(unit.into())))
    }

    /// All bytes up to the first of these, which is left, or to the end of the line.
    pub(crate) fn until(&mut self, ends: &[u8]) -> &'a [u8] {
        self.take_while(|byte| !ends.contains(&byte))
    }

    /// All bytes as long as they are so.
    pub(crate) fn take_while(&mut self, is_in: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_in(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Any number of spaces and tabs.
    pub(crate) fn blanks(&mut self) {
        let _blanks = self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// The line is at its end, or a blank or a bracket comes next.
    pub(crate) fn word_ends(self) -> bool {
        self.rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b']'))
    }

    fn count_digits(self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
}

/// The number that digits say, if they are all digits and fit.
fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_knows_what_its_last_digit_counts() {
        let fraction = |text: &'static [u8]| {
            let mut scan = Scan::new(text);
            let fraction = scan.fraction();
            (fraction, scan.rest())
        };
        let milli = Span::from_millis(1);
        assert_eq!(fraction(b",123 x"), (Some((123_000_000_000_000_000, milli)), &b" x"[..]));
        assert_eq!(fraction(b". the end"), (Some((0, Span::from_secs(1))), &b". the end"[..]));
        let long = fraction(b".1234567890123456789012Z");
        assert_eq!(long, (Some((123_456_789_012_345_678, Span::from_attos(1))), &b"Z"[..]));
    }

    #[test]
    fn numbers_that_are_too_long_are_none() {
        assert_eq!(Scan::new(b"99999999999999999999").digits(20), None);
        assert_eq!(Scan::new(b"123").number(2), None);
        assert_eq!(Scan::new(b"+12").number(5), None);
        assert_eq!(Scan::new(b"1").two(), None);
    }
}
