//! Plain tables: columns as wide as they must be, two spaces between them, nothing at the end of a line.

use std::fmt;

use super::colour::{Colours, Mood};

/// On which side a column is straight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers with their units.
    Right,
}

/// A table of `N` columns that is built row by row.
///
/// ```
/// use truechimer::ui::table::{Side, Table};
/// let mut table = Table::new([("source", Side::Left), ("offset", Side::Right)]);
/// table.row(["ptb.de", "-1.250 ms"]);
/// assert_eq!(table.to_string(), "source     offset\nptb.de  -1.250 ms\n");
/// ```
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    head: [(&'static str, Side); N],
    rows: Vec<(Option<Mood>, [String; N])>,
    colours: Colours,
}

impl<const N: usize> Table<N> {
    /// A table with these columns, without colours.
    pub fn new(head: [(&'static str, Side); N]) -> Self {
        Self { head, rows: Vec::new(), colours: Colours::NONE }
    }

    /// The same table in these colours.
    pub fn in_colours(self, colours: Colours) -> Self {
        Self { colours, ..self }
    }

    /// One more row. Control characters in it are shown as replacement characters: what a peer sent must not
    /// command the terminal.
    pub fn row<S: Into<String>>(&mut self, cells: [S; N]) {
        self.rows.push((None, cells.map(|cell| harmless(&cell.into()))));
    }

    /// One more row, in the colour of a mood. One of its cells is to say the same in words.
    pub fn row_in<S: Into<String>>(&mut self, mood: Mood, cells: [S; N]) {
        self.rows.push((Some(mood), cells.map(|cell| harmless(&cell.into()))));
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|(_, row)| row[column].as_str());
        cells.chain([self.head[column].0]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn line(&self, cells: [&str; N], widths: [usize; N]) -> String {
        let padded = |column: usize| {
            let (cell, width) = (cells[column], widths[column]);
            match self.head[column].1 {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            }
        };
        let line: Vec<String> = (0..N).map(padded).collect();
        line.join("  ").trim_end().to_owned()
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = std::array::from_fn(|column| self.width(column));
        writeln!(f, "{}", self.line(self.head.map(|(name, _)| name), widths))?;
        for (mood, row) in &self.rows {
            let line = self.line(row.each_ref().map(String::as_str), widths);
            match mood {
                Some(mood) => writeln!(f, "{}", self.colours.paint(*mood, &line))?,
                None => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

fn harmless(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ColourWhen;

    #[test]
    fn columns_are_straight_in_characters_not_bytes() {
        let mut table = Table::new([("source", Side::Left), ("delay", Side::Right), ("why", Side::Left)]);
        table.row(["a", "35.00 µs", ""]);
        table.row(["longer.example", "1.000 ms", "falseticker"]);
        assert_eq!(
            table.to_string(),
            "source             delay  why\n\
             a               35.00 µs\n\
             longer.example  1.000 ms  falseticker\n"
        );
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new([("a", Side::Left), ("b", Side::Left)]);
        table.row_in(Mood::Bad, ["x", "false"]);
        assert_eq!(table.to_string(), "a  b\nx  false\n");
        let painted = table.in_colours(Colours::of(ColourWhen::Always, &std::io::stdout()));
        assert_eq!(painted.to_string(), "a  b\n\x1b[31mx  false\x1b[0m\n");
    }

    #[test]
    fn a_peer_cannot_command_the_terminal() {
        let mut table = Table::new([("refid", Side::Left)]);
        table.row(["\x1b[2J\n"]);
        assert_eq!(table.to_string(), "refid\n\u{fffd}[2J\u{fffd}\n");
    }
}
