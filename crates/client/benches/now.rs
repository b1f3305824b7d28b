//! What it costs to know the time: the page as the daemon leaves it, mapped, and this machine's clocks.

use std::hint::black_box;

use truechimer_client::Clock;
use truechimer_sys::clock;

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    divan::main();
}

/// The interval on TAI and UTC, with sigma and status.
#[divan::bench(threads = [1, 2])]
fn now(bencher: divan::Bencher<'_, '_>) {
    let place = common::Place::with(&common::page_of_now());
    let clock = Clock::open(place.path()).expect("the page is open");
    bencher.bench(|| clock.now());
}

/// Is an instant in the past?
#[divan::bench]
fn has_passed(bencher: divan::Bencher<'_, '_>) {
    let place = common::Place::with(&common::page_of_now());
    let clock = Clock::open(place.path()).expect("the page is open");
    let instant = clock.now().expect("the time is known").tai.latest;
    bencher.bench(|| clock.has_passed(black_box(instant)));
}

/// The words, decoded, without the clocks.
#[divan::bench]
fn page(bencher: divan::Bencher<'_, '_>) {
    let place = common::Place::with(&common::page_of_now());
    let clock = Clock::open(place.path()).expect("the page is open");
    bencher.bench(|| clock.page());
}

/// The clocks without the page: the counter, and how long the machine has slept.
#[divan::bench]
fn counter() -> impl Sized {
    clock::counter()
}

/// One reading of one clock, for comparison.
#[divan::bench]
fn realtime() -> impl Sized {
    clock::realtime()
}
