//! Whether the tables of leap seconds of this machine still hold.

use std::path::Path;

use truechimer_sys::clock;
use truechimer_time::{Civil, LeapTable, Time, Utc};

use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::leaps::{self, LeapsError};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "leap",
    area: Area::Clock,
    question: "Do the tables of leap seconds still hold, and do they agree?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Leap seconds are announced half a year ahead (IERS, Bulletin C). Tables of
them have a date until which they hold; after it nobody who reads them knows
whether there was another. tzdata brings two: leap-seconds.list and
leapseconds, both in /usr/share/zoneinfo; clockspeed's is /etc/leapsecs.dat.

wrong   Two tables of this machine differ, or one lacks leap seconds that are
        history.
risky   A table has expired that the time program here is told to use
        (`leapseclist`, `leapsectz` of chrony.conf, `leapfile` of ntp.conf).
fine    All that are there hold, or nobody uses the one that has expired.

What to do: renew tzdata (`sudo apt-get install --only-upgrade tzdata`), or
fetch https://hpiers.obspm.fr/iers/bul/bulc/ntp/leap-seconds.list.
";

/// The tables of distributions, and of clockspeed.
const TABLES: [&str; 4] = [
    "/usr/share/zoneinfo/leap-seconds.list",
    "/usr/share/zoneinfo/leapseconds",
    "/etc/leapsecs.dat",
    "/var/lib/ntp/leap-seconds.list",
];

/// Where programs are told which table to use.
const USERS: [(&str, &[&str]); 4] = [
    ("/etc/chrony/chrony.conf", &["leapseclist", "leapsectz"]),
    ("/etc/chrony.conf", &["leapseclist", "leapsectz"]),
    ("/etc/ntpsec/ntp.conf", &["leapfile"]),
    ("/etc/ntp.conf", &["leapfile"]),
];

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let now = Time::from_epoch(clock::realtime().since_epoch());
    let users = users(machine);
    let mut findings = Vec::new();
    let mut tables: Vec<(&str, LeapTable)> = Vec::new();
    for path in TABLES {
        match leaps::load(&machine.path(path)) {
            Ok(table) => tables.push((path, table)),
            Err(error) if error.is_missing() => {}
            Err(error) => findings.push(unusable(&error)),
        }
    }
    findings.extend(tables.iter().filter_map(|(path, table)| expired(path, table, now, &users)));
    findings.extend(differing(&tables));
    if findings.is_empty() {
        findings.push(fine(&tables, now));
    }
    Ok(findings)
}

/// What the time programs of this machine are told: the lines of their configurations.
fn users(machine: &Machine) -> Vec<String> {
    let lines = |(path, words): &(&str, &[&str])| {
        let text = machine.text(path).ok().flatten().unwrap_or_default();
        let named = |line: &&str| line.split_whitespace().next().is_some_and(|word| words.contains(&word));
        text.lines().filter(named).map(|line| format!("{} ({path})", line.trim())).collect::<Vec<_>>()
    };
    USERS.iter().flat_map(lines).collect()
}

fn unusable(error: &LeapsError) -> Finding {
    Finding::wrong(format!("a table of leap seconds is of no use: {error}"))
        .run("sudo apt-get install --reinstall tzdata")
}

fn has_expired(table: &LeapTable, now: Time<Utc>) -> bool {
    table.expiry().is_some_and(|expiry| expiry < now)
}

/// A table that somebody uses and that holds no longer. `leapsectz` reads the zone right/UTC, which is of the same package.
fn expired(path: &str, table: &LeapTable, now: Time<Utc>, users: &[String]) -> Option<Finding> {
    let file = Path::new(path).file_name()?.to_str()?;
    let user = users.iter().find(|line| {
        line.contains(path)
            || line.starts_with("leapsectz") && path.starts_with("/usr/share")
            || line.contains(file) && !line.contains('/')
    })?;
    has_expired(table, now).then(|| {
        let date = table.expiry().map_or_else(String::new, |expiry| Civil::of(expiry).to_string());
        Finding::risky(format!("{path} has expired on {date}, and is used: {user}"))
            .run("sudo apt-get update && sudo apt-get install --only-upgrade tzdata")
            .told("without it the next leap second is met unprepared")
    })
}

fn differing(tables: &[(&str, LeapTable)]) -> Option<Finding> {
    let (longest, full) = tables.iter().max_by_key(|(_, table)| table.leaps().len())?;
    let (other, _) = tables.iter().find(|(_, table)| table.leaps() != full.leaps())?;
    Some(
        Finding::wrong(format!("{longest} and {other} have different leap seconds"))
            .run("sudo apt-get update && sudo apt-get install --only-upgrade tzdata"),
    )
}

fn fine(tables: &[(&str, LeapTable)], now: Time<Utc>) -> Finding {
    let latest = tables.iter().filter_map(|(_, table)| table.expiry()).max();
    match latest {
        Some(expiry) if now <= expiry => {
            Finding::fine(format!("the tables of leap seconds hold until {}", Civil::of(expiry)))
        }
        Some(_) => Finding::fine(
            "the tables of leap seconds have expired, and no time program here is told to use them",
        )
        .run("sudo apt-get update && sudo apt-get install --only-upgrade tzdata"),
        None => Finding::fine("no table of leap seconds is here, and none is needed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use truechimer_time::Span;
    use truechimer_time::leap::LeapKind;

    fn at(seconds: i64) -> Time<Utc> {
        Time::from_epoch(Span::from_secs(seconds))
    }

    #[test]
    fn a_table_that_has_expired_is_a_risk_only_if_it_is_used() {
        let path = "/usr/share/zoneinfo/leap-seconds.list";
        let late = at(4_000_000_000);
        let table = LeapTable::COMPILED;
        let used = ["leapseclist /usr/share/zoneinfo/leap-seconds.list (/etc/chrony/chrony.conf)".to_owned()];
        let by_zone = ["leapsectz right/UTC (/etc/chrony/chrony.conf)".to_owned()];
        for user in [&used, &by_zone] {
            let finding = expired(path, &table, late, user).expect("it has expired");
            assert_eq!(finding.verdict, Verdict::Risky);
        }
        assert!(expired(path, &table, late, &[]).is_none());
        assert!(expired(path, &table, at(1_750_000_000), &used).is_none());
    }

    #[test]
    fn two_tables_that_differ_are_wrong() {
        let mut other = LeapTable::COMPILED;
        let midnight = at(1_798_761_600);
        other.push(midnight, LeapKind::Inserted).expect("the end of 2026");
        let same = [("a", LeapTable::COMPILED), ("b", LeapTable::COMPILED)];
        assert!(differing(&same).is_none());
        assert!(differing(&[("a", LeapTable::COMPILED), ("b", other)]).is_some());
    }

    #[test]
    fn the_tables_that_are_here_are_read() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        assert!(probe(&machine).unwrap()[0].words.contains("no table"));
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/leapsecs.dat"), "@short").unwrap();
        assert_eq!(probe(&machine).unwrap()[0].verdict, Verdict::Wrong);
    }
}
