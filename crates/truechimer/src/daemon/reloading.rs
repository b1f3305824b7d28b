//! Taking the configuration as it is written now, while everything goes on.
//!
//! What `[serve]` says of clients is taken at once; no question is lost, because sockets and threads stay. So are the sources on
//! the network, with those that DHCP offers: one that is gone is let go of, one that is new begins, and one that stays keeps
//! all that was learned of it. Everything else is told to need a restart, by name: a setting is never silently left out. A
//! configuration that cannot be read, or not wholly used, changes nothing.

use std::path::Path;

use truechimer_core::node::Action;
use truechimer_core::policy::SOURCES_MAX;

use super::Daemon;
use super::agreeing;
use super::resolver::Name;
use crate::config::{Config, ConfigError, Keys, KeysError, Level, Placed, Serve, Source};

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
            Ok((config, keys)) => self.apply(config, keys),
            Err(error) => self.story.say(Level::Error, &format!("{error}\nall goes on as before")),
        }
        self.tell_supervisor();
    }

    fn apply(&mut self, new: Config, keys: Keys) {
        let (new, complaints) = new.with_offered(&self.config.state.run_dir);
        complaints.iter().for_each(|complaint| self.story.say(Level::Warn, complaint));
        let now = Config {
            serve: taken(self.config.serve.as_ref(), new.serve.as_ref()),
            sources: listed(&self.config.sources, &new.sources),
            keys_file: new.keys_file.clone(),
            ..self.config.clone()
        };
        if let Err(why) = self.prepare(&now, &keys) {
            self.story.say(Level::Error, &format!("{why}: all goes on as before"));
            return;
        }
        let before = std::mem::replace(&mut self.config, now);
        self.keys = keys;
        self.tell_clients();
        let has_moved = self.config.sources != before.sources;
        // The file may have another key of the same number.
        if has_moved || self.config.sources.iter().any(|source| source.key.is_some()) {
            self.relist(&before);
        }
        self.tell_reload(&new, before.serve != self.config.serve, has_moved);
    }

    /// Whatever can be refused; what is refused has changed nothing.
    fn prepare(&self, now: &Config, keys: &Keys) -> Result<(), String> {
        if now.places().count() > SOURCES_MAX {
            return Err(format!(
                "more than {SOURCES_MAX} sources, the reference clocks until a restart included"
            ));
        }
        self.agreeing.check(now).map_err(|error| error.to_string())?;
        match (&self.service, &now.serve) {
            (Some(service), Some(serve)) => service.instruct(serve, keys).map_err(|error| error.to_string()),
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn tell_reload(&self, new: &Config, is_other_service: bool, has_moved: bool) {
        let left_out = differences(&self.config, new);
        if !left_out.is_empty() {
            let parts = left_out.join(", ");
            self.story.say(
                Level::Warn,
                &format!("the configuration has changed where that takes a restart: {parts}"),
            );
        }
        let what = match (is_other_service, has_moved) {
            (true, true) => "its sources and what [serve] says of clients hold now",
            (true, false) => "what [serve] says of clients holds now",
            (false, true) => "its sources hold now",
            (false, false) => "nothing to be done",
        };
        self.story.say(Level::Info, &format!("the configuration was read again: {what}"));
    }

    /// The sources have come and gone.
    fn relist(&mut self, before: &Config) {
        for line in changes(&before.sources, &self.config.sources) {
            self.story.say(Level::Info, &line);
        }
        let now = self.now();
        let config = self.config.to_toml();
        self.record(|recorder| recorder.listed(&now, &config));
        self.node.relist(&now, self.config.policy(&self.keys).sources);
        self.resolver.rename(self.names_to_look_up());
        self.agreeing.rename(self.by_places(agreeing::place_of));
        self.story.rename(self.names());
        let actions: Vec<Action> = std::iter::from_fn(|| self.node.poll()).collect();
        actions.into_iter().for_each(|action| self.act(action));
        self.happen(truechimer_core::node::Input::Wake);
    }

    /// What the sources are called, by their places in the node.
    fn names(&self) -> Vec<String> {
        self.node.places().map(|source| source.map_or_else(String::new, |it| it.name.clone())).collect()
    }

    /// What is to be looked up for them, by their places in the node.
    fn names_to_look_up(&self) -> Vec<Name> {
        self.by_places(|place| Some(Name::of(place))).into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Something of the sources, by their places in the node; nothing where nobody is.
    fn by_places<T>(&self, of: impl Fn(&Placed<'_>) -> Option<T>) -> Vec<Option<T>> {
        let found = |called: &String| self.config.places().find(|place| place.name() == *called);
        self.names().iter().map(|called| found(called).and_then(|place| of(&place))).collect()
    }
}

/// What is served from now on: where and by how many stays as it is.
fn taken(old: Option<&Serve>, new: Option<&Serve>) -> Option<Serve> {
    let (old, new) = (old?, new.or(old)?);
    // A client that was told smeared time would be told another in the midst of it.
    let leap_smear = old.leap_smear;
    Some(Serve {
        ntp: old.ntp.clone(),
        taiclock: old.taiclock.clone(),
        time: old.time.clone(),
        nts: old.nts.clone(),
        interface: old.interface.clone(),
        workers: old.workers,
        clients: old.clients,
        leap_smear,
        ..new.clone()
    })
}

/// What of `[serve]` takes a restart, in words,
const FIXED: &str = "[serve] ntp, taiclock, time, interface, nts, workers, clients or leap_smear";

/// and as values.
fn fixed(serve: &Serve) -> impl PartialEq + use<> {
    let places = [&serve.ntp, &serve.taiclock, &serve.time].map(Clone::clone);
    (places, serve.interface.clone(), serve.nts.clone(), serve.workers, serve.clients, serve.leap_smear)
}

/// Who is asked from now on. The reference clocks stay as they were opened, while we still could.
fn listed(old: &[Source], new: &[Source]) -> Vec<Source> {
    let references = old.iter().filter(|source| source.reference.is_some());
    let asked = new.iter().filter(|source| source.reference.is_none());
    references.chain(asked).cloned().collect()
}

/// Who comes and who goes, for people.
fn changes(old: &[Source], new: &[Source]) -> Vec<String> {
    let is_in = |list: &[Source], source: &Source| list.iter().any(|it| it.address == source.address);
    let gone = old.iter().filter(|source| !is_in(new, source));
    let come = new.iter().filter(|source| !is_in(old, source));
    let by = |source: &Source| format!("{} of {}", source.address, source.operator);
    gone.map(|source| format!("{} is no source any more", by(source)))
        .chain(come.map(|source| format!("{} is a source from now on", by(source))))
        .collect()
}

/// The parts in which what holds now differs from what is written.
fn differences(now: &Config, new: &Config) -> Vec<&'static str> {
    let fixed = |config: &Config| config.serve.as_ref().map(fixed);
    let references = |config: &Config| -> Vec<Source> {
        config.sources.iter().filter(|source| source.reference.is_some()).cloned().collect()
    };
    let parts = [
        ("accuracy", now.accuracy != new.accuracy),
        ("schedule", now.schedule != new.schedule),
        ("temperature", now.temperature != new.temperature),
        ("user", now.user != new.user),
        ("[[source]] of reference clocks", references(now) != references(new)),
        ("[clock]", now.clock != new.clock),
        ("[assume] or [select]", now.trust != new.trust),
        (FIXED, fixed(now) != fixed(new)),
        ("[chrony]", now.chrony != new.chrony),
        ("[state]", now.state != new.state),
        ("[hook]", now.hook != new.hook),
        ("[statistics]", now.statistics != new.statistics),
        ("[clockbound]", now.clockbound != new.clockbound),
        ("[metrics]", now.metrics != new.metrics),
        ("[log]", now.log != new.log),
        ("[leap]", now.leap_file != new.leap_file),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "[[source]]\naddress = \"/dev/ptp0\"\nkind = \"phc\"\n";

    fn config(text: &str) -> Config {
        Config::parse("here", text).expect("it is well written")
    }

    fn servers(names: &[&str]) -> String {
        names.iter().map(|name| format!("[[source]]\naddress = \"{name}\"\n")).collect()
    }

    #[test]
    fn what_is_said_of_clients_is_taken_and_what_takes_a_restart_is_named() {
        let old = config("[serve]\nntp = [\"127.0.0.1:123\"]\n");
        let text =
            "accuracy = \"1ms\"\n[serve]\nntp = [\"127.0.0.1:124\"]\nallow = [\"10.0.0.0/8\"]\nworkers = 2\n";
        let new = config(text);
        let serve = taken(old.serve.as_ref(), new.serve.as_ref()).expect("it goes on serving");
        assert_eq!((serve.ntp[0].port(), serve.workers, serve.allow.len()), (123, 1, 1));
        let sources = listed(&old.sources, &new.sources);
        let now = Config { serve: Some(serve), sources, ..old };
        assert_eq!(differences(&now, &new), ["accuracy", FIXED]);
    }

    #[test]
    fn a_server_does_not_come_or_go_by_a_reload() {
        let (with, without) = (config("[serve]\nntp = [\"127.0.0.1:123\"]\n"), config(""));
        assert_eq!(taken(with.serve.as_ref(), None), with.serve);
        assert_eq!(taken(None, with.serve.as_ref()), None);
        assert_eq!(differences(&with, &without), [FIXED]);
    }

    #[test]
    fn sources_on_the_network_come_and_go_and_reference_clocks_stay() {
        let old = config(&(servers(&["a.example", "b.example"]) + REFERENCE));
        let new = config(&servers(&["b.example", "c.example"]));
        let sources = listed(&old.sources, &new.sources);
        let names: Vec<String> = sources.iter().map(|source| source.address.to_string()).collect();
        assert_eq!(names, ["/dev/ptp0", "b.example", "c.example"]);
        let said = [
            "a.example of a.example is no source any more",
            "c.example of c.example is a source from now on",
        ];
        assert_eq!(changes(&old.sources, &sources), said);
        let now = Config { sources, ..old };
        assert_eq!(differences(&now, &new), ["[[source]] of reference clocks"]);
    }
}
