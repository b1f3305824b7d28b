//! The texts of scripts and units. What differs from host to host stands in them as `{{word}}`.

use std::path::Path;

use super::Layout;
use super::layout::Supervisor;
use crate::classic::counting::Kernel;
use crate::config::CONFIG_FILE;

/// The setter of the clock, for every supervisor that runs scripts.
pub const CLOCKSPEED: &str = include_str!("templates/clockspeed.run");
/// The measuring service.
pub const CLOCKADJUST: &str = include_str!("templates/clockadjust.run");
/// The server of the master.
pub const TAICLOCKD: &str = include_str!("templates/taiclockd.run");
/// A log.
pub const LOG: &str = include_str!("templates/log.run");
/// The commands that make the accounts.
pub const ACCOUNTS: &str = include_str!("templates/accounts");

/// `template` with this layout's words in the place of theirs.
pub fn fill(template: &str, layout: &Layout) -> String {
    words(layout)
        .iter()
        .fold(template.to_owned(), |text, (word, value)| text.replace(&format!("{{{{{word}}}}}"), value))
}

/// The script that runs the log of one service.
pub fn log(layout: &Layout, service: &str) -> String {
    fill(&LOG.replace("{{service}}", service), layout)
}

fn words(layout: &Layout) -> Vec<(&'static str, String)> {
    let path = |path: &Path| path.display().to_string();
    let Layout { accounts, supervisor, .. } = layout;
    vec![
        ("as_measure", become_account(*supervisor, &accounts.measure)),
        ("as_serve", become_account(*supervisor, &accounts.serve)),
        ("as_log", become_account(*supervisor, &accounts.log)),
        ("write_log", writer(*supervisor).to_owned()),
        ("measure", accounts.measure.clone()),
        ("serve", accounts.serve.clone()),
        ("log", accounts.log.clone()),
        ("home", path(&layout.home)),
        ("bin", path(&layout.bin)),
        ("program", path(&layout.program)),
        ("config", config(&layout.config)),
        ("logs", path(&layout.logs)),
        ("log_config", log_config(*supervisor).to_owned()),
        ("kernel", kernel(layout.kernel).to_owned()),
        ("state", path(&layout.state)),
        ("run", path(&layout.run)),
        ("ready", ready(*supervisor)),
        ("conflicts", super::rival::UNITS.join(" ")),
    ]
}

/// The words that make an account of whoever runs them, with its primary group alone.
fn become_account(supervisor: Supervisor, account: &str) -> String {
    match supervisor {
        Supervisor::Systemd | Supervisor::Daemontools => format!("setuidgid {account}"),
        Supervisor::Runit => format!("chpst -u {account}"),
        Supervisor::S6 => format!("s6-setuidgid {account}"),
    }
}

/// The words that write standard input to the folder named after them, with a stamp on each line, into files that are
/// put aside at 99999 bytes; ten are kept.
const fn writer(supervisor: Supervisor) -> &'static str {
    match supervisor {
        Supervisor::Systemd | Supervisor::Daemontools => "multilog t s99999 n10",
        // Size and number are the configuration that log/run writes into the folder.
        Supervisor::Runit => "svlogd -tt",
        Supervisor::S6 => "s6-log t s99999 n10",
    }
}

/// svlogd takes size and number from a file. One that is there already is the administrator's.
const fn log_config(supervisor: Supervisor) -> &'static str {
    match supervisor {
        Supervisor::Runit => {
            "[ -e \"$folder/config\" ] || printf 's99999\\nn10\\n' >\"$folder/config\" || exit 111\n"
        }
        Supervisor::Systemd | Supervisor::Daemontools | Supervisor::S6 => "",
    }
}

/// Without a file in the usual place the defaults hold, but a file that is named has to be there.
fn config(file: &Path) -> String {
    match file == Path::new(CONFIG_FILE) {
        true => String::new(),
        false => format!(" --config {}", file.display()),
    }
}

/// Where s6 reads which descriptor a service says on that it is ready (s6-supervise's `notification-fd`).
pub const NOTIFICATION_FD: &str = "notification-fd";
const READY_FD: u8 = 3;

/// The content of that file.
pub fn notification_fd() -> String {
    format!("{READY_FD}\n")
}

/// systemd is told by its own way, and the others do not want to know.
fn ready(supervisor: Supervisor) -> String {
    match supervisor {
        Supervisor::S6 => format!(" --ready-fd {READY_FD}"),
        Supervisor::Systemd | Supervisor::Daemontools | Supervisor::Runit => String::new(),
    }
}

const fn kernel(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Utc => " --kernel utc",
        Kernel::Tai10 => " --kernel tai-10",
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Role, tests::plain};
    use super::super::{Item, Tree};
    use super::*;
    use clap::ValueEnum;

    fn texts(tree: &Tree) -> impl Iterator<Item = (&std::path::Path, &str)> {
        tree.entries.iter().filter_map(|entry| match &entry.item {
            Item::File { text, .. } => Some((entry.path.as_path(), text.as_str())),
            Item::Folder | Item::Link { .. } => None,
        })
    }

    #[test]
    fn no_word_is_left_to_be_filled_in() {
        for supervisor in Supervisor::value_variants() {
            let tree = plain(*supervisor, Role::Master).tree();
            for (path, text) in texts(&tree) {
                assert!(!text.contains("{{") && !text.contains("}}"), "{}:\n{text}", path.display());
                assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{}", path.display());
            }
        }
    }

    #[test]
    fn what_the_kernel_counts_is_told_to_the_server() {
        let mut layout = plain(Supervisor::Runit, Role::Master);
        assert!(fill(TAICLOCKD, &layout).contains("/taiclockd --kernel utc\n"));
        layout.kernel = Kernel::Tai10;
        assert!(fill(TAICLOCKD, &layout).contains("/taiclockd --kernel tai-10\n"));
    }

    #[test]
    fn a_configuration_is_named_where_it_is_not_in_its_place() {
        let mut layout = plain(Supervisor::S6, Role::Client);
        assert!(fill(CLOCKADJUST, &layout).ends_with("/clockadjust --ready-fd 3\n"));
        layout.config = "/etc/lan.toml".into();
        assert!(fill(CLOCKADJUST, &layout).ends_with("/clockadjust --config /etc/lan.toml --ready-fd 3\n"));
    }
}
