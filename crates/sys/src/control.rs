//! Control messages: what goes beside a datagram through `sendmsg` and `recvmsg` (cmsg(3)).
//!
//! They are read and written here as plain bytes, in the kernel's own layout, so that a length that lies leads
//! nowhere. Nothing but a test is unsafe here.
//!
//! ```text
//!   0            size_of usize   + 4      + 8              len, rounded up to usize
//!   ├ len: usize ┼ level: i32 ───┼ kind: i32 ┼ data .. ┼ padding ┤ next message ..
//! ```

use std::mem::size_of;

use libc::c_int;

/// Room for all that our sockets are ever sent beside one datagram: two stamps, an error, an address (about 200).
const CONTROL_MAX: usize = 512;
const HEADER: usize = size_of::<usize>() + 2 * size_of::<c_int>();

/// The control messages of one datagram, at most so many bytes of them. Aligned as the kernel wants them.
#[repr(C, align(8))]
pub(crate) struct Control<const MAX: usize = CONTROL_MAX> {
    bytes: [u8; MAX],
    len: usize,
}

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlMessage<'a> {
    pub(crate) level: c_int,
    pub(crate) kind: c_int,
    pub(crate) data: &'a [u8],
}

impl Control {
    /// No messages.
    pub(crate) fn new() -> Self {
        Self::blank()
    }
}

impl<const MAX: usize> Control<MAX> {
    /// No messages, in as much room as the type says.
    pub(crate) fn blank() -> Self {
        Self { bytes: [0; MAX], len: 0 }
    }

    /// Forgets all messages.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// One message more.
    pub(crate) fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let (start, len) = (self.len, HEADER + data.len());
        assert!(start + aligned(len) <= MAX, "we send few and small control messages");
        let header = &mut self.bytes[start..start + HEADER];
        let (length, rest) = header.split_at_mut(size_of::<usize>());
        length.copy_from_slice(&len.to_ne_bytes());
        rest[..4].copy_from_slice(&level.to_ne_bytes());
        rest[4..].copy_from_slice(&kind.to_ne_bytes());
        self.bytes[start + HEADER..start + len].copy_from_slice(data);
        self.len += aligned(len);
    }

    /// The messages in it.
    pub(crate) fn messages(&self) -> Messages<'_> {
        Messages { rest: &self.bytes[..self.len] }
    }

    /// For the kernel to read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// For the kernel to write to; [`set_len`](Self::set_len) tells how much it wrote.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(MAX);
    }
}

/// Control messages in their order.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = ControlMessage<'a>;

    fn next(&mut self) -> Option<ControlMessage<'a>> {
        let (length, after) = self.rest.split_first_chunk()?;
        let (level, after) = after.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let len = usize::from_ne_bytes(*length);
        let data = after.get(..len.checked_sub(HEADER)?)?;
        self.rest = self.rest.get(aligned(len)..).unwrap_or(&[]);
        Some(ControlMessage { level: c_int::from_ne_bytes(*level), kind: c_int::from_ne_bytes(*kind), data })
    }
}

fn aligned(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            messages in prop::collection::vec((any::<i32>(), any::<i32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..8)
        ) {
            let mut control = Control::new();
            for (level, kind, data) in &messages {
                control.push(*level, *kind, data);
            }
            let out: Vec<_> = control.messages().map(|m| (m.level, m.kind, m.data.to_vec())).collect();
            prop_assert_eq!(out, messages);
        }

        #[test]
        fn any_bytes_end_in_few_messages(bytes in prop::collection::vec(any::<u8>(), 0..CONTROL_MAX)) {
            let mut control = Control::new();
            control.room()[..bytes.len()].copy_from_slice(&bytes);
            control.set_len(bytes.len());
            prop_assert!(control.messages().count() <= CONTROL_MAX / HEADER);
        }
    }

    #[test]
    fn lengths_that_lie_end_the_list() {
        for lie in [0, 1, HEADER - 1, HEADER + 9, usize::MAX, usize::MAX - 3] {
            let mut control = Control::new();
            control.push(1, 2, &[7; 8]);
            control.room()[..size_of::<usize>()].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(control.messages().count(), 0, "{lie}");
        }
    }

    #[test]
    fn the_layout_is_the_one_of_libc() {
        // SAFETY: both compute with lengths only.
        let (space, len) = unsafe { (libc::CMSG_SPACE(5), libc::CMSG_LEN(5)) };
        let mut control = Control::new();
        control.push(1, 2, &[7; 5]);
        assert_eq!(control.bytes().len(), space as usize);
        assert_eq!(control.bytes()[..size_of::<usize>()], (len as usize).to_ne_bytes());
    }
}
