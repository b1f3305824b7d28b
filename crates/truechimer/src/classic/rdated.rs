//! `rdated`: tells the time by TIME (RFC 868) and daytime (RFC 867), over TCP and UDP. Runs in the foreground until it is
//! ended, and never touches the clock.
//!
//! What it tells is the kernel's clock, so it keeps silent while the kernel says that nobody keeps that clock right: it
//! closes connections without a word, as the RFC wants it. Nobody is waited for: an answer that a client does not take
//! at once is lost, and connections are few and end soon. As soon as the ports are bound, the power to do so is given up.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use clap::Args;
use truechimer_core::classic::count::KernelCount;
use truechimer_core::server::time37::{Gate, Service};
use truechimer_core::wire::time37::Value;
use truechimer_core::wire::{daytime, time37};
use truechimer_sys::capability::drop_all_capabilities;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::tcp;
use truechimer_sys::udp::UdpSocket;
use truechimer_sys::user::{self, effective_uid};
use truechimer_time::{LeapTable, Local, Time};

use super::counting::{Counting, Kernel};
use super::listening::{Hush, at_each, unable_to_bind};
use super::messages::{Fatal, begin, ready};
use super::wall;
use crate::command::Outcome;
use crate::connections::Connections;
use crate::readiness::Supervised;

/// What those are told who call it wrongly.
pub const USAGE: &str =
    "rdated [-i ip].. [--time port] [--daytime port] [--user name] [--unsynchronised] [--kernel utc|tai-10]";

const NAME: &str = "rdated";

/// Who it becomes when root has started it and named nobody.
const NOBODY: &str = "nobody";

/// So many datagrams are answered from one socket before the others have their turn.
const DATAGRAMS_MAX: usize = 64;

/// No question is longer; of what is, only its length counts.
const QUESTION_MAX: usize = daytime::LINE_LEN;

/// Tell the time to rdate and other clients of TIME and daytime
///
/// Answers on ports 37 and 13 of TCP and UDP of all addresses. Keeps silent while the kernel's clock is not
/// synchronised. Started by root it becomes another user once it has its ports.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Rdated {
    /// Answer at this address only; may be repeated
    #[arg(short = 'i', value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// The port of TIME; 0 for no such service
    #[arg(long, value_name = "PORT", default_value_t = time37::PORT)]
    pub time: u16,
    /// The port of daytime; 0 for no such service
    #[arg(long, value_name = "PORT", default_value_t = daytime::PORT)]
    pub daytime: u16,
    /// Who to become if root has started it
    #[arg(long, value_name = "NAME", default_value = NOBODY)]
    pub user: String,
    /// Answer also while the kernel's clock is not synchronised
    #[arg(long)]
    pub unsynchronised: bool,
    /// What the kernel's clock counts
    #[arg(long, value_name = "COUNT", value_enum, default_value_t = Kernel::Utc)]
    pub kernel: Kernel,
    /// Whom to tell when it answers.
    #[command(flatten)]
    pub supervised: Supervised,
}

/// An open port.
struct Port<S> {
    service: Service,
    socket: S,
}

/// All open ports.
#[derive(Default)]
struct Ports {
    udp: Vec<Port<UdpSocket>>,
    tcp: Vec<Port<TcpListener>>,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Token {
    Datagram(usize),
    Connection(usize),
    /// Something about a connection that is there already.
    Parting,
}

impl Rdated {
    /// Serves until it is ended from outside.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        if self.services().next().is_none() {
            let text = "--time 0 and --daytime 0 leave nothing to answer".to_owned();
            return Err(Fatal { outcome: Outcome::Misused, text });
        }
        let mut readiness = begin(&self.supervised)?;
        let ports = self.listen()?;
        let mut server = self.server()?;
        self.give_up_power()?;
        ready(NAME, &mut readiness);
        let mut set = PollSet::new();
        loop {
            set.clear();
            for (index, port) in ports.udp.iter().enumerate() {
                set.add(port.socket.as_fd(), Interest::Read, Token::Datagram(index));
            }
            if server.connections.accepts(clock::mono()) {
                for (index, port) in ports.tcp.iter().enumerate() {
                    set.add(port.socket.as_fd(), Interest::Read, Token::Connection(index));
                }
            }
            server.connections.streams().for_each(|fd| set.add(fd, Interest::Read, Token::Parting));
            let timeout = server.connections.deadline().map(|deadline| deadline - clock::mono());
            let ready = set.wait(timeout).map_err(|error| Fatal::unable("wait", &error))?;
            for event in ready {
                match event.token {
                    Token::Datagram(index) => server.answer(&ports.udp[index]),
                    Token::Connection(index) => server.accept(&ports.tcp[index]),
                    Token::Parting => {}
                }
            }
            server.connections.part(clock::mono());
        }
    }

    fn listen(&self) -> Result<Ports, Fatal> {
        let mut ports = Ports::default();
        for (service, port) in self.services() {
            let sockets = at_each(&self.addresses, |ip| UdpSocket::bind(SocketAddr::new(ip, port)));
            let listeners = at_each(&self.addresses, |ip| tcp::listen(SocketAddr::new(ip, port)));
            let place = |ip: IpAddr| SocketAddr::new(ip, port);
            let sockets = sockets.map_err(|(ip, error)| unable_to_bind("UDP", place(ip), error))?;
            let listeners = listeners.map_err(|(ip, error)| unable_to_bind("TCP", place(ip), error))?;
            ports.udp.extend(sockets.into_iter().map(|socket| Port { service, socket }));
            ports.tcp.extend(listeners.into_iter().map(|socket| Port { service, socket }));
        }
        Ok(ports)
    }

    fn services(&self) -> impl Iterator<Item = (Service, u16)> {
        let both = [(Service::Time, self.time), (Service::Daytime, self.daytime)];
        both.into_iter().filter(|(_, port)| *port != 0)
    }

    fn server(&self) -> Result<Server, Fatal> {
        let counting = Counting { kernel: Some(self.kernel), leapsecs: None };
        Ok(Server {
            kernel: counting.kernel(false),
            leaps: counting.leaps()?,
            gate: Gate::new(self.services().map(|(_, port)| port).collect()),
            hush: Hush::new(NAME, self.unsynchronised),
            connections: Connections::default(),
        })
    }

    /// Who is not root has no power over users, and keeps none over ports.
    fn give_up_power(&self) -> Result<(), Fatal> {
        if effective_uid() != 0 {
            return drop_all_capabilities().map_err(|error| Fatal::unable("give up capabilities", &error));
        }
        let deed = || format!("become the user {}", self.user);
        let user = user::lookup(&self.user).map_err(|error| Fatal::unable(&deed(), &error))?;
        let user = user.ok_or_else(|| {
            Fatal::failed(format!("unable to {}: there is none; make one, or name another by --user", deed()))
        })?;
        user::become_user(&user, &[]).map_err(|error| Fatal::unable(&deed(), &error))
    }
}

struct Server {
    kernel: KernelCount,
    leaps: LeapTable,
    gate: Gate,
    hush: Hush,
    connections: Connections,
}

impl Server {
    /// Answers what waits on one socket. Nothing that the network does ends the server.
    fn answer(&mut self, port: &Port<UdpSocket>) {
        let mut question = [0; QUESTION_MAX];
        for _ in 0..DATAGRAMS_MAX {
            // An error is about an earlier answer, whose client has gone away.
            let Ok(received) = port.socket.receive(&mut question) else { continue };
            let Some(received) = received else { return };
            if self.hush.is_silent() {
                continue;
            }
            let admitted = self.gate.admit(port.service, received.len, received.from, clock::mono());
            let told = admitted.ok().and_then(|()| self.told(port.service, clock::realtime()));
            if let Some(told) = told {
                // A client that cannot be reached asks again.
                let _ = port.socket.send_to(&told, received.from, received.destination);
            }
        }
    }

    /// Answers those that wait to be connected. Who is not to be answered is sent away without a word.
    fn accept(&mut self, port: &Port<TcpListener>) {
        let (told, now) = match self.hush.is_silent() {
            true => (None, clock::mono()),
            false => (self.told(port.service, clock::realtime()), clock::mono()),
        };
        self.connections.accept(&port.socket, |_| told.clone(), now);
    }

    fn told(&self, service: Service, shown: Time<Local>) -> Option<Vec<u8>> {
        match service {
            Service::Time => {
                let utc = self.leaps.utc_of_tai(self.kernel.tai(shown, &self.leaps)).time;
                Some(Value::of(utc).bytes().to_vec())
            }
            // The C library knows what the kernel counts: by the zone.
            Service::Daytime => wall::line(shown).map(String::into_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::Span;

    fn rdated(kernel: Kernel) -> Rdated {
        let (addresses, user) = (Vec::new(), NOBODY.to_owned());
        Rdated {
            addresses,
            time: 37,
            daytime: 13,
            user,
            unsynchronised: true,
            kernel,
            supervised: Supervised::default(),
        }
    }

    #[test]
    fn time_counts_utc_whatever_the_kernel_counts() {
        let shown = |seconds| Time::from_epoch(Span::from_secs(seconds));
        let told = |kernel, seconds| rdated(kernel).server().unwrap().told(Service::Time, shown(seconds));
        let value = Some((1_800_000_000_u32 + 2_208_988_800).to_be_bytes().to_vec());
        assert_eq!(told(Kernel::Utc, 1_800_000_000), value);
        assert_eq!(told(Kernel::Tai10, 1_800_000_027), value);
    }

    #[test]
    fn a_service_is_switched_off_by_port_0() {
        let services = |rdated: Rdated| rdated.services().collect::<Vec<_>>();
        let both = vec![(Service::Time, 37), (Service::Daytime, 13)];
        assert_eq!(services(rdated(Kernel::Utc)), both);
        let one = Rdated { daytime: 0, ..rdated(Kernel::Utc) };
        assert_eq!(services(one), [(Service::Time, 37)]);
    }
}
