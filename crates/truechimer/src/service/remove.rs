//! Taking away what was written, as far as it is still what was written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::manifest::{self, Manifest, Standing, Written};
use super::tree::below;

/// What becomes of something that was written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Goes,
    /// It stays, because somebody changed it.
    Changed,
    /// It stays, because it is a folder in which something is that we did not write.
    InUse,
    /// It has gone already.
    Gone,
}

/// The fate of everything, in the order in which it goes: what is in a folder before the folder, and what makes a
/// supervisor look (the links) before what they lead to. Nothing is removed.
pub fn fates(manifest: &Manifest, prefix: &Path, services: &Path) -> anyhow::Result<Vec<(PathBuf, Fate)>> {
    let mut paths: Vec<(&PathBuf, &Written)> = manifest.written.iter().collect();
    paths.sort_by_key(|(path, written)| (rank(written), std::cmp::Reverse(path.as_path())));
    let mut fates = vec![];
    // The manifest itself goes last of the files, and is in nobody's way.
    let mut going = vec![services.join(manifest::FILE_NAME)];
    for (path, written) in paths {
        let place = below(prefix, path);
        let fate = fate(&place, path, written, &going)
            .with_context(|| format!("cannot look at {}", place.display()))?;
        if fate == Fate::Goes {
            going.push(path.clone());
        }
        fates.push((path.clone(), fate));
    }
    Ok(fates)
}

const fn rank(written: &Written) -> u8 {
    match written {
        Written::Link(_) => 0,
        Written::File(_) => 1,
        Written::Folder => 2,
    }
}

fn fate(place: &Path, path: &Path, written: &Written, going: &[PathBuf]) -> io::Result<Fate> {
    Ok(match (manifest::standing(place, written)?, written) {
        (Standing::Gone, _) => Fate::Gone,
        (Standing::Changed, _) => Fate::Changed,
        (Standing::Same, Written::File(_) | Written::Link(_)) => Fate::Goes,
        (Standing::Same, Written::Folder) if is_emptied(place, path, going)? => Fate::Goes,
        (Standing::Same, Written::Folder) => Fate::InUse,
    })
}

fn is_emptied(place: &Path, path: &Path, going: &[PathBuf]) -> io::Result<bool> {
    for entry in fs::read_dir(place)? {
        if !going.contains(&path.join(entry?.file_name())) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what goes, and the manifest: what stays is the administrator's from now on.
pub fn apply(fates: &[(PathBuf, Fate)], prefix: &Path, services: &Path) -> anyhow::Result<()> {
    let (folders, others): (Vec<_>, Vec<_>) = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Goes)
        .map(|(path, _)| below(prefix, path))
        .partition(|place| place.is_dir() && !place.is_symlink());
    let manifest = below(prefix, &services.join(manifest::FILE_NAME));
    let files = others.iter().chain([&manifest]);
    files.into_iter().try_for_each(|place| removed(place, fs::remove_file(place)))?;
    folders.iter().try_for_each(|place| removed(place, fs::remove_dir(place)))
}

fn removed(place: &Path, result: io::Result<()>) -> anyhow::Result<()> {
    result.with_context(|| format!("cannot remove {}", place.display()))
}
