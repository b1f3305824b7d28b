//! Sheets: what the laboratory finds, for people as a table and for programs as numbers.
//!
//! A number is kept as it is and rounded for people only: two decimals of what is small, none of what is large, so that
//! a change that nobody would notice does not change a golden file.

use std::fmt;

/// One figure or word.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A word.
    Word(String),
    /// A figure, in the unit of its column.
    Figure(f64),
    /// There is nothing to say.
    Nothing,
}

impl From<&str> for Cell {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

impl From<String> for Cell {
    fn from(word: String) -> Self {
        Self::Word(word)
    }
}

impl From<f64> for Cell {
    fn from(figure: f64) -> Self {
        Self::Figure(figure)
    }
}

impl From<Option<f64>> for Cell {
    fn from(figure: Option<f64>) -> Self {
        figure.map_or(Self::Nothing, Self::Figure)
    }
}

/// How a column's figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Words, straight on the left.
    Words,
    /// So many digits after the point.
    Fixed(usize),
    /// Three digits that count, or all before the point: `1.23`, `45.6`, `789`, `12345`.
    Short,
    /// A power of ten: `1e-9`.
    Power,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What stands in it; for programs too.
    pub name: String,
    /// In which unit; empty for words and ratios.
    pub unit: &'static str,
    /// How it is written.
    pub form: Form,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, unit: &'static str, form: Form) -> Self {
        Self { name: name.into(), unit, form }
    }

    fn head(&self) -> String {
        match self.unit {
            "" => self.name.clone(),
            unit => format!("{} {unit}", self.name),
        }
    }

    fn write(&self, cell: &Cell) -> String {
        match cell {
            Cell::Word(word) => word.clone(),
            Cell::Nothing => "-".into(),
            Cell::Figure(figure) => self.form.write(*figure),
        }
    }
}

impl Form {
    fn write(self, figure: f64) -> String {
        let decimals = match self {
            Self::Fixed(decimals) => decimals,
            Self::Power => return format!("{figure:e}"),
            Self::Words | Self::Short => match figure.abs() {
                ..9.995 => 2,
                9.995..99.95 => 1,
                _ => 0,
            },
        };
        format!("{figure:.decimals$}")
    }
}

/// A table, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What it is called; for programs too.
    pub name: &'static str,
    /// The heads.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What follows from the whole: a name, a figure, and the digits after its point.
    pub findings: Vec<(String, f64, usize)>,
    /// Nothing that may never be false was found false.
    pub holds: bool,
}

impl Sheet {
    /// A sheet without rows.
    pub fn new(name: &'static str, columns: Vec<Column>) -> Self {
        Self { name, columns, rows: Vec::new(), findings: Vec::new(), holds: true }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column of {}", self.name);
        self.rows.push(cells);
    }

    /// The figures of a column, without what is missing.
    pub fn figures(&self, name: &str) -> Vec<f64> {
        let Some(column) = self.columns.iter().position(|column| column.name == name) else {
            return Vec::new();
        };
        let figure = |row: &Vec<Cell>| match row[column] {
            Cell::Figure(figure) => Some(figure),
            Cell::Word(_) | Cell::Nothing => None,
        };
        self.rows.iter().filter_map(figure).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let padded = |column: usize| {
            let (cell, width) = (&cells[column], widths[column]);
            match self.columns[column].form {
                Form::Words => format!("{cell:<width$}"),
                Form::Fixed(_) | Form::Short | Form::Power => format!("{cell:>width$}"),
            }
        };
        (0..cells.len()).map(padded).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |row: &Vec<Cell>| -> Vec<String> {
            self.columns.iter().zip(row).map(|(column, cell)| column.write(cell)).collect()
        };
        let head: Vec<String> = self.columns.iter().map(Column::head).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(written).collect();
        let width = |column: usize| {
            let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in [&head].into_iter().chain(&rows) {
            writeln!(f, "{}", self.line(row, &widths))?;
        }
        for (name, figure, decimals) in &self.findings {
            writeln!(f, "{name}: {figure:.decimals$}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_reads_like_a_table() {
        let mut sheet = Sheet::new(
            "test",
            vec![
                Column::new("path", "", Form::Words),
                Column::new("walk", "/√s", Form::Power),
                Column::new("rms", "µs", Form::Short),
                Column::new("held", "%", Form::Fixed(3)),
            ],
        );
        sheet.row(vec!["quiet".into(), 1e-9.into(), 2.3456.into(), 99.9996.into()]);
        sheet.row(vec!["loud, far".into(), 1e-10.into(), 1234.5.into(), Cell::Nothing]);
        sheet.findings.push(("mean".into(), 2.0, 1));
        assert_eq!(
            sheet.to_string(),
            "path       walk /√s  rms µs   held %\n\
             quiet          1e-9    2.35  100.000\n\
             loud, far     1e-10    1234        -\n\
             mean: 2.0\n"
        );
        assert_eq!(sheet.figures("rms"), [2.3456, 1234.5]);
        assert!(sheet.figures("none").is_empty());
    }

    #[test]
    #[should_panic(expected = "a cell for each column of test")]
    fn a_row_has_a_cell_for_each_column() {
        Sheet::new("test", vec![Column::new("path", "", Form::Words)]).row(Vec::new());
    }
}
