//! A query, as its parser leaves it.

use super::aggregate::Stats;
use super::expression::Expression;
use super::record::Source;

/// The most rows that a query may ask for. Source: user guide, "limit".
pub const MAX_ROWS: usize = 100_000;

/// A query, understood.
#[derive(Debug)]
pub struct Query {
    /// What leads up to each `stats`.
    pub(super) segments: Vec<Segment>,
    /// What follows the last of them.
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

/// What follows the last `stats`, or stands without one.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub sort: Vec<(usize, bool)>,
    pub limit: Option<usize>,
    /// The columns that are shown, with their names.
    pub shown: Vec<(String, usize)>,
    /// The times of events, where they are shown and nothing sorts them.
    pub latest_first: Option<usize>,
    pub is_display: bool,
}
