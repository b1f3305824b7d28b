//! Whether servers that smear leap seconds are mixed with those that do not.

use truechimer_sys::clock;
use truechimer_time::{LeapTable, Span, Time, Utc};

use crate::doctor::configured::Configured;
use crate::doctor::letter::Reply;
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "smear",
    area: Area::Sources,
    question: "Do all sources treat leap seconds alike?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Some servers spread a leap second over a day (\"smear\"): time.google.com, those
of AWS, of Meta, and servers that are told to. Half way they are 0.5 s from
UTC. Mixed with servers of UTC they disagree for that day, and a clock follows
now these, now those (RFC 8633, section 3.7.1).

Told apart by name, by address (169.254.169.123 of AWS), and by the reference
that a server gives while it smears: ntpd says 254.x.y.z. When a leap second
is near, or when this is seen, sources that disagree by up to a second are
held against each other.

wrong   They are mixed, and one of them smears now.
risky   They are mixed: the next leap second will show it. None is announced
        before the table of leap seconds ends.
fine    All smear, or none does.

What to do: have only one kind. Servers that smear only together with others
that smear in the same way.
";

/// Names that smear, by what they end with (https://developers.google.com/time/smear, AWS, Meta: their own words).
const SMEARING: [&str; 6] = [
    "time.google.com",
    "google.internal",
    "amazonaws.com",
    "time.aws.com",
    "time.facebook.com",
    "time.meta.com",
];

/// Addresses within the networks of AWS and Google that lead to the same.
const SMEARING_AT: [&str; 4] = ["169.254.169.123", "fd00:ec2::123", "169.254.169.254", "fd20:ce::254"];

/// Servers that smear have the first byte of their reference so (ntpd, `leapsmearinterval`).
const SMEARED: u8 = 254;

/// A smear lasts a day, and begins half a day or a day before.
const NEAR_LEAP: Span = Span::from_secs(86_400);

/// What smeared and honest time differ by: less than a second, and more than a way explains.
const APART: (Span, Span) = (Span::from_millis(5), Span::from_millis(1100));

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let configured = machine.configured()?;
    let seen = machine.survey().unwrap_or_default();
    let now = Time::from_epoch(clock::realtime().since_epoch());
    Ok(vec![judge(configured, seen, now)])
}

fn is_known(source: &Configured) -> bool {
    let (host, _) = source.address.host_and_port();
    SMEARING.iter().any(|end| host.ends_with(end) && is_whole(&host, end))
        || host
            .strip_prefix("time")
            .and_then(|rest| rest.strip_suffix(".google.com"))
            .is_some_and(|middle| middle.chars().all(|letter| letter.is_ascii_digit()))
        || SMEARING_AT.contains(&host.as_str())
}

/// Is it a name of that domain, and not one that happens to end so?
fn is_whole(host: &str, end: &str) -> bool {
    host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn smears_now(reply: &Reply) -> bool {
    reply.header.reference_id[0] == SMEARED && 1 < reply.header.stratum
}

fn judge(configured: &[Configured], seen: &[Seen], now: Time<Utc>) -> Finding {
    let declares = |source: &Configured| {
        seen.iter().any(|seen| seen.source == *source && seen.reply.as_ref().is_some_and(smears_now))
    };
    let (smearing, honest): (Vec<&Configured>, Vec<&Configured>) =
        configured.iter().partition(|source| is_known(source) || declares(source));
    let (Some(one), Some(other)) = (smearing.first(), honest.first()) else {
        return Finding::fine(match smearing.is_empty() {
            true => "no source is known to smear leap seconds",
            false => "all sources smear leap seconds",
        });
    };
    let is_near = LeapTable::COMPILED.is_near_leap(now, NEAR_LEAP);
    let apart = apart(&smearing, &honest, seen);
    let is_now = configured.iter().any(declares) || is_near;
    let words = format!("{} smears leap seconds and {} does not", one.address, other.address);
    let finding = match (is_now, apart) {
        (true, Some(apart)) => Finding::wrong(format!("{words}: they are {} apart now", units::span(apart)))
            .number("apart_seconds", apart.as_seconds()),
        (true, None) => Finding::wrong(format!("{words}, and a smear is under way")),
        (false, _) => Finding::risky(format!("{words}: they will disagree at the next leap second")),
    };
    finding.run(format!("sudoedit {}", one.file.display())).told("have only one kind of them")
}

/// How far the two kinds are apart, if that is what a smear makes.
fn apart(smearing: &[&Configured], honest: &[&Configured], seen: &[Seen]) -> Option<Span> {
    let offset = |sources: &[&Configured]| {
        let mut offsets: Vec<Span> = seen
            .iter()
            .filter(|seen| sources.contains(&&seen.source))
            .filter_map(|seen| Some(seen.outcome.as_ref().ok()?.offset()))
            .collect();
        offsets.sort_unstable();
        offsets.get(offsets.len() / 2).copied()
    };
    let apart = (offset(smearing)? - offset(honest)?).abs();
    (APART.0 < apart && apart < APART.1).then_some(apart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{configured, reading, seen};
    use truechimer_core::wire::ntp::Packet;

    fn now() -> Time<Utc> {
        Time::from_epoch(Span::from_secs(1_790_000_000))
    }

    fn verdict(names: &[&str]) -> Verdict {
        let configured: Vec<Configured> = names.iter().map(|name| configured(name)).collect();
        judge(&configured, &[], now()).verdict
    }

    #[test]
    fn names_that_smear_are_not_mixed_with_others() {
        assert_eq!(verdict(&["time.google.com", "ptbtime1.ptb.de"]), Verdict::Risky);
        assert_eq!(verdict(&["time1.google.com", "time4.google.com"]), Verdict::Fine);
        assert_eq!(verdict(&["169.254.169.123", "ptbtime1.ptb.de"]), Verdict::Risky);
        assert_eq!(
            verdict(&["notime.google.com.example", "timeserver.google.com", "ptbtime1.ptb.de"]),
            Verdict::Fine
        );
    }

    #[test]
    fn one_that_smears_now_is_apart_from_the_others_by_less_than_a_second() {
        let sources = ["192.0.2.1", "198.51.100.1"].map(configured);
        let source = |name, millis, first| {
            let mut seen = seen(name, Ok(reading(Span::from_millis(millis), Span::from_millis(2))));
            let mut bytes = [0; 48];
            (bytes[0], bytes[1], bytes[12]) = (0x24, 3, first);
            let header = Packet::parse(&bytes).unwrap();
            let from = seen.place.unwrap();
            seen.reply = Some(Reply { from, hops_left: None, is_ours: true, len: 48, header });
            seen
        };
        let finding = judge(&sources, &[source("192.0.2.1", 250, 254), source("198.51.100.1", 0, 10)], now());
        assert_eq!(finding.verdict, Verdict::Wrong);
        assert!(finding.words.contains("250.0 ms apart now"), "{finding:?}");
    }

    #[test]
    fn on_the_day_of_a_leap_second_mixing_is_wrong() {
        let sources = ["time.google.com", "ptbtime1.ptb.de"].map(configured);
        let midday = Time::from_epoch(Span::from_secs(1_483_185_600));
        assert_eq!(judge(&sources, &[], midday).verdict, Verdict::Wrong);
    }
}
