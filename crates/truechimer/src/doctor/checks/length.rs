//! Whether long questions reach the sources, as protected ones are.

use crate::config::Kind;
use crate::doctor::letter::LENGTH_OF_NTS;
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "length",
    area: Area::Sources,
    question: "Do questions that are long, as those of NTS, reach the sources?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Plain NTP has 48 bytes, NTP with NTS some 228. To stop floods of answers some
providers drop all datagrams of UDP port 123 that are longer than 90 bytes or
so, and NTS with them: keys are agreed on (TCP port 4460), and then no answer
comes.

Each source that is to be asked by NTS is asked once by a plain question and
once by one of 228 bytes, of which the rest is a field that servers are to
ignore.

wrong   A plain question is answered and a long one is not.
fine    Both are answered, or no source is asked by NTS.
unseen  None answers at all.

What to do: ask the provider to let it pass; choose servers that answer NTS at
another port than 123 (the key exchange tells which; those of netnod.se and
time.cloudflare.com do); or ask through a VPN.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    judge(machine.survey()?)
}

fn judge(seen: &[Seen]) -> Result<Vec<Finding>, Hidden> {
    if !seen.iter().any(|seen| seen.source.kind == Kind::Nts) {
        return Ok(vec![Finding::fine("no source is asked by NTS, so questions are short")]);
    }
    let tried: Vec<&Seen> = seen.iter().filter(|seen| seen.long.is_some()).collect();
    if tried.is_empty() {
        return Err(Hidden::Because(
            "no source of NTS answers plain questions, so long ones tell nothing".to_owned(),
        ));
    }
    let lost: Vec<String> =
        tried.iter().filter(|seen| seen.long == Some(false)).filter_map(|seen| asked(seen)).collect();
    Ok(vec![match lost.is_empty() {
        true => Finding::fine(format!("questions of {LENGTH_OF_NTS} bytes are answered")),
        false => Finding::wrong(format!(
            "{} {} 48 bytes and not {LENGTH_OF_NTS}: long datagrams of UDP port 123 are dropped, and NTS with them",
            lost.join(", "),
            if lost.len() == 1 { "answers" } else { "answer" }
        ))
        .told("name a server that answers NTS at another port, or have the provider let long datagrams pass")
        .run("truechimer query nts.netnod.se"),
    }])
}

/// Where it was asked for the time, which is another place than where it gives keys.
fn asked(seen: &Seen) -> Option<String> {
    seen.place.map(|place| place.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};
    use truechimer_time::Span;

    fn source(long: Option<bool>) -> Seen {
        let mut seen = seen("192.0.2.1", Ok(reading(Span::ZERO, Span::from_millis(9))));
        (seen.source.kind, seen.long) = (Kind::Nts, long);
        seen
    }

    #[test]
    fn what_answers_short_questions_only_is_filtered_by_length() {
        assert_eq!(judge(&[source(Some(false))]).unwrap()[0].verdict, Verdict::Wrong);
        assert_eq!(judge(&[source(Some(true))]).unwrap()[0].verdict, Verdict::Fine);
        assert!(judge(&[source(None)]).is_err());
    }
}
