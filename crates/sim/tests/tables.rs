//! The tables of the laboratory, in their quick form.

mod common;

use common::{assert_golden, quick};
use truechimer_sim::accuracy;
use truechimer_sim::lab::{matrix, poll, robust};

#[test]
fn the_matrix_stands() {
    assert_golden("matrix", &matrix::sheets(&quick()));
}

#[test]
fn the_troubles_stand() {
    assert_golden("robust", &robust::sheets(&quick()));
}

#[test]
fn the_intervals_stand() {
    assert_golden("poll", &poll::sheets(&quick()));
}

#[test]
fn the_targets_are_kept_at_little_more_than_they_must_cost() {
    let sheets = accuracy::table(&quick());
    assert_golden("accuracy", &sheets);
    assert!(sheets[0].figures("traffic").iter().all(|&traffic| traffic <= 1.2), "{}", sheets[0]);
    assert!(sheets[0].figures("said to be met").iter().all(|&share| share >= 99.9), "{}", sheets[0]);
}
