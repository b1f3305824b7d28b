//! Who asks us for the time, as an object.

use std::cmp::Reverse;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use truechimer_core::server::clients::Client;
use truechimer_time::{Mono, Time};

use super::{CLIENTS_MAX, VERSION};

/// Who asks us for the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientsReply {
    /// The version of this object.
    pub version: u32,
    /// So many are known; the table has no room for more than are configured.
    pub known: usize,
    /// Those who asked most often, at most [`CLIENTS_MAX`], the most eager first.
    pub clients: Vec<ClientReply>,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientReply {
    /// An IPv4 address, or the first address of a network of 64 bits in IPv6.
    pub address: IpAddr,
    /// How often it asked since it is known.
    pub asked: u32,
    /// How often it got no answer, because it asked too often.
    pub limited: u32,
    /// It last asked so long ago.
    pub age: f64,
}

impl ClientsReply {
    /// What is said of these clients now.
    pub fn of(mut clients: Vec<Client>, now: Time<Mono>) -> Self {
        let known = clients.len();
        clients.sort_by_key(|client| (Reverse(client.asked), client.address));
        clients.truncate(CLIENTS_MAX);
        let reply = |client: &Client| ClientReply {
            address: client.address,
            asked: client.asked,
            limited: client.limited,
            age: (now - client.last).as_seconds(),
        };
        Self { version: VERSION, known, clients: clients.iter().map(reply).collect() }
    }
}
