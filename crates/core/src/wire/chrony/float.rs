//! The protocol's own form of a number with a fraction: an exponent of 7 bits, then a coefficient of 25, both signed in
//! two's complement, without a hidden bit.
//!
//! ```text
//!  31     25 24                      0
//!  exponent |       coefficient            value = coefficient * 2^(exponent - 25)
//! ```

/// The bits of the coefficient.
const COEFFICIENT_BITS: i32 = 25;
/// The largest coefficient: one bit is the sign.
const COEFFICIENT_MAX: i64 = (1 << (COEFFICIENT_BITS - 1)) - 1;
const EXPONENT_MIN: i32 = -64;
const EXPONENT_MAX: i32 = 63;

/// The nearest number that the form has. What is too large becomes the largest, what is too small or no number becomes zero.
pub fn write(value: f64) -> [u8; 4] {
    if value == 0.0 || value.is_nan() {
        return [0; 4];
    }
    let value = value.clamp(f64::MIN, f64::MAX);
    let (_, exponent) = libm::frexp(value);
    let exponent = (exponent + 1).max(EXPONENT_MIN);
    let (exponent, coefficient) = match scaled(value, exponent) {
        // Rounding made it one bit longer.
        rounded if rounded.abs() > COEFFICIENT_MAX => (exponent + 1, scaled(value, exponent + 1)),
        rounded => (exponent, rounded),
    };
    let (exponent, coefficient) = match (exponent > EXPONENT_MAX, value > 0.0) {
        (true, true) => (EXPONENT_MAX, COEFFICIENT_MAX),
        (true, false) => (EXPONENT_MAX, -COEFFICIENT_MAX),
        (false, _) => (exponent, coefficient),
    };
    let coefficient = coefficient as u32 & ((1 << COEFFICIENT_BITS) - 1);
    ((exponent as u32) << COEFFICIENT_BITS | coefficient).to_be_bytes()
}

/// The coefficient with this exponent, rounded.
fn scaled(value: f64, exponent: i32) -> i64 {
    libm::rint(libm::scalbn(value, COEFFICIENT_BITS - exponent)) as i64
}

/// The value of a number.
pub fn read(bytes: [u8; 4]) -> f64 {
    let bits = i32::from_be_bytes(bytes);
    let exponent = bits >> COEFFICIENT_BITS;
    let coefficient = bits << (32 - COEFFICIENT_BITS) >> (32 - COEFFICIENT_BITS);
    libm::scalbn(f64::from(coefficient), exponent - COEFFICIENT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_as_debians_chronyd_writes_them() {
        // From its replies, beside what its chronyc makes of them.
        for (bytes, value) in [
            ([0xdf, 0x6c, 0xc0, 0x9c], -0.000_002_194),
            ([0xfa, 0x83, 0xd3, 0x1d], 0.032),
            ([0x04, 0x81, 0xd0, 0xef], 1.014),
        ] {
            let read = read(bytes);
            assert!((read / value - 1.0).abs() < 0.01, "{read} {value}");
            assert_eq!(write(read), bytes);
        }
    }

    #[test]
    fn what_does_not_fit_is_as_near_as_can_be() {
        assert_eq!(read(write(f64::NAN)), 0.0);
        assert_eq!(read(write(1e-300)), 0.0);
        assert_eq!(read(write(f64::INFINITY)), read(write(1e300)));
        assert!(read(write(f64::INFINITY)) > 4.6e18);
        assert!(read(write(f64::NEG_INFINITY)) < -4.6e18);
    }

    proptest! {
        #[test]
        fn seven_digits_come_through(value in -1e15f64..1e15, by in -30i32..0) {
            let value = libm::scalbn(value, by);
            let read = read(write(value));
            prop_assert!((read - value).abs() <= value.abs() * 1e-7 + 1e-24, "{read} {value}");
        }

        #[test]
        fn any_bits_are_a_number(bits in any::<u32>()) {
            let value = read(bits.to_be_bytes());
            prop_assert!(value.is_finite());
            prop_assert_eq!(read(write(value)), value);
        }
    }
}
