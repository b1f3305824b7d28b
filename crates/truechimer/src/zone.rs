//! The zone of this machine, as its file has it: by what name, and whether it counts leap seconds.
//!
//! Zones of the kind `right/` do: under them the C library takes the clock for a count of all seconds. The file is read
//! here, and not by the library, because the library also heeds `TZ`, which is a matter of one process.

use std::io;
use std::path::Path;

use truechimer_sys::{file, zone};

/// Where the zone of the machine is.
pub const LOCALTIME: &str = "/etc/localtime";

/// The folder of all zones, below which `right/` is.
pub const ZONEINFO: &str = "/usr/share/zoneinfo";

/// The longest zone of tzdata has some 10 kB.
const BYTES_MAX: usize = 1 << 20;

/// The clock shows this in the first leap second that was ever inserted, if it counts all seconds (TAI less ten):
/// 1972-06-30 23:59:60.
const FIRST_LEAP: i64 = 78_796_800;

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name without `right/`, such as "Europe/Berlin", if the file is a link that tells it.
    pub name: Option<String>,
    /// How many leap seconds it counts. None at all: it is one of POSIX.
    pub leap_seconds: u32,
}

impl Zone {
    /// Is it of the kind `right/`?
    pub const fn is_right(&self) -> bool {
        self.leap_seconds > 0
    }

    /// The zone in the file at `path`. Without a file the C library takes UTC.
    pub fn load(path: &Path) -> io::Result<Self> {
        let whole = match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { name: Some("UTC".to_owned()), leap_seconds: 0 });
            }
            whole => whole?,
        };
        let bytes =
            file::load(&whole, BYTES_MAX).map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let no_zone = || io::Error::new(io::ErrorKind::InvalidData, "it is no zone (RFC 9636)");
        let leap_seconds = leap_seconds(&bytes).ok_or_else(no_zone)?;
        // The link's own word: what it leads to may be another name of the zone.
        let name = path.read_link().ok().and_then(|target| name(&target)).or_else(|| name(&whole));
        Ok(Self { name, leap_seconds })
    }
}

/// Does the C library count leap seconds in this process, by `TZ` or by the file of the machine?
pub fn library_is_right() -> bool {
    zone::local_time(FIRST_LEAP).is_some_and(|shown| shown.second == 60)
}

fn name(target: &Path) -> Option<String> {
    let (_, name) = target.to_str()?.split_once("zoneinfo/")?;
    let name = name.strip_prefix("right/").or_else(|| name.strip_prefix("posix/")).unwrap_or(name);
    Some(name.to_owned())
}

/// How many leap seconds a TZif file has, by its last header.
///
/// ```text
/// 0      4       5    20     24     28      32      36      40      44
/// ┌──────┬───────┬────┬──────┬──────┬───────┬───────┬───────┬───────┐
/// │ TZif │ '2'.. │    │ isut │ isstd│ leaps │ times │ types │ chars │  counts, big-endian (RFC 9636, section 3.1)
/// └──────┴───────┴────┴──────┴──────┴───────┴───────┴───────┴───────┘
/// ```
fn leap_seconds(file: &[u8]) -> Option<u32> {
    let first = Header::read(file)?;
    match first.version {
        0 => Some(first.leaps),
        _two_and_later => {
            file.get(Header::BYTES + first.data_bytes()?..).and_then(Header::read).map(|it| it.leaps)
        }
    }
}

struct Header {
    version: u8,
    isut: u32,
    isstd: u32,
    leaps: u32,
    times: u32,
    types: u32,
    chars: u32,
}

impl Header {
    const BYTES: usize = 44;

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::BYTES)?;
        let count = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        (bytes[..4] == *b"TZif").then(|| Self {
            version: bytes[4],
            isut: count(20),
            isstd: count(24),
            leaps: count(28),
            times: count(32),
            types: count(36),
            chars: count(40),
        })
    }

    /// The length of what follows the first header: times of four bytes (RFC 9636, section 3.2).
    fn data_bytes(&self) -> Option<usize> {
        let Self { isut, isstd, leaps, times, types, chars, .. } = self;
        let parts = [(times, 5), (types, 6), (chars, 1), (leaps, 8), (isstd, 1), (isut, 1)];
        let bytes: u64 = parts.iter().map(|(count, size)| u64::from(**count) * size).sum();
        usize::try_from(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A file of version 2: a first block of some times and leap seconds, then a header with others.
    fn file(times: u32, leaps_then: u32, leaps: u32) -> Vec<u8> {
        let header = |version: u8, counts: [u32; 6]| {
            let counts = counts.map(u32::to_be_bytes).concat();
            [&b"TZif"[..], &[version], &[0; 15], &counts].concat()
        };
        let first = header(b'2', [1, 1, leaps_then, times, 1, 4]);
        let data = vec![0xff; (times * 5 + 6 + 4 + leaps_then * 8 + 2) as usize];
        [first, data, header(b'2', [0, 0, leaps, 0, 1, 4])].concat()
    }

    #[test]
    fn the_last_header_counts() {
        assert_eq!(leap_seconds(&file(0, 0, 27)), Some(27));
        assert_eq!(leap_seconds(&file(5, 3, 27)), Some(27));
        assert_eq!(leap_seconds(&file(5, 3, 0)), Some(0));
        let mut oldest = file(2, 22, 0);
        oldest[4] = 0;
        assert_eq!(leap_seconds(&oldest), Some(22));
    }

    #[test]
    fn what_is_no_zone_is_none() {
        let whole = file(2, 1, 27);
        for len in 0..whole.len() {
            assert_eq!(leap_seconds(&whole[..len]), None, "{len} bytes");
        }
        let mut endless = whole.clone();
        endless[20..44].fill(0xff);
        assert_eq!(leap_seconds(&endless), None);
        assert_eq!(leap_seconds(b"TZIF"), None);
    }

    #[test]
    fn the_link_tells_the_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let zones = folder.path().join("zoneinfo/right/Europe");
        std::fs::create_dir_all(&zones).unwrap();
        std::fs::write(zones.join("Berlin"), file(0, 0, 27)).unwrap();
        let (link, copy) = (folder.path().join("localtime"), folder.path().join("copy"));
        symlink("zoneinfo/right/Europe/Berlin", &link).unwrap();
        assert_eq!(
            Zone::load(&link).unwrap(),
            Zone { name: Some("Europe/Berlin".to_owned()), leap_seconds: 27 }
        );
        std::fs::copy(&link, &copy).unwrap();
        assert_eq!(Zone::load(&copy).unwrap(), Zone { name: None, leap_seconds: 27 });
        std::fs::write(&copy, "no zone").unwrap();
        assert_eq!(Zone::load(&copy).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let none = Zone::load(&folder.path().join("none")).unwrap();
        assert!(!none.is_right() && none.name.as_deref() == Some("UTC"));
    }
}
