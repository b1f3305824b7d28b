use truechimer_core::discipline::holdover::Leaning;
use truechimer_core::node::reckoning::Reckoning;
use truechimer_core::node::report::{KeyReport, LastAnswer, Role};
use truechimer_core::server::ntp::Served;
use truechimer_core::source::SourceId;
use truechimer_core::source::schedule::Traffic;
use truechimer_core::source::spread::Spread;
use truechimer_core::status::Status;

use super::*;

/// A server that is ahead of us by 5 ms, and gains 20 ppm on our model.
fn ahead(name: &str) -> SourceReport {
    let five = Span::from_millis(5);
    SourceReport {
        name: name.to_owned(),
        operator: name.to_owned(),
        address: Some("192.0.2.1:123".parse().expect("an address")),
        pool: None,
        is_reference: false,
        reference_name: None,
        role: Role { has_vote: true, prefer: true, trust: false, require: false },
        is_upstream: true,
        key: None,
        nts: None,
        departures: None,
        standing: Standing::Truechimer,
        reach: 0o377,
        interval: Span::from_secs(60),
        traffic: Traffic { questions: 9, answers: 8 },
        due: Time::EPOCH,
        samples: 100,
        last: Some(LastAnswer {
            age: Span::from_secs(7),
            delay: Span::from_millis(2),
            stratum: 2,
            reference_id: *b"GPS\0",
            leap: Leap::None,
            root_distance: Span::from_millis(1),
            measured: Span::from_millis(6),
            adjusted: five,
            distance: Span::from_millis(2),
        }),
        offset: Some(five),
        sigma: Some(Span::from_micros(30)),
        bound: Some(Span::from_millis(2)),
        extent: Some([Span::from_millis(3), Span::from_millis(7)]),
        residual: Some(Rate::from_ppm(20.0)),
        residual_error: Some(Rate::from_ppm(2.0)),
        smearing: None,
        spread: Some(Spread {
            samples: 64,
            span: Span::from_secs(640),
            deviation: Span::from_micros(9),
            runs: 21,
        }),
        refusals: Vec::new(),
        misreadings: Vec::new(),
    }
}

/// A clock that is 5 ms slow and whose counter runs 12 ppm fast.
fn report(sources: Vec<SourceReport>) -> Report {
    Report {
        status: Status::Synchronised,
        reading: None,
        tai_minus_utc: Some(37),
        offset: Span::from_millis(5),
        rate: Some(Rate::from_ppm(-12.0)),
        rate_error: Rate::from_ppm(0.5),
        drift_allowed: Rate::from_ppm(1.0),
        clock_rate: Rate::ZERO,
        is_panicking: false,
        forecast: Vec::new(),
        likely: Vec::new(),
        leaning: Leaning::Line,
        served: Served {
            synchronised: true,
            leap: Leap::None,
            stratum: 3,
            root_delay: Span::from_millis(4),
            root_dispersion: Span::from_millis(1),
            reference_id: [192, 0, 2, 1],
            ..Served::unsynchronised()
        },
        reckoning: Some(Reckoning {
            moved: Span::from_micros(3),
            usually: Span::from_micros(4),
            after: Span::from_secs(16),
        }),
        rms: None,
        sources,
    }
}

fn view(sources: Vec<SourceReport>) -> View {
    View { report: report(sources), server: None, requests: 3 }
}

fn states(sources: Vec<SourceReport>) -> Vec<(State, u8)> {
    sources.iter().map(|source| (state(source), sign(source))).collect()
}

#[test]
fn a_clock_that_is_slow_is_told_to_be_slow() {
    let tracking = tracking(&report(vec![ahead("a.example")]));
    assert_eq!(tracking.offset, Span::from_millis(5), "which chronyc prints as slow");
    assert_eq!(tracking.rate, Rate::from_ppm(-12.0), "true time is slower than our counter, which is fast");
    assert_eq!(tracking.residual, Rate::from_ppm(20.0));
    assert_eq!((tracking.last_offset, tracking.rms_offset), (Span::from_micros(3), Span::from_micros(4)));
    assert_eq!((tracking.stratum, tracking.interval), (3, Span::from_secs(16)));
    assert_eq!(tracking.host, Host::At("192.0.2.1".parse().expect("an address")));
}

#[test]
fn half_the_root_delay_and_the_dispersion_are_the_bound() {
    let tracking = tracking(&report(vec![ahead("a.example")]));
    assert_eq!(tracking.root_delay.half() + tracking.root_dispersion, Span::from_millis(3));
}

#[test]
fn a_clock_that_knows_nothing_has_no_reference() {
    let mut report = report(vec![ahead("a.example")]);
    report.served = Served::unsynchronised();
    let tracking = tracking(&report);
    assert_eq!((tracking.leap, tracking.stratum), (Leap::Unknown, 0));
    assert_eq!((tracking.host, tracking.reference_id), (Host::Nobody, [0; 4]));
}

#[test]
fn each_standing_has_its_sign() {
    let with = |standing, is_upstream| SourceReport { standing, is_upstream, ..ahead("a.example") };
    let standings = [
        (Standing::Truechimer, true, (State::Selected, b'*')),
        (Standing::Truechimer, false, (State::Combined, b'+')),
        (Standing::Falseticker { by: Span::ZERO }, false, (State::Falseticker, b'x')),
        (Standing::Undecided, false, (State::Jittery, b'~')),
        (Standing::OnProbation { answers: 3 }, false, (State::Excluded, b'-')),
        (Standing::Mute, false, (State::Nonselectable, b'M')),
        (Standing::Unreachable, true, (State::Nonselectable, b'M')),
        (Standing::TooVague { distance: Span::ZERO }, false, (State::Nonselectable, b'd')),
        (Standing::Loop, false, (State::Nonselectable, b'?')),
        (Standing::SameServer { of: SourceId(0) }, false, (State::Nonselectable, b'?')),
    ];
    for (standing, is_upstream, is) in standings {
        assert_eq!(states(vec![with(standing, is_upstream)]), [is], "{standing:?}");
    }
}

#[test]
fn a_source_is_listed_with_what_it_said_last() {
    let source = listed(0, &ahead("a.example"));
    assert_eq!((source.poll, source.stratum, source.reach), (6, 2, 0o377));
    assert_eq!((source.measured, source.adjusted), (Span::from_millis(6), Span::from_millis(5)));
    assert_eq!(source.age, Some(Span::from_secs(7)));
    assert!(source.options.prefer && !source.options.no_vote);
}

#[test]
fn a_source_without_an_address_is_a_number_and_is_found_by_it() {
    let lost = SourceReport { address: None, last: None, standing: Standing::NotFound, ..ahead("b.example") };
    let view = view(vec![ahead("a.example"), lost]);
    assert_eq!(listed(1, &view.report.sources[1]).host, Host::Number(2));
    assert_eq!(view.tell(Query::SourceName(Host::Number(2))), Ok(Reply::SourceName("b.example")));
    assert_eq!(view.tell(Query::SourceName(Host::Number(1))), Err(Refusal::NoSuchSource));
    let counts = Activity { online: 1, unresolved: 1, ..Activity::default() };
    assert_eq!(view.tell(Query::Activity), Ok(Reply::Activity(counts)));
}

#[test]
fn a_reference_clock_is_known_by_its_letters() {
    let clock = SourceReport {
        address: None,
        is_reference: true,
        reference_name: Some(*b"PHC0"),
        role: Role { has_vote: false, prefer: false, trust: false, require: true },
        ..ahead("/dev/ptp0")
    };
    let source = listed(0, &clock);
    assert!(source.is_reference && source.options.no_vote && source.options.require);
    assert_eq!(source.host, Host::At("80.72.67.48".parse().expect("P, H, C and 0")));
    let statistics = statistics(0, &clock);
    assert_eq!((statistics.reference_id, statistics.host), (*b"PHC0", Host::Nobody));
}

#[test]
fn bad_input_119_places_beyond_the_list_are_no_sources() {
    let view = view(vec![ahead("a.example")]);
    for place in [1, 2, u32::MAX] {
        for query in [Query::Source(place), Query::Statistics(place), Query::Selection(place)] {
            assert_eq!(view.tell(query), Err(Refusal::NoSuchSource));
        }
    }
    assert!(view.tell(Query::Source(0)).is_ok());
}

#[test]
fn protection_is_told_by_chronys_numbers() {
    let mut source = ahead("a.example");
    assert_eq!(protection(&source), Protection::None);
    source.key = Some(KeyReport { id: 7, kind: KeyKind::Aes128, bits: 128 });
    assert_eq!(protection(&source), Protection::Key { kind: 13, id: 7, bits: 128 });
    assert!(selection(0, &source).is_authenticated);
}

#[test]
fn what_the_server_does_not_count_is_zero() {
    let counts = server_counts(None, view(Vec::new()).requests);
    assert_eq!(counts, ServerCounts { command_hits: 3, ..ServerCounts::default() });
    let server = talk::ServerCounts {
        listening: Vec::new(),
        taiclock: Some(talk::ClassicCounts { listening: Vec::new(), answered: 10 }),
        time: None,
        leap_smear: None,
        answered: 110,
        interleaved: 5,
        leaked: 1,
        sealed: 2,
        protected: 3,
        refused: 0,
        key_exchanges: Some(talk::KeyExchangeCounts { granted: 4, failed: 2, limited: 1 }),
        unsent: 0,
        silent: vec![("short".to_owned(), 50), ("limited".to_owned(), 20)],
    };
    let counts = server_counts(Some(&server), view(Vec::new()).requests);
    assert_eq!((counts.ntp_hits, counts.ntp_drops), (120, 20), "what was TAICLOCK is no NTP");
    assert_eq!((counts.key_hits, counts.key_drops), (7, 1));
    assert_eq!((counts.protected, counts.interleaved), (5, 5));
}
