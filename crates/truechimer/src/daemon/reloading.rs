//! Taking the configuration as it is written now, while everything goes on.
//!
//! What `[serve]` says of clients is taken at once; no question is lost, because sockets and threads stay. Everything else
//! is told to need a restart, by name: a setting is never silently left out. A configuration that cannot be read, or not
//! wholly used, changes nothing.

use std::path::Path;

use super::Daemon;
use crate::config::{Config, ConfigError, Keys, KeysError, Level, Serve};

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys that it refers to.
    #[error("{0} (as the daemon's account, which is to read them at a reload)")]
    Keys(#[from] KeysError),
}

/// The configuration as it is written now, and the keys that it refers to.
///
/// # Errors
/// [`Unread`]
pub fn read(path: Option<&Path>) -> Result<(Config, Keys), Unread> {
    let config = Config::load(path)?;
    let keys = Keys::load(&config)?;
    Ok((config, keys))
}

impl Daemon {
    /// Takes what can be taken of a configuration, and says what was.
    pub(super) fn reload(&mut self, read: Result<(Config, Keys), Unread>) {
        match read {
            Ok((config, keys)) => self.apply(config, &keys),
            Err(error) => self.story.say(Level::Error, &format!("{error}\nall goes on as before")),
        }
        self.tell_supervisor();
    }

    fn apply(&mut self, new: Config, keys: &Keys) {
        let serve = taken(self.config.serve.as_ref(), new.serve.as_ref());
        if let (Some(service), Some(serve)) = (&self.service, &serve)
            && let Err(error) = service.instruct(serve, keys)
        {
            self.story.say(Level::Error, &format!("{error}: all goes on as before"));
            return;
        }
        let is_changed = self.config.serve != serve;
        self.config.serve = serve;
        self.tell_clients();
        let left_out = differences(&self.config, &new);
        if !left_out.is_empty() {
            let parts = left_out.join(", ");
            self.story.say(
                Level::Warn,
                &format!("the configuration has changed where that takes a restart: {parts}"),
            );
        }
        let what = if is_changed { "what [serve] says of clients holds now" } else { "nothing to be done" };
        self.story.say(Level::Info, &format!("the configuration was read again: {what}"));
    }
}

/// What is served from now on: where and by how many stays as it is.
fn taken(old: Option<&Serve>, new: Option<&Serve>) -> Option<Serve> {
    let (old, new) = (old?, new.or(old)?);
    let (ntp, nts) = (old.ntp.clone(), old.nts.clone());
    Some(Serve { ntp, nts, workers: old.workers, clients: old.clients, ..new.clone() })
}

/// The parts in which two configurations differ.
fn differences(now: &Config, new: &Config) -> Vec<&'static str> {
    let places = |config: &Config| {
        config
            .serve
            .as_ref()
            .map(|serve| (serve.ntp.clone(), serve.nts.clone(), serve.workers, serve.clients))
    };
    let parts = [
        ("accuracy", now.accuracy != new.accuracy),
        ("schedule", now.schedule != new.schedule),
        ("temperature", now.temperature != new.temperature),
        ("user", now.user != new.user),
        ("[[source]]", now.sources != new.sources),
        ("[clock]", now.clock != new.clock),
        ("[assume] or [select]", now.trust != new.trust),
        ("[serve] ntp, nts, workers or clients", places(now) != places(new)),
        ("[keys]", now.keys_file != new.keys_file),
        ("[state]", now.state != new.state),
        ("[statistics]", now.statistics != new.statistics),
        ("[log]", now.log != new.log),
        ("[leap]", now.leap_file != new.leap_file),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("here", text).expect("it is well written")
    }

    #[test]
    fn what_is_said_of_clients_is_taken_and_what_takes_a_restart_is_named() {
        let old = config("[serve]\nntp = [\"127.0.0.1:123\"]\n");
        let text =
            "accuracy = \"1ms\"\n[serve]\nntp = [\"127.0.0.1:124\"]\nallow = [\"10.0.0.0/8\"]\nworkers = 2\n";
        let new = config(text);
        let serve = taken(old.serve.as_ref(), new.serve.as_ref()).expect("it goes on serving");
        assert_eq!((serve.ntp[0].port(), serve.workers, serve.allow.len()), (123, 1, 1));
        let now = Config { serve: Some(serve), ..old };
        // An accuracy makes the default sources' longest interval another one.
        assert_eq!(
            differences(&now, &new),
            ["accuracy", "[[source]]", "[serve] ntp, nts, workers or clients"]
        );
    }

    #[test]
    fn a_server_does_not_come_or_go_by_a_reload() {
        let (with, without) = (config("[serve]\nntp = [\"127.0.0.1:123\"]\n"), config(""));
        assert_eq!(taken(with.serve.as_ref(), None), with.serve);
        assert_eq!(taken(None, with.serve.as_ref()), None);
        assert_eq!(differences(&with, &without), ["[serve] ntp, nts, workers or clients"]);
    }
}
