//! Whether it is the sources that answer, or somebody in their place.

use truechimer_core::source::locality::is_near;
use truechimer_time::Span;

use crate::doctor::letter::Reply;
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "intercepted",
    area: Area::Sources,
    question: "Is it the sources themselves that answer?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Routers, hotels and providers send questions for any NTP server to one of
their own. It then answers in the name of all, and a majority of servers is
but one. Plain NTP cannot tell, but such a server betrays itself: this asks
each source that is configured here once more, hears also who was not asked,
and compares

- the address that the answer comes from with the one that was asked;
- the stamp that the answer has to give back (rewritten if it differs);
- of sources of different operators: the reference, stratum, root delay, and
  the moment at which the server was last set. That two servers were set at
  the same quarter of a nanosecond does not happen: they are one server. Two
  public servers that follow nobody (127.127.1.x) are none, either;
- the number of routers on the way (TTL): of one that is said to be a
  continent away and answers from the next room.

wrong   Answers come from elsewhere, or sources of different operators are the
        same server, or stamps are rewritten.
risky   A public server answers without a router between.
fine    The answers differ as those of different servers do.

What to do: ask by NTS, which cannot be answered in anybody's name. Or name
the server that answers, and know that you have one.
";

/// Hosts begin with these (RFC 1700: 64; others 128, 255).
const FIRST_HOPS: [u8; 3] = [64, 128, 255];

/// Nearer than this is no public server, but over a cable to the next room.
const NEAR: Span = Span::from_micros(500);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    judge(machine.survey()?)
}

fn judge(seen: &[Seen]) -> Result<Vec<Finding>, Hidden> {
    let heard: Vec<(&Seen, &Reply)> =
        seen.iter().filter_map(|seen| Some((seen, seen.reply.as_ref()?))).collect();
    if heard.is_empty() {
        return Err(Hidden::Because("no source answers, so there is nothing to compare".to_owned()));
    }
    let mut findings: Vec<Finding> =
        heard.iter().filter_map(|(seen, reply)| elsewhere(seen, reply)).collect();
    findings.extend(heard.iter().filter(|(_, reply)| !reply.is_ours).map(|(seen, _)| {
        told(Finding::wrong(format!(
            "the answer of {} does not give back our stamp: it is rewritten on its way",
            seen.name()
        )))
    }));
    findings.extend(one_server(&heard));
    findings.extend(heard.iter().filter_map(|(seen, reply)| too_near(seen, reply)));
    if findings.is_empty() {
        findings.push(Finding::fine(match heard.len() {
            1 => "the answer comes from whom it was asked".to_owned(),
            count => {
                format!("the {count} answers come from whom they were asked, and from different servers")
            }
        }));
    }
    Ok(findings)
}

fn told(finding: Finding) -> Finding {
    finding
        .told("ask by NTS, which nobody can answer in another's name (`nts` in chrony.conf, kind = \"nts\")")
}

fn elsewhere(seen: &Seen, reply: &Reply) -> Option<Finding> {
    let asked = seen.place?;
    (asked.ip() != reply.from.ip()).then(|| {
        told(Finding::wrong(format!(
            "{} was asked, and {} answers in its place",
            seen.name(),
            reply.from.ip()
        )))
        .told("or it has several addresses and answers from the wrong one: name that one")
    })
}

/// Sources of different operators, at different addresses, that are one server.
fn one_server(heard: &[(&Seen, &Reply)]) -> Option<Finding> {
    let alike = |(one, by_one): &(&Seen, &Reply), (other, by_other): &(&Seen, &Reply)| {
        one.source.operator != other.source.operator
            && one.place.map(|place| place.ip()) != other.place.map(|place| place.ip())
            && (is_one_life(by_one, by_other)
                || [(one, by_one), (other, by_other)].into_iter().all(|(seen, reply)| is_alone(seen, reply)))
    };
    let (first, others) = heard.iter().enumerate().find_map(|(index, one)| {
        let others: Vec<_> = heard[index + 1..].iter().filter(|other| alike(one, other)).collect();
        (!others.is_empty()).then_some((one, others))
    })?;
    let names: Vec<String> = others.iter().map(|(seen, _)| seen.name()).collect();
    Some(
        told(Finding::wrong(format!(
            "{} and {} are one server: the same reference, set at the same instant, or none at all",
            first.0.name(),
            names.join(", ")
        )))
        .number("alike", (names.len() + 1) as f64)
        .run(format!("sudo traceroute -U -p 123 {}", first.0.place?.ip())),
    )
}

/// Was the clock behind both last set at one instant, by one reference?
fn is_one_life(one: &Reply, other: &Reply) -> bool {
    let life = |reply: &Reply| {
        let header = &reply.header;
        (header.stratum, header.reference_id, header.root_delay, header.reference)
    };
    // Reference clocks are read at whole seconds, and so two servers may have been.
    life(one) == life(other) && one.header.reference.to_bits() & 0xffff_ffff != 0
}

/// A public server that has its time from nobody but itself (127.127.1.x) is none: somebody's router is.
fn is_alone(seen: &Seen, reply: &Reply) -> bool {
    let is_public = seen.place.is_some_and(|place| !is_near(place.ip()));
    is_public && reply.header.reference_id[..3] == [127, 127, 1]
}

/// A server of the Internet that answers without a router between, and at once.
fn too_near(seen: &Seen, reply: &Reply) -> Option<Finding> {
    let place = seen.place?;
    if is_near(place.ip()) {
        return None;
    }
    let delay = seen.outcome.as_ref().ok()?.delay;
    let is_next = reply.hops_left.is_some_and(|hops| FIRST_HOPS.contains(&hops));
    (is_next && delay < NEAR).then(|| {
        told(Finding::risky(format!(
            "{} is a public server, and answers within {} without a router between: the router itself answers",
            seen.name(),
            units::span(delay)
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};
    use truechimer_core::wire::ntp::Packet;
    use truechimer_time::ntp::NtpTimestamp;

    /// A source at an address that was last set then, and answers with a way of so many routers.
    fn source(place: &str, set_at: u64, hops: u8) -> Seen {
        let mut bytes = [0; 48];
        (bytes[0], bytes[1]) = (0x24, 2);
        let mut header = Packet::parse(&bytes).unwrap();
        header.reference = NtpTimestamp::from_bits(set_at);
        let mut seen = seen(place, Ok(reading(Span::ZERO, Span::from_millis(9))));
        let from = seen.place.unwrap();
        seen.reply = Some(Reply { from, hops_left: Some(64 - hops), is_ours: true, len: 48, header });
        seen
    }

    fn words(seen: &[Seen]) -> Vec<(Verdict, String)> {
        judge(seen).unwrap().into_iter().map(|finding| (finding.verdict, finding.words)).collect()
    }

    #[test]
    fn different_servers_are_fine() {
        let found = words(&[source("192.0.2.1", 7, 3), source("198.51.100.1", 8, 5)]);
        assert_eq!(found[0].0, Verdict::Fine, "{found:?}");
    }

    #[test]
    fn servers_that_were_set_at_one_instant_are_one() {
        let found =
            words(&[source("192.0.2.1", 7, 3), source("198.51.100.1", 7, 3), source("203.0.113.1", 7, 3)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].1.starts_with("192.0.2.1:123 and 198.51.100.1:123, 203.0.113.1:123 are one server"),
            "{found:?}"
        );
    }

    #[test]
    fn reference_clocks_that_are_read_at_whole_seconds_are_no_proof() {
        let found = words(&[source("192.0.2.1", 7 << 32, 3), source("198.51.100.1", 7 << 32, 3)]);
        assert_eq!(found[0].0, Verdict::Fine, "{found:?}");
    }

    #[test]
    fn an_answer_from_elsewhere_or_with_another_stamp_is_not_theirs() {
        let mut odd = source("192.0.2.1", 7, 3);
        let mut reply = odd.reply.unwrap();
        reply.from = "10.0.0.1:123".parse().unwrap();
        odd.reply = Some(reply);
        assert!(words(&[odd.clone()])[0].1.contains("10.0.0.1 answers in its place"));
        odd.reply = Some(Reply { is_ours: false, from: odd.place.unwrap(), ..reply });
        assert!(words(&[odd])[0].1.contains("rewritten"));
    }

    #[test]
    fn a_public_server_in_the_next_room_is_the_router() {
        let mut near = source("198.51.100.1", 7, 0);
        near.outcome = Ok(reading(Span::ZERO, Span::from_micros(200)));
        let found = words(&[near]);
        assert_eq!(found[0].0, Verdict::Risky, "{found:?}");
    }
}
