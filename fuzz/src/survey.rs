//! What a host could answer to a survey, in any protocol and in pieces of any size.

use std::net::{Ipv4Addr, SocketAddr};

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer::survey::protocol::Protocol;
use truechimer::survey::question::{Circumstances, Question, Reply};
use truechimer::survey::search::{QUESTIONS_MAX, Search};
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_time::{Span, Time};

use super::NOW;

/// A byte for the protocol, a byte for how much of the answer comes first, and the answer.
pub fn survey(data: &[u8]) {
    let [which, first, answer @ ..] = data else { return };
    let protocol = Protocol::ALL[usize::from(*which) % Protocol::ALL.len()];
    let mut rng = ChaCha8Rng::from_seed([7; 32]);
    let place = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 123));
    let mut question = Question::new(&mut rng, protocol, place, "a.example", None);
    let mut search = Search::new(protocol.is_coarse(), QUESTIONS_MAX);
    for len in [usize::from(*first).min(answer.len()), answer.len()] {
        search.ask();
        match question.hear(&answer[..len], &circumstances(place, len == answer.len())) {
            Ok(Reply::Told(told, _)) => {
                let window = told.window();
                assert!(window.lo <= window.hi, "{told:?}");
                let heard = told.heard;
                search.hear(told);
                let wait = search.wait(heard, Span::ZERO);
                assert!(Span::ZERO <= wait && wait <= Span::from_secs(1), "{wait:?}");
            }
            Ok(Reply::Nothing) => {}
            Err(trouble) => {
                assert!(trouble.text.chars().count() <= 200 && !trouble.text.chars().any(char::is_control));
            }
        }
    }
    if let Some(known) = search.end() {
        assert!(known.window.lo <= known.window.hi && known.doubts.len() <= 4, "{known:?}");
    }
}

fn circumstances(from: SocketAddr, is_end: bool) -> Circumstances {
    let stamp = |millis| Stamp { at: Time::from_epoch(Span::from_millis(millis)), by: StampedBy::Program };
    Circumstances {
        from,
        sent: stamp(5_000_000),
        heard: stamp(5_000_020),
        blur: Span::ZERO,
        ours: NOW,
        is_end,
        patience: Span::from_secs(2),
    }
}
