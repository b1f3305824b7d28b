//! Whether the clock and the time zone count the same seconds.

use truechimer_sys::adjust;
use truechimer_time::Span;

use crate::command::tz::judge::{Evidence, judge as judge_zone};
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::zone::{LOCALTIME, Zone};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "zone",
    area: Area::Clock,
    question: "Do the clock and the time zone count the same seconds?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A clock of UTC goes with a zone of POSIX (Europe/Berlin); a clock that counts
all seconds, ten less than TAI, goes with one below right/
(right/Europe/Berlin). Mixed, local time is wrong by all leap seconds that
there have been: 27 s.

Read are /etc/localtime, what the sources of this machine say (or else what
the kernel was told of TAI), as `truechimer tz check` does, which says more.

wrong   The two do not agree.
fine    They do.
unseen  There is a zone that cannot be read.

What to do: `truechimer tz check` prints the commands to move either way.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let place = machine.path(LOCALTIME);
    let zone = Zone::load(&place)
        .map_err(|error| Hidden::Because(format!("cannot read the zone {}: {error}", place.display())))?;
    let offset = machine.must_be_ours().and_then(|()| {
        let state = adjust::read_state().map_err(|error| Hidden::Because(error.to_string()))?;
        Ok(state.tai_offset)
    });
    let asked = machine.survey().ok().and_then(Seen::majority_of).map(|(behind, _)| behind);
    Ok(vec![judge(asked, offset.unwrap_or(0), &zone)])
}

fn judge(behind: Option<Span>, tai_offset: i32, zone: &Zone) -> Finding {
    let evidence = match behind {
        Some(behind) => Evidence::Daemon { behind },
        None => Evidence::TaiOffset(tai_offset),
    };
    let verdict = judge_zone(&evidence, zone);
    let name = zone.name.as_deref().unwrap_or("a zone without a name");
    let (both, kind) = match zone.is_right() {
        true => ("all seconds", "right/, which counts leap seconds"),
        false => ("seconds of UTC", "POSIX"),
    };
    // A clock that is wrong by minutes fits neither, and is for other checks to tell.
    let is_wrong_anyway = matches!(verdict.count, crate::command::tz::judge::Count::Neither(_));
    match verdict.agree || is_wrong_anyway && !zone.is_right() {
        true => Finding::fine(format!("the zone {name} and the clock both count {both}")),
        false => Finding::wrong(format!(
            "the zone {name} is of {kind}, and the clock is not: local time is {} s wrong",
            crate::command::tz::judge::leap_seconds()
        ))
        .run("truechimer tz check"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_zone_that_counts_leap_seconds_wants_such_a_clock() {
        let zone = |leap_seconds| Zone { name: Some("Europe/Berlin".to_owned()), leap_seconds };
        assert_eq!(judge(None, 37, &zone(0)).verdict, Verdict::Fine);
        assert_eq!(judge(None, 0, &zone(27)).verdict, Verdict::Wrong);
        assert_eq!(judge(Some(Span::from_secs(-27)), 0, &zone(27)).verdict, Verdict::Fine);
        assert_eq!(judge(Some(Span::from_secs(-27)), 0, &zone(0)).verdict, Verdict::Wrong);
        assert_eq!(judge(Some(Span::from_secs(300)), 0, &zone(0)).verdict, Verdict::Fine, "others tell that");
    }
}
