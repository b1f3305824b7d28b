//! Where the services are to be, and as whom they run.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::classic::counting::Kernel;

/// Who keeps the services running.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// Units of systemd
    Systemd,
    /// svscan, supervise and multilog
    Daemontools,
    /// runsvdir, runsv and svlogd
    Runit,
    /// s6-svscan, s6-supervise and s6-log
    S6,
}

impl Supervisor {
    /// Its name, as it is written in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Daemontools => "daemontools",
            Self::Runit => "runit",
            Self::S6 => "s6",
        }
    }

    /// Where its scanner looks, by custom; the first of them that exists is taken, or else the first.
    pub const fn scan_folders(self) -> &'static [&'static str] {
        match self {
            Self::Systemd => &[],
            Self::Daemontools => &["/service", "/etc/service"],
            Self::Runit => &["/etc/service", "/var/service", "/service"],
            Self::S6 => &["/service", "/run/service"],
        }
    }
}

/// What this host is in its network.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Measures the outer world, and tells the time to the others
    Master,
    /// Measures the master
    Client,
}

/// As whom the services run. The setter of the clock is root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Who measures. Its primary group may write to the fifo.
    pub measure: String,
    /// Who answers questions.
    pub serve: String,
    /// Who writes logs.
    pub log: String,
}

/// Where everything is to be. Paths are those of the running system, without the prefix below which a packager writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For whom.
    pub supervisor: Supervisor,
    /// In which role.
    pub role: Role,
    /// As whom.
    pub accounts: Accounts,
    /// The folder of clockspeed: `adjust`, `etc/atto`.
    pub home: PathBuf,
    /// Where the classic programs are.
    pub bin: PathBuf,
    /// Whether they are links that are to be made.
    pub has_links: bool,
    /// The one binary.
    pub program: PathBuf,
    /// Where the service folders are.
    pub services: PathBuf,
    /// Where the scanner looks.
    pub scan: PathBuf,
    /// Where what outlives a restart is, as the configuration has it.
    pub state: PathBuf,
    /// Where what the next boot need not know is.
    pub run: PathBuf,
    /// Where the folders of the logs are.
    pub logs: PathBuf,
    /// `/etc` of an administrator, `/usr/lib` of a distribution: where systemd reads units.
    pub lib: PathBuf,
    /// What the measuring service is configured by.
    pub config: PathBuf,
    /// What the kernel's clock counts.
    pub kernel: Kernel,
}

impl Layout {
    /// Is everything such that it means nothing but itself in a shell, a unit file and a configuration file? If not,
    /// what is wrong with what.
    pub fn check(&self) -> Result<(), String> {
        let Accounts { measure, serve, log } = &self.accounts;
        [measure, serve, log].into_iter().try_for_each(|name| check_account(name))?;
        let Self { home, bin, program, services, scan, state, run, logs, lib, config, .. } = self;
        let paths = [home, bin, program, services, scan, state, run, logs, lib, config];
        paths.into_iter().try_for_each(|path| check_path(path))?;
        match measure == "root" || serve == "root" {
            true => {
                Err("root must neither measure nor answer: what talks to the network may not set the clock"
                    .to_owned())
            }
            false => Ok(()),
        }
    }

    /// The names of the services that run all the time.
    pub fn services(&self) -> &'static [&'static str] {
        match self.role {
            Role::Master => &["clockspeed", "clockadjust", "taiclockd"],
            Role::Client => &["clockspeed", "clockadjust"],
        }
    }

    /// Those of them that have a log, where the supervisor has not one for all.
    pub fn logged(&self) -> &'static [&'static str] {
        match self.supervisor {
            Supervisor::Systemd => &[],
            Supervisor::Daemontools | Supervisor::Runit | Supervisor::S6 => &self.services()[1..],
        }
    }
}

/// The longest name of an account that Linux's tools make (useradd(8)).
const ACCOUNT_LEN_MAX: usize = 32;

fn check_account(name: &str) -> Result<(), String> {
    let is_first = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_later = |c: char| is_first(c) || c.is_ascii_digit() || c == '-';
    let is_fine = name.starts_with(is_first) && name.chars().all(is_later) && name.len() <= ACCOUNT_LEN_MAX;
    match is_fine {
        true => Ok(()),
        false => Err(format!(
            "\"{name}\" is no name of an account: [a-z_][a-z0-9_-]*, at most {ACCOUNT_LEN_MAX} characters"
        )),
    }
}

fn check_path(path: &Path) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    let text = path.to_str().filter(|text| text.starts_with('/') && text.chars().all(is_plain));
    let climbs = path.components().any(|part| part.as_os_str() == "..");
    match text.is_some() && !climbs {
        true => Ok(()),
        false => Err(format!(
            "\"{}\" cannot be written into a script: a path begins with / and has letters, figures and / . _ + - only, \
             and no ..",
            path.display()
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::CONFIG_FILE;

    /// A layout as it is without any option.
    pub(crate) fn plain(supervisor: Supervisor, role: Role) -> Layout {
        let names = |measure: &str, serve: &str, log: &str| Accounts {
            measure: measure.to_owned(),
            serve: serve.to_owned(),
            log: log.to_owned(),
        };
        Layout {
            supervisor,
            role,
            accounts: names("truechimer", "taiclockd", "truelog"),
            home: "/usr/local/clockspeed".into(),
            bin: "/usr/local/clockspeed/bin".into(),
            has_links: true,
            program: "/usr/bin/truechimer".into(),
            services: "/etc/truechimer/service".into(),
            scan: "/service".into(),
            state: "/var/lib/truechimer".into(),
            run: "/run".into(),
            logs: "/var/log".into(),
            lib: "/etc".into(),
            config: CONFIG_FILE.into(),
            kernel: Kernel::Utc,
        }
    }

    #[test]
    fn what_a_shell_would_understand_otherwise_is_refused() {
        let refused = |change: &dyn Fn(&mut Layout)| {
            let mut layout = plain(Supervisor::S6, Role::Master);
            assert_eq!(layout.check(), Ok(()));
            change(&mut layout);
            assert!(layout.check().is_err(), "{layout:?}");
        };
        for path in ["relative", "", "/a b", "/a;b", "/a$b", "/a\nb", "/a'b", "/a/../b", "/%h", "/ä"] {
            refused(&|layout| layout.home = path.into());
            refused(&|layout| layout.program = path.into());
            refused(&|layout| layout.scan = path.into());
        }
        for name in ["", "0day", "-x", "a b", "A", "a:b", "a$(b)", "abcdefghijklmnopqrstuvwxyzabcdefg"] {
            refused(&|layout| layout.accounts.log = name.to_owned());
        }
    }

    #[test]
    fn who_talks_to_the_network_is_not_root() {
        let mut layout = plain(Supervisor::Runit, Role::Client);
        layout.accounts.measure = "root".to_owned();
        assert!(layout.check().unwrap_err().contains("may not set the clock"));
    }
}
