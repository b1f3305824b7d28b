//! What the sources of this machine say when they are asked: once, for all checks.
//!
//! A server is asked twice for the time and, when it answers, once more by a question that also hears whom nobody asked. One that
//! is asked by NTS is asked for the time as well, and once by a question as long as a protected one.

use std::net::SocketAddr;
use std::thread;

use truechimer_time::Span;

use super::configured::Configured;
use super::letter::{self, LENGTH_OF_NTS, Reply};
use super::machine::{Hidden, Machine};
use crate::cli::Family;
use crate::config::{Address, Kind, NTP_PORT};
use crate::measuring::inquiry::spacing;
use crate::measuring::{self, Manner, Reading, SERVERS_MAX, Stand, Trouble};

/// How often each is asked for the time.
const SAMPLES: u8 = 2;

/// An answer is waited for at least so long, and at most.
const PATIENCE: (Span, Span) = (Span::from_millis(500), Span::from_secs(3));

/// What a source says.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which.
    pub source: Configured,
    /// Where it was asked, if its name was found.
    pub place: Option<SocketAddr>,
    /// The time by it, or why there is none.
    pub outcome: Result<Reading, Trouble>,
    /// How it stands to the majority.
    pub stand: Stand,
    /// The time by the majority of all sources, if there is one: how far our clock is slow, and how wrong that can be.
    pub majority: Option<(Span, Span)>,
    /// What came back when a question was sent that hears everybody.
    pub reply: Option<Reply>,
    /// Whether a question as long as a protected one was answered; nothing where none was sent.
    pub long: Option<bool>,
}

/// How long to wait for an answer on this machine.
pub fn patience(machine: &Machine) -> Span {
    let (least, most) = PATIENCE;
    let third = Span::from_attos(machine.watched_for.as_attos() / 3);
    third.max(least).min(most)
}

/// Asks those of the sources that speak NTP or NTS.
pub(super) fn survey(machine: &Machine) -> Result<Vec<Seen>, Hidden> {
    let asked: Vec<&Configured> = asked(machine.configured()?).take(SERVERS_MAX).collect();
    if asked.is_empty() {
        return Err(Hidden::Because("no configured source speaks NTP".to_owned()));
    }
    let addresses: Vec<Address> = asked.iter().map(|source| of_time(source)).collect();
    let manner =
        Manner { samples: SAMPLES, timeout: patience(machine), family: Family { ipv4: false, ipv6: false } };
    let survey = measuring::measure(&addresses, &manner)
        .map_err(|error| Hidden::Because(format!("cannot ask the sources: {error}")))?;
    let majority = survey.verdict.outcome.ok().map(|majority| (majority.offset, majority.bound));
    let looked: Vec<(Option<Reply>, Option<bool>)> = thread::scope(|scope| {
        let begun: Vec<_> = asked
            .iter()
            .zip(&survey.servers)
            .map(|(source, server)| {
                // Who answers from elsewhere is not heard by the survey.
                let may_answer =
                    matches!(server.outcome, Ok(_) | Err(Trouble::Silent(_) | Trouble::Unusable(_)));
                let place = server.place.filter(|_| may_answer);
                scope.spawn(move || place.map_or((None, None), |place| look(source, place, manner.timeout)))
            })
            .collect();
        begun
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let stands = survey.verdict.stands.iter().copied();
    Ok(asked
        .into_iter()
        .zip(survey.servers)
        .zip(stands)
        .zip(looked)
        .map(|(((source, server), stand), (reply, long))| Seen {
            source: source.clone(),
            place: server.place,
            outcome: server.outcome,
            stand,
            majority,
            reply,
            long,
        })
        .collect())
}

/// Those that can be asked for the time.
fn asked(configured: &[Configured]) -> impl Iterator<Item = &Configured> {
    configured.iter().filter(|source| match source.kind {
        Kind::Ntp | Kind::Nts => true,
        Kind::Taiclock | Kind::Time | Kind::Phc | Kind::Pps | Kind::Shm | Kind::Sock => false,
    })
}

/// Where a source is asked for the time: that of key exchanges commonly is the host that keeps it.
fn of_time(source: &Configured) -> Address {
    let at_ntp = |address: &Address| match address {
        Address::Name { host, .. } => Address::Name { host: host.clone(), port: NTP_PORT },
        Address::Literal(place) => Address::Literal(SocketAddr::new(place.ip(), NTP_PORT)),
    };
    if source.kind == Kind::Nts { at_ntp(&source.address) } else { source.address.clone() }
}

/// One that has answered is asked once more, politely late, and by a long question where it is to be asked those.
fn look(source: &Configured, place: SocketAddr, patience: Span) -> (Option<Reply>, Option<bool>) {
    let wait = std::time::Duration::from_secs_f64(spacing(place).as_seconds());
    let ask = |len| {
        thread::sleep(wait);
        // A network that refuses has been heard by the survey itself; here it is as good as silent.
        letter::ask(place, len, patience).ok().flatten()
    };
    let reply = ask(0);
    let long = (source.kind == Kind::Nts && reply.is_some()).then(|| ask(LENGTH_OF_NTS).is_some());
    (reply, long)
}

impl Seen {
    /// What the majority says: how far our clock is slow, and how wrong that can be.
    pub fn majority_of(seen: &[Self]) -> Option<(Span, Span)> {
        seen.first()?.majority
    }

    /// What people call it.
    pub fn name(&self) -> String {
        self.source.address.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Spelled;
    use crate::doctor::keepers::Program;
    use truechimer_core::discipline::bracket::Bracket;
    use truechimer_core::measure::exchange::Answer;
    use truechimer_core::moment::{Stamp, StampedBy};
    use truechimer_core::wire::ntp::Leap;
    use truechimer_time::Time;
    use truechimer_time::ntp::NtpPrecision;

    /// What is asked at an address by chronyd.
    pub(crate) fn configured(name: &str) -> Configured {
        let address = Address::read(name).unwrap();
        let operator = address.operator();
        let file = "/etc/chrony/chrony.conf".into();
        Configured {
            program: Program::Chronyd,
            file,
            address,
            kind: Kind::Ntp,
            operator,
            servers: 1,
            ca: None,
        }
    }

    /// What our clock shows.
    const NOW: Span = Span::from_secs(1_790_000_000);

    /// A reading of a server of stratum 2, by which our clock is slow by so much, after so long a way.
    pub(crate) fn reading(offset: Span, delay: Span) -> Reading {
        let best = truechimer_time::LeapTable::COMPILED.tai_of_utc(Time::from_epoch(NOW + offset));
        let stamp = Stamp { at: Time::from_epoch(Span::from_secs(1000)), by: StampedBy::Kernel };
        Reading {
            bracket: Bracket { at: stamp.at, earliest: best - delay.half(), latest: best + delay.half() },
            best,
            local: Time::from_epoch(NOW),
            delay,
            answer: Answer {
                sent: stamp,
                received: Time::from_epoch(NOW + offset),
                transmitted: Time::from_epoch(NOW + offset),
                heard: stamp,
                delay,
                residence: Span::ZERO,
                leap: Leap::None,
                version: 4,
                stratum: 2,
                poll: 6,
                precision: NtpPrecision { log2_seconds: -20 },
                root_delay: Span::ZERO,
                root_dispersion: Span::ZERO,
                reference_id: [192, 0, 2, 1],
            },
        }
    }

    /// A source that was asked, with nothing more than this.
    pub(crate) fn seen(name: &str, outcome: Result<Reading, Trouble>) -> Seen {
        let source = configured(name);
        let place = source.address.literal().or(Some(SocketAddr::from(([192, 0, 2, 7], NTP_PORT))));
        Seen { source, place, outcome, stand: Stand::Agrees, majority: None, reply: None, long: None }
    }

    #[test]
    fn a_server_of_keys_is_asked_for_the_time_at_the_port_of_time() {
        let mut source = configured("nts.example.org:4460");
        assert_eq!(of_time(&source).to_string(), "nts.example.org:4460");
        source.kind = Kind::Nts;
        assert_eq!(of_time(&source).to_string(), "nts.example.org");
    }
}
