//! The holder of usage: who may read it.

use crate::metered_key::{MAX_CUSTOMER_ID_BYTES, MAX_KEY_ID_BYTES, MeteredKey, has_form_of_id};

/// A reader of usage: a customer, which reads that of all its keys, or a key, which reads its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// All keys of a customer.
    Customer(Box<str>),
    /// One key: of a customer, or one that belongs to none.
    Key(MeteredKey),
}

/// An id that no customer and no key has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHolder {
    /// There is neither a customer nor a key.
    #[error("there is neither a customer nor a key")]
    Nobody,
    /// The text is not an id.
    #[error("{id:?} is no id of a {of}: it has 1 to {max_bytes} letters, digits, '-', '_' and '.'")]
    NoId {
        /// What should have the id: `customer` or `key`.
        of: &'static str,
        /// The text that is no id.
        id: Box<str>,
        /// The maximum length of an id, in bytes.
        max_bytes: usize,
    },
}

impl Holder {
    /// Returns a customer with all its keys.
    ///
    /// # Errors
    /// Fails if the text is not the id of a customer.
    pub fn customer(customer_id: &str) -> Result<Self, InvalidHolder> {
        Self::new(Some(customer_id), None)
    }

    /// Returns the key, or the customer if there is no key.
    ///
    /// # Errors
    /// Fails if there is neither, or a text is not an id.
    pub fn new(customer_id: Option<&str>, api_key_id: Option<&str>) -> Result<Self, InvalidHolder> {
        let customer_id = customer_id.map(|id| id_of("customer", id, MAX_CUSTOMER_ID_BYTES)).transpose()?;
        let api_key_id = api_key_id.map(|id| id_of("key", id, MAX_KEY_ID_BYTES)).transpose()?;
        match (customer_id, api_key_id) {
            (customer_id, Some(api_key_id)) => Ok(Self::Key(MeteredKey { customer_id, api_key_id })),
            (Some(customer_id), None) => Ok(Self::Customer(customer_id)),
            (None, None) => Err(InvalidHolder::Nobody),
        }
    }

    /// Returns the id of the customer; `None` for a key that belongs to none.
    pub fn customer_id(&self) -> Option<&str> {
        match self {
            Self::Customer(customer_id) => Some(customer_id),
            Self::Key(key) => key.customer_id.as_deref(),
        }
    }

    /// Returns the id of the key; `None` for all keys of a customer.
    pub fn api_key_id(&self) -> Option<&str> {
        match self {
            Self::Customer(_) => None,
            Self::Key(key) => Some(&key.api_key_id),
        }
    }
}

fn id_of(of: &'static str, id: &str, max_bytes: usize) -> Result<Box<str>, InvalidHolder> {
    if id.is_empty() || id.len() > max_bytes || !has_form_of_id(id) {
        return Err(InvalidHolder::NoId { of, id: id.into(), max_bytes });
    }
    Ok(id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_a_key_or_a_customer() {
        let holder = |customer_id, api_key_id| Holder::new(customer_id, api_key_id).unwrap();
        let of_customer = holder(Some("acme"), Some("key-1"));
        assert_eq!((of_customer.customer_id(), of_customer.api_key_id()), (Some("acme"), Some("key-1")));
        let alone = holder(None, Some("key-1"));
        assert_eq!(alone, Holder::Key(MeteredKey::without_customer("key-1")));
        let customer = holder(Some("acme"), None);
        assert_eq!((customer.customer_id(), customer.api_key_id()), (Some("acme"), None));
        assert_eq!(Holder::new(None, None), Err(InvalidHolder::Nobody));
    }

    #[test]
    fn rows_that_belong_to_nobody_cannot_be_named() {
        let customer_of_64_bytes = "c".repeat(MAX_CUSTOMER_ID_BYTES);
        assert!(Holder::customer(&customer_of_64_bytes).is_ok());
        for id in ["", "-", "#totals", "a b", "a#b", &format!("{customer_of_64_bytes}c")] {
            let problem = Holder::customer(id).unwrap_err().to_string();
            assert!(problem.contains("1 to 64 letters"), "{problem}");
        }
        let key_of_256_bytes = "k".repeat(MAX_KEY_ID_BYTES);
        assert!(Holder::new(None, Some(&key_of_256_bytes)).is_ok());
        for id in ["", "#totals", &format!("{key_of_256_bytes}k")] {
            assert!(
                matches!(Holder::new(None, Some(id)), Err(InvalidHolder::NoId { of: "key", .. })),
                "{id}"
            );
        }
    }
}
