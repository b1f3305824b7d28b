//! Measuring several servers at once, now: what `query` shows and `set` acts upon.
//!
//! One loop around one `poll`, and one fresh socket for each exchange. Servers are asked side by side, each as often
//! as was wanted and no faster than is polite; then they vote. No privilege is needed, no clock is touched, and
//! nothing is remembered.

use std::io;
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::measure::exchange::{Answer, KissCode, Refusal, Rules};
use truechimer_core::policy::SOURCES_MAX;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{SocketError, StampKeeper};
use truechimer_time::{LeapTable, Local, Span, Tai, Time, Utc};

use crate::cli::Family;
use crate::config::Address;
use crate::floor::made;
use crate::ui::units;

pub(crate) mod inquiry;
mod json;
pub(crate) mod names;
mod text;
pub(crate) mod underway;
mod vote;

#[cfg(test)]
mod tests;

use inquiry::Inquiry;

pub(crate) use text::{leap as leap_word, reference_id as reference_id_text};

pub use json::Report;
pub use text::text;
pub use vote::{Majority, Stand, TooFew, Verdict};

/// The most servers that are measured at once: as many as can vote.
pub const SERVERS_MAX: usize = SOURCES_MAX;

/// Era arithmetic is centred this long after the floor, so that also servers are understood whose clock is decades
/// in the past, and can be refused for that.
pub(crate) const ERA_AHEAD: Span = Span::from_secs(34 * 31_556_952);

/// How to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How many exchanges with each server.
    pub samples: u8,
    /// How long to wait for each answer.
    pub timeout: Span,
    /// Which addresses of a name to use.
    pub family: Family,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// The servers, in the order in which they were named.
    pub servers: Vec<Server>,
    /// What they say together.
    pub verdict: Verdict,
}

/// One server that was to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// How the user named it.
    pub address: Address,
    /// Where it was asked, if the name was found.
    pub place: Option<SocketAddr>,
    /// How many questions were sent.
    pub asked: u8,
    /// How many answers could be used.
    pub answered: u8,
    /// What it says, or why nothing can be said.
    pub outcome: Result<Reading, Trouble>,
}

/// What one server says about the time, and about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Where true time is, if the server is right, when its last answer was heard.
    pub bracket: Bracket,
    /// The likeliest time within the bracket.
    pub best: Time<Tai>,
    /// What our clock showed then.
    pub local: Time<Local>,
    /// The shortest time on the way, there and back.
    pub delay: Span,
    /// Its last answer.
    pub answer: Answer,
}

impl Reading {
    /// By how much our clock is slow, if the server is right.
    pub fn offset(&self) -> Span {
        utc(self.best).since_epoch() - self.local.since_epoch()
    }

    /// How wrong the offset can be, if the server is right about itself.
    pub fn bound(&self) -> Span {
        (self.bracket.latest - self.best).max(self.best - self.bracket.earliest)
    }

    /// How far the server itself may be from the truth, as it says.
    pub fn root_distance(&self) -> Span {
        self.answer.root_delay.half() + self.answer.root_dispersion
    }
}

/// Why a server could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Its name could not be looked up, for the reason that the system gives.
    #[error("{0}")]
    NotFound(String),
    /// Its name could not be looked up in time.
    #[error("looking up the name took longer than {}", units::span(*.0))]
    LookupTooSlow(Span),
    /// It has addresses, but none of the wanted kind.
    #[error("it has no address of the wanted kind (see -4 and -6)")]
    NoSuchAddress,
    /// Nothing came.
    #[error("no answer within {}", units::span(*.0))]
    Silent(Span),
    /// The network or the host says no.
    #[error("{0}")]
    Network(SocketError),
    /// Something came that is no usable answer.
    #[error("cannot use its answer: {0}")]
    Unusable(Refusal),
    /// It answers, but not with the time.
    #[error("it sends the kiss code {0} instead of the time")]
    Kissed(KissCode),
    /// What UTC stamps mean is in doubt now.
    #[error("a leap second is too near")]
    NearLeap,
    /// Our own clock was set while we waited, so that the kernel's stamps mean nothing.
    #[error("our clock was set while it was measured")]
    ClockSet,
}

/// Measures the servers, at most [`SERVERS_MAX`].
///
/// # Errors
/// What the system refuses us; never what a server does.
pub fn measure(addresses: &[Address], manner: &Manner) -> io::Result<Survey> {
    assert!(addresses.len() <= SERVERS_MAX, "{} servers of at most {SERVERS_MAX}", addresses.len());
    let found = names::look_up(addresses, manner.family);
    let mut inquiries: Vec<Inquiry> = found.into_iter().map(|found| Inquiry::new(found, manner)).collect();
    inquire(&mut inquiries, manner)?;
    let servers: Vec<Server> =
        addresses.iter().cloned().zip(inquiries).map(|(address, inquiry)| inquiry.end(address)).collect();
    let verdict = Verdict::of(&servers);
    Ok(Survey { servers, verdict })
}

/// Asks and hears until every inquiry is over.
fn inquire(inquiries: &mut [Inquiry], manner: &Manner) -> io::Result<()> {
    let _stamping = StampKeeper::hold().map_err(io::Error::other)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut rng = ChaCha8Rng::from_seed(seed);
    let rules = Rules { window: manner.timeout, ..Rules::usual(made() + ERA_AHEAD, made()) };
    let mut set = PollSet::new();
    loop {
        for inquiry in inquiries.iter_mut() {
            inquiry.wake(&mut rng);
        }
        let Some(deadline) = inquiries.iter().filter_map(Inquiry::deadline).min() else { return Ok(()) };
        set.clear();
        for (index, inquiry) in inquiries.iter().enumerate() {
            inquiry.sockets().for_each(|(number, fd)| set.add(fd, Interest::Read, (index, number)));
        }
        let ready: Vec<(usize, u8)> =
            set.wait(Some(deadline - clock::mono()))?.map(|event| event.token).collect();
        for (index, number) in ready {
            inquiries[index].hear(number, &rules);
        }
    }
}

/// The leap seconds that are reckoned with: those of a table that is as old as the program do, since each stamp and
/// our own clock are converted by the same.
pub(crate) const LEAPS: LeapTable = LeapTable::COMPILED;

fn utc(tai: Time<Tai>) -> Time<Utc> {
    LEAPS.utc_of_tai(tai).time
}
