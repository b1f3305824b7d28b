//! Whose configuration is it? By its name, and by the words that only one of them has.

use std::path::Path;

use super::{chrony, ntp};

/// The programs whose configurations can be read.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// chrony.conf, of chronyd
    Chrony,
    /// ntp.conf, of ntpd: ntpsec's and the classic one
    Ntp,
    /// ntp.toml, of ntpd-rs
    NtpdRs,
    /// timesyncd.conf with its drop-ins, of systemd
    Timesyncd,
    /// clockspeed.conf, the shell variables of a clockspeed set-up
    Clockspeed,
}

/// All of them.
const ALL: [Origin; 5] = [Origin::Chrony, Origin::Ntp, Origin::NtpdRs, Origin::Timesyncd, Origin::Clockspeed];

/// A name is worth so many lines.
const NAME_WEIGHT: usize = 2;

impl Origin {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chrony => "chrony",
            Self::Ntp => "ntp",
            Self::NtpdRs => "ntpd-rs",
            Self::Timesyncd => "timesyncd",
            Self::Clockspeed => "clockspeed",
        }
    }

    /// Whose it most likely is; nobody's, if nothing speaks for one more than for the others.
    pub(super) fn recognised(path: &Path, text: &str) -> Option<Self> {
        let weight = |origin: &Self| {
            let named = if origin.is_named(path) { NAME_WEIGHT } else { 0 };
            (named + text.lines().filter(|line| origin.has_said(line.trim())).count(), *origin)
        };
        let mut weights = ALL.each_ref().map(weight);
        weights.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let [(best, origin), (next, _), ..] = weights;
        (best > next).then_some(origin)
    }

    fn is_named(self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ends = |end: &str| name.ends_with(end);
        let folder = path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        match self {
            Self::Chrony => ends("chrony.conf") || ends(".sources") || folder.contains("chrony"),
            Self::Ntp => ends("ntp.conf") || folder.ends_with("ntp.d"),
            Self::NtpdRs => ends("ntp.toml"),
            Self::Timesyncd => ends("timesyncd.conf") || folder.ends_with("timesyncd.conf.d"),
            Self::Clockspeed => ends("clockspeed.conf"),
        }
    }

    /// Is this a line that nobody else would write?
    fn has_said(self, line: &str) -> bool {
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        let is_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        match self {
            Self::Chrony => chrony::knows(&word) && !ntp::knows(&word),
            Self::Ntp => ntp::knows(&word) && !chrony::knows(&word),
            // Its sources have a mode, each; `[[source]]` and `address` are our own words as well.
            Self::NtpdRs => {
                ["[observability]", "[synchronization]", "[source-defaults]", "[[server]]"].contains(&line)
                    || key == "mode"
            }
            Self::Timesyncd => {
                line == "[Time]" || ["FallbackNTP", "PollIntervalMaxSec", "RootDistanceMaxSec"].contains(&key)
            }
            Self::Clockspeed => {
                let key = key.strip_prefix("export ").unwrap_or(key);
                line.contains('=') && key.contains('_') && key.chars().all(is_variable) || key == "MASTER"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Option<Origin> {
        Origin::recognised(Path::new(path), text)
    }

    #[test]
    fn a_name_or_the_words_tell_whose_it_is() {
        assert_eq!(of("/etc/chrony.conf", "server a.example\n"), Some(Origin::Chrony));
        assert_eq!(of("/etc/ntp.conf", ""), Some(Origin::Ntp));
        assert_eq!(of("/tmp/x", "server a.example\nmakestep 1 3\n"), Some(Origin::Chrony));
        assert_eq!(of("/tmp/x", "restrict default ignore\n"), Some(Origin::Ntp));
        assert_eq!(of("/tmp/x", "[[source]]\nmode = \"server\"\naddress = \"a\"\n"), Some(Origin::NtpdRs));
        assert_eq!(of("/tmp/x", "[[source]]\naddress = \"a\"\n"), None, "that may be ours");
        assert_eq!(of("/tmp/x", "[Time]\nNTP=a.example\n"), Some(Origin::Timesyncd));
        assert_eq!(of("/tmp/x", "MASTER=a\nSNTP_IP=192.0.2.1\n"), Some(Origin::Clockspeed));
        assert_eq!(of("/tmp/x", "server a.example\n"), None);
        assert_eq!(of("/tmp/x", ""), None);
        let old = "restrict default\ntinker panic 0\ndisable monitor\nstatsdir /var\n";
        assert_eq!(of("/etc/chrony.conf", old), Some(Origin::Ntp), "the words outweigh the name");
    }
}
