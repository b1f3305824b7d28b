//! `truechimer timeline` as people call it: three hosts, their logs, and what is known of their clocks.

mod bad_inputs;
mod causality;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// Of the host `web` there is chronyd's tracking log about 08:00.
fn web() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let tracking = ["07:59:00", "08:00:04", "08:01:08"].map(|time| {
        format!("2026-11-23 {time} 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.232e-05  2.0e-05  1.5e-03  3.8e-04  5.6e-04\n")
    });
    let banner = "====\n   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co\n====\n";
    write(folder.path(), "web/chrony/tracking.log", &[banner, &tracking.concat()].concat());
    folder
}

/// Three hosts: `web` has chronyd's tracking log, `db` writes without year and zone, and of `old` nothing is known.
fn fleet() -> TempDir {
    let folder = web();
    let write = |name: &str, text: &str| write(folder.path(), name, text);
    write(
        "web/syslog",
        "2026-11-23T08:00:30.123456Z web nginx[1]: accepted\n  and so on\n2026-11-23T08:00:31.000000Z web nginx[1]: sent\n",
    );
    write("db/syslog", "Nov 23 09:00:30 db postgres[12]: begin\n");
    write("old/app.log", "{\"time\":1795420830.5,\"msg\":\"x\"}\n");
    folder
}

fn timeline(folder: &Path, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .arg("timeline")
        .args(arguments)
        .current_dir(folder)
        .output();
    command.expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn three_hosts_are_one_story() {
    let folder = fleet();
    let told = timeline(
        folder.path(),
        &["--year", "2026", "--zone", "db=Europe/Berlin", "--assume", "db=5ms", "web", "db", "old"],
    );
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let expected =
        " 2026-11-23T08:00:30.123456Z ± 562.1 µs web ┌ 2026-11-23T08:00:30.123456Z web nginx[1]: accepted
                                                and so on
 2026-11-23T08:00:30.500000Z ± 505.0 ms db  │ Nov 23 09:00:30 db postgres[12]: begin
~2026-11-23T08:00:30.550000Z ± ?        old │ {\"time\":1795420830.5,\"msg\":\"x\"}
 2026-11-23T08:00:31.000000Z ± 562.1 µs web └ 2026-11-23T08:00:31.000000Z web nginx[1]: sent
";
    assert_eq!(text(&told.stdout), expected);
    let said = text(&told.stderr);
    assert!(
        said.contains("old: 1 line by a clock of which nothing is known") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn what_is_not_known_is_said_with_what_helps() {
    let folder = fleet();
    let told = timeline(folder.path(), &["db"]);
    let said = text(&told.stderr);
    assert!(said.contains("say --zone db=Europe/Berlin") || said.contains("say --year 2026"), "{said}");
    let missing = timeline(folder.path(), &["nowhere"]);
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(111), 0));
    assert!(text(&missing.stderr).contains("cannot read nowhere"), "{}", text(&missing.stderr));
    for wrong in [
        &["--zone", "db=Nowhere/City", "db"][..],
        &["--labels", "utc", "db"],
        &["--assume", "0s", "db"],
        &["--host", "db"],
        &["--from", "yesterday", "db"],
        &["--from", "2026-11-23T08:00:01Z", "--to", "2026-11-23T08:00:00Z", "db"],
        &[],
    ] {
        assert_eq!(timeline(folder.path(), wrong).status.code(), Some(100), "{wrong:?}");
    }
}

#[test]
fn stamps_of_ones_own_kind_are_read_by_a_pattern() {
    let folder = fleet();
    fs::write(folder.path().join("web/own"), "at 23.11.2026 08:00:30,250 begin\n").expect("written");
    let pattern = r"^at (?<day>\d\d)\.(?<month>\d\d)\.(?<year>\d{4}) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d),(?<fraction>\d+)";
    let told = timeline(folder.path(), &["--zone", "UTC", "--pattern", pattern, "web"]);
    let told = text(&told.stdout);
    assert!(told.lines().any(|line| line.contains("08:00:30.250") && line.ends_with("begin")), "{told}");
    let wrong = timeline(folder.path(), &["--pattern", "(?<hours>.)", "web"]);
    assert_eq!(wrong.status.code(), Some(100));
    assert!(text(&wrong.stderr).contains("no group `hours`"), "{}", text(&wrong.stderr));
}

/// The file of the manual, as people would copy it.
fn documented() -> String {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manual/timeline.md");
    let manual = fs::read_to_string(manual).expect("the manual is there");
    let (_, file) = manual.split_once("```toml\n# fleet.toml\n").expect("it has the example");
    file.split("```").next().expect("it ends").to_owned()
}

#[test]
fn a_file_says_what_options_say() {
    let folder = fleet();
    fs::create_dir(folder.path().join("etc")).expect("made");
    // Paths begin in the folder of the file, wherever one is called.
    let moved = documented().replace("path = [\"", "path = [\"../");
    fs::write(folder.path().join("etc/fleet.toml"), moved).expect("written");
    fs::write(folder.path().join("fleet.toml"), documented()).expect("written");
    fs::write(folder.path().join("web/own"), "at 23.11.2026 08:00:30,250 sent request id=1\n")
        .expect("written");
    fs::write(folder.path().join("old/own"), "at 23.11.2026 08:05:30,250 received request id=1\n")
        .expect("written");
    let pattern = r"^at (?<day>\d\d)\.(?<month>\d\d)\.(?<year>\d{4}) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d),(?<fraction>\d+)";
    let cause = [r"sent request id=(?<id>\d+)", r"received request id=(?<id>\d+)"];
    let mut options =
        vec!["--year", "2026", "--pattern", pattern, "--cause", cause[0], cause[1], "--unset", "old"];
    options.extend(["--zone", "UTC", "--zone", "db=Europe/Berlin", "--assume", "db=5ms"]);
    options.extend(["--host", "db=db", "--host", "old=old", "--host", "web=web"]);
    let by_options = timeline(folder.path(), &options);
    let by_file = timeline(folder.path(), &["--config", "fleet.toml"]);
    assert_eq!(by_options.status.code(), Some(0), "{}", text_of(&by_options));
    assert_eq!(text_of(&by_file), text_of(&by_options));
    assert!(text(&by_file.stderr).contains("cause 1: 1 pair"), "{}", text(&by_file.stderr));
    assert!(text(&by_file.stdout).contains("08:00:30.500000Z ± 505.0 ms db"), "{}", text(&by_file.stdout));
    // The names of the files differ where they are told, which is nowhere in this form.
    assert_eq!(timeline(folder.path(), &["--config", "etc/fleet.toml"]).stdout, by_options.stdout);
}

/// All that was printed.
fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn options_count_more_than_the_file_and_are_added_to_it() {
    let folder = fleet();
    let config = "year = 2020\nassume = \"1s\"\n[host.db]\npath = [\"db\"]\nzone = \"UTC\"\nassume = \"2s\"\n\
                  [host.nobody]\nunset = true\n";
    fs::write(folder.path().join("c.toml"), config).expect("written");
    let told = |more: &[&str]| {
        let told = timeline(folder.path(), &[&["--config", "c.toml"], more].concat());
        assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
        text(&told.stdout)
    };
    assert!(told(&[]).starts_with(" 2020-11-23T09:00:30.500000Z ± 2.500 s"), "{}", told(&[]));
    let other = told(&["--year", "2026", "--zone", "db=Europe/Berlin", "--assume", "db=5ms"]);
    assert!(other.starts_with(" 2026-11-23T08:00:30.500000Z ± 505.0 ms"), "{other}");
    let of_all = told(&["--zone", "Europe/Berlin", "--assume", "3s"]);
    assert!(of_all.starts_with(" 2020-11-23T09:00:30.500000Z ± 2.500 s"), "of one counts more: {of_all}");
    // A host without lines takes no room.
    assert!(of_all.contains(" db   Nov 23"), "{of_all}");
    let added = told(&["--assume", "3s", "old"]);
    assert!(added.lines().count() > 1 && added.contains("± 3.0"), "{added}");
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_place() {
    let folder = fleet();
    for (config, wanted) in [
        (
            "patern = []\n",
            "c.toml:1:1: unknown key `patern`\n   1 | patern = []\n     | ^^^^^^\ndid you mean `pattern`?",
        ),
        ("\npattern = ['ok (?<epoch>.)', '(']\n", "c.toml:2:30: regex parse error"),
        ("pattern = ['(?<hours>.)']\n", "there is no group `hours`"),
        ("[host.db]\nassume = \"5\"\n", "c.toml:2:10: has no unit: add one of ns, us, ms, s, min, h, d"),
        ("[host.db]\nzone = \"Nowhere/City\"\n", "c.toml:2:8: "),
        ("[host.db]\npaths = [\"db\"]\n", "c.toml:2:1: unknown key `paths`"),
        ("[host.\"\"]\nunset = true\n", "c.toml:1:7: a host has a name"),
        ("[cause]\nsent = 'a'\n", "[[cause]]"),
        ("[[cause]]\nsent = '(?<id>.)'\nreceived = '(?<id>.'\n", "c.toml:3:12: regex parse error"),
        ("[[cause]]\nsent = '(?<id>.)'\nreceived = '(?<key>.)'\n", "c.toml:3:12: the names of groups differ"),
        ("[[cause]]\nsent = '(?<id>.)'\n", "missing field `received`"),
        ("year = 99999\n", "c.toml:1:8: "),
        ("pattern = '(?<epoch>.)'\n", "c.toml:1:11: this is a list, in brackets even if it has one entry"),
        (
            "[[host]]\nname = 'web'\n",
            "c.toml:1:1: tables with names are begun by one bracket, as in [host.NAME]",
        ),
        ("year = \n", "c.toml:1:"),
        ("", "no logs are named: name a PATH, or say path = [..] of a host in c.toml"),
    ] {
        fs::write(folder.path().join("c.toml"), config).expect("written");
        let refused = timeline(folder.path(), &["--config", "c.toml"]);
        let said = text(&refused.stderr);
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(100), 0), "{config}: {said}");
        assert!(said.contains(wanted), "{config}: {said}");
    }
    let missing = timeline(folder.path(), &["--config", "none.toml"]);
    assert_eq!(missing.status.code(), Some(111), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("none.toml"), "{}", text(&missing.stderr));
}

#[test]
fn every_form_is_written() {
    let folder = fleet();
    let form = |name: &str| {
        let told = timeline(folder.path(), &["--form", name, "web"]);
        assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
        text(&told.stdout)
    };
    let rows: Vec<serde_json::Value> =
        form("json").lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!((rows.len(), &rows[0]["evidence"]), (3, &"chrony".into()));
    assert_eq!(form("lines"), fs::read_to_string(folder.path().join("web/syslog")).expect("it is there"));
    assert!(form("csv").starts_with("time,earliest,latest,bound,"));
    assert!(form("syslog").starts_with("<13>1 2026-11-23T08:00:30.123456Z web - - - [timeQuality "));
    let trace: serde_json::Value = serde_json::from_str(&form("trace")).expect("a document");
    assert!(trace["traceEvents"].is_array());
    let tai = timeline(folder.path(), &["--tai", "--color", "never", "--gap", "500ms", "web"]);
    let tai = text(&tai.stdout);
    assert!(tai.starts_with(" 2026-11-23T08:01:07.123456 TAI"), "{tai}");
    assert!(tai.contains("... nothing for 876"), "{tai}");
}

#[test]
fn why_the_time_of_a_line_is_known_is_told_beside_it() {
    let folder = fleet();
    let told =
        timeline(folder.path(), &["--why", "--year", "2026", "--assume", "old=1s", "web", "db", "old"]);
    let told = text(&told.stdout);
    let lines: Vec<&str> = told.lines().collect();
    let has =
        |words: &str| assert!(lines.iter().any(|line| line.contains(words)), "{words:?} is not in\n{told}");
    has("± 562.1 µs chrony      web ");
    has(" told        old ");
    has("± ?        zone        db ");
    let indent =
        lines.iter().find(|line| line.ends_with("  and so on")).expect("it belongs to the line above");
    let (above, _) = lines[0].split_once("2026-11-23T08:00:30.123456Z web nginx").expect("the first line");
    assert_eq!(indent.len() - "  and so on".len(), above.chars().count(), "{told}");
}

#[test]
fn a_log_of_many_hosts_is_told_by_the_clock_of_each() {
    let folder = fleet();
    let line = |host: &str, time: &str| format!("<34>1 2026-11-23T{time}Z {host} su - - - x\n");
    fs::write(
        folder.path().join("all.log"),
        [line("web", "08:00:30.000000"), line("stranger", "08:00:30.000000")].concat(),
    )
    .expect("written");
    let told = text(
        &timeline(folder.path(), &["web/chrony", "all.log", "--host", "web=web/chrony/tracking.log"]).stdout,
    );
    let has = |words: &[&str]| told.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["± 562", "web"]) && has(&["± ?", "stranger"]), "{told}");
    let named = text(
        &timeline(folder.path(), &["--host", "web=all.log", "--host", "web=web/chrony/tracking.log"]).stdout,
    );
    assert!(!named.contains("± ?"), "{named}");
}

#[test]
fn a_folder_of_hosts_that_was_taken_for_one_host_is_told() {
    let folder = fleet();
    let said = |path: &str| text(&timeline(folder.path(), &["--year", "2026", "--zone", "UTC", path]).stderr);
    for (path, shown) in [(".", "./*"), ("./", "./*")] {
        let said = said(path);
        assert!(said.contains("was taken for one host, "), "{said}");
        assert!(
            said.contains(&format!(
                "are of db; if it has a folder or a file for each host, name these: {shown}"
            )),
            "{said}"
        );
    }
    for path in ["web", "web/syslog", "db"] {
        assert!(!said(path).contains("was taken for one host"), "{path}: {}", said(path));
    }
}

#[test]
fn what_is_named_twice_is_told_once() {
    let folder = fleet();
    let once = timeline(folder.path(), &["web"]).stdout;
    let twice = timeline(folder.path(), &["web", "db/../web", "--host", "web=web/syslog"]).stdout;
    assert_eq!(text(&twice), text(&once));
    // Two hosts may have one clock.
    let both = ["one=web/chrony/tracking.log", "two=web/chrony/tracking.log"];
    let both = timeline(folder.path(), &["corrections", "--host", both[0], "--host", both[1]]).stdout;
    assert!(text(&both).contains("\none,") && text(&both).contains("\ntwo,"), "{}", text(&both));
}

#[test]
fn a_log_without_any_stamp_is_told_with_what_helps() {
    let folder = fleet();
    fs::write(folder.path().join("odd.log"), "at 8h30 begin\nat 8h31 end\n").expect("written");
    let told = timeline(folder.path(), &["web", "odd.log"]);
    let expected = "truechimer: odd.log: no stamp of a known kind in 2 lines; say how they are written by --pattern, or leave it out\n";
    assert_eq!((told.status.code(), text(&told.stderr).as_str()), (Some(0), expected));
    assert_eq!(text(&timeline(folder.path(), &["web"]).stderr), "", "lines that belong to others have none");
}

#[test]
fn a_host_that_is_not_there_is_told() {
    let folder = fleet();
    let told = timeline(folder.path(), &["--year", "2026", "--zone", "dbb=UTC", "--assume", "old=1s", "old"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert_eq!(
        text(&told.stderr),
        "truechimer: there is no host dbb, of which an option speaks; hosts are old\n"
    );
}

#[test]
fn what_is_said_of_a_host_holds_where_only_its_lines_name_it() {
    let folder = fleet();
    fs::write(
        folder.path().join("all.log"),
        "<34>Nov 23 09:00:30 far su: x\n<34>1 2026-11-23T08:00:30.500000Z near.example su - - - x\n",
    )
    .expect("written");
    let told = |arguments: &[&str]| {
        let told = timeline(folder.path(), &[&["--year", "2026", "all.log"], arguments].concat());
        (text(&told.stdout), text(&told.stderr))
    };
    let (by_name, said) =
        told(&["--zone", "far=Europe/Berlin", "--assume", "far=5ms", "--assume", "near=1ms"]);
    assert!(by_name.contains(" 2026-11-23T08:00:30.500000Z ± 505.0 ms far "), "{by_name}");
    assert!(by_name.contains("± 1.001 ms near.example"), "{by_name}");
    assert_eq!(said, "");
    let (of_all, said) = told(&["--zone", "Europe/Berlin", "--assume", "5ms"]);
    assert!(of_all.contains("± 505.0 ms far ") && of_all.contains("± 5.001 ms near.example"), "{of_all}");
    assert_eq!(said, "");
}

#[test]
fn bad_input_166_the_same_input_is_the_same_bytes() {
    let folder = fleet();
    let once = timeline(folder.path(), &["--form", "json", "web", "db", "old"]);
    assert_eq!(once.stdout, timeline(folder.path(), &["--form", "json", "web", "db", "old"]).stdout);
}

#[test]
fn corrections_say_of_readings_what_the_story_says_of_lines() {
    let folder = fleet();
    let output = timeline(folder.path(), &["corrections", "web", "db"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("db: nothing is known of its clock"), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("host,boot,from_ns,to_ns,offset_ns,rate,bound_ns,evidence"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let number = |row: &[&str], column: usize| row[column].parse::<f64>().expect("a number");
    let row = rows.iter().find(|row| {
        number(row, 2) <= 1_795_420_830_123_456_000.0 && 1_795_420_830_123_456_000.0 < number(row, 3)
    });
    let row = row.expect("a row for 08:00:30");
    assert_eq!((row[0], row[1], row[7]), ("web", "", "chrony"));
    // As the story has it: right to 562.1 µs.
    assert!((500_000.0..=563_000.0).contains(&number(row, 6)), "{row:?}");
    assert!(number(row, 4).abs() < 100_000.0, "{row:?}");
    let file = folder.path().join("table.json");
    let file = file.to_str().expect("UTF-8");
    let written = timeline(folder.path(), &["corrections", "web", "--form", "json", "--out", file]);
    assert_eq!((written.status.code(), written.stdout.len()), (Some(0), 0));
    let first: serde_json::Value =
        serde_json::from_str(fs::read_to_string(file).expect("written").lines().next().expect("a row"))
            .expect("an object");
    assert_eq!((first["host"].as_str(), first["boot"].is_null()), (Some("web"), true));
    let nothing = timeline(folder.path(), &["corrections", "db"]);
    assert_eq!((nothing.status.code(), text(&nothing.stdout).lines().count()), (Some(1), 1));
}

/// The rows of a Parquet file as they would be in comma-separated values.
fn rows_of_parquet(bytes: Vec<u8>) -> Vec<String> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("written");
    let file = SerializedFileReader::new(file).expect("it is Parquet");
    let cell = |field: &Field| match field {
        Field::Str(text) => text.clone(),
        Field::Null => String::new(),
        Field::Long(number) => number.to_string(),
        Field::Double(number) => format!("{number:.18}"),
        other => panic!("no column is like {other:?}"),
    };
    let rows = file.get_row_iter(None).expect("it has rows").map(|row| {
        let row = row.expect("it can be read");
        row.get_column_iter().map(|(_, field)| cell(field)).collect::<Vec<_>>().join(",")
    });
    rows.collect()
}

#[test]
fn corrections_are_the_same_rows_as_parquet() {
    let folder = fleet();
    let csv = text(&timeline(folder.path(), &["corrections", "web"]).stdout);
    let expected: Vec<&str> = csv.lines().skip(1).collect();
    assert!(expected.len() > 1, "{csv}");
    let piped = timeline(folder.path(), &["corrections", "--form", "parquet", "web"]);
    assert_eq!((piped.status.code(), &piped.stdout[..4]), (Some(0), &b"PAR1"[..]));
    assert_eq!(rows_of_parquet(piped.stdout.clone()), expected);
    // The ending of a file says it as well, unless something else is said.
    let out = |arguments: &[&str], name: &str| {
        let written = timeline(folder.path(), &[&["corrections", "web", "--out", name], arguments].concat());
        assert_eq!((written.status.code(), written.stdout.len()), (Some(0), 0), "{}", text(&written.stderr));
        fs::read(folder.path().join(name)).expect("written")
    };
    assert_eq!(out(&[], "c.parquet"), piped.stdout);
    assert_eq!(out(&[], "c.csv"), csv.as_bytes());
    assert_eq!(out(&["--form", "csv"], "d.parquet"), csv.as_bytes());
    assert!(out(&[], "c.json").starts_with(b"{\"host\":\"web\""));
    fs::write(folder.path().join("c.toml"), "[host.web]\npath = [\"web\"]\nzone = \"UTC\"\n")
        .expect("written");
    assert_eq!(out(&["--config", "c.toml"], "e.csv"), csv.as_bytes(), "a host that is named twice is one");
    let by_file = timeline(folder.path(), &["corrections", "--config", "c.toml"]);
    assert_eq!(text(&by_file.stdout), csv);
    let nothing = timeline(folder.path(), &["corrections", "--form", "parquet", "db"]);
    assert_eq!((nothing.status.code(), rows_of_parquet(nothing.stdout)), (Some(1), Vec::new()));
}

#[test]
fn a_history_is_exported_as_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("node")).expect("made");
    let line = |at: u32| {
        let clocks = format!("{at}.000000000 {at}.000000000 179542{at}.000000000 0");
        let best = format!("179542{}.001", at + 37);
        format!(
            "k {clocks} synchronised {at}.0 {best} 0.0005 0.0005 0.000100000 0 -1000000000000 1000000000000 0 1000000000 1000000000\n"
        )
    };
    let history = format!(
        "truechimer-history 1\nb 1000.0 1000.0 1795421000.0 0 0b9a-f2 tsc\n{}r 1010.0 1010.0 1795421010.0 0 0\n{}{}",
        line(1010),
        line(1100),
        line(1200)
    );
    fs::write(folder.path().join("node/history"), history).expect("written");
    let export = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_truechimer"))
            .args(["history", "export", "--as", "db", "--state-dir"])
            .arg(folder.path())
            .args(arguments)
            .output()
            .expect("the program runs")
    };
    let output = export(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let first = table.lines().nth(1).expect("a row");
    assert!(first.starts_with("db,0b9a-f2,1795421000000000000,1795421010000000000,1000000,"), "{table}");
    assert!(first.ends_with(",history"), "{table}");
    let expected: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows_of_parquet(export(&["--form", "parquet"]).stdout), expected);
    assert_eq!(text(&output.stderr), "", "nothing was found out later");

    // Known to 50 ms at first, and to half a millisecond 100 s later, at a rate that is known to 1 ppm.
    let wide = line(1100).replacen(" 0.0005 0.0005 ", " 0.05 0.05 ", 1);
    let begin = "truechimer-history 1\nb 1000.0 1000.0 1795421000.0 0 0b9a-f2 tsc\nr 1010.0 1010.0 1795421010.0 0 0\n";
    let history = format!("{begin}{wide}{}", line(1200));
    fs::write(folder.path().join("node/history"), history).expect("written");
    let said = text(&export(&[]).stderr);
    let words = "truechimer: db: what was measured later has narrowed 1 of 2 moments of the history, one of them from ± 50.00 ms to ± ";
    assert!(said.starts_with(words), "{said}");
    fs::write(folder.path().join("node/history"), "truechimer-history 1\n").expect("written");
    assert_eq!(export(&["--form", "json"]).status.code(), Some(1));
}

#[test]
fn a_window_of_time_is_told_in_any_spelling() {
    let folder = fleet();
    let count = |from: &str, to: &str| {
        let told = timeline(folder.path(), &["--form", "csv", "--from", from, "--to", to, "web"]);
        assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
        text(&told.stdout).lines().count() - 1
    };
    assert_eq!(count("2026-11-23T08:00:30.5Z", "2026-11-23T08:00:31Z"), 1);
    assert_eq!(
        count("2026-11-23 09:00:00+01:00", "2026-11-23T08:00:30.2"),
        2,
        "a line and what belongs to it"
    );
    assert_eq!(count("2026-11-23T08:01:07.6 TAI", "2026-11-24"), 1);
    assert_eq!(count("@400000006b03f2c2", "@400000006b03f2c400000000"), 3);
}

/// Programs that draw a page.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A page, and what of it its address names, as it is after its scripts have run; `None` where there is no browser, which is said.
fn drawn(page: &Path, what: &str) -> Option<String> {
    let is_there = |name: &&&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let Some(browser) = BROWSERS.iter().find(is_there) else {
        // Not by a macro: what those print, a test that passes keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, NOT TESTED: what a browser makes of the page (no chromium)"
        );
        return None;
    };
    let profile = tempfile::tempdir().expect("a folder");
    let document = profile.path().join("dom.html");
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{what}", page.display()))
        .stdout(fs::File::create(&document).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the browser runs");
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is our child") {
            Some(status) => break Some(status),
            None if begun.elapsed() > Duration::from_secs(120) => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.is_none() {
        child.kill().and_then(|()| child.wait()).expect("it ends");
    }
    assert!(status.is_some_and(|status| status.success()), "{browser}: {status:?}");
    Some(fs::read_to_string(&document).expect("it wrote the page"))
}

#[test]
fn a_browser_draws_the_page_and_runs_nothing_of_its_lines() {
    let folder = fleet();
    let evil = "<script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">";
    let line = format!("2026-11-23T08:00:30.123000Z </script>{evil}\n");
    fs::write(folder.path().join("db/syslog"), line).expect("written");
    let told = timeline(folder.path(), &["--form", "html", "--assume", "db=5ms", "web", "db", "old"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let page = folder.path().join("page.html");
    fs::write(&page, &told.stdout).expect("written");
    let Some(drawn) = drawn(&page, "") else { return };
    // It is ready only if the page's own policy let all of its scripts run.
    assert!(drawn.contains("<body class=\"ready\">"), "{drawn}");
    assert!(drawn.contains("<title>Timeline</title>") && !drawn.contains("<img"), "{drawn}");
    let (_, verdict) = drawn.split_once("<p id=\"verdict\"").expect("it is there");
    let (verdict, _) = verdict.split_once("</p>").expect("it ends");
    assert!(verdict.contains("Nobody can tell which was first"), "{verdict}");
    assert!(verdict.contains("1 without evidence may have been at any time"), "{verdict}");
    assert!(drawn.contains("&lt;/script&gt;&lt;script&gt;document.title='hit'"), "{drawn}");
    // The line of db and the first of web are joined by a bracket, and the last is not.
    let brackets: Vec<&str> =
        drawn.split("class=\"bracket ").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(brackets.len(), 5, "{brackets:?}");
    assert_eq!(
        (brackets[0], brackets.iter().filter(|one| **one == "end").count()),
        ("begin", 1),
        "{brackets:?}"
    );
}

#[test]
fn the_page_orders_lines_of_one_clock_and_no_others_within_their_bounds() {
    let folder = fleet();
    let line = |micros: u32, text: &str| format!("2026-11-23T08:00:30.{micros:06}Z {text}\n");
    fs::write(folder.path().join("web/syslog"), line(123_456, "a") + &line(123_556, "b")).expect("written");
    fs::write(folder.path().join("db/syslog"), line(123_500, "c") + &line(223_500, "d")).expect("written");
    let told = timeline(folder.path(), &["--form", "html", "--assume", "db=5ms", "web/chrony", "web", "db"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let page = folder.path().join("page.html");
    fs::write(&page, &told.stdout).expect("written");
    // In the order for reading they are a, c, b, d.
    let compared = |one: u32, other: u32| {
        let drawn = drawn(&page, &format!("line={one}&other={other}"))?;
        let (_, words) = drawn.split_once("<p class=\"verdict compared\">").expect("it is compared");
        Some(words.split("</p>").next().unwrap_or_default().to_owned())
    };
    let Some(one_clock) = compared(0, 2) else { return };
    // 99 µs of its clock, whose stamps count microseconds, though the truth is known to 562 µs only.
    assert!(one_clock.starts_with("Surely before web 2026-11-23T08:00:30.123556"), "{one_clock}");
    let two_clocks = compared(0, 1).expect("there was a browser");
    assert!(two_clocks.starts_with("Nobody can tell whether it was before or after db"), "{two_clocks}");
    let far = compared(3, 2).expect("there was a browser");
    assert!(far.starts_with("Surely after web") && far.contains(" by 94"), "{far}");
}

#[test]
fn the_journal_is_told_entry_by_entry() {
    let folder = fleet();
    let entry = |micros: u64, rest: &str| {
        format!(
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={}\n_HOSTNAME=web\n_COMM=sshd\n_PID=7\n{rest}\n",
            1_795_420_830_000_000 + micros
        )
    };
    let message = ["MESSAGE\n\u{b}\0\0\0\0\0\0\0first\nsecon\n", "MESSAGE=third\n"];
    let export = [entry(200_000, message[0]), entry(300_000, message[1])].concat();
    fs::write(folder.path().join("journal"), export).expect("written");
    let told = timeline(folder.path(), &["web/chrony", "journal", "--host", "web=web/chrony/tracking.log"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let told = text(&told.stdout);
    let words: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["first", "secon", "third"], "{told}");
    assert!(told.starts_with(" 2026-11-23T08:00:30.200000Z ± 562"), "{told}");
}

#[test]
fn chronyd_is_not_believed_against_a_majority_of_its_servers() {
    let folder = fleet();
    let measured = |server: u8, offset: &str| {
        format!(
            "2026-11-23 08:00:{server:02} 192.0.2.{server} N  2 111 111 1111   6  6 0.00 {offset}  1.0e-03  1.0e-05  1.0e-03  2.0e-04 CB00717B 4B K K\n"
        )
    };
    let write = |offsets: [&str; 3]| {
        let lines = [21, 22, 23].iter().zip(offsets).map(|(server, offset)| measured(*server, offset));
        fs::write(folder.path().join("web/chrony/measurements.log"), lines.collect::<String>())
            .expect("written");
    };
    write(["1.000e-05", "-2.000e-05", "3.000e+00"]);
    let agreed = timeline(folder.path(), &["web"]);
    assert!(text(&agreed.stdout).starts_with(" 2026-11-23T08:00:30.123456Z ± 562.1 µs web"), "{agreed:?}");
    write(["1.000e-05", "3.000e+00", "3.000e+00"]);
    let denied = timeline(folder.path(), &["web"]);
    assert!(text(&denied.stdout).starts_with("~2026-11-23T08:00:30.123456Z ± ?"), "{denied:?}");
    assert!(text(&denied.stderr).contains("cannot both be true"), "{denied:?}");
    fs::remove_file(folder.path().join("web/chrony/tracking.log")).expect("it was there");
    let alone = timeline(folder.path(), &["web"]);
    assert!(text(&alone.stderr).contains("tells nothing without its tracking.log"), "{alone:?}");
}

#[test]
fn who_knows_how_right_the_servers_were_says_it() {
    let folder = fleet();
    fs::create_dir(folder.path().join("ntp")).expect("made");
    let line = |at: u32| {
        format!("61367 {}.500 203.0.113.15 961a 0.000100 0.002000 0.000500 0.000034\n", 28_800 + at * 8)
    };
    fs::write(folder.path().join("ntp/peerstats"), (0..12).map(line).collect::<String>()).expect("written");
    fs::write(folder.path().join("ntp/app.log"), "2026-11-23T08:01:10Z x\n").expect("written");
    let unsaid = timeline(folder.path(), &["ntp"]);
    assert!(text(&unsaid.stdout).starts_with('~'), "{unsaid:?}");
    assert!(text(&unsaid.stderr).contains("--servers-within ntp=10ms"), "{unsaid:?}");
    let said = timeline(folder.path(), &["--form", "json", "--servers-within", "ntp=10ms", "ntp"]);
    let row: serde_json::Value = serde_json::from_slice(&said.stdout).expect("one line");
    assert_eq!(
        (row["line"].as_str(), row["evidence"].as_str()),
        (Some("2026-11-23T08:01:10Z x"), Some("ntpd"))
    );
    // A second of the stamp, 12.5 ms, and 1000 ppm of 56 s.
    assert!(row["bound"].as_f64().is_some_and(|bound| (0.5..0.6).contains(&bound)), "{row}");
    fs::write(folder.path().join("c.toml"), "[host.ntp]\nservers_within = \"10ms\"\n").expect("written");
    let by_file = timeline(folder.path(), &["--form", "json", "--config", "c.toml", "ntp"]);
    assert_eq!(text(&by_file.stdout), text(&said.stdout));
    let table = timeline(folder.path(), &["corrections", "--servers-within", "10ms", "ntp"]);
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    let by_file = timeline(folder.path(), &["corrections", "--config", "c.toml", "ntp"]);
    assert_eq!(text(&by_file.stdout), text(&table.stdout));
    assert_eq!(timeline(folder.path(), &["--servers-within", "ntp=0s", "ntp"]).status.code(), Some(100));
}

/// An entry as `journalctl -o export` writes it, so many seconds after the boot, when the clock showed so many more than at 08:00:00.
fn journaled(since_boot: u64, seconds: u64, message: &str) -> String {
    format!(
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
         _HOSTNAME=web\nMESSAGE={message}\n\n",
        (1_795_420_800 + seconds) * 1_000_000,
        since_boot * 1_000_000
    )
}

#[test]
fn bad_input_160_what_a_clock_showed_before_it_was_set_is_not_known() {
    let folder = fleet();
    // Chronyd's log knows the clock from 07:59:00 to 08:01:08. The clock was set forward by an hour before, and back again.
    let journal = [(40, 3600, "wrong"), (50, 10, "right"), (60, 20, "still"), (70, 30, "right")]
        .map(|(since, seconds, message)| journaled(since, seconds, message));
    fs::write(folder.path().join("web/journal"), journal.concat()).expect("written");
    let told = timeline(folder.path(), &["--form", "json", "web"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let rows: Vec<serde_json::Value> =
        text(&told.stdout).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of = |message: &str| {
        rows.iter()
            .find(|row| row["line"].as_str().is_some_and(|line| line.ends_with(message)))
            .expect("it is told")
    };
    assert_eq!(of("wrong")["bound"], serde_json::Value::Null, "{rows:?}");
    assert!(of("still")["bound"].as_f64().is_some_and(|bound| bound < 0.06), "{rows:?}");
    let wrong = timeline(folder.path(), &["--boot", "web=12", "web"]);
    assert_eq!(wrong.status.code(), Some(100));
}

#[test]
fn packets_and_the_exchanges_of_ntpd_are_read() {
    let folder = fleet();
    let packet = b"\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x08\x00\x45\x00\x00\x21\x00\x00\x40\x00\x40\x11\x00\x00\xc0\x00\x02\x01\
                   \xc6\x33\x64\x07\x00\x35\x0b\xb8\x00\x0d\x00\x00hello";
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let length = packet.len() as u32;
    let head = numbers(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1, 1_795_437_851, 900_000, length, length]);
    let capture = [&head[..], packet].concat();
    fs::create_dir(folder.path().join("ntp")).expect("made");
    fs::write(folder.path().join("ntp/eth0.pcap"), &capture).expect("written");
    let exchange = |second: u32| {
        let at = 4_004_426_651 + second;
        format!(
            "61367 {}.330 203.0.113.15 192.0.2.1 {at}.330515622 {at}.330554812 {at}.330646303 {at}.330661782 0 4 4 2 6 -24 0.000732 0.000015 198.51.100.7 0 0 0\n",
            45_851 + second
        )
    };
    fs::write(folder.path().join("ntp/rawstats"), exchange(0) + &exchange(1)).expect("written");
    let told = timeline(folder.path(), &["--form", "json", "ntp"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let row: serde_json::Value = serde_json::from_slice(&told.stdout).expect("one line");
    assert_eq!(row["line"], "47 bytes 192.0.2.1:53 > 198.51.100.7:3000 UDP");
    assert_eq!(row["evidence"], "ntpd");
    assert!(row["bound"].as_f64().is_some_and(|bound| bound < 0.002), "{row}");
    fs::write(folder.path().join("ntp/eth0.pcap"), &capture[..capture.len() - 1]).expect("written");
    let torn = timeline(folder.path(), &["ntp"]);
    assert_eq!(torn.status.code(), Some(111));
    assert!(
        text(&torn.stderr).contains("the capture ends in the midst of a packet"),
        "{}",
        text(&torn.stderr)
    );
}
