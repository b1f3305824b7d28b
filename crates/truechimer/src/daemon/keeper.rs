//! The keeper of the kernel's clock: the one process that may set it, and cannot be reached from the network.
//!
//! It is forked before anything else, keeps CAP_SYS_TIME and nothing more, and hears nobody but the daemon, by a
//! socket pair. It believes nothing: each command is judged by rules that need no trust in the asker, and vetoed if
//! it breaks them. A slew is a rate that somebody has to end: if the daemon dies in the middle of one, the keeper lets
//! the clock run at the rate of the last model before it ends too.
//!
//! **Invariant:** nothing that comes from the network is ever parsed here.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use truechimer_core::event::SteeringFault;
use truechimer_core::keeping::{Ledger, Rules, judge};
use truechimer_core::moment::Moment;
use truechimer_core::node::Steering;
use truechimer_core::node::report::Publication;
use truechimer_sys::adjust::{Leap, StatusReport};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::process::{Channel, Child, Message, outlive_parent, spawn_child};
use truechimer_sys::{adjust, capability, clock, file, system};
use truechimer_time::{LeapKind, Mono, Rate, Span, Time};

use super::clock::{fault, steer_kernel};
use crate::page::moment;

/// The kernel clock counts as synchronised while it cannot be further off than this.
const SYNCHRONISED_LIMIT: Span = Span::from_secs(1);

/// A keeper that does not answer for so long is gone.
const PATIENCE: Span = Span::from_secs(2);

/// The ledger's name in the state folder.
const LEDGER: &str = "steps";

/// A ledger is no longer than this.
const LEDGER_LENGTH_MAX: usize = 1024;

/// Messages are this long, both ways: a number, and what is said.
const MESSAGE_LEN: usize = 8 + BODY_LEN;
const BODY_LEN: usize = 1 + 16 + 16 + 8;

/// The daemon's end.
pub struct Keeper {
    child: Child,
    line: Line,
    rest: Option<Rate>,
}

impl Drop for Keeper {
    /// The keeper is killed with this value; what it would do at the daemon's death is to be done before.
    fn drop(&mut self) {
        if let Some(rate) = self.rest {
            // There is nobody to tell of a failure any more.
            let _steered = self.steer(Steering::Rate(rate));
        }
    }
}

/// What the kernel is told about its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    synchronised: bool,
    maxerror: Span,
    esterror: Span,
    tai_offset: Option<u16>,
    leap: Option<LeapKind>,
}

impl Report {
    /// What a publication means for the kernel's clock.
    pub fn of(publication: &Publication) -> Self {
        let unknown = adjust::ERROR_LIMIT;
        Self {
            synchronised: publication.is_synchronised(SYNCHRONISED_LIMIT),
            maxerror: publication.max_error().unwrap_or(unknown),
            esterror: publication.likely_error().unwrap_or(unknown),
            // Around a leap second the kernel changes it by itself.
            tai_offset: publication
                .tai_minus_utc
                .filter(|_| !publication.is_near_leap)
                .and_then(|offset| u16::try_from(offset).ok()),
            leap: publication.leap,
        }
    }

    /// The same in the kernel's terms.
    pub fn status(&self) -> StatusReport {
        StatusReport {
            synchronised: self.synchronised,
            maxerror: self.maxerror,
            esterror: self.esterror,
            tai_offset: self.tai_offset,
            leap: match self.leap {
                None => Leap::None,
                Some(LeapKind::Inserted) => Leap::Insert,
                Some(LeapKind::Deleted) => Leap::Delete,
            },
        }
    }
}

/// Reads the ledger of this boot. One that cannot be read counts as full, because a budget that damage can refill is none.
fn load(path: &Path, boot: &str) -> Ledger {
    match file::load(path, LEDGER_LENGTH_MAX) {
        Ok(bytes) => Ledger::parse(&String::from_utf8_lossy(&bytes), boot),
        Err(error) if error.is_missing() => Ledger::new(boot),
        Err(_) => Ledger::full(boot),
    }
}

fn save(ledger: &Ledger, path: &Path) -> Result<(), file::FileError> {
    file::save(path, ledger.to_string().as_bytes(), 0o600)
}

/// Gives the keeper of this state folder its whole budget of steps again.
pub fn renew_budget(folder: &Path) -> Result<(), file::FileError> {
    let boot = system::boot_id().unwrap_or_default();
    save(&Ledger::new(&boot), &folder.join(LEDGER))
}

impl Keeper {
    /// Splits the keeper of the ledger in this folder off. To be called before any thread is started.
    pub fn start(rules: Rules, folder: &Path) -> io::Result<Self> {
        let ledger = folder.join(LEDGER);
        let child = spawn_child(move |daemon| live(&daemon, rules, ledger))?;
        Ok(Self { child, line: Line::new(PATIENCE), rest: None })
    }

    /// Has a command carried out. Returns the rate that the clock has then.
    pub fn steer(&mut self, command: Steering) -> Result<Rate, SteeringFault> {
        self.ask(&Request::Steer(command))
    }

    /// Has the kernel told how good its clock is.
    pub fn report(&mut self, report: &Report) -> Result<(), SteeringFault> {
        self.ask(&Request::Report(*report)).map(drop)
    }

    /// Leaves word of the rate that the clock shall have when the daemon is gone.
    pub fn rest_at(&mut self, rate: Rate) -> Result<(), SteeringFault> {
        if self.rest == Some(rate) {
            return Ok(());
        }
        self.ask(&Request::Rest(rate))?;
        self.rest = Some(rate);
        Ok(())
    }

    fn ask(&mut self, request: &Request) -> Result<Rate, SteeringFault> {
        self.line.exchange(&self.child.channel, request).unwrap_or(Err(SteeringFault::KeeperLost))
    }
}

/// The daemon's side of the conversation. An answer bears the number of its question, so that one that comes too late
/// (the disk of the ledger was busy) is not taken for the answer to the next.
struct Line {
    poll: PollSet<()>,
    patience: Span,
    asked: u64,
}

impl Line {
    fn new(patience: Span) -> Self {
        Self { poll: PollSet::new(), patience, asked: 0 }
    }

    fn exchange(&mut self, channel: &Channel, request: &Request) -> io::Result<Result<Rate, SteeringFault>> {
        self.asked += 1;
        channel.send(&numbered(self.asked, request.to_bytes()))?;
        let deadline = clock::mono() + self.patience;
        loop {
            let mut bytes = [0; MESSAGE_LEN];
            match channel.receive(&mut bytes) {
                Ok(Message::Whole(MESSAGE_LEN)) => match unnumbered(&bytes) {
                    (number, body) if number == self.asked => return Ok(outcome_of(&body)),
                    (_late, _body) => {}
                },
                Ok(Message::Whole(_) | Message::End) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(channel, deadline)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&mut self, channel: &Channel, deadline: Time<Mono>) -> io::Result<()> {
        let left = deadline - clock::mono();
        if left <= Span::ZERO {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.poll.clear();
        self.poll.add(channel.as_fd(), Interest::Read, ());
        self.poll.wait(Some(left)).map(drop)
    }
}

/// What the daemon asks of its keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Steer(Steering),
    Report(Report),
    Rest(Rate),
}

impl Request {
    /// ```text
    ///   0        1                17               33
    ///   | kind   | first, as      | second, as     | bits   |
    ///   | rate:  | rate           |                |        |
    ///   | step:  | by             |                |        |
    ///   | mend:  | by             |                |        |
    ///   | rest:  | rate           |                |        |
    ///   | report:| maxerror       | esterror       | synchronised, leap, knows TAI, TAI offset |
    /// ```
    fn to_bytes(self) -> [u8; BODY_LEN] {
        match self {
            Self::Steer(Steering::Rate(rate)) => message(0, rate_span(rate), Span::ZERO, 0),
            Self::Steer(Steering::Step(by)) => message(1, by, Span::ZERO, 0),
            Self::Steer(Steering::Mend(by)) => message(4, by, Span::ZERO, 0),
            Self::Rest(rate) => message(3, rate_span(rate), Span::ZERO, 0),
            Self::Report(report) => message(2, report.maxerror, report.esterror, report.bits()),
        }
    }

    fn of_bytes(bytes: &[u8; BODY_LEN]) -> Option<Self> {
        let (kind, first, second, bits) = parts(bytes);
        match kind {
            0 => span_rate(first).map(|rate| Self::Steer(Steering::Rate(rate))),
            1 => Some(Self::Steer(Steering::Step(first))),
            2 => Report::of_bits(first, second, bits).map(Self::Report),
            3 => span_rate(first).map(Self::Rest),
            4 => Some(Self::Steer(Steering::Mend(first))),
            _ => None,
        }
    }
}

impl Report {
    fn bits(&self) -> u64 {
        let leap = match self.leap {
            None => 0,
            Some(LeapKind::Inserted) => 1,
            Some(LeapKind::Deleted) => 2,
        };
        let tai = self.tai_offset.map_or(0, |offset| 1 << 3 | u64::from(offset) << 16);
        u64::from(self.synchronised) | leap << 1 | tai
    }

    fn of_bits(maxerror: Span, esterror: Span, bits: u64) -> Option<Self> {
        let leap = match bits >> 1 & 0b11 {
            0 => None,
            1 => Some(LeapKind::Inserted),
            2 => Some(LeapKind::Deleted),
            _ => return None,
        };
        let tai_offset = (bits & 1 << 3 != 0).then_some((bits >> 16) as u16);
        Some(Self { synchronised: bits & 1 != 0, maxerror, esterror, tai_offset, leap })
    }
}

/// A rate as what it gains in a second.
fn rate_span(rate: Rate) -> Span {
    Span::from_attos(rate.as_attos_per_second().into())
}

fn span_rate(gained: Span) -> Option<Rate> {
    i64::try_from(gained.as_attos()).ok().map(Rate::from_attos_per_second)
}

/// A message: the number of the question in eight bytes, and what is said.
fn numbered(number: u64, body: [u8; BODY_LEN]) -> [u8; MESSAGE_LEN] {
    let mut bytes = [0; MESSAGE_LEN];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&body);
    bytes
}

fn unnumbered(bytes: &[u8; MESSAGE_LEN]) -> (u64, [u8; BODY_LEN]) {
    let number = u64::from_le_bytes(core::array::from_fn(|i| bytes[i]));
    (number, core::array::from_fn(|i| bytes[8 + i]))
}

fn message(kind: u8, first: Span, second: Span, bits: u64) -> [u8; BODY_LEN] {
    let mut bytes = [0; BODY_LEN];
    bytes[0] = kind;
    bytes[1..17].copy_from_slice(&first.as_attos().to_le_bytes());
    bytes[17..33].copy_from_slice(&second.as_attos().to_le_bytes());
    bytes[33..].copy_from_slice(&bits.to_le_bytes());
    bytes
}

fn parts(bytes: &[u8; BODY_LEN]) -> (u8, Span, Span, u64) {
    let span = |at: usize| Span::from_attos(i128::from_le_bytes(core::array::from_fn(|i| bytes[at + i])));
    (bytes[0], span(1), span(17), u64::from_le_bytes(core::array::from_fn(|i| bytes[33 + i])))
}

/// The answer: the rate that the clock has, or a fault by its number.
fn answer(outcome: Result<Rate, SteeringFault>) -> [u8; BODY_LEN] {
    match outcome {
        Ok(rate) => message(0, rate_span(rate), Span::ZERO, 0),
        Err(SteeringFault::NotPermitted) => message(1, Span::ZERO, Span::ZERO, 0),
        Err(SteeringFault::Invalid) => message(2, Span::ZERO, Span::ZERO, 0),
        Err(SteeringFault::Vetoed) => message(3, Span::ZERO, Span::ZERO, 0),
        Err(SteeringFault::KeeperLost) => message(5, Span::ZERO, Span::ZERO, 0),
        Err(SteeringFault::Spent) => message(6, Span::ZERO, Span::ZERO, 0),
        Err(SteeringFault::Other(errno)) => {
            message(4, Span::ZERO, Span::ZERO, u64::from(errno.unsigned_abs()))
        }
    }
}

fn outcome_of(bytes: &[u8; BODY_LEN]) -> Result<Rate, SteeringFault> {
    let (kind, first, _, bits) = parts(bytes);
    match kind {
        0 => Ok(Rate::from_attos_per_second(first.as_attos() as i64)),
        1 => Err(SteeringFault::NotPermitted),
        2 => Err(SteeringFault::Invalid),
        3 => Err(SteeringFault::Vetoed),
        5 => Err(SteeringFault::KeeperLost),
        6 => Err(SteeringFault::Spent),
        _ => Err(SteeringFault::Other(bits as i32)),
    }
}

/// The keeper's life: answers until the daemon is gone, and then puts the clock to rest.
fn live(daemon: &Channel, rules: Rules, ledger: PathBuf) -> i32 {
    let is_ready = capability::drop_capabilities_but(&[capability::Capability::SetTime])
        .and_then(|()| outlive_parent())
        .is_ok();
    let mut guard = Guard { rules, ledger, boot: system::boot_id().unwrap_or_default(), rest: None };
    let ended = if is_ready { guard.converse(daemon) } else { 111 };
    match guard.rest.map(|rate| steer_kernel(Steering::Rate(rate))) {
        None | Some(Ok(_)) => ended,
        Some(Err(_)) => 111,
    }
}

/// The keeper's own: what it judges by, and the rate that the clock shall have without the daemon.
struct Guard {
    rules: Rules,
    ledger: PathBuf,
    boot: String,
    rest: Option<Rate>,
}

impl Guard {
    fn converse(&mut self, daemon: &Channel) -> i32 {
        loop {
            let mut bytes = [0; MESSAGE_LEN];
            match daemon.receive(&mut bytes) {
                Ok(Message::Whole(MESSAGE_LEN)) => {}
                Ok(Message::Whole(_)) => return 111,
                Ok(Message::End) => return 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return 111,
            }
            let (number, body) = unnumbered(&bytes);
            let request = Request::of_bytes(&body);
            let outcome = request.map_or(Err(SteeringFault::Vetoed), |request| self.serve(request));
            if daemon.send(&numbered(number, answer(outcome))).is_err() {
                return 0;
            }
        }
    }

    fn serve(&mut self, request: Request) -> Result<Rate, SteeringFault> {
        match request {
            Request::Steer(command) => self.steer(command),
            Request::Report(report) => {
                adjust::set_status(&report.status()).map(|_| Rate::ZERO).map_err(fault)
            }
            Request::Rest(rate) => self.rest_at(rate),
        }
    }

    /// Judged as if it were to be done now.
    fn rest_at(&mut self, rate: Rate) -> Result<Rate, SteeringFault> {
        judge(&self.rules, &Ledger::new(&self.boot), Steering::Rate(rate), &now())?;
        self.rest = Some(rate);
        Ok(rate)
    }

    /// Writes a step down before it is made: a power cut between the two costs a step of the budget, never gives one.
    fn steer(&self, command: Steering) -> Result<Rate, SteeringFault> {
        let now = now();
        let mut ledger = load(&self.ledger, &self.boot);
        judge(&self.rules, &ledger, command, &now)?;
        if let Steering::Step(_) | Steering::Mend(_) = command {
            ledger.enter(command, &now);
            save(&ledger, &self.ledger).map_err(|_| SteeringFault::Vetoed)?;
        }
        steer_kernel(command).map_err(fault)
    }
}

fn now() -> Moment {
    moment(&clock::readings())
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_core::policy::{ClockPolicy, MENDS_MAX, Mending, TrustPolicy};

    fn rules() -> Rules {
        let floor = Time::from_epoch(Span::from_secs(1_700_000_000));
        let mending = Some(Mending { longest: Span::from_secs(3600), per_day: 3 });
        let policy = ClockPolicy { mending, ..ClockPolicy::default() };
        Rules::new(&policy, &TrustPolicy::default(), floor)
    }

    fn at_noon() -> Moment {
        Moment { local: Time::from_epoch(Span::from_secs(1_790_000_000)), ..now() }
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        let report = Report {
            synchronised: true,
            maxerror: Span::from_micros(1234),
            esterror: Span::from_attos(1),
            tai_offset: Some(37),
            leap: Some(LeapKind::Deleted),
        };
        let blank = Report { synchronised: false, tai_offset: None, leap: None, ..report };
        let requests = [
            Request::Steer(Steering::Rate(Rate::from_ppb(-60_123))),
            Request::Steer(Steering::Step(Span::from_secs(-5))),
            Request::Steer(Steering::Mend(Span::from_secs(60))),
            Request::Report(report),
            Request::Report(blank),
            Request::Rest(Rate::from_ppb(-60_123)),
        ];
        for request in requests {
            assert_eq!(Request::of_bytes(&request.to_bytes()), Some(request));
        }
        let faults = [SteeringFault::Vetoed, SteeringFault::Spent, SteeringFault::NotPermitted];
        let others = [SteeringFault::Other(28), SteeringFault::KeeperLost, SteeringFault::Invalid];
        for outcome in faults.into_iter().chain(others).map(Err).chain([Ok(Rate::from_ppb(9))]) {
            assert_eq!(outcome_of(&answer(outcome)), outcome);
        }
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_answer_to_the_next_question() {
        let (near, far) = Channel::pair().unwrap();
        near.set_nonblocking().unwrap();
        let mut line = Line::new(Span::from_millis(1));
        let rates = [1, 2].map(Rate::from_ppb);
        let ask = |line: &mut Line| line.exchange(&near, &Request::Steer(Steering::Step(Span::ZERO)));
        assert_eq!(ask(&mut line).unwrap_err().kind(), io::ErrorKind::TimedOut);
        for (number, rate) in (1..).zip(rates) {
            far.send(&numbered(number, answer(Ok(rate)))).unwrap();
        }
        assert_eq!(ask(&mut line).unwrap(), Ok(rates[1]));
    }

    /// Bad input 132: whatever bytes come, they are a request or nothing.
    #[test]
    fn bad_input_132_any_bytes_are_a_request_that_is_judged_or_nothing() {
        for kind in 0..=255 {
            for fill in [0x00, 0x7f, 0x80, 0xff] {
                let mut bytes = [fill; BODY_LEN];
                bytes[0] = kind;
                if let Some(Request::Steer(command)) = Request::of_bytes(&bytes) {
                    let now = at_noon();
                    let is_mild = match command {
                        Steering::Rate(rate) => rate.abs() <= rules().rate_max,
                        Steering::Step(by) => now.local + by >= rules().floor,
                        Steering::Mend(by) => by.abs() <= Span::from_secs(3600),
                    };
                    assert_eq!(judge(&rules(), &Ledger::new("boot"), command, &now).is_ok(), is_mild);
                }
            }
        }
    }

    /// Bad input 110: what is in the ledger outlives the keeper.
    #[test]
    fn bad_input_110_a_ledger_is_read_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LEDGER);
        assert_eq!(load(&path, "boot"), Ledger::new("boot"), "there is none yet");
        let mut ledger = Ledger::new("boot");
        let (mend, up) = (Steering::Mend(Span::from_secs(60)), Moment { asleep: Span::ZERO, ..at_noon() });
        let up = Moment { raw: Time::from_epoch(Span::from_secs(5000)), ..up };
        ledger.enter(Steering::Step(Span::from_secs(1)), &up);
        for _ in 0..MENDS_MAX {
            ledger.enter(mend, &up);
        }
        save(&ledger, &path).unwrap();
        assert_eq!(load(&path, "boot"), ledger);
        assert_eq!(judge(&rules(), &load(&path, "boot"), mend, &up), Err(SteeringFault::Spent));
        std::fs::write(&path, [b'9'; 2 * LEDGER_LENGTH_MAX]).unwrap();
        assert_eq!(load(&path, "boot"), Ledger::full("boot"), "too long to be one");
    }

    #[test]
    fn the_clock_is_never_left_at_a_rate_that_it_might_not_be_given() {
        let limit = rules().rate_max;
        let ledger = PathBuf::from("/nonexistent/steps");
        let mut guard = Guard { rules: rules(), ledger, boot: "boot".to_owned(), rest: None };
        let beyond = limit + Rate::from_ppb(1);
        assert_eq!(guard.rest_at(limit), Ok(limit));
        assert_eq!(guard.rest_at(beyond), Err(SteeringFault::Vetoed));
        assert_eq!(guard.rest, Some(limit));
    }
}
