//! `ListObjectsV2`, with its parameters and its XML response.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::store::{ObjectSummary, S3Error, S3Store};

/// Maximum number of keys in a response. Source: S3 API Reference, `ListObjectsV2`.
const MAX_KEYS: usize = 1_000;

/// Parameters of a `ListObjectsV2` request.
#[derive(Debug, PartialEq, Eq)]
pub struct ListRequest {
    prefix: String,
    after: String,
    max_keys: usize,
    encodes_keys: bool,
}

impl ListRequest {
    /// Converts parameters that were checked against the parameter table.
    ///
    /// # Errors
    /// Returns an error if this service did not issue the continuation token.
    pub fn from_parameters(parameters: &Value) -> Result<Self, S3Error> {
        let text = |name: &str| parameters[name].as_str().unwrap_or_default().to_owned();
        let max_keys = parameters["max-keys"].as_u64().and_then(|number| usize::try_from(number).ok());
        // `continuation-token` overrides `start-after`.
        let after = match parameters["continuation-token"].as_str() {
            Some(token) => last_key(token)?,
            None => text("start-after"),
        };
        Ok(Self {
            prefix: text("prefix"),
            after,
            max_keys: max_keys.unwrap_or(MAX_KEYS).min(MAX_KEYS),
            encodes_keys: parameters["encoding-type"].is_string(),
        })
    }

    /// Lists the objects of a bucket as an XML response.
    ///
    /// # Errors
    /// Returns an error if the bucket does not exist or cannot be read.
    pub fn execute(&self, store: &S3Store, bucket: &str) -> Result<String, S3Error> {
        let mut objects = store.list(bucket, &self.prefix, &self.after, self.max_keys + 1)?;
        let is_truncated = objects.len() > self.max_keys && self.max_keys > 0;
        objects.truncate(self.max_keys);
        let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        xml.push_str(r#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
        element(&mut xml, "Name", bucket);
        element(&mut xml, "Prefix", &self.encode(&self.prefix));
        element(&mut xml, "KeyCount", &objects.len().to_string());
        element(&mut xml, "MaxKeys", &self.max_keys.to_string());
        element(&mut xml, "IsTruncated", &is_truncated.to_string());
        if self.encodes_keys {
            element(&mut xml, "EncodingType", "url");
        }
        if let (true, Some(last)) = (is_truncated, objects.last()) {
            element(&mut xml, "NextContinuationToken", &URL_SAFE_NO_PAD.encode(&last.key));
        }
        for object in &objects {
            self.contents(&mut xml, object);
        }
        xml.push_str("</ListBucketResult>");
        Ok(xml)
    }

    fn contents(&self, xml: &mut String, object: &ObjectSummary) {
        xml.push_str("<Contents>");
        element(xml, "Key", &self.encode(&object.key));
        let modified = Timestamp::try_from(object.modified).unwrap_or_default();
        element(xml, "LastModified", &modified.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
        element(xml, "ETag", &format!("\"{}\"", object.etag));
        element(xml, "Size", &object.size.to_string());
        element(xml, "StorageClass", "STANDARD");
        xml.push_str("</Contents>");
    }

    fn encode(&self, key: &str) -> String {
        if !self.encodes_keys {
            return key.to_owned();
        }
        let mut encoded = String::new();
        for byte in key.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    }
}

/// Creates the error for a feature of S3 that this emulation does not offer.
pub fn not_offered(what: &str) -> S3Error {
    let message = format!(
        "the local stack does not offer {what}: only ListObjectsV2, GetObject of the whole object and DeleteObject, with the bucket in the path"
    );
    S3Error::new(501, "NotImplemented", message)
}

fn last_key(token: &str) -> Result<String, S3Error> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| {
        S3Error::new(400, "InvalidArgument", "the continuation token was not issued by this service")
    })
}

/// Appends an element with escaped text.
pub fn element(xml: &mut String, name: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let _ = write!(xml, "<{name}>{text}</{name}>");
}
