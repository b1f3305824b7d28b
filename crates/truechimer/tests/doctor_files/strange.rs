//! A file system whose stamps are wrong: in memory, served to the kernel by FUSE, with the clock of another machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyCreate, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

/// What is wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct Ills {
    /// By how much the clock that stamps files is ahead of ours, in milliseconds.
    pub(crate) files_ahead_ms: i64,
    /// The clock that stamps folders.
    pub(crate) folders_ahead_ms: i64,
    /// By which steps stamps go, in nanoseconds.
    pub(crate) step_ns: i128,
    /// The last second that can be kept.
    pub(crate) last_second: i64,
    /// Whether it never answers who makes a folder.
    pub(crate) is_mute: bool,
}

impl Ills {
    /// Nothing at all.
    pub(crate) const NONE: Self = Self {
        files_ahead_ms: 0,
        folders_ahead_ms: 0,
        step_ns: 1,
        last_second: i64::MAX / 2,
        is_mute: false,
    };
}

/// Mounts it; it is gone with what is returned. `from` is what it claims to be mounted from.
pub(crate) fn mount(ills: Ills, from: &str, point: &Path) -> BackgroundSession {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(from.to_owned()),
        MountOption::CUSTOM("subtype=sshfs".to_owned()),
        MountOption::DefaultPermissions,
    ];
    let system = Strange { ills, nodes: Mutex::new(Nodes::new(ills)), mute: Mutex::new(Vec::new()) };
    fuser::spawn_mount(system, point, &config).expect("this namespace lets us mount")
}

struct Node {
    parent: u64,
    name: OsString,
    kind: FileType,
    size: u64,
    mtime: SystemTime,
}

struct Nodes {
    all: BTreeMap<u64, Node>,
    next: u64,
}

impl Nodes {
    fn new(ills: Ills) -> Self {
        let top = Node {
            parent: 0,
            name: OsString::new(),
            kind: FileType::Directory,
            size: 0,
            mtime: ills.now(FileType::Directory),
        };
        Self { all: BTreeMap::from([(1, top)]), next: 2 }
    }

    fn named(&self, parent: INodeNo, name: &OsStr) -> Option<u64> {
        let is_it = |node: &Node| node.parent == parent.0 && node.name == name;
        self.all.iter().find(|(_, node)| is_it(node)).map(|(number, _)| *number)
    }

    fn add(&mut self, parent: INodeNo, name: &OsStr, kind: FileType, mtime: SystemTime) -> u64 {
        let number = self.next;
        self.next += 1;
        self.all.insert(number, Node { parent: parent.0, name: name.to_owned(), kind, size: 0, mtime });
        number
    }

    fn about(&self, number: u64) -> Option<FileAttr> {
        let node = self.all.get(&number)?;
        Some(FileAttr {
            ino: INodeNo(number),
            size: node.size,
            blocks: 1,
            atime: node.mtime,
            mtime: node.mtime,
            ctime: node.mtime,
            crtime: UNIX_EPOCH,
            kind: node.kind,
            perm: 0o777,
            nlink: 1,
            // Whoever mounts it in a namespace of users is root there.
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 512,
            flags: 0,
        })
    }
}

impl Ills {
    fn now(self, kind: FileType) -> SystemTime {
        let ahead = if kind == FileType::Directory { self.folders_ahead_ms } else { self.files_ahead_ms };
        let shift = Duration::from_millis(ahead.unsigned_abs());
        let now = SystemTime::now();
        self.kept(if ahead < 0 { now - shift } else { now + shift })
    }

    /// A stamp as far as it can be kept.
    fn kept(self, stamp: SystemTime) -> SystemTime {
        let since = stamp.duration_since(UNIX_EPOCH).expect("no test is before 1970").as_nanos() as i128;
        let kept = (since - since % self.step_ns).min(i128::from(self.last_second) * 1_000_000_000);
        UNIX_EPOCH + Duration::new((kept / 1_000_000_000) as u64, (kept % 1_000_000_000) as u32)
    }
}

struct Strange {
    ills: Ills,
    nodes: Mutex<Nodes>,
    /// Questions that are never answered; a reply that is dropped would be an error to who asks.
    mute: Mutex<Vec<ReplyEntry>>,
}

/// Nothing is remembered by the kernel.
const TTL: Duration = Duration::ZERO;

impl Strange {
    fn with<T>(&self, act: impl FnOnce(&mut Nodes) -> T) -> T {
        act(&mut self.nodes.lock().expect("no thread of the file system panics"))
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed =
            self.with(|nodes| nodes.named(parent, name).and_then(|number| nodes.all.remove(&number)));
        match removed {
            Some(_) => reply.ok(),
            None => reply.error(Errno::ENOENT),
        }
    }
}

impl Filesystem for Strange {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.with(|nodes| nodes.named(parent, name).and_then(|number| nodes.about(number))) {
            Some(about) => reply.entry(&TTL, &about, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.with(|nodes| nodes.about(ino.0)) {
            Some(about) => reply.attr(&TTL, &about),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let about = self.with(|nodes| {
            let node = nodes.all.get_mut(&ino.0)?;
            match mtime {
                Some(TimeOrNow::SpecificTime(time)) => node.mtime = self.ills.kept(time),
                Some(TimeOrNow::Now) => node.mtime = self.ills.now(node.kind),
                None => {}
            }
            nodes.about(ino.0)
        });
        match about {
            Some(about) => reply.attr(&TTL, &about),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mkdir(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        if self.ills.is_mute {
            self.mute.lock().expect("no thread of the file system panics").push(reply);
            return;
        }
        let kind = FileType::Directory;
        let about = self.with(|nodes| {
            let number = nodes.add(parent, name, kind, self.ills.now(kind));
            nodes.about(number).expect("it was just made")
        });
        reply.entry(&TTL, &about, Generation(0));
    }

    fn create(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let kind = FileType::RegularFile;
        let about = self.with(|nodes| {
            let number = nodes.add(parent, name, kind, self.ills.now(kind));
            nodes.about(number).expect("it was just made")
        });
        reply.created(&TTL, &about, Generation(0), FileHandle(0), FopenFlags::empty());
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.with(|nodes| {
            if let Some(node) = nodes.all.get_mut(&ino.0) {
                node.size = node.size.max(offset + data.len() as u64);
                node.mtime = self.ills.now(node.kind);
            }
        });
        reply.written(data.len() as u32);
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.with(|nodes| {
            let inside = nodes.all.iter().filter(|(_, node)| node.parent == ino.0);
            for (index, (number, node)) in inside.enumerate().skip(offset as usize) {
                if reply.add(INodeNo(*number), index as u64 + 1, node.kind, &node.name) {
                    break;
                }
            }
        });
        reply.ok();
    }
}
