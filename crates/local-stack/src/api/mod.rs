//! The operations of each service with their parameters, as data; and the protocols of requests.
//!
//! A table decides which parameters a request may have, which error a request gets that breaks a limit,
//! and what `docs/LOCAL_SERVICES.md` lists. A parameter that is not in the table is refused, never ignored.

pub mod cbor;
mod check;
mod listing;
pub(crate) mod protocol;
pub mod query;
pub mod tables;

pub use check::{Problem, Refusal, check, check_texts};
pub use listing::listing;

/// The supported part of an AWS service.
#[derive(Debug)]
pub struct Service {
    /// Name in the scope of a signature.
    pub id: &'static str,
    /// Name in documents and errors.
    pub name: &'static str,
    /// Supported operations, sorted by name.
    pub operations: &'static [Operation],
    /// Differences from AWS, for `docs/LOCAL_SERVICES.md`.
    pub differs: &'static str,
}

#[derive(Debug)]
pub struct Operation {
    pub name: &'static str,
    /// Supported parameters.
    pub parameters: &'static [Parameter],
}

/// A parameter of an operation, or a member of a structure.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// `true` if a request without it is refused.
    pub required: bool,
    pub kind: Kind,
}

/// The type of a value, with its limits.
#[derive(Debug)]
pub enum Kind {
    /// A text: minimum and maximum length in characters, and a regular expression for the whole text, or
    /// "" for any text.
    Text(usize, usize, &'static str),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number: minimum and maximum.
    Integer(i64, i64),
    Number,
    /// A time, in seconds since 1970.
    Time,
    Boolean,
    /// Bytes in base64: maximum number of bytes.
    Blob(usize),
    /// A list: minimum and maximum number of elements, and their type.
    List(usize, usize, &'static Kind),
    /// A structure with these members.
    Structure(&'static [Parameter]),
    /// Texts by name: minimum and maximum number of entries, maximum length of a name and of a text.
    Map(usize, usize, usize, usize),
}

/// Returns a parameter that a request must have.
pub const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, required: true, kind }
}

/// Returns a parameter that a request may have.
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
