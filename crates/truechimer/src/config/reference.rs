//! What an operator says of a reference clock: by what it counts, how right it is, what it is called.

use toml::Spanned;
use truechimer_core::policy::{ReferencePolicy, Scale};
use truechimer_time::Span;

use super::check::{Flaw, Limits, within};
use super::error::Fault;
use super::place::Place;
use super::quantity::{QuantityError, Spelled};
use super::words::Kind;
use super::written::{Key, WrittenSource};

/// A reference clock is read so often..
pub(super) const INTERVALS: (Span, Span) = (Span::from_secs(1), Span::from_secs(1));
/// ..and a program that may not have anything new each second is listened to so often.
const INTERVALS_OF_PROGRAMS: (Span, Span) = (Span::from_secs(4), Span::from_secs(4));

/// What is vouched for where nobody says: see the manual for where these come from.
const ERROR_OF_CLOCKS: Span = Span::from_micros(10);
const ERROR_OF_PULSES: Span = Span::from_micros(50);
const ERROR_OF_SEGMENTS: Span = Span::from_millis(250);
const ERROR_OF_SOCKETS: Span = Span::from_millis(1);

/// Nothing is a reference clock that may be off by more.
const ERROR_MAX: Span = Span::from_secs(1);
/// A thousand weeks of GPS and then some: what a receiver may be off by.
const OFFSET_MAX: Span = Span::from_secs(1_000_000_000);

/// A reference clock, as the operator describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What is vouched for.
    pub vouched: ReferencePolicy,
    /// Which edge of a pulse begins the second.
    pub edge: Edge,
}

/// An edge of a pulse (RFC 2783, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// The one that asserts the signal.
    #[default]
    Assert,
    /// The one that clears it.
    Clear,
}

/// A span that may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offset(pub(super) Span);

/// The name of a reference clock among servers: 1 to 4 letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefId(pub(super) [u8; 4]);

/// Why a text is no name of a reference clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 4 letters, digits or signs of ASCII")]
pub struct RefIdError;

/// The intervals of a kind for which none are written.
pub(super) fn intervals(kind: Kind) -> Option<(Span, Span)> {
    match kind {
        Kind::Phc | Kind::Pps => Some(INTERVALS),
        Kind::Shm | Kind::Sock => Some(INTERVALS_OF_PROGRAMS),
        Kind::Ntp | Kind::Nts | Kind::Taiclock | Kind::Time => None,
    }
}

/// The reference clock that a table describes, or nothing if it is a server.
pub(super) fn reference(written: &Spanned<WrittenSource>, kind: Kind) -> Result<Option<Reference>, Flaw> {
    let Some(id) = id_of(kind) else { return foreign_keys(written, kind).map(|()| None) };
    let written = written.get_ref();
    belongs(&written.key, false, "a reference clock has no key: remove `key`")?;
    belongs(&written.scale, kind == Kind::Phc, "`scale` is for kind = \"phc\": all others count UTC")?;
    belongs(&written.edge, kind == Kind::Pps, "`edge` is for kind = \"pps\"")?;
    let is_pulse = kind == Kind::Pps;
    let wants =
        "a pulse does not know which second it begins, so others must decide about it: remove this key";
    for key in [&written.trust, &written.require] {
        belongs(&key.as_ref().filter(|key| *key.get_ref()).cloned(), !is_pulse, wants)?;
    }
    let asks = written.interleaved.as_ref().filter(|key| *key.get_ref()).cloned();
    belongs(&asks, false, "a reference clock is not asked over a network: remove `interleaved`")?;
    belongs(&written.refine, !is_pulse, "a pulse refines always: remove `refine`")?;
    let limits = Limits { what: "error", least: Span::from_nanos(1), most: ERROR_MAX };
    let offset = Limits { what: "offset", least: Offset(-OFFSET_MAX), most: Offset(OFFSET_MAX) };
    let vouched = ReferencePolicy {
        is_pulse,
        scale: written.scale.as_ref().map_or(default_scale(kind), |scale| scale.get_ref().0),
        error: within(&written.error, error_of(kind), limits)?,
        offset: within(&written.offset, Offset(Span::ZERO), offset)?.0,
        refine: is_pulse || written.refine.as_ref().is_some_and(|refine| *refine.get_ref()),
        id: written.refid.as_ref().map_or(id, |id| id.get_ref().0.0),
    };
    let edge = written.edge.as_ref().map_or(Edge::Assert, |edge| edge.get_ref().0);
    Ok(Some(Reference { vouched, edge }))
}

/// A key that only some kinds have.
fn belongs<T>(key: &Key<T>, does: bool, why: &str) -> Result<(), Flaw> {
    match key {
        Some(key) if !does => Err(Flaw(key.span(), Fault::Wrong(why.to_owned()))),
        Some(_) | None => Ok(()),
    }
}

/// A server has none of the keys of a reference clock.
fn foreign_keys(written: &Spanned<WrittenSource>, kind: Kind) -> Result<(), Flaw> {
    let WrittenSource { scale, edge, error, offset, refine, refid, .. } = written.get_ref();
    let why = |key: &str| format!("`{key}` is for reference clocks, and this is kind = \"{}\"", kind.name());
    belongs(scale, false, &why("scale"))?;
    belongs(edge, false, &why("edge"))?;
    belongs(error, false, &why("error"))?;
    belongs(offset, false, &why("offset"))?;
    belongs(refine, false, &why("refine"))?;
    belongs(refid, false, &why("refid"))
}

/// Does a source of this kind live at such a place?
pub(super) fn fits(kind: Kind, place: &Place) -> Result<(), String> {
    let wants = match (kind, place) {
        (Kind::Phc | Kind::Pps | Kind::Sock, Place::Path(_))
        | (Kind::Shm, Place::Segment(_))
        | (Kind::Ntp | Kind::Nts | Kind::Taiclock | Kind::Time, Place::Network(_)) => return Ok(()),
        (Kind::Phc, _) => "a clock device such as \"/dev/ptp0\"",
        (Kind::Pps, _) => "a pulse device such as \"/dev/pps0\"",
        (Kind::Sock, _) => "the path of the socket that is to be made, such as \"/run/truechimer/gps.sock\"",
        (Kind::Shm, _) => "the number of a unit such as \"2\", or a key such as \"0x4e545032\"",
        (Kind::Ntp | Kind::Nts | Kind::Taiclock | Kind::Time, _) => {
            return Err(format!(
                "\"{place}\" is not on the network: say which `kind` it is, one of \"phc\", \"pps\", \"shm\", \"sock\""
            ));
        }
    };
    Err(format!("kind = \"{}\" wants {wants} as its address", kind.name()))
}

fn id_of(kind: Kind) -> Option<[u8; 4]> {
    match kind {
        Kind::Phc => Some(*b"PHC\0"),
        Kind::Pps => Some(*b"PPS\0"),
        Kind::Shm => Some(*b"SHM\0"),
        Kind::Sock => Some(*b"SOCK"),
        Kind::Ntp | Kind::Nts | Kind::Taiclock | Kind::Time => None,
    }
}

fn default_scale(kind: Kind) -> Scale {
    if kind == Kind::Phc { Scale::Tai } else { Scale::Utc }
}

fn error_of(kind: Kind) -> Span {
    match kind {
        Kind::Phc => ERROR_OF_CLOCKS,
        Kind::Pps => ERROR_OF_PULSES,
        Kind::Sock => ERROR_OF_SOCKETS,
        Kind::Shm | Kind::Ntp | Kind::Nts | Kind::Taiclock | Kind::Time => ERROR_OF_SEGMENTS,
    }
}

impl Spelled for Offset {
    const KIND: &'static str = "a duration such as \"64s\" or \"-20ns\"";
    type Error = QuantityError;

    fn read(text: &str) -> Result<Self, QuantityError> {
        match text.strip_prefix('-') {
            Some(rest) => Span::read(rest).map(|span| Self(-span)),
            None => Span::read(text).map(Self),
        }
    }

    fn write(&self) -> String {
        let sign = if self.0.is_negative() { "-" } else { "" };
        format!("{sign}{}", self.0.abs().write())
    }
}

impl Spelled for RefId {
    const KIND: &'static str = "1 to 4 letters such as \"GPS\"";
    type Error = RefIdError;

    fn read(text: &str) -> Result<Self, RefIdError> {
        let fits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut id = [0; 4];
        fits.then(|| {
            id[..text.len()].copy_from_slice(text.as_bytes());
            Self(id)
        })
        .ok_or(RefIdError)
    }

    fn write(&self) -> String {
        self.0.iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in ["0s", "-20ns", "37s", "-1500ms"] {
            assert_eq!(Offset::read(text).map(|offset| offset.write()), Ok(text.to_owned()));
        }
        assert!(Offset::read("--1s").is_err() && Offset::read("-").is_err());
        for text in ["G", "GPS", "PTP0", "?!.,"] {
            assert_eq!(RefId::read(text).map(|id| id.write()), Ok(text.to_owned()));
        }
        for text in ["", "GPS's", "G S", "é", "a\0"] {
            assert_eq!(RefId::read(text), Err(RefIdError), "{text}");
        }
    }
}
