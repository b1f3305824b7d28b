//! From a tree to the disk: first what would change, and only then, if nobody objects, the change.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use similar::TextDiff;
use tempfile::NamedTempFile;
use truechimer_sys::file;

use super::manifest::{self, Manifest, Written};
use super::tree::{Entry, Item, below, is_absent};
use super::{Layout, Tree};

/// What is longer than this was not written by us, and is not shown.
const BYTES_MAX: usize = 1 << 20;

/// What has to happen at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing is there.
    Make,
    /// It is there already, as it should be.
    Keep,
    /// Something else is there, which could be replaced: this is the difference.
    Replace(String),
    /// Something else is there that is not ours to replace: this.
    Blocked(&'static str),
}

/// One place, and what has to happen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The place and what is to be there.
    pub entry: Entry,
    /// What has to happen.
    pub change: Change,
}

/// What it takes to have this tree below `prefix`. Nothing is written.
pub fn changes(tree: Tree, prefix: &Path) -> anyhow::Result<Vec<Step>> {
    let step = |entry: Entry| {
        let place = below(prefix, &entry.path);
        let change = change(&place, &entry).with_context(|| format!("cannot look at {}", place.display()))?;
        Ok(Step { entry, change })
    };
    tree.entries.into_iter().map(step).collect()
}

fn change(place: &Path, entry: &Entry) -> anyhow::Result<Change> {
    let there = match place.symlink_metadata() {
        // Where a file has the place of the folder above, that is blocked by itself.
        Err(error) if is_absent(&error) => return Ok(Change::Make),
        there => there?,
    };
    match &entry.item {
        // A link to a folder is the administrator's way of having it elsewhere.
        Item::Folder if place.is_dir() => Ok(Change::Keep),
        Item::Folder => Ok(Change::Blocked("it is not a folder")),
        Item::File { .. } | Item::Link { .. } if there.is_dir() => Ok(Change::Blocked("it is a folder")),
        Item::File { text, .. } if there.is_file() => file_change(place, entry, text, there.permissions()),
        Item::File { .. } => Ok(Change::Replace(format!("{} is not a regular file\n", entry.path.display()))),
        Item::Link { target } => Ok(link_change(place, entry, target)),
    }
}

fn file_change(place: &Path, entry: &Entry, text: &str, there: Permissions) -> anyhow::Result<Change> {
    let bytes = file::load(place, BYTES_MAX)?;
    let (mode, wanted) = (there.mode() & 0o7777, entry.item.mode());
    match (bytes == text.as_bytes(), mode == wanted) {
        (true, true) => Ok(Change::Keep),
        (true, false) => {
            Ok(Change::Replace(format!("{} has mode {mode:04o}, not {wanted:04o}\n", entry.path.display())))
        }
        (false, _) => Ok(Change::Replace(diff(&String::from_utf8_lossy(&bytes), text, &entry.path))),
    }
}

fn link_change(place: &Path, entry: &Entry, target: &Path) -> Change {
    let name = entry.path.display();
    match place.read_link() {
        Ok(there) if there == target => Change::Keep,
        Ok(there) => {
            Change::Replace(format!("{name} leads to {}, not to {}\n", there.display(), target.display()))
        }
        Err(_) => Change::Replace(format!("{name} is no link\n")),
    }
}

/// A patch from what is there to what is to be there.
fn diff(there: &str, wanted: &str, path: &Path) -> String {
    let name = path.display().to_string();
    TextDiff::from_lines(there, wanted).unified_diff().header(&name, &format!("{name} (new)")).to_string()
}

/// A whole text as a patch from nothing.
pub fn patch_of_new(text: &str, path: &Path) -> String {
    TextDiff::from_lines("", text).unified_diff().header("/dev/null", &path.display().to_string()).to_string()
}

/// Does what the steps say, and returns what was written altogether, now and before (`earlier`). The manifest is written
/// also if something fails half-way.
pub fn apply(
    steps: &[Step],
    layout: &Layout,
    prefix: &Path,
    earlier: Option<Manifest>,
) -> anyhow::Result<Manifest> {
    let mut manifest = Manifest::of(layout);
    manifest.written = earlier.map(|earlier| earlier.written).unwrap_or_default();
    let result = steps.iter().try_for_each(|step| carry_out(step, prefix, &mut manifest));
    let place = layout.services.join(manifest::FILE_NAME);
    let saved = save(&manifest, &place, prefix);
    result.and(saved).map(|()| manifest)
}

fn save(manifest: &Manifest, place: &Path, prefix: &Path) -> anyhow::Result<()> {
    let text = manifest.to_json()?;
    let place = below(prefix, place);
    write(&place, &text, 0o644, true).with_context(|| format!("cannot write {}", place.display()))
}

fn carry_out(step: &Step, prefix: &Path, manifest: &mut Manifest) -> anyhow::Result<()> {
    let Step { entry, change } = step;
    let replaces = match change {
        Change::Keep => return Ok(()),
        Change::Blocked(why) => anyhow::bail!("{}: {why}", entry.path.display()),
        Change::Make => false,
        Change::Replace(_) => true,
    };
    if let Some(parent) = entry.path.parent() {
        make_folders(parent, prefix, manifest)?;
    }
    let place = below(prefix, &entry.path);
    let made = match &entry.item {
        Item::Folder => return make_folders(&entry.path, prefix, manifest),
        Item::File { text, .. } => write(&place, text, entry.item.mode(), replaces),
        Item::Link { target } => link(&place, target, replaces),
    };
    made.with_context(|| format!("cannot write {}", place.display()))?;
    manifest.written.insert(entry.path.clone(), Written::of(&entry.item));
    Ok(())
}

/// Each folder that is missing on the way to `path`, and that it was us who made it.
fn make_folders(path: &Path, prefix: &Path, manifest: &mut Manifest) -> anyhow::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !below(prefix, folder).exists()).collect();
    for folder in missing.into_iter().rev() {
        let place = below(prefix, folder);
        make_folder(&place).with_context(|| format!("cannot make the folder {}", place.display()))?;
        if folder != Path::new("/") {
            manifest.written.insert(folder.to_owned(), Written::Folder);
        }
    }
    Ok(())
}

/// With exactly these permissions, whatever the umask.
fn make_folder(place: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(place)?;
    fs::set_permissions(place, Permissions::from_mode(Item::Folder.mode()))
}

/// A file that appears whole or not at all. Its name begins with a dot until then, so that no scanner looks at it.
fn write(place: &Path, text: &str, mode: u32, replaces: bool) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("/"));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    let persisted = match replaces {
        true => file.persist(place),
        false => file.persist_noclobber(place),
    };
    persisted.map(drop).map_err(|error| error.error)
}

fn link(place: &Path, target: &Path, replaces: bool) -> io::Result<()> {
    if !replaces {
        return symlink(target, place);
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let new: PathBuf = place.with_file_name(format!(".{name}.new"));
    symlink(target, &new)?;
    fs::rename(&new, place)
}

#[cfg(test)]
mod tests;
