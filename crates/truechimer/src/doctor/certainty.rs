//! How wrong this machine's clock can be, and who says so: the page of our daemon, or else the kernel, in which other daemons leave
//! what they think of their own error.

use truechimer_sys::adjust;
use truechimer_time::{LeapTable, Span, Tai, Time};

use super::{Hidden, Machine};
use crate::page;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The page of our daemon: a bound, with what it is founded on.
    Page,
    /// The kernel's `maxerror` (adjtimex(2)): what the daemon that steers the clock says, and 500 ppm since.
    Kernel,
}

impl Witness {
    /// As the end of a sentence that begins with a bound.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Page => "by Truechimer's page",
            Self::Kernel => "by the kernel's maxerror",
        }
    }
}

/// How far `CLOCK_REALTIME` can be from true time, whichever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certainty {
    /// At least; zero where it may be right.
    pub least: Span,
    /// At most.
    pub most: Span,
    /// Who says so.
    pub witness: Witness,
}

/// The best that is known.
///
/// # Errors
/// Nobody says anything, or nothing that can be relied on: a sentence.
pub fn certainty(machine: &Machine) -> Result<Certainty, Hidden> {
    if let Ok((page, now)) = page::read(&machine.run_dir)
        && let Some(reading) = page.read(now.raw, now.asleep)
    {
        let utc = |tai: Time<Tai>| LeapTable::COMPILED.utc_of_tai(page.in_own_leaps(tai)).time.since_epoch();
        let shown = now.realtime.since_epoch();
        return Ok(between(utc(reading.earliest) - shown, utc(reading.latest) - shown, Witness::Page));
    }
    if !machine.is_ours() {
        return Err(Hidden::Because("nobody says how right the clock is".to_owned()));
    }
    let kernel =
        adjust::read_state().map_err(|error| Hidden::Because(format!("cannot ask the kernel: {error}")))?;
    if !kernel.status.synchronised() || kernel.state == adjust::ClockState::Unsynchronised {
        return Err(Hidden::Because(
            "nobody says how right the clock is: the kernel calls it unsynchronised".to_owned(),
        ));
    }
    if is_kept_by_timesyncd(machine)? {
        let words =
            "nobody says how right the clock is: systemd-timesyncd keeps no bound and tells the kernel zero";
        return Err(Hidden::Because(words.to_owned()));
    }
    Ok(between(-kernel.maxerror, kernel.maxerror, Witness::Kernel))
}

/// From how far at least and at most the clock is behind.
fn between(low: Span, high: Span, witness: Witness) -> Certainty {
    Certainty { least: low.max(-high).max(Span::ZERO), most: low.abs().max(high.abs()), witness }
}

/// It sets `maxerror` to zero whenever it adjusts the clock (timesyncd-manager.c of systemd).
fn is_kept_by_timesyncd(machine: &Machine) -> Result<bool, Hidden> {
    let is_process = |name: &String| name.bytes().all(|letter| letter.is_ascii_digit());
    let mut processes = machine.names("/proc")?.into_iter().filter(is_process);
    // One that has ended meanwhile is not it. The kernel keeps 15 letters of a name.
    let is_it = |name: String| matches!(machine.text(&format!("/proc/{name}/comm")), Ok(Some(comm)) if comm.trim() == "systemd-timesyn");
    Ok(processes.any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_at_least_by_what_the_nearer_end_says() {
        let span = Span::from_millis;
        let around = between(span(-3), span(5), Witness::Page);
        assert_eq!((around.least, around.most), (Span::ZERO, span(5)));
        let behind = between(span(3), span(5), Witness::Page);
        assert_eq!((behind.least, behind.most), (span(3), span(5)));
        let ahead = between(span(-9), span(-5), Witness::Kernel);
        assert_eq!((ahead.least, ahead.most), (span(5), span(9)));
    }

    #[test]
    fn where_nobody_says_anything_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let hidden = certainty(&Machine::at(folder.path()));
        assert!(hidden.is_err_and(|hidden| hidden.to_string().contains("nobody says")));
    }

    #[test]
    fn timesyncd_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        let process = |number: &str, name: &str| {
            let path = folder.path().join("proc").join(number);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("comm"), name).unwrap();
        };
        process("17", "chronyd\n");
        process("sys", "systemd-timesyn\n");
        assert_eq!(is_kept_by_timesyncd(&machine), Ok(false));
        process("23", "systemd-timesyn\n");
        assert_eq!(is_kept_by_timesyncd(&machine), Ok(true));
    }
}
