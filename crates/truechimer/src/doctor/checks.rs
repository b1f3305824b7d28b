//! All checks, in the order in which equally bad findings are told.

pub mod asymmetry;
pub mod certificates;
pub mod clocksource;
pub mod era;
pub mod file_times;
pub mod future_files;
pub mod guest;
pub mod intercepted;
pub mod keeper;
pub mod kernel;
pub mod leap;
pub mod length;
pub mod names;
pub mod nts;
pub mod offset;
pub mod operators;
pub mod rate;
pub mod rights;
pub mod rtc;
pub mod smear;
pub mod starvation;
pub mod suspend;
pub mod way;
pub mod windows;
pub mod writers;
pub mod zone;

use super::Check;

/// All of them.
pub const ALL: &[&Check] = &[
    &keeper::CHECK,
    &offset::CHECK,
    &rate::CHECK,
    &writers::CHECK,
    &kernel::CHECK,
    &clocksource::CHECK,
    &starvation::CHECK,
    &guest::CHECK,
    &suspend::CHECK,
    &rtc::CHECK,
    &rights::CHECK,
    &leap::CHECK,
    &zone::CHECK,
    &era::CHECK,
    &names::CHECK,
    &way::CHECK,
    &intercepted::CHECK,
    &length::CHECK,
    &nts::CHECK,
    &operators::CHECK,
    &smear::CHECK,
    &asymmetry::CHECK,
    &file_times::CHECK,
    &future_files::CHECK,
    &windows::CHECK,
    &certificates::CHECK,
];

/// The check of a name.
pub fn named(name: &str) -> Option<&'static Check> {
    ALL.iter().copied().find(|check| check.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_has_a_name_of_its_own_and_a_page_that_fits_a_screen() {
        let names: BTreeSet<&str> = ALL.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), ALL.len());
        for check in ALL {
            assert!(
                check.name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'),
                "{}",
                check.name
            );
            assert!(check.question.ends_with('?'), "{}", check.name);
            let lines = check.page.lines();
            assert!(lines.clone().count() >= 5, "{}: too short a page", check.name);
            for line in lines {
                assert!(line.chars().count() <= 78, "{}: {line}", check.name);
            }
        }
    }
}
