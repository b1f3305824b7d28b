//! Files and folders that people name: which are logs, which are evidence, and whose they are.
//!
//! A folder is a host: all files below it are of the host that is called as it is. A file is of the host that it is named after:
//! `web.log`, `web.log.1` and `web.log.2.gz` are of `web`. Who knows better says so. A clock writes evidence of one kind into one folder: where
//! there are two below a folder, it is likely that of many hosts, and nobody's evidence is taken for that of another.
//!
//! What a file is, its first bytes tell. A history of our daemon, `tracking.log` and `measurements.log` of chronyd, ntpd's `rawstats` and
//! `peerstats` are evidence; all else is a log.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use truechimer_time::{Local, Span, Time};
use truechimer_timeline::evidence::measured::is_measurements;
use truechimer_timeline::evidence::ntpd::is_rawstats;
use truechimer_timeline::evidence::peerstats::is_peerstats;

use crate::history;

/// So many bytes at the beginning of a file tell what it is.
const HEAD: usize = 4096;

/// No folder has more files below it that are read.
const FILES_MAX: usize = 4096;

/// No folder is looked into deeper.
const DEPTH_MAX: u8 = 16;

/// What is packed so that it takes more memory to unpack is not unpacked, in KiB.
const MEMORY_KIB: u32 = 32 << 10;

/// Where a host's log is, if not in a file.
pub const STDIN: &str = "-";

/// A file that was named, or found below a folder that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is; [`STDIN`] for standard input.
    pub path: PathBuf,
    /// Whose it is.
    pub host: String,
    /// What it is.
    pub kind: Kind,
    /// When it was last written, by the clock of whoever wrote it.
    pub written: Option<Time<Local>>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines of a log.
    Log,
    /// A log of which each entry tells what the monotonic clock showed, and in which boot.
    Journal,
    /// What our daemon knew of the clock.
    History,
    /// What chronyd knew of it.
    Tracking,
    /// The exchanges of chronyd.
    Measurements,
    /// The exchanges of ntpd.
    Rawstats,
    /// What ntpd made of them.
    Peerstats,
}

impl Kind {
    /// Is it told, line by line?
    pub fn is_log(self) -> bool {
        match self {
            Self::Log | Self::Journal => true,
            Self::History | Self::Tracking | Self::Measurements | Self::Rawstats | Self::Peerstats => false,
        }
    }
}

/// All files that are meant, in the order in which they were named; below a folder by their paths. A file that is named twice for one host
/// is meant once.
///
/// # Errors
/// One cannot be read, with its name; there are too many; or a folder of which no host was named seems to be that of many.
pub fn find(paths: &[PathBuf], named: &[(String, PathBuf)]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for (host, path) in named {
        gather(path, Some(host), 0, &mut inputs)?;
    }
    for path in paths {
        let folder = path.is_dir().then(|| name_of(path)).flatten();
        let before = inputs.len();
        gather(path, folder.as_deref(), 0, &mut inputs)?;
        if let Some(host) = folder {
            is_of_one_host(path, &host, &inputs[before..])?;
        }
    }
    let mut known = BTreeSet::new();
    inputs.retain(|input| match input.path.canonicalize() {
        Ok(path) => known.insert((path, input.host.clone())),
        // Standard input, or gone since: whoever opens it says so.
        Err(_) => true,
    });
    Ok(inputs)
}

/// Evidence of one kind lies in one folder, if it is of one clock.
fn is_of_one_host(folder: &Path, host: &str, inputs: &[Input]) -> anyhow::Result<()> {
    for input in inputs.iter().filter(|input| !input.kind.is_log()) {
        let Some(first) = inputs.iter().find(|other| other.kind == input.kind) else { continue };
        if first.path.parent() != input.path.parent() {
            bail!(
                "{} and {} are evidence of one kind in two folders, as of two hosts, and a folder is one host: name what is in {folder}, as \
                 {folder}/*, or say --host {host}={folder} if all of it is of one",
                first.path.display(),
                input.path.display(),
                folder = folder.display(),
            );
        }
    }
    Ok(())
}

fn gather(path: &Path, host: Option<&str>, depth: u8, inputs: &mut Vec<Input>) -> anyhow::Result<()> {
    let place = path.display();
    if path.as_os_str() == STDIN {
        let host = host.unwrap_or("stdin").to_owned();
        inputs.push(Input { path: path.into(), host, kind: Kind::Log, written: None });
        return Ok(());
    }
    let about = fs::metadata(path).with_context(|| format!("cannot read {place}"))?;
    if about.is_dir() {
        if depth == DEPTH_MAX {
            bail!("{place} is a folder in too many folders (the most is {DEPTH_MAX})");
        }
        let entries = fs::read_dir(path).with_context(|| format!("cannot read {place}"))?;
        let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.with_context(|| format!("cannot read {place}"))?;
        paths.sort();
        // What is neither file nor folder below a named one is of no interest: sockets, pipes, links to nowhere.
        let is_read =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.is_file() || about.is_dir());
        return paths
            .iter()
            .filter(|path| is_read(path))
            .try_for_each(|path| gather(path, host, depth + 1, inputs));
    }
    if inputs.len() == FILES_MAX {
        bail!("more than {FILES_MAX} files: name fewer");
    }
    let host = host.map(str::to_owned).or_else(|| stem(path)).unwrap_or_else(|| "unknown".to_owned());
    let mut head = Vec::new();
    open(path)?.take(HEAD as u64).read_to_end(&mut head).with_context(|| format!("cannot read {place}"))?;
    let written = about.modified().ok().and_then(since_epoch);
    inputs.push(Input { path: path.into(), host, kind: kind(&head), written });
    Ok(())
}

fn since_epoch(time: std::time::SystemTime) -> Option<Time<Local>> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Time::from_epoch(Span::from_nanos(i64::try_from(since.as_nanos()).ok()?)))
}

fn kind(head: &[u8]) -> Kind {
    let has = |text: &str| head.windows(text.len()).any(|window| window == text.as_bytes());
    if head.starts_with(history::FORMAT.as_bytes()) {
        Kind::History
    } else if has("Date (UTC) Time     IP Address   St   Freq ppm") {
        Kind::Tracking
    } else if is_measurements(head) {
        Kind::Measurements
    } else if is_rawstats(head) {
        Kind::Rawstats
    } else if is_peerstats(head) {
        Kind::Peerstats
    } else if has("__MONOTONIC_TIMESTAMP") && has("_BOOT_ID") {
        Kind::Journal
    } else {
        Kind::Log
    }
}

fn name_of(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The name up to its first point, but that a host may be called by its address.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let end = name.find(".log").or_else(|| name.find('.')).filter(|end| *end > 0);
    Some(name[..end.unwrap_or(name.len())].to_owned())
}

/// A file as it was before it was compressed.
///
/// # Errors
/// Those of the system, with the name; or it is compressed in a way that is not read.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(io::stdin().lock()));
    }
    let place = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {place}"))?;
    let mut file = BufReader::new(file);
    let head = file.fill_buf().with_context(|| format!("cannot read {place}"))?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Frames { packed: Some(Packed::Between(file)) }),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, MEMORY_KIB))
        }
        [..] => Box::new(file),
    })
}

/// What zstd has packed: one frame after the other, as in files that were appended to.
struct Frames {
    /// Nothing after an error.
    packed: Option<Packed>,
}

type Frame = StreamingDecoder<BufReader<File>, FrameDecoder>;

enum Packed {
    Between(BufReader<File>),
    Within(Box<Frame>),
}

impl Read for Frames {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.packed.take() {
                None => return Err(io::Error::other("it could not be unpacked further")),
                Some(Packed::Between(mut file)) => {
                    if file.fill_buf()?.is_empty() {
                        self.packed = Some(Packed::Between(file));
                        return Ok(0);
                    }
                    let frame = Frame::new_with_max_window_size(file, u64::from(MEMORY_KIB) << 10);
                    self.packed = Some(Packed::Within(Box::new(frame.map_err(io::Error::other)?)));
                }
                Some(Packed::Within(mut frame)) => match frame.read(room)? {
                    0 => self.packed = Some(Packed::Between(frame.into_inner())),
                    read => {
                        self.packed = Some(Packed::Within(frame));
                        return Ok(read);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn found(paths: &[&Path]) -> Vec<(String, Kind)> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        let inputs = find(&paths, &[]).expect("they can be read");
        inputs.into_iter().map(|input| (input.host, input.kind)).collect()
    }

    #[test]
    fn files_are_of_the_host_they_are_named_after_and_folders_are_hosts() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, text).expect("written");
            path
        };
        let web = write("web.log.1", "2026-11-23T08:00:00Z x\n");
        write("db/syslog", "Nov 23 08:00:00 db x\n");
        write("db/state/node/history", "truechimer-history 1\n");
        write(
            "db/chrony/tracking.log",
            "=====\n   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm\n",
        );
        write(
            "db/chrony/measurements.log.1",
            "2026-11-23 14:27:09 192.0.2.3 N  8 111 111 1111  -2 -2 0.00  5.0e+00  8.9e-06  1.0e-07  0.0e+00  0.0e+00 7F7F0101 4B K K\n",
        );
        write(
            "db/ntpstats/peerstats",
            "61367 53487.150 10.9.9.11 b014 0.000032698 0.000159009 7.937500061 0.000000000\n",
        );
        write("db/ntpstats/loopstats", "61367 53493.138 -0.000001974 0.000000 0.000000700 0.000000 0\n");
        write(
            "db/ntpstats/rawstats.20261123",
            "61367 45851.330 10.9.0.11 10.9.0.1 4004426651.330515622 4004426651.330554812 4004426651.330646303 4004426651.330661782\n",
        );
        let found = found(&[&web, &folder.path().join("db")]);
        let found: Vec<(&str, Kind)> = found.iter().map(|(host, kind)| (host.as_str(), *kind)).collect();
        let ntpd = [Kind::Log, Kind::Peerstats, Kind::Rawstats];
        let kinds = [&[Kind::Measurements, Kind::Tracking], &ntpd[..], &[Kind::History, Kind::Log]].concat();
        let mut expected = vec![("web", Kind::Log)];
        expected.extend(kinds.into_iter().map(|kind| ("db", kind)));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_evidence_of_many_hosts_is_not_taken_for_that_of_one() {
        let folder = tempfile::tempdir().expect("a folder");
        for host in ["web", "db"] {
            fs::create_dir_all(folder.path().join(host)).expect("made");
            let history = folder.path().join(host).join("history");
            fs::write(history, "truechimer-history 1\n").expect("written");
        }
        let all = folder.path().to_path_buf();
        let refused = find(std::slice::from_ref(&all), &[]).expect_err("of whom is it?").to_string();
        assert!(refused.contains("db/history") && refused.contains("web/history"), "{refused}");
        assert!(refused.contains("/*") && refused.contains("--host"), "{refused}");
        assert_eq!(find(&[all.join("web"), all.join("db")], &[]).expect("two hosts").len(), 2);
        assert_eq!(find(&[], &[("web".to_owned(), all)]).expect("said by who knows").len(), 2);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let missing = find(&[PathBuf::from("/there/is/no/such.log")], &[]).expect_err("there is none");
        assert!(format!("{missing:#}").contains("/there/is/no/such.log"), "{missing:#}");
    }

    #[test]
    fn bad_input_163_a_bomb_is_read_like_any_other_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bomb.log.gz");
        let file = File::create(&path).expect("made");
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..256).for_each(|_| packed.write_all(&zeros).expect("packed"));
        packed.finish().expect("packed");
        assert!(fs::metadata(&path).expect("there").len() < 1 << 20);
        let mut lines = truechimer_timeline::lines::Lines::of(open(&path).expect("opened"));
        assert!(lines.advance().expect("read"));
        assert_eq!(lines.line().cut, (256 << 20) - truechimer_timeline::lines::LINE_MAX as u64);
    }

    #[test]
    fn bad_input_163_what_is_torn_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, head) in [
            ("a.gz", &[0x1f, 0x8b, 8, 0][..]),
            ("a.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0xff]),
            ("a.xz", b"\xfd7zXZ\0\0"),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, head).expect("written");
            let read = open(&path).and_then(|mut file| Ok(file.read_to_end(&mut Vec::new())?));
            assert!(read.is_err(), "{name}");
        }
    }
}
