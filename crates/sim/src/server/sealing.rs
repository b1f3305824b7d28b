//! How a simulated server, or somebody on the way who answers in its place, seals what it sends.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use truechimer_core::server::keys::Ring;
use truechimer_core::wire::HEADER_LEN;
use truechimer_core::wire::extension::{Seal, Trailer};
use truechimer_core::wire::mac::Key;

/// The address of the machine, as its servers see it.
pub const MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// What stands behind the header of an answer.
#[derive(Clone, Debug, Default)]
pub enum Sealing {
    /// Nothing, whatever was asked.
    #[default]
    Bare,
    /// What our own server would put there, which answers a sealed question sealed or not at all.
    Ring(Ring),
    /// The MAC of a key, whatever key was asked for.
    With(Arc<Key>),
    /// A crypto-NAK.
    CryptoNak,
    /// The key id that was asked for, and so many bytes that are no digest.
    Junk(usize),
}

impl Sealing {
    /// The answer to a question with what stands behind it; `None` if it is not sent.
    pub(super) fn seal(&self, question: &[u8], mut answer: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Bare => {}
            Self::Ring(ring) => return sealed_as_asked(ring, question, answer),
            Self::With(key) => key.append(&mut answer),
            Self::CryptoNak => answer.extend([0; 4]),
            Self::Junk(length) => {
                answer.extend(question.get(HEADER_LEN..HEADER_LEN + 4)?);
                answer.extend(vec![0x5a; *length]);
            }
        }
        Some(answer)
    }
}

fn sealed_as_asked(ring: &Ring, question: &[u8], answer: Vec<u8>) -> Option<Vec<u8>> {
    match Trailer::parse(question, 4).ok()?.seal {
        Seal::None => Some(answer),
        Seal::CryptoNak => None,
        Seal::Mac(mac) => {
            let header: &[u8; HEADER_LEN] = answer.first_chunk()?;
            ring.seal(MACHINE, &mac, header).ok().map(|sealed| sealed.as_bytes().to_vec())
        }
    }
}
