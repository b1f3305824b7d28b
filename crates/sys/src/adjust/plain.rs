//! The call itself, without a door: for those who examine a kernel.
//!
//! A kernel that is compared with another must also be asked what no sound program asks. Whoever keeps a clock uses the
//! functions of [`adjust`](super), which cannot say anything wrong.

use libc::{c_int, c_long, timex};

use super::{ClockError, blank, clock_adjtime};

/// `struct timex` without what belongs to the kernel's own loop. The units and modes are those of adjtimex(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timex {
    /// What is to be set (`ADJ_*`). Anything but 0 and `ADJ_OFFSET_SS_READ` needs `CAP_SYS_TIME`.
    pub modes: u32,
    /// Microseconds for adjtime(3).
    pub offset: i64,
    /// Steps of 2⁻¹⁶ ppm.
    pub freq: i64,
    /// Microseconds.
    pub maxerror: i64,
    /// Microseconds.
    pub esterror: i64,
    /// `STA_*`.
    pub status: i32,
    /// The argument of `ADJ_TAI`, seconds.
    pub constant: i64,
    /// Seconds, and nanoseconds or microseconds.
    pub time: (i64, i64),
    /// Microseconds.
    pub tick: i64,
    /// TAI less UTC, seconds.
    pub tai: i32,
}

/// Makes the call and fills in what the kernel tells in return. Returns a `TIME_*`.
pub fn call(plain: &mut Timex) -> Result<i32, ClockError> {
    let mut timex = to_kernel(plain);
    let outcome = clock_adjtime(&mut timex);
    *plain = of_kernel(&timex);
    outcome
}

fn to_kernel(plain: &Timex) -> timex {
    timex {
        modes: plain.modes,
        offset: plain.offset as c_long,
        freq: plain.freq as c_long,
        maxerror: plain.maxerror as c_long,
        esterror: plain.esterror as c_long,
        status: plain.status as c_int,
        constant: plain.constant as c_long,
        time: libc::timeval {
            tv_sec: plain.time.0 as libc::time_t,
            tv_usec: plain.time.1 as libc::suseconds_t,
        },
        tick: plain.tick as c_long,
        ..blank()
    }
}

fn of_kernel(timex: &timex) -> Timex {
    Timex {
        modes: timex.modes,
        offset: timex.offset as i64,
        freq: timex.freq as i64,
        maxerror: timex.maxerror as i64,
        esterror: timex.esterror as i64,
        status: timex.status,
        constant: timex.constant as i64,
        time: (timex.time.tv_sec as i64, timex.time.tv_usec as i64),
        tick: timex.tick as i64,
        tai: timex.tai,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_plainly_is_what_the_door_reads() {
        let mut plain = Timex::default();
        call(&mut plain).unwrap();
        let state = super::super::read_state().unwrap();
        assert_eq!((plain.status, plain.tai), (state.status.bits(), state.tai_offset));
    }

    #[test]
    fn every_field_that_is_asked_for_arrives() {
        let plain = Timex {
            modes: 1,
            offset: 2,
            freq: 3,
            maxerror: 4,
            esterror: 5,
            status: 6,
            constant: 7,
            time: (8, 9),
            tick: 10,
            tai: 0,
        };
        let back = of_kernel(&to_kernel(&plain));
        assert_eq!(back, plain);
    }
}
