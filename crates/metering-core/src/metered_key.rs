//! A key and its customer, and the breakdown of usage into ledger rows.

use std::fmt;

use crate::window::UtcDay;

/// Maximum length of the id of a key that is counted, in bytes.
///
/// It keeps a ledger row below one kilobyte, so that an update costs one write unit.
pub const MAX_KEY_ID_BYTES: usize = 256;

/// Maximum length of the id of a customer, in bytes.
pub const MAX_CUSTOMER_ID_BYTES: usize = 64;

/// The key id of the rows with the calls of all keys together.
pub const TOTALS_KEY_ID: &str = "#totals";

/// The id of the canary's key. Its usage is reported and not billed.
pub const CANARY_KEY_ID: &str = "canary";

/// Returns `true` for a text that can be an id of a key or a customer, whatever its length: letters,
/// digits, `-`, `_` and `.`. An access log has `-` where there is none.
pub fn has_form_of_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text != "-" && text.bytes().all(is_allowed)
}

/// A key, and the customer who pays for its calls.
///
/// The customer is the one that the access log names: the key's customer when the call was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeteredKey {
    /// The id of the customer; `None` for a key that belongs to none.
    pub customer_id: Option<Box<str>>,
    /// The id of the API key, or [`TOTALS_KEY_ID`].
    pub api_key_id: Box<str>,
}

impl MeteredKey {
    /// Returns a key that belongs to no customer.
    pub fn without_customer(api_key_id: impl Into<Box<str>>) -> Self {
        Self { customer_id: None, api_key_id: api_key_id.into() }
    }

    /// Returns the key under which the calls of all keys are counted together.
    pub fn totals() -> Self {
        Self::without_customer(TOTALS_KEY_ID)
    }

    /// Returns the keys under which the calls of this key are counted: this one, and the same key
    /// without its customer. A line of the access log that does not name the customer is counted there.
    pub fn counted_as(&self) -> impl Iterator<Item = Self> {
        let unattributed = Self::without_customer(self.api_key_id.clone());
        let of_customer = Some(self.clone()).filter(|key| key.customer_id.is_some());
        of_customer.into_iter().chain([unattributed])
    }

    /// Returns `true` for [`Self::totals`].
    pub fn is_totals(&self) -> bool {
        &*self.api_key_id == TOTALS_KEY_ID
    }
}

impl fmt::Display for MeteredKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.customer_id {
            Some(customer_id) => write!(formatter, "{} of {customer_id}", self.api_key_id),
            None => formatter.write_str(&self.api_key_id),
        }
    }
}

/// The part of a call that decides in which ledger row it is counted, borrowed from the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallBreakdown<'a> {
    /// The id of the customer; `None` for a key that belongs to none.
    pub customer_id: Option<&'a str>,
    /// The id of the API key.
    pub api_key_id: &'a str,
    /// The name of the route class; `None` for a call that no rule names.
    pub route_class: Option<&'a str>,
    /// The UTC day in which the call was made.
    pub day: UtcDay,
}

impl<'a> CallBreakdown<'a> {
    /// Returns the breakdown of a call without a route class, of a key that belongs to no customer.
    pub fn of_key(api_key_id: &'a str, day: UtcDay) -> Self {
        Self { customer_id: None, api_key_id, route_class: None, day }
    }
}

/// A ledger row without the shard that writes it: a key with its customer, a route class, and a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breakdown {
    /// The key and its customer.
    pub key: MeteredKey,
    /// The name of the route class; `None` for the calls that no rule names.
    pub route_class: Option<Box<str>>,
    /// The UTC day in which the calls were made.
    pub day: UtcDay,
}

impl Breakdown {
    /// Returns the breakdown of the calls of all keys together.
    pub fn totals(day: UtcDay) -> Self {
        Self { key: MeteredKey::totals(), route_class: None, day }
    }

    /// Borrows the breakdown.
    pub fn borrowed(&self) -> CallBreakdown<'_> {
        let MeteredKey { customer_id, api_key_id } = &self.key;
        let (customer_id, route_class) = (customer_id.as_deref(), self.route_class.as_deref());
        CallBreakdown { customer_id, api_key_id, route_class, day: self.day }
    }
}

impl From<CallBreakdown<'_>> for Breakdown {
    fn from(call: CallBreakdown<'_>) -> Self {
        let CallBreakdown { customer_id, api_key_id, route_class, day } = call;
        let key = MeteredKey { customer_id: customer_id.map(Into::into), api_key_id: api_key_id.into() };
        Self { key, route_class: route_class.map(Into::into), day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_customer_is_counted_with_and_without_the_customer() {
        let of_customer = MeteredKey { customer_id: Some("acme".into()), api_key_id: "key-1".into() };
        let alone = MeteredKey::without_customer("key-1");
        assert!(of_customer.counted_as().eq([of_customer.clone(), alone.clone()]));
        assert!(alone.counted_as().eq([alone.clone()]));
        assert_eq!([of_customer.to_string(), alone.to_string()], ["key-1 of acme", "key-1"]);
    }

    #[test]
    fn no_other_key_is_that_of_the_totals() {
        assert!(MeteredKey::totals().is_totals());
        assert!(!MeteredKey::without_customer("totals").is_totals());
    }
}
