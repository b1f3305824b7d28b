//! The view for what is no terminal: a line each time.

use super::look::Look;
use crate::ui::units;

/// A line: the time, the status, how wrong the clock is and can be.
pub fn line(look: &Result<Look, String>) -> String {
    match look {
        Err(why) => format!("no time: {why}\n"),
        Ok(Look { status, date, known: None }) => format!("{date} {status} time not known\n"),
        Ok(Look { status, date, known: Some(known) }) => {
            let offset = units::offset_within(known.offset, known.bound);
            format!("{date} {status} offset {offset} bound {}\n", units::bound(known.bound))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::Known;
    use super::*;
    use truechimer_core::status::Status;
    use truechimer_time::Span;

    #[test]
    fn a_line_has_time_status_offset_and_bound() {
        let date = "2026-11-23T06:05:14.123456Z".to_owned();
        let known = Known { utc: 0.0, bound: Span::from_micros(123), offset: Span::from_micros(-2) };
        let look = Look { status: Status::Holdover, date: date.clone(), known: Some(known) };
        let right = "2026-11-23T06:05:14.123456Z holdover offset -2.000 µs bound ± 123.0 µs\n";
        assert_eq!(line(&Ok(look)), right);
        let look = Look { status: Status::Unknown, date, known: None };
        assert_eq!(line(&Ok(look)), "2026-11-23T06:05:14.123456Z unknown time not known\n");
        assert_eq!(line(&Err("it is gone".into())), "no time: it is gone\n");
    }
}
