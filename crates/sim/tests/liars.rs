//! Servers that lie, or refuse to serve, among honest ones: what a whole machine makes of them. `docs/bad-inputs.md` has
//! the list of bad inputs.

use truechimer_core::event::Event;
use truechimer_core::source::SourceId;
use truechimer_core::source::schedule::RATE_LIMIT;
use truechimer_core::status::Status;
use truechimer_sim::network::PathSpec;
use truechimer_sim::scenario::Scenario;
use truechimer_sim::server::{Quirk, ServerSpec};
use truechimer_sim::world::{Outcome, World};
use truechimer_time::{Rate, Span};

const HOUR: i64 = 3600;

/// Ten years.
const LONGEST: f64 = 315_576_000.0;

/// Bad inputs 26, 27, 30, 31, 32. The times in a kiss are good ones, and tell nothing.
#[test]
fn bad_inputs_26_27_30_31_32_one_of_four_that_kisses_is_asked_on_and_tells_no_time() {
    for code in [*b"RATE", *b"DENY", *b"RSTR", *b"XQRS", *b"rate", [b'\n', 0x1b, 0xff, 7]] {
        let outcome = run(among_honest(Quirk::Kisses(code), Span::ZERO), 24);
        assert_settled(&outcome, Span::from_millis(1), &code.escape_ascii().to_string());
        assert_eq!(samples_of(&outcome, 3), 0, "{code:?}: a kiss is no sample");
        let late: Vec<Span> = asked(&outcome, 3).into_iter().filter(|at| *at > hours(12)).collect();
        assert!(late.len() > 3, "{code:?}: it is asked on, {} times in twelve hours", late.len());
        let restrains = [*b"RATE", *b"DENY", *b"RSTR"].contains(&code);
        let is_rare = late.windows(2).all(|two| two[1] - two[0] > RATE_LIMIT - RATE_LIMIT / 10);
        assert_eq!(is_rare, restrains, "{code:?}: at {late:?}");
    }
}

/// RATE from each of them, from the first answer on.
#[test]
fn bad_input_27_servers_that_never_say_anything_but_rate_are_asked_on() {
    let servers = (0..4).map(|operator| kissing(operator, *b"RATE")).collect();
    let outcome = run(servers, 24);
    assert_eq!((outcome.told.measured, outcome.told.stepped, outcome.oracle.bounds_seen), (0, 0, 0));
    for server in 0..4 {
        let late = asked(&outcome, server).iter().filter(|&&at| at > hours(12)).count();
        assert!((3..8).contains(&late), "{late} questions in twelve hours");
    }
}

/// Who refuses is rarely asked again; that it has refused is told each time, and no time is known.
#[test]
fn bad_input_29_the_only_server_does_not_refuse_unnoticed() {
    for code in [*b"DENY", *b"RSTR"] {
        let outcome = run(vec![kissing(0, code)], 6);
        assert_eq!((outcome.told.measured, outcome.oracle.bounds_seen), (0, 0), "{code:?}");
        assert!(told(&outcome, |event| matches!(event, Event::Kissed { .. })) > 0, "{code:?} is told");
        assert_eq!(
            told(&outcome, |event| matches!(event, Event::StatusChanged { .. })),
            0,
            "and nothing else"
        );
        assert!(asked(&outcome, 0).len() < 40, "{code:?}: it is not besieged");
    }
}

/// From a microsecond to ten years, either way. What is larger than the bound between two polls cannot move the clock; what
/// is smaller may, but never out of the bound.
#[test]
fn bad_input_138_one_liar_of_four_never_makes_the_bound_false() {
    for lie in (-6..=8).map(|exponent| 10_f64.powi(exponent)).chain([LONGEST]) {
        for by in [lie, -lie].map(Span::from_seconds) {
            let outcome = run(among_honest(Quirk::None, by), 6);
            assert_honest(&outcome);
            if by.abs() > Span::from_millis(50) {
                assert_settled(&outcome, Span::from_millis(1), &format!("{by}"));
                let is_seen = outcome.falsetickers.contains(&3) || samples_of(&outcome, 3) == 0;
                assert!(is_seen, "{by} is seen");
            }
        }
    }
}

/// Two of four go ten seconds wrong together: nobody decides, and the machine knows how right it still is.
#[test]
fn bad_input_139_half_of_the_servers_decide_nothing() {
    let jump = Quirk::Jumps { after: hours(6), by: Span::from_secs(10) };
    let servers = (0..4).map(|operator| server(operator, if operator < 2 { Quirk::None } else { jump }));
    let outcome = run(servers.collect(), 12);
    // Six hours of them without a server.
    assert_settled(&outcome, Span::from_millis(10), "half");
    let seen = when(&outcome, |event| matches!(event, Event::Unselected(_)), hours(6)).expect("it is told");
    assert!(seen - hours(6) < hours(1), "after {}", seen - hours(6));
    let holds = |event: &Event| matches!(event, Event::StatusChanged { to: Status::Holdover, .. });
    assert!(when(&outcome, holds, hours(6)).is_some(), "and that it is on its own");
    let decided = |event: &Event| matches!(event, Event::Updated(_));
    let last = when(&outcome, decided, seen);
    assert!(last.is_none(), "at {last:?}: {:?} after that nobody is believed", seen);
}

/// A microsecond a second, from within what the paths of the honest leave open, and past it.
#[test]
fn bad_input_140_a_liar_that_drags_slowly_drags_no_further_than_the_honest_leave_open() {
    let path = PathSpec { base: Span::from_millis(5), jitter: Span::from_micros(200), ..PathSpec::default() };
    let mut servers: Vec<ServerSpec> =
        (0..4).map(|operator| ServerSpec { path: path.clone(), ..server(operator, Quirk::None) }).collect();
    servers[3].ramp = Rate::from_ppb(1_000);
    let outcome = run(servers, 12);
    assert_honest(&outcome);
    // An honest answer leaves open as much as its round trip.
    let worst = outcome.oracle.clock.worst();
    assert!(worst < Span::from_micros(10_400), "dragged by {worst}");
    assert!(outcome.falsetickers.contains(&3), "43 ms off at the end, it is named");
}

fn run(servers: Vec<ServerSpec>, hours_long: i64) -> Outcome {
    let scenario = Scenario { servers, duration: hours(hours_long), ..Scenario::default() };
    World::new(&scenario, 7).with_story().run()
}

/// Three honest servers and one that is not, each of an operator of its own.
fn among_honest(quirk: Quirk, error: Span) -> Vec<ServerSpec> {
    let honest = (0..3).map(|operator| server(operator, Quirk::None));
    honest.chain([ServerSpec { error, ..server(3, quirk) }]).collect()
}

fn server(operator: u8, quirk: Quirk) -> ServerSpec {
    ServerSpec { operator, quirk, ..ServerSpec::default() }
}

fn kissing(operator: u8, code: [u8; 4]) -> ServerSpec {
    server(operator, Quirk::Kisses(code))
}

fn hours(hours: i64) -> Span {
    Span::from_secs(hours * HOUR)
}

/// When that server was asked, after the start.
fn asked(outcome: &Outcome, server: usize) -> Vec<Span> {
    let of_it = outcome.asked.iter().filter(|(_, asked)| *asked == server);
    of_it.map(|(at, _)| at.since_epoch()).collect()
}

fn samples_of(outcome: &Outcome, server: u8) -> usize {
    let is_it = |event: &Event| matches!(event, Event::Measured(sample) if sample.source == SourceId(server));
    told(outcome, is_it)
}

fn told(outcome: &Outcome, is_it: impl Fn(&Event) -> bool) -> usize {
    outcome.story.iter().flatten().filter(|(_, event)| is_it(event)).count()
}

fn when(outcome: &Outcome, is_it: impl Fn(&Event) -> bool, from: Span) -> Option<Span> {
    let mut later = outcome.story.iter().flatten().filter(|(at, _)| *at > from);
    later.find(|(_, event)| is_it(event)).map(|(at, _)| *at)
}

fn assert_honest(outcome: &Outcome) {
    assert_eq!(outcome.oracle.bounds_false, 0, "the worst by {:?}", outcome.oracle.worst_excess);
    assert!(outcome.oracle.bounds_seen > 100, "bounds are told");
}

/// The clock is right soon, stays within so much of the truth, and every bound held.
fn assert_settled(outcome: &Outcome, within: Span, what: &str) {
    assert_honest(outcome);
    assert!(outcome.oracle.settled_at().is_some(), "{what}: it settles");
    let worst = outcome.oracle.clock.worst();
    assert!(worst < within, "{what}: {worst}");
}
