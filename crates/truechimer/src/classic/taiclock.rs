//! `taiclock`: asks a TAICLOCK server, and writes to stdout by how much the local clock is slow. Sets nothing.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use clap::{ArgAction, Args};
use truechimer_core::classic::count::{KernelCount, PeerCount};
use truechimer_core::wire::taiclock::{COOKIE_LEN, PORT, Question, Unusable};
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::{SocketError, StampKeeper, Stamps, UdpSocket};
use truechimer_time::{LeapTable, Local, Mono, Span, Tai, Time};

use super::asking::{Asking, Miss, Service, Turn, wait};
use super::counting::{Counting, Peer};
use super::messages::{Fatal, warn};
use crate::command::Outcome;
use crate::stamps::{to_raw, was_set_between};

/// What the original says to a wrong call.
pub const USAGE: &str = "taiclock ip.ad.dr.ess";

const SERVICE: Service = Service {
    name: "taiclock",
    server: "taiclock server",
    port: PORT,
    // Twice the seconds that 32 bits can count: 272 years.
    reach_s6: Span::from_secs(2 * (u32::MAX as i64)),
};

/// More than any answer has, so that what is too long is seen to be.
const BUFFER: usize = 64;

/// So many datagrams are looked at in one go.
const DATAGRAMS_MAX: usize = 16;

/// An adjustment so near to all leap seconds since 1972 is more likely a misunderstanding.
const SUSPICIOUS: Span = Span::from_secs(1);

/// Measure the clock against a TAICLOCK server, for clockadd, clockspeed and clockview
///
/// Writes one adjustment record to stdout: by how much the local clock is slow, at most two days, known within two
/// seconds. Without options the two clocks are taken for ones that count alike.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(disable_help_flag = true)]
pub struct Taiclock {
    /// Whom to ask, and how.
    #[command(flatten)]
    pub asking: Asking,
    /// What the kernel's clock counts, and by which leap seconds.
    #[command(flatten)]
    pub counting: Counting,
    /// What the server announces
    #[arg(long, value_name = "LABELS", value_enum, default_value_t = Peer::Tai)]
    pub peer: Peer,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

impl Taiclock {
    /// Asks, and writes the record.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        let client = self.client()?;
        // Where the kernel does not stamp, the program's own readings do.
        let _stamping = StampKeeper::hold();
        let (outcome, adjustment) =
            self.asking.run(SERVICE, |place, patience| client.turn(place, cookie()?, patience))?;
        let leaps = LeapTable::COMPILED.leaps().len();
        if (adjustment.abs() - Span::from_secs(leaps as i64)).abs() <= SUSPICIOUS {
            warn(
                SERVICE.name,
                format!("{leaps} leap seconds lie between two ways to count: see --kernel and --peer"),
            );
        }
        Ok(outcome)
    }

    fn client(&self) -> Result<Client, Fatal> {
        let (kernel, peer) = (self.counting.kernel(self.asking.s6), PeerCount::from(self.peer));
        let leaps = match (kernel, peer) {
            (KernelCount::TaiLessTen, PeerCount::Tai) => LeapTable::NONE,
            (KernelCount::Utc, _) | (_, PeerCount::UtcPlusTen) => self.counting.leaps()?,
        };
        Ok(Client { kernel, peer, leaps })
    }
}

pub(super) fn cookie() -> Result<[u8; COOKIE_LEN], Miss> {
    let mut cookie = [0; COOKIE_LEN];
    getrandom::fill(&mut cookie).map_err(|error| Miss::of(error.to_string()))?;
    Ok(cookie)
}

/// One who asks.
pub(super) struct Client {
    /// What our clock counts.
    pub(super) kernel: KernelCount,
    /// What the server announces.
    pub(super) peer: PeerCount,
    /// The leap seconds between the two.
    pub(super) leaps: LeapTable,
}

/// A question under way.
struct Underway {
    question: Question,
    socket: UdpSocket,
    begun: Readings,
    ends: Time<Mono>,
    unusable: Option<Unusable>,
}

/// An answer that came.
struct Heard {
    label: Time<Tai>,
    came: Time<Local>,
}

impl Client {
    /// One question.
    pub(super) fn turn(
        &self,
        place: SocketAddr,
        cookie: [u8; COOKIE_LEN],
        patience: Span,
    ) -> Result<Turn, Miss> {
        let mut underway = Underway::begin(place, Question::new(cookie), patience).map_err(Miss::network)?;
        while wait(underway.socket.as_fd(), underway.ends)? {
            if let Some(heard) = underway.listen()? {
                return Ok(self.understood(&heard, underway.begun.realtime));
            }
        }
        Err(if underway.unusable.is_some() { Miss::bad_format() } else { Miss::timed_out() })
    }

    /// A server says but once what time it is: the same stands for when the question came and when the answer left.
    fn understood(&self, heard: &Heard, left: Time<Local>) -> Turn {
        let there = self.peer.tai(heard.label, &self.leaps);
        let here = |shown| self.kernel.tai(shown, &self.leaps);
        Turn { lower: there - here(heard.came), upper: there - here(left) }
    }
}

impl Underway {
    fn begin(place: SocketAddr, question: Question, patience: Span) -> Result<Self, SocketError> {
        let socket = UdpSocket::connect(place)?;
        socket.enable_stamps(Stamps::Received);
        let begun = clock::readings();
        socket.send(question.bytes())?;
        Ok(Self { question, socket, begun, ends: begun.mono + patience, unusable: None })
    }

    /// The answer, if it has come.
    fn listen(&mut self) -> Result<Option<Heard>, Miss> {
        let mut datagram = [0; BUFFER];
        for _ in 0..DATAGRAMS_MAX {
            let Some(received) = self.socket.receive(&mut datagram).map_err(Miss::network)? else {
                return Ok(None);
            };
            let now = clock::readings();
            if was_set_between(&self.begun, &now) {
                return Err(Miss::of("our clock was set while it was measured"));
            }
            let came = received.stamp.filter(|stamp| to_raw(*stamp, &now).is_some()).unwrap_or(now.realtime);
            match self.question.read(&datagram[..received.len]) {
                Ok(label) => return Ok(Some(Heard { label, came })),
                Err(unusable) => self.unusable = Some(unusable),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(kernel: KernelCount, peer: PeerCount, label: i64, shown: i64) -> Span {
        let client = Client { kernel, peer, leaps: LeapTable::COMPILED };
        let (label, shown) = (Span::from_secs(label), Time::from_epoch(Span::from_secs(shown)));
        let Turn { lower, upper } =
            client.understood(&Heard { label: Time::from_epoch(label), came: shown }, shown);
        assert_eq!(lower, upper);
        lower
    }

    /// 1,800,000,000 in UTC is 1,800,000,027 on a kernel that counts all seconds, and 1,800,000,037 in TAI.
    #[test]
    fn right_clocks_of_all_kinds_agree_if_their_kinds_are_named() {
        let (utc, all) = (1_800_000_000, 1_800_000_027);
        for (kernel, peer, label, shown) in [
            (KernelCount::TaiLessTen, PeerCount::Tai, all + 10, all),
            (KernelCount::TaiLessTen, PeerCount::UtcPlusTen, utc + 10, all),
            (KernelCount::Utc, PeerCount::Tai, all + 10, utc),
            (KernelCount::Utc, PeerCount::UtcPlusTen, utc + 10, utc),
        ] {
            assert_eq!(understood(kernel, peer, label, shown), Span::ZERO, "{kernel:?} {peer:?}");
        }
    }

    #[test]
    fn without_options_two_clocks_of_one_kind_are_compared() {
        let same = understood(KernelCount::TaiLessTen, PeerCount::Tai, 1_800_000_015, 1_800_000_000);
        assert_eq!(same, Span::from_secs(5));
    }
}
