//! TIME: the second that has begun, in four bytes (RFC 868; port 37 of TCP and of UDP).
//!
//! ```text
//!      0                       4
//!     ┌───────────────────────┐
//!     │ seconds since 1900 UTC │  big-endian, modulo 2³²
//!     └───────────────────────┘
//! ```
//!
//! By TCP the server sends this and closes; by UDP it answers an empty datagram with it. Some servers send eight bytes,
//! of which the first four count. Which stretch of 2³² seconds is meant is not said: the first one ends on 2036-02-07 at
//! 06:28:16 UTC. There is no cookie and no authentication.

use truechimer_time::{NtpTimestamp, Span, Time, Utc};

/// The port, of TCP and of UDP.
pub const PORT: u16 = 37;

/// How long an answer is.
pub const VALUE_LEN: usize = 4;

/// Seconds from 1900-01-01 to 1970-01-01 (RFC 868).
const FROM_1900_TO_1970: i128 = 2_208_988_800;

/// A whole second, of a stretch of 2³² of them that is not said.
///
/// ```
/// use truechimer_core::wire::time37::Value;
/// use truechimer_time::{Civil, Time};
/// let last: Civil = "2036-02-07T06:28:15.9Z".parse().unwrap();
/// let value = Value::of(last.time().unwrap());
/// assert_eq!(value.bytes(), [0xff; 4]);
/// let pivot = "2060-01-01T00:00:00Z".parse::<Civil>().unwrap().time().unwrap();
/// assert_eq!(Civil::of(value.resolve(pivot)).to_string(), "2036-02-07T06:28:15Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(u32);

impl Value {
    /// The second that has begun.
    pub fn of(time: Time<Utc>) -> Self {
        let (seconds, _) = time.since_epoch().split();
        // Modulo 2³² is what the protocol says.
        Self((seconds + FROM_1900_TO_1970) as u32)
    }

    /// The second that has begun by a timestamp of NTP: its upper half counts the same.
    pub const fn of_timestamp(timestamp: NtpTimestamp) -> Self {
        Self((timestamp.to_bits() >> 32) as u32)
    }

    /// The value of an answer: its first four bytes. `None` if it has fewer.
    pub fn read(answer: &[u8]) -> Option<Self> {
        answer.first_chunk().map(|bytes| Self(u32::from_be_bytes(*bytes)))
    }

    /// What goes over the wire.
    pub fn bytes(self) -> [u8; VALUE_LEN] {
        self.0.to_be_bytes()
    }

    /// The beginning of the one second with this value that is less than 68 years away from the pivot.
    pub fn resolve(self, pivot: Time<Utc>) -> Time<Utc> {
        NtpTimestamp::from_bits(u64::from(self.0) << 32).resolve(pivot)
    }

    /// When it was, if an honest clock showed this second: not before the first, and before the second of these.
    pub fn within(self, pivot: Time<Utc>) -> (Time<Utc>, Time<Utc>) {
        let begins = self.resolve(pivot);
        (begins, begins + Span::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Civil;

    /// The middle of what a program of these years believes.
    const PIVOT: &str = "2060-07-01T00:00:00Z";

    fn at(text: &str) -> Time<Utc> {
        text.parse::<Civil>().expect(text).time().expect(text)
    }

    proptest! {
        #[test]
        fn a_value_comes_back_within_68_years_of_the_pivot(
            pivot in -10_000_000_000i64..10_000_000_000, away in -2_147_483_647i64..2_147_483_647, nanos in 0i64..1_000_000_000,
        ) {
            let begins = Time::from_epoch(Span::from_secs(pivot + away));
            let value = Value::of(begins + Span::from_nanos(nanos));
            prop_assert_eq!(value.resolve(Time::from_epoch(Span::from_secs(pivot))), begins);
            let timestamp = NtpTimestamp::of(begins + Span::from_nanos(nanos));
            prop_assert_eq!(Value::of_timestamp(timestamp), value);
        }

        #[test]
        fn any_bytes_are_a_value_or_too_few(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let value = Value::read(&bytes).map(Value::bytes);
            prop_assert_eq!(value.as_ref().map(|value| &value[..]), bytes.get(..4));
        }
    }

    #[test]
    fn the_values_of_the_rfc() {
        for (text, value) in [
            ("1970-01-01T00:00:00Z", 2_208_988_800_u32),
            ("1976-01-01T00:00:00Z", 2_398_291_200),
            ("1980-01-01T00:00:00Z", 2_524_521_600),
            ("1983-05-01T00:00:00Z", 2_629_584_000),
        ] {
            assert_eq!(Value::of(at(text)).bytes(), value.to_be_bytes(), "{text}");
        }
    }

    #[test]
    fn bad_input_87_the_value_begins_anew_in_2036_and_nothing_happens() {
        let pivot = at(PIVOT);
        for text in [
            "2032-11-07T06:28:16Z",
            "2036-02-07T06:28:14Z",
            "2036-02-07T06:28:15Z",
            "2036-02-07T06:28:16Z",
            "2036-02-07T06:28:17Z",
            "2039-05-07T06:28:16Z",
            "2026-11-22T00:00:00Z",
            "2127-01-01T00:00:00Z",
        ] {
            let (begins, ends) = Value::of(at(text)).within(pivot);
            assert_eq!((begins, ends), (at(text), at(text) + Span::from_secs(1)), "{text}");
        }
        assert_eq!(Value::of(at("2036-02-07T06:28:16Z")).bytes(), [0; 4]);
    }

    #[test]
    fn more_than_four_bytes_are_passed_over_and_fewer_are_nothing() {
        let value = Value::of(at("2026-11-22T00:00:00Z"));
        let long = [&value.bytes()[..], &[0; 4]].concat();
        assert_eq!((Value::read(&long), Value::read(&long[..4])), (Some(value), Some(value)));
        assert_eq!((Value::read(&long[..3]), Value::read(&[])), (None, None));
    }
}
