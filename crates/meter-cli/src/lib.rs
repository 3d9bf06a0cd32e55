//! meter-cli
