//! Servers that tell the truth, or what their errors make of it.

use std::io::Write;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::thread;

use anyhow::{Context, bail};
use truechimer_core::server::ntp::{self, Served};
use truechimer_core::server::taiclock;
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_core::wire::ntp::Leap;
use truechimer_core::wire::time37::Value;
use truechimer_sys::clock;
use truechimer_time::{LeapKind, Span, Tai, Time, Utc};

use crate::course::Course;

/// What servers say of themselves.
const DISPERSION: Span = Span::from_micros(50);
/// A leap second is announced so long before.
const ANNOUNCED: Span = Span::from_secs(86_400);
/// It is smeared over so long, half of it before.
const SMEAR: Span = Span::from_secs(86_400);

/// Serves until the end of the world.
pub(crate) fn serve(address: IpAddr, places: &[&str]) -> anyhow::Result<()> {
    let mut threads = Vec::new();
    for place in places {
        threads.extend(open(address, place)?);
    }
    println!("serving");
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a server panicked"))??;
    }
    Ok(())
}

type Running = thread::JoinHandle<anyhow::Result<()>>;

fn open(address: IpAddr, place: &str) -> anyhow::Result<Vec<Running>> {
    let (at, manner) = place.split_once('=').unwrap_or((place, "0"));
    let (protocol, port) = at.split_once(':').context("a place is PROTOCOL:PORT")?;
    let port: u16 = port.parse()?;
    let clock = || Clock::of(manner);
    let socket = UdpSocket::bind((address, port))?;
    let listener = TcpListener::bind((address, port))?;
    Ok(match protocol {
        "ntp" => vec![datagrams(socket, clock()?, answer_ntp)],
        "taiclock" => vec![datagrams(socket, clock()?, |clock, asked| taiclock::answer(asked, clock.tai()))],
        "time" => vec![
            datagrams(socket, clock()?, |clock, _| Some(Value::of(clock.utc()).bytes().to_vec())),
            connections(listener, clock()?),
        ],
        other => bail!("{other} is not one of ntp, taiclock, time"),
    })
}

fn datagrams(
    socket: UdpSocket,
    mut clock: Clock,
    answer: fn(&mut Clock, &[u8]) -> Option<Vec<u8>>,
) -> Running {
    thread::spawn(move || {
        loop {
            let mut buffer = [0; DATAGRAM_MAX];
            let (len, from) = socket.recv_from(&mut buffer)?;
            clock.course.refresh()?;
            if let Some(answer) = answer(&mut clock, &buffer[..len]) {
                // A client that has gone away misses nothing.
                let _sent = socket.send_to(&answer, from);
            }
        }
    })
}

fn connections(listener: TcpListener, mut clock: Clock) -> Running {
    thread::spawn(move || {
        loop {
            let (mut client, _) = listener.accept()?;
            clock.course.refresh()?;
            // A client that has gone away misses nothing.
            let _sent = client.write_all(&Value::of(clock.utc()).bytes());
        }
    })
}

fn answer_ntp(clock: &mut Clock, asked: &[u8]) -> Option<Vec<u8>> {
    let received = clock.utc();
    let served =
        Served { leap: clock.announced(), ..Served::of_reference_clock(*b"TRUE", DISPERSION, received) };
    ntp::answer(asked, received, clock.utc(), &served).ok().map(|answer| answer.to_vec())
}

/// The clock of a server: the truth and what is wrong with it.
struct Clock {
    course: Course,
    error: Span,
    smears: bool,
}

impl Clock {
    fn of(manner: &str) -> anyhow::Result<Self> {
        let course = Course::kept()?;
        match manner {
            "smear" => Ok(Self { course, error: Span::ZERO, smears: true }),
            error => Ok(Self { course, error: Span::from_seconds(error.parse()?), smears: false }),
        }
    }

    fn tai(&mut self) -> Time<Tai> {
        self.course.at(clock::raw()) + self.error
    }

    fn utc(&mut self) -> Time<Utc> {
        let tai = self.tai();
        if self.smears {
            return Time::from_epoch(tai.since_epoch() - Span::from_seconds(smeared(&self.course, tai)));
        }
        Time::from_epoch(self.course.local(tai).since_epoch())
    }

    fn announced(&mut self) -> Leap {
        let tai = self.tai();
        let next = self.course.leaps().next_leap_after(tai);
        match next.filter(|leap| !self.smears && leap.begins() - tai <= ANNOUNCED).map(|leap| leap.kind()) {
            None => Leap::None,
            Some(LeapKind::Inserted) => Leap::Insert,
            Some(LeapKind::Deleted) => Leap::Delete,
        }
    }
}

/// TAI - UTC in seconds where leap seconds are spread over the noons around them.
fn smeared(course: &Course, tai: Time<Tai>) -> f64 {
    let share = |leap: &truechimer_time::leap::Leap| {
        let passed = (tai - leap.ends()).as_seconds() / SMEAR.as_seconds() + 0.5;
        passed.clamp(0.0, 1.0) * f64::from(leap.offset() - leap.offset_before())
    };
    f64::from(truechimer_time::leap::OFFSET_AT_START) + course.leaps().leaps().iter().map(share).sum::<f64>()
}
