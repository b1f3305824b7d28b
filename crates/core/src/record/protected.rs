//! The columns of key exchanges, and of datagrams that NTS protects. No key is ever written, and no cookie: of both only
//! the lengths, and what whoever had them found.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::{Columns, RecordError, write_list};
use crate::measure::exchange::{Proof, Refusal};
use crate::source::nts::{Agreement, NoKeys};
use crate::wire::aead::Aead;
use crate::wire::nts_ke::COOKIES_MAX;

pub(super) fn write_outcome(line: &mut String, outcome: &Result<Agreement, NoKeys>) -> fmt::Result {
    match outcome {
        Ok(agreement) => {
            write!(line, "{} ", agreement.keys.aead().id())?;
            write_lengths(line, agreement.cookies.iter().map(|cookie| cookie.as_bytes().len()))?;
            line.write_char(' ')?;
            write_list(line, &agreement.servers)
        }
        Err(why) => write!(line, "not {}", why.label()),
    }
}

pub(super) fn write_proof(line: &mut String, proof: &Proof) -> fmt::Result {
    match proof {
        Proof::Own(lengths) => {
            line.write_str(" own ")?;
            write_lengths(line, lengths.iter().copied())
        }
        Proof::Nak => line.write_str(" nak"),
        Proof::Refused(refusal) => write!(line, " not {}", refusal.label()),
    }
}

fn write_lengths(line: &mut String, lengths: impl Iterator<Item = usize>) -> fmt::Result {
    let mut is_empty = true;
    for length in lengths {
        let comma = if is_empty { "" } else { "," };
        write!(line, "{comma}{length}")?;
        is_empty = false;
    }
    if is_empty { line.write_char('-') } else { Ok(()) }
}

impl Columns<'_> {
    pub(super) fn agreement(&mut self) -> Result<Result<Agreement, NoKeys>, RecordError> {
        let word = self.word("cipher")?;
        if word == "not" {
            let label = self.word("why")?;
            let why = NoKeys::ALL.into_iter().find(|why| why.label() == label);
            return why.map(Err).ok_or(RecordError::Unreadable("why"));
        }
        let aead = word.parse().ok().and_then(Aead::of).ok_or(RecordError::Unreadable("cipher"))?;
        let lengths = self.lengths()?;
        Ok(Ok(Agreement::stand_in(aead, lengths, self.list()?)))
    }

    pub(super) fn proof(&mut self) -> Result<Proof, RecordError> {
        match self.word("proof")? {
            "own" => self.lengths().map(Proof::Own),
            "nak" => Ok(Proof::Nak),
            "not" => {
                let label = self.word("why")?;
                let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.label() == label);
                refusal.map(Proof::Refused).ok_or(RecordError::Unreadable("why"))
            }
            _ => Err(RecordError::Unreadable("proof")),
        }
    }

    fn lengths(&mut self) -> Result<Vec<usize>, RecordError> {
        let word = self.word("lengths")?;
        if word == "-" {
            return Ok(Vec::new());
        }
        let length = |text: &str| text.parse().map_err(|_| RecordError::Unreadable("lengths"));
        word.split(',').take(COOKIES_MAX).map(length).collect()
    }
}

/// One happening of each kind.
#[cfg(test)]
pub(super) fn samples() -> Vec<crate::node::Input> {
    use crate::moment::{Stamp, StampedBy};
    use crate::node::Input;
    use crate::source::SourceId;
    use crate::source::association::ExchangeId;
    use truechimer_time::Time;

    let server = "192.0.2.1:123".parse().expect("an address");
    let agreement = Agreement::stand_in(Aead::GcmSiv128, [100, 68], alloc::vec![server]);
    let agreed = |outcome| Input::Agreed { source: SourceId(3), outcome };
    let proofs = [
        Proof::Own(alloc::vec![100; 8]),
        Proof::Own(Vec::new()),
        Proof::Nak,
        Proof::Refused(Refusal::NtsForged),
    ];
    let vouched = |proof| Input::Vouched {
        exchange: ExchangeId(7),
        from: server,
        at: Stamp { at: Time::EPOCH, by: StampedBy::Kernel },
        datagram: alloc::vec![0x24; 48],
        proof,
    };
    let outcomes = NoKeys::ALL.into_iter().map(Err).chain([Ok(agreement)]).map(agreed);
    outcomes.chain(proofs.map(vouched)).collect()
}
