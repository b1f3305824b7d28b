//! The golden table of the vote, in its quick form: a change of it is a change of behaviour, which a person has to read
//! and to mean. `truechimer sim vote` makes the whole.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim --test vote` writes it anew.

use std::fs;
use std::path::Path;

use truechimer_sim::lab::vote;
use truechimer_sim::sheet::Sheet;
use truechimer_sim::work::Effort;

const GOLDEN: &str = "tests/golden/vote.txt";

#[test]
fn the_golden_table_of_the_vote_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let sheets = vote::sheets(&Effort::QUICK);
    let made: String = sheets.iter().map(Sheet::to_string).collect();
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, golden, "\nmade:\n{made}\ngolden:\n{golden}");
    assert!(sheets.iter().all(|sheet| sheet.holds), "no bound was false");
}

#[test]
fn together_is_better_than_alone_and_the_liar_is_named() {
    let sheets = vote::sheets(&Effort::QUICK);
    let [together, single] = ["about mean", "its about mean"].map(|name| sheets[0].figures(name));
    let [first, ..] = together[..] else { panic!("three cases") };
    // One history of six hours: the full table has 5.8 µs as the mean of sixteen.
    assert!(first < 12.0, "{first} µs");
    // Of a single history the nearest may be as good by luck; not of both.
    let of_both = |errors: &[f64]| errors[1] * errors[2];
    assert!(of_both(&together) < 0.8 * of_both(&single), "{together:?} {single:?}");
    assert!(sheets[0].figures("named after polls").iter().all(|&polls| polls <= 3.0));
}
