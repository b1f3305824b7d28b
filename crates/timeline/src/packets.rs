//! Packets that were captured (pcap, and pcapng of the IETF's draft-ietf-opsawg-pcapng), as lines.
//!
//! ```text
//!  pcap      magic 2 2 zone sigfigs snaplen link │ seconds fraction kept length bytes.. │ ..
//!  pcapng    type length body.. length           │ ..            section, interface, packet, and others that tell nothing here
//! ```
//!
//! A packet is told as `74 bytes 192.0.2.1:443 > 198.51.100.7:51234 TCP`. Whoever wrote the file wrote it in the order of bytes of his machine, which the
//! first bytes tell, and they or the interface tell what a stamp counts. No more than [`KEPT`] bytes of a packet are held.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::net::IpAddr;
use std::ops::Range;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use truechimer_time::{Span, Time};

use crate::dialect::Found;
use crate::lines::{Line, Lines};
use crate::stamp::{Reading, Stamp};

/// So much of a packet, or of another block, is looked at.
const KEPT: usize = 64 << 10;

/// No packet and no block is longer: 256 MiB, what captures of jumbo packets of any kind stay far below. A length beyond is no length.
const LENGTH_MAX: u32 = 256 << 20;

/// No section has more interfaces.
const INTERFACES_MAX: usize = 4096;

/// The block that begins a section, the same in either order of bytes.
const SECTION: u32 = 0x0a0d_0d0a;

const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Which way around numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes: [u8; 4] = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        })
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes: [u8; 2] = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        })
    }

    fn i64(self, bytes: &[u8]) -> Option<i64> {
        let bytes: [u8; 8] = *bytes.first_chunk()?;
        Some(match self {
            Self::Big => i64::from_be_bytes(bytes),
            Self::Little => i64::from_le_bytes(bytes),
        })
    }
}

/// How packets were taken, and how they were stamped.
#[derive(Clone, Copy, Debug)]
struct Interface {
    /// What packets begin with (tcpdump.org, link-layer header types).
    link: u32,
    /// So many ticks are a second.
    per_second: u128,
    /// Seconds that are added to each stamp.
    ahead: i64,
}

#[derive(Clone, Debug)]
enum Form {
    /// pcap, in which there is one interface.
    Plain(Order, Interface),
    /// pcapng, with the interfaces of its section.
    Blocks(Order, Vec<Option<Interface>>),
}

/// Is this the beginning of such a file?
pub(crate) fn is_head(head: &[u8]) -> bool {
    plain(head).is_some() || head.starts_with(&SECTION.to_be_bytes())
}

/// Order of bytes, and ticks of a second, by the first bytes of pcap.
fn plain(head: &[u8]) -> Option<(Order, u128)> {
    let magic = head.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
    Some(match magic {
        0xa1b2_c3d4 => (Order::Big, 1_000_000),
        0xd4c3_b2a1 => (Order::Little, 1_000_000),
        0xa1b2_3c4d => (Order::Big, 1_000_000_000),
        0x4d3c_b2a1 => (Order::Little, 1_000_000_000),
        _ => return None,
    })
}

/// Packets of a stream.
#[derive(Debug)]
pub struct Packets<R> {
    bytes: Lines<R>,
    form: Option<Form>,
    /// The block or packet that was read last, as far as it is held.
    held: Vec<u8>,
    line: String,
    stamp: Option<Stamp>,
}

impl<R: Read> Packets<R> {
    /// The packets of a stream.
    pub fn of(input: R) -> Self {
        Self { bytes: Lines::of(input), form: None, held: Vec::new(), line: String::new(), stamp: None }
    }

    /// Goes on to the next packet, if there is one.
    ///
    /// # Errors
    /// Those of the stream; it is torn; or it is not in this format. It is not to be read further then.
    pub fn advance(&mut self) -> io::Result<bool> {
        if self.form.is_none() && !self.begin()? {
            return Ok(false);
        }
        loop {
            let told = match &self.form {
                None => None,
                Some(Form::Plain(order, interface)) => {
                    let (order, interface) = (*order, *interface);
                    self.plain_packet(order, interface)?
                }
                Some(Form::Blocks(order, _)) => {
                    let order = *order;
                    self.block(order)?
                }
            };
            match told {
                None => {
                    self.line.clear();
                    return Ok(false);
                }
                Some(true) => return Ok(true),
                Some(false) => {}
            }
        }
    }

    /// The packet that was read last.
    pub fn line(&self) -> Line<'_> {
        Line { bytes: self.line.as_bytes(), cut: 0 }
    }

    /// When it was taken, if its stamp can be read.
    pub fn found(&self) -> Option<Found<'_>> {
        let stamp = self.stamp?;
        Some(Found { dialect: None, stamp, host: None, boot: None, mono: None, claim: None })
    }

    fn begin(&mut self) -> io::Result<bool> {
        if !self.hold(4)? {
            return Ok(false);
        }
        self.form = Some(match plain(&self.held) {
            Some((order, per_second)) => {
                self.must_hold(20)?;
                let link = order.u32(&self.held, 16).ok_or_else(torn)? & 0x0fff_ffff;
                Form::Plain(order, Interface { link, per_second, ahead: 0 })
            }
            None => {
                let order = self.section()?;
                Form::Blocks(order, Vec::new())
            }
        });
        Ok(true)
    }

    /// The next packet of pcap.
    fn plain_packet(&mut self, order: Order, interface: Interface) -> io::Result<Option<bool>> {
        if !self.hold(16)? {
            return Ok(None);
        }
        let number = |at| order.u32(&self.held, at).ok_or_else(torn);
        let (seconds, part, kept, length) = (number(0)?, number(4)?, number(8)?, number(12)?);
        self.must_hold_of(kept)?;
        let ticks = u128::from(seconds) * interface.per_second + u128::from(part);
        self.tell(interface, Some(ticks), length, 0..kept as usize);
        Ok(Some(true))
    }

    /// The next block of pcapng: was it a packet? `None` at the end.
    fn block(&mut self, order: Order) -> io::Result<Option<bool>> {
        if !self.hold(4)? {
            return Ok(None);
        }
        if self.held == SECTION.to_be_bytes() {
            let order = self.section()?;
            self.form = Some(Form::Blocks(order, Vec::new()));
            return Ok(Some(false));
        }
        let kind = order.u32(&self.held, 0).ok_or_else(torn)?;
        self.must_hold(4)?;
        let length = order.u32(&self.held, 0).ok_or_else(torn)?;
        let body = length.checked_sub(12).filter(|_| length.is_multiple_of(4));
        let body = body.ok_or_else(|| wrong(format!("a block says that it has {length} bytes")))?;
        self.must_hold_of(body)?;
        let body = std::mem::take(&mut self.held);
        self.must_hold(4)?;
        let again = order.u32(&self.held, 0);
        self.held = body;
        if again != Some(length) {
            return Err(wrong("a block does not end where it says that it does".to_owned()));
        }
        Ok(Some(match kind {
            INTERFACE => {
                let interface = interface(order, &self.held);
                if let Some(Form::Blocks(_, interfaces)) = &mut self.form {
                    if interfaces.len() == INTERFACES_MAX {
                        return Err(wrong(format!("a section has more than {INTERFACES_MAX} interfaces")));
                    }
                    interfaces.push(interface);
                }
                false
            }
            ENHANCED_PACKET => self.enhanced(order)?,
            SIMPLE_PACKET => {
                let interface = self.interface(0);
                let length = order.u32(&self.held, 0).ok_or_else(torn)?;
                self.tell(interface, None, length, 4..(length as usize).saturating_add(4));
                true
            }
            _ => false,
        }))
    }

    fn enhanced(&mut self, order: Order) -> io::Result<bool> {
        let number = |at| order.u32(&self.held, at).ok_or_else(torn);
        let (id, high, low, kept, length) = (number(0)?, number(4)?, number(8)?, number(12)?, number(16)?);
        let interface = self.interface(id as usize);
        let ticks = u128::from(high) << 32 | u128::from(low);
        self.tell(interface, Some(ticks), length, 20..(kept as usize).saturating_add(20));
        Ok(true)
    }

    /// An interface of this section. Of one that was not described nothing is known, nor when its packets came.
    fn interface(&self, id: usize) -> Interface {
        let known = match &self.form {
            Some(Form::Blocks(_, interfaces)) => interfaces.get(id).copied().flatten(),
            Some(Form::Plain(..)) | None => None,
        };
        known.unwrap_or(Interface { link: u32::MAX, per_second: 0, ahead: 0 })
    }

    /// A section begins, whose first four bytes were read: which way around are its numbers?
    fn section(&mut self) -> io::Result<Order> {
        self.must_hold(8)?;
        let order = match self.held[4..8] {
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            _ => return Err(wrong("a section does not tell its order of bytes".to_owned())),
        };
        let length = order.u32(&self.held, 0).and_then(|length| length.checked_sub(12));
        let length = length.ok_or_else(|| wrong("a section is shorter than its head".to_owned()))?;
        self.must_hold_of(length)?;
        Ok(order)
    }

    /// Reads so many bytes and holds them, unless the stream is at its end.
    fn hold(&mut self, count: usize) -> io::Result<bool> {
        self.held.clear();
        let read = self.bytes.pass(count as u64, |piece| self.held.extend_from_slice(piece))?;
        match read {
            0 if count > 0 => Ok(false),
            read if read == count as u64 => Ok(true),
            _ => Err(torn()),
        }
    }

    fn must_hold(&mut self, count: usize) -> io::Result<()> {
        if self.hold(count)? { Ok(()) } else { Err(torn()) }
    }

    /// Reads as many as somebody says that there are, and holds the first of them.
    fn must_hold_of(&mut self, length: u32) -> io::Result<()> {
        if length > LENGTH_MAX {
            return Err(wrong(format!(
                "a packet or block says that it has {length} bytes, and none has more than {LENGTH_MAX}"
            )));
        }
        self.held.clear();
        let held = &mut self.held;
        let read = self.bytes.pass(length.into(), |piece| {
            let kept = piece.len().min(KEPT - held.len());
            held.extend_from_slice(&piece[..kept]);
        })?;
        if read == u64::from(length) { Ok(()) } else { Err(torn()) }
    }

    /// Tells a packet, of which that part of what is held was kept.
    fn tell(&mut self, interface: Interface, ticks: Option<u128>, length: u32, at: Range<usize>) {
        let packet = self.held.get(at.start..at.end.min(self.held.len())).unwrap_or_default();
        self.line.clear();
        // Writing to a string does not fail.
        let _ = write!(self.line, "{length} bytes {}", described(interface.link, packet));
        self.stamp = ticks.and_then(|ticks| stamp(interface, ticks));
    }
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the capture ends in the midst of a packet")
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn stamp(interface: Interface, ticks: u128) -> Option<Stamp> {
    let Interface { per_second, ahead, .. } = interface;
    let whole = i64::try_from(ticks.checked_div(per_second)?).ok()?.checked_add(ahead)?;
    let second = Span::from_secs(1).as_attos().unsigned_abs();
    // A tick is at least 2^-63 s, so that the product has room.
    let part = (ticks % per_second) * second / per_second;
    let since = Span::from_secs(whole) + Span::from_attos(i128::try_from(part).ok()?);
    let resolution = Span::from_attos(i128::try_from((second / per_second).max(1)).ok()?);
    Some(Stamp { reading: Reading::Clock(Time::from_epoch(since)), resolution })
}

/// What a block says of an interface: its link, and among its options the resolution (9) and the offset (14) of its stamps.
fn interface(order: Order, block: &[u8]) -> Option<Interface> {
    let mut interface = Interface { link: order.u16(block, 0)?.into(), per_second: 1_000_000, ahead: 0 };
    let mut at = 8;
    while let (Some(code), Some(length)) = (order.u16(block, at), order.u16(block, at + 2)) {
        let value = block.get(at + 4..at + 4 + usize::from(length))?;
        match (code, value) {
            (0, _) => break,
            (9, [power, ..]) => {
                let exponent = u32::from(power & 0x7f);
                let is_decimal = power & 0x80 == 0;
                let fits = if is_decimal { exponent <= 19 } else { exponent <= 63 };
                interface.per_second =
                    fits.then(|| if is_decimal { 10u128.pow(exponent) } else { 1 << exponent })?;
            }
            (14, value) => interface.ahead = order.i64(value)?,
            (_, _) => {}
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    Some(interface)
}

/// From whom to whom, and what, as far as that can be seen.
fn described(link: u32, packet: &[u8]) -> String {
    let sliced = match link {
        1 => LaxSlicedPacket::from_ethernet(packet).ok(),
        12 | 14 | 101 | 228 | 229 => LaxSlicedPacket::from_ip(packet).ok(),
        113 => cooked(packet, 14, 16),
        276 => cooked(packet, 0, 20),
        u32::MAX => return "by an interface that is not described".to_owned(),
        _ => return format!("of link type {link}"),
    };
    let Some(sliced) = sliced else { return "that are not whole".to_owned() };
    let (from, to, number) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (IpAddr::from(header.source_addr()), header.destination_addr().into(), ip.payload_ip_number())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (IpAddr::from(header.source_addr()), header.destination_addr().into(), ip.payload().ip_number)
        }
        Some(LaxNetSlice::Arp(_)) => return "ARP".to_owned(),
        None => return "of no IP".to_owned(),
    };
    let with_ports = |one: u16, other: u16, what: &str| {
        let [from, to] = [(from, one), (to, other)].map(std::net::SocketAddr::from);
        format!("{from} > {to} {what}")
    };
    match &sliced.transport {
        Some(TransportSlice::Udp(udp)) => with_ports(udp.source_port(), udp.destination_port(), "UDP"),
        Some(TransportSlice::Tcp(tcp)) => with_ports(tcp.source_port(), tcp.destination_port(), "TCP"),
        Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_)) => format!("{from} > {to} ICMP"),
        Some(TransportSlice::Igmp(_)) => format!("{from} > {to} IGMP"),
        None => format!("{from} > {to} protocol {}", number.0),
    }
}

/// What Linux makes of any link: the type of Ethernet is there, and the packet here.
fn cooked(packet: &[u8], kind: usize, from: usize) -> Option<LaxSlicedPacket<'_>> {
    let kind = EtherType(Order::Big.u16(packet, kind)?);
    Some(LaxSlicedPacket::from_ether_type(kind, packet.get(from..)?))
}

#[cfg(test)]
mod tests;
