use std::fs;

use proptest::prelude::*;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("truechimer-state-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> Store {
        Store::new(&self.0, machine())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn machine() -> Machine {
    Machine { id: "0123456789abcdef0123456789abcdef".to_owned(), clocksource: "tsc".to_owned() }
}

fn learned() -> Learned {
    Learned {
        rate: Rate::from_attos_per_second(-12_345_678_901_234),
        rate_error: Rate::from_ppb(100),
        wander: Rate::from_ppb(2),
        at: Time::from_epoch(Span::from_secs(1_795_315_200)) + Span::from_millis(250),
        bound: Span::from_micros(500),
        seen: Seen {
            watched: Span::from_secs(172_800),
            largest: Rate::from_ppb(200),
            largest_before: Rate::ZERO,
        },
        hours: vec![
            Hour { number: 498_698, degrees: None, rate: Rate::from_attos_per_second(12_345_600_000) },
            Hour { number: 498_699, degrees: Some(-41.25), rate: Rate::from_attos_per_second(-1_200_000) },
        ],
    }
}

fn later(seconds: i64) -> Learned {
    Learned { at: learned().at + Span::from_secs(seconds), ..learned() }
}

/// A file of these lines with a right checksum.
fn sealed(text: &str) -> Vec<u8> {
    format!("{text}crc32 {:08x}\n", crc32fast::hash(text.as_bytes())).into_bytes()
}

/// The right file with one thing replaced.
fn with(old: &str, new: &str) -> Vec<u8> {
    let text = written(&learned(), &machine());
    assert!(text.contains(old), "{old}");
    sealed(&text[..text.rfind("crc32").unwrap()].replace(old, new))
}

#[test]
fn a_person_can_read_it() {
    let text = written(&learned(), &machine());
    let lines: Vec<&str> = text.lines().take(8).collect();
    assert_eq!(
        lines,
        [
            "truechimer-learned 1",
            "machine 0123456789abcdef0123456789abcdef",
            "clocksource tsc",
            "rate -12.345678901234 ppm",
            "rate_error 0.1 ppm",
            "wander 0.002 ppm",
            "at 1795315200.25 TAI",
            "bound 0.0005 s",
        ]
    );
}

#[test]
fn what_was_learned_outlives_a_restart() {
    let folder = Folder::new("restart");
    assert_eq!(folder.store().load(), Loaded { learned: None, notices: Vec::new() });
    folder.store().save(&learned()).unwrap();
    folder.store().save(&later(600)).unwrap();
    assert_eq!(folder.store().load(), Loaded { learned: Some(later(600)), notices: Vec::new() });
}

#[test]
fn a_damaged_file_falls_back_to_the_previous_copy() {
    let folder = Folder::new("damaged");
    folder.store().save(&learned()).unwrap();
    folder.store().save(&later(600)).unwrap();
    fs::write(folder.0.join(FILE), "truechimer-learned 1\nmachine 01").unwrap();
    let loaded = folder.store().load();
    assert_eq!(loaded.learned, Some(learned()));
    assert_eq!(loaded.notices, [Notice { path: folder.0.join(FILE), why: Ignored::Checksum }]);
}

#[test]
fn the_newer_of_two_wins_whatever_its_name() {
    let folder = Folder::new("newer");
    folder.store().save(&later(600)).unwrap();
    folder.store().save(&learned()).unwrap();
    assert_eq!(folder.store().load().learned, Some(later(600)));
}

/// Bad input 130: another machine, another clocksource.
#[test]
fn what_another_machine_learned_is_ignored_with_a_word() {
    let folder = Folder::new("other");
    folder.store().save(&learned()).unwrap();
    let other = Store::new(&folder.0, Machine { id: "f".repeat(32), ..machine() }).load();
    assert_eq!(other.learned, None);
    assert_eq!(other.notices[0].why, Ignored::OtherMachine);
    let hpet = Store::new(&folder.0, Machine { clocksource: "hpet".to_owned(), ..machine() }).load();
    assert_eq!(hpet.learned, None);
    assert_eq!(
        hpet.notices[0].to_string(),
        format!(
            "what was learned is not taken from {}: it was learned with clocksource tsc, and this is hpet",
            folder.0.join(FILE).display()
        )
    );
}

/// Bad input 130: what no oscillator does.
#[test]
fn numbers_that_no_clock_has_are_ignored() {
    let cases = [
        (Vec::new(), Ignored::Empty),
        (b" \n\n".to_vec(), Ignored::Empty),
        (b"nan".to_vec(), Ignored::NotOurs),
        (b"\xff\xfe".to_vec(), Ignored::NotOurs),
        (with("learned 1", "learned 2"), Ignored::NotOurs),
        (with("rate -12.345678901234 ppm", "rate nan ppm"), Ignored::Line("rate")),
        (with("rate -12.345678901234 ppm", "rate 1e9 ppm"), Ignored::Line("rate")),
        (with("rate -12.345678901234 ppm", "rate 1000000000 ppm"), Ignored::Absurd("rate")),
        (with("rate -12.345678901234 ppm", "rate -100000.000001 ppm"), Ignored::Absurd("rate")),
        (with("rate -12.345678901234 ppm", "rate 99999999999999999999 ppm"), Ignored::Absurd("rate")),
        (with("rate_error 0.1", "rate_error -0.1"), Ignored::Absurd("rate_error")),
        (with("wander 0.002", "wander -1"), Ignored::Absurd("wander")),
        (with("at 1795315200.25", "at 0"), Ignored::Absurd("at")),
        (with("at 1795315200.25", "at 99999999999"), Ignored::Absurd("at")),
        (with("bound 0.0005", "bound -1"), Ignored::Absurd("bound")),
        (with("bound 0.0005 s", "bound 0.0005"), Ignored::Line("bound")),
        (with("wander 0.002 ppm\n", ""), Ignored::Line("wander")),
        (with("bound 0.0005 s\n", "bound 0.0005 s\nmore 1\n"), Ignored::Line("watched")),
        (with("watched 172800 s", "watched -1 s"), Ignored::Absurd("watched")),
        (with("departure 0.2 ppm", "departure 1 s"), Ignored::Line("departure")),
        (with("before 0 ppm\n", "before 0 ppm\nmore 1\n"), Ignored::Line("crc32")),
        (with("-41.25 C", "-41.25 F"), Ignored::Line("hour")),
        (with("-41.25 C", "-41.25 C C"), Ignored::Line("hour")),
        (with("-41.25 C", "NaN C"), Ignored::Absurd("hour")),
        (with("hour 498698 0.0123456 ppm", "hour 498698 100001 ppm"), Ignored::Absurd("hour")),
        (with("hour 498698 0.0123456 ppm", "hour 498698 0.0123456"), Ignored::Line("hour")),
    ];
    for (bytes, why) in cases {
        assert_eq!(read(&bytes, &machine()), Err(why), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_file_from_before_drift_was_watched_is_taken() {
    let text = written(&learned(), &machine());
    let first = sealed(&text[..text.find("watched").unwrap()]);
    assert_eq!(
        read(&first, &machine()),
        Ok(Learned { seen: Seen::default(), hours: Vec::new(), ..learned() })
    );
}

#[test]
fn a_file_from_before_there_was_a_diary_is_taken_and_a_full_one_fits() {
    let text = written(&learned(), &machine());
    let first = sealed(&text[..text.find("hour").unwrap()]);
    assert_eq!(read(&first, &machine()), Ok(Learned { hours: Vec::new(), ..learned() }));
    let hour = Hour {
        number: 498_698,
        degrees: Some(-41.25),
        rate: Rate::from_attos_per_second(-123_456_789_200_000),
    };
    let full = |hours| written(&Learned { hours: vec![hour; hours], ..learned() }, &machine());
    assert!(full(HOURS_MAX).len() < BYTES_MAX);
    assert!(read(full(HOURS_MAX).as_bytes(), &machine()).is_ok());
    assert_eq!(read(full(HOURS_MAX + 1).as_bytes(), &machine()), Err(Ignored::Absurd("hour")));
}

#[test]
fn an_unreadable_file_is_a_notice_and_no_failure() {
    let folder = Folder::new("unreadable");
    fs::create_dir(folder.0.join(FILE)).unwrap();
    let loaded = folder.store().load();
    assert_eq!(loaded.learned, None);
    assert!(matches!(loaded.notices[0].why, Ignored::Unreadable(_)));
    let huge = Folder::new("huge");
    fs::write(huge.0.join(FILE), vec![b'x'; BYTES_MAX + 1]).unwrap();
    assert!(matches!(huge.store().load().notices[0].why, Ignored::Unreadable(_)));
}

#[test]
fn a_folder_that_is_not_there_fails_the_save_and_not_the_load() {
    let store = Store::new(Path::new("/nonexistent/truechimer"), machine());
    assert!(store.save(&learned()).is_err());
    assert_eq!(store.load(), Loaded { learned: None, notices: Vec::new() });
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    let text = written(&learned(), &machine());
    for end in 0..text.len() {
        assert!(read(&text.as_bytes()[..end], &machine()).is_err(), "cut at {end}");
    }
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(read(&bytes, &machine()).is_err(), "changed at {at}");
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_exact(
        rate in -100_000_000_000_000_000i64..=100_000_000_000_000_000,
        error in 0i64..=100_000_000_000_000_000,
        at in 1_767_225_637_000_000_000_000_000_000i128..7_258_118_437_000_000_000_000_000_000,
        bound in 0i128..31_557_600_000_000_000_000_000_000,
    ) {
        let learned = Learned {
            rate: Rate::from_attos_per_second(rate),
            rate_error: Rate::from_attos_per_second(error),
            wander: Rate::from_attos_per_second(error / 7),
            at: Time::from_epoch(Span::from_attos(at)),
            bound: Span::from_attos(bound),
            seen: Seen {
                watched: Span::from_attos(bound),
                largest: Rate::from_attos_per_second(error / 3),
                largest_before: Rate::from_attos_per_second(error / 5),
            },
            hours: vec![Hour { number: 1, degrees: Some(0.01), rate: Rate::from_attos_per_second(rate) }; 3],
        };
        prop_assert_eq!(read(written(&learned, &machine()).as_bytes(), &machine()), Ok(learned));
    }

    #[test]
    fn no_bytes_break_the_reader(body in "(\\PC|\n){0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &machine());
        let _ = read(&sealed(&format!("{HEADER}\n{body}")), &machine());
    }
}
