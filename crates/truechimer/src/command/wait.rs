//! `truechimer wait`: until the clock is right, by its bound. Nobody is asked: the page in shared memory tells.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use truechimer_core::status::Status;
use truechimer_sys::clock::{self, Readings};
use truechimer_time::Span;

use crate::cli;
use crate::command::Outcome;
use crate::page::{self, Page};
use crate::ui::units;

/// The page is looked at so often.
const LOOK: Duration = Duration::from_millis(50);

/// Why the wait is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NotYet {
    /// Nobody publishes the time.
    NoPage(String),
    /// Nobody knows the time.
    NotKnown(Status),
    /// The clock can be wrong by this.
    TooVague { error: Span, bound: Span },
}

/// Waits. The answer is yes if the clock is known to be right to within the bound, no if that takes too long.
pub fn wait(arguments: &cli::Wait) -> anyhow::Result<Outcome> {
    let run_dir = &arguments.daemon.run_dir;
    let begun = clock::mono();
    loop {
        match look(run_dir, arguments.bound) {
            Ok(error) => {
                let line = format!("the clock is within {} of true time\n", units::span(error));
                io::stdout().lock().write_all(line.as_bytes())?;
                return Ok(Outcome::Yes);
            }
            Err(why) if arguments.timeout.is_some_and(|timeout| clock::mono() - begun >= timeout) => {
                eprintln!("truechimer: {}", words(&why, arguments.bound));
                return Ok(Outcome::No);
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}

/// How wrong the clock can be, if that is within the limit.
fn look(run_dir: &Path, limit: Span) -> Result<Span, NotYet> {
    let (page, now) = page::read(run_dir).map_err(|error| NotYet::NoPage(format!("{error:#}")))?;
    judge(&page, &now, limit)
}

/// The clock is wrong by no more than what true time is known to, and what the clock is away from that.
fn judge(page: &Page, now: &Readings, limit: Span) -> Result<Span, NotYet> {
    let known = match page.status_at(now.raw) {
        Status::Synchronised | Status::Degraded | Status::Holdover => page.read(now.raw, now.asleep),
        Status::Unknown | Status::Disrupted => None,
    };
    let (reading, course) = known.zip(page.course).ok_or(NotYet::NotKnown(page.status))?;
    let shown = page.clock.map_or(now.realtime, |clock| clock.read(now.raw));
    let away = (course.utc(reading.best).since_epoch() - shown.since_epoch()).abs();
    let error = reading.bound() + away + now.width;
    match error <= limit {
        true => Ok(error),
        false => Err(NotYet::TooVague { error, bound: reading.bound() }),
    }
}

fn words(why: &NotYet, limit: Span) -> String {
    match why {
        NotYet::NoPage(error) => error.clone(),
        NotYet::NotKnown(status) => {
            format!("the time is not known yet (status {status}); `truechimer sources` says why")
        }
        NotYet::TooVague { error, bound } => format!(
            "the clock can be wrong by {}, more than {}: true time is known {}, and the clock is on its way there",
            units::span(*error),
            units::span(limit),
            units::bound(*bound),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::page;

    fn now() -> Readings {
        Readings { width: Span::ZERO, ..clock::readings() }
    }

    #[test]
    fn the_way_of_the_clock_to_the_model_counts_too() {
        let now = now();
        let (limit, away) = (Span::from_millis(1), Span::from_micros(400));
        let right = page(&now, away, Status::Synchronised);
        assert_eq!(judge(&right, &now, limit), Ok(Span::from_micros(900)));
        let slewed = page(&now, -Span::from_micros(600), Status::Synchronised);
        let (error, bound) = (Span::from_micros(1100), Span::from_micros(500));
        assert_eq!(judge(&slewed, &now, limit), Err(NotYet::TooVague { error, bound }));
    }

    #[test]
    fn what_is_void_or_from_before_a_sleep_is_not_known() {
        let now = now();
        let page = |status| page(&now, Span::ZERO, status);
        let limit = Span::from_secs(1);
        let not_known = |status| Err(NotYet::NotKnown(status));
        assert_eq!(judge(&page(Status::Disrupted), &now, limit), not_known(Status::Disrupted));
        assert!(judge(&page(Status::Holdover), &now, limit).is_ok());
        let woken = Readings { asleep: now.asleep + Span::from_secs(60), ..now };
        assert_eq!(judge(&page(Status::Synchronised), &woken, limit), not_known(Status::Synchronised));
    }
}
