//! `sntpclock`: asks an NTP server, and writes to stdout by how much the local clock is slow. Sets nothing.
//!
//! The estimate, the limits and the record are the original's. What the original believes and this refuses: a server
//! that says that it does not know the time (leap indicator 3, stratum 0 or 16), a kiss code, an answer from elsewhere.

use std::net::SocketAddr;

use clap::{ArgAction, Args};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_core::classic::count::{KernelCount, tai_of_ntp};
use truechimer_core::measure::exchange::{Answer, Heard, Refusal, Rules};
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::StampKeeper;
use truechimer_time::{LeapTable, Raw, Span, Tai, Time, Utc};

use super::asking::{Asking, Miss, Service, Then, Turn, wait};
use super::counting::Counting;
use super::messages::Fatal;
use crate::command::Outcome;
use crate::config::NTP_PORT;
use crate::measuring::Trouble;
use crate::measuring::underway::Underway;

/// What the original says to a wrong call.
pub const USAGE: &str = "sntpclock ip.ad.dr.ess";

const SERVICE: Service = Service {
    name: "sntpclock",
    server: "SNTP server",
    port: NTP_PORT,
    // 34 years: half an era, less what s6 takes off.
    reach_s6: Span::from_secs(1_072_224_000),
};

/// Measure the clock against an NTP server, for clockadd, clockspeed and clockview
///
/// Writes one adjustment record to stdout: by how much the local clock is slow, at most two days, known within two
/// seconds. The leap seconds in /etc/leapsecs.dat are counted, because the clock is taken for one that counts all
/// seconds; without that file, or with --kernel utc, it is taken for a clock of UTC.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(disable_help_flag = true)]
pub struct Sntpclock {
    /// Whom to ask, and how.
    #[command(flatten)]
    pub asking: Asking,
    /// What the kernel's clock counts, and by which leap seconds.
    #[command(flatten)]
    pub counting: Counting,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

impl Sntpclock {
    /// Asks, and writes the record.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        let s6 = self.asking.s6;
        let leaps = match (self.counting.kernel, s6) {
            (None, false) => self.counting.leaps_of_file(SERVICE.name)?,
            (Some(_), _) | (None, true) => self.counting.leaps()?,
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Fatal::failed(format!("unable to draw a cookie: {error}")))?;
        let mut client = Client { rng: ChaCha8Rng::from_seed(seed), kernel: self.counting.kernel(s6), leaps };
        // Where the kernel does not stamp, the program's own readings do.
        let _stamping = StampKeeper::hold();
        let (outcome, _) = self.asking.run(SERVICE, |place, patience| client.turn(place, patience))?;
        Ok(outcome)
    }
}

struct Client {
    rng: ChaCha8Rng,
    kernel: KernelCount,
    leaps: LeapTable,
}

impl Client {
    /// One question.
    fn turn(&mut self, place: SocketAddr, patience: Span) -> Result<Turn, Miss> {
        let rules = rules(patience);
        let mut underway = Underway::begin(&mut self.rng, place, patience).map_err(Miss::network)?;
        while wait(underway.socket(), underway.ends)? {
            match underway.listen(&rules).map_err(missed)? {
                Some((Heard::Answer(answer) | Heard::Departure(answer), now)) => {
                    return Ok(self.understood(&answer, &now));
                }
                Some((Heard::Kiss(kiss), _)) => return Err(missed(Trouble::Kissed(kiss.code))),
                None => {}
            }
            if let Some(refusal) = underway.refusal.filter(|refusal| is_of_the_server(*refusal)) {
                return Err(missed(Trouble::Unusable(refusal)));
            }
        }
        Err(underway.refusal.map_or(Miss::timed_out(), |refusal| missed(Trouble::Unusable(refusal))))
    }

    fn understood(&self, answer: &Answer, now: &Readings) -> Turn {
        let there = |time: Time<Utc>| tai_of_ntp(time, answer.leap, &self.leaps);
        let here =
            |at: Time<Raw>| -> Time<Tai> { self.kernel.tai(now.realtime - (now.raw - at), &self.leaps) };
        Turn {
            lower: there(answer.transmitted) - here(answer.heard.at),
            upper: there(answer.received) - here(answer.sent.at),
        }
    }
}

/// The era of the stamps is that of our own clock, and the past is not refused: an adjustment that is believed is too
/// short to cross an era, or to be of much help to somebody who wants us to live in the past.
fn rules(patience: Span) -> Rules {
    let pivot = Time::from_epoch(clock::realtime().since_epoch());
    Rules { window: patience, delay_max: patience, ..Rules::usual(pivot, Time::EPOCH) }
}

/// Did our server itself say it, in answer to our question? Then nothing better is to be expected.
fn is_of_the_server(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::LeapUnknown
            | Refusal::StratumZero
            | Refusal::StratumTooHigh
            | Refusal::RootTooFar
            | Refusal::ZeroReceive
            | Refusal::ZeroTransmit
            | Refusal::BeforeFloor
            | Refusal::Backwards
            | Refusal::HeldTooLong
            | Refusal::NegativeDelay
            | Refusal::TooSlow
    )
}

fn missed(trouble: Trouble) -> Miss {
    match trouble {
        Trouble::Silent(_) => Miss::timed_out(),
        Trouble::Network(error) => Miss::network(error),
        Trouble::Unusable(refusal) if is_of_the_server(refusal) => Miss::of(refusal.to_string()),
        Trouble::Unusable(_) => Miss::bad_format(),
        Trouble::Kissed(_) => Miss { text: trouble.to_string(), then: Then::AskNoMore },
        Trouble::NotFound(_)
        | Trouble::LookupTooSlow(_)
        | Trouble::NoSuchAddress
        | Trouble::NearLeap
        | Trouble::ClockSet => Miss::of(trouble.to_string()),
    }
}
