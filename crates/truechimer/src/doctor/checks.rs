//! All checks, in the order in which equally bad findings are told.

pub mod certificates;
pub mod clocksource;
pub mod file_times;
pub mod future_files;
pub mod windows;

use super::Check;

/// All of them.
pub const ALL: &[&Check] =
    &[&clocksource::CHECK, &file_times::CHECK, &future_files::CHECK, &windows::CHECK, &certificates::CHECK];

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
