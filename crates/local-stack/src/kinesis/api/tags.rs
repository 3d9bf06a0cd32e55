//! Operations on the tags of streams.

use serde_json::{Value, json};

use super::super::error::KinesisError;
use super::request::Request;

/// Maximum number of tags in one response. Source: Kinesis API Reference, `ListTagsForStream`.
const MAX_LISTED: usize = 50;

/// Returns the tags in a request.
pub(super) fn from_request(request: &Request<'_>) -> Vec<(String, String)> {
    let tags = request.body["Tags"].as_object().into_iter().flatten();
    tags.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Returns an error if a tag contains characters that AWS does not allow.
///
/// Source: Kinesis Developer Guide, "Tag your Amazon Kinesis Data Streams resources", tag
/// restrictions.
pub(super) fn check_characters<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), KinesisError> {
    let is_allowed = |character: char| {
        character.is_alphanumeric() || character.is_whitespace() || "_./=+-:@".contains(character)
    };
    for text in texts {
        if !text.chars().all(is_allowed) {
            return Err(KinesisError::invalid(format!(
                "Some tags contain invalid characters: {text:?}. Valid characters: Unicode letters, digits, white space, _ . / = + - : @."
            )));
        }
    }
    Ok(())
}

pub(super) fn add(request: &Request<'_>, stream: &str) -> Result<Value, KinesisError> {
    let added = from_request(request);
    check_characters(added.iter().flat_map(|(key, value)| [key, value]))?;
    request.store.add_tags(stream, &added)?;
    Ok(json!({}))
}

pub(super) fn remove(request: &Request<'_>, stream: &str) -> Result<Value, KinesisError> {
    let keys = request.body["TagKeys"].as_array().into_iter().flatten();
    let keys: Vec<String> = keys.filter_map(Value::as_str).map(str::to_owned).collect();
    check_characters(&keys)?;
    request.store.remove_tags(stream, &keys)?;
    Ok(json!({}))
}

pub(super) fn list(request: &Request<'_>) -> Result<Value, KinesisError> {
    let after = request.text("ExclusiveStartTagKey");
    let limit = request.limit("Limit", MAX_LISTED);
    let tags = request.store.tags(&request.stream()?)?;
    let mut tags: Vec<Value> = tags
        .iter()
        .filter(|(key, _)| key.as_str() > after)
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let has_more = tags.len() > limit;
    tags.truncate(limit);
    Ok(json!({"Tags": tags, "HasMoreTags": has_more}))
}

pub(super) fn list_all(request: &Request<'_>) -> Result<Value, KinesisError> {
    let tags = request.store.tags(&request.resource()?)?;
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(json!({"Tags": tags}))
}
