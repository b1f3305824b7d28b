//! What is mounted, as `/proc/self/mountinfo` has it. Nothing here touches a mounted file system: one whose server is dead would
//! not answer.

use std::path::{Path, PathBuf};

use super::{Hidden, Machine};

/// The kernel's table of mounts, see proc_pid_mountinfo(5).
const TABLE: &str = "/proc/self/mountinfo";

/// File systems whose stamps come from another machine, by the names in mountinfo. Of a FUSE file system the part after the dot
/// is what its program calls itself.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse.afp",
    "fuse.ceph",
    "fuse.curlftpfs",
    "fuse.davfs",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.moosefs",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
];

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// What kind of file system it is: `nfs4`, `fuse.sshfs`.
    pub kind: String,
    /// What is mounted: `server:/export`.
    pub from: String,
    /// Whether nothing can be written to it, by the mount or by the file system itself.
    pub read_only: bool,
    /// The options of the file system itself, separated by commas: `rw,vers=4.2,sec=krb5p`.
    pub options: String,
}

impl Mount {
    /// Does the time of its stamps come from another machine?
    pub fn is_remote(&self) -> bool {
        NETWORK.contains(&self.kind.as_str())
    }
}

/// All mounts of this machine, as far as we can see them. One that hides under another that was mounted later at the same place is
/// left out.
///
/// # Errors
/// The table cannot be read, or there is none.
pub fn mounts(machine: &Machine) -> Result<Vec<Mount>, Hidden> {
    let table = machine.text(TABLE)?;
    let table = table
        .ok_or_else(|| Hidden::Because(format!("the kernel does not tell what is mounted ({TABLE})")))?;
    let all: Vec<Mount> = table.lines().filter_map(mount).collect();
    let is_covered =
        |index: usize, mount: &Mount| all[index + 1..].iter().any(|later| later.point == mount.point);
    let visible = all.iter().enumerate().filter(|(index, mount)| !is_covered(*index, mount));
    Ok(visible.map(|(_, mount)| mount.clone()).collect())
}

/// The mount that a folder is in: that of the longest path above it, and of these the latest.
pub fn holding<'a>(mounts: &'a [Mount], folder: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| folder.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

/// ```text
/// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
/// (1)(2)(3)   (4)   (5)      (6)      (7)   (8) (9)   (10)         (11)
/// ```
/// 5 is the place, 6 the options of the mount, 7 any number of optional fields, 9 the kind, 10 what is mounted, 11 the options of the
/// file system itself.
fn mount(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(4);
    let (point, of_mount) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, from, of_system) = (back.next()?, back.next()?, back.next().unwrap_or(""));
    let read_only =
        [of_mount, of_system].iter().any(|options| options.split(',').any(|option| option == "ro"));
    Some(Mount {
        point: PathBuf::from(unescaped(point)),
        kind: kind.to_owned(),
        from: unescaped(from),
        read_only,
        options: of_system.to_owned(),
    })
}

/// The kernel writes blanks, tabs, ends of lines and backslashes as `\040`.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        match piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                plain.push(char::from(byte));
                plain.push_str(&piece[3..]);
            }
            Some(_) | None => {
                plain.push('\\');
                plain.push_str(piece);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:41 / /srv/the\\040share rw,relatime shared:20 master:3 - nfs4 host:/a\\134b rw,vers=4.2,sec=krb5p
41 22 0:42 / /media ro,relatime - cifs //host/media rw
42 22 0:43 / /mnt rw - nfs host:/old rw
43 42 0:44 / /mnt rw - fuse.sshfs me@host:/new rw
a line that is cut
";

    fn table() -> Vec<Mount> {
        TABLE.lines().filter_map(mount).collect()
    }

    #[test]
    fn a_mount_is_read_with_its_escapes_and_optional_fields() {
        let mounts = table();
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[1].point, Path::new("/srv/the share"));
        assert_eq!(mounts[1].from, "host:/a\\b");
        assert!(mounts[1].options.contains("sec=krb5p") && mounts[1].is_remote() && !mounts[1].read_only);
        assert!(mounts[2].read_only, "by the mount though not by the file system");
        assert!(!mounts[0].is_remote());
    }

    #[test]
    fn what_hides_under_a_later_mount_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        std::fs::write(folder.path().join("proc/self/mountinfo"), TABLE).unwrap();
        let machine = Machine::at(folder.path());
        let mounts = mounts(&machine).unwrap();
        let at: Vec<&str> =
            mounts.iter().filter(|mount| mount.point == Path::new("/mnt")).map(|m| &*m.kind).collect();
        assert_eq!(at, ["fuse.sshfs"]);
        assert_eq!(holding(&mounts, Path::new("/srv/the share/x")).unwrap().kind, "nfs4");
        assert_eq!(holding(&mounts, Path::new("/srv/other")).unwrap().kind, "ext4");
    }
}
