//! The decoder against an independent reading of the same bytes: `serde_json`
//! builds the whole document, and a few lines of test code look things up in it.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::HashMap;
use std::io::Write;

use access_log::{Decoder, Form, Limits};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What the decoder should find in one line: `None` for a bad one.
type Expected = Option<Found>;

/// Key id, status and time of a usage record.
type Found = (Option<String>, u16, i64);

fn decode(data: &[u8]) -> Result<(access_log::Decoded, Vec<Found>), access_log::DecodeError> {
    let mut found = Vec::new();
    let decoded = Decoder::new(Limits::default()).decode(data, |record| {
        found.push((record.api_key_id.map(str::to_owned), record.status.code(), record.requested_at_ms));
        Ok(())
    })?;
    Ok((decoded, found))
}

/// Reads a line as the documentation of the format says, with `serde_json`.
fn reference(line: &str) -> Expected {
    let Ok(Value::Object(line)) = serde_json::from_str(line) else { return None };
    let text = |name: &str| match line.get(name) {
        Some(Value::String(text)) if text != "-" && !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if matches!(
        line.get("apiKeyId"),
        Some(Value::Number(_) | Value::Bool(_) | Value::Object(_) | Value::Array(_))
    ) {
        return None;
    }
    let status =
        text("status").filter(|status| status.len() == 3 && !status.starts_with('+'))?.parse::<u16>().ok()?;
    let epoch_ms = match text("requestTimeEpoch") {
        Some(epoch) => epoch.parse().ok()?,
        None => metering_core::window::parse_request_time(&text("requestTime")?).ok()?,
    };
    (100..600).contains(&status).then(|| (text("apiKeyId"), status, epoch_ms))
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9_f64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z\"\\\\/\n\t]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[a-z0-9]{1,20}".prop_map(Value::from),
        2 => ".{1,10}".prop_map(Value::from),
        1 => Just(json!("-")),
        1 => Just(Value::Null),
        1 => any_value(),
    ]
}

fn status_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (100_u16..600).prop_map(Value::from),
        6 => (100_u16..600).prop_map(|status| Value::from(status.to_string())),
        1 => prop::sample::select(vec!["2", "20", "2xx", "-", "", "2000"]).prop_map(Value::from),
        1 => any_value(),
    ]
}

fn time_members() -> impl Strategy<Value = Vec<(String, Value)>> {
    let epoch = |value: Value| vec![("requestTimeEpoch".to_owned(), value)];
    prop_oneof![
        6 => (0_i64..4_000_000_000_000).prop_map(move |ms| epoch(Value::from(ms))),
        6 => (0_i64..4_000_000_000_000).prop_map(move |ms| epoch(Value::from(ms.to_string()))),
        2 => Just(vec![("requestTime".to_owned(), json!("24/Nov/2026:14:04:30 +0530")), ("requestTimeEpoch".to_owned(), json!("-"))]),
        1 => any_value().prop_map(epoch),
        1 => Just(Vec::new()),
    ]
}

/// A line with the known members and unknown ones, in any order.
fn line() -> impl Strategy<Value = String> {
    let unknown = prop::collection::vec(("[a-zA-Z \"\\\\é]{1,8}", any_value()), 0..6);
    (key_value(), status_value(), time_members(), unknown).prop_flat_map(|(key, status, times, unknown)| {
        let mut members = vec![("apiKeyId".to_owned(), key), ("status".to_owned(), status)];
        members.extend(times);
        members.extend(unknown.into_iter().map(|(name, value)| (format!("x{name}"), value)));
        Just(members).prop_shuffle().prop_map(|members| {
            let body: Vec<String> =
                members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            format!("{{{}}}", body.join(","))
        })
    })
}

/// Values that are nearly alike from call to call, now and then a hostile one.
fn values_of_one_format() -> impl Strategy<Value = HashMap<&'static str, String>> {
    let key = prop_oneof![
        12 => "\"k[0-9]\"", 2 => "\"[a-c\u{e9}]{1,3}\"", 1 => Just(r#""-""#.to_owned()), 1 => "[0-9]{4}",
        1 => Just(r#""a\"b""#.to_owned()), 1 => Just(r#""\u006b1""#.to_owned()), 1 => Just("null".to_owned()),
    ];
    let status = prop_oneof![9 => Just("\"200\"".to_owned()), 2 => "\"[2-5][0-9]{2}\"", 1 => "[1-9][0-9]{2}", 1 => Just("\"20\"".to_owned())];
    let epoch = prop_oneof![9 => "\"17[0-9]{11}\"", 2 => "1[0-9]{12}", 1 => Just("\"17e5123456789\"".to_owned()), 1 => Just("\"-\"".to_owned())];
    let latency = prop_oneof![8 => "\"[0-9]{1,2}\"", 1 => "\"[0-9]{11}\"", 1 => Just("\"-\"".to_owned())];
    let path = prop_oneof![8 => "\"/[a-z]{4}\"", 1 => "\"[a-z,:{}]{5}\"", 1 => Just(r#""/a\\b""#.to_owned())];
    (key, status, epoch, latency, path, "[1-9][0-9]{0,2}").prop_map(
        |(key, status, epoch, latency, path, number)| {
            HashMap::from([
                ("apiKeyId", key),
                ("status", status),
                ("requestTimeEpoch", epoch),
                ("responseLatency", latency),
                ("path", path),
                ("n", number),
            ])
        },
    )
}

fn envelope(lines: &[String]) -> Value {
    let events: Vec<Value> = lines.iter().enumerate().map(|(index, line)| {
        json!({"id": format!("{index:056}"), "timestamp": 1_764_000_000_000_i64, "message": line})
    }).collect();
    let mut members = Map::new();
    for (name, value) in [
        ("messageType", json!("DATA_MESSAGE")),
        ("owner", json!("123456789012")),
        ("logGroup", json!("/aws/api")),
        ("logStream", json!("stream \"1\"")),
        ("subscriptionFilters", json!(["usage"])),
        ("logEvents", Value::from(events)),
    ] {
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn check(decoded: &access_log::Decoded, found: &[Found], lines: &[String]) -> Result<(), TestCaseError> {
    let expected: Vec<Expected> = lines.iter().map(|line| reference(line)).collect();
    let bad: Vec<usize> =
        expected.iter().enumerate().filter(|(_, line)| line.is_none()).map(|(index, _)| index).collect();
    prop_assert_eq!(found, expected.into_iter().flatten().collect::<Vec<_>>());
    prop_assert_eq!(decoded.bad_events.iter().map(|event| event.index).collect::<Vec<_>>(), bad);
    prop_assert_eq!(decoded.event_count, lines.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_envelope_is_read_as_serde_json_reads_it(lines in prop::collection::vec(line(), 0..12), pretty in any::<bool>(), zipped in any::<bool>()) {
        let envelope = envelope(&lines);
        let text = if pretty { serde_json::to_string_pretty(&envelope).unwrap() } else { envelope.to_string() };
        let data = if zipped { gzip(text.as_bytes()) } else { text.into_bytes() };
        let (decoded, found) = decode(&data).unwrap();
        prop_assert_eq!(decoded.form, Form::LogEvents);
        check(&decoded, &found, &lines)?;
    }

    /// Many events of one format, so that most are recognised by their layout.
    #[test]
    fn events_of_one_format_are_read_as_serde_json_reads_them(
        order in Just(["apiKeyId", "status", "requestTimeEpoch", "responseLatency", "path", "n"].to_vec()).prop_shuffle(),
        calls in prop::collection::vec(values_of_one_format(), 1..60),
    ) {
        let lines: Vec<String> = calls.iter().map(|values| {
            let members: Vec<String> = order.iter().map(|name| format!("\"{name}\":{}", values[name])).collect();
            format!("{{{}}}", members.join(","))
        }).collect();
        let (decoded, found) = decode(envelope(&lines).to_string().as_bytes()).unwrap();
        check(&decoded, &found, &lines)?;
    }

    #[test]
    fn lines_are_read_as_serde_json_reads_them(lines in prop::collection::vec(line(), 1..12)) {
        let (decoded, found) = decode(lines.join("\n").as_bytes()).unwrap();
        prop_assert_eq!(decoded.form, Form::Lines);
        check(&decoded, &found, &lines)?;
    }

    #[test]
    fn bad_events_put_back_are_the_same_bad_events(lines in prop::collection::vec(line(), 1..12)) {
        let data = envelope(&lines).to_string().into_bytes();
        let (decoded, _) = decode(&data).unwrap();
        prop_assume!(!decoded.bad_events.is_empty());
        let (again, found) = decode(&decoded.bad_events_payload(&data)).unwrap();
        prop_assert!(found.is_empty());
        let texts = |decoded: &access_log::Decoded| decoded.bad_events.iter().map(|event| event.raw.clone()).collect::<Vec<_>>();
        prop_assert_eq!(texts(&again), texts(&decoded));
        prop_assert_eq!(again.identity == decoded.identity, decoded.bad_events.len() == decoded.event_count);
    }

    #[test]
    fn a_cut_envelope_is_never_accepted(lines in prop::collection::vec(line(), 1..4), cut in 1_usize..200) {
        let text = envelope(&lines).to_string();
        let mut kept = text.len().saturating_sub(cut).max(20);
        while !text.is_char_boundary(kept) { kept -= 1; }
        prop_assert!(decode(&text.as_bytes()[..kept]).is_err());
    }

    #[test]
    fn changed_bytes_do_not_make_it_panic(lines in prop::collection::vec(line(), 1..4), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut data = envelope(&lines).to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        let _ = decode(&data);
    }
}

#[test]
fn a_control_message_has_no_calls() {
    let text = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#;
    let (decoded, found) = decode(text.as_bytes()).unwrap();
    assert_eq!((decoded.form, found.len(), decoded.bad_events.len()), (Form::ControlMessage, 0, 0));
}
