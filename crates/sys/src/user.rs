//! Users: who we are, and becoming somebody who may do less.

use std::ffi::{CStr, CString};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io, mem, ptr};

use libc::{c_char, c_int};

use crate::capability::{self, Capability};
use crate::fd::check;
use crate::process;

/// An entry of the user database is no longer than this.
const ENTRY_MAX: usize = 1 << 20;
const ENTRY_START: usize = 1 << 10;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// The user as whom this process acts.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// The account of that name, if there is one (getpwnam(3)).
pub fn lookup(name: &str) -> io::Result<Option<User>> {
    let Ok(c_name) = CString::new(name) else { return Ok(None) };
    let mut room = ENTRY_START;
    loop {
        match lookup_in(&c_name, room) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && room < ENTRY_MAX => room *= 2,
            result => {
                return result.map(|ids| ids.map(|(uid, gid)| User { name: name.to_owned(), uid, gid }));
            }
        }
    }
}

fn lookup_in(name: &CStr, room: usize) -> io::Result<Option<(u32, u32)>> {
    let mut strings: Vec<c_char> = vec![0; room];
    // SAFETY: passwd is numbers and pointers, for which all zeros is a value.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found = ptr::null_mut();
    // SAFETY: each pointer goes with its length, and all live until the numbers are copied out below.
    let error: c_int = unsafe {
        libc::getpwnam_r(name.as_ptr(), &raw mut entry, strings.as_mut_ptr(), room, &raw mut found)
    };
    match (error, found.is_null()) {
        (0, false) => Ok(Some((entry.pw_uid, entry.pw_gid))),
        // POSIX lets an absent name be any of these.
        (0 | libc::ENOENT | libc::ESRCH, true) => Ok(None),
        (error, _) => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Whom a file or a folder belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    uid: u32,
    gid: u32,
}

/// For setresuid(2): that number stays. For setfsuid(2), which no account may have: only the present one is told.
const NO_ID: u32 = u32::MAX;

impl Owner {
    /// Of what is at this path.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|about| Self { uid: about.uid(), gid: about.gid() })
    }

    /// Is it root?
    pub fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Lets this process [act](Self::acting) as this owner also when it has given up all capabilities. Needs root.
    pub fn reserve(self) -> io::Result<()> {
        // A saved number may be taken at any time (setfsuid(2)). The group first: the privilege is still there.
        // SAFETY: takes numbers.
        check(unsafe { libc::setresgid(NO_ID, NO_ID, self.gid) })?;
        // SAFETY: takes numbers.
        check(unsafe { libc::setresuid(NO_ID, NO_ID, self.uid) }).map(drop)
    }

    /// Does something to files, in this thread, as this owner. Without [`reserve`](Self::reserve) it takes the privilege.
    pub fn acting<T>(self, deed: impl FnOnce() -> T) -> io::Result<T> {
        let before = Self::of_what_we_make();
        let _back = Back(before);
        self.take();
        match Self::of_what_we_make() == self {
            true => Ok(deed()),
            false => Err(io::Error::from_raw_os_error(libc::EPERM)),
        }
    }

    /// The kernel does not say whether it did.
    fn take(self) {
        // SAFETY: takes numbers.
        unsafe {
            libc::setfsgid(self.gid);
            libc::setfsuid(self.uid);
        }
    }

    fn of_what_we_make() -> Self {
        // SAFETY: takes numbers, changes nothing, and returns what there is.
        let (uid, gid) = unsafe { (libc::setfsuid(NO_ID), libc::setfsgid(NO_ID)) };
        Self { uid: uid.cast_unsigned(), gid: gid.cast_unsigned() }
    }
}

/// Whoever we were for files, we are again, whatever happens: that is always permitted.
struct Back(Owner);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// Becomes `user`, with its group alone, and keeps only these capabilities. There is no way back, and no program
/// started later gains anything. Needs root; the process is to have one thread.
pub fn become_user(user: &User, keep: &[Capability]) -> io::Result<()> {
    let with_parent = process::dies_with_parent()?;
    capability::keep_when_user_changes(true)?;
    set_ids(user)?;
    capability::keep_only(keep)?;
    capability::keep_when_user_changes(false)?;
    capability::never_gain_privileges()?;
    if with_parent {
        // The kernel forgets it when the user changes.
        process::die_with_parent()?;
    }
    match is_now(user)? {
        true => Ok(()),
        false => Err(io::Error::other("the kernel did not change the user as told")),
    }
}

/// Groups first: afterwards it is no longer permitted.
fn set_ids(user: &User) -> io::Result<()> {
    let (uid, gid) = (user.uid, user.gid);
    // SAFETY: the kernel reads one group.
    check(unsafe { libc::setgroups(1, &raw const gid) })?;
    // SAFETY: takes numbers.
    check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: takes numbers.
    check(unsafe { libc::setresuid(uid, uid, uid) }).map(drop)
}

fn is_now(user: &User) -> io::Result<bool> {
    let (mut uids, mut gids) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut uids;
    // SAFETY: the kernel writes one number to each address.
    check(unsafe { libc::getresuid(real, effective, saved) })?;
    let [real, effective, saved] = &mut gids;
    // SAFETY: the kernel writes one number to each address.
    check(unsafe { libc::getresgid(real, effective, saved) })?;
    Ok(uids == [user.uid; 3] && gids == [user.gid; 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name() {
        assert_eq!(lookup("root").unwrap(), Some(User { name: "root".to_owned(), uid: 0, gid: 0 }));
    }

    #[test]
    fn names_that_nobody_has_are_nobodys() {
        assert_eq!(lookup("no such user").unwrap(), None);
        assert_eq!(lookup("").unwrap(), None);
        assert_eq!(lookup("root\0x").unwrap(), None);
    }

    #[test]
    fn an_entry_that_does_not_fit_is_asked_for_again_with_more_room() {
        assert_eq!(lookup_in(c"root", 1).unwrap_err().raw_os_error(), Some(libc::ERANGE));
    }

    #[test]
    fn what_is_made_as_another_owner_is_theirs_and_then_ours_again() {
        let scratch = crate::scratch::Scratch::new();
        let ours = Owner::of_what_we_make();
        let theirs = Owner { uid: 65_534, gid: 65_534 };
        let path = scratch.file("x");
        fs::write(&path, b"").unwrap();
        assert_eq!(Owner::of(&path).unwrap(), ours);
        match theirs.acting(Owner::of_what_we_make) {
            Ok(acting) => assert_eq!(acting, theirs),
            Err(error) => assert_eq!((error.raw_os_error(), ours.is_root()), (Some(libc::EPERM), false)),
        }
        assert_eq!(Owner::of_what_we_make(), ours);
    }

    #[test]
    fn files_we_make_are_the_effective_users() {
        let scratch = crate::scratch::Scratch::new();
        std::fs::write(scratch.file("x"), b"").unwrap();
        assert_eq!(std::fs::metadata(scratch.file("x")).unwrap().uid(), effective_uid());
    }
}
