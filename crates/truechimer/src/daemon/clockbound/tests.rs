use super::*;
use clock_bound_client::{ClockBoundClient, ClockStatus};
use proptest::prelude::*;
use std::fs;
use truechimer_model::page::UtcCourse;
use truechimer_model::{Bracket, RateLimits};
use truechimer_sys::clock;
use truechimer_time::{Local, Raw};

/// The offset of UTC in all pages here.
const OFFSET: i64 = 37;

fn span(nanos: i64) -> Span {
    Span::from_nanos(nanos)
}

/// A page whose bracket was found `age` before `now`, and whose clock is right to within some nanoseconds.
fn page_at(now: &Readings, age: Span, (before, after): (i64, i64), limits: RateLimits) -> Page {
    let best = Time::from_epoch(now.realtime.since_epoch() + Span::from_secs(OFFSET)) - age;
    let bracket = Bracket { at: now.raw - age, earliest: best - span(before), latest: best + span(after) };
    let (sigma, wander) = (Span::from_micros(1), Rate::ZERO);
    let model = Model { best, rate: limits.middle(), bracket, limits, sigma, rate_sigma: Rate::ZERO, wander };
    Page {
        status: Status::Synchronised,
        model: Some(model),
        written: now.raw,
        asleep: now.asleep,
        tai_minus_utc: Some(37),
        course: Some(UtcCourse { before: 37, leaps: Time::EPOCH, after: 37 }),
        leap: None,
        offset: Span::ZERO,
        max_rate: Rate::from_ppb(500_000),
        max_drift: limits.drift,
        clock: None,
        marker: None,
    }
}

fn narrow() -> RateLimits {
    RateLimits::around(Rate::from_ppb(-12_000), Rate::from_ppb(1_000)).drifting(Rate::from_ppb(1_000))
}

fn page_of_now() -> (Page, Readings) {
    let now = clock::readings();
    (page_at(&now, Span::from_secs(5), (1_000_000, 2_000_000), narrow()), now)
}

/// What a client makes of what is written, at its readings of both clocks, in nanoseconds: ClockBound's arithmetic.
fn by_client(said: &Said, real: i64, coarse: i64) -> (i64, i64) {
    let since = coarse - said.as_of.as_nanos();
    assert!(since >= 0, "the client would see a breach of causality");
    let seconds = since as f64 / 1e9;
    let bound = said.bound + (seconds * f64::from(said.max_drift)) as i64;
    (real - bound, real + bound)
}

/// A machine in a test: three clocks, of which the kernel's two go at one rate that changes.
#[derive(Clone, Copy, Debug)]
struct Machine {
    raw: Time<Raw>,
    mono: Span,
    real: Time<Local>,
}

impl Machine {
    fn readings(self) -> Readings {
        Readings {
            raw: self.raw,
            mono: Time::from_epoch(self.mono),
            realtime: Time::from_epoch(span(self.real.since_epoch().as_nanos())),
            asleep: Span::ZERO,
            width: Span::ZERO,
        }
    }

    fn pass(&mut self, counted: Span, rate: Rate) {
        let gained = counted + rate.over(counted);
        self.raw += counted;
        self.mono += gained;
        self.real += gained;
    }
}

fn machine() -> Machine {
    Machine {
        raw: Time::from_epoch(Span::from_secs(100_000)),
        mono: Span::from_secs(99_000),
        real: Time::from_epoch(Span::from_secs(1_790_000_000)),
    }
}

/// Whether what a client computes has all of our own interval in it.
fn assert_contains(said: &Said, page: &Page, machine: Machine, lag: Span) {
    let ours = page.read(machine.raw, Span::ZERO).expect("known");
    let [earliest, latest] =
        [ours.earliest, ours.latest].map(|tai| tai.since_epoch() - Span::from_secs(OFFSET));
    let (coarse, real) = ((machine.mono - lag).as_nanos(), machine.real.since_epoch().as_nanos());
    let (from, to) = by_client(said, real, coarse);
    assert!(
        span(from) <= earliest && latest <= span(to),
        "{from}..{to} has not all of {earliest}..{latest}: {said:?} {machine:?}"
    );
}

/// The clock goes to where the likeliest time is, as fast as it is told.
fn steered(machine: &mut Machine, page: &Page, passed: Span, place: f64, is_step: bool) {
    let raw = machine.raw + passed;
    let ours = page.read(raw, Span::ZERO).expect("known");
    let bracket = ours.latest - ours.earliest;
    let target = ours.earliest.since_epoch() - Span::from_secs(OFFSET)
        + Span::from_seconds(bracket.as_seconds() * place);
    let error = target - machine.real.since_epoch() - passed;
    if is_step {
        machine.pass(passed, Rate::ZERO);
        machine.real += error;
    } else {
        let rate = Rate::from_ratio((error.as_seconds() / passed.as_seconds()).clamp(-0.0833, 0.0833));
        machine.pass(passed, rate);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Left alone at any rate, for as long as anything is promised.
    #[test]
    fn a_clients_interval_has_ours_in_it_while_the_clock_is_left_alone(
        error in -3_000_000_000i64..3_000_000_000, sides in (0i64..1_000_000_000, 0i64..1_000_000_000),
        age in prop_oneof![0i64..1000, 0..10 * 86_400i64], middle in -500_000i64..500_000, wide in 0i64..100_000,
        drift in 0i64..20_000, rate in -100_000_000i64..100_000_000, passed in 0i64..1_000_000_000_000, lag in 0i64..1_000_000_000,
    ) {
        let mut machine = machine();
        let limits = RateLimits::around(Rate::from_ppb(middle), Rate::from_ppb(wide)).drifting(Rate::from_ppb(drift));
        let page = page_at(&machine.readings(), Span::from_secs(age), sides, limits);
        machine.real += span(error);
        let said = Said::of(&page, &machine.readings(), Rate::from_ppb(rate), None);
        prop_assert_eq!(said.certainty, Certainty::Synchronised);
        assert_contains(&said, &page, machine, span(lag));
        machine.pass(span(passed), Rate::from_ppb(rate));
        assert_contains(&said, &page, machine, span(lag));
    }

    /// Slewed and stepped, while the client has the numbers from before all that.
    #[test]
    fn a_clients_interval_has_ours_in_it_whatever_the_daemon_does_to_the_clock(
        error in -5_000_000i64..5_000_000, sides in (0i64..3_000_000, 0i64..3_000_000),
        rate in -20_000i64..0, lag in 0i64..1_000_000_000,
        moves in prop::collection::vec((1i64..100_000_000_000, 0.0..=1.0f64, any::<bool>()), 1..8),
    ) {
        let mut machine = machine();
        let page = page_at(&machine.readings(), Span::from_secs(64), sides, narrow());
        machine.real += span(error);
        let said = Said::of(&page, &machine.readings(), Rate::from_ppb(rate), None);
        for (passed, place, is_step) in moves {
            steered(&mut machine, &page, span(passed), place, is_step);
            assert_contains(&said, &page, machine, span(lag));
        }
    }
}

#[test]
fn without_lag_a_settled_clock_is_as_tight_as_its_bracket_is_wide() {
    let machine = machine();
    let page = page_at(&machine.readings(), Span::ZERO, (1_000_000, 1_000_000), narrow());
    let said = Said::of(&page, &machine.readings(), Rate::from_ppb(-12_000), None);
    assert!((2_000_000..2_000_100).contains(&said.bound), "{said:?}");
    assert!((2_000..3_000).contains(&said.max_drift), "{said:?}");
}

#[test]
fn nothing_is_promised_where_nothing_is_known_and_around_leap_seconds() {
    let (page, now) = page_of_now();
    let rate = Rate::from_ppb(-12_000);
    let certainty = |page: &Page, leap| Said::of(page, &now, rate, leap).certainty;
    assert_eq!(certainty(&page, None), Certainty::Synchronised);
    assert_eq!(certainty(&Page { status: Status::Degraded, ..page }, None), Certainty::Synchronised);
    assert_eq!(certainty(&Page { status: Status::Holdover, ..page }, None), Certainty::FreeRunning);
    assert_eq!(certainty(&Page { model: None, ..page }, None), Certainty::Unknown);
    let disrupted = Page { model: None, status: Status::Disrupted, ..page };
    assert_eq!(certainty(&disrupted, None), Certainty::Disrupted);
    assert_eq!(
        certainty(&Page { asleep: page.asleep + Span::from_secs(1), ..page }, None),
        Certainty::Unknown
    );
    assert_eq!(certainty(&Page { course: None, ..page }, None), Certainty::Unknown);
    let best = page.read(now.raw, now.asleep).expect("known").best;
    for (seconds, expected) in [
        (-11, Certainty::Synchronised),
        (-9, Certainty::Unknown),
        (9, Certainty::Unknown),
        (11, Certainty::Synchronised),
    ] {
        assert_eq!(certainty(&page, Some(best + Span::from_secs(seconds))), expected, "{seconds}");
    }
    let said = Said::of(&page, &now, rate, Some(best + Span::from_secs(100)));
    let lasts = said.void_after - now.mono.since_epoch();
    assert!(lasts < Span::from_secs(90) && lasts > Span::from_secs(89), "it ends before the leap: {lasts:?}");
}

#[test]
fn a_leap_second_that_has_passed_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = ClockBound::publish(&folder.path().join("shm0")).expect("a file");
    let (page, now) = page_of_now();
    let best = page.read(now.raw, now.asleep).expect("known").best;
    let ahead = UtcCourse { before: 37, leaps: best + Span::from_secs(60), after: 38 };
    file.renew(Some(&Page { course: Some(ahead), ..page }), &now, Some(Rate::ZERO));
    file.renew(Some(&page), &now, Some(Rate::ZERO));
    assert_eq!(file.leap, Some(ahead.leaps));
    assert_eq!(file.due() - now.mono, RENEWAL);
}

#[test]
fn the_words_are_those_of_the_protocol() {
    let said = Said {
        as_of: Span::from_millis(1_500),
        void_after: Span::from_millis(9_250),
        bound: 77,
        max_drift: 0x0102_0304,
        certainty: Certainty::Disrupted,
        marker: Some(78),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shm0");
    let mut file = ClockBound::publish(&path).expect("a file");
    file.file.write(&said.to_words());
    let bytes = fs::read(path).expect("written");
    let mut expected = [0x414d_5a4e_u32, 0x4342_0200, 80].map(u32::to_ne_bytes).concat();
    expected.extend([2u16, 2].map(u16::to_ne_bytes).concat());
    expected.extend([1i64, 500_000_000, 9, 250_000_000, 77, 78].map(i64::to_ne_bytes).concat());
    expected.extend([0x0102_0304i32, 3].map(i32::to_ne_bytes).concat());
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, expected);
}

/// ClockBound's own library reads what ours writes, on this machine's clocks.
#[test]
fn clockbounds_own_client_reads_an_interval_that_has_ours_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shm0");
    let name = path.to_str().expect("a name");
    let mut file = ClockBound::publish(&path).expect("a file");
    let kernel = || Some(truechimer_sys::adjust::read_state().expect("it can be read").rate);
    assert!(ClockBoundClient::new_with_path(name).is_err(), "nothing has been written");
    let (page, now) = page_of_now();
    file.renew(Some(&page), &now, kernel());
    let mut client = ClockBoundClient::new_with_path(name).expect("it is a segment of version 2");
    for _ in 0..200 {
        let (page, now) = page_of_now();
        file.renew(Some(&page), &now, kernel());
        let before = page.read(clock::raw(), page.asleep).expect("known");
        let theirs = client.now().expect("a reading");
        let after = page.read(clock::raw(), page.asleep).expect("known");
        assert_eq!(theirs.clock_status, ClockStatus::Synchronized);
        let [from, to] = [theirs.earliest, theirs.latest]
            .map(|time| Span::from_secs(time.tv_sec() + OFFSET) + span(time.tv_nsec()));
        assert!(from <= after.earliest.since_epoch(), "{from:?} {after:?}");
        assert!(before.latest.since_epoch() <= to, "{to:?} {before:?}");
        assert!(to - from < Span::from_millis(50), "{:?}", to - from);
    }
    file.renew(Some(&Page { status: Status::Holdover, ..page }), &now, kernel());
    assert_eq!(client.now().expect("a reading").clock_status, ClockStatus::FreeRunning);
    file.renew(Some(&Page { status: Status::Disrupted, model: None, ..page }), &now, kernel());
    let status = client.now().map(|now| now.clock_status);
    assert_eq!(status.expect("a reading"), ClockStatus::Disrupted);
    file.renew(None, &now, None);
    assert_eq!(client.now().expect("a reading").clock_status, ClockStatus::Unknown);
}
