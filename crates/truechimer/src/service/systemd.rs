//! The tree for systemd: units, and what makes accounts and the fifo.
//!
//! Two ways of keeping the clock are in it, and each conflicts with the other and with all [rivals](super::rival):
//! `truechimer.service`, or `clockspeed.service` with `clockadjust.service`. Which is enabled is the administrator's
//! choice; nothing here starts anything.

use super::template::fill;
use super::{Layout, Role, Tree, supervised};

const UNITS: [(&str, &str); 6] = [
    ("truechimer.service", include_str!("templates/truechimer.service")),
    ("truechimer.socket", include_str!("templates/truechimer.socket")),
    ("truechimer-wait.service", include_str!("templates/truechimer-wait.service")),
    ("clockspeed-step.service", include_str!("templates/clockspeed-step.service")),
    ("clockspeed.service", include_str!("templates/clockspeed.service")),
    ("clockadjust.service", include_str!("templates/clockadjust.service")),
];
const TAICLOCKD: &str = include_str!("templates/taiclockd.service");
const SYSUSERS: &str = include_str!("templates/sysusers.conf");
const TMPFILES: &str = include_str!("templates/tmpfiles.conf");

/// timedated enables and disables what is listed here (systemd-timedated.service(8)).
const NTP_UNITS: &str = "# What `timedatectl set-ntp` switches on and off.\ntruechimer.service\n";

/// All of it.
pub fn tree(layout: &Layout) -> Tree {
    let mut tree = Tree::default();
    supervised::programs(&mut tree, layout);
    tree.folder(layout.home.join("etc"));
    // For the manifest alone.
    tree.folder(&layout.services);
    put(&mut tree, layout, "sysusers.d", "truechimer.conf", SYSUSERS);
    put(&mut tree, layout, "tmpfiles.d", "truechimer.conf", TMPFILES);
    put(&mut tree, layout, "systemd/ntp-units.d", "50-truechimer.list", NTP_UNITS);
    for (name, unit) in UNITS {
        put(&mut tree, layout, "systemd/system", name, unit);
    }
    if layout.role == Role::Master {
        put(&mut tree, layout, "systemd/system", "taiclockd.service", TAICLOCKD);
    }
    tree
}

fn put(tree: &mut Tree, layout: &Layout, folder: &str, name: &str, text: &str) {
    tree.file(layout.lib.join(folder).join(name), fill(text, layout));
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::plain;
    use super::super::{Item, Supervisor, rival};
    use super::*;

    fn unit(name: &str) -> String {
        let tree = plain(Supervisor::Systemd, Role::Master).tree();
        let entry = tree.entries.into_iter().find(|entry| entry.path.ends_with(name)).expect(name);
        match entry.item {
            Item::File { text, is_program: false } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_keeper_conflicts_with_every_rival() {
        for name in ["truechimer.service", "clockspeed.service", "clockspeed-step.service"] {
            let text = unit(name);
            let conflicts = text.lines().find_map(|line| line.strip_prefix("Conflicts=")).expect(name);
            for rival in rival::UNITS {
                assert!(conflicts.split(' ').any(|unit| unit == rival), "{name}: {rival}");
            }
        }
        assert!(unit("truechimer.service").contains(" clockspeed.service"));
        assert!(unit("clockspeed.service").contains(" truechimer.service"));
    }

    #[test]
    fn only_those_who_set_the_clock_may_set_it() {
        for name in ["clockadjust.service", "taiclockd.service", "truechimer-wait.service"] {
            let text = unit(name);
            assert!(text.contains("\nCapabilityBoundingSet=\n") && !text.contains("CAP_"), "{name}");
            assert!(text.contains("\nUser=") || text.contains("\nDynamicUser=yes\n"), "{name}");
        }
        for name in ["clockspeed.service", "clockspeed-step.service"] {
            assert!(unit(name).contains("\nCapabilityBoundingSet=CAP_SYS_TIME\n"), "{name}");
        }
        assert!(unit("clockspeed.service").contains("\nPrivateNetwork=yes\n"));
    }

    #[test]
    fn who_is_given_a_privilege_may_give_it_up() {
        for (name, unit) in UNITS {
            let is_given = unit.contains("\nAmbientCapabilities=CAP_");
            let may_give_up = unit.lines().any(|line| line.starts_with("SystemCallFilter=@clock capset"));
            assert_eq!(is_given, may_give_up, "{name}");
        }
    }

    #[test]
    fn a_distribution_has_its_units_where_administrators_do_not_write() {
        let mut layout = plain(Supervisor::Systemd, Role::Client);
        layout.lib = "/usr/lib".into();
        let paths: Vec<_> = layout.tree().entries.into_iter().map(|entry| entry.path).collect();
        assert!(paths.contains(&"/usr/lib/systemd/system/clockspeed.service".into()));
        assert!(paths.contains(&"/usr/lib/sysusers.d/truechimer.conf".into()));
        assert!(!paths.iter().any(|path| path.ends_with("taiclockd.service")));
    }
}
