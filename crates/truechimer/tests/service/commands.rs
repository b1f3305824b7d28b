//! What the subcommands print and end with.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::host::{Host, eventually, not_tested, service, told};

const SUPERVISORS: [&str; 4] = ["systemd", "daemontools", "runit", "s6"];

fn install(host: &Host, more: &[&str]) -> (Option<i32>, String) {
    let mut command = service();
    command.args(["install", "--prefix"]).arg(host.at("root")).args(more);
    told(&command.output().unwrap())
}

fn other(host: &Host, verb: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut command = service();
    command.args([verb, "--prefix"]).arg(host.at("root")).args(more);
    told(&command.output().unwrap())
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let host = Host::new();
    for supervisor in SUPERVISORS {
        let (code, text) = install(&host, &["--supervisor", supervisor, "--role", "master", "--dry-run"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(!host.at("root").exists(), "{supervisor}");
        let shown = match supervisor {
            "systemd" => "\n+ExecStart=/usr/local/clockspeed/bin/taiclockd --kernel utc\n",
            "s6" => " taiclockd /usr/local/clockspeed/bin/taiclockd --kernel utc --ready-fd 3\n",
            _supervised => " taiclockd /usr/local/clockspeed/bin/taiclockd --kernel utc\n",
        };
        assert!(text.contains(shown) && text.contains("--- /dev/null\n"), "{text}");
    }
}

#[test]
fn what_differs_is_shown_and_stays_unless_forced() {
    let host = Host::new();
    let daemontools = ["--supervisor", "daemontools"];
    assert_eq!(install(&host, &daemontools).0, Some(0));
    let run = host.at("root/etc/truechimer/service/clockadjust/run");
    fs::write(&run, "#!/bin/sh\nexec mine\n").unwrap();
    let (code, text) = install(&host, &daemontools);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("\n-exec mine\n"), "{text}");
    assert!(text.contains("nothing was written: 1 would be replaced"), "{text}");
    assert_eq!(fs::read_to_string(&run).unwrap(), "#!/bin/sh\nexec mine\n");
    let (code, text) = install(&host, &["--supervisor", "daemontools", "--force"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\n-exec mine\n"), "{text}");
    assert!(fs::read_to_string(&run).unwrap().contains("setuidgid truechimer "));
    assert!(install(&host, &daemontools).1.contains("same    script"));
}

#[test]
fn status_tells_what_was_changed_and_remove_leaves_it() {
    let host = Host::new();
    assert_eq!(other(&host, "status", &[]).0, Some(1));
    assert_eq!(other(&host, "remove", &[]).0, Some(1));
    assert_eq!(install(&host, &["--supervisor", "s6"]).0, Some(0));
    fs::write(host.at("root/etc/truechimer/service/accounts"), "mine\n").unwrap();
    fs::remove_file(host.at("root/service/clockspeed")).unwrap();
    let (code, text) = other(&host, "status", &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("changed /etc/truechimer/service/accounts\ngone    /service/clockspeed\n"),
        "{text}"
    );
    assert!(text.contains("nobody would start it"), "{text}");
    let (code, text) = other(&host, "remove", &["--dry-run"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(host.at("root/etc/truechimer/service/clockspeed/run").exists());
    assert_eq!(other(&host, "remove", &[]), (code, text.clone()), "it does what it said");
    assert!(text.contains("changed /etc/truechimer/service/accounts\n"), "{text}");
    assert!(text.contains("in use  /etc/truechimer/service\n"), "{text}");
    assert!(!host.at("root/etc/truechimer/service/clockspeed").exists());
    assert_eq!(host.text("root/etc/truechimer/service/accounts"), "mine\n");
}

#[test]
fn services_of_two_supervisors_are_not_mixed() {
    let host = Host::new();
    assert_eq!(install(&host, &["--supervisor", "s6"]).0, Some(0));
    let (code, text) = install(&host, &["--supervisor", "runit", "--force"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("are those for s6"), "{text}");
    assert_eq!(other(&host, "remove", &[]).0, Some(0));
    assert_eq!(install(&host, &["--supervisor", "runit"]).0, Some(0));
}

#[test]
fn what_a_shell_would_misunderstand_is_a_wrong_call() {
    let host = Host::new();
    for words in
        [["--home", "/a b"], ["--config", "relative"], ["--log-account", "a;b"], ["--serve-account", "root"]]
    {
        let (code, text) = install(&host, &[&["--supervisor", "s6"][..], &words].concat());
        assert_eq!(code, Some(100), "{text}");
    }
    assert_eq!(install(&host, &[]).0, Some(100), "for whom?");
}

#[test]
fn the_scanner_that_is_there_is_found() {
    let host = Host::new();
    fs::create_dir_all(host.at("root/etc/service")).unwrap();
    let (code, text) = install(&host, &["--supervisor", "daemontools", "--dry-run"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("link   /etc/service/clockspeed -> "), "{text}");
    let (_, text) = install(&host, &["--supervisor", "daemontools", "--dry-run", "--scan", "/run/service"]);
    assert!(text.contains("link   /run/service/clockspeed -> "), "{text}");
}

#[test]
fn every_script_is_one_that_a_shell_can_read() {
    for supervisor in SUPERVISORS {
        let host = Host::new();
        assert_eq!(install(&host, &["--supervisor", supervisor, "--role", "master"]).0, Some(0));
        let find = "find \"$1\" \\( -name run -o -name accounts \\) -exec sh -n {} \\; 2>&1";
        let output = Command::new("sh").args(["-c", find, "sh"]).arg(host.at("root")).output().unwrap();
        assert_eq!(told(&output), (Some(0), String::new()), "{supervisor}");
    }
}

/// What the unit of systemd relies on. The privilege is that of low ports: the one to set the clock is not for tests.
#[test]
fn a_daemon_that_was_given_a_privilege_gives_it_up() {
    if truechimer_sys::user::effective_uid() != 0 {
        return not_tested("another user with a privilege (needs root)");
    }
    let host = Host::new();
    let config = host.at("config.toml");
    fs::write(&config, daemon_config(&host)).unwrap();
    for folder in ["state", "run"] {
        fs::create_dir(host.at(folder)).unwrap();
        std::os::unix::fs::chown(host.at(folder), Some(65534), Some(65534)).unwrap();
    }
    let privileged = ["--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=KILL"];
    let mut command = Command::new("setpriv");
    command.args(privileged).args(["--bounding-set=-all,+net_bind_service"]);
    command.args(["--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service", "--"]);
    command.arg(env!("CARGO_BIN_EXE_truechimer")).args(["run", "--config"]).arg(&config);
    let mut child = command.process_group(0).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let sets = || -> Vec<String> {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let is_set =
            |line: &&str| ["CapInh", "CapPrm", "CapEff", "CapAmb"].iter().any(|set| line.starts_with(set));
        text.lines().filter(is_set).map(str::to_owned).collect()
    };
    let listens = host.at("run/control");
    eventually("the daemon listens", || listens.exists().then_some(()));
    eventually("nothing is left", || {
        (sets().len() == 4 && sets().iter().all(|set| set.ends_with("\t0000000000000000"))).then_some(())
    });
    child.kill().unwrap();
    let _ended: Output = child.wait_with_output().unwrap();
}

fn daemon_config(host: &Host) -> String {
    let place = |name: &str| host.at(name).display().to_string();
    let (state, run) = (place("state"), place("run"));
    format!("source = []\n[clock]\ntarget = \"user\"\n[state]\ndir = \"{state}\"\nrun_dir = \"{run}\"\n")
}
