//! Tables on standard output.
//!
//! A table is as wide as its content. On a terminal that is narrower, the cells are wrapped.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};

use crate::closed_output::stdout;
use crate::output::printable_line;

/// Number of columns of the terminal between two columns of a table.
const GAP: u16 = 2;
/// Number of rows that are laid out together. A table of any length takes bounded memory.
const ROWS_AT_ONCE: usize = 1_000;

/// A column, with its heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// A column of texts, which begin at its left.
    Text(&'static str),
    /// A column of numbers, which end at its right.
    Number(&'static str),
    /// A column of numbers that is left out while it is empty.
    OptionalNumber(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        let (Self::Text(heading) | Self::Number(heading) | Self::OptionalNumber(heading)) = self;
        heading
    }

    fn alignment(self) -> CellAlignment {
        match self {
            Self::Text(_) => CellAlignment::Left,
            Self::Number(_) | Self::OptionalNumber(_) => CellAlignment::Right,
        }
    }
}

/// A table that is printed while its rows are added.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Widths of the columns that were printed, 0 for one that was left out; empty before.
    printed: Vec<u16>,
    /// Width of the terminal; `None` if standard output is none.
    terminal_width: Option<u16>,
}

impl Table {
    /// Begins a table on standard output.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        let terminal_width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
        Self { columns: columns.into(), rows: Vec::new(), printed: Vec::new(), terminal_width }
    }

    /// Adds a row. Control characters are escaped.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> anyhow::Result<()> {
        self.rows.push(cells.into_iter().map(|cell| printable_line(cell.as_ref())).collect());
        if self.rows.len() < ROWS_AT_ONCE { Ok(()) } else { self.print() }
    }

    /// Prints the rows that are left.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.print()
    }

    fn print(&mut self) -> anyhow::Result<()> {
        let text = self.laid_out();
        let mut output = stdout();
        if !text.is_empty() {
            writeln!(output, "{text}")?;
        }
        Ok(())
    }

    /// Returns the rows that were not printed yet, below the headings if they are the first, or the first with a
    /// further column.
    fn laid_out(&mut self) -> String {
        let rows = std::mem::take(&mut self.rows);
        self.printed.resize(self.columns.len(), 0);
        let is_left_out = |place: usize| {
            matches!(self.columns[place], Column::OptionalNumber(_))
                && self.printed[place] == 0
                && rows.iter().all(|row| row[place].is_empty())
        };
        let shown: Vec<usize> = (0..self.columns.len()).filter(|place| !is_left_out(*place)).collect();
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.terminal_width {
            table.set_width(width);
        }
        if shown.iter().any(|place| self.printed[*place] == 0) {
            table.add_row(shown.iter().map(|place| self.columns[*place].heading()));
        }
        table.add_rows(rows.iter().map(|row| shown.iter().map(|place| &row[*place])));
        for (place, width) in shown.iter().zip(table.column_max_content_widths()) {
            self.printed[*place] = width.max(self.printed[*place]).clamp(1, u16::MAX - GAP);
        }
        let width: usize = shown.iter().map(|place| usize::from(self.printed[*place] + GAP)).sum();
        let fits = self.terminal_width.is_none_or(|terminal| width <= usize::from(terminal));
        for (place, column) in shown.iter().zip(table.column_iter_mut()) {
            column.set_padding((0, GAP)).set_cell_alignment(self.columns[*place].alignment());
            if fits {
                let width = Width::Fixed(self.printed[*place] + GAP);
                column.set_constraint(ColumnConstraint::LowerBoundary(width));
            }
        }
        table.trim_fmt()
    }
}

#[cfg(test)]
mod tests {
    use super::Column::{Number, OptionalNumber, Text};
    use super::*;

    fn table(terminal_width: Option<u16>) -> Table {
        Table { terminal_width, ..Table::new([Text("key"), Number("calls"), Text("state")]) }
    }

    #[test]
    fn columns_are_as_wide_as_their_content_in_columns_of_the_terminal() {
        let mut table = table(None);
        table.row(["key-1", "12", "active"]).unwrap();
        table.row(["キー", "1234567", "a\tb"]).unwrap();
        assert_eq!(table.laid_out(), "key      calls  state\nkey-1       12  active\nキー   1234567  a\\tb");
        table.row(["k", "1", "later"]).unwrap();
        assert_eq!(table.laid_out(), "k            1  later", "later rows keep the columns");
    }

    #[test]
    fn an_optional_column_is_shown_from_its_first_number_on() {
        let mut table =
            Table { terminal_width: None, ..Table::new([Number("calls"), OptionalNumber("bytes")]) };
        table.row(["1", ""]).unwrap();
        assert_eq!(table.laid_out(), "calls\n    1");
        table.row(["2", "30"]).unwrap();
        assert_eq!(table.laid_out(), "calls  bytes\n    2     30");
        table.row(["3", ""]).unwrap();
        assert_eq!(table.laid_out(), "    3");
    }

    #[test]
    fn cells_are_wrapped_on_a_narrow_terminal() {
        let mut table = table(Some(24));
        table.row(["a-key-with-a-long-name", "12", "active"]).unwrap();
        let text = table.laid_out();
        assert!(text.lines().all(|line| line.chars().count() <= 24) && text.lines().count() > 2, "{text}");
    }
}
