//! What became of each line of what was read: nothing is left out without a word.

use std::fmt::Write as _;

use serde_json::json;

/// The most characters of a line that are shown.
const SHOWN_MAX: usize = 160;

/// What became of a directive, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is a key of ours that means the same.
    Taken,
    /// It is a key of ours, or what happens anyway, that does not mean quite the same.
    Differs,
    /// It is so without a word.
    Default,
    /// What it is for does not exist here, and nothing is lost.
    Needless,
    /// It cannot be said here: something behaves otherwise than it did.
    LeftOut,
    /// Nobody here knows what it means.
    Unknown,
}

impl Fate {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Differs => "differs",
            Self::Default => "default",
            Self::Needless => "not needed",
            Self::LeftOut => "left out",
            Self::Unknown => "unknown",
        }
    }

    /// Does something behave otherwise without it?
    pub fn is_loss(self) -> bool {
        matches!(self, Self::LeftOut | Self::Unknown)
    }
}

/// What is said of a line, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The part; empty for the whole line.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
    /// As which key and value it stands in the configuration; empty if it does not.
    pub key: String,
    /// Why, what differs, or what to do instead; may be empty.
    pub why: String,
}

/// A line that says something, which is no comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its file.
    pub file: String,
    /// Its number, from one.
    pub line: usize,
    /// What it says, harmless to a terminal.
    pub text: String,
    /// What became of it, part by part. Never empty.
    pub said: Vec<Said>,
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Whose it is.
    pub origin: super::Origin,
    /// The configuration. It can be used: it has been read by who reads configurations.
    pub toml: String,
    /// Every line that is no comment, once, in the order in which they were read.
    pub lines: Vec<Line>,
    /// What is to be known of the whole.
    pub warnings: Vec<String>,
}

impl Imported {
    /// Was everything taken that matters?
    pub fn is_complete(&self) -> bool {
        !self.lines.iter().flat_map(|line| &line.said).any(|said| said.fate.is_loss())
    }

    /// Every line with what became of it.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _never = writeln!(text, "{}:{}: {}", line.file, line.line, line.text);
            for said in &line.said {
                let _never = writeln!(text, "    {}", said.shown());
            }
        }
        for warning in &self.warnings {
            let _never = writeln!(text, "warning: {warning}");
        }
        text
    }

    /// Only what an administrator has to look at: one line for each part that differs or is left out.
    pub fn attention(&self) -> Vec<String> {
        let mut told = Vec::new();
        for line in &self.lines {
            let wanted = |said: &&Said| said.fate.is_loss() || said.fate == Fate::Differs;
            for said in line.said.iter().filter(wanted) {
                let part = if said.what.is_empty() { &line.text } else { &said.what };
                let (place, fate) = (format!("{}:{}", line.file, line.line), said.fate.name());
                told.push(format!("{place}: {part}: {fate}{}", said.reasons()));
            }
        }
        told.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        told
    }

    /// All of it, for programs.
    pub fn to_json(&self) -> serde_json::Value {
        let said = |said: &Said| json!({ "what": said.what, "fate": said.fate.name(), "key": said.key, "why": said.why });
        let line = |line: &Line| {
            let parts: Vec<_> = line.said.iter().map(said).collect();
            json!({ "file": line.file, "line": line.line, "text": line.text, "parts": parts })
        };
        json!({
            "from": self.origin.name(),
            "complete": self.is_complete(),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "warnings": self.warnings,
            "toml": self.toml,
        })
    }
}

impl Said {
    fn shown(&self) -> String {
        let part = if self.what.is_empty() { String::new() } else { format!(" {}", self.what) };
        format!("{}{part}{}", self.fate.name(), self.reasons())
    }

    fn reasons(&self) -> String {
        let parts = [&self.key, &self.why].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
    }
}

/// A text of somebody else's, harmless to a terminal and to a comment.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    let mut shown: String = text.chars().take(SHOWN_MAX).map(harmless).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown += "..";
    }
    shown
}

fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The lines so far.
#[derive(Default)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    /// Of which of them is spoken.
    pub(super) at: usize,
}

impl Report {
    /// Begins with a line.
    pub(super) fn open(&mut self, file: &str, line: usize, text: &str) {
        self.at = self.lines.len();
        self.lines.push(Line { file: shown(file), line, text: shown(text), said: Vec::new() });
    }

    pub(super) fn say(&mut self, said: Said) {
        if let Some(line) = self.lines.get_mut(self.at) {
            // What is wrong with a word is said with that word.
            let [key, why] = [&said.key, &said.why].map(|text| text.chars().map(harmless).collect());
            let said = Said { what: shown(&said.what), key, why, ..said };
            if !line.said.contains(&said) {
                line.said.push(said);
            }
        }
    }

    /// Where the line is of which is spoken: `chrony.conf:7`.
    pub(super) fn place(&self) -> String {
        self.lines.get(self.at).map_or_else(String::new, |line| format!("{}:{}", line.file, line.line))
    }
}
