//! Questions that speak of an answer before them (RFC 9769).

use super::*;
use crate::measure::exchange::Topic;

#[test]
fn the_second_question_brings_the_departure_of_the_first_answer() {
    let (first, told) = heard_first();
    let mut second = asking(&first);
    let answer = about_departure(&second, Span::from_micros(350));
    let Ok(Heard::Departure(better)) = hear_later(&mut second, &answer) else { panic!("no departure") };
    assert_eq!((better.sent, better.heard, better.received), (told.sent, told.heard, told.received));
    assert!((better.residence - Span::from_micros(350)).abs() < Span::from_nanos(1));
    assert!((told.delay - better.delay - Span::from_micros(300)).abs() < Span::from_nanos(1));
    assert!(second.earlier().is_none(), "its own departure is not known");
}

#[test]
fn a_server_that_has_kept_nothing_answers_for_itself() {
    let (first, _) = heard_first();
    let mut second = asking(&first);
    let answer = answer_to(&second);
    let Ok(Heard::Answer(answer)) = hear_later(&mut second, &answer) else { panic!("not an answer") };
    assert_eq!(answer.sent, LATER.0);
    assert!(second.earlier().is_some());
}

#[test]
fn a_question_whose_departure_shall_be_kept_speaks_of_no_answer() {
    let mut exchange = speaking(Topic::Keep);
    let question = Packet::parse(exchange.datagram()).unwrap();
    assert_eq!(question.origin.to_bits() & 1, 1, "chronyd keeps no departures for others");
    assert!(question.receive != question.transmit && !question.receive.is_zero());
    exchange.sent(LATER.0);
    let answer = Packet { origin: question.receive, ..answer_to(&exchange) };
    assert_eq!(hear_later(&mut exchange, &answer), Err(Refusal::BogusOrigin), "there is nothing to tell of");
    let answer = answer_to(&exchange);
    assert!(matches!(hear_later(&mut exchange, &answer), Ok(Heard::Answer(_))));
    assert!(exchange.earlier().is_some());
}

#[test]
fn both_words_of_a_second_question_are_drawn_anew_and_differ() {
    let (first, _) = heard_first();
    let question = Packet::parse(asking(&first).datagram()).unwrap();
    assert_eq!(question.origin, NtpTimestamp::of(NOW));
    assert_ne!(question.receive, question.transmit);
    assert_ne!(question.transmit, first.wording.transmit());
}

/// The departure is judged as what an answer says itself: before the question came, or so late that no time is left for the way.
#[test]
fn a_departure_that_cannot_be_is_refused_and_the_true_one_still_heard() {
    let (first, _) = heard_first();
    let mut second = asking(&first);
    for (after, refusal) in [
        (Span::from_millis(-1), Refusal::Backwards),
        (Span::from_millis(21), Refusal::NegativeDelay),
        (Span::from_secs(5), Refusal::HeldTooLong),
    ] {
        let answer = about_departure(&second, after);
        assert_eq!(hear_later(&mut second, &answer), Err(refusal), "{after}");
    }
    let answer = about_departure(&second, Span::from_micros(60));
    assert!(matches!(hear_later(&mut second, &answer), Ok(Heard::Departure(_))));
    assert_eq!(hear_later(&mut second, &answer), Err(Refusal::Duplicate));
}

#[test]
fn who_does_not_give_our_bits_back_has_not_read_the_question() {
    let (first, _) = heard_first();
    let mut second = asking(&first);
    let answer =
        Packet { origin: first.wording.transmit(), ..about_departure(&second, Span::from_micros(60)) };
    assert_eq!(hear_later(&mut second, &answer), Err(Refusal::BogusOrigin));
    let mut plain = exchange(None);
    let answer = Packet { origin: NtpTimestamp::ZERO, ..answer_to(&plain) };
    assert_eq!(hear(&mut plain, &answer.write()), Err(Refusal::ZeroOrigin));
}

/// When the second question left, and when its answer came.
const LATER: (Stamp, Stamp) = (
    Stamp { at: Time::from_epoch(Span::from_millis(1_000_100)), by: StampedBy::Kernel },
    Stamp { at: Time::from_epoch(Span::from_millis(1_000_120)), by: StampedBy::Kernel },
);

fn heard_first() -> (Exchange, Answer) {
    let mut exchange = exchange(None);
    let answer = answer_to(&exchange);
    let Ok(Heard::Answer(told)) = hear(&mut exchange, &answer.write()) else { panic!("not an answer") };
    (exchange, told)
}

fn asking(first: &Exchange) -> Exchange {
    let mut exchange = speaking(Topic::Departure(first.earlier().expect("it was answered")));
    exchange.sent(LATER.0);
    exchange
}

fn speaking(topic: Topic) -> Exchange {
    Exchange::start_speaking(&mut ChaCha8Rng::seed_from_u64(9), server(), Seal::None, topic)
}

/// The second answer, if the first left so long after its question came.
fn about_departure(second: &Exchange, after: Span) -> Packet {
    Packet {
        origin: second.wording.receive(),
        receive: NtpTimestamp::of(NOW + Span::from_millis(100)),
        transmit: NtpTimestamp::of(NOW + after),
        ..answer_to(second)
    }
}

fn hear_later(exchange: &mut Exchange, answer: &Packet) -> Result<Heard, Refusal> {
    exchange.hear(server(), LATER.1, &answer.write(), &rules())
}
