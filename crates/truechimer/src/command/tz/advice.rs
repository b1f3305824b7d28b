//! What breaks where clock and zone count as they do, and the commands that move a machine either way.

use std::path::Path;

use truechimer_core::classic::record::Form;
use truechimer_time::Span;

use super::judge::{Count, leap_seconds};
use crate::ui::units;
use crate::zone::{LOCALTIME, ZONEINFO, Zone};

/// What is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What breaks or will break, a sentence each.
    pub breaks: Vec<String>,
    /// The commands that make clock and zone count all seconds. None: they do.
    pub to_tai_10: Vec<String>,
    /// The commands that make clock and zone those of UTC. None: they are.
    pub to_utc: Vec<String>,
}

/// What there is to say about such a clock with such a zone.
pub fn advice(count: Count, zone: &Zone, tai_offset: i32) -> Advice {
    let is_tai_10 = count == Count::Tai10 && zone.is_right();
    let is_utc = count == Count::Utc && !zone.is_right();
    Advice {
        breaks: breaks(count, zone, tai_offset),
        to_tai_10: if is_tai_10 { vec![] } else { commands(Count::Tai10, count, zone) },
        to_utc: if is_utc { vec![] } else { commands(Count::Utc, count, zone) },
    }
}

fn breaks(count: Count, zone: &Zone, tai_offset: i32) -> Vec<String> {
    let leaps = leap_seconds();
    let mut breaks: Vec<String> = Vec::new();
    if let Count::Neither(behind) = count {
        breaks.push(format!("the clock is wrong by {}: set it first", units::span(behind.abs())));
    }
    match (count, zone.is_right()) {
        (Count::Utc, true) => breaks.push(format!(
            "local time is shown {leaps} s behind by all that asks the C library: date, logs, cron, the dates of mail"
        )),
        (Count::Tai10, false) => breaks.push(format!(
            "local time is shown {leaps} s ahead by everything: date, logs, cron, the dates of mail"
        )),
        (Count::Utc | Count::Tai10 | Count::Neither(_), true | false) => {}
    }
    if count == Count::Tai10 {
        breaks.extend(of_all_seconds(leaps));
    }
    if zone.is_right() && zone.leap_seconds != leaps {
        breaks.push(format!(
            "the zone has {} leap seconds of {leaps}: install the tzdata of today",
            zone.leap_seconds
        ));
    }
    let tai_less_clock = match count {
        Count::Utc => 10 + leaps as i32,
        Count::Tai10 => 10,
        Count::Neither(_) => tai_offset,
    };
    if tai_offset != 0 && tai_offset != tai_less_clock {
        breaks
            .push(format!("CLOCK_TAI is {tai_offset} s ahead of the clock and should be {tai_less_clock} s"));
    }
    breaks
}

/// What goes wrong with a clock of all seconds, whatever the zone.
fn of_all_seconds(leaps: u32) -> [String; 4] {
    [
        format!(
            "mail programs that make dates without the C library (qmail) write Date and Received {leaps} s ahead"
        ),
        format!("chronyd, ntpd and systemd-timesyncd take the clock for {leaps} s wrong, and set it to UTC"),
        "hwclock writes to the hardware clock what the zone of its caller makes of the seconds: use it under the same zone \
         always, and never --hctosys from an initial RAM disk without that zone"
            .to_owned(),
        format!(
            "whatever reckons with seconds itself is {leaps} s ahead for others: files on network file systems and in \
             archives, TLS and Kerberos validity, one-time passwords, HTTP dates, databases, Go and Java"
        ),
    ]
}

/// What to do, line by line, so that the clock counts as `to` and the zone as well.
fn commands(to: Count, from: Count, zone: &Zone) -> Vec<String> {
    let name = zone.name.as_deref().unwrap_or("AREA/CITY");
    let (kind, word) = match to {
        Count::Tai10 => ("right/", "tai-10"),
        Count::Utc | Count::Neither(_) => ("", "utc"),
    };
    let target = format!("{ZONEINFO}/{kind}{name}");
    let mut lines = vec![
        "# first stop what keeps the clock: truechimer, clockspeed, chronyd, ntpd, systemd-timesyncd"
            .to_owned(),
    ];
    if zone.name.is_some() && !Path::new(&target).exists() {
        lines.push(
            "apt-get install tzdata tzdata-legacy  # where it is since Debian 13; before, in tzdata"
                .to_owned(),
        );
    }
    lines.push(format!("ln -sfn {target} {LOCALTIME}"));
    lines.extend(step(to, from));
    lines.push(format!("# then say kernel = \"{word}\" in [classic] of the configuration, and"));
    lines.push(format!("# `truechimer service install --kernel {word}`, before the clock is kept again"));
    lines
}

/// By how much the clock has to be moved is known exactly, so nobody need be asked: the record is written out.
fn step(to: Count, from: Count) -> Option<String> {
    let leaps = i64::from(leap_seconds());
    let seconds = match (from, to) {
        (Count::Utc, Count::Tai10) => leaps,
        (Count::Tai10, Count::Utc) => -leaps,
        (Count::Utc, Count::Utc) | (Count::Tai10, Count::Tai10) => return None,
        (Count::Neither(_), Count::Utc) => return Some(by_server("utc")),
        (Count::Neither(_), Count::Tai10) => return Some(by_server("tai-10")),
        (Count::Utc | Count::Tai10 | Count::Neither(_), Count::Neither(_)) => return None,
    };
    let record = Form::Classic.write(Span::from_secs(seconds))?;
    let octal: String = record.iter().map(|byte| format!("\\{byte:03o}")).collect();
    Some(format!("printf '{octal}' | truechimer clockadd -f  # {seconds:+} s"))
}

fn by_server(kernel: &str) -> String {
    format!("truechimer sntpclock --kernel {kernel} SERVER | truechimer clockadd -f")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(leap_seconds: u32) -> Zone {
        Zone { name: Some("Europe/Berlin".to_owned()), leap_seconds }
    }

    fn has(lines: &[String], words: &str) -> bool {
        lines.iter().any(|line| line.contains(words))
    }

    #[test]
    fn an_ordinary_machine_has_nothing_to_fear() {
        let advice = advice(Count::Utc, &zone(0), 37);
        assert_eq!((advice.breaks, advice.to_utc), (vec![], vec![]));
        assert!(has(&advice.to_tai_10, "ln -sfn /usr/share/zoneinfo/right/Europe/Berlin /etc/localtime"));
        let record = "\\000\\000\\000\\000\\000\\000\\000\\033\\000\\000\\000\\000\\000\\000\\000\\000";
        assert!(has(&advice.to_tai_10, &format!("printf '{record}' | truechimer clockadd -f  # +27 s")));
    }

    #[test]
    fn a_machine_that_counts_all_seconds_is_told_what_that_means() {
        let advice = advice(Count::Tai10, &zone(27), 0);
        assert!(has(&advice.breaks, "qmail") && has(&advice.breaks, "hwclock"));
        assert_eq!(advice.to_tai_10, Vec::<String>::new());
        assert!(has(&advice.to_utc, "ln -sfn /usr/share/zoneinfo/Europe/Berlin /etc/localtime"));
        assert!(has(&advice.to_utc, "\\377\\345") && has(&advice.to_utc, "# -27 s"));
    }

    #[test]
    fn where_the_zone_alone_is_wrong_the_clock_is_not_moved() {
        let zone_wrong = advice(Count::Utc, &zone(27), 0);
        assert!(has(&zone_wrong.breaks, "27 s behind") && !has(&zone_wrong.to_utc, "clockadd"));
        let clock_wrong = advice(Count::Tai10, &zone(0), 0);
        assert!(
            has(&clock_wrong.breaks, "27 s ahead by everything") && !has(&clock_wrong.to_tai_10, "clockadd")
        );
    }

    #[test]
    fn a_stale_zone_a_wrong_clock_and_a_wrong_offset_are_said() {
        assert!(has(&advice(Count::Tai10, &zone(22), 10).breaks, "22 leap seconds of 27"));
        assert!(has(
            &advice(Count::Tai10, &zone(27), 37).breaks,
            "CLOCK_TAI is 37 s ahead of the clock and should be 10 s"
        ));
        let wrong = advice(Count::Neither(Span::from_secs(500)), &zone(0), 0);
        assert!(has(&wrong.breaks, "set it first") && has(&wrong.to_utc, "sntpclock --kernel utc"));
    }
}
