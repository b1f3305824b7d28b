//! Where we listen: the sockets of all who answer, bound while that may still take privileges, or handed over by the supervisor.
//!
//! A socket that was handed over stands for the place where it is bound, and only for one that `[serve]` names. Where several
//! workers share a place, the further sockets are our own; if the one that was handed over lets none beside it, there is one
//! worker, and that is said.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use truechimer_core::server::desk::classic::Protocol;
use truechimer_core::server::desk::{Desk, Policy};
use truechimer_core::server::dial::Dial;
use truechimer_core::server::smear::Smear;
use truechimer_sys::handed::{Handed, HandedSocket};
use truechimer_sys::interface::{Interface, NO_SUCH_INTERFACE};
use truechimer_sys::udp::{SocketError, Stamps, UdpSocket};
use truechimer_sys::{clock, tcp};
use truechimer_time::Time;

use super::alone::{self, Alone};
use super::connected::Connected;
use super::{Door, Places, Post, Service, ServiceError, Shared, policy};
use crate::config::{Keys, Serve};
use crate::daemon::key_exchange::Prepared;

/// So many bytes may wait at each socket, if the kernel allows: some thousand questions.
const ROOM: u32 = 1 << 20;

/// A server that is still to begin: it listens already, which may take privileges that nobody who answers has.
pub struct Listening {
    places: Places,
    crews: Crews,
    /// Where connections for TIME come in.
    listeners: Vec<TcpListener>,
    policy: Arc<Policy>,
    /// How many clients each desk remembers.
    clients: usize,
    nts: Option<Prepared>,
    leap_smear: Option<Smear>,
    notice: Option<String>,
    /// All chance of the server.
    rng: ChaCha20Rng,
}

/// Who answers.
enum Crews {
    /// Threads, each at these sockets.
    Workers(Vec<Vec<Door>>),
    /// The daemon's loop itself, at these.
    Alone(Vec<Door>),
}

fn drawn(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

impl Listening {
    /// Listens, at what the supervisor has handed over and at sockets of our own.
    ///
    /// # Errors
    /// A place cannot be listened at, a socket was handed over for none, or NTS cannot be prepared.
    pub fn at(serve: &Serve, keys: &Keys, seed: [u8; 32], handed: Vec<Handed>) -> Result<Self, ServiceError> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut handed = Pool { handed, interface: serve.interface.clone() };
        let nts = serve.nts.as_ref();
        let nts = nts.map(|nts| Prepared::new(nts, drawn(&mut rng), |place| handed.listen(place)));
        let nts = nts.transpose()?;
        let listeners = serve.time.iter().map(|place| handed.listen(*place)).collect::<Result<_, _>>()?;
        let policy = Arc::new(policy(serve, keys)?);
        let (crews, notice) = crews(serve, &mut handed)?;
        handed.all_taken()?;
        Ok(Self {
            places: places_of(&crews[0]),
            listeners,
            policy,
            clients: serve.clients.div_ceil(crews.len()),
            nts,
            leap_smear: serve.leap_smear,
            notice,
            crews: Crews::Workers(crews),
            rng,
        })
    }

    /// Listens with what a simulator of clock and network can carry: the daemon's loop answers itself, and only datagrams.
    ///
    /// # Errors
    /// A place cannot be listened at.
    pub fn alone_at(serve: &Serve, keys: &Keys, seed: [u8; 32]) -> Result<Self, ServiceError> {
        let doors = alone::listen(serve, &wanted(serve))?;
        Ok(Self {
            places: places_of(&doors),
            listeners: Vec::new(),
            policy: Arc::new(policy(serve, keys)?),
            clients: serve.clients,
            nts: None,
            leap_smear: serve.leap_smear,
            notice: None,
            crews: Crews::Alone(doors),
            rng: ChaCha20Rng::from_seed(seed),
        })
    }

    /// Something that is not as it was wished, for people.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Answers from now on: at first that the time is not known.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn begin(self) -> Result<Service, ServiceError> {
        let Self { places, crews, listeners, policy, clients, nts, leap_smear, mut rng, .. } = self;
        let now = clock::readings();
        let dial = Dial::unsynchronised(now.raw, Time::from_epoch(now.realtime.since_epoch()));
        let post = Post { dial, policy, asleep: now.asleep };
        let shared = Arc::new(Shared {
            post: ArcSwap::from_pointee(post),
            ring: Arc::default(),
            is_over: AtomicBool::new(false),
        });
        let keys = nts.map(|nts| nts.begin(shared.published())).transpose()?;
        let (hands, alone, connected) = (Vec::new(), None, None);
        let mut service = Service { places, shared, hands, alone, connected, keys, leap_smear };
        match crews {
            Crews::Alone(doors) => {
                service.alone = Some(Alone::new(doors, Desk::new(clients, drawn(&mut rng))));
            }
            Crews::Workers(crews) => {
                for doors in crews {
                    let desk = Desk::new(clients, drawn(&mut rng));
                    service.hire(doors, desk).map_err(ServiceError::Thread)?;
                }
            }
        }
        if !listeners.is_empty() {
            let desks = service.hands.iter().map(|hand| Arc::clone(&hand.desk)).collect();
            let connected = Connected::begin(listeners, desks, Arc::clone(&service.shared));
            service.connected = Some(connected.map_err(ServiceError::Thread)?);
        }
        Ok(service)
    }
}

/// The sockets of all workers, and what is to be said about them. Their order at a place is what clients are shared out by.
fn crews(serve: &Serve, handed: &mut Pool) -> Result<(Vec<Vec<Door>>, Option<String>), ServiceError> {
    let mut first = Vec::new();
    let mut alone = None;
    for (protocol, place) in wanted(serve) {
        let (socket, is_shared) = match handed.datagrams(place) {
            Some(handed) => handed,
            None => (bind(serve, place).map_err(|error| ListenError::at(place, serve, error))?, true),
        };
        alone = alone.or((!is_shared).then_some(place));
        first.push(opened(protocol, socket));
    }
    let places: Vec<_> =
        first.iter().filter_map(|door| Some((door.protocol, door.socket.local_address().ok()?))).collect();
    let mut crews = vec![first];
    for _ in 1..serve.workers {
        match alone.map_or_else(|| beside(serve, &places), |place| Ok(Err(place)))? {
            Ok(doors) => crews.push(doors),
            Err(place) => {
                let notice = format!(
                    "one worker answers, not {}: the socket that the supervisor has bound at {place} lets none of ours \
                     beside it (ReusePort=yes in its unit, and a daemon of the same user)",
                    serve.workers
                );
                crews.truncate(1);
                return Ok((crews, Some(notice)));
            }
        }
    }
    if serve.workers > 1 {
        let share = |door: &Door| door.socket.steer_by_sender(serve.workers).map_err(ServiceError::Share);
        crews[0].iter().try_for_each(share)?;
    }
    Ok((crews, None))
}

/// Sockets of our own beside others at the same places; or the first place that is not to be shared, as the user of the
/// other socket is not ours.
fn beside(
    serve: &Serve,
    places: &[(Protocol, SocketAddr)],
) -> Result<Result<Vec<Door>, SocketAddr>, ServiceError> {
    let mut doors = Vec::with_capacity(places.len());
    for (protocol, place) in places {
        match bind(serve, *place) {
            Ok(socket) => doors.push(opened(*protocol, socket)),
            Err(SocketError::InUse) => return Ok(Err(*place)),
            Err(error) => return Err(ListenError::at(*place, serve, error).into()),
        }
    }
    Ok(Ok(doors))
}

fn bind(serve: &Serve, place: SocketAddr) -> Result<UdpSocket, SocketError> {
    UdpSocket::bind_shared_at(place, serve.interface.as_ref())
}

fn opened(protocol: Protocol, socket: UdpSocket) -> Door {
    socket.enable_stamps(Stamps::Wished);
    socket.make_room(ROOM);
    Door { protocol, socket }
}

/// Where datagrams are to come in.
fn wanted(serve: &Serve) -> Vec<(Protocol, SocketAddr)> {
    let all =
        [(Protocol::Ntp, &serve.ntp), (Protocol::Taiclock, &serve.taiclock), (Protocol::Time, &serve.time)];
    all.into_iter()
        .flat_map(|(protocol, places)| places.iter().map(move |place| (protocol, *place)))
        .collect()
}

fn places_of(doors: &[Door]) -> Places {
    let mut places = Places::default();
    for door in doors {
        let list = match door.protocol {
            Protocol::Ntp => &mut places.ntp,
            Protocol::Taiclock => &mut places.taiclock,
            Protocol::Time => &mut places.time,
        };
        list.extend(door.socket.local_address());
    }
    places
}

/// A place that cannot be listened at, by the interface that is wanted or by any.
#[derive(Debug)]
pub struct ListenError {
    place: SocketAddr,
    interface: Option<Interface>,
    error: SocketError,
}

impl ListenError {
    /// Where, by which interface if not by all, and why not.
    pub fn new(place: SocketAddr, interface: Option<&Interface>, error: SocketError) -> Self {
        Self { place, interface: interface.cloned(), error }
    }

    pub(super) fn at(place: SocketAddr, serve: &Serve, error: SocketError) -> Self {
        Self::new(place, serve.interface.as_ref(), error)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, interface, error } = self;
        write!(f, "cannot listen on {place}")?;
        if let Some(interface) = interface {
            write!(f, " by the interface {interface} ([serve] interface)")?;
        }
        write!(f, ": {error}")?;
        match *error == SocketError::Other(NO_SUCH_INTERFACE) {
            true => {
                f.write_str(": name one that `ip link` shows, and let it be there before the daemon starts")
            }
            false => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}

/// What was handed over and has no place yet.
struct Pool {
    handed: Vec<Handed>,
    /// What our own listeners are held to.
    interface: Option<Interface>,
}

impl Pool {
    /// A socket for datagrams at this place, and whether others may be beside it.
    fn datagrams(&mut self, place: SocketAddr) -> Option<(UdpSocket, bool)> {
        let is_it =
            |handed: &Handed| handed.place == place && matches!(handed.socket, HandedSocket::Datagrams(_));
        let handed = self.handed.swap_remove(self.handed.iter().position(is_it)?);
        match handed.socket {
            HandedSocket::Datagrams(socket) => Some((socket, handed.is_shared)),
            HandedSocket::Connections(_) => None,
        }
    }

    /// A listener at this place: one that was handed over, or our own.
    fn listen(&mut self, place: SocketAddr) -> Result<TcpListener, ListenError> {
        let is_it =
            |handed: &Handed| handed.place == place && matches!(handed.socket, HandedSocket::Connections(_));
        let handed = self.handed.iter().position(is_it).map(|index| self.handed.swap_remove(index).socket);
        match handed {
            Some(HandedSocket::Connections(listener)) => Ok(listener),
            Some(HandedSocket::Datagrams(_)) | None => {
                let interface = self.interface.as_ref();
                let listener = tcp::listen_at(place, interface);
                listener.map_err(|error| ListenError::new(place, interface, error))
            }
        }
    }

    /// What is left would be listened at by nobody.
    fn all_taken(self) -> Result<(), ServiceError> {
        let Some(Handed { name, place, socket, .. }) = self.handed.into_iter().next() else { return Ok(()) };
        let protocol = match socket {
            HandedSocket::Datagrams(_) => "UDP",
            HandedSocket::Connections(_) => "TCP",
        };
        Err(ServiceError::NotNamed { name, protocol, place })
    }
}
