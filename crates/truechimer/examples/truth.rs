//! The truth inside a test guest: servers that tell it, and a judge who holds the kernel's clock against it.
//!
//! The clock under test is the guest's own, so the truth is made of the raw counter, which nobody can steer: true time
//! is a line over it. `begin` draws that line so that the kernel's clock is wrong from the start, and prints it; the
//! servers and the judge are given what it printed.
//!
//! ```text
//! truth begin SECONDS PPM          the kernel's clock is behind by SECONDS, the raw counter runs PPM slow
//! truth serve LINE PORT=ERROR..    an NTP server on each port of 127.0.0.1, off by ERROR seconds
//! truth judge LINE SECONDS         a row each second; exit 1 if a bound was false
//! ```
//!
//! **Invariant:** no clock is ever set or steered here.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use truechimer::page::{self, Page};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sim::chance::Stream;
use truechimer_sys::adjust::{self, KernelClock};
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::{LeapTable, Local, Rate, Raw, Span, Tai, Time, Utc};

/// Where the daemon under test publishes the time.
const RUN_DIR: &str = "/run/truechimer";
/// The shortest way to a server, and the mean of what chance adds, each way.
const DELAY: Span = Span::from_micros(800);
const JITTER: Span = Span::from_micros(100);
/// What servers say of themselves.
const DISPERSION: Span = Span::from_micros(50);

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["begin", seconds, ppm] => println!("{}", Truth::begin(seconds.parse()?, ppm.parse()?).line()),
        ["serve", line, ref places @ ..] => serve(line.parse()?, places)?,
        ["judge", line, seconds] => return judge(line.parse()?, seconds.parse()?),
        _ => bail!("one of begin, serve, judge and their arguments"),
    }
    Ok(ExitCode::SUCCESS)
}

/// True time as a line over the raw counter.
#[derive(Clone, Copy)]
struct Truth {
    /// True time when the counter was at zero.
    start: Time<Tai>,
    /// What true time gains on the counter.
    rate: Rate,
}

impl Truth {
    /// The truth by which the kernel's clock is behind by so much now.
    fn begin(behind: f64, slow_ppm: f64) -> Self {
        let now = clock::readings();
        let utc = Time::<Utc>::from_epoch(now.realtime.since_epoch()) + Span::from_seconds(behind);
        let rate = Rate::from_ppm(slow_ppm);
        let passed = now.raw.since_epoch();
        Self { start: LeapTable::COMPILED.tai_of_utc(utc) - passed - rate.over(passed), rate }
    }

    fn at(&self, raw: Time<Raw>) -> Time<Tai> {
        let passed = raw.since_epoch();
        self.start + passed + self.rate.over(passed)
    }

    fn line(&self) -> String {
        format!("{}:{}", self.start.since_epoch(), self.rate.as_attos_per_second())
    }
}

impl FromStr for Truth {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let (start, rate) = line.split_once(':').context("a truth is what `truth begin` printed")?;
        Ok(Self { start: Time::from_epoch(start.parse()?), rate: Rate::from_attos_per_second(rate.parse()?) })
    }
}

fn utc(tai: Time<Tai>) -> Time<Utc> {
    LeapTable::COMPILED.utc_of_tai(tai).time
}

fn local(tai: Time<Tai>) -> Time<Local> {
    Time::from_epoch(utc(tai).since_epoch())
}

fn serve(truth: Truth, places: &[&str]) -> anyhow::Result<()> {
    let mut threads = Vec::new();
    for place in places {
        let (port, error) = place.split_once('=').context("a place is PORT=ERROR")?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
        let (chance, error) = (Stream::new(1, port), Span::from_seconds(error.parse()?));
        threads.push(thread::spawn(move || Server { truth, socket, chance, error }.run()));
    }
    println!("serving");
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a server panicked"))??;
    }
    Ok(())
}

/// One server, and the way to it: it sleeps for as long as a packet would be on its way.
struct Server {
    truth: Truth,
    socket: UdpSocket,
    chance: Stream,
    error: Span,
}

impl Server {
    fn run(mut self) -> anyhow::Result<()> {
        loop {
            let mut buffer = [0; DATAGRAM_MAX];
            let (len, from) = self.socket.recv_from(&mut buffer)?;
            self.travel();
            let now = utc(self.truth.at(clock::raw()) + self.error);
            let served = Served::of_reference_clock(*b"TRUE", DISPERSION, now);
            if let Ok(reply) = answer(&buffer[..len], now, now, &served) {
                self.travel();
                // A client that has gone away misses nothing.
                let _sent = self.socket.send_to(&reply, from);
            }
        }
    }

    fn travel(&mut self) {
        let chance = Span::from_seconds(JITTER.as_seconds() * self.chance.exponential());
        thread::sleep(Duration::from_secs_f64((DELAY + chance).as_seconds()));
    }
}

/// What the judge sees at one moment.
struct Look {
    /// The kernel's clock less the truth.
    error: Span,
    kernel: KernelClock,
    /// How far the page says that its best guess can be off, and how far that is.
    page: Option<(Span, Span)>,
}

impl Look {
    fn now(truth: Truth, page: Option<&PageReader>) -> anyhow::Result<Self> {
        let now = clock::readings();
        let kernel = adjust::read_state()?;
        let right = truth.at(now.raw);
        let page = page.and_then(|page| page.read().ok()).and_then(|words| Page::of_words(words).ok());
        let reading = page.and_then(|page| page.read(&now));
        let claim =
            |reading: truechimer_core::discipline::model::Reading| (reading.bound(), reading.best - right);
        Ok(Self { error: now.realtime - local(right), kernel, page: reading.map(claim) })
    }

    /// Whatever is claimed is true.
    fn is_honest(&self) -> bool {
        let kernel = !self.kernel.status.synchronised() || self.error.abs() <= self.kernel.maxerror;
        kernel && self.page.is_none_or(|(bound, off)| off.abs() <= bound)
    }

    fn row(&self, second: u32) -> String {
        let micros = |span: Span| format!("{:.1}", span.as_seconds() * 1e6);
        let page =
            |part: fn(&(Span, Span)) -> Span| self.page.as_ref().map_or("-".into(), |p| micros(part(p)));
        let KernelClock { rate, status, maxerror, esterror, tai_offset, .. } = self.kernel;
        format!(
            "{second:>5} {:>14} {:>12} {:>12} {:>12} {:>10} {:>10.3} {:>6} {tai_offset:>4} {}",
            micros(self.error),
            page(|(_, off)| *off),
            page(|(bound, _)| *bound),
            micros(maxerror),
            micros(esterror),
            rate.as_ppm(),
            format!("{:#x}", status.bits()),
            if self.is_honest() { "true" } else { "FALSE" },
        )
    }
}

fn judge(truth: Truth, seconds: u32) -> anyhow::Result<ExitCode> {
    let mut honest = true;
    println!(
        "{:>5} {:>14} {:>12} {:>12} {:>12} {:>10} {:>10} {:>6} {:>4} claims",
        "s",
        "clock error us",
        "page off us",
        "page +- us",
        "maxerror us",
        "esterror",
        "rate ppm",
        "status",
        "tai"
    );
    for second in 1..=seconds {
        thread::sleep(Duration::from_secs(1));
        // Opened anew each time: a daemon that starts again may have made another.
        let page = PageReader::open(&Path::new(RUN_DIR).join(page::FILE_NAME)).ok();
        let look = Look::now(truth, page.as_ref())?;
        honest &= look.is_honest();
        println!("{}", look.row(second));
    }
    Ok(if honest { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
