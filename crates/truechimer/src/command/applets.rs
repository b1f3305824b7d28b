//! `truechimer applets`: the classic names, and the links that make them commands.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::classic;
use crate::cli;
use crate::command::Outcome;

/// Prints the names, or makes a link for each and prints what was made. Nothing that is there already is replaced.
pub fn applets(arguments: &cli::Applets) -> anyhow::Result<Outcome> {
    let Some(folder) = &arguments.install else {
        classic::names().iter().try_for_each(|name| writeln!(io::stdout(), "{name}"))?;
        return Ok(Outcome::Yes);
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let target = target(&program, folder);
    let mut outcome = Outcome::Yes;
    for name in classic::names() {
        let link = folder.join(name);
        match install(&link, &target)? {
            Link::Made => writeln!(io::stdout(), "{} -> {}", link.display(), target.display())?,
            Link::There => {}
            Link::Taken => {
                let place = link.display();
                writeln!(io::stderr(), "truechimer: {place} is something else and is left alone")?;
                outcome = Outcome::No;
            }
        }
    }
    Ok(outcome)
}

/// In the folder of the program itself its name is enough, so that both can be moved together.
fn target(program: &Path, folder: &Path) -> PathBuf {
    let is_beside = program.parent().is_some_and(|home| fs::canonicalize(folder).is_ok_and(|it| it == home));
    match program.file_name() {
        Some(name) if is_beside => name.into(),
        Some(_) | None => program.to_owned(),
    }
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Made,
    There,
    Taken,
}

fn install(link: &Path, target: &Path) -> anyhow::Result<Link> {
    match symlink(target, link) {
        Ok(()) => Ok(Link::Made),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_ours = fs::read_link(link).is_ok_and(|there| there == target);
            Ok(if is_ours { Link::There } else { Link::Taken })
        }
        Err(error) => Err(error).with_context(|| format!("cannot make the link {}", link.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_once_and_nothing_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, target) = (folder.path().join("clockview"), Path::new("/bin/truechimer"));
        assert_eq!(install(&link, target).unwrap(), Link::Made);
        assert_eq!(install(&link, target).unwrap(), Link::There);
        assert_eq!(install(&link, Path::new("/bin/other")).unwrap(), Link::Taken);
        assert_eq!(fs::read_link(&link).unwrap(), target);
        assert!(install(&folder.path().join("none/clockview"), target).is_err());
    }

    #[test]
    fn beside_the_program_links_are_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(target(&home.join("truechimer"), folder.path()), Path::new("truechimer"));
        assert_eq!(target(&home.join("truechimer"), Path::new("/")), home.join("truechimer"));
    }
}
