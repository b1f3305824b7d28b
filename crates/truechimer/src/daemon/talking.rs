//! The conversations on the control socket: what the daemon answers.

use truechimer_core::node::{Input, Order};
use truechimer_sys::clock as clocks;

use super::Daemon;
use super::serving::Service;
use crate::talk::{
    ClassicCounts, ClientsReply, KeyExchangeCounts, Reply, Request, ServerCounts, SourcesReply, StatusReply,
};

impl Daemon {
    /// Goes on with the conversations on the control socket.
    pub(super) fn talk(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        let mut orders = Vec::new();
        control.turn(clocks::mono(), |request| match request {
            Request::Status {} => Reply::Status(Box::new(self.status())),
            Request::Sources {} => Reply::Sources(self.sources()),
            Request::Clients {} => self.clients(),
            // The socket takes them itself.
            Request::Subscribe {} => Reply::Subscribed {},
            Request::Burst {} => taken(&mut orders, Order::Burst),
            Request::Step {} => taken(&mut orders, Order::Step),
        });
        self.control = Some(control);
        for order in orders {
            self.happen(Input::Ordered(order));
        }
    }

    pub(super) fn status(&self) -> StatusReply {
        let now = self.now();
        StatusReply {
            clock: self.clock.name().to_owned(),
            server: self.service.as_ref().map(server_counts),
            uptime: Some((now.mono - self.began).as_seconds()),
            events: self.told.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
            ..StatusReply::of(&self.node.report(&now), self.trust.max_rate, &self.leaps)
        }
    }

    pub(super) fn sources(&self) -> SourcesReply {
        let now = self.now();
        SourcesReply::of(&self.node.report(&now).sources, now.mono)
    }

    fn clients(&self) -> Reply {
        match &self.service {
            Some(service) => Reply::Clients(ClientsReply::of(service.clients(), clocks::mono())),
            None => Reply::Error("nothing is served: there is no [serve] in the configuration".to_owned()),
        }
    }
}

fn taken(orders: &mut Vec<Order>, order: Order) -> Reply {
    orders.push(order);
    Reply::Done {}
}

pub(super) fn server_counts(service: &Service) -> ServerCounts {
    let counters = service.counters();
    let reasons = truechimer_core::server::Silence::ALL.into_iter();
    ServerCounts {
        listening: service.places().ntp.clone(),
        taiclock: ClassicCounts::of(&service.places().taiclock, counters.taiclock),
        time: ClassicCounts::of(&service.places().time, counters.time),
        leap_smear: service.leap_smear().map(|smear| smear.length().as_seconds()),
        answered: counters.answered,
        interleaved: counters.interleaved,
        leaked: counters.leaked,
        sealed: counters.sealed,
        protected: counters.protected,
        refused: counters.refused,
        key_exchanges: service.key_exchanges().map(KeyExchangeCounts::of),
        unsent: counters.unsent,
        silent: reasons
            .map(|reason| (reason.label().to_owned(), counters.silent[reason.index()]))
            .filter(|(_, count)| *count > 0)
            .collect(),
    }
}
