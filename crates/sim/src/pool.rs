//! A simulated pool: a name, and what whoever answers for it says, which can change.

use std::net::SocketAddr;

use truechimer_core::policy::{PoolPolicy, SourcePolicy};
use truechimer_time::Span;

/// A name behind which the servers of a scenario are, in the place of sources of their own.
#[derive(Clone, Debug)]
pub struct PoolSpec {
    /// So many of them are asked at once.
    pub places: usize,
    /// To which servers the name leads from when on since the start, in ascending order. Before the first it leads nowhere.
    pub leads: Vec<(Span, Vec<usize>)>,
    /// A lookup takes so long.
    pub lookup: Span,
}

impl PoolSpec {
    /// A name that always leads to these servers.
    pub fn leading_to(places: usize, servers: impl IntoIterator<Item = usize>) -> Self {
        let lookup = Span::from_millis(50);
        Self { places, leads: vec![(Span::ZERO, servers.into_iter().collect())], lookup }
    }

    /// What the name leads to, so long after the start.
    pub fn addresses(&self, since: Span) -> Vec<SocketAddr> {
        let leads = self.leads.iter().rev().find(|(from, _)| *from <= since);
        leads.map_or(Vec::new(), |(_, servers)| servers.iter().map(|&server| address(server)).collect())
    }

    /// Its places as sources; each like `like`.
    pub fn sources(&self, like: &SourcePolicy) -> Vec<SourcePolicy> {
        let place = |number: usize| SourcePolicy {
            name: format!("pool #{number}"),
            operator: format!("pool #{number}"),
            address: None,
            pool: Some(PoolPolicy { name: "pool".to_owned(), is_near: false }),
            ..like.clone()
        };
        (1..=self.places).map(place).collect()
    }
}

/// The address of a server of a pool: each is in a block of its own, and its number, counted from one, is its port.
pub fn address(server: usize) -> SocketAddr {
    SocketAddr::from(([198, 18, server as u8, 1], server as u16 + 1))
}
