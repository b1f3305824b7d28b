use super::*;
use crate::civil::CivilError;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// What the list of tzdata 2026f says of itself.
const LIST_2026F: (i64, i64, &str) =
    (3_992_312_697, 4_023_129_600, "a9bad145 84c31c70 758402aa b37bfd54 5923836a");
/// What the list of tzdata 2025b says of itself, which has the same leaps.
const LIST_2025B: (i64, i64, &str) =
    (3_960_835_200, 3_991_593_600, "49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e");

/// A list with the data of the compiled-in table.
fn list((updated, expiry, hash): (i64, i64, &str)) -> String {
    let data = data_lines(&LeapTable::COMPILED);
    format!("# A comment.\n#\n#$\t{updated}\n#\n#@\t{expiry}\n#\n{data}#\n#h\t{hash}\n")
}

fn data_lines(table: &LeapTable) -> String {
    let leap_line =
        |leap: &Leap| format!("{}\t{}\t# some day\n", leap.midnight + ERA_0_TO_EPOCH, leap.offset);
    let leaps: String = table.leaps().iter().map(leap_line).collect();
    format!("2272060800\t10\t# 1 Jan 1972\n{leaps}")
}

/// A list of these data lines with the hash that is due.
fn sealed(lines: &str) -> String {
    let mut hash = sha1::Sha1::new();
    for line in lines.lines() {
        let words = line.split_whitespace().filter(|word| !word.starts_with('#'));
        words.take(2).for_each(|word| hash.update(word.as_bytes()));
    }
    let words: Vec<String> = hash.finish().iter().map(|word| format!("{word:x}")).collect();
    format!("{lines}#h {}\n", words.join(" "))
}

fn zic(table: &LeapTable) -> String {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let line = |leap: &Leap| {
        let eve = Civil::of(leap.midnight() - SECOND);
        let what = match leap.kind {
            LeapKind::Inserted => "23:59:60\t+",
            LeapKind::Deleted => "23:59:59\t-",
        };
        format!("Leap\t{}\t{}\t{}\t{what}\tS\n", eve.year, months[usize::from(eve.month) - 1], eve.day)
    };
    table.leaps().iter().map(line).collect()
}

fn utc(text: &str) -> Time<Utc> {
    text.parse::<Civil>().and_then(Civil::time).unwrap()
}

fn tai(seconds: i64) -> Time<Tai> {
    Time::from_epoch(Span::from_secs(seconds))
}

/// The compiled-in table, and a negative leap at the end of 2029.
fn with_deletion() -> LeapTable {
    let mut table = LeapTable::COMPILED;
    table.push(utc("2030-01-01T00:00:00Z"), LeapKind::Deleted).unwrap();
    table
}

fn fault(result: Result<LeapTable, LeapFileError>) -> (usize, LeapFault) {
    let error = result.unwrap_err();
    assert!(error.to_string().starts_with(&format!("line {}: ", error.line)));
    (error.line, error.fault)
}

#[test]
fn the_compiled_table_is_the_published_one() {
    for about in [LIST_2026F, LIST_2025B] {
        let read = LeapTable::from_list(list(about).as_bytes()).unwrap();
        assert_eq!(read.leaps(), LeapTable::COMPILED.leaps());
        assert_eq!(read.updated(), Some(utc_of_ntp(about.0.unsigned_abs())));
        assert_eq!(read.expiry(), Some(utc_of_ntp(about.1.unsigned_abs())));
    }
    assert_eq!(LeapTable::from_list(list(LIST_2026F).as_bytes()), Ok(LeapTable::COMPILED));
    assert_eq!(LeapTable::COMPILED.leaps().len(), 27);
    assert_eq!(LeapTable::COMPILED.updated(), Some(utc("2026-07-06T07:44:57Z")));
    assert_eq!(LeapTable::COMPILED.expiry(), Some(utc("2027-06-28T00:00:00Z")));
}

/// Where this machine has the files of tzdata, they say the same.
#[test]
fn the_files_of_this_machine_are_read() {
    if let Ok(text) = std::fs::read("/usr/share/zoneinfo/leap-seconds.list") {
        assert!(LeapTable::from_list(&text).unwrap().extends(&LeapTable::COMPILED));
    }
    if let Ok(text) = std::fs::read("/usr/share/zoneinfo/leapseconds") {
        assert!(LeapTable::from_zic(&text).unwrap().extends(&LeapTable::COMPILED));
    }
}

#[test]
fn an_expired_list_is_as_good_as_any() {
    let table = LeapTable::from_list(list(LIST_2025B).as_bytes()).unwrap();
    assert!(table.expiry() < Some(utc("2026-07-01T00:00:00Z")));
    assert_eq!(table.offset_at_utc(utc("2050-01-01T00:00:00Z")), 37);
    let (before, after) = (utc("2025-12-01T00:00:00Z"), utc("2026-07-01T00:00:00Z"));
    assert_eq!([before, after].map(|at| table.has_expired(table.tai_of_utc(at))), [false, true]);
    assert!(!LeapTable::NONE.has_expired(table.tai_of_utc(after)), "it has promised nothing");
}

/// Each of the 27, one second before, within, and after.
#[test]
fn every_leap_second_is_passed_second_by_second() {
    let table = LeapTable::COMPILED;
    for (leap, before) in table.leaps().iter().zip(10..) {
        let half = Span::from_millis(500);
        let reading = |time, leap_second, offset| UtcReading { time, leap_second, offset };
        assert_eq!(leap.offset_before(), before);
        assert_eq!(table.utc_of_tai(leap.begins() - half), reading(leap.midnight() - half, false, before));
        assert_eq!(table.utc_of_tai(leap.begins()), reading(leap.midnight(), true, before));
        assert_eq!(table.utc_of_tai(leap.begins() + half), reading(leap.midnight() + half, true, before));
        assert_eq!(table.utc_of_tai(leap.ends()), reading(leap.midnight(), false, before + 1));
        assert_eq!(table.utc_of_tai(leap.ends() + half), reading(leap.midnight() + half, false, before + 1));
        assert_eq!(table.tai_of_utc(leap.midnight() - half), leap.begins() - half);
        assert_eq!(table.tai_of_utc(leap.midnight()), leap.ends());
        assert_eq!(table.tai_of_leap_second(leap.midnight() + half), Some(leap.begins() + half));
        assert_eq!(table.tai_of_leap_second(leap.midnight() - Span::from_attos(1)), None);
        assert_eq!(table.tai_of_leap_second(leap.midnight() + SECOND), None);
    }
}

/// The first and the last leap as the `right/` zone files have them, which count TAI less ten seconds.
#[test]
fn the_leaps_are_where_zone_files_have_them() {
    let table = LeapTable::COMPILED;
    assert_eq!(table.leaps()[0].begins(), tai(78_796_800 + 10));
    assert_eq!(table.leaps()[26].begins(), tai(1_483_228_826 + 10));
}

/// Bad input 103.
#[test]
fn a_second_left_out_is_passed_over() {
    let table = with_deletion();
    let leap = table.leaps()[27];
    assert_eq!((leap.offset_before(), leap.offset(), leap.kind()), (37, 36, LeapKind::Deleted));
    let shown = |tai| Civil::of_reading(table.utc_of_tai(tai)).to_string();
    assert_eq!(shown(leap.ends() - Span::from_attos(1)), "2029-12-31T23:59:58.999999999999999999Z");
    assert_eq!(shown(leap.ends()), "2030-01-01T00:00:00Z");
    assert_eq!(table.utc_of_tai(leap.ends()).offset, 36);
    assert_eq!(table.tai_of_leap_second(leap.midnight()), None);
    let left_out = utc("2029-12-31T23:59:59.5Z");
    assert!(
        table.left_out(left_out) && !table.left_out(leap.midnight()) && !table.left_out(left_out - SECOND)
    );
    assert_eq!(table.tai_of_utc(left_out), leap.ends() + Span::from_millis(500));
}

/// Bad input 104.
#[test]
fn a_table_without_leaps_serves_for_ever() {
    let table = LeapTable::NONE;
    for seconds in [i64::MIN, -1, 0, 1 << 31, 1 << 40, i64::MAX] {
        let reading = table.utc_of_tai(tai(seconds));
        assert_eq!((reading.offset, reading.leap_second), (10, false));
        assert_eq!(table.tai_of_utc(reading.time), tai(seconds));
    }
    assert_eq!(table.next_leap_after(Time::EPOCH), None);
    assert!(!table.is_near_leap(Time::EPOCH, Span::from_secs(i64::MAX)));
}

proptest! {
    #[test]
    fn tai_comes_back(attos in -(1i128 << 126)..(1 << 126), nearby in -3_000_000_000_000i64..3_000_000_000_000, leap in 0usize..28) {
        let table = with_deletion();
        let near_a_leap = table.leaps()[leap].ends() + Span::from_attos(i128::from(nearby) * 1_000_000);
        for tai in [Time::from_epoch(Span::from_attos(attos)), near_a_leap] {
            let reading = table.utc_of_tai(tai);
            prop_assert_eq!(reading.tai(), tai);
            let back = match reading.leap_second {
                true => table.tai_of_leap_second(reading.time),
                false => Some(table.tai_of_utc(reading.time)),
            };
            prop_assert_eq!(back, Some(tai));
            prop_assert!(!table.left_out(reading.time));
        }
    }

    #[test]
    fn no_instant_panics(attos in any::<i128>(), distance in any::<i128>()) {
        let (table, span) = (with_deletion(), Span::from_attos(attos));
        let reading = table.utc_of_tai(Time::from_epoch(span));
        let utc = Time::<Utc>::from_epoch(span);
        let _ = (reading.tai(), table.tai_of_utc(utc), table.tai_of_leap_second(utc), table.left_out(utc));
        let _ = (table.is_near_leap(utc, Span::from_attos(distance)), table.clone().push(utc, LeapKind::Inserted));
    }

    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(LeapTable::from_list(&bytes).is_err());
        prop_assert!(LeapTable::from_zic(&bytes).is_err());
        if let Ok(read) = LeapTable::from_dat(&bytes) {
            prop_assert_eq!(read.table.leaps().len() * 8 + read.bytes_ignored, bytes.len());
        }
    }

    /// Bad input 102: one flipped bit is found, or changes nothing that counts.
    #[test]
    fn a_damaged_list_is_refused_or_the_same(place in 0usize..1000, bit in 0u8..8) {
        let mut text = list(LIST_2026F).into_bytes();
        let place = place % text.len();
        text[place] ^= 1 << bit;
        if let Ok(table) = LeapTable::from_list(&text) {
            prop_assert_eq!(table, LeapTable::COMPILED);
        }
    }

    #[test]
    fn a_cut_list_is_refused(length in 0usize..1000) {
        let text = list(LIST_2026F);
        // Without its last line feed it is whole.
        let cut = &text[..length % (text.len() - 1)];
        prop_assert!(LeapTable::from_list(cut.as_bytes()).is_err(), "{}", cut);
    }

    #[test]
    fn a_damaged_zone_file_does_no_harm(place in 0usize..2000, byte in any::<u8>()) {
        let mut text = zic(&with_deletion()).into_bytes();
        let place = place % text.len();
        text[place] = byte;
        if let Ok(table) = LeapTable::from_zic(&text) {
            prop_assert!(table.leaps().len() <= 28);
        }
    }
}

#[test]
fn the_next_leap_is_the_one_that_is_not_over() {
    let table = LeapTable::COMPILED;
    let last = table.leaps()[26];
    assert_eq!(table.next_leap_after(Time::EPOCH), Some(table.leaps()[0]));
    assert_eq!(table.next_leap_after(last.begins()), Some(last));
    assert_eq!(table.next_leap_after(last.ends() - Span::from_attos(1)), Some(last));
    assert_eq!(table.next_leap_after(last.ends()), None);
}

#[test]
fn a_leap_is_near_on_both_sides() {
    let (table, midnight, hour) = (LeapTable::COMPILED, utc("2017-01-01T00:00:00Z"), Span::from_secs(3600));
    for near in [midnight - hour, midnight, midnight + hour] {
        assert!(table.is_near_leap(near, hour));
    }
    for far in [midnight - hour - Span::from_attos(1), midnight + hour + Span::from_attos(1)] {
        assert!(!table.is_near_leap(far, hour));
    }
}

#[test]
fn leaps_are_learned_in_order_and_at_the_end_of_a_month_only() {
    let mut table = LeapTable::COMPILED;
    for text in
        ["2030-01-01T00:00:01Z", "2029-12-31T23:59:59Z", "2030-01-02T00:00:00Z", "2030-01-01T00:00:00.1Z"]
    {
        assert_eq!(table.push(utc(text), LeapKind::Inserted), Err(LeapError::NotAtMonthEnd), "{text}");
    }
    for text in ["2017-01-01T00:00:00Z", "2016-07-01T00:00:00Z", "1950-01-01T00:00:00Z"] {
        assert_eq!(table.push(utc(text), LeapKind::Inserted), Err(LeapError::OutOfOrder), "{text}");
    }
    assert_eq!(
        LeapTable::NONE.clone().push(utc("1972-01-01T00:00:00Z"), LeapKind::Inserted),
        Err(LeapError::OutOfOrder)
    );
    assert_eq!(table, LeapTable::COMPILED);
    assert_eq!(table.push(utc("2027-04-01T00:00:00Z"), LeapKind::Inserted), Ok(()));
    assert_eq!(table.offset_at_utc(utc("2027-04-01T00:00:00Z")), 38);
    assert!(table.extends(&LeapTable::COMPILED) && !LeapTable::COMPILED.extends(&table));
}

#[test]
fn a_full_table_says_so() {
    let mut table = LeapTable::NONE;
    let years = (2000..).take(LEAPS_MAX);
    for year in years {
        table.push(utc(&format!("{year}-07-01T00:00:00Z")), LeapKind::Inserted).unwrap();
    }
    let full = table.clone();
    assert_eq!(table.push(utc("2100-07-01T00:00:00Z"), LeapKind::Inserted), Err(LeapError::TableFull));
    assert_eq!((table.offset_last(), &table), (74, &full));
    let mut buffer = [0; DAT_BYTES_MAX];
    assert_eq!(table.to_dat(&mut buffer).map(<[u8]>::len), Ok(DAT_BYTES_MAX));
    assert_eq!(LeapTable::from_dat(&buffer).map(|read| read.table), Ok(full));
}

/// Bad input 102.
#[test]
fn lists_that_are_not_whole_are_refused_by_line() {
    let whole = list(LIST_2026F);
    let lines = whole.lines().count();
    let without_hash = &whole[..whole.find("#h").unwrap()];
    assert_eq!(fault(LeapTable::from_list(without_hash.as_bytes())), (lines - 1, LeapFault::NoHash));
    assert_eq!(fault(LeapTable::from_list(b"")), (0, LeapFault::NoHash));
    let wrong_hash = whole.replace("#h\ta", "#h\tb");
    assert_eq!(fault(LeapTable::from_list(wrong_hash.as_bytes())), (lines, LeapFault::HashWrong));
    let other_data = whole.replace("#$\t3992312697", "#$\t3992312698");
    assert_eq!(fault(LeapTable::from_list(other_data.as_bytes())), (lines, LeapFault::HashWrong));
    for hash in ["", "1 2 3 4", "1 2 3 4 5 6", "1 2 3 4 g", "1 2 3 4 123456789", "1 2 3 4 +5"] {
        let text = format!("#h {hash}\n");
        assert_eq!(fault(LeapTable::from_list(text.as_bytes())), (1, LeapFault::HashMalformed), "{hash}");
    }
    let nothing = sealed("#$ 3992312697\n");
    assert_eq!(fault(LeapTable::from_list(nothing.as_bytes())), (2, LeapFault::WrongStart));
}

/// Bad input 102: the hash does not cover how lines end.
#[test]
fn lists_from_windows_are_read() {
    let text = list(LIST_2026F).replace('\n', "\r\n");
    assert_eq!(LeapTable::from_list(text.as_bytes()), Ok(LeapTable::COMPILED));
}

/// Bad input 102.
#[test]
fn a_bomb_of_comments_is_refused_where_it_passes_the_limit() {
    let whole = list(LIST_2026F);
    let fitting = format!("{}{whole}", "#\n".repeat((FILE_BYTES_MAX - whole.len()) / 2));
    assert!(LeapTable::from_list(fitting.as_bytes()).is_ok());
    let bomb = format!("{}{whole}", "#\n".repeat(FILE_BYTES_MAX));
    let expected = (FILE_BYTES_MAX / 2 + 1, LeapFault::FileTooLong);
    assert_eq!(fault(LeapTable::from_list(bomb.as_bytes())), expected);
    assert_eq!(fault(LeapTable::from_zic(bomb.as_bytes())), expected);
}

#[test]
fn lines_that_no_list_has_are_refused_by_line() {
    let start = "2272060800 10\n";
    let jump = |to| LeapFault::NotOneSecond { from: 10, to };
    for (lines, expected) in [
        ("2287785600 11\n", (1, LeapFault::WrongStart)),
        ("2272060800 11\n", (1, LeapFault::WrongStart)),
        ("2272060800 10\n\n2287785600 12\n", (3, jump(12))),
        ("2272060800 10\n2287785600 10\n", (2, jump(10))),
        ("2272060800 10\n2287785600 18446744073709551615\n", (2, jump(u64::MAX))),
        ("2272060800 10\n2287785601 11\n", (2, LeapFault::Leap(LeapError::NotAtMonthEnd))),
        ("2272060800 10\n2240524800 11\n", (2, LeapFault::Leap(LeapError::OutOfOrder))),
        ("2272060800 10\n18446744073709551615 11\n", (2, LeapFault::Leap(LeapError::NotAtMonthEnd))),
        ("2272060800 10\n18446744073709551616 11\n", (2, LeapFault::NotANumber)),
        ("2272060800\n", (1, LeapFault::NotANumber)),
        ("2272060800 ten\n", (1, LeapFault::NotANumber)),
        ("2272060800 +10\n", (1, LeapFault::NotANumber)),
        ("2272060800 10 11\n", (1, LeapFault::Malformed)),
        ("#$ 1\n#$ 1\n", (2, LeapFault::SaidTwice)),
        ("#@ 1\n#$ 1\n#@ 1\n", (3, LeapFault::SaidTwice)),
        ("#$\n", (1, LeapFault::NotANumber)),
        ("\u{0}\n", (1, LeapFault::NotANumber)),
    ] {
        assert_eq!(fault(LeapTable::from_list(sealed(lines).as_bytes())), expected, "{lines:?}");
    }
    assert_eq!(
        fault(LeapTable::from_list(format!("{0}{0}", sealed("")).as_bytes())),
        (2, LeapFault::SaidTwice)
    );
    assert_eq!(LeapTable::from_list(sealed(start).as_bytes()), Ok(LeapTable::NONE));
    let commented = format!("#however, #hello and #$5 are comments\n{}", sealed("2272060800 10 #x\n"));
    assert_eq!(LeapTable::from_list(commented.as_bytes()), Ok(LeapTable::NONE));
}

/// Bad input 103: negative leaps parse in both forms that can say them.
#[test]
fn negative_leaps_are_read() {
    let table = with_deletion();
    let listed = LeapTable::from_list(sealed(&data_lines(&table)).as_bytes()).unwrap();
    assert_eq!(listed.leaps(), table.leaps());
    assert_eq!(LeapTable::from_zic(zic(&table).as_bytes()).unwrap().leaps(), table.leaps());
    assert_eq!(table.to_dat(&mut [0; DAT_BYTES_MAX]), Err(LeapError::DeletionUnsayable));
}

#[test]
fn the_input_of_zic_is_read_with_its_dates() {
    let lines = zic(&LeapTable::COMPILED).replace('\n', "\r\n");
    let text = format!(
        "# Leap seconds\n\n{lines}#Expires 2027 Jun 28 00:00:00\nExpires 2027 Jun 28 00:00:00\n\
                        #updated 1783323897 (2026-07-06)\n#expires 1814140800\n"
    );
    assert_eq!(LeapTable::from_zic(text.as_bytes()), Ok(LeapTable::COMPILED));
    let rolling = zic(&LeapTable::COMPILED).replace("\tS", "\tR\t# rolling");
    assert_eq!(LeapTable::from_zic(rolling.as_bytes()).unwrap().leaps(), LeapTable::COMPILED.leaps());
}

#[test]
fn lines_that_zic_would_not_take_are_refused_by_line() {
    for (text, expected) in [
        ("", (0, LeapFault::NoLeaps)),
        ("# nothing\nExpires 2027 Jun 28 00:00:00\n", (2, LeapFault::NoLeaps)),
        ("Zone 2016 Dec 31 23:59:60 + S\n", (1, LeapFault::Malformed)),
        ("\n\nLeap 2016 Foo 31 23:59:60 + S\n", (3, LeapFault::Malformed)),
        ("Leap 2016 Dec 31 23:59:60 + X\n", (1, LeapFault::Malformed)),
        ("Leap 2016 Dec 31 23:59:60 +\n", (1, LeapFault::Malformed)),
        ("Leap 2016 Dec 31 23:59:60 + S S\n", (1, LeapFault::Malformed)),
        ("Leap 2016 Dec 31 23:59:60 - S\n", (1, LeapFault::NotALeapSecond)),
        ("Leap 2016 Dec 31 23:59:59 + S\n", (1, LeapFault::NotALeapSecond)),
        ("Leap 2016 Dec 31 12:00:00 + S\n", (1, LeapFault::NotALeapSecond)),
        ("Leap MMXVI Dec 31 23:59:60 + S\n", (1, LeapFault::NotANumber)),
        ("Leap 2016 Dec 256 23:59:60 + S\n", (1, LeapFault::NotANumber)),
        ("Leap 18446744073709551615 Dec 31 23:59:60 + S\n", (1, LeapFault::NotANumber)),
        ("Leap 9223372036854775807 Dec 31 23:59:60 + S\n", (1, LeapFault::Date(CivilError::TooFar))),
        ("Leap 2016 Nov 31 23:59:60 + S\n", (1, LeapFault::Date(CivilError::NoSuchDay))),
        ("Leap 2016 Dec 30 23:59:60 + S\n", (1, LeapFault::Date(CivilError::NoSuchLeapSecond))),
        ("Leap 2016 Dec 30 23:59:59 - S\n", (1, LeapFault::Leap(LeapError::NotAtMonthEnd))),
        ("Leap 1960 Dec 31 23:59:60 + S\n", (1, LeapFault::Leap(LeapError::OutOfOrder))),
        ("Leap 400000000000 Dec 31 23:59:60 + S\n", (1, LeapFault::Leap(LeapError::NotAtMonthEnd))),
        ("#updated soon\n", (1, LeapFault::NotANumber)),
        ("#expires 1\n#expires 1\n", (2, LeapFault::SaidTwice)),
    ] {
        assert_eq!(fault(LeapTable::from_zic(text.as_bytes())), expected, "{text:?}");
    }
}

#[test]
fn the_table_of_clockspeed_is_written_and_read() {
    let mut buffer = [0; DAT_BYTES_MAX];
    let bytes = LeapTable::COMPILED.to_dat(&mut buffer).unwrap();
    assert_eq!(bytes.len(), 216);
    assert_eq!(bytes[..8], [0x40, 0, 0, 0, 0x04, 0xb2, 0x58, 0x0a]);
    assert_eq!(bytes[208..], [0x40, 0, 0, 0, 0x58, 0x68, 0x46, 0xa4]);
    let read = LeapTable::from_dat(bytes).unwrap();
    assert_eq!((read.table.leaps(), read.bytes_ignored), (LeapTable::COMPILED.leaps(), 0));
    assert_eq!((read.table.updated(), read.table.expiry()), (None, None));
    // The table that clockspeed 0.62 came with ends in 1998.
    let old = LeapTable::from_dat(&bytes[..176]).unwrap();
    assert_eq!(old.table.leaps(), &LeapTable::COMPILED.leaps()[..22]);
    assert!(read.table.extends(&old.table));
}

#[test]
fn a_tail_is_ignored_and_counted() {
    let mut buffer = [0; DAT_BYTES_MAX];
    let bytes = LeapTable::COMPILED.to_dat(&mut buffer).unwrap();
    let read = LeapTable::from_dat(&bytes[..215]).unwrap();
    assert_eq!((read.table.leaps().len(), read.bytes_ignored), (26, 7));
    assert_eq!(LeapTable::from_dat(b""), Ok(FromDat { table: LeapTable::NONE, bytes_ignored: 0 }));
}

#[test]
fn labels_of_no_leap_second_are_refused_by_number() {
    let mut buffer = [0; DAT_BYTES_MAX];
    let bytes = LeapTable::COMPILED.to_dat(&mut buffer).unwrap().to_vec();
    let damaged = |place: usize, byte: u8| {
        let mut copy = bytes.clone();
        copy[place] = byte;
        fault(LeapTable::from_dat(&copy).map(|read| read.table))
    };
    assert_eq!(damaged(8, 0x80), (2, LeapFault::Label(crate::tai64::LabelError::Reserved)));
    assert_eq!(damaged(15, 0), (2, LeapFault::Leap(LeapError::NotAtMonthEnd)));
    let twice: Vec<u8> = [&bytes[..8], &bytes[..8]].concat();
    assert_eq!(LeapTable::from_dat(&twice).unwrap_err().line, 2);
    let full: Vec<u8> = bytes.iter().copied().chain([0xff; 8]).collect();
    assert_eq!(LeapTable::from_dat(&full).unwrap_err().line, 28);
}

#[test]
fn leaps_are_shown_to_people() {
    let text = format!("{:?}", with_deletion().leaps()[27]);
    assert_eq!(text, "Deleted before 2030-01-01T00:00:00Z, TAI - UTC = 36 s");
    assert!(format!("{:?}", LeapTable::NONE).starts_with("LeapTable { leaps: [], updated: None"));
}
