//! A tree of files as a value.

use std::io;
use std::path::{Path, PathBuf};

/// One thing in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, from the root of the running system.
    pub path: PathBuf,
    /// What.
    pub item: Item,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A folder that is to be there.
    Folder,
    /// A file with this text, which everybody may read.
    File {
        /// All of it.
        text: String,
        /// May it be run?
        is_program: bool,
    },
    /// A symbolic link.
    Link {
        /// To where.
        target: PathBuf,
    },
}

/// Everything, in the order in which it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The parts.
    pub entries: Vec<Entry>,
}

impl Tree {
    /// A folder, and this many above it as far as they are missing.
    pub fn folder(&mut self, path: impl Into<PathBuf>) {
        self.put(path.into(), Item::Folder);
    }

    /// A program's text.
    pub fn program(&mut self, path: impl Into<PathBuf>, text: String) {
        self.put(path.into(), Item::File { text, is_program: true });
    }

    /// A text that is only read.
    pub fn file(&mut self, path: impl Into<PathBuf>, text: String) {
        self.put(path.into(), Item::File { text, is_program: false });
    }

    /// A link.
    pub fn link(&mut self, path: impl Into<PathBuf>, target: &Path) {
        self.put(path.into(), Item::Link { target: target.to_owned() });
    }

    fn put(&mut self, path: PathBuf, item: Item) {
        self.entries.push(Entry { path, item });
    }
}

impl Item {
    /// The permissions of a file; those of a link and a folder are what they always are.
    pub const fn mode(&self) -> u32 {
        match self {
            Self::Folder | Self::Link { .. } | Self::File { is_program: true, .. } => 0o755,
            Self::File { is_program: false, .. } => 0o644,
        }
    }
}

/// Where `path` of the running system is below `prefix`.
pub fn below(prefix: &Path, path: &Path) -> PathBuf {
    prefix.join(path.strip_prefix("/").unwrap_or(path))
}

/// Does this say that there is nothing at a path, or no folder that it could be in?
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
