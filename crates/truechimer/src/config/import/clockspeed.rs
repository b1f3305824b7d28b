//! The shell variables of the original set-up as a configuration: `/etc/clockspeed.conf` of the scripts around `someclock`,
//! and the variables of clocksd.
//!
//! The text is a shell script to its programs, and is read here as lines of `NAME=VALUE`: nothing in it is ever run. What
//! is more than that is named, with its line and the reason, and left out. The one command that is understood is the look-up
//! of a name by `dnsip`, because the answer is the name: it is looked up at each measurement.

use std::path::Path;

use super::super::address::Address;
use super::super::quantity::Spelled;
use super::super::words::Host;
use super::values::quoted;
use super::{Fate, Work};

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// `dnsip NAME`
    Lookup(String),
}

/// What the variables say, as far as they are understood, each with its line.
#[derive(Default)]
struct Found {
    /// Whom `sntpclock` asks.
    source: Option<(usize, String)>,
    clocksd_type: Option<(usize, String)>,
    clocksd_address: Option<(usize, String)>,
    /// Keys of ours, for when it is known who is asked.
    keys: Vec<(usize, &'static str, String)>,
}

/// Reads the variables.
pub(super) fn read(work: &mut Work, path: &Path, text: &str) {
    let mut found = Found::default();
    let always = [
        (
            "schedule",
            "\"classic\"",
            "After each measurement twice the wait; leave it out, and the accuracy decides",
        ),
        (
            "classic.kernel",
            "\"tai-10\"",
            "As the original programs take for granted; \"utc\" without a right/ time zone",
        ),
    ];
    for (key, value, from) in always {
        assert_eq!(work.draft.set(&[(key, value.to_owned())], from), Ok(None), "it is within limits");
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim().starts_with('#') {
            continue;
        }
        work.open(path, number, line);
        match assignment(line) {
            Ok((name, value)) => found.take(work, name, value),
            Err(reason) => work.say("", Fate::LeftOut, &reason),
        }
    }
    found.finish(work);
}

impl Found {
    fn take(&mut self, work: &mut Work, name: &str, value: Result<Value, String>) {
        let line = work.report.at;
        // Where programs are has no meaning here, whatever it says.
        if ["CLOCKSPEED_BIN", "PATH"].contains(&name) {
            return work.say("", Fate::Needless, "where programs are does not matter here");
        }
        if let Err(reason) = value.and_then(|value| self.hold(line, name, value)) {
            work.say("", Fate::LeftOut, &reason);
        }
    }

    fn hold(&mut self, line: usize, name: &str, value: Value) -> Result<(), String> {
        let (key, value) = match name {
            "MASTER" => ("classic.master", host(text(value)?)?),
            "MASTER_IP" => ("classic.master_address", address(value)?),
            "CLOCK_DIR" | "CLOCKSPEED_HOME" => ("classic.home", path(text(value)?)?),
            "WAIT" => ("classic.first_wait", format!("{}s", seconds(text(value)?)?)),
            "WAIT_MAX" => ("classic.longest_wait", format!("{}s", seconds(text(value)?)?)),
            "SNTP_IP" => {
                self.source = Some((line, address(value)?));
                return Ok(());
            }
            "CLOCK_TYPE" => {
                self.clocksd_type = Some((line, text(value)?));
                return Ok(());
            }
            "CLOCK_IP" => {
                self.clocksd_address = Some((line, address(value)?));
                return Ok(());
            }
            other => return Err(format!("`{other}` is no variable of these scripts")),
        };
        self.keys.push((line, key, value));
        Ok(())
    }

    /// The server of clocksd is a source or a master, by its type.
    fn finish(mut self, work: &mut Work) {
        let kind = self.clocksd_type.take();
        match (kind.as_ref().map(|(_, kind)| kind.as_str()), self.clocksd_address.take()) {
            (_, None) => {}
            (Some("ntp") | None, Some(address)) => self.source = Some(address),
            (Some("tai"), Some((line, address))) => self.keys.push((line, "classic.master_address", address)),
            (Some(_), Some((line, _))) => {
                work.report.at = line;
                work.say("", Fate::LeftOut, "what it speaks is not known");
            }
        }
        if let Some((line, kind)) = kind {
            work.report.at = line;
            match kind.as_str() {
                "ntp" | "tai" => {
                    work.say("", Fate::Taken, "the server is a source if it is ntp, else a master");
                }
                other => {
                    work.say("", Fate::LeftOut, &format!("CLOCK_TYPE is `{other}`: neither ntp nor tai"));
                }
            }
        }
        if let Some((line, address)) = self.source {
            work.report.at = line;
            work.source("", &[("address", quoted(&address))], "");
        }
        for (line, key, value) in self.keys {
            work.report.at = line;
            work.take("", key, quoted(&value));
        }
        for at in 0..work.report.lines.len() {
            if work.report.lines[at].said.is_empty() {
                work.report.at = at;
                work.say("", Fate::Needless, "a later line says otherwise");
            }
        }
    }
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Lookup(name) => Err(format!("an address of {name} is no value for this")),
    }
}

fn address(value: Value) -> Result<String, String> {
    let (Value::Text(text) | Value::Lookup(text)) = value;
    match Address::read(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("`{text}` {error}")),
    }
}

fn host(text: String) -> Result<String, String> {
    Host::read(&text).map(|host| host.write()).map_err(|error| format!("`{text}` {error}"))
}

fn path(text: String) -> Result<String, String> {
    if text.starts_with('/') { Ok(text) } else { Err(format!("`{text}` does not begin with /")) }
}

fn seconds(text: String) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number of seconds"))
}

/// A name, and its value if there is one that is understood.
type Assigned<'a> = (&'a str, Result<Value, String>);

/// The name and the value of a line, if it is an assignment.
fn assignment(line: &str) -> Result<Assigned<'_>, String> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match line.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((name, value_of(value))),
        Some(_) | None => Err("this is a command and no variable: nothing is run".to_owned()),
    }
}

/// One word of a shell, as far as it is plain, or a look-up of a name.
fn value_of(text: &str) -> Result<Value, String> {
    let unclosed = || "its quotation is not closed on this line".to_owned();
    if let Some(rest) = text.strip_prefix('\'') {
        let (inner, rest) = rest.split_once('\'').ok_or_else(unclosed)?;
        return ended(rest).map(|()| Value::Text(inner.to_owned()));
    }
    if let Some(rest) = text.strip_prefix('"') {
        let (inner, rest) = match rest.strip_prefix('`').and_then(|inner| inner.split_once("`\"")) {
            Some((command, rest)) => return ended(rest).and_then(|()| lookup(command)),
            None => rest.split_once('"').ok_or_else(unclosed)?,
        };
        return ended(rest).and_then(|()| match inner.strip_prefix("$(").and_then(|i| i.strip_suffix(')')) {
            Some(command) => lookup(command),
            None => plain(inner, "$`\\"),
        });
    }
    if let Some(rest) = text.strip_prefix('`') {
        let (command, rest) = rest.split_once('`').ok_or_else(unclosed)?;
        return ended(rest).and_then(|()| lookup(command));
    }
    if let Some(rest) = text.strip_prefix("$(") {
        let (command, rest) = rest.rsplit_once(')').ok_or_else(unclosed)?;
        return ended(rest).and_then(|()| lookup(command));
    }
    let (word, rest) = text.split_at(text.find([' ', '\t', ';']).unwrap_or(text.len()));
    ended(rest).and_then(|()| plain(word, "$`\\\"'&|<>()*?[]~{}"))
}

/// Nothing but a comment may follow.
fn ended(rest: &str) -> Result<(), String> {
    let rest = rest.strip_prefix(';').unwrap_or(rest);
    let is_comment = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
    match rest.trim().is_empty() || is_comment {
        true => Ok(()),
        false => Err(format!("`{}` follows the value: one line is one variable here", rest.trim())),
    }
}

fn plain(text: &str, special: &str) -> Result<Value, String> {
    match text.chars().find(|c| special.contains(*c) || c.is_control()) {
        Some(found) => {
            Err(format!("`{}` means something to a shell, which is not run here", found.escape_debug()))
        }
        None => Ok(Value::Text(text.to_owned())),
    }
}

/// `dnsip NAME`, perhaps with a filter behind it that takes the first address: here all of them are tried.
fn lookup(command: &str) -> Result<Value, String> {
    let unknown = || format!("the command `{}` is not run: write its result instead", command.trim());
    let (look, filter) = command.split_once('|').unwrap_or((command, "head"));
    let filter = filter.split_whitespace().next().unwrap_or_default();
    let mut words = look.split_whitespace();
    let is_dnsip = words.next().is_some_and(|program| program.rsplit('/').next() == Some("dnsip"));
    let is_filter = ["sed", "head", "cut", "awk"].contains(&filter);
    match (words.next(), words.next()) {
        (Some(name), None) if is_dnsip && is_filter && Address::read(name).is_ok() => {
            Ok(Value::Lookup(name.to_owned()))
        }
        (_, _) => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Imported, Origin, import_text};
    use crate::config::Config;
    use proptest::prelude::*;
    use std::path::Path;

    fn import(name: &str, text: &str) -> Imported {
        import_text(Path::new(name), text.as_bytes(), Some(Origin::Clockspeed)).expect("it is a text")
    }

    /// Lines that were not understood, with the reason.
    fn notes(imported: &Imported) -> Vec<(usize, &str)> {
        let lost = |line: &'_ super::super::Line| line.said.iter().any(|said| said.fate.is_loss());
        let why = |line: &'_ super::super::Line| line.said.len();
        assert!(imported.lines.iter().all(|line| why(line) == 1), "{:?}", imported.lines);
        imported
            .lines
            .iter()
            .filter(|line| lost(line))
            .map(|line| (line.line, line.said[0].why.as_str()))
            .collect()
    }

    fn config(text: &str) -> Config {
        let imported = import("t", text);
        assert_eq!(notes(&imported), [], "{}", imported.toml);
        Config::parse("t", &imported.toml).expect("it was checked")
    }

    fn sources(config: &Config) -> Vec<String> {
        config.sources.iter().map(|source| source.address.to_string()).collect()
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,60}|([A-Z_]{0,12}=[\"'`$()a-z0-9 .;#|/]{0,30}\n?){0,5}") {
            let imported = import("t", &text);
            prop_assert!(imported.toml.contains("[classic]"));
        }
    }

    #[test]
    fn the_file_of_the_original_set_up_is_understood() {
        let config = config(
            "# the one host that asks the world\nMASTER=clock1\nMASTER_IP=192.168.1.7\n\
             SNTP_IP=`dnsip ntp2.ptb.de | sed 's/ .*//'`\nCLOCK_DIR=/usr/local/clockspeed\n",
        );
        assert_eq!(sources(&config), ["ntp2.ptb.de"]);
        let master = config.classic.master.clone().expect("it is named");
        assert_eq!(
            (master.host.unwrap().as_str(), master.address.to_string().as_str()),
            ("clock1", "192.168.1.7:4014")
        );
        assert_eq!(config.classic.home.to_str(), Some("/usr/local/clockspeed"));
        assert_eq!((config.waits().0.as_seconds(), config.waits().1.as_seconds()), (600.0, 7_884_000.0));
    }

    #[test]
    fn all_ways_to_write_it_are_one() {
        for value in [
            "192.0.2.1",
            "'192.0.2.1'",
            "\"192.0.2.1\"",
            "192.0.2.1 # the first",
            "192.0.2.1;",
            "\"192.0.2.1\"  # x",
        ] {
            assert_eq!(sources(&config(&format!("SNTP_IP={value}\n"))), ["192.0.2.1:123"], "{value}");
        }
        for value in [
            "`dnsip a.example`",
            "$(dnsip a.example)",
            "\"$(dnsip a.example | head -1)\"",
            "\"`/usr/local/bin/dnsip a.example | sed \"s/ .*//\"`\"",
            "$(dnsip a.example | awk '{print $1}')",
        ] {
            assert_eq!(sources(&config(&format!("export SNTP_IP={value}\n"))), ["a.example"], "{value}");
        }
    }

    #[test]
    fn clocksd_is_understood() {
        let ntp = config(
            "CLOCKSPEED_HOME=/var/lib/clockspeed\nCLOCKSPEED_BIN=$CLOCKSPEED_HOME/bin\nCLOCK_TYPE=ntp\n\
                          CLOCK_IP=192.0.2.1\nWAIT=541\nWAIT_MAX=2617923\n",
        );
        assert_eq!(sources(&ntp), ["192.0.2.1:123"]);
        assert_eq!((ntp.waits().0.as_seconds(), ntp.waits().1.as_seconds()), (541.0, 2_617_923.0));
        let tai = config("CLOCK_TYPE=tai\nCLOCK_IP=192.168.1.7\n");
        assert!(tai.sources.is_empty());
        assert_eq!(tai.classic.master.unwrap().address.to_string(), "192.168.1.7:4014");
    }

    #[test]
    fn what_is_not_understood_has_a_line_and_a_reason() {
        let imported = import(
            "t",
            "MASTER=`hostname`\nif true; then\nSNTP_IP=$OTHER\nWAIT=soon\nCOLOUR=red\nMASTER_IP=1.2.3\nCLOCK_DIR=a b\nMASTER='x\n",
        );
        assert_eq!(
            notes(&imported),
            [
                (1, "the command `hostname` is not run: write its result instead"),
                (2, "this is a command and no variable: nothing is run"),
                (3, "`$` means something to a shell, which is not run here"),
                (4, "`soon` is no number of seconds"),
                (5, "`COLOUR` is no variable of these scripts"),
                (6, "`1.2.3` is neither a host name nor an address"),
                (7, "`b` follows the value: one line is one variable here"),
                (8, "its quotation is not closed on this line"),
            ]
        );
    }

    #[test]
    fn nothing_is_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let trap = folder.path().join("trap");
        let text = format!(
            "SNTP_IP=`touch {0}`\nMASTER=$(touch {0})\ntouch {0}\nSNTP_IP=`dnsip a; touch {0}`\n",
            trap.display()
        );
        assert_eq!(notes(&import("t", &text)).len(), 4);
        assert!(!trap.exists());
    }

    #[test]
    fn what_is_understood_but_cannot_be_used_is_said() {
        let imported = import("t", "SNTP_IP=192.0.2.1\nWAIT=5\n");
        assert!(notes(&imported)[0].1.contains("first_wait must be 16s to"), "{:?}", imported.lines);
        let odd = import("t", "CLOCK_TYPE=gps\nCLOCK_IP=192.0.2.1\n");
        assert!(notes(&odd)[0].1.contains("neither ntp nor tai"), "{:?}", odd.lines);
    }
}
