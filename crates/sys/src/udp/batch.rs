//! Many datagrams in one call, for servers under load: `recvmmsg(2)` and `sendmmsg(2)`.
//!
//! A [`Batch`] has its memory from the beginning and allocates nothing later. What came is answered from the buffer beside
//! it, to where it came from; what goes wrong with one answer does not hinder the others.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::{c_int, c_uint, iovec, mmsghdr, msghdr};
use truechimer_time::{Local, Time};

use super::{Destination, UdpSocket, nothing_there, stamp};
use crate::address::Address;
use crate::control::Control;
use crate::fd::check;

/// The most datagrams of one batch: what lies on the stack for the kernel has this size.
pub const DATAGRAMS_MAX: usize = 64;

/// Room for a stamp (64 bytes with its header) and an address (40).
const BESIDE_MAX: usize = 128;

/// Datagrams and their answers.
#[derive(Debug)]
pub struct Batch {
    slots: Box<[Slot]>,
    /// Of each slot so many bytes for the question, then as many for the answer.
    bytes: Box<[u8]>,
    datagram_max: usize,
}

struct Slot {
    from: Address,
    beside: Control<BESIDE_MAX>,
    len: usize,
    truncated: bool,
    reply: Option<Reply>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("len", &self.len).field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// A datagram of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What is in it; the first so many bytes, if it is longer than the batch takes.
    pub bytes: &'a [u8],
    /// It was longer, and the rest is lost.
    pub truncated: bool,
    /// Who sent it, as it claims.
    pub from: SocketAddr,
    /// When it came, by `CLOCK_REALTIME`, as the kernel saw it.
    pub stamp: Option<Time<Local>>,
    /// It was sent to a broadcast address or a group.
    pub to_many: bool,
}

/// What to send back from the buffer of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// So many bytes of it.
    pub len: usize,
    /// The kernel is to say when it went; see [`UdpSocket::transmit_stamp`].
    pub stamped: bool,
}

/// What became of the answers of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The kernel took so many.
    pub sent: usize,
    /// So many it did not take.
    pub unsent: usize,
}

impl Batch {
    /// Room for so many datagrams, at most [`DATAGRAMS_MAX`], of so many bytes each.
    pub fn new(datagrams: usize, datagram_max: usize) -> Self {
        let count = datagrams.clamp(1, DATAGRAMS_MAX);
        let slot = || Slot {
            from: Address::blank(),
            beside: Control::blank(),
            len: 0,
            truncated: false,
            reply: None,
        };
        let slots = std::iter::repeat_with(slot).take(count).collect();
        Self { slots, bytes: vec![0; 2 * count * datagram_max].into(), datagram_max }
    }

    /// How many datagrams it holds.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Takes the datagrams that wait at a socket, and says how many; none is no error.
    ///
    /// # Errors
    /// As [`UdpSocket::receive`]: about an earlier answer, and the socket goes on working.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; DATAGRAMS_MAX];
        let mut parts = [const { MaybeUninit::<iovec>::uninit() }; DATAGRAMS_MAX];
        let buffers = self.bytes.chunks_exact_mut(2 * self.datagram_max);
        for (((slot, buffer), header), part) in
            self.slots.iter_mut().zip(buffers).zip(&mut headers).zip(&mut parts)
        {
            let part = part.write(iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: self.datagram_max });
            header.write(slot.receiving(part));
        }
        let headers = headers.as_mut_ptr().cast();
        // SAFETY: as many headers as there are slots are written, and each pointer in them goes with the length of what is
        // borrowed mutably until the call returns.
        let come = check(unsafe {
            libc::recvmmsg(
                socket.fd.as_raw_fd(),
                headers,
                self.slots.len() as c_uint,
                0,
                std::ptr::null_mut(),
            )
        });
        let come = match come {
            Err(error) if nothing_there(&error) => return Ok(0),
            come => come? as usize,
        };
        for (index, slot) in self.slots[..come].iter_mut().enumerate() {
            // SAFETY: the first `come` headers are written above, and the kernel has filled them in.
            slot.has_received(unsafe { &*headers.add(index) }, self.datagram_max);
        }
        Ok(come)
    }

    /// Lets each of the first so many datagrams be answered: the bytes of the answer are written to the buffer beside it,
    /// which is as long as the longest datagram.
    pub fn answer(
        &mut self,
        come: usize,
        mut answer: impl FnMut(usize, &Asked<'_>, &mut [u8]) -> Option<Reply>,
    ) {
        let buffers = self.bytes.chunks_exact_mut(2 * self.datagram_max);
        for (index, (slot, buffer)) in self.slots.iter_mut().zip(buffers).take(come).enumerate() {
            let (question, reply) = buffer.split_at_mut(self.datagram_max);
            slot.reply = slot.asked(question).and_then(|asked| answer(index, &asked, reply));
        }
    }

    /// Writes a datagram of our own in the place of an answer: to whom, from which of our addresses, and so many bytes.
    pub fn compose(
        &mut self,
        index: usize,
        to: SocketAddr,
        from: Option<Destination>,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let buffer =
            &mut self.bytes[index * 2 * self.datagram_max..][self.datagram_max..][..self.datagram_max];
        let slot = &mut self.slots[index];
        slot.from = to.into();
        slot.beside.clear();
        if let Some(from) = from {
            from.name_in(&mut slot.beside);
        }
        slot.reply = Some(Reply { len: write(buffer), stamped: false });
    }

    /// Sends the answers to the first so many.
    pub fn send(&mut self, come: usize, socket: &UdpSocket) -> Sent {
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; DATAGRAMS_MAX];
        let mut parts = [const { MaybeUninit::<iovec>::uninit() }; DATAGRAMS_MAX];
        let buffers = self.bytes.chunks_exact(2 * self.datagram_max);
        let answered = self.slots.iter_mut().zip(buffers).take(come);
        let answered = answered.filter_map(|(slot, buffer)| slot.reply.map(|reply| (slot, buffer, reply)));
        let mut count = 0;
        for (slot, buffer, reply) in answered {
            let bytes = &buffer[self.datagram_max..][..reply.len.min(self.datagram_max)];
            let part = parts[count]
                .write(iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
            headers[count].write(slot.sending(part, reply));
            count += 1;
        }
        // SAFETY: the first `count` are written.
        let headers = unsafe { std::slice::from_raw_parts_mut(headers.as_mut_ptr().cast(), count) };
        send_all(socket.as_fd(), headers)
    }
}

impl Slot {
    fn receiving(&mut self, part: &mut iovec) -> mmsghdr {
        let mut header = blank_header(part);
        self.from.set_len(libc::socklen_t::MAX);
        header.msg_hdr.msg_name = self.from.as_mut_ptr().cast();
        header.msg_hdr.msg_namelen = self.from.len();
        header.msg_hdr.msg_control = self.beside.room().as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = self.beside.room().len() as _;
        header
    }

    fn has_received(&mut self, header: &mmsghdr, datagram_max: usize) {
        self.from.set_len(header.msg_hdr.msg_namelen);
        self.beside.set_len(header.msg_hdr.msg_controllen as usize);
        self.len = (header.msg_len as usize).min(datagram_max);
        self.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        self.reply = None;
    }

    fn asked<'a>(&self, question: &'a [u8]) -> Option<Asked<'a>> {
        let (mut stamp, mut to_many) = (None, false);
        for message in self.beside.messages() {
            stamp = stamp.or_else(|| stamp::received(message));
            to_many |= Destination::is_of_many(message);
        }
        let from = self.from.to_std()?;
        Some(Asked { bytes: &question[..self.len], truncated: self.truncated, from, stamp, to_many })
    }

    /// To where the question came from, and from where it went to.
    fn sending(&mut self, part: &mut iovec, reply: Reply) -> mmsghdr {
        let destination = self.beside.messages().find_map(Destination::read);
        self.beside.clear();
        if let Some(destination) = destination {
            destination.name_in(&mut self.beside);
        }
        if reply.stamped {
            stamp::ask_for_one(&mut self.beside);
        }
        let mut header = blank_header(part);
        header.msg_hdr.msg_name = self.from.as_mut_ptr().cast();
        header.msg_hdr.msg_namelen = self.from.len();
        if !self.beside.bytes().is_empty() {
            header.msg_hdr.msg_control = self.beside.bytes().as_ptr().cast_mut().cast();
            header.msg_hdr.msg_controllen = self.beside.bytes().len() as _;
        }
        header
    }
}

/// Sends them all; one that the kernel refuses is left out, and where there is no more room, all the rest.
fn send_all(fd: BorrowedFd<'_>, headers: &mut [mmsghdr]) -> Sent {
    let mut outcome = Sent::default();
    let mut next = 0;
    while next < headers.len() {
        let rest = &mut headers[next..];
        // SAFETY: the kernel reads the headers, and from each pointer in them as much as the length beside it says: all of
        // it is borrowed by who calls.
        let result = check(unsafe {
            libc::sendmmsg(
                fd.as_raw_fd(),
                rest.as_mut_ptr(),
                rest.len() as c_uint,
                libc::MSG_NOSIGNAL as c_int,
            )
        });
        match result {
            Ok(sent) => {
                outcome.sent += sent as usize;
                next += sent as usize;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                outcome.unsent += headers.len() - next;
                return outcome;
            }
            Err(_refused) => {
                outcome.unsent += 1;
                next += 1;
            }
        }
    }
    outcome
}

/// One part, no address, nothing beside.
fn blank_header(part: &mut iovec) -> mmsghdr {
    // SAFETY: msghdr is integers and pointers, for which all zeros is a value.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    mmsghdr { msg_hdr: header, msg_len: 0 }
}

#[cfg(test)]
mod tests;
