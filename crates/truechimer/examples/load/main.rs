//! A load for servers: asks as fast as they answer, or at a rate, in the names of many clients, and counts what is lost.
//!
//! ```text
//! load ask PLACE [clients=NETWORK/BITS] [window=N | rate=N] [seconds=S] [nts=PORT ca=FILE]
//!                                  questions to a place. `clients`: from each address of a network in turn, which must be
//!                                  this machine's (`ip route add local NETWORK/BITS dev lo`). `window`: so many are on
//!                                  their way at most (closed loop; 256 by default). `rate`: so many a second, whether they
//!                                  are answered or not (open loop). `nts`: protected by keys that are given at this port
//!                                  of the same host to who trusts this authority; the host's certificate is for
//!                                  `localhost`. Prints `asked answered lost rate` and what is wrong with answers
//! load echo PLACE [stamps]         gives everything back, in batches as our server takes them; `stamps`: with the
//!                                  kernel's stamps of arrival. The least that any server costs
//! ```
//!
//! A question that has no answer after 0.2 s is lost. Answers are held against what a client would accept: mode 4, our
//! transmit timestamp given back; of protected ones only that they are mode 4 and longer than a header.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::batch::{Batch, Reply};
use truechimer_sys::udp::{Destination, Stamps, UdpSocket};
use truechimer_time::Span;

mod protected;

/// As many as our server takes at once.
const BATCH: usize = 32;
/// What has no answer after this is lost.
const PATIENCE: Duration = Duration::from_millis(200);
const ROOM: u32 = 4 << 20;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["echo", place] => echo(place.parse()?, false)?,
        ["echo", place, "stamps"] => echo(place.parse()?, true)?,
        ["ask", place, ref options @ ..] => Load::new(place.parse()?, options)?.ask()?,
        _ => bail!("one of ask, echo and their arguments: see the head of examples/load/main.rs"),
    }
    Ok(ExitCode::SUCCESS)
}

fn echo(place: SocketAddr, stamps: bool) -> anyhow::Result<()> {
    let socket = UdpSocket::bind_shared(place)?;
    socket.make_room(1 << 20);
    if stamps {
        socket.enable_stamps(Stamps::Wished);
    }
    let mut batch = Batch::new(BATCH, DATAGRAM_MAX + 1);
    loop {
        wait(&socket, Span::from_secs(60))?;
        loop {
            let come = batch.receive(&socket)?;
            batch.answer(come, |_, asked, reply| {
                reply[..asked.bytes.len()].copy_from_slice(asked.bytes);
                // As an answer looks, so that it is counted as one.
                reply[0] = reply[0] & 0b1111_1000 | 4;
                reply.copy_within(40..48, 24);
                Some(Reply { len: asked.bytes.len(), stamped: false })
            });
            batch.send(come, &socket);
            if come < batch.capacity() {
                break;
            }
        }
    }
}

fn wait(socket: &UdpSocket, timeout: Span) -> std::io::Result<()> {
    let mut poll = PollSet::new();
    poll.add(socket.as_fd(), Interest::Read, ());
    poll.wait(Some(timeout)).map(drop)
}

/// Questions to one place.
struct Load {
    place: SocketAddr,
    clients: Option<(u32, u32)>,
    window: u64,
    rate: Option<u64>,
    seconds: f64,
    /// Protected questions, one after the other; else plain ones.
    protected: Vec<Vec<u8>>,
    /// Questions so far, answers so far, and answers that no client would accept.
    asked: u64,
    answered: u64,
    wrong: u64,
}

impl Load {
    fn new(place: SocketAddr, options: &[&str]) -> anyhow::Result<Self> {
        let mut load = Self {
            place,
            clients: None,
            window: 256,
            rate: None,
            seconds: 3.0,
            protected: Vec::new(),
            asked: 0,
            answered: 0,
            wrong: 0,
        };
        let (mut port, mut authority) = (None, None);
        for option in options {
            let (name, value) = option.split_once('=').with_context(|| format!("{option}: NAME=VALUE"))?;
            match name {
                "clients" => load.clients = Some(network(value)?),
                "window" => load.window = value.parse()?,
                "rate" => load.rate = Some(value.parse()?),
                "seconds" => load.seconds = value.parse()?,
                "nts" => port = Some(value.parse()?),
                "ca" => authority = Some(value),
                _ => bail!("{name}: clients, window, rate, seconds, nts or ca"),
            }
        }
        if let (Some(port), Some(authority)) = (port, authority) {
            load.protected = protected::questions(SocketAddr::new(place.ip(), port), authority.as_ref())?;
        }
        Ok(load)
    }

    fn ask(mut self) -> anyhow::Result<()> {
        let socket = match self.clients {
            Some(_) => UdpSocket::bind_shared((Ipv4Addr::UNSPECIFIED, 0).into())?,
            None => UdpSocket::connect(self.place)?,
        };
        socket.make_room(ROOM);
        let mut batch = Batch::new(BATCH, DATAGRAM_MAX + 1);
        let begun = Instant::now();
        let mut heard = begun;
        let mut lost = 0;
        loop {
            let elapsed = begun.elapsed();
            if elapsed.as_secs_f64() >= self.seconds {
                break;
            }
            let before = self.answered;
            self.hear(&socket, &mut batch)?;
            if self.answered > before {
                heard = Instant::now();
            }
            let on_their_way = self.asked - self.answered - lost;
            if on_their_way > 0 && heard.elapsed() > PATIENCE {
                lost += on_their_way;
                heard = Instant::now();
            }
            match self.due(elapsed, on_their_way) {
                0 => wait(&socket, Span::from_millis(1))?,
                count => self.send(&socket, &mut batch, count),
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let last = Instant::now();
        while last.elapsed() < PATIENCE {
            wait(&socket, Span::from_millis(10))?;
            self.hear(&socket, &mut batch)?;
        }
        println!(
            "asked {} answered {} lost {} rate {:.0} wrong {}",
            self.asked,
            self.answered,
            self.asked - self.answered,
            self.answered as f64 / took,
            self.wrong
        );
        Ok(())
    }

    /// How many are to be asked now.
    fn due(&self, elapsed: Duration, on_their_way: u64) -> usize {
        let due = match self.rate {
            Some(rate) => ((elapsed.as_secs_f64() * rate as f64) as u64).saturating_sub(self.asked),
            None => self.window.saturating_sub(on_their_way),
        };
        // Few at a time cost a system call each: a window is filled when half a batch has come back.
        let is_worth_it = self.rate.is_some() || due >= (BATCH as u64 / 2).min(self.window);
        if is_worth_it { due.min(BATCH as u64) as usize } else { 0 }
    }

    fn send(&mut self, socket: &UdpSocket, batch: &mut Batch, count: usize) {
        for index in 0..count {
            let number = self.asked + index as u64;
            let from = self.clients.map(|(first, size)| {
                let host = first + (number.wrapping_mul(2_654_435_769) % u64::from(size)) as u32;
                Destination { address: IpAddr::V4(host.into()), interface: 0 }
            });
            let protected = (number as usize).checked_rem(self.protected.len()).map(|at| &self.protected[at]);
            batch.compose(index, self.place, from, |question| {
                if let Some(bytes) = protected {
                    question[..bytes.len()].copy_from_slice(bytes);
                    return bytes.len();
                }
                question[..48].fill(0);
                question[0] = 4 << 3 | 3;
                question[40..48].copy_from_slice(&stamp(number));
                48
            });
        }
        batch.send(count, socket);
        self.asked += count as u64;
    }

    fn hear(&mut self, socket: &UdpSocket, batch: &mut Batch) -> anyhow::Result<()> {
        loop {
            let come = batch.receive(socket)?;
            let (asked, is_protected) = (self.asked, !self.protected.is_empty());
            let (mut right, mut wrong) = (0, 0);
            batch.answer(come, |_, answer, _| {
                let is_right = answer.bytes.len() >= 48
                    && answer.bytes[0] & 0b111 == 4
                    && match is_protected {
                        true => answer.bytes.len() > 48 && &answer.bytes[12..16] != b"NTSN",
                        false => number_of(&answer.bytes[24..32]).is_some_and(|number| number < asked),
                    };
                *(if is_right { &mut right } else { &mut wrong }) += 1;
                None
            });
            self.answered += right;
            self.wrong += wrong;
            if come < batch.capacity() {
                return Ok(());
            }
        }
    }
}

/// What stands in the place of our time: by the last three bytes we know it again.
const MARK: [u8; 3] = *b"ask";

fn stamp(number: u64) -> [u8; 8] {
    let [_, _, _, a, b, c, d, e] = number.to_be_bytes();
    [a, b, c, d, e, MARK[0], MARK[1], MARK[2]]
}

fn number_of(stamp: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e, ref mark @ ..] = stamp else { return None };
    (*mark == MARK).then(|| u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
}

/// The first address of a network, and how many it has.
fn network(text: &str) -> anyhow::Result<(u32, u32)> {
    let (first, bits) = text.split_once('/').context("clients=NETWORK/BITS")?;
    let (first, bits): (Ipv4Addr, u32) = (first.parse()?, bits.parse()?);
    Ok((first.to_bits(), 1u32.checked_shl(32 - bits).context("BITS is 1 to 32")?))
}
