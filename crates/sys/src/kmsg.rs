//! The kernel's own messages since it was started, as far as it still has them (`Documentation/ABI/testing/dev-kmsg`).

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The device.
pub const DEVICE: &str = "/dev/kmsg";

/// No record is longer.
const RECORD_MAX: usize = 8192;

/// So many records are read at most: more than the kernel keeps.
const RECORDS_MAX: usize = 1 << 16;

/// All records, one after the other as the device has them; those that the kernel has dropped meanwhile are left out. A plain file in the
/// device's place is read as it is.
///
/// # Errors
/// It cannot be opened, as where only root may, or read.
pub fn records(path: &Path) -> io::Result<Vec<u8>> {
    // Without waiting for the next message.
    let mut device = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut all = Vec::new();
    let mut record = [0; RECORD_MAX];
    for _ in 0..RECORDS_MAX {
        match device.read(&mut record) {
            Ok(0) => break,
            Ok(read) => all.extend_from_slice(&record[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // The next record was overwritten; the one after it comes next.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_its_place_is_read_whole_and_what_is_not_there_is_an_error() {
        let path = std::env::temp_dir().join(format!("truechimer-kmsg-{}", std::process::id()));
        let text = "6,1,0,-;tsc: Refined TSC clocksource calibration\n".repeat(400);
        std::fs::write(&path, &text).expect("written");
        assert_eq!(records(&path).expect("it is there"), text.as_bytes());
        std::fs::remove_file(&path).expect("removed");
        assert!(records(&path).is_err());
    }

    #[test]
    fn the_device_does_not_keep_us_waiting() {
        match records(Path::new(DEVICE)) {
            Ok(records) => assert!(records.is_empty() || records.contains(&b';')),
            Err(error) => {
                let expected = [ErrorKind::PermissionDenied, ErrorKind::NotFound];
                assert!(expected.contains(&error.kind()), "{error}");
            }
        }
    }
}
