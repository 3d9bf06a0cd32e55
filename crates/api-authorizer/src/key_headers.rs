//! Reads the keys from the headers of a request.
//!
//! A secret is hashed during deserialization; only its digest is kept.

use std::fmt;

use deployment::names::KEY_HEADER;
use metering_core::api_key::KeyDigest;
use metering_core::authorization::Denial;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Maximum number of different keys that are remembered: two are ambiguous already.
const MAX_KEYS: usize = 2;

/// The keys in the headers of a request. Other headers are skipped.
#[derive(Debug, Default)]
pub(crate) struct KeyHeaders {
    digests: Vec<KeyDigest>,
    /// `true` if a value of the header is not a key.
    is_malformed: bool,
}

impl KeyHeaders {
    /// Returns the digest of the one key that a request presents. REST APIs send
    /// each header twice: in `headers` with one value, in `multiValueHeaders` with all values.
    pub(crate) fn merge(self, all_values: Self) -> Result<KeyDigest, Denial> {
        let Self { mut digests, is_malformed } = self;
        digests.extend(all_values.digests);
        if is_malformed || all_values.is_malformed {
            return Err(Denial::Malformed);
        }
        digests.dedup();
        match digests[..] {
            [] => Err(Denial::Missing),
            [digest] => Ok(digest),
            // Two different keys are ambiguous.
            _ => Err(Denial::Malformed),
        }
    }

    /// Returns the number of keys that are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.digests.len()
    }

    fn add(&mut self, secret: &str) {
        match KeyDigest::of_secret(secret) {
            Ok(digest) => {
                if self.digests.len() < MAX_KEYS && !self.digests.contains(&digest) {
                    self.digests.push(digest);
                }
            }
            Err(_) => self.is_malformed = true,
        }
    }
}

impl<'de> Deserialize<'de> for KeyHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = KeyHeaders;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("headers")
    }

    fn visit_unit<E>(self) -> Result<KeyHeaders, E> {
        Ok(KeyHeaders::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut headers: A) -> Result<KeyHeaders, A::Error> {
        let mut seen = KeyHeaders::default();
        while let Some(IsKeyHeader(is_key_header)) = headers.next_key()? {
            if is_key_header {
                headers.next_value_seed(ValueSeed(&mut seen))?;
            } else {
                headers.next_value::<IgnoredAny>()?;
            }
        }
        Ok(seen)
    }
}

/// `true` for the name of the header that carries the key.
struct IsKeyHeader(bool);

impl<'de> Deserialize<'de> for IsKeyHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = IsKeyHeader;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a header's name")
            }
            fn visit_str<E>(self, name: &str) -> Result<IsKeyHeader, E> {
                Ok(IsKeyHeader(name.eq_ignore_ascii_case(KEY_HEADER)))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// Reads a value of the header: a string, a list of strings, or something that is not a key.
struct ValueSeed<'seen>(&'seen mut KeyHeaders);

impl ValueSeed<'_> {
    fn refuse(self) {
        self.0.is_malformed = true;
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a header's value")
    }

    fn visit_str<E>(self, secret: &str) -> Result<(), E> {
        self.0.add(secret);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(ValueSeed(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut value: A) -> Result<(), A::Error> {
        while value.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.refuse();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::value::{BytesDeserializer, Error, U32Deserializer};
    use serde::de::{DeserializeSeed, IntoDeserializer};

    #[test]
    fn an_error_names_the_part_of_the_headers_that_has_another_form() {
        let number: U32Deserializer<Error> = 7_u32.into_deserializer();
        let headers = KeyHeaders::deserialize(number).map(|_| ());
        let name = IsKeyHeader::deserialize(number).map(|_| ());
        let value =
            ValueSeed(&mut KeyHeaders::default()).deserialize(BytesDeserializer::<Error>::new(b"abc"));
        let errors = [headers, name, value].map(|result| result.unwrap_err().to_string());
        for (error, expected) in errors.iter().zip(["headers", "a header's name", "a header's value"]) {
            assert!(error.ends_with(&format!("expected {expected}")), "{error}");
        }
    }
}
