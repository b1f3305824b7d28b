//! The tree for supervisors that run a folder with a script in it: daemontools, runit, s6.
//!
//! ```text
//! services/accounts                 the commands that make the accounts
//! services/*/notification-fd        for s6
//! services/clockspeed/run           root: the fifo, the step at boot, then the setter of the clock
//! services/clockadjust/run          the measuring account
//! services/clockadjust/log/run      the account of the logs
//! services/taiclockd/..             on a master: an account of its own, and a log
//! scan/NAME -> services/NAME        written last: with them it begins
//! ```

use super::template::{self, fill};
use super::{Layout, Role, Supervisor, Tree};
use crate::classic;

/// All of it.
pub fn tree(layout: &Layout) -> Tree {
    let mut tree = Tree::default();
    programs(&mut tree, layout);
    tree.folder(layout.home.join("etc"));
    tree.folder(&layout.services);
    tree.program(layout.services.join("accounts"), fill(template::ACCOUNTS, layout));
    service(&mut tree, layout, "clockspeed", template::CLOCKSPEED);
    service(&mut tree, layout, "clockadjust", template::CLOCKADJUST);
    if layout.role == Role::Master {
        service(&mut tree, layout, "taiclockd", template::TAICLOCKD);
    }
    layout.logged().iter().for_each(|name| log(&mut tree, layout, name));
    tree.folder(&layout.scan);
    for name in layout.services() {
        tree.link(layout.scan.join(name), &layout.services.join(name));
    }
    tree
}

/// The classic names, where they are ours to make.
pub(super) fn programs(tree: &mut Tree, layout: &Layout) {
    if !layout.has_links {
        return;
    }
    tree.folder(&layout.bin);
    for name in classic::names() {
        tree.link(layout.bin.join(name), &layout.program);
    }
}

fn service(tree: &mut Tree, layout: &Layout, name: &str, run: &str) {
    let folder = layout.services.join(name);
    tree.folder(&folder);
    tree.program(folder.join("run"), fill(run, layout));
    if layout.supervisor == Supervisor::S6 {
        tree.file(folder.join(template::NOTIFICATION_FD), template::notification_fd());
    }
}

fn log(tree: &mut Tree, layout: &Layout, name: &str) {
    let folder = layout.services.join(name).join("log");
    tree.folder(&folder);
    tree.program(folder.join("run"), template::log(layout, name));
}

#[cfg(test)]
mod tests {
    use super::super::Item;
    use super::super::layout::tests::plain;
    use super::*;

    fn paths(supervisor: Supervisor, role: Role) -> Vec<String> {
        let tree = plain(supervisor, role).tree();
        tree.entries.iter().map(|entry| entry.path.display().to_string()).collect()
    }

    fn run(supervisor: Supervisor, service: &str) -> String {
        let tree = plain(supervisor, Role::Master).tree();
        let path = plain(supervisor, Role::Master).services.join(service).join("run");
        let entry = tree.entries.into_iter().find(|entry| entry.path == path).expect("it has a script");
        match entry.item {
            Item::File { text, is_program: true } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_master_answers() {
        for supervisor in [Supervisor::Daemontools, Supervisor::Runit, Supervisor::S6] {
            let has = |role| paths(supervisor, role).iter().any(|path| path == "/service/taiclockd");
            assert!(has(Role::Master) && !has(Role::Client), "{supervisor:?}");
        }
    }

    #[test]
    fn nothing_starts_before_all_is_there() {
        let paths = paths(Supervisor::S6, Role::Master);
        let first_link = paths.iter().position(|path| path == "/service/clockspeed").expect("it is linked");
        assert!(paths[first_link..].iter().all(|path| path.starts_with("/service/")), "{paths:?}");
    }

    #[test]
    fn s6_is_told_when_a_service_is_ready() {
        let count = |supervisor| {
            let paths = paths(supervisor, Role::Master);
            paths.iter().filter(|path| path.ends_with("/notification-fd")).count()
        };
        assert_eq!((count(Supervisor::S6), count(Supervisor::Runit)), (3, 0));
        for service in ["clockspeed", "clockadjust", "taiclockd"] {
            assert!(run(Supervisor::S6, service).ends_with(" --ready-fd 3\n"), "{service}");
        }
    }

    #[test]
    fn who_measures_and_who_sets_are_not_the_same() {
        for (supervisor, words) in [
            (Supervisor::Daemontools, "setuidgid"),
            (Supervisor::Runit, "chpst -u"),
            (Supervisor::S6, "s6-setuidgid"),
        ] {
            let exec = |service| {
                let text = run(supervisor, service);
                text.lines().rfind(|line| line.starts_with("exec ")).expect("it ends in a program").to_owned()
            };
            assert!(exec("clockspeed").starts_with("exec /usr/local/clockspeed/bin/clockspeed"));
            assert!(exec("clockadjust").starts_with(&format!("exec {words} truechimer ")));
            assert!(exec("taiclockd").starts_with(&format!("exec {words} taiclockd ")));
            assert!(exec("clockadjust/log").starts_with(&format!("exec {words} truelog ")));
        }
    }
}
