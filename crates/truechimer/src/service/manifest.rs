//! What was written, so that it can be compared and taken away again: `manifest.json` in the folder of the services.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truechimer_sys::file;

use super::layout::{Layout, Role, Supervisor};
use super::tree::{Item, below, is_absent};

/// Its name.
pub const FILE_NAME: &str = "manifest.json";

/// The only form there is.
const FORMAT: u32 = 1;

/// A manifest has some dozens of short lines.
const BYTES_MAX: usize = 1 << 20;

/// What was written.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of this file.
    pub format: u32,
    /// For which supervisor: its name.
    pub supervisor: String,
    /// "master" or "client".
    pub role: String,
    /// The names of the services, and of their logs: `NAME/log`.
    pub services: Vec<String>,
    /// Each path of the running system, and what was put there.
    pub written: BTreeMap<PathBuf, Written>,
}

/// What was put somewhere.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Written {
    /// A folder.
    Folder,
    /// A file: the SHA-256 of its bytes, in hexadecimal.
    File(String),
    /// A link: where it leads.
    Link(PathBuf),
}

impl Written {
    /// What is written for this item.
    pub fn of(item: &Item) -> Self {
        match item {
            Item::Folder => Self::Folder,
            Item::File { text, .. } => Self::File(hash(text.as_bytes())),
            Item::Link { target } => Self::Link(target.clone()),
        }
    }
}

impl Manifest {
    /// One that says that nothing was written yet.
    pub fn of(layout: &Layout) -> Self {
        let role = match layout.role {
            Role::Master => "master",
            Role::Client => "client",
        };
        let services = layout.services().iter().map(|&name| name.to_owned());
        let logs = layout.logged().iter().map(|name| format!("{name}/log"));
        Self {
            format: FORMAT,
            supervisor: layout.supervisor.name().to_owned(),
            role: role.to_owned(),
            services: services.chain(logs).collect(),
            written: BTreeMap::new(),
        }
    }

    /// The one in this folder of services, if there is one.
    pub fn load(prefix: &Path, services: &Path) -> anyhow::Result<Option<Self>> {
        let path = below(prefix, &services.join(FILE_NAME));
        let bytes = match file::load(&path, BYTES_MAX) {
            Err(error) if error.is_missing() => return Ok(None),
            loaded => loaded?,
        };
        let manifest: Self =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no manifest", path.display()))?;
        anyhow::ensure!(manifest.format == FORMAT, "{} is of form {}", path.display(), manifest.format);
        Ok(Some(manifest))
    }

    /// As text.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Is this the supervisor for which it was written?
    pub fn is_for(&self, supervisor: Supervisor) -> bool {
        self.supervisor == supervisor.name()
    }
}

/// How something stands that was written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was written.
    Same,
    /// Somebody changed it, or put something else in its place.
    Changed,
    /// It is not there.
    Gone,
}

/// How `written` stands at `path` on the disk.
pub fn standing(path: &Path, written: &Written) -> io::Result<Standing> {
    let there = match path.symlink_metadata() {
        Err(error) if is_absent(&error) => return Ok(Standing::Gone),
        there => there?,
    };
    let is_same = match written {
        Written::Folder => there.is_dir(),
        Written::File(hash) => there.is_file() && *hash == hash_of_file(path)?,
        Written::Link(target) => there.is_symlink() && *target == path.read_link()?,
    };
    Ok(if is_same { Standing::Same } else { Standing::Changed })
}

/// A file that has grown beyond all limits is not what was written.
fn hash_of_file(path: &Path) -> io::Result<String> {
    match file::load(path, BYTES_MAX) {
        Ok(bytes) => Ok(hash(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(String::new()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::plain;
    use super::*;
    use std::fs;

    #[test]
    fn the_hash_is_the_one_that_sha256sum_prints() {
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut manifest = Manifest::of(&plain(Supervisor::Runit, Role::Master));
        manifest.written.insert("/a".into(), Written::Folder);
        manifest.written.insert("/a/b".into(), Written::File(hash(b"x")));
        manifest.written.insert("/c".into(), Written::Link("/a/b".into()));
        assert_eq!(Manifest::load(folder.path(), Path::new("/s")).unwrap(), None);
        fs::create_dir(folder.path().join("s")).unwrap();
        let path = folder.path().join("s").join(FILE_NAME);
        fs::write(&path, manifest.to_json().unwrap()).unwrap();
        assert_eq!(Manifest::load(folder.path(), Path::new("/s")).unwrap(), Some(manifest.clone()));
        assert!(manifest.is_for(Supervisor::Runit) && !manifest.is_for(Supervisor::S6));
        manifest.format = 2;
        fs::write(&path, manifest.to_json().unwrap()).unwrap();
        assert!(Manifest::load(folder.path(), Path::new("/s")).is_err());
        fs::write(&path, "{").unwrap();
        assert!(Manifest::load(folder.path(), Path::new("/s")).is_err());
    }

    #[test]
    fn every_change_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        let (written, led) = (Written::File(hash(b"text")), Written::Link("/there".into()));
        let stand = |path: &Path, written: &Written| standing(path, written).unwrap();
        assert_eq!(stand(&file, &written), Standing::Gone);
        fs::write(&file, "text").unwrap();
        assert_eq!(stand(&file, &written), Standing::Same);
        assert_eq!(stand(&file, &Written::Folder), Standing::Changed);
        fs::write(&file, "text ").unwrap();
        assert_eq!(stand(&file, &written), Standing::Changed);
        fs::write(&file, vec![0; BYTES_MAX + 1]).unwrap();
        assert_eq!(stand(&file, &written), Standing::Changed);
        std::os::unix::fs::symlink("/there", &link).unwrap();
        assert_eq!(stand(&link, &led), Standing::Same);
        assert_eq!(stand(&link, &written), Standing::Changed);
        assert_eq!(stand(&link, &Written::Link("/elsewhere".into())), Standing::Changed);
        assert_eq!(stand(folder.path(), &Written::Folder), Standing::Same);
    }
}
