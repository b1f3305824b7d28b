//! A thread that answers: it sleeps until questions come, takes what waits, answers it all and sends it.
//!
//! **Invariant:** for one question there is no system call, no lock and no allocation of its own; all of that is for a
//! batch. Under load batches are full.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use truechimer_core::server::cookie::Ring;
use truechimer_core::server::desk::classic::Protocol;
use truechimer_core::server::desk::{Desk, Question, Telling};
use truechimer_core::server::dial::Dial;
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::batch::{Asked, Batch, Reply};
use truechimer_sys::udp::{Stamps, UdpSocket};
use truechimer_sys::wake::Wakeups;
use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{Raw, Span, Time};

use super::{Door, Post, RingBytes, Shared};
use crate::stamps;

/// So many questions are taken at once: more are no cheaper, and the last of them waits for all the others.
const BATCH: usize = 32;

/// So many batches are answered before other sockets are looked at.
const TURNS: usize = 16;

/// So many answers may be on their way whose departure somebody wants to know.
const AWAITED: usize = 256;

/// A machine that slept for longer than this has stopped its counter meanwhile.
const SLEEP_MIN: Span = Span::from_millis(10);

/// A worker at work.
pub(super) struct Worker {
    counters: Vec<Counter>,
    wakeups: Wakeups,
    shared: Arc<Shared>,
    desk: Arc<Mutex<Desk>>,
    /// The keys of cookies that the desk has.
    ring: Option<Arc<RingBytes>>,
    batch: Batch,
    /// How long the kernel takes to send one answer, as far as was seen.
    pace: Span,
}

/// A socket, and the answers from it whose departure somebody wants to know.
struct Counter {
    protocol: Protocol,
    socket: UdpSocket,
    awaited: Awaited,
}

impl Worker {
    pub(super) fn new(
        doors: Vec<Door>,
        wakeups: Wakeups,
        shared: Arc<Shared>,
        desk: Arc<Mutex<Desk>>,
    ) -> Self {
        let counter = |Door { protocol, socket }| Counter { protocol, socket, awaited: Awaited::default() };
        let counters = doors.into_iter().map(counter).collect();
        let batch = Batch::new(BATCH, DATAGRAM_MAX + 1);
        Self { counters, wakeups, shared, desk, ring: None, batch, pace: Span::ZERO }
    }

    /// Answers until it is told that it is over. What should panic here would be a mistake of ours: it costs one batch, is
    /// told, and the next is answered.
    pub(super) fn run(mut self) {
        while !self.shared.is_over.load(Ordering::Acquire) {
            if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
                eprintln!(
                    "error: a worker of the server has failed in the midst of a batch, and goes on with the next"
                );
            }
        }
    }

    /// Sleeps until something comes, and answers it.
    fn turn(&mut self) {
        let mut poll = PollSet::new();
        poll.add(self.wakeups.as_fd(), Interest::Read, None);
        for (index, counter) in self.counters.iter().enumerate() {
            poll.add(counter.socket.as_fd(), Interest::Read, Some(index));
        }
        // Out of memory for a moment: what waits is still there afterwards.
        let Ok(ready) = poll.wait(None) else { return };
        for event in ready {
            match event.token {
                None => drop(self.wakeups.drain()),
                Some(index) => {
                    self.hear_departures(index);
                    self.serve(index);
                }
            }
        }
    }

    fn serve(&mut self, index: usize) {
        for _ in 0..TURNS {
            // An error is about an earlier answer: its asker has gone.
            let come = self.batch.receive(&self.counters[index].socket).unwrap_or(0);
            if come == 0 {
                return;
            }
            self.answer(index, come);
            self.hear_departures(index);
            if come < self.batch.capacity() {
                return;
            }
        }
    }

    fn answer(&mut self, index: usize, come: usize) {
        let Self { counters, desk, batch, shared, pace, ring, .. } = self;
        let counter = &mut counters[index];
        let post = shared.post.load();
        let (now, dial) = look_up(&post);
        let telling = Telling::at(now.raw, &dial, &post.policy);
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.begin(now.mono, &post.policy);
        take_ring(&mut desk, ring, &shared.ring);
        let mut leaves = clock::raw();
        batch.answer(come, |_, asked, reply| {
            let question = question(asked, &now, leaves);
            let answer =
                desk.answer_by(counter.protocol, &question, &telling, reply.first_chunk_mut()?).ok()?;
            leaves += *pace;
            if let Some(name) = answer.wanted {
                counter.awaited.push(name);
            }
            Some(Reply { len: answer.len, stamped: answer.wanted.is_some() })
        });
        let began = clock::raw();
        let sent = batch.send(come, &counter.socket);
        desk.were_unsent(sent.unsent);
        if sent.unsent > 0 {
            counter.awaited.lose_count(&counter.socket);
        } else if sent.sent > 0 {
            *pace = paced(*pace, clock::raw() - began, sent.sent);
        }
    }

    /// Takes the kernel's word for when answers left.
    fn hear_departures(&mut self, index: usize) {
        let Self { counters, desk, shared, .. } = self;
        let counter = &mut counters[index];
        if counter.awaited.is_empty() {
            return;
        }
        let now = clock::glance();
        let post = shared.post.load();
        while let Ok(Some(stamp)) = counter.socket.transmit_stamp() {
            let name = counter.awaited.take(stamp.id);
            let left = stamps::to_raw(stamp.at, &now).map(|stamp| post.dial.read(stamp.at));
            if let (Some(name), Some(left)) = (name, left) {
                desk.lock().unwrap_or_else(PoisonError::into_inner).has_left(name, left);
            }
        }
    }
}

/// Gives the desk the newest keys of cookies, if it has others.
fn take_ring(desk: &mut Desk, has: &mut Option<Arc<RingBytes>>, published: &ArcSwapOption<RingBytes>) {
    let newest = published.load();
    let is_same = match (&*has, &*newest) {
        (Some(has), Some(newest)) => Arc::ptr_eq(has, newest),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !is_same {
        has.clone_from(&newest);
        let ring =
            newest.as_ref().map(|bytes| Ring::from_bytes(bytes).expect("a ring reads what it has written"));
        desk.take_ring(ring);
    }
}

/// The clocks, and the time as it is told now: not at all, if the counter has stood still since the post came.
pub(super) fn look_up(post: &Post) -> (Readings, Dial) {
    let has_slept = |now: &Readings| (now.asleep - post.asleep).abs() > SLEEP_MIN;
    let now = Some(clock::glance()).filter(|now| !has_slept(now)).unwrap_or_else(clock::readings);
    let dial = match has_slept(&now) {
        false => post.dial,
        true => Dial::unsynchronised(now.raw, Time::from_epoch(now.realtime.since_epoch())),
    };
    (now, dial)
}

fn question<'a>(asked: &Asked<'a>, now: &Readings, leaves: Time<Raw>) -> Question<'a> {
    let came = asked.stamp.and_then(|stamp| stamps::to_raw(stamp, now));
    let received = came.map_or(now.raw, |stamp| stamp.at);
    Question { bytes: asked.bytes, from: asked.from, received, leaves, to_many: asked.to_many }
}

/// The mean of the last batches, of which the newest counts for an eighth.
fn paced(before: Span, took: Span, answers: usize) -> Span {
    let took = Span::from_attos(took.as_attos() / answers as i128);
    before + Span::from_attos((took - before).as_attos() >> 3)
}

/// Answers whose departure is awaited, in the order in which they were handed to the kernel: it counts them one by one.
#[derive(Default)]
struct Awaited {
    names: Box<[NtpTimestamp]>,
    /// The number that the next one gets.
    next: u32,
    /// So many are still awaited; what is older is not.
    open: u32,
}

impl Awaited {
    fn is_empty(&self) -> bool {
        self.open == 0
    }

    fn push(&mut self, name: NtpTimestamp) {
        if self.names.is_empty() {
            self.names = vec![NtpTimestamp::ZERO; AWAITED].into();
        }
        self.names[self.next as usize % AWAITED] = name;
        self.next = self.next.wrapping_add(1);
        self.open = (self.open + 1).min(AWAITED as u32);
    }

    /// Whose departure this is, and that nobody before it is awaited any more.
    fn take(&mut self, number: u32) -> Option<NtpTimestamp> {
        let behind = self.next.wrapping_sub(number);
        let is_awaited = (1..=self.open).contains(&behind);
        is_awaited.then(|| {
            self.open = behind - 1;
            self.names[number as usize % AWAITED]
        })
    }

    /// The kernel may or may not have counted what it did not send: it is made to begin anew.
    fn lose_count(&mut self, socket: &UdpSocket) {
        (self.next, self.open) = (0, 0);
        if socket.disable_stamps().is_ok() {
            while let Ok(Some(_of_before)) = socket.transmit_stamp() {}
            socket.enable_stamps(Stamps::Wished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bits: u64) -> NtpTimestamp {
        NtpTimestamp::from_bits(bits)
    }

    #[test]
    fn departures_are_found_by_their_number() {
        let mut awaited = Awaited::default();
        assert!(awaited.is_empty() && awaited.take(0).is_none());
        (1..=3).for_each(|bits| awaited.push(name(bits)));
        assert_eq!(awaited.take(1), Some(name(2)));
        assert_eq!(awaited.take(0), None, "what comes before is no longer awaited");
        assert_eq!((awaited.take(2), awaited.take(3)), (Some(name(3)), None));
        assert!(awaited.is_empty());
    }

    #[test]
    fn only_so_many_departures_are_awaited() {
        let mut awaited = Awaited::default();
        (0..1_000).for_each(|bits| awaited.push(name(bits)));
        assert_eq!(awaited.take(1_000 - AWAITED as u32 - 1), None);
        assert_eq!(awaited.take(1_000 - AWAITED as u32), Some(name(1_000 - AWAITED as u64)));
    }

    #[test]
    fn the_pace_follows_what_is_seen() {
        let mut pace = Span::ZERO;
        (0..100).for_each(|_| pace = paced(pace, Span::from_micros(60), 30));
        assert!((pace - Span::from_micros(2)).abs() < Span::from_nanos(10), "{pace}");
    }
}
