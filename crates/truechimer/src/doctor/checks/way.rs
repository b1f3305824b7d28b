//! Whether the sources answer, and why not.

use truechimer_sys::udp::SocketError;

use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::measuring::Trouble;

/// See [`PAGE`].
pub const CHECK: Check =
    Check { name: "way", area: Area::Sources, question: "Do the sources answer?", page: PAGE, probe };

const PAGE: &str = "\
Asks each source that is configured here, by NTP, over UDP port 123 (or the
one that is written). Those whose names are not found are the matter of the
check `names`.

wrong   None answers. If the network says nothing at all, a firewall drops UDP
        port 123: at the router, at the provider, or before the sources. One
        of this machine itself says that it is not permitted.
risky   Some do not answer, refuse (kiss codes such as RATE and DENY), or send
        what cannot be used, such as a server that is not synchronised.
fine    All answer.
unseen  There is no configuration of a time program here.

What to do: ask a server next to you (the router, the domain controller); let
UDP port 123 out: `sudo nft list ruleset`, `sudo iptables -S`. Where it is
forbidden, have an NTP server within the firewall and name that.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    judge(machine.survey()?)
}

fn judge(seen: &[Seen]) -> Result<Vec<Finding>, Hidden> {
    let found: Vec<&Seen> = seen.iter().filter(|seen| seen.place.is_some()).collect();
    if found.is_empty() {
        return Err(Hidden::Because("no source can be asked: none of their names is found".to_owned()));
    }
    let mute: Vec<&&Seen> = found.iter().filter(|seen| seen.outcome.is_err()).collect();
    if mute.is_empty() {
        let count = found.len();
        return Ok(vec![Finding::fine(format!(
            "{} by NTP",
            if count == 1 { "the source answers".to_owned() } else { format!("all {count} sources answer") }
        ))]);
    }
    if mute.len() == found.len() && found.iter().all(|seen| is_silent(seen)) {
        return Ok(vec![filtered(&found)]);
    }
    let is_all = mute.len() == found.len();
    if is_all && found.iter().all(|seen| is_forbidden(seen)) {
        return Ok(vec![
            Finding::wrong(
                "this machine does not let questions by UDP port 123 out: its own firewall, or a sandbox",
            )
            .run("sudo nft list ruleset; sudo iptables -S")
            .told("let UDP port 123 out"),
        ]);
    }
    Ok(mute.into_iter().map(|seen| single(seen, is_all)).collect())
}

fn is_silent(seen: &Seen) -> bool {
    matches!(seen.outcome, Err(Trouble::Silent(_)))
}

fn is_forbidden(seen: &Seen) -> bool {
    matches!(seen.outcome, Err(Trouble::Network(SocketError::Forbidden)))
}

fn filtered(found: &[&Seen]) -> Finding {
    let words = match found {
        [only] => format!("{} does not answer: it is down, or UDP port 123 is filtered", only.name()),
        all => format!(
            "none of {} sources answers, though their names are found: UDP port 123 is filtered",
            all.len()
        ),
    };
    Finding::wrong(words)
        .run("sudo nft list ruleset; sudo iptables -S")
        .told("let UDP port 123 out, here and at the router; or name a server that is within the firewall")
        .run("truechimer query time.cloudflare.com ptbtime1.ptb.de ntp.netnod.se")
}

fn single(seen: &Seen, is_all: bool) -> Finding {
    let name = seen.name();
    let why = match &seen.outcome {
        Ok(_) => return Finding::fine(format!("{name} answers")),
        Err(trouble) => trouble,
    };
    let words = format!("{name}: {why}");
    let finding = if is_all { Finding::wrong(words) } else { Finding::risky(words) };
    let file = seen.source.file.display();
    match why {
        Trouble::Silent(_) => finding.run(format!("truechimer query {name}")),
        Trouble::Kissed(_) => {
            finding.told("it does not want to be asked by this network: ask it more rarely, or another")
        }
        Trouble::Network(_) => finding.run(format!(
            "ip route get {}",
            seen.place.map_or_else(|| name.clone(), |place| place.ip().to_string())
        )),
        Trouble::Unusable(_) | Trouble::NotFound(_) | Trouble::LookupTooSlow(_) | Trouble::NoSuchAddress => {
            finding.run(format!("sudoedit {file}"))
        }
        Trouble::NearLeap | Trouble::ClockSet => finding.told("look again in a minute"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};
    use truechimer_time::Span;

    fn silent() -> Result<crate::measuring::Reading, Trouble> {
        Err(Trouble::Silent(Span::from_secs(1)))
    }

    #[test]
    fn silence_of_all_is_a_filter_and_of_one_is_that_one() {
        let all = judge(&[seen("192.0.2.1", silent()), seen("192.0.2.2", silent())]).unwrap();
        assert_eq!(all.len(), 1);
        assert!(all[0].words.contains("UDP port 123 is filtered"), "{all:?}");
        let right = seen("192.0.2.3", Ok(reading(Span::ZERO, Span::from_millis(1))));
        let one = judge(&[seen("192.0.2.1", silent()), right.clone()]).unwrap();
        assert_eq!((one.len(), one[0].verdict), (1, Verdict::Risky));
        assert!(one[0].words.starts_with("192.0.2.1:123: no answer"), "{one:?}");
        assert_eq!(judge(&[right]).unwrap()[0].verdict, Verdict::Fine);
    }

    #[test]
    fn a_network_that_says_no_is_told_in_its_words() {
        let refused = Err(Trouble::Network(SocketError::Refused));
        let found = judge(&[seen("192.0.2.1", refused)]).unwrap();
        assert_eq!(found[0].verdict, Verdict::Wrong);
        assert!(!found[0].words.contains("filtered"), "{found:?}");
    }

    #[test]
    fn names_that_are_not_found_are_for_another_check() {
        let mut lost = seen("ntp.example.org", Err(Trouble::NotFound("no".to_owned())));
        lost.place = None;
        assert!(judge(&[lost]).is_err());
    }
}
