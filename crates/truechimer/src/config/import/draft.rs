//! The configuration as it grows. Nothing comes into it that our own reader refuses, so that it can be used at any time.

use super::super::Config;
use super::values::quoted;

/// The tables, in the order in which they are written.
const TABLES: [&str; 11] = [
    "keys",
    "clock",
    "assume",
    "select",
    "serve",
    "serve.nts",
    "chrony",
    "classic",
    "statistics",
    "log",
    "leap",
];

/// Where keys are looked for that are named without a file.
const KEYS_FILE: &str = "/etc/truechimer/keys";

/// A value, and the line that it is from.
#[derive(Clone)]
struct Entry {
    path: String,
    value: String,
    from: String,
}

/// A source: its keys in their order.
#[derive(Clone)]
struct Source {
    from: String,
    keys: Vec<(String, String)>,
}

/// What has been taken so far.
#[derive(Clone, Default)]
pub(super) struct Draft {
    entries: Vec<Entry>,
    sources: Vec<Source>,
    /// Nobody is named, and those who are asked by default shall be.
    pub(super) asks_defaults: bool,
}

impl Draft {
    /// Sets `table.key`; values belong together and are taken together or not at all.
    ///
    /// Answers with the place of a line whose value was there before.
    pub(super) fn set(&mut self, values: &[(&str, String)], from: &str) -> Result<Option<String>, String> {
        let mut next = self.clone();
        let mut before = None;
        for (path, value) in values {
            if let Some(at) = next.entries.iter().position(|entry| entry.path == *path) {
                before = Some(next.entries.remove(at).from);
            }
            next.entries.push(Entry {
                path: (*path).to_owned(),
                value: value.clone(),
                from: from.to_owned(),
            });
        }
        next.usable()?;
        *self = next;
        Ok(before)
    }

    /// Takes out what a line has set.
    pub(super) fn remove(&mut self, table: &str) {
        self.entries.retain(|entry| table_of(&entry.path) != table);
    }

    /// The value of a key, if it was set.
    pub(super) fn value(&self, path: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.path == path).map(|entry| entry.value.as_str())
    }

    /// One more source, by its number.
    pub(super) fn add(&mut self, keys: &[(&str, String)], from: &str) -> Result<usize, String> {
        let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut next = self.clone();
        next.sources.push(Source { from: from.to_owned(), keys });
        next.usable()?;
        *self = next;
        Ok(self.sources.len() - 1)
    }

    /// Says more of a source.
    pub(super) fn tell(&mut self, source: usize, values: &[(&str, String)]) -> Result<(), String> {
        let mut next = self.clone();
        let Some(told) = next.sources.get_mut(source) else {
            return Err("there is no such source".to_owned());
        };
        for (key, value) in values {
            told.keys.retain(|(known, _)| known != key);
            told.keys.push(((*key).to_owned(), value.clone()));
        }
        next.usable()?;
        *self = next;
        Ok(())
    }

    fn names_keys(&self) -> bool {
        self.sources.iter().any(|source| source.keys.iter().any(|(key, _)| key == "key"))
    }

    /// Keys are named and no file of them: which one is taken.
    pub(super) fn keys_file_missing(&self) -> Option<&'static str> {
        (self.names_keys() && self.value("keys.file").is_none()).then_some(KEYS_FILE)
    }

    /// What our reader makes of it.
    ///
    /// What is said about serving can stand before the word that there is to be serving.
    pub(super) fn usable(&self) -> Result<Config, String> {
        let mut whole = self.clone();
        let serves = self.entries.iter().any(|entry| entry.path.starts_with("serve."));
        if serves && self.value("serve.ntp").is_none() {
            let value = "[\"127.0.0.1:123\"]".to_owned();
            whole.entries.push(Entry { path: "serve.ntp".to_owned(), value, from: String::new() });
        }
        whole.config()
    }

    /// What it says.
    pub(super) fn config(&self) -> Result<Config, String> {
        Config::parse("imported", &self.toml()).map_err(|error| error.fault.to_string())
    }

    /// The text.
    pub(super) fn toml(&self) -> String {
        let mut toml = String::new();
        for entry in self.entries.iter().filter(|entry| table_of(&entry.path).is_empty()) {
            toml += &entry.written();
        }
        if self.sources.is_empty() && !self.asks_defaults {
            toml += "# Nobody is asked.\nsource = []\n";
        }
        for source in &self.sources {
            toml += &format!("\n# {}\n[[source]]\n", source.from);
            for (key, value) in &source.keys {
                toml += &format!("{key} = {value}\n");
            }
        }
        for table in TABLES {
            toml += &self.table(table);
        }
        toml
    }

    fn table(&self, table: &str) -> String {
        let mut toml = String::new();
        for entry in self.entries.iter().filter(|entry| table_of(&entry.path) == table) {
            toml += &entry.written();
        }
        if let Some(file) = self.keys_file_missing().filter(|_| table == "keys") {
            toml += &format!("# No file was named.\nfile = {}\n", quoted(file));
        }
        if toml.is_empty() { toml } else { format!("\n[{table}]\n{toml}") }
    }
}

impl Entry {
    fn written(&self) -> String {
        let key = self.path.rsplit_once('.').map_or(self.path.as_str(), |(_, key)| key);
        let from = if self.from.is_empty() { String::new() } else { format!("# {}\n", self.from) };
        format!("{from}{key} = {}\n", self.value)
    }
}

fn table_of(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(table, _)| table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_does_not_come_in() {
        let mut draft = Draft::default();
        assert_eq!(draft.set(&[("clock.step_threshold", "\"1s\"".to_owned())], "a:1"), Ok(None));
        let refused = draft.set(&[("clock.step_threshold", "\"9d\"".to_owned())], "a:2");
        assert!(refused.is_err_and(|why| why.contains("step_threshold must be")));
        assert_eq!(draft.value("clock.step_threshold"), Some("\"1s\""));
        let again = draft.set(&[("clock.step_threshold", "\"2s\"".to_owned())], "a:3");
        assert_eq!(again, Ok(Some("a:1".to_owned())));
        assert!(draft.set(&[("clock.colour", "1".to_owned())], "a:4").is_err());
        assert_eq!(draft.config().expect("it can be used").sources, []);
    }

    #[test]
    fn serving_can_be_told_of_before_it_is_said_where() {
        let mut draft = Draft::default();
        draft.set(&[("serve.limit_burst", "8".to_owned())], "a:1").expect("it is no more than a limit");
        assert!(draft.config().is_err(), "nobody has said where");
        draft.remove("serve");
        assert!(draft.config().expect("nobody is served").serve.is_none());
    }

    #[test]
    fn keys_without_a_file_get_one() {
        let mut draft = Draft::default();
        let source = [("address", "\"a.example\"".to_owned()), ("key", "7".to_owned())];
        assert_eq!(draft.add(&source, "a:1"), Ok(0));
        assert!(draft.toml().contains("file = \"/etc/truechimer/keys\""));
        assert!(draft.tell(0, &[("colour", "1".to_owned())]).is_err());
    }
}
