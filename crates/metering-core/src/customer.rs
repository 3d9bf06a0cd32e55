//! Customers, who pay for the calls of their keys.

use std::collections::BTreeMap;

use crate::metered_key::{MAX_CUSTOMER_ID_BYTES, has_form_of_id};

/// The stored data of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerRecord {
    /// The id under which the usage of its keys is counted.
    pub customer_id: String,
    /// Display name.
    pub name: String,
    /// Further attributes, which the meter does not interpret.
    pub labels: BTreeMap<String, String>,
    /// Time of creation, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// A text that is not the id of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a customer id has 1 to {MAX_CUSTOMER_ID_BYTES} letters, digits, '-', '_' and '.', and is not a mere '-'"
)]
pub struct NotACustomerId;

/// Checks the id of a customer.
///
/// # Errors
/// When usage could not be counted under the id.
///
/// ```
/// use metering_core::customer::check_customer_id;
///
/// assert!(check_customer_id("acme-eu.1").is_ok());
/// assert!(check_customer_id("acme#1").is_err());
/// ```
pub fn check_customer_id(id: &str) -> Result<(), NotACustomerId> {
    let is_id = (1..=MAX_CUSTOMER_ID_BYTES).contains(&id.len()) && has_form_of_id(id);
    if is_id { Ok(()) } else { Err(NotACustomerId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_a_log_could_not_have_is_refused() {
        let longest = "c".repeat(MAX_CUSTOMER_ID_BYTES);
        for id in ["a", "-a", "7", "A_b.c-d", &longest] {
            assert_eq!(check_customer_id(id), Ok(()), "{id}");
        }
        let too_long = "c".repeat(MAX_CUSTOMER_ID_BYTES + 1);
        for id in ["", "-", "a b", "a#b", "é", &too_long] {
            assert_eq!(check_customer_id(id), Err(NotACustomerId), "{id}");
        }
    }
}
