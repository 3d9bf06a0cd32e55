//! Keys as DynamoDB items.
//!
//! A key is an item `key#<id>`. Each of its secrets has an item `hash#<SHA-256>`, the pointer to the key. The
//! pointer stays when the secret is replaced or the key is deleted, so that a denial can give the reason.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::api_key::{KeyDigest, KeyRecord, PreviousSecret};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// An item of the table of keys that cannot be read as a key.
#[derive(Debug, thiserror::Error)]
#[error("the item {item} of the keys has no usable {attribute:?}")]
pub struct MalformedKey {
    item: String,
    attribute: &'static str,
}

pub(crate) fn key_pk(key_id: &str) -> AttributeValue {
    AttributeValue::S(format!("key#{key_id}"))
}

pub(crate) fn pointer_pk(digest: &KeyDigest) -> AttributeValue {
    AttributeValue::S(format!("hash#{digest}"))
}

/// Builds the pointer from a secret to its key.
pub(crate) fn pointer(digest: &KeyDigest, key_id: &str) -> Item {
    let key_id = AttributeValue::S(key_id.to_owned());
    HashMap::from([("pk".to_owned(), pointer_pk(digest)), ("keyId".to_owned(), key_id)])
}

/// Builds the item of a key, with the time at which DynamoDB may delete it, in seconds since 1970. Attributes
/// without a value are omitted, which also removes a deleted key from the index.
pub(crate) fn to_item(key: &KeyRecord, expires_s: Option<i64>) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let number = |value: i128| AttributeValue::N(value.to_string());
    let digest = |digest: &KeyDigest| AttributeValue::S(digest.to_string());
    let previous = key.previous.as_ref();
    let attributes = [
        ("pk", Some(key_pk(&key.key_id))),
        ("keyId", Some(text(&key.key_id))),
        ("customerId", key.customer_id.as_deref().map(text)),
        ("owner", Some(text(&key.owner))),
        ("name", Some(text(&key.name))),
        ("plan", Some(text(&key.plan))),
        ("labels", Some(labels_value(&key.labels))),
        ("monthlyLimit", key.monthly_limit.map(|limit| number(limit.into()))),
        ("expiresAtMs", key.expires_at_ms.map(|time| number(time.into()))),
        ("hashedKey", key.digest.as_ref().map(digest)),
        ("previousHashedKey", previous.map(|previous| digest(&previous.digest))),
        ("previousValidUntilMs", previous.map(|previous| number(previous.valid_until_ms.into()))),
        ("createdAtMs", Some(number(key.created_at_ms.into()))),
        ("deletedAtMs", key.deleted_at_ms.map(|time| number(time.into()))),
        ("version", Some(number(key.version.into()))),
        (crate::schema::TTL_ATTRIBUTE, expires_s.map(|time| number(time.into()))),
    ];
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Reads a key from its item.
pub(crate) fn from_item(item: &Item) -> Result<KeyRecord, MalformedKey> {
    let malformed = |attribute| MalformedKey { item: partition_key(item), attribute };
    let text = |attribute: &'static str| match item.get(attribute) {
        None => Ok(String::new()),
        Some(AttributeValue::S(value)) => Ok(value.clone()),
        Some(_) => Err(malformed(attribute)),
    };
    let number = |attribute: &'static str| match item.get(attribute) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => digits.parse::<i64>().map(Some).map_err(|_| malformed(attribute)),
        Some(_) => Err(malformed(attribute)),
    };
    let count = |attribute: &'static str| match number(attribute)? {
        None => Ok(None),
        Some(value) => u64::try_from(value).map(Some).map_err(|_| malformed(attribute)),
    };
    let digest = |attribute: &'static str| match text(attribute)? {
        digits if digits.is_empty() => Ok(None),
        digits => digits.parse::<KeyDigest>().map(Some).map_err(|_| malformed(attribute)),
    };
    let key_id = text("keyId")?;
    if key_id.is_empty() {
        return Err(malformed("keyId"));
    }
    let previous = match (digest("previousHashedKey")?, number("previousValidUntilMs")?) {
        (Some(digest), Some(valid_until_ms)) => Some(PreviousSecret { digest, valid_until_ms }),
        _ => None,
    };
    Ok(KeyRecord {
        key_id,
        customer_id: Some(text("customerId")?).filter(|id| !id.is_empty()),
        owner: text("owner")?,
        name: text("name")?,
        plan: text("plan")?,
        monthly_limit: count("monthlyLimit")?,
        expires_at_ms: number("expiresAtMs")?,
        labels: item
            .get("labels")
            .map_or_else(|| Some(BTreeMap::new()), read_labels)
            .ok_or_else(|| malformed("labels"))?,
        digest: digest("hashedKey")?,
        previous,
        created_at_ms: number("createdAtMs")?.unwrap_or(0),
        deleted_at_ms: number("deletedAtMs")?,
        version: count("version")?.ok_or_else(|| malformed("version"))?,
    })
}

/// Returns the attribute with labels.
pub(crate) fn labels_value(labels: &BTreeMap<String, String>) -> AttributeValue {
    let texts = labels.iter().map(|(name, value)| (name.clone(), AttributeValue::S(value.clone())));
    AttributeValue::M(texts.collect())
}

/// Reads the attribute with labels; `None` if it is malformed.
pub(crate) fn read_labels(value: &AttributeValue) -> Option<BTreeMap<String, String>> {
    let labels = value.as_m().ok()?;
    labels.iter().map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect()
}

fn partition_key(item: &Item) -> String {
    item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_round_trips_through_its_item() {
        let digest = |secret: &str| KeyDigest::of_secret(secret).unwrap();
        let full = KeyRecord {
            key_id: "key-1".to_owned(),
            customer_id: Some("c-1".to_owned()),
            owner: "acme".to_owned(),
            name: "build server".to_owned(),
            plan: "gold".to_owned(),
            monthly_limit: Some(10),
            expires_at_ms: Some(20),
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            digest: Some(digest("new")),
            previous: Some(PreviousSecret { digest: digest("old"), valid_until_ms: 30 }),
            created_at_ms: 40,
            deleted_at_ms: Some(50),
            version: 60,
        };
        let bare = KeyRecord { key_id: "key-2".to_owned(), ..KeyRecord::default() };
        for key in [full, bare] {
            assert_eq!(from_item(&to_item(&key, Some(1))).unwrap(), key);
        }
    }

    #[test]
    fn an_item_of_another_form_is_refused_by_name() {
        let key = KeyRecord { key_id: "key-1".to_owned(), ..KeyRecord::default() };
        for (attribute, value) in [
            ("version", AttributeValue::S("one".to_owned())),
            ("hashedKey", AttributeValue::S("not a digest".to_owned())),
            ("labels", AttributeValue::L(Vec::new())),
            ("monthlyLimit", AttributeValue::N("-1".to_owned())),
        ] {
            let mut item = to_item(&key, None);
            item.insert(attribute.to_owned(), value);
            let error = from_item(&item).unwrap_err().to_string();
            assert_eq!(error, format!("the item key#key-1 of the keys has no usable {attribute:?}"));
        }
    }
}
