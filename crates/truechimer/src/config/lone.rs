//! A file of another shape, which is read as the configuration is: what is unknown is an error, and errors tell their places.
//!
//! It steers nobody's clock, so it may be anybody's.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::{ConfigError, Texts};
use super::{merge, read, written};

/// What one file says, and its text, so that more can be blamed on places of it. `list` is what a list of tables is called in it.
///
/// # Errors
/// It cannot be read, is larger than a configuration, or does not say what the type has.
pub(crate) fn lone<T: DeserializeOwned>(path: &Path, list: &str) -> Result<(T, Texts), ConfigError> {
    let most = read::CONFIG_BYTES_MAX;
    let bytes = read::regular(path, most, most).map_err(|fault| ConfigError::new(path, None, fault))?;
    let mut texts = Texts::default();
    texts.add(path, read::utf8(path, bytes)?);
    let said = written::shaped(merge::merged(&texts)?, &texts, list)?;
    Ok((said, texts))
}
