//! `taiclockd`: tells the time to those who ask by TAICLOCK. Runs in the foreground until it is ended, needs no
//! privilege, and never touches the clock.
//!
//! What it tells is the kernel's clock, so it keeps silent while the kernel says that nobody keeps that clock right.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::AsFd;

use clap::Args;
use truechimer_core::classic::count::KernelCount;
use truechimer_core::server::access::{AllowList, Prefix};
use truechimer_core::server::taiclock::answer;
use truechimer_core::wire::taiclock::{PORT, QUESTION_LEN_MAX};
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::UdpSocket;
use truechimer_time::{LeapTable, Mono, Span, Time};

use super::counting::Counting;
use super::listening::{Hush, at_each, unable_to_bind};
use super::messages::{Fatal, begin, ready, warn};
use crate::command::Outcome;
use crate::readiness::Supervised;

/// The original takes no arguments.
pub const USAGE: &str = "taiclockd";

const NAME: &str = "taiclockd";

/// So many questions are answered from one socket before the others have their turn.
const DATAGRAMS_MAX: usize = 64;

/// How often the table of leap seconds is read again.
const LEAPS_HOLD: Span = Span::from_secs(86_400);

/// Tell the time to TAICLOCK clients
///
/// Answers on UDP port 4014 of all addresses, with ten more than the kernel's clock shows, or with true TAI where
/// --kernel says what that clock counts. Keeps silent while the kernel's clock is not synchronised.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Taiclockd {
    /// Answer at this address only; may be repeated
    #[arg(short = 'i', value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// Answer at this port
    #[arg(short = 'p', value_name = "PORT")]
    pub port: Option<NonZeroU16>,
    /// Answer also while the kernel's clock is not synchronised
    #[arg(long)]
    pub unsynchronised: bool,
    /// Announce true TAI from a clock of UTC, as s6-taiclockd does
    #[arg(long)]
    pub s6: bool,
    /// What the kernel's clock counts, and by which leap seconds.
    #[command(flatten)]
    pub counting: Counting,
    /// Whom to tell when it answers.
    #[command(flatten)]
    pub supervised: Supervised,
    /// Passed over, as the original does
    #[arg(hide = true)]
    pub ignored: Vec<OsString>,
}

impl Taiclockd {
    /// Serves until it is ended from outside.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        let mut readiness = begin(&self.supervised)?;
        let sockets = self.sockets()?;
        let mut server = Server {
            kernel: self.counting.kernel(self.s6),
            leaps: LeapTable::NONE,
            leaps_due: clock::mono(),
            anybody: anybody(),
            hush: Hush::new(NAME, self.unsynchronised),
        };
        let mut set = PollSet::new();
        loop {
            server.refresh(&self.counting)?;
            ready(NAME, &mut readiness);
            set.clear();
            sockets
                .iter()
                .enumerate()
                .for_each(|(index, socket)| set.add(socket.as_fd(), Interest::Read, index));
            let ready = set.wait(None).map_err(|error| Fatal::unable("wait", &error))?;
            for event in ready {
                server.serve(&sockets[event.token]);
            }
        }
    }

    /// One socket for each address.
    fn sockets(&self) -> Result<Vec<UdpSocket>, Fatal> {
        let port = self.port.map_or(PORT, NonZeroU16::get);
        at_each(&self.addresses, |ip| UdpSocket::bind(SocketAddr::new(ip, port)))
            .map_err(|(ip, error)| unable_to_bind("UDP", SocketAddr::new(ip, port), error))
    }
}

/// Everybody, but from addresses where nobody single listens.
fn anybody() -> AllowList {
    let everything = |ip: IpAddr| Prefix::new(ip, 0).expect("no bits are not too many");
    let both = [everything(Ipv4Addr::UNSPECIFIED.into()), everything(Ipv6Addr::UNSPECIFIED.into())];
    AllowList::new(&both, &[]).expect("two prefixes are not too many")
}

struct Server {
    kernel: KernelCount,
    leaps: LeapTable,
    /// When the table is to be read again.
    leaps_due: Time<Mono>,
    anybody: AllowList,
    hush: Hush,
}

impl Server {
    /// Reads the leap seconds, if they matter and it is time. A table that was read once stays if it cannot be read again.
    fn refresh(&mut self, counting: &Counting) -> Result<(), Fatal> {
        if self.kernel == KernelCount::TaiLessTen || clock::mono() < self.leaps_due {
            return Ok(());
        }
        self.leaps_due = clock::mono() + LEAPS_HOLD;
        match counting.leaps() {
            Ok(table) => self.leaps = table,
            Err(fatal) if self.leaps == LeapTable::NONE => return Err(fatal),
            Err(fatal) => warn(NAME, fatal.text),
        }
        Ok(())
    }

    /// Answers what waits on one socket. Nothing that the network does ends the server.
    fn serve(&mut self, socket: &UdpSocket) {
        // One more than is echoed, so that nothing is lost of what is.
        let mut question = [0; QUESTION_LEN_MAX + 1];
        for _ in 0..DATAGRAMS_MAX {
            // An error is about an earlier answer, whose client has gone away.
            let Ok(received) = socket.receive(&mut question) else { continue };
            let Some(received) = received else { return };
            if self.anybody.admit(received.from).is_err() || self.hush.is_silent() {
                continue;
            }
            let now = self.kernel.tai(clock::realtime(), &self.leaps);
            if let Some(told) = answer(&question[..received.len], now) {
                // A client that cannot be reached asks again.
                let _ = socket.send_to(&told, received.from, received.destination);
            }
        }
    }
}
