//! lambda-support
