//! The query protocol: a request is a form, a response is XML.
//!
//! Source: Smithy 2.0, "AWS Query protocol".

use std::fmt::Write;

use serde_json::{Map, Value};

/// A request of the query protocol.
#[derive(Debug, PartialEq)]
pub struct QueryRequest {
    /// Name of the operation.
    pub action: String,
    /// Parameters as a JSON object, in which all values are texts.
    pub parameters: Value,
}

/// Parses a form. `A.member.1.B=x` becomes `{"A": [{"B": "x"}]}`, and
/// `A.entry.1.key=k&A.entry.1.value=v` becomes `{"A": {"k": "v"}}`.
pub fn read(form: &[u8]) -> QueryRequest {
    let (mut action, mut tree) = (String::new(), Map::new());
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "Action" => action = value.into_owned(),
            "Version" => {}
            _ => insert(&mut tree, &name, value.into_owned()),
        }
    }
    QueryRequest {
        action,
        parameters: Value::Object(tree.into_iter().map(|(name, value)| (name, shape(value))).collect()),
    }
}

fn insert(tree: &mut Map<String, Value>, name: &str, text: String) {
    match name.split_once('.') {
        None => {
            tree.insert(name.to_owned(), Value::String(text));
        }
        Some((first, rest)) => {
            let inner = tree.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}

/// Converts the numbered members of lists and maps to arrays and objects.
fn shape(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    if members.len() == 1
        && let Some((kind @ ("member" | "entry"), Value::Object(_))) =
            members.iter().next().map(|(name, value)| (name.as_str(), value))
    {
        let is_list = kind == "member";
        let inner = members.into_iter().next().map(|(_, value)| value);
        return numbered(inner.unwrap_or_default(), is_list);
    }
    Value::Object(members.into_iter().map(|(name, value)| (name, shape(value))).collect())
}

fn numbered(value: Value, is_list: bool) -> Value {
    let Value::Object(members) = value else { return value };
    let mut places: Vec<(usize, Value)> = Vec::new();
    for (place, value) in members {
        // A member that is not a number keeps its name, so that the error can name it.
        let Ok(place) = place.parse() else { return Value::Object(Map::from_iter([(place, value)])) };
        places.push((place, shape(value)));
    }
    places.sort_by_key(|(place, _)| *place);
    let values = places.into_iter().map(|(_, value)| value);
    if is_list {
        return values.collect();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = values.map(|entry| {
        let name = [&entry["key"], &entry["Name"]].into_iter().find(|name| name.is_string()).map(text);
        let value = [&entry["value"], &entry["Value"]].into_iter().find(|value| !value.is_null()).cloned();
        (name.unwrap_or_default(), value.unwrap_or_default())
    });
    Value::Object(entries.collect())
}

/// An XML text that is being written.
#[derive(Debug, Default)]
pub struct Xml(String);

impl Xml {
    /// Writes an element with a text.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        let text =
            text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let _ = write!(self.0, "<{name}>{text}</{name}>");
        self
    }

    /// Writes an element with child elements.
    pub fn element(&mut self, name: &str, write: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        write(self);
        let _ = write!(self.0, "</{name}>");
        self
    }
}

impl Xml {
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Returns the response of an operation.
pub fn response(namespace: &str, action: &str, request_id: &str, result: impl FnOnce(&mut Xml)) -> String {
    let mut xml = Xml::default();
    xml.element(&format!("{action}Result"), result);
    xml.element("ResponseMetadata", |xml| {
        xml.text("RequestId", request_id);
    });
    format!("<{action}Response xmlns=\"{namespace}\">{}</{action}Response>", xml.0)
}

/// Returns an error response.
pub fn error(namespace: &str, code: &str, message: &str, is_sender: bool, request_id: &str) -> String {
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        xml.text("Type", if is_sender { "Sender" } else { "Receiver" });
        xml.text("Code", code).text("Message", message);
    });
    xml.text("RequestId", request_id);
    format!("<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>", xml.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_maps_and_structures_are_read_from_a_form() {
        let request = read(
            b"Action=Do&Version=1&Name=a%26b&Query.member.2.Id=m2&Query.member.1.Id=m1&Query.member.1.Stat.Period=60&Attributes.entry.1.key=Raw&Attributes.entry.1.value=true",
        );
        assert_eq!(request.action, "Do");
        assert_eq!(
            request.parameters,
            json!({"Name": "a&b", "Query": [{"Id": "m1", "Stat": {"Period": "60"}}, {"Id": "m2"}], "Attributes": {"Raw": "true"}})
        );
        assert_eq!(read(b"A.member.x=1").parameters, json!({"A": {"x": "1"}}));
    }

    #[test]
    fn texts_are_escaped() {
        let text = response("urn:x", "Do", "r1", |xml| {
            xml.text("Arn", "a<&\">");
        });
        assert_eq!(
            text,
            "<DoResponse xmlns=\"urn:x\"><DoResult><Arn>a&lt;&amp;&quot;&gt;</Arn></DoResult><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></DoResponse>"
        );
        assert!(error("urn:x", "Bad", "no", true, "r").contains("<Type>Sender</Type><Code>Bad</Code>"));
    }
}
