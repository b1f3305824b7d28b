//! The quick form of `truechimer sim years`.

mod common;

use std::num::NonZeroUsize;

use common::{assert_golden, quick};
use truechimer_sim::work::Effort;
use truechimer_sim::years;

#[test]
fn the_golden_years_stand_and_no_bound_is_false() {
    assert_golden("years", &years::table(&quick()));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let by = |jobs| {
        let effort =
            Effort { range: Some(1..=40), jobs: NonZeroUsize::new(jobs).expect("some"), ..Effort::QUICK };
        years::table(&effort)
    };
    assert_eq!(by(1), by(3));
}
