//! Reads the fields of a log event that a query uses.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::event::Event;
use super::value::Value;

/// The source of the value of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Timestamp,
    IngestionTime,
    Message,
    LogStream,
    Log,
    Pointer,
    /// A field of a JSON line, with dots between the names of members and the indexes of elements.
    Json(String),
    /// A result of an expression of the query.
    Computed,
}

impl Source {
    /// Returns the source with a name that is not an alias.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "@timestamp" => Self::Timestamp,
            "@ingestionTime" => Self::IngestionTime,
            "@message" => Self::Message,
            "@logStream" => Self::LogStream,
            "@log" => Self::Log,
            "@ptr" => Self::Pointer,
            _ if name.starts_with('@') => return None,
            _ => Self::Json(name.to_owned()),
        })
    }
}

/// Fills the slots of a record from an event. Slots of results stay null.
pub fn fill<'a>(sources: &'a [Source], event: &Event<'a>, record: &mut Vec<Value<'a>>) {
    record.clear();
    let mut wanted: Vec<(&'a str, usize)> = Vec::new();
    for (slot, source) in sources.iter().enumerate() {
        record.push(match source {
            Source::Timestamp => Value::Time(event.timestamp_ms),
            Source::IngestionTime => Value::Time(event.ingested_ms),
            Source::Message => Value::text(event.message),
            Source::LogStream => Value::text(event.log_stream),
            Source::Log => Value::text(event.log),
            Source::Pointer => Value::text(event.event_id()),
            Source::Json(name) => {
                wanted.push((name, slot));
                Value::Null
            }
            Source::Computed => Value::Null,
        });
    }
    if wanted.is_empty() || !event.message.trim_start().starts_with('{') {
        return;
    }
    let mut deserializer = serde_json::Deserializer::from_str(event.message);
    let read = Wanted { names: &wanted, record }.deserialize(&mut deserializer);
    if read.is_err() || deserializer.end().is_err() {
        // A line that is not JSON has no fields.
        for (_, slot) in &wanted {
            record[*slot] = Value::Null;
        }
    }
}

/// The searched names below a value, with their slots.
struct Wanted<'w, 'a> {
    names: &'w [(&'a str, usize)],
    record: &'w mut Vec<Value<'a>>,
}

impl<'a> Wanted<'_, 'a> {
    fn set(self, value: impl Fn() -> Value<'a>) {
        for (name, slot) in self.names {
            if name.is_empty() {
                self.record[*slot] = value();
            }
        }
    }

    /// Returns the names below a member. The empty name means the member.
    fn below(&self, member: &str) -> Vec<(&'a str, usize)> {
        let below = |(name, slot): &(&'a str, usize)| match name.strip_prefix(member)? {
            "" => Some(("", *slot)),
            rest => rest.strip_prefix('.').map(|rest| (rest, *slot)),
        };
        self.names.iter().filter_map(below).collect()
    }
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Wanted<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Wanted<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Member(name)) = members.next_key()? {
            let below = self.below(&name);
            if below.is_empty() {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(Wanted { names: &below, record: &mut *self.record })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let below = self.below(&index.to_string());
            if elements.next_element_seed(Wanted { names: &below, record: &mut *self.record })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.set(|| Value::text(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.set(|| Value::text(text.to_owned()));
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(|| Value::boolean(value));
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "Insights computes with doubles as well")]
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.set(|| Value::Number(number as f64));
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "Insights computes with doubles as well")]
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.set(|| Value::Number(number as f64));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.set(|| Value::Number(number));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(|| Value::Null);
        Ok(())
    }
}

/// The name of a member, which is borrowed if it has no escapes.
#[derive(Deserialize)]
struct Member<'a>(#[serde(borrow)] Cow<'a, str>);
