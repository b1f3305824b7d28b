//! The file of symmetric keys: lines of `ID TYPE SECRET`, as chronyd and ntpd have them.
//!
//! ```text
//! # comment                              also behind ! ; %
//! 7  AES128  HEX:2B7E151628AED2A6ABF7158809CF4F3C
//! 8  SHA1    ASCII:correct#horse         text, whatever is in it
//! 9  AES     2b7e151628aed2a6abf7158809cf4f3c   # ntpd's way: more than 20 characters are hexadecimal
//! 10 M       hunter2                     up to 20 characters are text
//! ```
//!
//! **Never here:** a secret in an error, in a log, or in what `config show` prints. An error names the file and the line
//! and says what is wrong, but does not show it: what stands in the wrong place may be a secret.
//!
//! The file is for us alone. One that others may read is refused, for its keys are known; so is a link, because whoever can
//! lay it chooses what is read (bad inputs 123 and 126).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use truechimer_core::server::access::Prefix;
use truechimer_core::server::keys::{Grant, KEYS_MAX, Ring};
use truechimer_core::wire::mac::{Key, KeyError, KeyKind};
use truechimer_sys::user;
use zeroize::Zeroizing;

use super::{Account, Config, KeyId};

/// The most bytes of the file.
pub const KEYS_BYTES_MAX: u64 = 1 << 20;

/// ntpd takes longer secrets for hexadecimal digits.
const TEXT_MAX: usize = 20;

/// The types by all their names; case does not matter. The first name of each is chronyd's, and ours.
const TYPES: &[(&str, KeyKind)] = &[
    ("AES128", KeyKind::Aes128),
    ("AES-128", KeyKind::Aes128),
    ("AES", KeyKind::Aes128),
    ("AES128CMAC", KeyKind::Aes128),
    ("AES256", KeyKind::Aes256),
    ("AES-256", KeyKind::Aes256),
    ("SHA256", KeyKind::Sha256),
    ("SHA-256", KeyKind::Sha256),
    ("SHA2-256", KeyKind::Sha256),
    ("SHA1", KeyKind::Sha1),
    ("SHA-1", KeyKind::Sha1),
    ("MD5", KeyKind::Md5),
    ("M", KeyKind::Md5),
];

/// The type of this name.
pub(crate) fn kind_named(name: &[u8]) -> Option<KeyKind> {
    TYPES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
}

/// The name of a type that chronyd knows as well.
pub(crate) fn name_of(kind: KeyKind) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

/// The keys of one file, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: BTreeMap<u32, Arc<Key>>,
}

impl Keys {
    /// The keys of the file that a configuration names; none, if it names none. All that the configuration refers to are
    /// in it.
    ///
    /// # Errors
    /// The file cannot be used, or lacks a key.
    pub fn load(config: &Config) -> Result<Self, KeysError> {
        let Some(path) = &config.keys_file else { return Ok(Self::default()) };
        let blame = |line, fault| KeysError { file: path.clone(), line, fault };
        let bytes = read(path, &config.user).map_err(|fault| blame(None, fault))?;
        let keys = Self::parse(&bytes).map_err(|(line, fault)| blame(Some(line), fault))?;
        match config.keys_wanted().find(|(id, _)| !keys.keys.contains_key(&id.get())) {
            Some((id, wanted_by)) => Err(blame(None, KeysFault::Missing { id, wanted_by })),
            None => Ok(keys),
        }
    }

    /// The key of that id.
    pub fn key(&self, id: KeyId) -> Option<Arc<Key>> {
        self.keys.get(&id.get()).cloned()
    }

    /// The ring of those that are served.
    pub fn ring(&self, served: &[ServedKey]) -> Ring {
        let grant = |served: &ServedKey| {
            let key = self.key(served.id)?;
            Some(Grant::new(key, served.allow.clone()).expect("the configuration has checked their number"))
        };
        Ring::new(served.iter().filter_map(grant).collect())
            .expect("the configuration has checked their number, and that no id is there twice")
    }

    /// What is to be said of those of these keys that are there only for old peers, if there are any.
    pub fn warning(&self, config: &Config) -> Option<String> {
        let is_old = |id: &KeyId| self.key(*id).is_some_and(|key| key.kind().is_for_old_peers());
        let mut old: Vec<KeyId> = config.keys_wanted().map(|(id, _)| id).filter(is_old).collect();
        old.sort_unstable();
        old.dedup();
        let list = old.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ");
        (!old.is_empty()).then(|| {
            format!(
                "keys for old peers only, MD5 or SHA-1: {list}; where the other side knows it, make one of AES128 \
                 (`truechimer keys new`)"
            )
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, (usize, KeysFault)> {
        let mut lines: BTreeMap<u32, usize> = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let Some(key) = key_of(line).map_err(|fault| (number, fault))? else { continue };
            if let Some(first) = lines.insert(key.id(), number) {
                return Err((number, KeysFault::Twice { id: key.id(), first }));
            }
            if keys.len() == KEYS_MAX {
                return Err((number, KeysFault::TooMany));
            }
            keys.insert(key.id(), Arc::new(key));
        }
        Ok(Self { keys })
    }
}

/// A key that we serve, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKey {
    /// Its number in the file.
    pub id: KeyId,
    /// Who may use it.
    pub allow: Vec<Prefix>,
}

/// The key of one line, if there is one on it.
fn key_of(line: &[u8]) -> Result<Option<Key>, KeysFault> {
    let mut found = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let words: [&[u8]; 4] = std::array::from_fn(|_| found.next().unwrap_or_default());
    let (id, kind, secret) = match words {
        [[], ..] | [[b'#' | b'!' | b';' | b'%', ..], ..] => return Ok(None),
        [_, [], ..] => return Err(KeysFault::NoSecret),
        // chronyd takes a line of two words for an MD5 key.
        [id, secret, [], _] if kind_named(secret).is_none() => (id, b"MD5".as_slice(), secret),
        [_, _, [], _] => return Err(KeysFault::NoSecret),
        [id, kind, secret, [] | [b'#', ..]] => (id, kind, secret),
        [_, _, _, _] => return Err(KeysFault::TooManyWords),
    };
    let kind = kind_named(kind).ok_or(KeysFault::UnknownType)?;
    let key = Key::new(id_of(id)?, kind, secret_of(secret)?);
    key.map(Some).map_err(KeysFault::Unusable)
}

/// Digits alone: the integer parser alone would let `+7` pass.
fn id_of(word: &[u8]) -> Result<u32, KeysFault> {
    let digits = word.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    number.filter(|_| digits).ok_or(KeysFault::NotAnId)
}

fn secret_of(word: &[u8]) -> Result<Vec<u8>, KeysFault> {
    if let Some(text) = word.strip_prefix(b"ASCII:") {
        return Ok(text.to_vec());
    }
    if let Some(digits) = word.strip_prefix(b"HEX:") {
        return from_hex(digits).ok_or(KeysFault::NotHex);
    }
    // ntpd ends the secret here and chronyd does not: neither is what the operator has seen (CVE-2021-22212).
    if word.contains(&b'#') {
        return Err(KeysFault::HashSign);
    }
    match word.len() > TEXT_MAX {
        true => from_hex(word).ok_or(KeysFault::TextTooLong),
        false => Ok(word.to_vec()),
    }
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return None };
        bytes.push((digit(high)? << 4 | digit(low)?) as u8);
    }
    Some(bytes)
}

/// The bytes of the file, if nobody but its owner can have read or written them, and its owner is root, we, or the account
/// that we become.
fn read(path: &Path, account: &Account) -> Result<Zeroizing<Vec<u8>>, KeysFault> {
    // Neither a link is followed nor a pipe waited for: what is opened has to be what was looked at.
    let looked_at = path.symlink_metadata().map_err(KeysFault::Unreadable)?;
    if !looked_at.is_file() {
        return Err(KeysFault::NotAFile);
    }
    let file = File::open(path).map_err(KeysFault::Unreadable)?;
    let facts = file.metadata().map_err(KeysFault::Unreadable)?;
    if (facts.dev(), facts.ino()) != (looked_at.dev(), looked_at.ino()) {
        return Err(KeysFault::NotAFile);
    }
    for_us_alone(&facts, account)?;
    if facts.len() > KEYS_BYTES_MAX {
        return Err(KeysFault::TooLarge);
    }
    // Room from the start: what a vector leaves behind where it grows is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(facts.len() as usize + 1));
    file.take(facts.len()).read_to_end(&mut bytes).map_err(KeysFault::Unreadable)?;
    Ok(bytes)
}

fn for_us_alone(facts: &Metadata, account: &Account) -> Result<(), KeysFault> {
    let (mode, owner, us) = (facts.mode() & 0o7777, facts.uid(), user::effective_uid());
    if mode & 0o077 != 0 {
        return Err(KeysFault::ForOthers { mode });
    }
    let is_accounts =
        || user::lookup(account.as_str()).is_ok_and(|user| user.is_some_and(|user| user.uid == owner));
    match owner == 0 || owner == us || is_accounts() {
        true => Ok(()),
        false => Err(KeysFault::OwnedByOther { owner, account: account.to_string() }),
    }
}

/// Why a file of keys is not used.
///
/// ```text
/// /etc/truechimer/keys:3: its second word is none of the types AES128, AES256, SHA256, SHA1, MD5
/// ```
#[derive(Debug)]
pub struct KeysError {
    /// The file.
    pub file: PathBuf,
    /// The line, from one, if it is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: KeysFault,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.fault)?;
        match self.fault.remedy(&self.file) {
            Some(remedy) => write!(f, "\n{remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KeysError {}

/// What can be wrong with a file of keys. None of it holds what stands in the file.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// The system does not give us the file.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A link, a folder, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// More bytes than are read.
    #[error("is larger than {KEYS_BYTES_MAX} bytes")]
    TooLarge,
    /// Its keys are known to others, or chosen by them.
    #[error("is open to others than its owner (mode {mode:04o})")]
    ForOthers {
        /// The permission bits.
        mode: u32,
    },
    /// Somebody else chooses the keys.
    #[error("belongs to user {owner}, neither to root nor to {account} nor to us")]
    OwnedByOther {
        /// Whose it is.
        owner: u32,
        /// Whose it may be.
        account: String,
    },
    /// A line that ends too early.
    #[error("has no secret: a key is ID TYPE SECRET")]
    NoSecret,
    /// A line that goes on.
    #[error("has more words than ID TYPE SECRET")]
    TooManyWords,
    /// The first word.
    #[error("does not begin with an id of 1 to {}", u32::MAX)]
    NotAnId,
    /// The second word.
    #[error("its second word is none of the types AES128, AES256, SHA256, SHA1, MD5")]
    UnknownType,
    /// Behind `HEX:`.
    #[error("has something else than pairs of hexadecimal digits behind HEX:")]
    NotHex,
    /// Neither text as ntpd has it nor hexadecimal.
    #[error("has a secret of more than {TEXT_MAX} characters that are not pairs of hexadecimal digits")]
    TextTooLong,
    /// Programs do not agree on what it means.
    #[error("has a # in its secret, where ntpd ends it and chronyd does not")]
    HashSign,
    /// A key that cannot be.
    #[error("cannot use this key: {0}")]
    Unusable(KeyError),
    /// Two keys of one id.
    #[error("key {id} is there a second time")]
    Twice {
        /// Which.
        id: u32,
        /// The line where it is already.
        first: usize,
    },
    /// More keys than there is room for.
    #[error("has more than {KEYS_MAX} keys")]
    TooMany,
    /// A key that the configuration refers to.
    #[error("has no key {id}, which {wanted_by} names")]
    Missing {
        /// Which.
        id: KeyId,
        /// Where the configuration refers to it.
        wanted_by: String,
    },
}

impl KeysFault {
    /// What to do next about this file, where it can be said.
    fn remedy(&self, file: &Path) -> Option<String> {
        let file = file.display();
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("it must belong to the account that the daemon starts as: chown ACCOUNT {file}"))
            }
            Self::NotAFile => Some("links are not followed: name the file itself".to_owned()),
            Self::ForOthers { .. } => Some(format!(
                "its keys may be known: make new ones (`truechimer keys new`), and take that right away: \
                 chmod 600 {file}"
            )),
            Self::OwnedByOther { account, .. } => {
                Some(format!("give it to the daemon: chown {account} {file}"))
            }
            Self::TextTooLong | Self::HashSign => Some(
                "write ASCII: in front if it is text as chronyd has it, or write it as HEX: and digits"
                    .to_owned(),
            ),
            Self::Twice { first, .. } => Some(format!("first at {file}:{first}; remove one of the two")),
            Self::TooManyWords => Some(
                "who may use a key is said in the configuration: [[serve.key]] with id and allow".to_owned(),
            ),
            Self::Unreadable(_)
            | Self::TooLarge
            | Self::NoSecret
            | Self::NotAnId
            | Self::UnknownType
            | Self::NotHex
            | Self::Unusable(_)
            | Self::TooMany
            | Self::Missing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
