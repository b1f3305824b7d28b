//! One measurement, by one of the ways. Names are looked up anew each time, and all their addresses tried.

use std::slice;

use truechimer_core::classic::count::PeerCount;
use truechimer_core::classic::estimate::Estimate;
use truechimer_core::policy::TrustPolicy;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::StampKeeper;
use truechimer_time::{Span, Time};

use super::super::asking::pause_until;
use super::super::taiclock;
use super::sight::{Counts, Sight};
use super::whom::{Way, found};
use crate::cli::Family;
use crate::config::Address;
use crate::measuring::inquiry::spacing;
use crate::measuring::{self, Manner, Reading, Server, Survey};
use crate::stamps::was_set_between;

/// How each source is asked: as by `truechimer set`.
const MANNER: Manner =
    Manner { samples: 4, timeout: Span::from_secs(3), family: Family { ipv4: false, ipv6: false } };

/// Questions to a TAICLOCK server, and how long each waits for its answer.
const TURNS: usize = 4;
const PATIENCE: Span = Span::from_secs(1);

/// A place that has not answered so many questions at first is left for the next one.
const MISSES_MAX: usize = 2;

/// Further from our clock than this is no time: 272 years, as s6-taiclock has it.
const REACH: Span = Span::from_secs(2 * (u32::MAX as i64));

/// So many servers say why they are of no use; the others keep silent.
const TROUBLES_MAX: usize = 5;

/// What was measured, and of whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What came out.
    pub sight: Sight,
    /// How it came about, for people.
    pub by: String,
    /// It came without any proof of where it came from: the daily limit holds.
    pub by_taiclock: bool,
}

/// Measures by this way. The error says why not, for people.
pub fn measure(way: &Way, counts: &Counts) -> Result<Measured, String> {
    match way {
        Way::Sources(addresses) => by_ntp(addresses, counts, |agree, votes| match votes {
            1 => addresses[0].to_string(),
            votes => format!("{agree} of {votes} votes"),
        }),
        Way::MasterByNtp(address) => {
            found(address)?;
            by_ntp(slice::from_ref(address), counts, |_, _| format!("the master {address}"))
                .map_err(|why| at_the_master(address, &why))
        }
        Way::MasterByTaiclock(address, labels) => by_taiclock(address, *labels, counts),
    }
}

/// A trouble of one server names it already.
fn at_the_master(address: &Address, why: &str) -> String {
    let name = format!("{address}: ");
    format!("the master {name}{}", why.strip_prefix(&name).unwrap_or(why))
}

fn by_ntp(
    addresses: &[Address],
    counts: &Counts,
    by: impl FnOnce(usize, usize) -> String,
) -> Result<Measured, String> {
    let survey = measuring::measure(addresses, &MANNER).map_err(|error| error.to_string())?;
    let verdict = &survey.verdict;
    let (Ok(majority), Some(last)) = (verdict.outcome, last(&survey)) else {
        return Err(no_majority(&survey));
    };
    let utc = Time::from_epoch(majority.local.since_epoch() + majority.offset);
    let sight = Sight {
        at: last.bracket.at,
        best: counts.leaps.tai_of_utc(utc),
        bound: majority.bound,
        asleep: clock::asleep(),
    };
    Ok(Measured { sight, by: by(majority.agree, verdict.votes), by_taiclock: false })
}

/// The reading at whose time the vote was held.
fn last(survey: &Survey) -> Option<&Reading> {
    let readings = survey.servers.iter().filter_map(|server| server.outcome.as_ref().ok());
    readings.max_by_key(|reading| reading.bracket.at)
}

fn no_majority(survey: &Survey) -> String {
    let verdict = &survey.verdict;
    let trouble = |server: &Server| Some(format!("{}: {}", server.address, server.outcome.as_ref().err()?));
    let troubles: Vec<String> = survey.servers.iter().filter_map(trouble).take(TROUBLES_MAX).collect();
    let agree = verdict.outcome.err().map_or(0, |few| few.agree);
    match (survey.servers.len(), troubles.is_empty()) {
        (1, false) => troubles.concat(),
        (_, no_troubles) => {
            let troubles = if no_troubles { "they disagree".to_owned() } else { troubles.join("; ") };
            format!(
                "{agree} of {} votes agree, and {} are needed ({troubles})",
                verdict.votes, verdict.needed
            )
        }
    }
}

fn by_taiclock(address: &Address, labels: PeerCount, counts: &Counts) -> Result<Measured, String> {
    let places = found(address)?;
    let client = taiclock::Client { kernel: counts.kernel, peer: labels, leaps: counts.leaps.clone() };
    // Where the kernel does not stamp, the program's own readings do.
    let _stamping = StampKeeper::hold();
    let mut why = String::new();
    for place in places {
        let begun = clock::readings();
        match asked(&client, place) {
            Ok(estimate) => return seen(&estimate, &begun, address, counts),
            Err(miss) => why = format!("the master {address}: {miss}"),
        }
    }
    Err(why)
}

/// What some questions to one place tell together.
fn asked(client: &taiclock::Client, place: std::net::SocketAddr) -> Result<Estimate, String> {
    let (mut estimate, mut heard, mut missed) = (Estimate::within(REACH), 0, String::new());
    for turn in 0..TURNS {
        let next = clock::mono() + spacing(place);
        match taiclock::cookie().and_then(|cookie| client.turn(place, cookie, PATIENCE)) {
            Ok(turn) => {
                estimate.hear(turn.lower, turn.upper);
                heard += 1;
            }
            Err(miss) => missed = miss.text,
        }
        if heard == 0 && turn + 1 >= MISSES_MAX {
            return Err(missed);
        }
        if turn + 1 < TURNS {
            pause_until(next).map_err(|error| error.text)?;
        }
    }
    Ok(estimate)
}

fn seen(
    estimate: &Estimate,
    begun: &Readings,
    address: &Address,
    counts: &Counts,
) -> Result<Measured, String> {
    let now = clock::readings();
    if was_set_between(begun, &now) {
        return Err("our clock was set while it was measured".to_owned());
    }
    // All answers count for one moment, and meanwhile the clock may have run as wrong as clocks do.
    let slack = TrustPolicy::default().max_rate.over(now.raw - begun.raw);
    let sight = Sight {
        at: now.raw,
        best: counts.kernel.tai(now.realtime, &counts.leaps) + estimate.middle(),
        bound: estimate.width().half() + slack,
        asleep: now.asleep,
    };
    Ok(Measured { sight, by: format!("the master {address}"), by_taiclock: true })
}
