//! The rows of a report as CSV, piece by piece.

use std::convert::Infallible;

use futures_util::stream::{self, Stream};

use super::read::Report;
use super::view::{ViewParameters, cells};

/// The names of the columns. Those that `meter usage --csv` has as well have the same names.
const HEAD: [&str; 10] = [
    "customer_id",
    "api_key_id",
    "route_class",
    "owner",
    "plan",
    "period",
    "calls",
    "credits",
    "response_bytes",
    "last_call",
];
/// Number of rows of a piece.
const ROWS_AT_ONCE: usize = 1_000;

/// Returns the rows that are shown, piece by piece.
pub fn chunks(
    report: &Report,
    view: &ViewParameters,
    range: &str,
) -> impl Stream<Item = Result<Vec<u8>, Infallible>> + use<> {
    let rows: Vec<[String; 10]> = view.rows(report).into_iter().map(|row| cells(row, range)).collect();
    let head = HEAD.map(str::to_owned);
    let mut lines = std::iter::once(head).chain(rows);
    let pieces = std::iter::from_fn(move || {
        let mut csv = ::csv::Writer::from_writer(Vec::new());
        let written = lines
            .by_ref()
            .take(ROWS_AT_ONCE)
            .filter(|line| csv.write_record(line.each_ref().map(|cell| literal(cell))).is_ok());
        let count = written.count();
        (count > 0).then(|| csv.into_inner().unwrap_or_default())
    });
    stream::iter(pieces.map(Ok))
}

/// Returns a cell that a spreadsheet shows as text. It would calculate one that begins like a formula.
fn literal(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert_eq!(literal(cell), format!("'{cell}"));
        }
        assert_eq!([literal("acme"), literal("12.5"), literal("")], ["acme", "12.5", ""]);
    }
}
