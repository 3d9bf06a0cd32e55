//! What each service offers, as data: its operations with their parameters.
//!
//! One table decides three things: which parameters a request may have, what
//! is said of those that break a limit, and what `docs/LOCAL_SERVICES.md` lists. A
//! parameter that is not in the table is refused, never ignored.

pub mod cbor;
mod check;
mod listing;
pub(crate) mod protocol;
pub mod query;
pub mod tables;

pub use check::{Problem, Refusal, check, check_texts};
pub use listing::listing;

/// A service of AWS, as far as it is offered here.
#[derive(Debug)]
pub struct Service {
    /// Its name in the scope of a signature.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The operations that are offered, by name.
    pub operations: &'static [Operation],
    /// What a user of AWS would expect and not find, as one sentence.
    pub differs: &'static str,
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// The parameters that are understood.
    pub parameters: &'static [Parameter],
}

/// A parameter, or a member of one.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Whether a request has to have it.
    pub required: bool,
    /// What it may be.
    pub kind: Kind,
}

/// What a value may be.
#[derive(Debug)]
pub enum Kind {
    /// A text with a length in characters, and a regular expression for all of it ("" for any text).
    Text(usize, usize, &'static str),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A time, in seconds since 1970.
    Time,
    /// A yes or a no.
    Boolean,
    /// Bytes, in base64; their number at most.
    Blob(usize),
    /// So many values at least and at most.
    List(usize, usize, &'static Kind),
    /// Members.
    Structure(&'static [Parameter]),
    /// Texts by name: so many at least and at most, and the longest name and text.
    Map(usize, usize, usize, usize),
}

/// A parameter that a request has to have.
pub const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, required: true, kind }
}

/// A parameter that a request may have.
pub const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, required: false, kind }
}

/// Returns an operation that has these parameters.
pub const fn operation(name: &'static str, parameters: &'static [Parameter]) -> Operation {
    Operation { name, parameters }
}

impl Service {
    /// Returns the operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}
