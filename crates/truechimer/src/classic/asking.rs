//! What `sntpclock` and `taiclock` have in common: whom to ask, how often and how patiently, and what to make of the
//! answers.
//!
//! The socket is connected, so that the kernel hands on what comes from the server alone; questions are spaced, because
//! public servers do not answer ten at once any more. A turn that fails is a warning, as in the originals.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::BorrowedFd;

use clap::Args;
use truechimer_core::classic::estimate::{Estimate, REACH, TooUncertain, WIDTH_MAX};
use truechimer_core::classic::record::Form;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::SocketError;
use truechimer_time::{Mono, Span, Time};

use super::messages::{Fatal, reason, warn};
use crate::cli::Family;
use crate::command::Outcome;
use crate::config::{Address, Spelled};
use crate::measuring::inquiry::spacing;
use crate::measuring::names;

/// The widest interval whose middle is an answer, if s6's programs are asked.
const WIDTH_MAX_S6: Span = Span::from_millis(100);

/// How long the originals wait for an answer, and how long those of s6.
const PATIENCE: Span = Span::from_secs(1);
const PATIENCE_S6: Span = Span::from_secs(2);

/// How long the programs of s6 wait for all answers together.
const TOTAL_S6: Span = Span::from_secs(10);

/// Whom to ask, and how.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Asking {
    /// Whom to ask: a name or an address, with a port if it is another one; 0 is this host
    #[arg(value_name = "HOST[:PORT]", value_parser = Host::read)]
    pub host: Host,
    /// Ask all questions back to back, as the original does; many servers do not answer that
    #[arg(long)]
    pub burst: bool,
    /// Behave as the program of s6-networking: a record of 12 bytes, its limits, its exit codes
    #[arg(long)]
    pub s6: bool,
    /// Print the adjustment even if it is too uncertain
    #[arg(short = 'f')]
    pub force: bool,
    /// How uncertain the adjustment may be, in milliseconds [2000; 100 with --s6]
    #[arg(short = 'e', value_name = "MS")]
    pub uncertainty: Option<u32>,
    /// How many questions
    #[arg(short = 'r', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub rounds: u8,
    /// How long to wait for each answer, in milliseconds [1000; 2000 with --s6]
    #[arg(short = 't', value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub patience: Option<u32>,
    /// How far apart the questions are, in milliseconds [500 in our own network, else 2000]
    #[arg(short = 'h', value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub throttle: Option<u32>,
    /// How long to ask altogether, in milliseconds [no limit; with --s6 10000 and the pauses]
    #[arg(short = 'T', value_name = "MS")]
    pub total: Option<u32>,
    /// The port, instead of the usual one
    #[arg(short = 'p', value_name = "PORT")]
    pub port: Option<NonZeroU16>,
    /// 0 to be silent about answers that did not come or cannot be used
    #[arg(short = 'v', value_name = "N", default_value_t = 1)]
    pub verbosity: u8,
    /// Which addresses of a name to use
    #[command(flatten)]
    pub family: Family,
    /// Passed over, as the original does
    #[arg(hide = true)]
    pub ignored: Vec<OsString>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The program that asks.
    pub name: &'static str,
    /// Its servers, as s6 calls them.
    pub server: &'static str,
    /// Where they listen.
    pub port: u16,
    /// How far an adjustment may be from nothing, if s6's program is asked.
    pub reach_s6: Span,
}

/// One answer: the adjustment lies between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When the answer left, less when it came.
    pub lower: Span,
    /// When the question came there, less when it left.
    pub upper: Span,
}

/// No usable answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Why. Completes "unable to read clock: ..".
    pub text: String,
    /// What to do.
    pub then: Then,
}

/// What to do after a [`Miss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Ask again.
    AskAgain,
    /// Ask at another address of the name, if there is one.
    AskElsewhere,
    /// Leave the server alone.
    AskNoMore,
}

impl Miss {
    /// Ask again.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), then: Then::AskAgain }
    }

    /// Nothing came.
    pub fn timed_out() -> Self {
        Self::of("timed out")
    }

    /// Something came that is no answer to our question.
    pub fn bad_format() -> Self {
        Self::of("bad response format")
    }

    /// What the network says.
    pub fn network(error: SocketError) -> Self {
        let elsewhere = matches!(error, SocketError::Refused | SocketError::Unreachable);
        let then = if elsewhere { Then::AskElsewhere } else { Then::AskAgain };
        Self { text: reason(&io::Error::from_raw_os_error(error.errno())), then }
    }
}

impl Asking {
    /// Asks by turns, each of which `ask` makes: at this address, waiting so long. Prints the adjustment.
    pub fn run(
        &self,
        service: Service,
        ask: impl FnMut(SocketAddr, Span) -> Result<Turn, Miss>,
    ) -> Result<(Outcome, Span), Fatal> {
        let estimate = self.estimate(service, ask)?;
        let adjustment = self.adjustment(service, &estimate)?;
        let unsayable = || Fatal::failed("unable to write an adjustment of so many seconds");
        let bytes = self.form().write(adjustment).ok_or_else(unsayable)?;
        let mut out = io::stdout().lock();
        out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| Fatal::unable("write", &error))?;
        Ok((Outcome::Yes, adjustment))
    }

    fn form(&self) -> Form {
        if self.s6 { Form::S6 } else { Form::Classic }
    }

    fn adjustment(&self, service: Service, estimate: &Estimate) -> Result<Span, Fatal> {
        let usual = if self.s6 { WIDTH_MAX_S6 } else { WIDTH_MAX };
        match estimate.adjustment(self.uncertainty.map_or(usual, millis)) {
            Ok(adjustment) => Ok(adjustment),
            // Where nothing was learned, there is nothing to be printed by force either.
            Err(TooUncertain { width }) if self.force && width < self.reach(service) * 2 => {
                warn(service.name, format!("{}: {:.3} s", TooUncertain { width }, width.as_seconds()));
                Ok(estimate.middle())
            }
            Err(error) => Err(Fatal::failed(error.to_string())),
        }
    }

    fn estimate(
        &self,
        service: Service,
        mut ask: impl FnMut(SocketAddr, Span) -> Result<Turn, Miss>,
    ) -> Result<Estimate, Fatal> {
        let mut places = self.places(service)?;
        let mut estimate = Estimate::within(self.reach(service));
        let (mut left, mut heard, mut due) = (self.rounds, 0_u32, clock::mono());
        let ends = self.total(places[0]).map(|total| due + total);
        let mut why = Miss::timed_out().text;
        while left > 0 {
            pause_until(due)?;
            let now = clock::mono();
            if ends.is_some_and(|ends| ends <= now) {
                break;
            }
            (left, due) = (left - 1, now + self.spacing(places[0]));
            let miss = match ask(places[0], self.patience()) {
                Ok(Turn { lower, upper }) => {
                    estimate.hear(lower, upper);
                    heard += 1;
                    continue;
                }
                Err(miss) => miss,
            };
            if self.verbosity > 0 {
                warn(service.name, format_args!("unable to read clock: {}", miss.text));
            }
            match miss.then {
                Then::AskElsewhere if heard == 0 && places.len() > 1 => {
                    places.remove(0);
                    (left, due) = (self.rounds, now);
                }
                Then::AskAgain | Then::AskElsewhere => {}
                Then::AskNoMore => left = 0,
            }
            why = miss.text;
        }
        if self.s6 && heard == 0 {
            let (server, place) = (service.server, self.host.at(self.port(service)));
            return Err(Fatal::no(format!("unable to contact {server} at {place}: {why}")));
        }
        Ok(estimate)
    }

    fn reach(&self, service: Service) -> Span {
        if self.s6 { service.reach_s6 } else { REACH }
    }

    fn places(&self, service: Service) -> Result<Vec<SocketAddr>, Fatal> {
        let address = self.host.at(self.port(service));
        let found = names::look_up(std::slice::from_ref(&address), self.family).pop();
        let found = found.expect("one name was asked for, so there is one answer");
        let (host, _) = address.host_and_port();
        found.map_err(|trouble| Fatal::failed(format!("unable to find an IP address for {host}: {trouble}")))
    }

    fn port(&self, service: Service) -> u16 {
        self.port.map_or(service.port, NonZeroU16::get)
    }

    fn patience(&self) -> Span {
        self.patience.map_or(if self.s6 { PATIENCE_S6 } else { PATIENCE }, millis)
    }

    fn spacing(&self, place: SocketAddr) -> Span {
        match (self.burst, self.throttle) {
            (true, _) => Span::ZERO,
            (false, Some(throttle)) => millis(throttle),
            (false, None) => spacing(place),
        }
    }

    fn total(&self, place: SocketAddr) -> Option<Span> {
        let pauses = self.spacing(place) * i64::from(self.rounds);
        self.total.map(millis).or(self.s6.then_some(TOTAL_S6 + pauses))
    }
}

fn millis(millis: u32) -> Span {
    Span::from_millis(millis.into())
}

/// Sleeps by poll(2) alone, which every harness knows.
pub fn pause_until(due: Time<Mono>) -> Result<(), Fatal> {
    let mut nothing: PollSet<()> = PollSet::new();
    while clock::mono() < due {
        nothing.wait(Some(due - clock::mono())).map_err(|error| Fatal::unable("wait", &error))?;
    }
    Ok(())
}

/// Waits until something can be read or the time is over; false if it is over.
pub fn wait(socket: BorrowedFd<'_>, ends: Time<Mono>) -> Result<bool, Miss> {
    let left = ends - clock::mono();
    if left <= Span::ZERO {
        return Ok(false);
    }
    let mut set = PollSet::new();
    set.add(socket, Interest::Read, ());
    set.wait(Some(left)).map(drop).map_err(|error| Miss::of(reason(&error)))?;
    Ok(true)
}

/// A host as the command line names it, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    address: Address,
    /// The port was named as well.
    with_port: bool,
}

impl Host {
    /// A name or an address, with or without a port. `0` is this host, as in the originals.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = if text == "0" { "127.0.0.1" } else { text };
        let address = Address::read(text).map_err(|error| format!("it {error}"))?;
        let with_port = match &address {
            Address::Name { .. } => text.contains(':'),
            Address::Literal(_) => text.parse::<SocketAddr>().is_ok(),
        };
        Ok(Self { address, with_port })
    }

    /// Where to ask, if the service has this port.
    pub fn at(&self, port: u16) -> Address {
        match (&self.address, self.with_port) {
            (address, true) => address.clone(),
            (Address::Name { host, .. }, false) => Address::Name { host: host.clone(), port },
            (Address::Literal(place), false) => Address::Literal(SocketAddr::new(place.ip(), port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        asking: Asking,
    }

    const SERVICE: Service =
        Service { name: "test", server: "test server", port: 4014, reach_s6: Span::from_secs(1_000_000) };

    fn asking(line: &str) -> Asking {
        Line::try_parse_from(std::iter::once("test").chain(line.split(' '))).expect(line).asking
    }

    fn adjustment(line: &str, answers: &[Result<Turn, Miss>]) -> Result<Span, Fatal> {
        let mut answers = answers.iter().cycle().cloned();
        let asking = asking(line);
        let estimate = asking.estimate(SERVICE, |_, _| answers.next().expect("they begin anew"))?;
        asking.adjustment(SERVICE, &estimate)
    }

    fn exact(seconds: i64) -> Result<Turn, Miss> {
        let (lower, upper) = (Span::from_secs(seconds), Span::from_secs(seconds) + Span::from_millis(1));
        Ok(Turn { lower, upper })
    }

    #[test]
    fn hosts_are_named_in_all_ways() {
        let at = |text| Host::read(text).map(|host| host.at(4014).to_string());
        for (text, place) in [
            ("192.0.2.1", "192.0.2.1:4014"),
            ("192.0.2.1:9", "192.0.2.1:9"),
            ("0", "127.0.0.1:4014"),
            ("::1", "[::1]:4014"),
            ("[::1]", "[::1]:4014"),
            ("[::1]:9", "[::1]:9"),
            ("master", "master:4014"),
            ("master.example:123", "master.example"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(place), "{text}");
        }
        for text in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0.0.0.0", "224.0.0.1", "a:b:c", "a:0", "a b"] {
            assert!(Host::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_question_is_a_turn() {
        let mut asked = 0;
        let turn = |_, patience| {
            asked += 1;
            assert_eq!(patience, Span::from_secs(1));
            Err(Miss::timed_out())
        };
        let estimate = asking("127.0.0.1 --burst -v 0").estimate(SERVICE, turn).unwrap();
        assert_eq!((asked, estimate), (10, Estimate::within(REACH)));
    }

    #[test]
    fn the_limits_are_those_of_the_family() {
        let days = |count: i64| exact(count * 86_400);
        assert!(adjustment("127.0.0.1 --burst", &[days(1)]).is_ok());
        let uncertain = Err(Fatal::failed("time uncertainty too large"));
        assert_eq!(adjustment("127.0.0.1 --burst", &[days(3)]), uncertain);
        assert!(adjustment("127.0.0.1 --burst --s6", &[days(3)]).is_ok());
        let wide = Ok(Turn { lower: Span::ZERO, upper: Span::from_millis(150) });
        assert_eq!(adjustment("127.0.0.1 --burst", std::slice::from_ref(&wide)), Ok(Span::from_millis(75)));
        assert_eq!(adjustment("127.0.0.1 --burst --s6", std::slice::from_ref(&wide)), uncertain);
        assert!(adjustment("127.0.0.1 --burst --s6 -e 200", std::slice::from_ref(&wide)).is_ok());
        assert!(adjustment("127.0.0.1 --burst --s6 -f", std::slice::from_ref(&wide)).is_ok());
        assert_eq!(adjustment("127.0.0.1 --burst -e 100", &[wide]), uncertain);
    }

    #[test]
    fn force_makes_nothing_out_of_nothing() {
        let uncertain = Err(Fatal::failed("time uncertainty too large"));
        assert_eq!(adjustment("127.0.0.1 --burst -f -v 0", &[Err(Miss::timed_out())]), uncertain);
        assert_eq!(adjustment("127.0.0.1 --burst -f", &[exact(172_900)]), uncertain);
    }

    #[test]
    fn s6_says_no_where_nobody_answers() {
        let silence = [Err(Miss::timed_out())];
        let no = adjustment("127.0.0.1:9 --burst --s6 -v 0", &silence);
        assert_eq!(no, Err(Fatal::no("unable to contact test server at 127.0.0.1:9: timed out")));
    }

    #[test]
    fn who_sends_us_away_is_not_asked_again() {
        let mut asked = 0;
        let turn = |_, _| {
            asked += 1;
            Err(Miss { text: "go away".to_owned(), then: Then::AskNoMore })
        };
        asking("127.0.0.1 --burst -v 0").estimate(SERVICE, turn).unwrap();
        assert_eq!(asked, 1);
    }

    #[test]
    fn time_is_up_when_it_was_said_to_be() {
        let mut asked = 0;
        let turn = |_, _| {
            asked += 1;
            exact(0)
        };
        asking("127.0.0.1 -h 60 -T 100 -r 100").estimate(SERVICE, turn).unwrap();
        assert!((1..=2).contains(&asked), "{asked}");
    }
}
