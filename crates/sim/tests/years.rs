//! The quick form of `truechimer sim years`: a change of its table is a change of behaviour.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim --test years` writes it anew.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use truechimer_sim::work::Effort;
use truechimer_sim::years;

const GOLDEN: &str = "tests/golden/years.txt";

#[test]
fn the_golden_years_stand_and_no_bound_is_false() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let two = NonZeroUsize::new(2).expect("two");
    let sheets = years::table(&Effort { jobs: two, ..Effort::QUICK });
    let made: String = sheets.iter().map(|sheet| sheet.to_string()).collect();
    assert!(sheets.iter().all(|sheet| sheet.holds), "{made}");
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, golden, "\nmade:\n{made}\ngolden:\n{golden}");
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
