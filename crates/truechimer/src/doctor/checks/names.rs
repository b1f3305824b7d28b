//! Whether the names of the sources are found.

use std::net::IpAddr;

use crate::config::Address;
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::measuring::Trouble;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "names",
    area: Area::Sources,
    question: "Are the names of the sources found?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Looks up the names of the sources that are configured here, as this system
looks names up (/etc/nsswitch.conf, /etc/resolv.conf), and looks whether
public names lead to public addresses.

wrong   None is found: without names no public server can be asked. Where the
        clock is wrong, DNSSEC may be the reason: its signatures have dates.
risky   Some are not found; or names of different operators lead to one
        address, or to addresses of a private network: somebody answers in
        their place.
fine    All are found, or no source has a name.

What to do: `resolvectl query NAME` or `getent ahosts NAME` says more. Name
one source by its address, so that a wrong clock can be set without DNS.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let resolvers = machine.text("/etc/resolv.conf").ok().flatten().unwrap_or_default();
    let has_resolver = resolvers.lines().any(|line| line.trim().starts_with("nameserver"));
    judge(machine.survey()?, has_resolver)
}

fn judge(seen: &[Seen], has_resolver: bool) -> Result<Vec<Finding>, Hidden> {
    let named: Vec<&Seen> =
        seen.iter().filter(|seen| matches!(seen.source.address, Address::Name { .. })).collect();
    if named.is_empty() {
        return Ok(vec![Finding::fine(
            "the sources are named by their addresses: there is nothing to look up",
        )]);
    }
    let lost: Vec<&&Seen> = named.iter().filter(|seen| seen.place.is_none()).collect();
    let mut findings = match (lost.as_slice(), lost.len() == named.len()) {
        ([], _) => Vec::new(),
        ([first, ..], true) => vec![none_found(first, lost.len(), has_resolver)],
        (some, false) => some.iter().map(|seen| not_found(seen)).collect(),
    };
    findings.extend(named.iter().filter_map(|seen| private(seen)));
    findings.extend(same_place(&named));
    if findings.is_empty() {
        findings.push(Finding::fine(match named.len() {
            1 => "the name of the source is found".to_owned(),
            count => format!("all {count} names are found"),
        }));
    }
    Ok(findings)
}

fn why(seen: &Seen) -> String {
    seen.outcome.as_ref().err().map_or_else(String::new, Trouble::to_string)
}

fn none_found(first: &Seen, count: usize, has_resolver: bool) -> Finding {
    let of = if count == 1 {
        "the name of the source is not found".to_owned()
    } else {
        format!("none of {count} names of sources is found")
    };
    let finding = Finding::wrong(format!("{of}: {}", why(first)));
    match has_resolver {
        true => finding.run(format!(
            "resolvectl query {0} || getent ahosts {0}",
            first.source.address.host_and_port().0
        )),
        false => finding
            .told("no name server is written in /etc/resolv.conf: name one there")
            .run("sudoedit /etc/resolv.conf"),
    }
    .told("if DNSSEC is enforced and the clock is wrong, set the clock by a server's address first")
}

fn not_found(seen: &Seen) -> Finding {
    Finding::risky(format!("{} is not found: {}", seen.name(), why(seen)))
        .run(format!("sudoedit {}", seen.source.file.display()))
}

/// Public names have at least one dot and are of no domain that is kept for private use.
fn is_public(host: &str) -> bool {
    let private =
        [".local", ".lan", ".internal", ".home", ".home.arpa", ".corp", ".intranet", ".localdomain"];
    host.contains('.') && !private.iter().any(|end| host.ends_with(end))
}

/// A name of a time server that the whole world asks leads to no private network.
fn private(seen: &Seen) -> Option<Finding> {
    let Address::Name { host, .. } = &seen.source.address else { return None };
    let place = seen.place?.ip();
    let is_private = match place {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.segments()[0] & 0xfe00 == 0xfc00,
    };
    let is_known = seen.source.address.is_of_strangers() || PUBLIC.iter().any(|known| host == known);
    (is_private && is_known && is_public(host)).then(|| {
        Finding::risky(format!(
            "{host} leads to {place}, which is of a private network: somebody answers in its place"
        ))
        .run(format!("getent ahosts {host}"))
        .told("if your network does that on purpose, name its own server instead")
    })
}

/// Servers for the whole world that configurations commonly name.
const PUBLIC: [&str; 7] = [
    "time.cloudflare.com",
    "time.google.com",
    "time.windows.com",
    "time.apple.com",
    "time.nist.gov",
    "ptbtime1.ptb.de",
    "ntp.ubuntu.com",
];

fn same_place(named: &[&Seen]) -> Option<Finding> {
    let pairs = named
        .iter()
        .enumerate()
        .flat_map(|(index, one)| named[index + 1..].iter().map(move |other| (one, other)));
    let mut alike = pairs.filter(|(one, other)| {
        one.place.is_some() && one.place == other.place && one.source.operator != other.source.operator
    });
    let (one, other) = alike.next()?;
    Some(
        Finding::risky(format!(
            "{} and {} lead to one address, {}: one server with two votes",
            one.name(),
            other.name(),
            one.place?.ip()
        ))
        .run(format!("sudoedit {}", one.source.file.display())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};
    use truechimer_time::Span;

    fn found(name: &str, place: &str) -> Seen {
        let outcome = Ok(reading(Span::ZERO, Span::from_millis(1)));
        Seen { place: Some(place.parse().unwrap()), ..seen(name, outcome) }
    }

    fn lost(name: &str) -> Seen {
        Seen { place: None, ..seen(name, Err(Trouble::NotFound("Name or service not known".to_owned()))) }
    }

    #[test]
    fn names_that_are_not_found_are_told_once_or_each() {
        let all = judge(&[lost("a.example.org"), lost("b.example.net")], true).unwrap();
        assert_eq!((all.len(), all[0].verdict), (1, Verdict::Wrong));
        let some = judge(&[lost("a.example.org"), found("b.example.net", "192.0.2.1:123")], true).unwrap();
        assert_eq!((some.len(), some[0].verdict), (1, Verdict::Risky));
        assert!(some[0].words.starts_with("a.example.org is not found"), "{some:?}");
    }

    #[test]
    fn a_public_name_at_a_private_place_is_somebody_else() {
        let hijacked = judge(&[found("0.debian.pool.ntp.org", "10.0.0.1:123")], true).unwrap();
        assert_eq!(hijacked[0].verdict, Verdict::Risky);
        let own = judge(&[found("ntp.corp.example", "10.0.0.1:123")], true).unwrap();
        assert_eq!(own[0].verdict, Verdict::Fine);
    }

    #[test]
    fn two_operators_at_one_place_are_one() {
        let both = [found("a.example.org", "192.0.2.1:123"), found("b.example.net", "192.0.2.1:123")];
        assert!(judge(&both, true).unwrap()[0].words.contains("one server with two votes"));
    }

    #[test]
    fn addresses_need_no_names() {
        let found = judge(&[seen("192.0.2.1", Ok(reading(Span::ZERO, Span::ZERO)))], true).unwrap();
        assert_eq!(found[0].verdict, Verdict::Fine);
    }
}
