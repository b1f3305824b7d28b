//! A clock reads what a daemon publishes.

use std::fs;
use std::time::Duration;

use truechimer_client::{Clock, Error, Status};
use truechimer_model::Page;
use truechimer_model::page::UtcCourse;
use truechimer_sys::shm::{PageError, PageReader};
use truechimer_sys::user::effective_uid;
use truechimer_time::{Raw, Span, Time};

mod common;

use common::{Place, page_of_now, write_host};

fn aged(page: Page, by: i64) -> Page {
    let back = |raw: Time<Raw>| raw - Span::from_secs(by);
    let model = page.model.map(|mut model| {
        model.bracket.at = back(model.bracket.at);
        model
    });
    Page { written: back(page.written), model, ..page }
}

#[test]
fn a_reading_is_what_the_page_says_of_the_counter() {
    let page = page_of_now();
    let place = Place::with(&page);
    let clock = Clock::open(place.path()).expect("a page");
    let now = clock.now().expect("the time is known");
    let told = page.read(now.raw, page.asleep).expect("it is known");
    assert_eq!(
        (now.tai.earliest, now.tai.likeliest, now.tai.latest),
        (told.earliest, told.best, told.latest)
    );
    assert_eq!((now.sigma, now.age, now.bound()), (told.sigma, told.age, told.bound()));
    let utc = now.utc.expect("UTC is known");
    let offset = Span::from_secs(37);
    assert_eq!(utc.earliest.since_epoch() + offset, told.earliest.since_epoch());
    assert_eq!(utc.likeliest.since_epoch() + offset, told.best.since_epoch());
    assert_eq!(utc.latest.since_epoch() + offset, told.latest.since_epoch());
    assert_eq!((now.assumptions.max_rate, now.assumptions.max_drift), (page.max_rate, page.max_drift));
    assert_eq!((now.status, clock.owner()), (Status::Synchronised, effective_uid()));
}

#[test]
fn an_instant_has_passed_or_is_to_come_or_nobody_knows() {
    let place = Place::with(&page_of_now());
    let clock = Clock::open(place.path()).expect("a page");
    let now = clock.now().expect("the time is known").tai;
    let far = Span::from_secs(3600);
    assert!(clock.has_passed(now.earliest - Span::from_attos(1)).expect("known"));
    assert!(!clock.has_passed(now.likeliest + far).expect("known"));
    assert!(clock.is_to_come(now.likeliest + far).expect("known"));
    assert!(!clock.is_to_come(now.latest).expect("known"));
    assert!(!now.has_passed(now.earliest) && !now.is_to_come(now.earliest));
    assert!(!now.has_passed(now.latest) && !now.is_to_come(now.latest));
    let later = clock.wait_until_passed(now.latest, Duration::from_secs(60)).expect("it passes");
    assert!(now.is_before(&later.tai) && !later.tai.is_before(&now));
    let patience = Duration::from_millis(2);
    let still = clock.wait_until_passed(later.tai.latest + far, patience);
    assert!(matches!(still, Err(Error::StillToCome)), "{still:?}");
}

#[test]
fn while_a_leap_second_is_possible_utc_has_all_counts_that_are() {
    let mut page = page_of_now();
    let best = page.model.expect("known").best + Span::from_millis(1);
    page.course = Some(UtcCourse { before: 37, leaps: best, after: 38 });
    let place = Place::with(&page);
    let now = Clock::open(place.path()).expect("a page").now().expect("the time is known");
    let utc = now.utc.expect("UTC is known");
    if now.tai.earliest < best && best <= now.tai.latest {
        assert_eq!(utc.earliest.since_epoch(), best.since_epoch() - Span::from_secs(38));
        assert_eq!(utc.latest.since_epoch(), best.since_epoch() - Span::from_secs(37));
    } else {
        assert_eq!(utc.earliest.since_epoch(), now.tai.earliest.since_epoch() - Span::from_secs(38));
    }
}

#[test]
fn a_machine_that_slept_and_a_daemon_that_knows_nothing_tell_no_time() {
    let page = page_of_now();
    let mut place = Place::with(&Page { asleep: page.asleep + Span::from_secs(5), ..page });
    let clock = Clock::open(place.path()).expect("a page");
    assert!(matches!(clock.now(), Err(Error::Slept)));
    place.write(&Page { model: None, status: Status::Disrupted, ..page });
    assert!(matches!(clock.now(), Err(Error::Unknown(Status::Disrupted))));
    place.write(&page);
    assert!(clock.now().is_ok());
}

#[test]
fn bad_input_113_a_guest_that_was_moved_is_told_no_time_at_its_next_reading() {
    let page = page_of_now();
    let mut place = Place::with(&Page { marker: Some(5), ..page });
    let host = place.path().with_file_name("vmclock0");
    write_host(&host, 5);
    let clock = Clock::open(place.path()).expect("a page").beside(&host);
    assert!(clock.now().is_ok());
    write_host(&host, 6);
    assert!(matches!(clock.now(), Err(Error::Moved)));
    place.write(&Page { marker: Some(6), ..page });
    assert!(clock.now().is_ok(), "measured anew");
    place.write(&page);
    assert!(clock.now().is_ok(), "a daemon that is told nothing says nothing of it");
}

#[test]
fn a_daemon_that_fell_silent_is_in_holdover_and_its_bound_grows() {
    let page = page_of_now();
    let place = Place::with(&aged(page, 3600));
    let now = Clock::open(place.path()).expect("a page").now().expect("the bound holds");
    assert_eq!(now.status, Status::Holdover);
    assert!(now.bound() > Span::from_millis(2) + Span::from_micros(15 * 3600), "{:?}", now.bound());
    assert!(now.age >= Span::from_secs(3600));
}

#[test]
fn a_page_that_was_replaced_is_read_once_the_old_one_is_silent() {
    let page = page_of_now();
    let mut place = Place::with(&page);
    let clock = Clock::open(place.path()).expect("a page");
    let with_sigma = |page: Page, micros| {
        let mut model = page.model.expect("known");
        model.sigma = Span::from_micros(micros);
        Page { model: Some(model), ..page }
    };
    place.replace(&with_sigma(page, 77));
    assert!(clock.now().expect("known").sigma < Span::from_micros(70), "the old one is fresh yet");
    let mut place = Place::with(&aged(page, 3600));
    let clock = Clock::open(place.path()).expect("a page");
    place.replace(&with_sigma(page_of_now(), 77));
    let now = clock.now().expect("known");
    assert!(now.sigma >= Span::from_micros(77), "{:?}", now.sigma);
    assert_eq!(now.status, Status::Synchronised);
}

#[test]
fn a_page_that_is_gone_or_that_others_may_write_replaces_nothing() {
    let page = page_of_now();
    let place = Place::with(&aged(page, 3600));
    let clock = Clock::open(place.path()).expect("a page");
    fs::remove_file(place.path()).expect("it was there");
    assert_eq!(clock.now().expect("the bound holds").status, Status::Holdover);
    assert!(matches!(Clock::open(place.path()), Err(Error::Page(PageError::File(_)))));
    let foreign = Clock::open_owned_by(Place::with(&page).path(), effective_uid() + 1);
    assert!(matches!(foreign, Err(Error::Page(PageError::Foreign(_)))), "{foreign:?}");
}

#[test]
fn a_page_of_another_version_says_so() {
    let place = Place::with(&page_of_now());
    let clock = Clock::open(place.path()).expect("a page");
    let mut words = PageReader::open(&place.path()).and_then(|page| page.read()).expect("written");
    words[0] = 9;
    let mut writer = truechimer_sys::shm::PageWriter::publish(&place.path()).expect("ours");
    writer.write(&words);
    let error = clock.now().expect_err("unreadable");
    assert!(error.to_string().contains("layout 9"), "{error}");
}

#[test]
fn threads_share_a_clock() {
    let mut place = Place::with(&page_of_now());
    let clock = Clock::open(place.path()).expect("a page");
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..2000 {
                    let (first, second) = (clock.now().expect("known").tai, clock.now().expect("known").tai);
                    assert!(!second.is_before(&first));
                }
            });
        }
        (0..2000).for_each(|_| place.write(&page_of_now()));
    });
}

#[test]
fn a_program_carries_no_protocol_and_no_cipher_for_the_time() {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("it is there");
    let (_, after) = manifest.split_once("[dependencies]\n").expect("there are some");
    let names = after.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split('.').next());
    assert_eq!(names.collect::<Vec<_>>(), ["truechimer-time", "truechimer-model", "truechimer-sys"]);
}
