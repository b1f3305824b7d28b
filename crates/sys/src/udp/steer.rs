//! Which of several sockets at one place gets a datagram: a small program of the kernel's packet filter decides
//! (Documentation/networking/filter.rst, socket(7) on `SO_ATTACH_REUSEPORT_CBPF`).

use std::io;
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_ushort, sock_filter, sock_fprog, socklen_t};

use crate::fd::check;

/// Offsets from here on are counted from the beginning of the IP header (`SKF_NET_OFF`, linux/filter.h).
const NET_HEADER: u32 = -0x0010_0000_i32 as u32;
/// Where the sender's address is in an IPv4 header, and the upper half of it in an IPv6 one.
const V4_SENDER: u32 = NET_HEADER + 12;
const V6_SENDER: u32 = NET_HEADER + 8;
/// Spreads neighbouring addresses (Knuth: 2^32 divided by the golden ratio).
const SPREAD: u32 = 2_654_435_769;

// The operations of linux/bpf_common.h.
const LOAD_WORD: c_ushort = 0x20;
const TO_X: c_ushort = 0x07;
const XOR_X: c_ushort = 0xac;
const MULTIPLY: c_ushort = 0x24;
const SHIFT_RIGHT: c_ushort = 0x74;
const MODULO: c_ushort = 0x94;
const RETURN_A: c_ushort = 0x16;

/// Chooses by the sender's address, in IPv6 by its network.
pub(super) fn by_sender(fd: BorrowedFd<'_>, is_v6: bool, sockets: u32) -> io::Result<()> {
    let program = if is_v6 { v6(sockets.max(1)).to_vec() } else { v4(sockets.max(1)).to_vec() };
    attach(fd, &program)
}

/// What the program below chooses.
pub(super) fn choice(sender: IpAddr, sockets: u32) -> u32 {
    let word = match sender {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => (v6.to_bits() >> 96) as u32 ^ (v6.to_bits() >> 64) as u32,
    };
    (word.wrapping_mul(SPREAD) >> 16) % sockets.max(1)
}

fn v4(sockets: u32) -> [sock_filter; 5] {
    let [spread, shift, modulo, finish] = choose(sockets);
    [step(LOAD_WORD, V4_SENDER), spread, shift, modulo, finish]
}

fn v6(sockets: u32) -> [sock_filter; 8] {
    let [spread, shift, modulo, finish] = choose(sockets);
    let upper = [step(LOAD_WORD, V6_SENDER), step(TO_X, 0), step(LOAD_WORD, V6_SENDER + 4), step(XOR_X, 0)];
    let [load, keep, next, join] = upper;
    [load, keep, next, join, spread, shift, modulo, finish]
}

/// The socket's number, from a word in the accumulator.
fn choose(sockets: u32) -> [sock_filter; 4] {
    [step(MULTIPLY, SPREAD), step(SHIFT_RIGHT, 16), step(MODULO, sockets), step(RETURN_A, 0)]
}

fn step(code: c_ushort, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn attach(fd: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    let len = c_ushort::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let (value, size) = ((&raw const program).cast(), size_of::<sock_fprog>() as socklen_t);
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF);
    // SAFETY: the kernel reads one sock_fprog, and as many steps from the address in it as it says; both are borrowed here.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, size) }).map(drop)
}
