//! The same rows as Parquet: columns with types, so that nobody has to say what is a number.
//!
//! Nanoseconds are whole numbers and no `TIMESTAMP`, as in the other forms: a reading of a clock is no moment until it is corrected, and
//! databases add offsets to numbers.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::table::Row;

/// What the columns are called, and their types.
const SCHEMA: &str = "message corrections {
    REQUIRED BYTE_ARRAY host (STRING);
    OPTIONAL BYTE_ARRAY boot (STRING);
    REQUIRED INT64 from_ns;
    REQUIRED INT64 to_ns;
    REQUIRED INT64 offset_ns;
    REQUIRED DOUBLE rate;
    REQUIRED INT64 bound_ns;
    REQUIRED BYTE_ARRAY evidence (STRING);
}";

/// No more rows are held before they are written, as a group.
const GROUP_ROWS: usize = 1 << 16;

/// Whom readers can blame.
const WRITTEN_BY: &str = concat!("truechimer version ", env!("CARGO_PKG_VERSION"));

/// A file of columns that is being written.
pub(super) struct Columns<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Group,
}

/// Rows that are not yet written, by columns.
#[derive(Default)]
struct Group {
    host: Vec<ByteArray>,
    /// Those that are known.
    boot: Vec<ByteArray>,
    /// 1 where one is known, of all rows.
    has_boot: Vec<i16>,
    from_ns: Vec<i64>,
    to_ns: Vec<i64>,
    offset_ns: Vec<i64>,
    rate: Vec<f64>,
    bound_ns: Vec<i64>,
    evidence: Vec<ByteArray>,
}

impl<W: Write + Send> Columns<W> {
    /// Begins the file.
    pub(super) fn begin(out: W) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).expect("it is one, as tests say"));
        let about = Arc::new(WriterProperties::builder().set_created_by(WRITTEN_BY.to_owned()).build());
        let file = SerializedFileWriter::new(out, schema, about).map_err(of_the_system)?;
        Ok(Self { file, group: Group::default() })
    }

    /// Takes a row in, and writes all that it holds when they are enough.
    pub(super) fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.group.push(row);
        if self.group.host.len() == GROUP_ROWS { self.write().map_err(of_the_system) } else { Ok(()) }
    }

    /// Writes the rest, and where everything is.
    pub(super) fn end(mut self) -> io::Result<()> {
        if !self.group.host.is_empty() {
            self.write().map_err(of_the_system)?;
        }
        self.file.finish().map_err(of_the_system)?;
        self.file.inner_mut().flush()
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let Group { host, boot, has_boot, from_ns, to_ns, offset_ns, rate, bound_ns, evidence } =
            std::mem::take(&mut self.group);
        let mut out = self.file.next_row_group()?;
        column::<_, ByteArrayType>(&mut out, &host, None)?;
        column::<_, ByteArrayType>(&mut out, &boot, Some(&has_boot))?;
        for numbers in [from_ns, to_ns, offset_ns] {
            column::<_, Int64Type>(&mut out, &numbers, None)?;
        }
        column::<_, DoubleType>(&mut out, &rate, None)?;
        column::<_, Int64Type>(&mut out, &bound_ns, None)?;
        column::<_, ByteArrayType>(&mut out, &evidence, None)?;
        out.close().map(|_| ())
    }
}

impl Group {
    fn push(&mut self, row: &Row<'_>) {
        let Row { host, boot, from_ns, to_ns, offset_ns, rate, bound_ns, evidence } = *row;
        self.host.push(host.into());
        self.boot.extend(boot.map(ByteArray::from));
        self.has_boot.push(boot.is_some().into());
        self.from_ns.push(from_ns);
        self.to_ns.push(to_ns);
        self.offset_ns.push(offset_ns);
        self.rate.push(rate);
        self.bound_ns.push(bound_ns);
        self.evidence.push(evidence.into());
    }
}

/// Writes the next column of a group; of one that may lack values, for each row whether it has one.
fn column<W: Write + Send, T: DataType>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    has: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = out.next_column()?.expect("the schema has as many columns");
    column.typed::<T>().write_batch(values, has, None)?;
    column.close()
}

/// What the system said is told as it said it.
fn of_the_system(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    }
}
