//! A node at the mercy of bytes: they say what happens to it, in what order, and what it hears.
//!
//! The node steers the simulator's kernel. Its counter runs true, its sources say what the bytes want.

use std::collections::VecDeque;
use std::net::SocketAddr;

use truechimer_core::discipline::drift::Seen;
use truechimer_core::discipline::model::Reading;
use truechimer_core::event::{Event, SteeringFault};
use truechimer_core::learned::Learned;
use truechimer_core::measure::exchange::Proof;
use truechimer_core::measure::reference::{Misreading, Reading as Said};
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::report::Publication;
use truechimer_core::node::{Action, Birth, Dates, Input, Node, Order};
use truechimer_core::policy::{
    ClockPolicy, Policy, PoolPolicy, ReferencePolicy, Rhythm, Scale, SourcePolicy, TrustPolicy,
};
use truechimer_core::record::{LINE_MAX, input_line, parse_input};
use truechimer_core::server::ntp::answer;
use truechimer_core::source::SourceId;
use truechimer_core::source::association::ExchangeId;
use truechimer_core::source::nts::{Agreement, NoKeys};
use truechimer_core::wire::HEADER_LEN;
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::ntp::Leap;
use truechimer_sim::kernel::Kernel;
use truechimer_time::{LeapTable, Local, Rate, Raw, Span, Time, Utc};

use super::{NOW, served};

/// Happenings in one life.
const HAPPENINGS_MAX: usize = 500;

/// So many inputs may follow from one happening: each source can end, ask, and be looked up, and the clock be told.
const CONSEQUENCES_MAX: usize = 200;

/// Where the counter stands at birth.
const RAW: Time<Raw> = Time::from_epoch(Span::from_secs(1000));

/// First the birth, then happenings of one byte and what belongs to it.
pub fn node(data: &[u8]) {
    let mut script = Script { bytes: data };
    let mut life = Life::begin(&mut script);
    life.tell(Input::Wake);
    for _ in 0..HAPPENINGS_MAX {
        let Some(happening) = script.byte() else { return };
        life.happen(happening, &mut script);
        life.look();
    }
}

/// What the bytes say, front to back; zero when they are used up.
struct Script<'a> {
    bytes: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn number(&mut self) -> i64 {
        self.byte().map_or(0, i64::from)
    }

    /// Somewhere between ± 2⁵⁵ ns, a year: one byte chooses the size.
    fn span(&mut self) -> Span {
        let (size, value) = (self.number() % 48, self.byte().unwrap_or(0).cast_signed());
        Span::from_nanos(i64::from(value) << size)
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let wanted = (self.number() as usize).min(most).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(wanted);
        self.bytes = rest;
        taken
    }
}

struct Life {
    node: Node,
    kernel: Kernel,
    raw: Time<Raw>,
    open: Vec<(ExchangeId, SocketAddr, Vec<u8>)>,
    inputs: VecDeque<Input>,
}

impl Life {
    fn begin(script: &mut Script<'_>) -> Self {
        let local = Time::<Local>::from_epoch(NOW.since_epoch()) + script.span();
        let kernel = Kernel::new(RAW, local);
        let birth = Birth {
            policy: policy(script),
            seed: [7; 32],
            leaps: LeapTable::COMPILED,
            learned: learned(script),
            floor: NOW - Span::from_secs(86_400),
            rate: Rate::from_ppb(script.number() * 1000),
        };
        let node = Node::new(birth, &kernel.read(RAW));
        Self { node, kernel, raw: RAW, open: Vec::new(), inputs: VecDeque::new() }
    }

    fn now(&self) -> Moment {
        self.kernel.read(self.raw)
    }

    fn happen(&mut self, happening: u8, script: &mut Script<'_>) {
        match happening % 16 {
            0 => self.sleep_until_deadline(),
            1 => self.pass(Span::from_micros(100 << (script.number() % 32))),
            2..=5 => self.answer(script, false),
            6 => self.answer(script, true),
            7 => self.hear_nonsense(script),
            8 => self.resolve(script),
            9 => self.tell(unsent_or_read(script, self.raw)),
            10 => self.tell(Input::Ordered(order(script))),
            11 => self.kernel.step_by_others(self.raw, script.span()),
            12 => self.retune(script.number() - 128),
            13 => self.kernel.sleep(self.raw, script.span().abs(), Span::ZERO),
            14 => self.kernel.refuse((script.number() % 2 == 1).then_some(SteeringFault::NotPermitted)),
            _ => self.stamp(script),
        }
    }

    /// Somebody changes the clock's rate, within what a kernel can do: the monotonic clock never runs backwards.
    fn retune(&mut self, thousandths: i64) {
        let by = Rate::from_ppb(thousandths * 1_000_000);
        if (self.kernel.rate() + by).abs() <= Rate::from_ppb(100_000_000) {
            self.kernel.retune_by_others(self.raw, by);
        }
    }

    fn pass(&mut self, time: Span) {
        self.raw += time;
        self.tell(Input::Wake);
    }

    fn sleep_until_deadline(&mut self) {
        let now = self.now();
        let wait = (self.node.deadline() - now.mono).max(Span::ZERO);
        // The monotonic clock may run up to a tenth slower than the counter.
        self.pass(wait + wait / 8 + Span::from_micros(1));
    }

    /// A source answers one of the open questions, as wrong as the script says, and perhaps damaged on the way.
    fn answer(&mut self, script: &mut Script<'_>, is_damaged: bool) {
        let which = script.number() as usize % self.open.len().max(1);
        let Some((exchange, from, question)) = self.open.get(which).cloned() else { return };
        self.raw += Span::from_micros(100);
        let clock = NOW + (self.raw - RAW) + script.span();
        let Ok(answer) = answer(&question, clock, clock, &served()) else { return };
        let mut datagram = answer.to_vec();
        if is_damaged {
            let (place, mask) = (script.number() as usize % datagram.len(), script.number() as u8);
            datagram[place] ^= mask;
        }
        let at = self.stamped();
        // What was asked by NTS is longer than a header, and whoever has the keys has found its answer to be the server's.
        self.tell(match question.len() {
            ..=HEADER_LEN => Input::Heard { exchange, from, at, datagram },
            _ => Input::Vouched { exchange, from, at, datagram, proof: Proof::Own(vec![100]) },
        });
    }

    fn stamped(&self) -> Stamp {
        Stamp { at: self.raw, by: StampedBy::Kernel }
    }

    fn hear_nonsense(&mut self, script: &mut Script<'_>) {
        let exchange = any_exchange(script);
        let at = Stamp { at: self.raw + script.span(), by: StampedBy::Program };
        let datagram = script.take(200).to_vec();
        self.tell(Input::Heard { exchange, from: address(script.number() as u8), at, datagram });
    }

    fn resolve(&mut self, script: &mut Script<'_>) {
        let source = SourceId(script.number() as u8);
        let addresses = script.take(20).iter().map(|&host| address(host)).collect();
        self.tell(Input::Resolved { source, addresses });
    }

    /// Says again, or anew, when a question left.
    fn stamp(&mut self, script: &mut Script<'_>) {
        let at = Stamp { at: self.raw + script.span(), by: StampedBy::Kernel };
        self.tell(Input::Sent { exchange: any_exchange(script), at });
    }

    /// Tells the node what happened and does what it wants, until it wants nothing more.
    fn tell(&mut self, input: Input) {
        self.inputs.push_back(input);
        for _ in 0..CONSEQUENCES_MAX {
            let Some(input) = self.inputs.pop_front() else { return };
            let now = self.now();
            can_be_recorded(&now, &input);
            self.node.handle(&now, input);
            while let Some(action) = self.node.poll() {
                self.act(action);
            }
        }
        panic!("one happening has no end of consequences");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Resolve(source) => {
                let addresses = vec![address(source.0), address(source.0 + 100)];
                self.inputs.push_back(Input::Resolved { source, addresses });
            }
            Action::Agree { source, dates } => {
                let (Dates::At(when) | Dates::Since(when)) = dates;
                assert!(NOW - Span::from_secs(86_400) <= when, "no certificate of the past is believed");
                let agreement = Agreement::stand_in(Aead::SivCmac256, [100; 8], vec![address(source.0)]);
                let is_granted = self.inputs.len().is_multiple_of(2);
                let outcome = match (is_granted, dates) {
                    (true, Dates::At(_) | Dates::Since(_)) => Ok(agreement),
                    (false, Dates::At(_)) => Err(NoKeys::Expired),
                    (false, Dates::Since(_)) => Err(NoKeys::Late),
                };
                self.inputs.push_back(Input::Agreed { source, outcome });
            }
            Action::Send { exchange, to, datagram } => {
                self.open.push((exchange, to, datagram));
                self.inputs.push_back(Input::Sent { exchange, at: self.stamped() });
            }
            Action::Read(source) => {
                let reading = Ok(told(self.raw, NOW + (self.raw - RAW)));
                self.inputs.push_back(Input::Read { source, reading });
            }
            Action::Close(exchange) => self.open.retain(|(id, ..)| *id != exchange),
            Action::Steer(command) => {
                let outcome = self.kernel.steer(self.raw, command);
                self.inputs.push_back(Input::Steered { command, outcome });
            }
            Action::Publish(publication) => is_sound(&publication),
            Action::Tell(event) => is_told_well(&event),
        }
        assert!(self.open.len() <= 4, "one exchange for each source");
    }

    fn look(&self) {
        let now = self.now();
        let report = self.node.report(&now);
        report.reading.iter().for_each(is_in_order);
        assert!(report.rate_error >= Rate::ZERO);
        for source in &report.sources {
            assert!(source.sigma.is_none_or(|sigma| !sigma.is_negative()));
            assert!(source.bound.is_none_or(|bound| !bound.is_negative()));
        }
    }
}

/// What a reference clock of a program says that is right.
fn told(at: Time<Raw>, utc: Time<Utc>) -> Said {
    Said::Told { at, utc, blur: Span::from_micros(1), leap: Leap::None }
}

/// A question that could not be sent; or what any reference clock may say, asked or not.
fn unsent_or_read(script: &mut Script<'_>, now: Time<Raw>) -> Input {
    let (kind, source) = (script.number(), SourceId(script.number() as u8));
    let (at, span, blur) = (now + script.span(), script.span(), script.span());
    let reading = match kind % 8 {
        0 => Ok(told(at, NOW + (now - RAW) + span)),
        1 => Ok(Said::Pulse { at, phase: span, blur }),
        2 => Ok(Said::Clock { before: at, shown: NOW.since_epoch() + span, after: now, blur }),
        3 => Ok(Said::Clock { before: now, shown: span, after: now, blur }),
        4 => Err(Misreading::ALL[source.index() % Misreading::ALL.len()]),
        _ => return Input::Unsent { exchange: ExchangeId(kind as u64 / 8), errno: 111 },
    };
    Input::Read { source: SourceId(source.0 % 5), reading }
}

/// The last two sources may be a clock and a pulse.
fn reference(bits: i64, index: i64) -> Option<ReferencePolicy> {
    let is_pulse = index == 3;
    (bits & (1 << index) != 0 && index > 1).then_some(ReferencePolicy {
        is_pulse,
        scale: if bits & 1 != 0 { Scale::Tai } else { Scale::Utc },
        error: Span::from_micros(50),
        offset: Span::ZERO,
        refine: is_pulse || bits & 16 != 0,
        id: *b"FUZZ",
    })
}

/// Sources that have no address of their own may be the places of one name.
fn pool(shape: i64, bits: i64, index: i64) -> Option<PoolPolicy> {
    let is_name = shape & 8 == 0 && reference(bits, index).is_none();
    (bits & 64 != 0 && is_name).then(|| PoolPolicy { name: "pool".to_owned(), is_near: bits & 32 != 0 })
}

fn policy(script: &mut Script<'_>) -> Policy {
    let (shape, accuracy) = (script.number(), script.number());
    // All that are asked by address are asked by NTS then, and may begin with certificates of any date.
    let nts_bootstrap = (accuracy & 128 != 0).then_some(1 + (shape & 1) as usize);
    let is_protected = |index: i64| match nts_bootstrap {
        Some(_) => reference(accuracy, index).is_none() && pool(shape, accuracy, index).is_none(),
        None => shape & 128 != 0 && index == 1,
    };
    let source = |index: i64| SourcePolicy {
        name: format!("source{index}"),
        address: (shape & 8 != 0 && reference(accuracy, index).is_none()).then(|| address(index as u8)),
        operator: format!("operator{}", if shape & 16 != 0 { index } else { index / 2 }),
        min_interval: Span::from_secs(16),
        max_interval: Span::from_secs(1024),
        burst: (shape >> 5) as u8,
        prefer: shape & 4 != 0 && index == 0,
        trust: shape & 128 != 0 && index == 1,
        require: shape & 64 != 0 && index == 2,
        key: None,
        nts: is_protected(index),
        interleaved: shape & 4 != 0 && reference(accuracy, index).is_none(),
        reference: reference(accuracy, index),
        pool: pool(shape, accuracy, index),
    };
    Policy {
        sources: (0..=shape & 3).map(source).collect(),
        accuracy: (accuracy % 2 == 1).then_some(Span::from_micros(500)),
        rhythm: if shape & 2 != 0 { Rhythm::Classic } else { Rhythm::Adaptive },
        clock: ClockPolicy::default(),
        trust: TrustPolicy { nts_bootstrap, ..TrustPolicy::default() },
        watch: Span::from_secs(1),
    }
}

fn learned(script: &mut Script<'_>) -> Option<Learned> {
    let rate = script.number();
    (rate > 0).then(|| Learned {
        rate: Rate::from_ppb((rate - 128) * 10_000),
        rate_error: Rate::from_ppb(100),
        wander: Rate::from_ppb(1),
        at: LeapTable::COMPILED.tai_of_utc(NOW),
        bound: Span::from_millis(1),
        seen: Seen::default(),
        hours: Vec::new(),
    })
}

fn any_exchange(script: &mut Script<'_>) -> ExchangeId {
    ExchangeId(script.number() as u64)
}

fn order(script: &mut Script<'_>) -> Order {
    match script.number() % 3 {
        0 => Order::Burst,
        1 => Order::Rest,
        _ => Order::Step,
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 123))
}

fn is_in_order(reading: &Reading) {
    assert!(reading.earliest <= reading.best && reading.best <= reading.latest, "{reading:?}");
    assert!(!reading.sigma.is_negative() && reading.sigma < Span::MAX);
}

fn is_sound(publication: &Publication) {
    let Some(model) = publication.model else { return };
    is_in_order(&model.read(publication.at.raw));
    assert!(model.limits.min <= model.rate && model.rate <= model.limits.max, "{model:?}");
    assert!(model.rate_sigma >= Rate::ZERO);
}

fn is_told_well(event: &Event) {
    if let Event::Updated(update) = event {
        assert!(!update.bound.is_negative() && !update.sigma.is_negative());
        assert!(!update.truechimers.is_empty() && !update.truechimers.meets(update.falsetickers));
    }
    if let Event::Measured(measurement) = event {
        // Only a reference clock may be read in no time.
        let took_no_time = measurement.t1 == measurement.t4;
        assert!(measurement.delay > Span::ZERO || took_no_time, "{measurement:?}");
        assert!(!measurement.delay.is_negative(), "{measurement:?}");
    }
}

/// The record keeps everything that can come in, to the last bit.
fn can_be_recorded(now: &Moment, input: &Input) {
    let line = input_line(now, input);
    assert!(line.len() <= LINE_MAX);
    let kept = parse_input(&line).expect("what is written can be read");
    let is_cut = matches!(input, Input::Resolved { addresses, .. } if addresses.len() > 16);
    assert!(is_cut || kept == (*now, input.clone()), "{line}");
}
