//! Input files: their locations and encodings, and the JSON values and lines in them.

pub mod marks;
pub mod open;
pub mod pieces;
mod scan;
mod utf16;
