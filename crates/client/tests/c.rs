//! The header for C says the same as the library for Rust, of any page.
//!
//! It is compiled by `cc`, or what `CC` names. Where no compiler can be had: `TRUECHIMER_WITHOUT_CC=1 cargo test`, and then
//! nothing of it is tested.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use truechimer_client::{Clock, Error, Interval, Reading, Status};
use truechimer_model::Page;
use truechimer_model::page::WORDS;
use truechimer_sys::clock;
use truechimer_sys::user::effective_uid;
use truechimer_time::{Raw, Scale, Span, Time};

mod common;

use common::{Place, page_of_now, write_host};

const FOREIGN: i32 = -2;
const UNGUARDED: i32 = -3;
const EMPTY: i32 = -4;
const TORN: i32 = -5;
const LAYOUT: i32 = -6;
const DAMAGED: i32 = -7;
const NOT_KNOWN: i32 = -8;
const SLEPT: i32 = -9;
const MOVED: i32 = -10;
const NOT_A_PAGE: i32 = -1;

/// How many pages both are asked about.
const PAGES: usize = 20_000;

/// The program, compiled once; nothing if that is not wanted.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(compile).as_deref()
}

fn compile() -> Option<PathBuf> {
    if std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some() {
        eprintln!("SKIPPED, NOT TESTED: truechimer.h, because of TRUECHIMER_WITHOUT_CC");
        return None;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("read-{}", std::process::id()));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"];
    let made = Command::new(&compiler)
        .args(strict)
        .arg("-DTRUECHIMER_VMCLOCK=(getenv(\"HOST\") ? getenv(\"HOST\") : \"/dev/null\")")
        .arg("-I")
        .arg(here.join("include"))
        .arg("-o")
        .args([&program, &here.join("tests/c/read.c")])
        .status();
    match made {
        Ok(status) => assert!(status.success(), "{compiler} does not compile truechimer.h"),
        Err(error) => panic!(
            "there is no C compiler {compiler} ({error}): install one, or name it in CC, or leave this out by \
             TRUECHIMER_WITHOUT_CC=1"
        ),
    }
    Some(program)
}

/// What the program says of the page at `path` now.
fn read(path: &Path, owner: i64) -> Option<Vec<i64>> {
    let output = Command::new(program()?).arg(path).arg(owner.to_string()).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    Some(numbers(&String::from_utf8(output.stdout).expect("digits")))
}

fn numbers(line: &str) -> Vec<i64> {
    line.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn error_of(path: &Path) -> Option<i32> {
    read(path, -1).map(|said| said[0] as i32)
}

/// What is expected, in the order of the program's numbers.
fn expected(page: &Result<Page, truechimer_model::Unreadable>, raw: Time<Raw>, asleep: Span) -> Vec<i64> {
    let page = match page {
        Ok(page) => page,
        Err(truechimer_model::Unreadable::Layout(_)) => return vec![LAYOUT.into()],
        Err(truechimer_model::Unreadable::Damaged) => return vec![DAMAGED.into()],
    };
    let now = match Reading::of(page, raw, asleep) {
        Ok(now) => now,
        Err(Error::Unknown(_)) => return vec![NOT_KNOWN.into()],
        Err(Error::Slept) => return vec![SLEPT.into()],
        Err(error) => panic!("a page that is there gives no {error}"),
    };
    let mut numbers = vec![0];
    numbers.extend(nanos(&now.tai));
    numbers.extend(now.utc.map_or([0; 3], |utc| nanos(&utc)));
    numbers.extend([
        i64::from(now.utc.is_some()),
        now.status.code() as i64,
        up(now.bound()),
        now.sigma.as_nanos(),
    ]);
    let (rate, drift) = (now.assumptions.max_rate, now.assumptions.max_drift);
    numbers.extend([now.age.as_nanos(), rate.as_attos_per_second(), drift.as_attos_per_second()]);
    numbers.push(now.raw.since_epoch().as_nanos());
    numbers
}

fn nanos<S: Scale>(interval: &Interval<S>) -> [i64; 3] {
    let Interval { earliest, likeliest, latest } = interval;
    [earliest.since_epoch().as_nanos(), likeliest.since_epoch().as_nanos(), up(latest.since_epoch())]
}

fn up(span: Span) -> i64 {
    let nanos = span.as_nanos();
    nanos.saturating_add(i64::from(Span::from_nanos(nanos) < span))
}

/// The place of the only number that is made of floats.
const SIGMA: usize = 10;

fn assert_agree(said: &[i64], expected: &[i64], about: &dyn std::fmt::Debug) {
    assert_eq!(said.len(), expected.len(), "{said:?} {expected:?} {about:?}");
    for (place, (said, expected)) in said.iter().zip(expected).enumerate() {
        let slack = if place == SIGMA { 1 + expected.unsigned_abs() / 1_000_000_000_000 } else { 0 };
        assert!(said.abs_diff(*expected) <= slack, "number {place}: {said}, not {expected}: {about:?}");
    }
}

#[test]
fn c_and_rust_read_the_same_of_a_page_that_is_there() {
    for page in [page_of_now(), Page { clock: None, status: Status::Degraded, ..page_of_now() }] {
        let place = Place::with(&page);
        let Some(said) = read(&place.path(), -1) else { return };
        let raw = Time::from_epoch(Span::from_nanos(*said.last().expect("the counter")));
        assert_agree(&said, &expected(&Ok(page), raw, page.asleep), &page);
        let after = Clock::open(place.path()).expect("a page").now().expect("known");
        assert!(raw <= after.raw, "it is the counter of this machine");
        assert_eq!(said[0], 0);
    }
}

/// Words near those of a real page, and anything.
fn words() -> impl Strategy<Value = ([u64; WORDS], [i128; 2])> {
    let rate = prop_oneof![-600_000_000_000_000i64..600_000_000_000_000, any::<i64>(), Just(0)];
    let nanos = prop_oneof![0..10_000_000_000_000i64, 0..=i64::MAX, any::<i64>()];
    let passed = prop_oneof![0..100_000i64, -10..10i64, 40_000..50_000i64, 0..400 * 86_400i64, any::<i64>()];
    let model = (proptest::array::uniform5(rate), proptest::array::uniform3(nanos), passed, any::<u32>());
    let small = (0..6u64, prop_oneof![20 => 0..2u64, 1 => 0..4u64], -3..3i64, 0..40_000_000i64, 0..200i64);
    let damage = proptest::option::weighted(0.3, (0..WORDS, any::<u64>()));
    (model, small, damage).prop_map(
        |((rates, nanos, passed, fine), (status, flag, leap, slept, silent), damage)| {
            let mut words = page_of_now().to_words();
            let mut put = |place: usize, attos: i128| {
                words[place] = attos.cast_unsigned() as u64;
                words[place + 1] = (attos.cast_unsigned() >> 64) as u64;
            };
            let (second, nano) = (1_000_000_000_000_000_000i128, 1_000_000_000i128);
            let at = 1_000_000 * second + i128::from(fine);
            let raw = at + i128::from(passed) * second + i128::from(fine) * nano;
            let best = 1_790_000_000 * second + i128::from(fine);
            put(18, at);
            put(20, best);
            put(22, i128::from(nanos[0]) * nano + i128::from(fine));
            put(24, i128::from(nanos[1]) * nano);
            put(32, raw - i128::from(silent) * second);
            put(34, best + i128::from(passed) * second + i128::from(leap) * second / 2);
            let asleep = i128::from(slept) * nano;
            put(4, asleep / 2);
            words[1] = if status == 5 { 1 } else { status };
            words[2] = u64::from(flag != 0 || leap != 0);
            words[8] = flag;
            words[36] = (37 + leap).cast_unsigned();
            words[26] = nanos[2].cast_unsigned();
            (words[27], words[28], words[29]) =
                (rates[0].cast_unsigned(), rates[1].cast_unsigned(), rates[2].cast_unsigned());
            (words[30], words[31], words[12]) =
                (rates[3].cast_unsigned(), rates[4].cast_unsigned(), rates[1].unsigned_abs());
            if let Some((place, word)) = damage {
                words[place] = word;
            }
            (words, [raw, asleep])
        },
    )
}

#[test]
fn c_and_rust_read_the_same_of_any_page_to_the_nanosecond() {
    let Some(program) = program() else { return };
    let mut runner = TestRunner::deterministic();
    let pages: Vec<_> =
        (0..PAGES).map(|_| words().new_tree(&mut runner).expect("a page").current()).collect();
    let mut input = String::new();
    for (words, clocks) in &pages {
        let clocks = clocks.map(i128::cast_unsigned).map(|bits| [bits as u64, (bits >> 64) as u64]);
        for word in words.iter().chain(clocks.as_flattened()) {
            write!(input, "{word:x} ").expect("memory");
        }
        input.push('\n');
    }
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).expect("it is read"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("all was written");
    assert!(output.status.success(), "{:?}", output.status);
    let output = String::from_utf8(output.stdout).expect("digits");
    assert_eq!(output.lines().count(), PAGES);
    let mut seen = std::collections::BTreeMap::<i64, usize>::new();
    for (line, (words, [raw, asleep])) in output.lines().zip(&pages) {
        let (raw, asleep) = (Time::from_epoch(Span::from_attos(*raw)), Span::from_attos(*asleep));
        let said = numbers(line);
        assert_agree(&said, &expected(&Page::of_words(*words), raw, asleep), words);
        *seen.entry(said[0]).or_default() += 1;
    }
    for error in [0, LAYOUT, DAMAGED, NOT_KNOWN, SLEPT] {
        assert!(seen.get(&error.into()).is_some_and(|count| *count > 20), "{error} is seldom: {seen:?}");
    }
}

#[test]
fn bad_input_113_c_sees_that_a_guest_was_moved() {
    let Some(program) = program() else { return };
    let place = Place::with(&Page { marker: Some(5), ..page_of_now() });
    let host = place.path().with_file_name("vmclock0");
    for (marker, expected) in [(5, 0), (6, MOVED)] {
        write_host(&host, marker);
        let output =
            Command::new(program).arg(place.path()).arg("-1").env("HOST", &host).output().expect("it runs");
        let said = numbers(&String::from_utf8(output.stdout).expect("digits"));
        assert_eq!(said[0], i64::from(expected));
    }
}

#[test]
fn c_tells_no_time_where_rust_tells_none() {
    if program().is_none() {
        return;
    }
    let page = page_of_now();
    let mut place = Place::with(&page);
    assert_eq!(error_of(&place.path()), Some(0));
    let foreign = read(&place.path(), i64::from(effective_uid()) + 1);
    assert_eq!(foreign, Some(vec![FOREIGN.into()]));
    assert_eq!(read(&place.path(), effective_uid().into()).expect("tested")[0], 0);
    place.write(&Page { asleep: clock::asleep() + Span::from_secs(1), ..page });
    assert_eq!(error_of(&place.path()), Some(SLEPT));
    place.write(&Page { model: None, ..page });
    assert_eq!(error_of(&place.path()), Some(NOT_KNOWN));
    let mode = |mode| fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o666);
    assert_eq!(error_of(&place.path()), Some(UNGUARDED));
    mode(0o644);
    let link = place.path().with_file_name("link");
    symlink(place.path(), &link).expect("a link");
    assert_eq!(error_of(&link), Some(40), "ELOOP");
    assert_eq!(error_of(Path::new("/nowhere")), Some(2), "ENOENT");
}

#[test]
fn c_sees_a_page_that_is_being_written_and_one_whose_writer_died() {
    if program().is_none() {
        return;
    }
    let place = Place::with(&page_of_now());
    let bytes = fs::read(place.path()).expect("a page");
    let with = |place_of: usize, word: u64| {
        let mut bytes = bytes.clone();
        bytes[8 * place_of..8 * place_of + 8].copy_from_slice(&word.to_ne_bytes());
        fs::write(place.path(), bytes).expect("ours");
        error_of(&place.path())
    };
    assert_eq!(with(3, 5), Some(TORN));
    assert_eq!(with(3, 0), Some(EMPTY));
    assert_eq!(with(3, 6), Some(0));
    for header in 0..3 {
        assert_eq!(with(header, 3), Some(NOT_A_PAGE));
    }
    fs::write(place.path(), &bytes[8..]).expect("ours");
    assert_eq!(error_of(&place.path()), Some(NOT_A_PAGE));
}

#[test]
fn c_reads_what_was_written_together_while_pages_are_written() {
    if program().is_none() {
        return;
    }
    let mut place = Place::with(&page_of_now());
    let path = place.path();
    let reader =
        std::thread::spawn(move || (0..50).map(|_| read(&path, -1).expect("tested")).collect::<Vec<_>>());
    while !reader.is_finished() {
        (0..8).for_each(|_| place.write(&page_of_now()));
        // A writer that never pauses is one that readers give up on.
        std::thread::sleep(std::time::Duration::from_micros(1));
    }
    for said in reader.join().expect("it ends") {
        assert_eq!(said[0], 0);
        let [earliest, likeliest, latest] = said[1..4] else { panic!("three instants") };
        // The sides of all these pages are 1 ms and 2 ms: of two pages they would be others.
        let within = |side: i64, least: i64| (least..least + 300_000).contains(&side);
        assert!(within(likeliest - earliest, 1_000_000) && within(latest - likeliest, 2_000_000), "{said:?}");
    }
}
