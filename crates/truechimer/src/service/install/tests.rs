use super::super::layout::tests::plain;
use super::super::remove::{self, Fate};
use super::super::{Role, Supervisor};
use super::*;
use clap::ValueEnum;
use std::path::PathBuf;

struct Host {
    root: tempfile::TempDir,
    layout: Layout,
}

impl Host {
    fn new(supervisor: Supervisor) -> Self {
        Self { root: tempfile::tempdir().expect("a folder"), layout: plain(supervisor, Role::Master) }
    }

    fn steps(&self) -> Vec<Step> {
        changes(self.layout.tree(), self.root.path()).unwrap()
    }

    fn manifest(&self) -> Option<Manifest> {
        Manifest::load(self.root.path(), &self.layout.services).unwrap()
    }

    fn install(&self) {
        let earlier = self.manifest();
        apply(&self.steps(), &self.layout, self.root.path(), earlier).unwrap();
    }

    fn remove(&self) -> Vec<(PathBuf, Fate)> {
        let fates =
            remove::fates(&self.manifest().expect("it was written"), self.root.path(), &self.layout.services);
        let fates = fates.unwrap();
        remove::apply(&fates, self.root.path(), &self.layout.services).unwrap();
        fates
    }

    fn at(&self, path: &str) -> PathBuf {
        below(self.root.path(), Path::new(path))
    }

    /// Everything below the root but the root.
    fn everything(&self) -> Vec<PathBuf> {
        let mut found = vec![];
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found
    }
}

fn only_keeps(steps: &[Step]) -> bool {
    steps.iter().all(|step| step.change == Change::Keep)
}

#[test]
fn what_is_written_is_what_was_wanted_and_is_written_once() {
    for supervisor in Supervisor::value_variants() {
        let host = Host::new(*supervisor);
        assert!(host.steps().iter().all(|step| step.change == Change::Make), "{supervisor:?}");
        assert_eq!(host.everything(), Vec::<PathBuf>::new(), "looking writes nothing");
        host.install();
        assert!(only_keeps(&host.steps()), "{supervisor:?}");
        let before = host.manifest();
        host.install();
        assert_eq!(host.manifest(), before, "{supervisor:?}");
    }
}

#[test]
fn nothing_is_left_of_what_nobody_touched() {
    for supervisor in Supervisor::value_variants() {
        let host = Host::new(*supervisor);
        host.install();
        assert!(host.remove().iter().all(|(_, fate)| *fate == Fate::Goes), "{supervisor:?}");
        assert_eq!(host.everything(), Vec::<PathBuf>::new(), "{supervisor:?}");
    }
}

#[test]
fn what_was_there_before_stays() {
    let host = Host::new(Supervisor::Daemontools);
    fs::create_dir_all(host.at("/service/other")).unwrap();
    fs::create_dir_all(host.at("/etc")).unwrap();
    host.install();
    host.remove();
    let mut left = host.everything();
    left.sort();
    assert_eq!(left, [host.at("/etc"), host.at("/service"), host.at("/service/other")]);
}

#[test]
fn what_was_changed_since_or_added_stays() {
    let host = Host::new(Supervisor::Runit);
    host.install();
    let run = host.at("/etc/truechimer/service/clockadjust/run");
    fs::write(&run, "#!/bin/sh\nexec mine\n").unwrap();
    fs::write(host.at("/usr/local/clockspeed/etc/atto"), [0; 16]).unwrap();
    let fates = host.remove();
    let fate = |path: &str| fates.iter().find(|(there, _)| there == Path::new(path)).expect(path).1;
    assert_eq!(fate("/etc/truechimer/service/clockadjust/run"), Fate::Changed);
    assert_eq!(fate("/etc/truechimer/service/clockadjust"), Fate::InUse);
    assert_eq!(fate("/usr/local/clockspeed/etc"), Fate::InUse);
    assert_eq!(fate("/etc/truechimer/service/taiclockd"), Fate::Goes);
    assert_eq!(fs::read_to_string(run).unwrap(), "#!/bin/sh\nexec mine\n");
    assert!(host.at("/usr/local/clockspeed/etc/atto").exists() && !host.at("/service").exists());
}

#[test]
fn a_file_that_differs_is_shown_as_a_patch() {
    let host = Host::new(Supervisor::S6);
    host.install();
    let run = host.at("/etc/truechimer/service/taiclockd/run");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, text.replace("exec 2>&1\n", "exec 2>/dev/null\n")).unwrap();
    let steps = host.steps();
    let different: Vec<&Change> =
        steps.iter().map(|step| &step.change).filter(|change| **change != Change::Keep).collect();
    let [Change::Replace(patch)] = different[..] else { panic!("{different:?}") };
    assert!(patch.contains("\n-exec 2>/dev/null\n+exec 2>&1\n"), "{patch}");
    host.install();
    assert_eq!(fs::read_to_string(&run).unwrap(), text);
    assert!(only_keeps(&host.steps()));
}

#[test]
fn other_modes_and_other_links_differ_too() {
    let host = Host::new(Supervisor::S6);
    host.install();
    let (run, link) = (host.at("/etc/truechimer/service/clockspeed/run"), host.at("/service/clockspeed"));
    fs::set_permissions(&run, Permissions::from_mode(0o777)).unwrap();
    fs::remove_file(&link).unwrap();
    symlink("/elsewhere", &link).unwrap();
    let differences = host.steps().iter().filter(|step| matches!(step.change, Change::Replace(_))).count();
    assert_eq!(differences, 2);
    host.install();
    assert!(only_keeps(&host.steps()));
    assert_eq!(fs::metadata(run).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_link_to_elsewhere_is_replaced_and_not_followed() {
    let host = Host::new(Supervisor::Daemontools);
    let (victim, place) = (host.at("/victim"), host.at("/etc/truechimer/service/accounts"));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &place).unwrap();
    assert!(host.steps().iter().any(|step| matches!(step.change, Change::Replace(_))));
    host.install();
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    assert!(place.symlink_metadata().unwrap().is_file());
}

#[test]
fn what_is_of_another_kind_is_not_replaced_at_all() {
    let host = Host::new(Supervisor::Daemontools);
    fs::create_dir_all(host.at("/etc/truechimer/service/accounts")).unwrap();
    fs::write(host.at("/service"), "").unwrap();
    let blocked: Vec<PathBuf> = host
        .steps()
        .into_iter()
        .filter(|step| matches!(step.change, Change::Blocked(_)))
        .map(|step| step.entry.path)
        .collect();
    assert_eq!(blocked, [PathBuf::from("/etc/truechimer/service/accounts"), PathBuf::from("/service")]);
    let steps = host.steps();
    assert!(apply(&steps, &host.layout, host.root.path(), None).is_err());
    assert!(host.manifest().is_some(), "what was written until then is known");
}
