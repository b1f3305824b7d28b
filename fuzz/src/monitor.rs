//! What chronyc could ask, of a daemon that has just been born.

use std::sync::OnceLock;

use truechimer::chrony::View;
use truechimer::config::{Config, Keys};
use truechimer_core::moment::Moment;
use truechimer_core::node::{Birth, Node};
use truechimer_core::wire::chrony::request::Request;
use truechimer_core::wire::chrony::{REPLY_HEADER_LEN, REQUEST_MAX};
use truechimer_time::{LeapTable, Rate, Span, Time};

use super::NOW;

/// A datagram at the socket for chronyc.
pub fn monitor(datagram: &[u8]) {
    let Some(request) = Request::parse(datagram) else { return };
    assert!((REPLY_HEADER_LEN..=REQUEST_MAX).contains(&datagram.len()));
    let reply = view().answer(&request);
    assert!(reply.len() <= datagram.len(), "no amplification");
    assert_eq!(reply[4..6], datagram[4..6], "it is to the command");
    assert_eq!(reply[16..20], datagram[8..12], "and to the request");
    let is_refused = reply[8..10] != [0, 0];
    assert_eq!(is_refused, reply.len() == REPLY_HEADER_LEN, "a refusal tells nothing");
    assert_eq!(Request::parse(&reply), None, "no loop");
}

fn view() -> &'static View {
    static VIEW: OnceLock<View> = OnceLock::new();
    VIEW.get_or_init(|| {
        let now = Moment {
            raw: Time::EPOCH,
            mono: Time::EPOCH,
            local: Time::from_epoch(NOW.since_epoch()),
            asleep: Span::ZERO,
            width: Span::ZERO,
        };
        let birth = Birth {
            policy: Config::defaults().policy(&Keys::default()),
            seed: [1; 32],
            leaps: LeapTable::COMPILED,
            learned: None,
            floor: NOW,
            rate: Rate::ZERO,
        };
        View { report: Node::new(birth, &now).report(&now), server: None, requests: 1 }
    })
}
