//! The record of a life: every happening as a line of text, and what was made of it.
//!
//! Lines that begin with `i` hold what came in, to the last bit; fed to a node of the same birth they make the same
//! decisions again. Lines that begin with `m`, `x` and `u` hold what came of it, for people and for comparison. All
//! times are decimal seconds with all their digits, all rates whole parts in 10¹⁸. The columns:
//!
//! ```text
//! i mono raw local asleep width  wake
//! i ..                           resolved source address[,address]..|-
//! i ..                           agreed source aead length[,length].. address[,address]..
//! i ..                           agreed source not why
//! i ..                           here exchange address own|other
//! i ..                           sent exchange raw kernel|program
//! i ..                           unsent exchange errno
//! i ..                           heard exchange from raw kernel|program hex
//! i ..                           vouched exchange from raw kernel|program hex own length[,length]..|-
//! i ..                           vouched exchange from raw kernel|program hex nak
//! i ..                           vouched exchange from raw kernel|program hex not why
//! i ..                           read source clock raw shown raw blur
//! i ..                           read source pulse raw phase blur
//! i ..                           read source told raw utc blur leap
//! i ..                           read source not why
//! i ..                           steered rate|step value ok|fault rate|fault
//! i ..                           ordered burst|rest|step
//! m source t1 t2 t3 t4 offset delay distance taken|suspect|surprise
//! x source why it was not used
//! p source interval questions answers
//! u raw tai offset rate sigma bound status truechimers falsetickers verdict
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::SocketAddr;
use core::str::{FromStr, SplitAsciiWhitespace};

use truechimer_time::{Rate, Span, Time};

use crate::discipline::estimator::Reception;
use crate::discipline::servo::Verdict;
use crate::event::{Interruption, Measurement, Paced, SteeringFault, Update};
use crate::measure::exchange::{Here, Refusal};
use crate::measure::reference::Misreading;
use crate::moment::{Moment, Stamp, StampedBy};
use crate::node::{Input, Order, Steering};
use crate::source::association::{ADDRESSES_MAX, ExchangeId};
use crate::source::schedule::Traffic;
use crate::source::{SourceId, SourceSet};
use crate::status::Status;

mod protected;
mod reading;

/// The longest line that is read. The longest that is written holds one datagram in hex.
pub const LINE_MAX: usize = 8192;

/// What came in, as a line without its end.
pub fn input_line(now: &Moment, input: &Input) -> String {
    let mut line = String::new();
    let Moment { mono, raw, local, asleep, width } = now;
    let head = write!(line, "i {mono} {raw} {local} {asleep} {width} ");
    let rest = write_input(&mut line, input);
    assert!(head.and(rest).is_ok(), "writing to a string does not fail");
    line
}

fn write_input(line: &mut String, input: &Input) -> fmt::Result {
    match input {
        Input::Wake => write!(line, "wake"),
        Input::Resolved { source, addresses } => {
            write!(line, "resolved {} ", source.0)?;
            write_list(line, addresses)
        }
        Input::Agreed { source, outcome } => {
            write!(line, "agreed {} ", source.0)?;
            protected::write_outcome(line, outcome)
        }
        Input::Here { exchange, here } => {
            let whose = if here.is_own_server { "own" } else { "other" };
            write!(line, "here {} {} {whose}", exchange.0, here.address)
        }
        Input::Sent { exchange, at } => {
            write!(line, "sent {} {} {}", exchange.0, at.at, stamper(at.by))
        }
        Input::Unsent { exchange, errno } => write!(line, "unsent {} {errno}", exchange.0),
        Input::Heard { exchange, from, at, datagram } => {
            write!(line, "heard {} {from} {} {} ", exchange.0, at.at, stamper(at.by))?;
            write_hex(line, datagram)
        }
        Input::Vouched { exchange, from, at, datagram, proof } => {
            write!(line, "vouched {} {from} {} {} ", exchange.0, at.at, stamper(at.by))?;
            write_hex(line, datagram)?;
            protected::write_proof(line, proof)
        }
        Input::Read { source, reading } => {
            write!(line, "read {} ", source.0)?;
            reading::write(line, reading)
        }
        Input::Steered { command, outcome } => {
            match command {
                Steering::Rate(rate) => write!(line, "steered rate {} ", rate.as_attos_per_second())?,
                Steering::Step(by) => write!(line, "steered step {by} ")?,
                Steering::Mend(by) => write!(line, "steered mend {by} ")?,
            }
            match outcome {
                Ok(rate) => write!(line, "ok {}", rate.as_attos_per_second()),
                Err(fault) => write!(line, "fault {}", fault_code(*fault)),
            }
        }
        Input::Temperature { millidegrees } => write!(line, "temperature {millidegrees}"),
        Input::Interrupted(Interruption::Paused { by }) => write!(line, "interrupted paused {by}"),
        Input::Interrupted(Interruption::Moved) => write!(line, "interrupted moved"),
        Input::Interrupted(Interruption::Recounted) => write!(line, "interrupted recounted"),
        Input::NetworkChanged => write!(line, "network"),
        Input::Starved { late } => write!(line, "starved {late}"),
        Input::Ordered(Order::Burst) => write!(line, "ordered burst"),
        Input::Ordered(Order::Rest) => write!(line, "ordered rest"),
        Input::Ordered(Order::Step) => write!(line, "ordered step"),
    }
}

fn write_list(line: &mut String, addresses: &[SocketAddr]) -> fmt::Result {
    for (index, address) in addresses.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(line, "{comma}{address}")?;
    }
    if addresses.is_empty() { write!(line, "-") } else { Ok(()) }
}

fn write_hex(line: &mut String, bytes: &[u8]) -> fmt::Result {
    if bytes.is_empty() {
        return write!(line, "-");
    }
    bytes.iter().try_for_each(|byte| write!(line, "{byte:02x}"))
}

fn stamper(by: StampedBy) -> &'static str {
    match by {
        StampedBy::Kernel => "kernel",
        StampedBy::Program => "program",
    }
}

/// A fault by number: the system's own where there is one, 0 for a veto of the keeper and 32 (EPIPE) for its loss.
fn fault_code(fault: SteeringFault) -> i32 {
    match fault {
        SteeringFault::Vetoed => 0,
        SteeringFault::NotPermitted => 1,
        SteeringFault::Invalid => 22,
        SteeringFault::KeeperLost => 32,
        SteeringFault::Spent => 122,
        SteeringFault::Other(errno) => errno,
    }
}

fn fault_of(code: i32) -> SteeringFault {
    match code {
        0 => SteeringFault::Vetoed,
        1 => SteeringFault::NotPermitted,
        22 => SteeringFault::Invalid,
        32 => SteeringFault::KeeperLost,
        122 => SteeringFault::Spent,
        errno => SteeringFault::Other(errno),
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, t1, t2, t3, t4, offset, delay, distance, reception } = self;
        let word = match reception {
            Reception::Taken => "taken",
            Reception::Suspect => "suspect",
            Reception::Surprise => "surprise",
        };
        write!(f, "m {} {t1} {t2} {t3} {t4} {offset} {delay} {distance} {word}", source.0)
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, interval, traffic: Traffic { questions, answers } } = self;
        write!(f, "p {} {interval} {questions} {answers}", source.0)
    }
}

/// A reading that was not used, as a line.
pub fn misreading_line(source: SourceId, misreading: Misreading) -> String {
    alloc::format!("x {} {misreading}", source.0)
}

/// A datagram that was not used, as a line.
pub fn refusal_line(source: SourceId, refusal: Refusal) -> String {
    alloc::format!("x {} {refusal}", source.0)
}

/// An update of the model and what the clock was told, as a line.
pub fn update_line(update: &Update, status: Status) -> String {
    let Update { raw, tai, offset, rate, sigma, bound, truechimers, falsetickers, verdict } = update;
    let (rate, good, bad) = (rate.as_attos_per_second(), set(*truechimers), set(*falsetickers));
    let verdict = match verdict {
        Verdict::Hold => String::from("hold"),
        Verdict::Slew { by, over } => alloc::format!("slew {by} {over}"),
        Verdict::Step { by } | Verdict::Mend { by } => alloc::format!("step {by}"),
        Verdict::Refuse { error } => alloc::format!("refuse {error}"),
    };
    alloc::format!("u {raw} {tai} {offset} {rate} {sigma} {bound} {status} {good} {bad} {verdict}")
}

fn set(sources: SourceSet) -> String {
    let numbers: Vec<String> = sources.iter().map(|index| alloc::format!("{index}")).collect();
    if numbers.is_empty() { String::from("-") } else { numbers.join(",") }
}

/// Why a line is not an input line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It is longer than [`LINE_MAX`].
    TooLong,
    /// It does not begin with `i`.
    NotAnInput,
    /// A column is missing.
    Missing(&'static str),
    /// A column cannot be read.
    Unreadable(&'static str),
    /// There is more behind the last column.
    Surplus,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is longer than {LINE_MAX} bytes"),
            Self::NotAnInput => f.write_str("the line does not begin with \"i\""),
            Self::Missing(column) => write!(f, "the column \"{column}\" is missing"),
            Self::Unreadable(column) => write!(f, "the column \"{column}\" cannot be read"),
            Self::Surplus => f.write_str("there is more on the line than belongs there"),
        }
    }
}

impl core::error::Error for RecordError {}

/// Reads what [`input_line`] wrote.
pub fn parse_input(line: &str) -> Result<(Moment, Input), RecordError> {
    if line.len() > LINE_MAX {
        return Err(RecordError::TooLong);
    }
    let mut columns = Columns(line.split_ascii_whitespace());
    if columns.0.next() != Some("i") {
        return Err(RecordError::NotAnInput);
    }
    let now = Moment {
        mono: columns.time("mono")?,
        raw: columns.time("raw")?,
        local: columns.time("local")?,
        asleep: columns.parse("asleep")?,
        width: columns.parse("width")?,
    };
    let input = columns.input()?;
    match columns.0.next() {
        None => Ok((now, input)),
        Some(_) => Err(RecordError::Surplus),
    }
}

struct Columns<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Columns<'a> {
    fn word(&mut self, name: &'static str) -> Result<&'a str, RecordError> {
        self.0.next().ok_or(RecordError::Missing(name))
    }

    fn parse<T: FromStr>(&mut self, name: &'static str) -> Result<T, RecordError> {
        self.word(name)?.parse().map_err(|_| RecordError::Unreadable(name))
    }

    fn time<S>(&mut self, name: &'static str) -> Result<Time<S>, RecordError> {
        self.parse::<Span>(name).map(Time::from_epoch)
    }

    fn rate(&mut self, name: &'static str) -> Result<Rate, RecordError> {
        self.parse(name).map(Rate::from_attos_per_second)
    }

    fn stamp(&mut self) -> Result<Stamp, RecordError> {
        let at = self.time("stamp")?;
        match self.word("stamped by")? {
            "kernel" => Ok(Stamp { at, by: StampedBy::Kernel }),
            "program" => Ok(Stamp { at, by: StampedBy::Program }),
            _ => Err(RecordError::Unreadable("stamped by")),
        }
    }

    fn input(&mut self) -> Result<Input, RecordError> {
        Ok(match self.word("happening")? {
            "wake" => Input::Wake,
            "resolved" => {
                Input::Resolved { source: SourceId(self.parse("source")?), addresses: self.list()? }
            }
            "agreed" => Input::Agreed { source: SourceId(self.parse("source")?), outcome: self.agreement()? },
            "here" => Input::Here { exchange: ExchangeId(self.parse("exchange")?), here: self.here()? },
            "sent" => Input::Sent { exchange: ExchangeId(self.parse("exchange")?), at: self.stamp()? },
            "unsent" => {
                Input::Unsent { exchange: ExchangeId(self.parse("exchange")?), errno: self.parse("errno")? }
            }
            "heard" => Input::Heard {
                exchange: ExchangeId(self.parse("exchange")?),
                from: self.parse("from")?,
                at: self.stamp()?,
                datagram: self.hex()?,
            },
            "vouched" => Input::Vouched {
                exchange: ExchangeId(self.parse("exchange")?),
                from: self.parse("from")?,
                at: self.stamp()?,
                datagram: self.hex()?,
                proof: self.proof()?,
            },
            "read" => Input::Read { source: SourceId(self.parse("source")?), reading: self.reading()? },
            "steered" => Input::Steered { command: self.command()?, outcome: self.outcome()? },
            "temperature" => Input::Temperature { millidegrees: self.parse("millidegrees")? },
            "interrupted" => Input::Interrupted(self.interruption()?),
            "network" => Input::NetworkChanged,
            "starved" => Input::Starved { late: self.parse("late")? },
            "ordered" => Input::Ordered(self.order()?),
            _ => return Err(RecordError::Unreadable("happening")),
        })
    }

    fn interruption(&mut self) -> Result<Interruption, RecordError> {
        match self.word("interruption")? {
            "paused" => Ok(Interruption::Paused { by: self.parse("by")? }),
            "moved" => Ok(Interruption::Moved),
            "recounted" => Ok(Interruption::Recounted),
            _ => Err(RecordError::Unreadable("interruption")),
        }
    }

    fn here(&mut self) -> Result<Here, RecordError> {
        let address = self.parse("address")?;
        match self.word("whose server")? {
            "own" => Ok(Here { address, is_own_server: true }),
            "other" => Ok(Here { address, is_own_server: false }),
            _ => Err(RecordError::Unreadable("whose server")),
        }
    }

    fn list(&mut self) -> Result<Vec<SocketAddr>, RecordError> {
        let word = self.word("addresses")?;
        if word == "-" {
            return Ok(Vec::new());
        }
        let address = |text: &str| text.parse().map_err(|_| RecordError::Unreadable("addresses"));
        word.split(',').take(ADDRESSES_MAX).map(address).collect()
    }

    fn hex(&mut self) -> Result<Vec<u8>, RecordError> {
        let word = self.word("datagram")?;
        if word == "-" {
            return Ok(Vec::new());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(RecordError::Unreadable("datagram"));
        let pair = |pair: &[u8]| match *pair {
            [high, low] => Ok((digit(high)? * 16 + digit(low)?) as u8),
            _ => Err(RecordError::Unreadable("datagram")),
        };
        word.as_bytes().chunks(2).map(pair).collect()
    }

    fn command(&mut self) -> Result<Steering, RecordError> {
        match self.word("command")? {
            "rate" => self.rate("rate").map(Steering::Rate),
            "step" => self.parse("step").map(Steering::Step),
            "mend" => self.parse("mend").map(Steering::Mend),
            _ => Err(RecordError::Unreadable("command")),
        }
    }

    fn outcome(&mut self) -> Result<Result<Rate, SteeringFault>, RecordError> {
        match self.word("outcome")? {
            "ok" => self.rate("rate").map(Ok),
            "fault" => self.parse("fault").map(|code| Err(fault_of(code))),
            _ => Err(RecordError::Unreadable("outcome")),
        }
    }

    fn order(&mut self) -> Result<Order, RecordError> {
        match self.word("order")? {
            "burst" => Ok(Order::Burst),
            "rest" => Ok(Order::Rest),
            "step" => Ok(Order::Step),
            _ => Err(RecordError::Unreadable("order")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn now() -> Moment {
        Moment {
            mono: Time::from_epoch(Span::from_nanos(1_234_567_891)),
            raw: Time::from_epoch(Span::from_attos(1_234_567_890_000_000_001)),
            local: Time::from_epoch(Span::from_secs(1_790_000_000)),
            asleep: Span::ZERO,
            width: Span::from_nanos(80),
        }
    }

    fn inputs() -> Vec<Input> {
        let at = Stamp { at: Time::from_epoch(Span::from_attos(-5)), by: StampedBy::Kernel };
        let (v4, v6) = ("192.0.2.1:123".parse().expect("v4"), "[2001:db8::1]:123".parse().expect("v6"));
        vec![
            Input::Wake,
            Input::Resolved { source: SourceId(3), addresses: vec![v4, v6] },
            Input::Resolved { source: SourceId(0), addresses: vec![] },
            Input::Here { exchange: ExchangeId(7), here: Here { address: v6.ip(), is_own_server: false } },
            Input::Here { exchange: ExchangeId(7), here: Here { address: v4.ip(), is_own_server: true } },
            Input::Sent { exchange: ExchangeId(7), at: Stamp { by: StampedBy::Program, ..at } },
            Input::Unsent { exchange: ExchangeId(u64::MAX), errno: 111 },
            Input::Heard { exchange: ExchangeId(1), from: v6, at, datagram: vec![0, 0xff, 0x24] },
            Input::Heard { exchange: ExchangeId(1), from: v4, at, datagram: vec![] },
            Input::Steered { command: Steering::Step(Span::from_millis(-3)), outcome: Ok(Rate::from_ppb(5)) },
            Input::Steered {
                command: Steering::Rate(Rate::from_ppb(-9)),
                outcome: Err(SteeringFault::Vetoed),
            },
            Input::Steered {
                command: Steering::Mend(Span::from_secs(1)),
                outcome: Err(SteeringFault::Spent),
            },
            Input::Steered { command: Steering::Rate(Rate::ZERO), outcome: Err(SteeringFault::NotPermitted) },
            Input::Steered { command: Steering::Rate(Rate::ZERO), outcome: Err(SteeringFault::KeeperLost) },
            Input::Temperature { millidegrees: -273 },
            Input::Interrupted(Interruption::Paused { by: Span::from_secs(17) }),
            Input::Interrupted(Interruption::Moved),
            Input::Interrupted(Interruption::Recounted),
            Input::NetworkChanged,
            Input::Starved { late: Span::from_millis(2_500) },
            Input::Read { source: SourceId(4), reading: Err(Misreading::NotANumber) },
        ]
        .into_iter()
        .chain(protected::samples())
        .chain(reading::samples().map(|reading| Input::Read { source: SourceId(31), reading: Ok(reading) }))
        .chain([Input::Ordered(Order::Burst), Input::Ordered(Order::Rest), Input::Ordered(Order::Step)])
        .collect()
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_bit() {
        for input in inputs() {
            let line = input_line(&now(), &input);
            assert_eq!(parse_input(&line), Ok((now(), input)), "{line}");
        }
    }

    #[test]
    fn an_interval_is_a_line() {
        let traffic = Traffic { questions: 9, answers: 7 };
        let paced = Paced { source: SourceId(2), interval: Span::from_millis(16_250_500), traffic };
        assert_eq!(alloc::format!("{paced}"), "p 2 16250.5 9 7");
    }

    #[test]
    fn a_torn_line_is_an_error_that_names_the_column() {
        let line = input_line(&now(), &inputs()[5]);
        assert_eq!(parse_input(&line[..line.len() - 8]), Err(RecordError::Missing("stamped by")));
        assert_eq!(parse_input("i 1 2 x"), Err(RecordError::Unreadable("local")));
        assert_eq!(parse_input("m 1"), Err(RecordError::NotAnInput));
        assert_eq!(parse_input(&(line + " 1")), Err(RecordError::Surplus));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", tail in "(i|[0-9.]+|wake|heard|-| ){0,20}") {
            let _ = parse_input(&text);
            let _ = parse_input(&tail);
        }
    }
}
