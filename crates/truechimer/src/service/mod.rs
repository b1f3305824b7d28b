//! The services as a tree of files for a supervisor: what `truechimer service` writes, compares and takes away.
//!
//! A [`Layout`] says where everything is and who runs it, a [`Tree`] is what follows from it, and the [`Manifest`] is
//! what was really written. Deciding ([`install::changes`], [`remove::fates`]) reads the disk and writes nothing.
//!
//! **Invariant:** nothing that is there already is replaced or removed unless it is byte for byte what was written
//! before, or the administrator has seen the difference and said so.
//!
//! **Invariant:** no program is run from here. Accounts are made and services are started by whoever has read the tree.

pub mod install;
pub mod layout;
pub mod manifest;
pub mod remove;
pub mod rival;
pub mod status;
pub mod supervised;
pub mod systemd;
pub mod template;
pub mod tree;

pub use layout::{Accounts, Layout, Role, Supervisor};
pub use manifest::Manifest;
pub use tree::{Entry, Item, Tree};

impl Layout {
    /// All that is to be on the disk, in the order in which it is written: what makes a supervisor start something
    /// comes last.
    pub fn tree(&self) -> Tree {
        match self.supervisor {
            Supervisor::Systemd => systemd::tree(self),
            Supervisor::Daemontools | Supervisor::Runit | Supervisor::S6 => supervised::tree(self),
        }
    }
}
