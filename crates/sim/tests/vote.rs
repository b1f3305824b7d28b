//! The vote, in its quick form.

mod common;

use common::{assert_golden, quick};
use truechimer_sim::lab::vote;

#[test]
fn together_is_better_than_alone_and_the_liar_is_named() {
    let sheets = vote::sheets(&quick());
    assert_golden("vote", &sheets);
    let [together, single] = ["about mean", "its about mean"].map(|name| sheets[0].figures(name));
    let [first, ..] = together[..] else { panic!("three cases") };
    // One history of six hours: the full table has 5.8 µs as the mean of sixteen.
    assert!(first < 12.0, "{first} µs");
    // Of a single history the nearest may be as good by luck; not of both.
    let of_both = |errors: &[f64]| errors[1] * errors[2];
    assert!(of_both(&together) < 0.8 * of_both(&single), "{together:?} {single:?}");
    assert!(sheets[0].figures("named after polls").iter().all(|&polls| polls <= 3.0));
}
