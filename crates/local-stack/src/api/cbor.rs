//! CBOR bodies, converted to and from the values of JSON bodies.
//!
//! Sources: RFC 8949, section 3.4.2 (tag 1 is a time); Smithy 2.0, "RPC v2 CBOR
//! protocol" (seconds); AWS SDK for Java 2.x, `aws-cbor-protocol` (the older
//! protocol `application/x-amz-cbor-1.1` has milliseconds).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use serde_json::{Map, Value};

/// The tag of a time since 1970.
const EPOCH_TAG: u64 = 1;

/// The conversions of a protocol with CBOR bodies.
#[derive(Debug)]
pub struct Codec {
    /// Number of the protocol's units of time in a second.
    pub units_per_second: f64,
    /// Names of response members that are times.
    pub times: &'static [&'static str],
    /// Names of response members that are bytes; in JSON they are base64.
    pub blobs: &'static [&'static str],
    /// Names of response members that are doubles even if they are whole.
    pub doubles: &'static [&'static str],
}

impl Codec {
    /// Parses a body. An empty body is an empty structure.
    ///
    /// # Errors
    /// Returns an error if the body is not CBOR, or has a value that JSON cannot express.
    pub fn read(&self, body: &[u8]) -> Result<Value, String> {
        if body.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let value = ciborium::from_reader::<Cbor, _>(body).map_err(|error| error.to_string())?;
        self.to_json(value)
    }

    fn to_json(&self, value: Cbor) -> Result<Value, String> {
        Ok(match value {
            Cbor::Text(text) => Value::String(text),
            Cbor::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
            Cbor::Integer(number) => {
                i64::try_from(number).map(Value::from).map_err(|error| error.to_string())?
            }
            Cbor::Float(number) => Value::from(number),
            Cbor::Bool(value) => Value::Bool(value),
            Cbor::Null => Value::Null,
            Cbor::Tag(EPOCH_TAG, time) => self.time(&time)?,
            Cbor::Array(values) => {
                values.into_iter().map(|value| self.to_json(value)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Cbor::Map(members) => {
                let members = members.into_iter().map(|(name, value)| {
                    let name =
                        name.into_text().map_err(|_| "the name of a member is not a text".to_owned())?;
                    Ok::<_, String>((name, self.to_json(value)?))
                });
                Value::Object(members.collect::<Result<_, _>>()?)
            }
            other => return Err(format!("{other:?} is not allowed in a request")),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52")]
    fn time(&self, time: &Cbor) -> Result<Value, String> {
        let units = match time {
            Cbor::Integer(number) => i64::try_from(*number).map_err(|error| error.to_string())? as f64,
            Cbor::Float(number) => *number,
            other => return Err(format!("{other:?} is not a time")),
        };
        Ok(Value::from(units / self.units_per_second))
    }

    /// Writes a body.
    pub fn write(&self, value: &Value) -> Vec<u8> {
        let mut body = Vec::new();
        // Writing into memory does not fail.
        let _ = ciborium::into_writer(&self.to_cbor("", value), &mut body);
        body
    }

    fn to_cbor(&self, member: &str, value: &Value) -> Cbor {
        match value {
            Value::Null => Cbor::Null,
            Value::Bool(value) => Cbor::Bool(*value),
            Value::Number(number) if self.times.contains(&member) => {
                let units = number.as_f64().unwrap_or_default() * self.units_per_second;
                Cbor::Tag(EPOCH_TAG, Box::new(whole_or_double(units)))
            }
            Value::Number(number) if self.doubles.contains(&member) => {
                Cbor::Float(number.as_f64().unwrap_or_default())
            }
            Value::Number(number) => match number.as_i64() {
                Some(number) => Cbor::Integer(number.into()),
                None => Cbor::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) if self.blobs.contains(&member) => {
                Cbor::Bytes(STANDARD.decode(text).unwrap_or_default())
            }
            Value::String(text) => Cbor::Text(text.clone()),
            // The elements of a list have the type of the member.
            Value::Array(values) => {
                Cbor::Array(values.iter().map(|value| self.to_cbor(member, value)).collect())
            }
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, &Value)| (Cbor::Text(name.clone()), self.to_cbor(name, value));
                Cbor::Map(members.iter().map(member).collect())
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number below 9e15 fits")]
fn whole_or_double(number: f64) -> Cbor {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Cbor::Integer((number as i64).into())
    } else {
        Cbor::Float(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CODEC: Codec =
        Codec { units_per_second: 1_000.0, times: &["At"], blobs: &["Data"], doubles: &["Values"] };

    #[test]
    fn times_bytes_and_doubles_are_told_apart() {
        let value =
            json!({"At": 1_700_000_000.123, "Data": "eHl6", "Values": [1.0, 2.5], "Count": 3, "None": null});
        let body = CODEC.write(&value);
        let cbor: Cbor = ciborium::from_reader(&*body).unwrap();
        let member = |name: &str| {
            let members = cbor.as_map().unwrap();
            members.iter().find(|(member, _)| member.as_text() == Some(name)).unwrap().1.clone()
        };
        assert_eq!(member("At"), Cbor::Tag(1, Box::new(Cbor::Integer(1_700_000_000_123_i64.into()))));
        assert_eq!(member("Data"), Cbor::Bytes(b"xyz".to_vec()));
        assert_eq!(member("Values"), Cbor::Array(vec![Cbor::Float(1.0), Cbor::Float(2.5)]));
        assert_eq!(CODEC.read(&body), Ok(value));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(CODEC.read(b""), Ok(json!({})));
        assert!(CODEC.read(b"{\"a\": 1}").is_err());
        let mut body = Vec::new();
        ciborium::into_writer(&Cbor::Map(vec![(Cbor::Integer(1.into()), Cbor::Null)]), &mut body).unwrap();
        assert!(CODEC.read(&body).is_err());
    }
}
