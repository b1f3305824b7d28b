use super::*;
use crate::course::Evidence;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use truechimer_time::{Rate, Time};

/// Rows of three hosts, some in a boot that is known, with numbers of either sign and up to the ends of what there is.
fn rows(count: i64) -> Vec<(&'static str, Option<&'static str>, Correction)> {
    let evidence = [Evidence::History, Evidence::Chrony, Evidence::Ntpd, Evidence::Told];
    let row = |number: i64| {
        let at = |nanos: i64| Time::from_epoch(Span::from_nanos(nanos));
        let from = 1_795_420_740_123_456_789 + number * 64_000_000_001;
        let host = ["web", "a \"b\", c", "größe"][(number % 3) as usize];
        let boot = (number % 2 == 0).then_some("0b9a-f2");
        let correction = Correction {
            from: at(from),
            to: at(from + 64_000_000_000),
            offset: Span::from_nanos((number % 7 - 3) * 1_000_003),
            rate: Rate::from_attos_per_second((number % 11 - 5) * 123_456_789_012_345),
            bound: Span::from_nanos(number * 17),
            evidence: evidence[(number % 4) as usize],
            stretch: None,
        };
        (host, boot, correction)
    };
    (0..count).map(row).collect()
}

fn written(form: Form, rows: &[(&str, Option<&str>, Correction)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut table = Table::begin(&mut bytes, form).expect("begun");
    for (host, boot, correction) in rows {
        table.row((host, *boot), correction).expect("written");
    }
    table.end().expect("ended");
    bytes
}

/// The rows of a Parquet file as comma-separated values.
fn read(bytes: Vec<u8>) -> String {
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("it is Parquet");
    let names: Vec<String> = file
        .metadata()
        .file_metadata()
        .schema()
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .collect();
    let mut text = names.join(",") + "\r\n";
    for row in file.get_row_iter(None).expect("it has rows") {
        let row = row.expect("it can be read");
        let cells = row.get_column_iter().map(|(_, field)| match field {
            Field::Str(text) => quoted(text),
            Field::Null => String::new(),
            Field::Long(number) => number.to_string(),
            Field::Double(number) => format!("{number:.18}"),
            other => panic!("no column is like {other:?}"),
        });
        text += &(cells.collect::<Vec<String>>().join(",") + "\r\n");
    }
    text
}

#[test]
fn parquet_has_the_rows_that_comma_separated_values_have() {
    for count in [0, 1, 1000] {
        let rows = rows(count);
        let csv = String::from_utf8(written(Form::Csv, &rows)).expect("text");
        assert_eq!(csv.lines().count(), 1 + count as usize);
        assert_eq!(read(written(Form::Parquet, &rows)), csv);
    }
}

#[test]
fn what_is_more_than_a_group_is_in_the_next_one() {
    let rows = rows((1 << 16) + 3);
    let bytes = written(Form::Parquet, &rows);
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).expect("it is Parquet");
    assert_eq!(file.num_row_groups(), 2);
    assert_eq!(read(bytes.clone()).as_bytes(), written(Form::Csv, &rows));
    assert_eq!(written(Form::Parquet, &rows), bytes, "the same input is the same bytes");
}

/// One who takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_system_says_is_told_as_it_said_it() {
    let rows = rows(100);
    let whole = written(Form::Parquet, &rows).len();
    for room in [0, 3, 4, whole / 2, whole - 1] {
        let write = || -> io::Result<()> {
            let mut table = Table::begin(Full(room), Form::Parquet)?;
            rows.iter().try_for_each(|(host, boot, correction)| table.row((host, *boot), correction))?;
            table.end()
        };
        let error = write().expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}: {error}");
    }
}
