//! Whether keys for NTS can be agreed on with the sources.

use std::thread;

use truechimer_core::node::Dates;
use truechimer_core::source::nts::NoKeys;
use truechimer_sys::clock;
use truechimer_time::{Span, Time, Utc};

use crate::config::Kind;
use crate::daemon::agreeing::Place;
use crate::doctor::configured::Configured;
use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::floor::made;
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "nts",
    area: Area::Sources,
    question: "Can keys for NTS be agreed on, and are the certificates valid by this clock?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
NTS begins with TLS over TCP port 4460: the server shows a certificate and
gives keys and cookies. A firewall that lets only web pages out stops it
there. And certificates have dates: where the clock is wrong by years they are
not valid, so that the clock cannot be set by those who would set it.

With each source that is asked by NTS one key exchange is made, for the dates
of this clock. If only the dates stand in the way, one more is made that asks
for a certificate which is valid at any time since this program was made.

wrong   No connection can be made; or the certificate is not valid by this
        clock, and it would be by another; or it is for another name, or from
        an authority that is not trusted here.
fine    Keys were agreed on, or no source is asked by NTS.

What to do: let TCP port 4460 out. Set the clock first by plain NTP from
several operators (`truechimer set`); truechimer does that by itself. Renew
the authorities (`sudo apt-get install --only-upgrade ca-certificates`).
";

/// So much off, certificates fail because of the clock.
const OFF_MIN: Span = Span::from_secs(3600);

/// What came of one key exchange.
enum Outcome {
    Agreed,
    /// The certificate is not valid by our clock; by another it would be.
    Untimely(NoKeys),
    Failed(NoKeys, String),
}

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let asked: Vec<&Configured> =
        machine.configured()?.iter().filter(|source| source.kind == Kind::Nts).collect();
    if asked.is_empty() {
        return Ok(vec![Finding::fine("no source is asked by NTS")]);
    }
    let now = Time::from_epoch(clock::realtime().since_epoch());
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let begun: Vec<_> = asked.iter().map(|source| scope.spawn(move || exchange(source, now))).collect();
        begun
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let behind = machine.survey().ok().and_then(Seen::majority_of).map(|(offset, _)| offset);
    Ok(asked.iter().zip(&outcomes).map(|(source, outcome)| judge(source, outcome, behind)).collect())
}

fn exchange(source: &Configured, now: Time<Utc>) -> Outcome {
    let (host, port) = source.address.host_and_port();
    let place = Place::new(host, port, source.ca.clone());
    let Err((why, detail)) = place.try_once(Dates::At(now)) else { return Outcome::Agreed };
    if why.is_about_dates() && place.try_once(Dates::Since(made())).is_ok() {
        return Outcome::Untimely(why);
    }
    Outcome::Failed(why, detail)
}

fn judge(source: &Configured, outcome: &Outcome, behind: Option<Span>) -> Finding {
    let name = &source.address;
    let (host, port) = source.address.host_and_port();
    match outcome {
        Outcome::Agreed => Finding::fine(format!("keys were agreed on with {name}")),
        Outcome::Untimely(why) => {
            let word = if *why == NoKeys::Expired { "has expired" } else { "is not valid yet" };
            let words = |why: &str| format!("the certificate of {name} {word} by this clock: {why}");
            let set = "sudo truechimer set time.cloudflare.com ptbtime1.ptb.de ntp.netnod.se";
            match behind.map(Span::abs) {
                Some(off) if OFF_MIN < off => {
                    let why = format!("the clock is wrong, by {}", units::span(off));
                    Finding::wrong(words(&why)).run(set)
                }
                Some(_) => Finding::wrong(words("the clock is right, say the other sources"))
                    .told("ask another server until this one has a new certificate"),
                None => Finding::wrong(words("the clock may be wrong"))
                    .run(set)
                    .told("if the clock is right, the server's certificate is not: ask another"),
            }
        }
        Outcome::Failed(NoKeys::NotReached | NoKeys::Late | NoKeys::Broken, detail) => {
            Finding::wrong(format!(
                "no key exchange with {name}: {}; TCP port {port} may be blocked",
                detail.trim_start_matches(&format!("{host}:{port}: "))
            ))
            .run(format!("openssl s_client -connect {host}:{port} -alpn ntske/1 </dev/null"))
            .told(format!("let TCP port {port} out"))
        }
        Outcome::Failed(why, detail) => {
            let finding = Finding::wrong(format!("no keys from {name}: {detail}"));
            match why {
                NoKeys::UnknownIssuer | NoKeys::Ourselves => {
                    finding.run("sudo apt-get install --only-upgrade ca-certificates")
                }
                NoKeys::NotFound
                | NoKeys::NotReached
                | NoKeys::Broken
                | NoKeys::Late
                | NoKeys::Tls
                | NoKeys::Protocol
                | NoKeys::Expired
                | NoKeys::NotYetValid
                | NoKeys::OtherName
                | NoKeys::Certificate
                | NoKeys::Answer => {
                    finding.run(format!("openssl s_client -connect {host}:{port} -alpn ntske/1 </dev/null"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::configured;

    fn told(outcome: &Outcome, behind: Option<i64>) -> Finding {
        judge(&configured("nts.example.org:4460"), outcome, behind.map(Span::from_secs))
    }

    #[test]
    fn a_certificate_that_is_not_valid_because_the_clock_is_wrong_says_so() {
        let finding = told(&Outcome::Untimely(NoKeys::NotYetValid), Some(400 * 86_400));
        assert_eq!(finding.verdict, Verdict::Wrong);
        assert!(
            finding.words.contains("is not valid yet by this clock: the clock is wrong, by 400.0 d"),
            "{finding:?}"
        );
        let right = told(&Outcome::Untimely(NoKeys::Expired), Some(0));
        assert!(right.words.contains("has expired by this clock: the clock is right"), "{right:?}");
        let unknown = told(&Outcome::Untimely(NoKeys::Expired), None);
        assert!(unknown.words.contains("the clock may be wrong"), "{unknown:?}");
    }

    #[test]
    fn a_connection_that_cannot_be_made_names_the_port() {
        let silent = told(&Outcome::Failed(NoKeys::NotReached, "refused".to_owned()), None);
        assert!(silent.words.contains("TCP port 4460 may be blocked"), "{silent:?}");
        assert_eq!(told(&Outcome::Agreed, None).verdict, Verdict::Fine);
    }
}
