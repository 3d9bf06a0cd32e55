//! Files as people have them: where they are, how they are encoded, and the
//! JSON values and lines that stand in them.

pub mod open;
pub mod pieces;
mod scan;
mod utf16;
