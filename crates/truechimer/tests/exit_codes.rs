//! What programs that call us see: 0 yes, 1 no, 100 called wrongly, 111 the system failed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn truechimer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn code(arguments: &[&str]) -> Option<i32> {
    truechimer(arguments).status.code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("cargo gives tests a folder to write to");
    path
}

#[test]
fn help_that_was_asked_for_is_no_error() {
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["config", "--help"]), Some(0));
}

#[test]
fn a_wrong_call_is_100() {
    for arguments in [&[][..], &["nonsense"], &["config"], &["config", "check", "a", "b"], &["--nonsense"]] {
        let output = truechimer(arguments);
        assert_eq!(output.status.code(), Some(100), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_a_no_with_the_place() {
    let path = folder("wrong").join("t.toml");
    fs::write(&path, "accuracy = 5\n").unwrap();
    let output = truechimer(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("t.toml:1:12: 5 is a bare number"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(code(&["config", "check", "/nonexistent/t.toml"]), Some(1));
}

#[test]
fn a_history_that_is_not_there_is_a_no_with_a_word() {
    let folder = folder("no-history");
    let output = truechimer(&["history", "--color", "never", "--state-dir", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no history in") && stderr(&output).contains("--state-dir"));
}

#[test]
fn what_is_shown_is_right() {
    let dir = folder("shown");
    let path = dir.join("t.toml");
    fs::write(&path, "[clock]\ntarget = \"user\"\n").unwrap();
    let shown = truechimer(&["config", "show", path.to_str().unwrap()]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    fs::write(&path, &shown.stdout).unwrap();
    let again = truechimer(&["config", "show", path.to_str().unwrap()]);
    assert_eq!(shown.stdout, again.stdout);
    assert_eq!(code(&["config", "check", path.to_str().unwrap()]), Some(0));
}

/// Bad input 125: a configuration in the current folder is not looked at.
#[test]
fn the_current_folder_is_not_read() {
    let dir = folder("cwd");
    fs::create_dir_all(dir.join("conf.d")).unwrap();
    for name in ["truechimer.toml", "conf.d/a.toml"] {
        fs::write(dir.join(name), "this is not TOML").unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(["config", "check"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(!stderr(&output).contains("this is not TOML"), "{}", stderr(&output));
    let named = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(["config", "check", "truechimer.toml"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert_eq!(named.status.code(), Some(1));
}

#[test]
fn packagers_get_pages_and_completions() {
    let dir = folder("man");
    assert_eq!(code(&["man", dir.to_str().unwrap()]), Some(0));
    let page = fs::read_to_string(dir.join("truechimer-config-check.1")).unwrap();
    assert!(page.contains("FILE"), "{page}");
    assert!(dir.join("truechimer.1").exists() && !dir.join("truechimer-man.1").exists());
    let script = truechimer(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&script.stdout).contains("complete -F _truechimer"));
    let gone = truechimer(&["man", "/nonexistent"]);
    assert_eq!(gone.status.code(), Some(111));
    assert!(stderr(&gone).starts_with("truechimer: cannot write /nonexistent/truechimer.1: No such file"));
}
