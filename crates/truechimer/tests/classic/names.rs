//! Links and pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{run, text, told};

#[test]
fn links_are_made_and_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("a plain path");
    let truechimer = |arguments: &[&str]| run("truechimer", arguments, b"");
    let listed = truechimer(&["applets"]);
    let made = truechimer(&["applets", "--install", place]);
    assert_eq!((listed.status.code(), made.status.code()), (Some(0), Some(0)));
    assert!(!listed.stdout.is_empty());
    for name in text(&listed.stdout).lines() {
        let link = Path::new(place).join(name);
        assert!(text(&made.stdout).contains(&format!("{} -> ", link.display())), "{name}");
        let help = Command::new(&link).arg("--help").output().expect("the link leads to the binary");
        assert_eq!(help.status.code(), Some(0), "{name}");
        assert!(text(&help.stdout).contains(&format!("Usage: {name}")), "{}", text(&help.stdout));
    }
    let again = truechimer(&["applets", "--install", place]);
    assert_eq!(told(&again), (Some(0), String::new(), String::new()));
}

#[test]
fn what_stands_in_the_way_of_a_link_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("clockview");
    fs::write(&taken, "mine").unwrap();
    let made = run("truechimer", &["applets", "--install", folder.path().to_str().unwrap()], b"");
    assert_eq!(made.status.code(), Some(1));
    assert!(text(&made.stderr).contains("clockview is something else and is left alone"));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}

#[test]
fn each_program_has_a_page_under_its_own_name() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run("truechimer", &["man", folder.path().to_str().unwrap()], b"").status.code(), Some(0));
    for name in text(&run("truechimer", &["applets"], b"").stdout).lines() {
        let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(name);
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
}
