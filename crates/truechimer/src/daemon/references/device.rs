//! The devices themselves: from what the kernel, shared memory or a socket hold to readings by our counter.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use truechimer_core::measure::reference::{Misreading, Reading};
use truechimer_core::wire::refclock::{SEGMENT_LEN, SOCK_LEN, Serial, Tick, read_datagram, read_segment};
use truechimer_sys::adjust;
use truechimer_sys::clock::Readings;
use truechimer_sys::phc::{Around, Phc};
use truechimer_sys::pps::{Pps, PpsEdge};
use truechimer_sys::segment::Segment;
use truechimer_sys::user::{self, User};
use truechimer_time::{Local, Rate, Raw, Span, Time};

use super::What;
use super::trouble::Trouble;
use crate::stamps;

/// The units below this are root's alone, by the custom of ntpd's driver.
const UNITS_OF_ROOT: i32 = 2;
/// Permissions of a segment that is root's alone, and of one that is for everybody.
const MODE_OF_ROOT: u32 = 0o600;
const MODE_OF_ALL: u32 = 0o666;
/// The place of `valid`, in words: the reader clears it.
const VALID: usize = 12;

/// Permissions of a socket: its owner and root write to it.
const SOCKET_MODE: u32 = 0o600;
/// So many datagrams are read in one turn: a flood keeps nobody waiting.
const TURN: usize = 16;

/// What surrounds a reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// All clocks now.
    pub(super) now: Readings,
    /// The rate at which the real-time clock runs against the counter.
    pub(super) rate: Rate,
    /// The real-time clock was set since we last looked.
    pub(super) was_set: bool,
}

impl Surroundings {
    /// Those of now.
    pub(super) fn at(now: Readings, last: Option<Readings>) -> Self {
        let rate = adjust::read_state().map_or(Rate::ZERO, |state| state.rate);
        let was_set = last.is_some_and(|last| stamps::was_moved_between(&last, &now, rate));
        Self { now, rate, was_set }
    }
}

/// A reference clock that is open.
#[derive(Debug)]
pub(super) enum Device {
    Phc(Phc),
    Pps { pps: Pps, last: u32 },
    Shm { segment: Segment, last: Option<Serial> },
    Sock(Socket),
}

/// A socket at which a program speaks; its file goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Device {
    /// Opens it. A socket is made, and given to `account`.
    pub(super) fn open(what: &What, account: Option<&User>) -> Result<Self, Trouble> {
        match what {
            What::Phc(path) => Ok(Self::Phc(Phc::open(path)?)),
            What::Pps(path, edge) => open_pps(path, *edge),
            What::Shm { key, unit } => open_segment(*key, *unit),
            What::Sock(path) => Ok(Self::Sock(Socket::bind(path, account)?)),
        }
    }

    /// What has to be waited for, if it speaks of its own accord.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Phc(_) | Self::Pps { .. } | Self::Shm { .. } => None,
            Self::Sock(socket) => Some(socket.socket.as_fd()),
        }
    }

    /// Reads it. Nothing, if it speaks of its own accord.
    pub(super) fn read(
        &mut self,
        surroundings: &Surroundings,
    ) -> Result<Option<Result<Reading, Misreading>>, Trouble> {
        match self {
            Self::Phc(phc) => read_phc(phc, surroundings).map(Some),
            Self::Pps { pps, last } => read_pps(pps, last, surroundings).map(Some),
            Self::Shm { segment, last } => Ok(Some(read_shm(segment, last, surroundings))),
            Self::Sock(_) => Ok(None),
        }
    }

    /// The newest of what it has said of its own accord.
    pub(super) fn hear(
        &mut self,
        surroundings: &Surroundings,
    ) -> Result<Option<Result<Reading, Misreading>>, Trouble> {
        match self {
            Self::Phc(_) | Self::Pps { .. } | Self::Shm { .. } => Ok(None),
            Self::Sock(socket) => socket.hear(surroundings),
        }
    }
}

/// What was stamped before the driver was ours to read is not taken.
fn open_pps(path: &Path, edge: PpsEdge) -> Result<Device, Trouble> {
    let pps = Pps::open(path, edge)?;
    let last = pps.fetch()?.sequence;
    Ok(Device::Pps { pps, last })
}

fn open_segment(key: i32, unit: Option<i32>) -> Result<Device, Trouble> {
    let is_of_root = unit.is_some_and(|unit| unit < UNITS_OF_ROOT);
    if let Some(owner) = Segment::owner(key)?.filter(|_| is_of_root) {
        let is_ours = owner.uid == 0 || owner.uid == user::effective_uid();
        if !is_ours || owner.mode & 0o022 != 0 {
            return Err(Trouble::OthersMayWrite { uid: owner.uid, mode: owner.mode });
        }
    }
    let mode = if is_of_root { MODE_OF_ROOT } else { MODE_OF_ALL };
    Ok(Device::Shm { segment: Segment::attach(key, SEGMENT_LEN, mode)?, last: None })
}

fn read_phc(phc: &Phc, surroundings: &Surroundings) -> Result<Result<Reading, Misreading>, Trouble> {
    let reading = phc.read()?;
    let (before, after, blur) = match reading.around {
        Around::Raw { before, after } => (before, after, Span::ZERO),
        Around::Real { before, after, now } => {
            let carried = |stamp| stamps::carried(stamp, &now, surroundings.rate);
            match (carried(before), carried(after)) {
                (Some((before, blur)), Some((after, _))) => (before, after, blur),
                (_, _) => return Ok(Err(Misreading::Stale)),
            }
        }
    };
    Ok(Ok(Reading::Clock { before, shown: reading.shown, after, blur }))
}

fn read_pps(
    pps: &Pps,
    last: &mut u32,
    surroundings: &Surroundings,
) -> Result<Result<Reading, Misreading>, Trouble> {
    let pulse = pps.fetch()?;
    if std::mem::replace(last, pulse.sequence) == pulse.sequence {
        return Ok(Err(Misreading::Nothing));
    }
    Ok(surroundings.carried(pulse.at).map(|(at, blur)| Reading::Pulse { at, phase: Span::ZERO, blur }))
}

/// Two copies show whether somebody was writing meanwhile.
fn read_shm(
    segment: &Segment,
    last: &mut Option<Serial>,
    surroundings: &Surroundings,
) -> Result<Reading, Misreading> {
    let (first, second) = (segment.copy::<SEGMENT_LEN>(), segment.copy::<SEGMENT_LEN>());
    let (serial, tick) = read_segment(&first, &second)?;
    segment.put(VALID, 0);
    if last.replace(serial) == Some(serial) {
        return Err(Misreading::Nothing);
    }
    surroundings.reading_of(&tick)
}

impl Surroundings {
    fn carried(&self, stamp: Time<Local>) -> Result<(Time<Raw>, Span), Misreading> {
        match self.was_set {
            true => Err(Misreading::Stale),
            false => stamps::carried(stamp, &self.now, self.rate).ok_or(Misreading::Stale),
        }
    }

    fn reading_of(&self, tick: &Tick) -> Result<Reading, Misreading> {
        let (at, blur) = self.carried(tick.local)?;
        if !tick.is_pulse {
            return Ok(Reading::Told { at, utc: tick.utc, blur, leap: tick.leap });
        }
        let half = Span::from_millis(500);
        let (_, fraction) = (tick.utc.since_epoch() + half).split();
        Ok(Reading::Pulse { at, phase: Span::from_attos(i128::from(fraction)) - half, blur })
    }
}

impl Socket {
    /// A socket that a dead program has left behind is replaced; nothing else is ever removed.
    fn bind(path: &Path, account: Option<&User>) -> Result<Self, Trouble> {
        clear_the_way(path)?;
        let socket = UnixDatagram::bind(path)?;
        let socket = Self { socket, path: path.to_owned() };
        socket.socket.set_nonblocking(true)?;
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        if let Some(account) = account {
            chown(path, Some(account.uid), Some(account.gid))?;
        }
        Ok(socket)
    }

    /// The newest datagram that is in order; else why the newest is not.
    fn hear(&self, surroundings: &Surroundings) -> Result<Option<Result<Reading, Misreading>>, Trouble> {
        let mut newest: Option<Result<Reading, Misreading>> = None;
        for _ in 0..TURN {
            let mut buffer = [0; SOCK_LEN + 1];
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let said = read_datagram(&buffer[..len]).and_then(|tick| surroundings.reading_of(&tick));
            newest = match newest {
                Some(Ok(before)) if said.is_err() => Some(Ok(before)),
                Some(_) | None => Some(said),
            };
        }
        Ok(newest)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that stays behind does no harm: the next daemon replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

fn clear_the_way(path: &Path) -> Result<(), Trouble> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !metadata.file_type().is_socket() {
        return Err(Trouble::NoSocket);
    }
    if UnixDatagram::unbound().and_then(|probe| probe.connect(path)).is_ok() {
        return Err(Trouble::InUse);
    }
    Ok(fs::remove_file(path)?)
}
