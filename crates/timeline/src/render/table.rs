//! Corrections as rows, for databases: comma-separated values, JSON objects, or Parquet. All have the same columns.
//!
//! | column | what |
//! | --- | --- |
//! | `host` | whose clock |
//! | `boot` | in which boot, as the kernel calls it, if there is no doubt |
//! | `from_ns`, `to_ns` | readings of the clock from the first up to the second, nanoseconds as POSIX counts them |
//! | `offset_ns` | the likeliest UTC minus the reading, at `from_ns` |
//! | `rate` | UTC gains so many seconds on each second of the clock from there on |
//! | `bound_ns` | the corrected time is at most so wrong, anywhere in the row |
//! | `evidence` | `history`, `chrony`, `ntpd`, `told` |

use std::io::{self, Write};

use serde::Serialize;
use truechimer_time::Span;

use super::columns::Columns;
use super::evidence_word;
use super::rows::quoted;
use crate::corrections::Correction;

/// In which form a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated values with a head (RFC 4180).
    Csv,
    /// A JSON object a line.
    Json,
    /// Columns with types, which no text can be mistaken for.
    Parquet,
}

/// A row as it is written.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    pub(super) host: &'a str,
    pub(super) boot: Option<&'a str>,
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
    pub(super) offset_ns: i64,
    pub(super) rate: f64,
    pub(super) bound_ns: i64,
    pub(super) evidence: &'static str,
}

/// A table that is being written.
pub struct Table<W: Write + Send> {
    kind: Kind<W>,
}

enum Kind<W: Write + Send> {
    Csv(W),
    Json(W),
    Parquet(Box<Columns<W>>),
}

impl<W: Write + Send> Table<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// Those of the one who is written to, as in all that follows.
    pub fn begin(mut out: W, form: Form) -> io::Result<Self> {
        let kind = match form {
            Form::Csv => {
                out.write_all(b"host,boot,from_ns,to_ns,offset_ns,rate,bound_ns,evidence\r\n")?;
                Kind::Csv(out)
            }
            Form::Json => Kind::Json(out),
            Form::Parquet => Kind::Parquet(Box::new(Columns::begin(out)?)),
        };
        Ok(Self { kind })
    }

    /// Writes a row of a host, in a boot if that is known.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn row(&mut self, (host, boot): (&str, Option<&str>), correction: &Correction) -> io::Result<()> {
        let Correction { from, to, offset, rate, bound, evidence, stretch: _ } = *correction;
        let row = Row {
            host,
            boot,
            from_ns: from.since_epoch().as_nanos(),
            to_ns: to.since_epoch().as_nanos(),
            offset_ns: offset.as_nanos(),
            rate: rate.as_ratio(),
            // What is cut off elsewhere is less than one, each.
            bound_ns: (bound + Span::from_nanos(2)).as_nanos(),
            evidence: evidence_word(evidence),
        };
        match &mut self.kind {
            Kind::Csv(out) => {
                let Row { from_ns, to_ns, offset_ns, rate, bound_ns, evidence, .. } = row;
                let (host, boot) = (quoted(host), quoted(boot.unwrap_or_default()));
                write!(
                    out,
                    "{host},{boot},{from_ns},{to_ns},{offset_ns},{rate:.18},{bound_ns},{evidence}\r\n"
                )
            }
            Kind::Json(out) => {
                serde_json::to_writer(&mut *out, &row)?;
                out.write_all(b"\n")
            }
            Kind::Parquet(columns) => columns.row(&row),
        }
    }

    /// Ends it: only then is it whole.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn end(self) -> io::Result<()> {
        match self.kind {
            Kind::Csv(mut out) | Kind::Json(mut out) => out.flush(),
            Kind::Parquet(columns) => columns.end(),
        }
    }
}

#[cfg(test)]
mod tests;
