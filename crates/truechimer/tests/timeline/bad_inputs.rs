//! `truechimer timeline` and what nobody should hand it: lines without an end, bombs, bytes that are no text. It answers, in bounded memory.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No input takes more memory, whatever it unpacks to, in KiB. What the program takes for a log of a line is half of that in a build without
/// optimization.
const MEMORY_KIB: u64 = 64 << 10;

/// What takes longer has hung; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

const GIGABYTE: usize = 1 << 30;
const MEGABYTE: usize = 1 << 20;

const STAMP: &[u8] = b"2026-11-23T08:00:00Z begin ";

/// The program at work on a log, what it tells in a file.
struct Run {
    child: Child,
    folder: TempDir,
    peak: u64,
}

impl Run {
    fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let file = |name: &str| File::create(folder.path().join(name)).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
        command.arg("timeline").args(arguments).current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(file("out")).stderr(file("err"));
        Self { child: command.spawn().expect("the program runs"), folder, peak: 0 }
    }

    /// The most memory that it ever had, in KiB, as far as it can be seen: a process that has ended has none.
    fn look(&mut self) {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        self.peak = self.peak.max(peak.unwrap_or(0));
    }

    /// Waits for its end, and says how that was.
    fn end(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        let begun = Instant::now();
        loop {
            self.look();
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it has hung");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn out(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("out")).expect("it is there")
    }

    fn err(&self) -> String {
        fs::read_to_string(self.folder.path().join("err")).expect("text")
    }

    #[track_caller]
    fn took_little(&self) {
        assert!(0 < self.peak && self.peak < MEMORY_KIB, "{} KiB", self.peak);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended already cannot be killed: that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn bad_input_163_a_line_of_a_gigabyte_by_a_pipe_takes_little_memory() {
    for filling in [b'x', 0] {
        let mut run = Run::start(folder(), &["--form", "csv", "-"]);
        let mut stdin = run.child.stdin.take().expect("it is piped");
        stdin.write_all(STAMP).expect("it reads");
        let chunk = vec![filling; MEGABYTE];
        (0..GIGABYTE / MEGABYTE).for_each(|_| stdin.write_all(&chunk).expect("it reads"));
        stdin.write_all(b"\n2026-11-23T08:00:01Z end\n").expect("it reads");
        // It has read all but what a pipe holds, and waits for more.
        run.look();
        drop(stdin);
        let status = run.end();
        assert!(status.success(), "{}", run.err());
        run.took_little();
        let out = run.out();
        assert!(out.len() < 2 * MEGABYTE, "{}", out.len());
        assert!(out.ends_with(b"2026-11-23T08:00:01Z end\r\n"), "what comes after it is told");
    }
}

/// A gigabyte of zeros as many members, each made once.
fn gzip(path: &Path, zeros: usize) {
    let packed = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).expect("packed");
        packed.finish().expect("packed")
    };
    let member = packed(&vec![0; 16 * MEGABYTE]);
    let members = std::iter::repeat_n(member, zeros / (16 * MEGABYTE)).flatten();
    let bytes: Vec<u8> = packed(STAMP).into_iter().chain(members).collect();
    fs::write(path, bytes).expect("written");
}

/// As a frame of RFC 8878: a raw block, and blocks that repeat a byte, of 128 KiB each.
fn zstd(path: &Path, zeros: usize) {
    const BLOCK: u32 = 128 << 10;
    let block = |size: u32, kind: u32, is_last: bool| {
        (size << 3 | kind << 1 | u32::from(is_last)).to_le_bytes()[..3].to_vec()
    };
    // Magic; nothing but a window of 128 KiB.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    bytes.extend(block(STAMP.len() as u32, 0, false));
    bytes.extend(STAMP);
    let blocks = zeros as u32 / BLOCK;
    for number in 1..=blocks {
        bytes.extend(block(BLOCK, 1, number == blocks));
        bytes.push(0);
    }
    fs::write(path, bytes).expect("written");
}

/// By the program, as many streams; `false` where there is none, which is said.
fn xz(path: &Path, zeros: usize) -> bool {
    let script = "{ printf '%s' \"$1\" | xz -0; head -c 16777216 /dev/zero | xz -0 >one && \
                  for _ in $(seq \"$2\"); do cat one; done; } >\"$0\"";
    if !Command::new("xz").arg("--version").output().is_ok_and(|output| output.status.success()) {
        // Not by a macro: what those print, a test that passes keeps to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED, NOT TESTED: a bomb of xz (no xz)");
        return false;
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(path).arg(str::from_utf8(STAMP).expect("text"));
    command.arg((zeros / (16 * MEGABYTE)).to_string()).current_dir(path.parent().expect("a folder"));
    assert!(command.status().expect("there is a shell").success());
    true
}

fn bomb_is_one_line(name: &str, make: impl FnOnce(&Path) -> bool) {
    let folder = folder();
    let path = folder.path().join(name);
    if !make(&path) {
        return;
    }
    assert!(fs::metadata(&path).expect("made").len() < 8 * MEGABYTE as u64, "{name}");
    let mut run = Run::start(folder, &["--form", "csv", name]);
    let status = run.end();
    assert!(status.success(), "{name}: {}", run.err());
    run.took_little();
    let out = run.out();
    assert!(out.len() < 2 * MEGABYTE, "{name}: {}", out.len());
    let (_, line) = out.split_at(out.iter().position(|byte| *byte == b'\n').expect("a head") + 1);
    assert!(line.starts_with(b",,,,,,2026-11-23T08:00:00Z,bomb,"), "{name}: {:?}", &line[..80]);
}

#[test]
fn bad_input_163_a_gzip_bomb_of_a_gigabyte_takes_little_memory() {
    bomb_is_one_line("bomb.log.gz", |path| {
        gzip(path, GIGABYTE);
        true
    });
}

#[test]
fn bad_input_163_a_zstd_bomb_of_a_gigabyte_takes_little_memory() {
    bomb_is_one_line("bomb.log.zst", |path| {
        zstd(path, GIGABYTE);
        true
    });
}

/// An eighth of the others: without optimization some 35 MB are unpacked in a second.
#[test]
fn bad_input_163_an_xz_bomb_takes_little_memory() {
    bomb_is_one_line("bomb.log.xz", |path| xz(path, GIGABYTE / 8));
}

#[test]
fn bad_input_163_what_is_no_text_is_told_in_every_form_and_once() {
    // Each byte, beside its neighbours, in the midst of a line with a stamp; sequences that UTF-8 begins and does not end; NUL; CR.
    let strange: Vec<Vec<u8>> = (0..=u8::MAX)
        .filter(|byte| *byte != b'\n')
        .map(|byte| vec![byte, byte.wrapping_add(128), b'-', byte])
        .map(|bytes| bytes.into_iter().map(|byte| if byte == b'\n' { 0 } else { byte }).collect())
        .chain([b"\xf0\x9f\x92".to_vec(), b"\xed\xa0\x80".to_vec(), b"\xc0\x80".to_vec(), vec![0; 5000]])
        .collect();
    let log: Vec<u8> = (0..)
        .zip(&strange)
        .flat_map(|(at, bytes)| {
            [format!("2026-11-23T08:{:02}:{:02}Z <", at / 60, at % 60).as_bytes(), bytes, b">\n"].concat()
        })
        .collect();
    let told = |form: &str| {
        let folder = folder();
        fs::write(folder.path().join("strange.log"), &log).expect("written");
        let mut run =
            Run::start(folder, &["--form", form, "--assume", "1ms", "--color", "never", "strange.log"]);
        let status = run.end();
        assert!(status.success() && run.err().is_empty(), "{form}: {}", run.err());
        run.out()
    };
    assert_eq!(told("lines"), log, "as they were");
    let count = strange.len();
    let json = String::from_utf8(told("json")).expect("JSON is text");
    let rows: Vec<serde_json::Value> =
        json.lines().map(|row| serde_json::from_str(row).expect("an object")).collect();
    assert_eq!(rows.len(), count);
    assert!(rows.iter().all(|row| row["bound"].is_number()), "{json}");
    let ends = |form: &str, end: &[u8]| {
        let told = told(form);
        told.windows(end.len()).filter(|window| *window == end).count()
    };
    assert_eq!(ends("text", b">\n"), count);
    assert_eq!(ends("syslog", b">\n"), count);
    let trace: serde_json::Value = serde_json::from_slice(&told("trace")).expect("a document");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() >= count), "{trace}");
    let page = String::from_utf8(told("html")).expect("a page is text");
    assert!(!page.contains('\0'), "no NUL is in a page");
}
