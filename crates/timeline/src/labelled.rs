//! Labels with a bound, as `truechimer stamp` writes them before a line.
//!
//! ```text
//! @400000006b03f2c31dcd6500 ±0.000123 the line as it came
//!  └ TAI64N: the likeliest    └ in seconds, rounded up; ? where nothing is known but what the clock showed
//! ```
//!
//! Programs that know labels alone (tai64nlocal, s6-tai64nlocal) read it, and leave the rest as it is.

use truechimer_time::{Span, Tai, Tai64N, Time, tai64};

/// What stands between a label and its bound.
const SIGN: &[u8] = " ±".as_bytes();

/// Labels have so many digits: seconds, nanoseconds, attoseconds.
const DIGITS: [usize; 3] = [16, 24, 32];

/// No longer bound is written or read: `?`, or seconds with a point in them.
const BOUND_MAX: usize = 24;

/// The most bytes that a label and its bound have.
pub const HEAD_MAX: usize = 1 + DIGITS[2] + SIGN.len() + BOUND_MAX + 1;

const MICRO: i128 = 1_000_000_000_000;

/// What a label says of how right it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing, and not even whether it is TAI.
    Bare,
    /// It is TAI, by a clock of which nothing is known.
    Unknown,
    /// It is TAI, and at most so wrong.
    Within(Span),
}

/// A label at the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// What it says.
    pub time: Time<Tai>,
    /// Its last digit counts so much.
    pub resolution: Span,
    /// How right it is.
    pub mark: Mark,
    /// So many bytes of the line are the label, without its bound.
    pub length: usize,
}

impl Labelled {
    /// The label of a line, if it begins with one.
    pub fn read(line: &[u8]) -> Option<Self> {
        let digits = line.strip_prefix(b"@")?;
        let digits = digits.iter().take(DIGITS[2] + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let resolution = match DIGITS.iter().position(|known| *known == digits)? {
            0 => Span::from_secs(1),
            1 => Span::from_nanos(1),
            _ => Span::from_attos(1),
        };
        let length = 1 + digits;
        let (label, rest) = line.split_at(length);
        let time = tai64::parse(str::from_utf8(label).ok()?).ok()?;
        let is_alone = matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
        is_alone.then(|| Self { time, resolution, mark: mark(rest), length })
    }
}

/// Appends a label with its bound and a space; nothing, and says so, if no label can say this instant.
pub fn write(to: &mut Vec<u8>, time: Time<Tai>, bound: Option<Span>) -> bool {
    let Some(label) = Tai64N::of(time) else { return false };
    // What the label cuts off counts as wrong, too.
    let micros = bound.map(|bound| {
        (bound + (time - label.time())).as_attos().max(0).unsigned_abs().div_ceil(MICRO as u128)
    });
    let bound =
        micros.map_or("?".to_owned(), |micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    to.extend_from_slice(format!("{label} ±{bound} ").as_bytes());
    true
}

fn mark(rest: &[u8]) -> Mark {
    let Some(text) = rest.strip_prefix(SIGN) else { return Mark::Bare };
    let end = text.iter().take(BOUND_MAX + 1).position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    let text = match end {
        Some(end) => &text[..end],
        None if text.len() <= BOUND_MAX => text,
        None => return Mark::Bare,
    };
    match text {
        b"?" => Mark::Unknown,
        text => seconds(text).map_or(Mark::Bare, Mark::Within),
    }
}

/// Seconds with up to 18 digits behind the point; nothing that overflows.
fn seconds(text: &[u8]) -> Option<Span> {
    let text = str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let attos: i128 = format!("{fraction:0<18}").parse().ok()?;
    Some(Span::from_secs(whole.parse::<u32>().ok()?.into()) + Span::from_attos(attos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tai(seconds: i64, attos: i128) -> Time<Tai> {
        Time::from_epoch(Span::from_secs(seconds) + Span::from_attos(attos))
    }

    fn written(time: Time<Tai>, bound: Option<Span>) -> String {
        let mut bytes = Vec::new();
        assert!(write(&mut bytes, time, bound));
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_label_says_when_and_how_right_that_is() {
        let time = tai(1_795_420_867, 500_000_000_000_000_000);
        assert_eq!(written(time, Some(Span::from_micros(123))), "@400000006b03f2c31dcd6500 ±0.000123 ");
        assert_eq!(written(time, Some(Span::from_nanos(123_001))), "@400000006b03f2c31dcd6500 ±0.000124 ");
        assert_eq!(written(time, Some(Span::from_secs(90))), "@400000006b03f2c31dcd6500 ±90.000000 ");
        assert_eq!(written(time, None), "@400000006b03f2c31dcd6500 ±? ");
        assert!(!write(&mut Vec::new(), Time::from_epoch(Span::MAX), None));
    }

    #[test]
    fn what_others_write_is_a_label_alone() {
        let bare = |line: &str| Labelled::read(line.as_bytes()).map(|found| (found.mark, found.length));
        for line in
            ["@400000006b03f2c31dcd6500 text", "@400000006b03f2c31dcd6500", "@400000006b03f2c31dcd6500\tx"]
        {
            assert_eq!(bare(line), Some((Mark::Bare, 25)), "{line}");
        }
        assert_eq!(bare("@400000006b03f2c3 text"), Some((Mark::Bare, 17)));
        // A text that only resembles a bound.
        for rest in ["±", "±x", "±-1", "±1.", "±.5", "±1e9", "±99999999999999999999999999", "± 1"] {
            assert_eq!(
                bare(&format!("@400000006b03f2c31dcd6500 {rest} text")),
                Some((Mark::Bare, 25)),
                "{rest}"
            );
        }
        for line in [
            "",
            "@",
            "@4000",
            "x@400000006b03f2c31dcd6500",
            "@400000006b03f2c31dcd65000 x",
            "@400000006b03f2c31dcd6500x",
        ] {
            assert_eq!(bare(line), None, "{line}");
        }
        assert_eq!(bare("@c00000006b03f2c31dcd6500 x"), None, "reserved");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_never_narrower(seconds in 0i64..1 << 40, attos in 0i128..1_000_000_000_000_000_000, bound in 0i64..1 << 50) {
            let (time, bound) = (tai(seconds, attos), Span::from_nanos(bound));
            let line = written(time, Some(bound)) + "text";
            let found = Labelled::read(line.as_bytes()).expect("a label");
            let Mark::Within(read) = found.mark else { panic!("{found:?}") };
            prop_assert!(found.time <= time && time < found.time + Span::from_nanos(1));
            // True time was within the bound of the instant, and so it is of the label.
            prop_assert!(time + bound <= found.time + read && found.time - read <= time - bound);
            prop_assert!(read <= bound + Span::from_micros(2));
            prop_assert!(line.find("text").expect("it is there") <= HEAD_MAX);
        }

        #[test]
        fn any_bytes_are_a_label_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..90), head in "@[0-9a-f]{14,33} ±[0-9.?]{0,30}") {
            let _ = Labelled::read(&bytes);
            let line = [head.as_bytes(), &bytes].concat();
            if let Some(found) = Labelled::read(&line) {
                prop_assert!(found.length <= 33);
            }
        }
    }
}
