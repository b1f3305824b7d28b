//! `leapsecs.dat`, the table of libtai and clockspeed: the TAI64 labels of the inserted seconds, 8 bytes each, oldest
//! first, and nothing else. It has neither dates of its own nor a way to say that a second was left out.

use super::{LEAPS_MAX, LeapError, LeapFault, LeapFileError, LeapKind, LeapTable};
use crate::scale::Time;
use crate::span::Span;
use crate::tai64::Tai64;

/// The size of the `leapsecs.dat` of a full table.
pub const DAT_BYTES_MAX: usize = LABEL_BYTES * LEAPS_MAX;

const LABEL_BYTES: usize = 8;

/// What a `leapsecs.dat` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromDat {
    /// The table of all whole labels.
    pub table: LeapTable,
    /// How many bytes follow the last whole label. The classic programs pass over them in silence; they mean that
    /// the file was cut off, or is none.
    pub bytes_ignored: usize,
}

pub(super) fn parse(bytes: &[u8]) -> Result<FromDat, LeapFileError> {
    let (labels, rest) = bytes.as_chunks::<LABEL_BYTES>();
    let mut table = LeapTable::NONE;
    for (label, line) in labels.iter().zip(1..) {
        read(&mut table, *label).map_err(|fault| LeapFileError { line, fault })?;
    }
    Ok(FromDat { table, bytes_ignored: rest.len() })
}

fn read(table: &mut LeapTable, label: [u8; LABEL_BYTES]) -> Result<(), LeapFault> {
    let begins = Tai64::from_bytes(label).map_err(LeapFault::Label)?.time();
    // The inserted second has the count of the midnight after it, at the offset before it.
    let since_epoch = begins.since_epoch() - Span::from_secs(table.offset_last().into());
    table.push(Time::from_epoch(since_epoch), LeapKind::Inserted).map_err(LeapFault::Leap)
}

pub(super) fn write<'a>(
    table: &LeapTable,
    buffer: &'a mut [u8; DAT_BYTES_MAX],
) -> Result<&'a [u8], LeapError> {
    let (slots, _) = buffer.as_chunks_mut::<LABEL_BYTES>();
    for (slot, leap) in slots.iter_mut().zip(table.leaps()) {
        if leap.kind() == LeapKind::Deleted {
            return Err(LeapError::DeletionUnsayable);
        }
        let label = Tai64::of(leap.begins());
        *slot = label.map(Tai64::to_bytes).ok_or(LeapError::LabelUnsayable)?;
    }
    Ok(&buffer[..table.leaps().len() * LABEL_BYTES])
}
