//! `timeline --config FILE`: what options say of hosts, stamps and causes, written once.
//!
//! ```toml
//! pattern = ['^(?<epoch>\d+\.\d+) ']
//! zone = "UTC"
//!
//! [host.db]
//! path = ["/srv/logs/db"]
//! zone = "Europe/Berlin"
//! unset = true
//!
//! [[cause]]
//! sent = 'sent id=(?<id>\d+)'
//! received = 'received id=(?<id>\d+)'
//! ```
//!
//! It says exactly what options can, by the same readers. What there is one of (the zone of a host, the year), an option says otherwise;
//! what there can be many of (paths, patterns, causes), options add to. Paths begin in the folder of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Corrections, For, Pattern, Timeline, assumed, boot, labels, pattern, zone};
use crate::config::{self, ConfigError, Fault, Texts};
use crate::timeline::cause::{self, WrittenCause};

/// A text that an option's reader is to read.
type Text = Spanned<String>;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    pattern: Vec<Text>,
    year: Option<i16>,
    zone: Option<Text>,
    labels: Option<Text>,
    boot: Option<Text>,
    assume: Option<Text>,
    servers_within: Option<Text>,
    host: BTreeMap<Text, WrittenHost>,
    cause: Vec<WrittenCause>,
}

/// `[host.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenHost {
    path: Vec<Text>,
    zone: Option<Text>,
    labels: Option<Text>,
    boot: Option<Text>,
    assume: Option<Text>,
    servers_within: Option<Text>,
    unset: bool,
}

/// The arguments, and what the file says beside them.
///
/// # Errors
/// A [`cause::Misuse`] with the place in the file; or the system does not give it to us.
pub(super) fn with(arguments: &Timeline, file: &Path) -> anyhow::Result<Timeline> {
    let merged = merged(arguments, file).map_err(cause::blamed)?;
    match merged.paths.is_empty() && merged.hosts.is_empty() {
        true => nothing_named(file),
        false => Ok(merged),
    }
}

/// The arguments, and what the file says beside them of evidence: the paths of hosts, and how right servers were.
///
/// # Errors
/// As [`with`].
pub(super) fn with_evidence(arguments: &Corrections, file: &Path) -> anyhow::Result<Corrections> {
    let merged = merged_evidence(arguments, file).map_err(cause::blamed)?;
    match merged.paths.is_empty() && merged.hosts.is_empty() {
        true => nothing_named(file),
        false => Ok(merged),
    }
}

fn merged_evidence(arguments: &Corrections, file: &Path) -> Result<Corrections, ConfigError> {
    let (written, texts): (Written, Texts) = config::lone(file, "cause")?;
    let mut merged = arguments.clone();
    let all = Of { host: None, texts: &texts };
    all.say(&mut merged.servers_within, written.servers_within.as_ref(), assumed)?;
    for (name, written) in &written.host {
        paths(&mut merged.hosts, file, (name, written), &texts)?;
        let of = Of { host: Some(name.get_ref()), texts: &texts };
        of.say(&mut merged.servers_within, written.servers_within.as_ref(), assumed)?;
    }
    Ok(merged)
}

fn nothing_named<T>(file: &Path) -> anyhow::Result<T> {
    let file = file.display();
    cause::misuse(format!("no logs are named: name a PATH, or say path = [..] of a host in {file}"))
}

fn merged(arguments: &Timeline, file: &Path) -> Result<Timeline, ConfigError> {
    let (written, texts): (Written, Texts) = config::lone(file, "cause")?;
    let mut merged = arguments.clone();
    merged.year = arguments.year.or(written.year);
    let patterns: Vec<Pattern> =
        written.pattern.iter().map(|text| read(&texts, text, pattern)).collect::<Result<_, _>>()?;
    merged.patterns.extend(patterns);
    merged.order.configured = cause::causes(&written.cause, &texts)?;
    let all = Of { host: None, texts: &texts };
    // Of two that are said of the same hosts the later one counts: that of an option.
    all.say(&mut merged.zones, written.zone.as_ref(), zone)?;
    all.say(&mut merged.labels, written.labels.as_ref(), labels)?;
    all.say(&mut merged.boots, written.boot.as_ref(), boot)?;
    all.say(&mut merged.assumed, written.assume.as_ref(), assumed)?;
    all.say(&mut merged.servers_within, written.servers_within.as_ref(), assumed)?;
    for (name, written) in &written.host {
        host(&mut merged, file, (name, written), &texts)?;
    }
    Ok(merged)
}

fn host(
    merged: &mut Timeline,
    file: &Path,
    (name, written): (&Text, &WrittenHost),
    texts: &Texts,
) -> Result<(), ConfigError> {
    let of = Of { host: Some(name.get_ref()), texts };
    paths(&mut merged.hosts, file, (name, written), texts)?;
    of.say(&mut merged.zones, written.zone.as_ref(), zone)?;
    of.say(&mut merged.labels, written.labels.as_ref(), labels)?;
    of.say(&mut merged.boots, written.boot.as_ref(), boot)?;
    of.say(&mut merged.assumed, written.assume.as_ref(), assumed)?;
    of.say(&mut merged.servers_within, written.servers_within.as_ref(), assumed)?;
    if written.unset {
        merged.order.configured_unset.push(name.get_ref().clone());
    }
    Ok(())
}

/// Whose what is, as `--host` says it; from the folder of the file on.
fn paths(
    named: &mut Vec<(String, PathBuf)>,
    file: &Path,
    (name, written): (&Text, &WrittenHost),
    texts: &Texts,
) -> Result<(), ConfigError> {
    if name.get_ref().is_empty() {
        return Err(texts.blame(name.span(), Fault::Wrong("a host has a name".to_owned())));
    }
    for path in &written.path {
        let path = read(texts, path, |text| match text {
            "" => Err("a path is not empty".to_owned()),
            text => Ok(file.parent().unwrap_or(Path::new("")).join(text)),
        })?;
        named.push((name.get_ref().clone(), path));
    }
    Ok(())
}

/// Of whom something is said, and where.
struct Of<'a> {
    host: Option<&'a str>,
    texts: &'a Texts,
}

impl Of<'_> {
    /// Says it, before all that options say.
    fn say<T>(
        &self,
        said: &mut Vec<For<T>>,
        text: Option<&Text>,
        reader: impl Fn(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if let Some(text) = text {
            let what = read(self.texts, text, reader)?;
            said.insert(0, For { host: self.host.map(str::to_owned), what });
        }
        Ok(())
    }
}

fn read<T>(texts: &Texts, text: &Text, reader: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
    reader(text.get_ref()).map_err(|why| texts.blame(text.span(), Fault::Wrong(why)))
}
