//! Several files become one tree in which every key keeps its place.
//!
//! Lists of tables are joined in the order of the files. A key may be set by one file only: which of two settings
//! wins would depend on the names of files, and the loser would be believed to hold.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::{ConfigError, Fault, Texts};

/// The joined tree; its ranges are those of `texts`.
pub(super) fn merged(texts: &Texts) -> Result<DeTable<'_>, ConfigError> {
    let mut tree = DeTable::new();
    for file in texts.iter() {
        let parsed = DeTable::parse(&file.text).map_err(|error| {
            let range = error.span().unwrap_or(0..0);
            texts.blame(moved(range, file.base), Fault::Wrong(error.message().to_owned()))
        })?;
        graft(&mut tree, moved_table(parsed.into_inner(), file.base), "", texts)?;
    }
    Ok(tree)
}

/// Adds the entries of one table to another.
fn graft<'i>(
    into: &mut DeTable<'i>,
    from: DeTable<'i>,
    name: &str,
    texts: &Texts,
) -> Result<(), ConfigError> {
    for (key, value) in from {
        let Some((first, held)) = into.remove_entry(key.get_ref().as_ref()) else {
            into.insert(key, value);
            continue;
        };
        let range = held.span();
        let joined = match (held.into_inner(), value.into_inner()) {
            (DeValue::Table(mut held), DeValue::Table(more)) => {
                graft(&mut held, more, &format!("{name}{}.", key.get_ref()), texts)?;
                DeValue::Table(held)
            }
            (DeValue::Array(mut held), DeValue::Array(more)) if name.is_empty() => {
                more.into_iter().for_each(|one| held.push(one));
                DeValue::Array(held)
            }
            (_, _) => {
                let twice = Fault::SetTwice {
                    key: format!("{name}{}", key.get_ref()),
                    first: texts.line(first.span()),
                };
                return Err(texts.blame(key.span(), twice));
            }
        };
        into.insert(first, Spanned::new(range, joined));
    }
    Ok(())
}

fn moved(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn moved_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let mut result = DeTable::new();
    for (key, value) in table {
        let range = moved(key.span(), by);
        result.insert(Spanned::new(range, key.into_inner()), moved_value(value, by));
    }
    result
}

fn moved_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let range = moved(value.span(), by);
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(array) => {
            DeValue::Array(array.into_iter().map(|one| moved_value(one, by)).collect::<DeArray<'_>>())
        }
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(range, inner)
}
