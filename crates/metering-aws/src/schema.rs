//! Names of the tables' attributes and indexes.

/// The attribute with a row's time of expiry, in seconds since 1970.
pub const TTL_ATTRIBUTE: &str = "ttl";

/// The index of the keys by the digest of their current secret.
pub const HASHED_KEY_INDEX: &str = "hashedKey-index";

/// The condition that an item is new.
pub const NEW_CONDITION: &str = "attribute_not_exists(pk)";
