//! A parsed query.

use super::aggregate::Stats;
use super::expression::Expression;
use super::record::Source;

/// Maximum limit of a query. Source: user guide, "limit".
pub const MAX_ROWS: usize = 100_000;

/// A parsed query.
#[derive(Debug)]
pub struct Query {
    /// The segments that end with a `stats`.
    pub(super) segments: Vec<Segment>,
    /// The commands after the last `stats`.
    pub(super) last: Segment,
    pub(super) ending: Ending,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub sources: Vec<Source>,
    pub commands: Vec<Command>,
    pub stats: Option<Stats>,
}

#[derive(Debug)]
pub(super) enum Command {
    Compute(usize, Expression),
    Filter(Expression),
}

/// The output of a query: order, limit and columns.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Sort keys, as (slot, `true` for descending).
    pub sort: Vec<(usize, bool)>,
    pub limit: Option<usize>,
    /// Columns of the answer, as (name, slot).
    pub shown: Vec<(String, usize)>,
    /// Slot of the timestamp, if the rows are events and the query has no `sort`.
    pub latest_first: Option<usize>,
    /// `true` if `display` chose the columns.
    pub is_display: bool,
}
