//! Whether one way to a source takes longer than the other, which NTP cannot see.

use truechimer_time::Span;

use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::measuring::Reading;
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "asymmetry",
    area: Area::Sources,
    question: "Are the ways to the sources and back equally long?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
NTP takes half of the round trip for the way back. Where one direction is
longer (ADSL and LTE up, full queues, satellites, routes that differ), the
time is wrong by half of the difference, and by half of the round trip at
most. One server alone cannot show that; several can: the source whose way is
shortest is held against the others, and a source that differs from it by more
than 5 ms, and by no more than half of its own way, is suspected.

This is a hint and no proof: the source may just be wrong.

risky   A source differs as by an asymmetric way.
fine    None does.
unseen  Fewer than two sources answer.

What to do: prefer sources with a short way. Where all are behind the same
uplink, keep it from filling its queue (`tc qdisc replace dev IF root cake`).
";

/// Differences below this are told by nobody.
const DIFFERENCE_MIN: Span = Span::from_millis(5);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    judge(machine.survey()?)
}

fn judge(seen: &[Seen]) -> Result<Vec<Finding>, Hidden> {
    let mut heard: Vec<(&Seen, &Reading)> =
        seen.iter().filter_map(|seen| Some((seen, seen.outcome.as_ref().ok()?))).collect();
    heard.sort_by_key(|(_, reading)| reading.delay);
    let [near, others @ ..] = heard.as_slice() else { return Err(too_few()) };
    if others.is_empty() {
        return Err(too_few());
    }
    let findings: Vec<Finding> = others.iter().filter_map(|other| suspect(*near, *other)).collect();
    Ok(match findings.is_empty() {
        false => findings,
        true => {
            vec![Finding::fine(format!("{} sources show no difference between there and back", heard.len()))]
        }
    })
}

fn too_few() -> Hidden {
    Hidden::Because("fewer than two sources answer, so ways cannot be compared".to_owned())
}

fn suspect((near, by_near): (&Seen, &Reading), (other, by_other): (&Seen, &Reading)) -> Option<Finding> {
    let differs = by_other.offset() - by_near.offset();
    let explained = by_other.delay.half() + by_near.delay.half();
    let doubt = by_near.delay.half() + by_near.root_distance();
    let is_suspect = DIFFERENCE_MIN + doubt < differs.abs() && differs.abs() <= explained;
    is_suspect.then(|| {
        Finding::risky(format!(
            "{} tells {} other than {}, within half of its way of {}: one direction is about {} longer",
            other.name(),
            units::offset(differs),
            near.name(),
            units::span(by_other.delay),
            units::span(differs.abs() + differs.abs())
        ))
        .number("differs_seconds", differs.as_seconds())
        .told("prefer a source with a shorter way, or give it no vote")
        .run(format!(
            "mtr --udp --report {}",
            other.place.map_or_else(|| other.name(), |place| place.ip().to_string())
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};

    fn source(name: &str, offset: i64, delay: i64) -> Seen {
        seen(name, Ok(reading(Span::from_millis(offset), Span::from_millis(delay))))
    }

    #[test]
    fn what_half_of_a_long_way_explains_is_suspected() {
        let near = source("192.0.2.1", 0, 2);
        let long = judge(&[source("192.0.2.2", 23, 60), near.clone()]).unwrap();
        assert_eq!(long[0].verdict, Verdict::Risky);
        assert!(long[0].words.contains("one direction is about 46.00 ms longer"), "{long:?}");
        assert_eq!(
            judge(&[near.clone(), source("192.0.2.3", 90, 60)]).unwrap()[0].verdict,
            Verdict::Fine,
            "it lies"
        );
        assert_eq!(judge(&[near.clone(), source("192.0.2.4", 3, 60)]).unwrap()[0].verdict, Verdict::Fine);
        assert!(judge(&[near]).is_err());
    }
}
