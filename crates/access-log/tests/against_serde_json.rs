//! The decoder against an independent reader of the same bytes: `serde_json` parses the whole
//! document, and a few lines of test code look the fields up.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::HashMap;
use std::io::Write;

use access_log::{Decoder, Form, Limits, Origin, ReadEvent};
use metering_core::call_id::CallId;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The expected result for one line: `None` for a bad one.
type Expected = Option<Found>;

/// Key id, status, time, method and route of a usage record.
type Found = (Option<String>, u16, i64, Option<String>, Option<String>);

/// The result of the decoder for a record.
struct Decoded {
    form: Form,
    events: Vec<(CallId, Option<Found>)>,
}

const ORIGIN: Origin<'_> = Origin { record_name: "1/r/s/shard/7", arrived_at_ms: 1_764_000_000_500 };

fn decode(data: &[u8]) -> Result<Decoded, access_log::DecodeError> {
    let mut events = Vec::new();
    let decoded = Decoder::new(Limits::default()).decode(data, ORIGIN, |event| {
        assert_eq!(event.index as usize, events.len());
        let call = event.call.ok();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let found = call.map(|call| {
            let (method, route) = (owned(call.method), owned(call.route));
            (owned(call.api_key_id), call.status.code(), call.requested_at_ms, method, route)
        });
        events.push((event.id, found));
    })?;
    assert_eq!(decoded.event_count as usize, events.len());
    Ok(Decoded { form: decoded.form, events })
}

fn parts(data: &[u8], events: &[u32]) -> Vec<Vec<u8>> {
    Decoder::new(Limits::default()).parts(data, ORIGIN, events).unwrap()
}

/// A line, read by `serde_json` according to the documentation of the format.
struct Line(Map<String, Value>);

impl Line {
    fn parse(line: &str) -> Option<Self> {
        match serde_json::from_str(line) {
            Ok(Value::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }

    /// Returns the first of the members that has a value. Only a line without `apiKeyId` is read by
    /// short names.
    fn text(&self, short: &str, long: &[&str]) -> Option<String> {
        let short = Some(short).filter(|_| !self.0.contains_key("apiKeyId"));
        short.iter().chain(long).find_map(|name| match self.0.get(*name) {
            Some(Value::String(text)) if text != "-" && !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        })
    }

    fn requested_at_ms(&self) -> Option<i64> {
        let text = self.text("time", &["requestTimeEpoch", "requestTime"])?;
        match text.parse::<i64>() {
            Ok(seconds) if (-99_999_999_999..=99_999_999_999).contains(&seconds) => Some(seconds * 1000),
            Ok(milliseconds) => Some(milliseconds),
            Err(_) => access_log::request_time::parse_request_time(&text).ok(),
        }
    }
}

/// The identity of an event, according to the documentation of the format.
fn reference_id(line: &str, event_id: &str, logged_at_ms: i64) -> CallId {
    let line = Line::parse(line);
    let time = line.as_ref().and_then(Line::requested_at_ms);
    let request_id =
        line.filter(|_| time.is_some()).and_then(|line| line.text("id", &["extendedRequestId", "requestId"]));
    CallId::new(request_id.as_deref().unwrap_or(event_id), time.unwrap_or(logged_at_ms))
}

fn reference(line: &str) -> Expected {
    let line = Line::parse(line)?;
    let key = line.0.get("apiKeyId").or(line.0.get("key"));
    if matches!(key, Some(Value::Number(_) | Value::Bool(_) | Value::Object(_) | Value::Array(_))) {
        return None;
    }
    let status = line.text("status", &["status"]);
    let status =
        status.filter(|status| status.len() == 3 && !status.starts_with('+'))?.parse::<u16>().ok()?;
    let requested_at_ms = line.requested_at_ms()?;
    let method = line.text("method", &["httpMethod"]);
    let route = line.text("route", &["resourcePath", "routeKey"]);
    let key = line.text("key", &["apiKeyId"]);
    (100..600).contains(&status).then_some((key, status, requested_at_ms, method, route))
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

/// Without fractions, which the two readers format differently.
fn short_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => ".{0,10}".prop_map(Value::from),
        1 => Just(json!("-")),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(json!(["a"])),
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
    let epoch = |value: Value| vec![("time".to_owned(), value)];
    prop_oneof![
        2 => (0_i64..4_000_000_000).prop_map(move |seconds| epoch(Value::from(seconds.to_string()))),
        6 => (0_i64..4_000_000_000_000).prop_map(move |ms| epoch(Value::from(ms))),
        6 => (0_i64..4_000_000_000_000).prop_map(move |ms| epoch(Value::from(ms.to_string()))),
        2 => Just(vec![("requestTime".to_owned(), json!("24/Nov/2026:14:04:30 +0530")), ("time".to_owned(), json!("-"))]),
        1 => any_value().prop_map(epoch),
        1 => Just(Vec::new()),
    ]
}

/// Members with their short names, and with the names of the variables.
const NAMES: [(&str, &str); 6] = [
    ("id", "extendedRequestId"),
    ("key", "apiKeyId"),
    ("time", "requestTimeEpoch"),
    ("method", "httpMethod"),
    ("route", "routeKey"),
    ("route", "resourcePath"),
];

fn long_name(short: &str) -> String {
    NAMES.iter().find(|(name, _)| *name == short).map_or(short, |(_, long)| long).to_owned()
}

/// A line with the known members and unknown ones, in any order, with short names, long names or a
/// mixture.
fn line() -> impl Strategy<Value = String> {
    let unknown = prop::collection::vec(("[a-zA-Z \"\\\\é]{1,8}", any_value()), 0..6);
    let more =
        prop::collection::vec((prop::sample::select(vec!["id", "method", "route"]), short_text()), 0..3);
    let names = prop::collection::vec(any::<bool>(), 8);
    let all = prop_oneof![Just(Some(false)), Just(Some(true)), Just(None)];
    (key_value(), status_value(), time_members(), more, unknown, names, all).prop_flat_map(
        |(key, status, times, more, unknown, long, all)| {
            let mut members = vec![("key".to_owned(), key), ("status".to_owned(), status)];
            members.extend(times);
            members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
            for ((name, _), long) in members.iter_mut().zip(long) {
                if all.unwrap_or(long) {
                    *name = long_name(name);
                }
            }
            members.extend(unknown.into_iter().map(|(name, value)| (format!("x{name}"), value)));
            Just(members).prop_shuffle().prop_map(|members| {
                let body: Vec<String> =
                    members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
                format!("{{{}}}", body.join(","))
            })
        },
    )
}

/// Values that are similar from call to call, and sometimes hostile.
fn values_of_one_format() -> impl Strategy<Value = HashMap<&'static str, String>> {
    let key = prop_oneof![
        12 => "\"k[0-9]\"", 2 => "\"[a-c\u{e9}]{1,3}\"", 1 => Just(r#""-""#.to_owned()), 1 => "[1-9][0-9]{3}",
        1 => Just(r#""a\"b""#.to_owned()), 1 => Just(r#""\u006b1""#.to_owned()), 1 => Just("null".to_owned()),
    ];
    let status = prop_oneof![9 => Just("\"200\"".to_owned()), 2 => "\"[2-5][0-9]{2}\"", 1 => "[1-9][0-9]{2}", 1 => Just("\"20\"".to_owned())];
    let epoch = prop_oneof![9 => "\"17[0-9]{11}\"", 4 => "\"17[0-9]{8}\"", 2 => "1[0-9]{12}", 1 => Just("\"17e5123456789\"".to_owned()), 1 => Just("\"-\"".to_owned())];
    let latency = prop_oneof![8 => "\"[0-9]{1,2}\"", 1 => "\"[0-9]{11}\"", 1 => Just("\"-\"".to_owned())];
    let path = prop_oneof![8 => "\"/[a-z]{4}\"", 1 => "\"[a-z,:{}]{5}\"", 1 => Just(r#""/a\\b""#.to_owned())];
    (key, status, epoch, latency, path, "[1-9][0-9]{0,2}").prop_map(
        |(key, status, epoch, latency, path, number)| {
            HashMap::from([
                ("key", key),
                ("status", status),
                ("time", epoch),
                ("ms", latency),
                ("route", path),
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

/// Compares the decoded events with an independent reading. `event` returns the id and the time that
/// identify an event without a request id.
fn check(
    decoded: &Decoded,
    lines: &[String],
    event: impl Fn(usize) -> (String, i64),
) -> Result<(), TestCaseError> {
    let expected: Vec<(CallId, Expected)> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let (id, logged_at_ms) = event(index);
            (reference_id(line, &id, logged_at_ms), reference(line))
        })
        .collect();
    prop_assert_eq!(&decoded.events, &expected);
    Ok(())
}

fn logged(index: usize) -> (String, i64) {
    (format!("{index:056}"), 1_764_000_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_envelope_is_read_as_serde_json_reads_it(lines in prop::collection::vec(line(), 0..12), pretty in any::<bool>(), zipped in any::<bool>()) {
        let envelope = envelope(&lines);
        let text = if pretty { serde_json::to_string_pretty(&envelope).unwrap() } else { envelope.to_string() };
        let data = if zipped { gzip(text.as_bytes()) } else { text.into_bytes() };
        let decoded = decode(&data).unwrap();
        prop_assert_eq!(decoded.form, Form::LogEvents);
        check(&decoded, &lines, logged)?;
    }

    /// Many events of one format, so that most have a learned layout.
    #[test]
    fn events_of_one_format_are_read_as_serde_json_reads_them(
        order in Just(["key", "status", "time", "ms", "route", "n"].to_vec()).prop_shuffle(),
        calls in prop::collection::vec(values_of_one_format(), 1..60),
    ) {
        let lines: Vec<String> = calls.iter().map(|values| {
            let members: Vec<String> = order.iter().map(|name| format!("\"{name}\":{}", values[name])).collect();
            format!("{{{}}}", members.join(","))
        }).collect();
        let decoded = decode(envelope(&lines).to_string().as_bytes()).unwrap();
        check(&decoded, &lines, logged)?;
    }

    #[test]
    fn lines_are_read_as_serde_json_reads_them(lines in prop::collection::vec(line(), 1..12)) {
        let decoded = decode(lines.join("\n").as_bytes()).unwrap();
        prop_assert_eq!(decoded.form, Form::Lines);
        check(&decoded, &lines, |index| (format!("{}/{index}", ORIGIN.record_name), ORIGIN.arrived_at_ms))?;
    }

    /// The events that are extracted from a record have the same calls in the part.
    #[test]
    fn a_part_of_a_record_has_the_same_calls(
        lines in prop::collection::vec(line(), 1..12),
        wanted in prop::collection::btree_set(0_u32..12, 1..12),
        (as_lines, without_ids) in any::<(bool, bool)>(),
    ) {
        let mut envelope = envelope(&lines);
        if without_ids {
            for event in envelope["logEvents"].as_array_mut().unwrap() {
                event.as_object_mut().unwrap().remove("id");
                event.as_object_mut().unwrap().remove("timestamp");
            }
        }
        let data = if as_lines { lines.join("\n").into_bytes() } else { envelope.to_string().into_bytes() };
        let wanted: Vec<u32> = wanted.into_iter().filter(|event| (*event as usize) < lines.len()).collect();
        let whole = decode(&data).unwrap();
        let parts = parts(&data, &wanted);
        prop_assert_eq!(parts.len(), usize::from(!wanted.is_empty()));
        let found: Vec<_> = parts.iter().flat_map(|part| decode(part).unwrap().events).collect();
        let expected: Vec<_> = wanted.iter().map(|event| whole.events[*event as usize].clone()).collect();
        prop_assert_eq!(found, expected);
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
    assert_eq!(decode(text.as_bytes()).unwrap().form, Form::ControlMessage);
}

#[test]
fn a_request_id_is_identified_by_its_characters_whatever_the_escapes() {
    let id = |line: &str| decode(line.as_bytes()).unwrap().events[0].0;
    let plain = r#"{"extendedRequestId":"a/b=","status":"200","requestTimeEpoch":"5"}"#;
    let escaped = r#"{"extendedRequestId":"a\/b\u003d","status":"200","requestTimeEpoch":5}"#;
    assert_eq!(id(plain), id(escaped));
    assert_eq!(id(plain), CallId::new("a/b=", 5_000));
    assert_ne!(id(plain), id(&plain.replace("\"5\"", "\"6\"")));
    assert_eq!(
        id(plain),
        id(r#"{"id":"a/b=","key":"k","status":"200","time":5}"#),
        "with short names as well"
    );
}

#[test]
fn an_escape_does_not_make_another_key_or_another_member() {
    let key = |line: &str| decode(line.as_bytes()).unwrap().events[0].1.clone().unwrap().0;
    assert_eq!(key(r#"{"apiKeyId":"\u002d","status":"200","requestTimeEpoch":5}"#), None);
    let member = r#"{"apiKey\u0049d":"k","status":"200","requestTimeEpoch":5}"#;
    assert_eq!(key(member), Some("k".to_owned()));
}

#[test]
fn custom_members_are_ignored_in_a_line_with_long_names() {
    let line = r#"{"id":"tenant-7","key":"secret","time":"5","apiKeyId":"-","status":"200","requestTimeEpoch":"1764000000000","requestId":"r"}"#;
    let decoded = decode(line.as_bytes()).unwrap();
    let (id, call) = decoded.events[0].clone();
    assert_eq!(id, CallId::new("r", 1_764_000_000_000));
    assert_eq!(
        call,
        Some((None, 200, 1_764_000_000_000, None, None)),
        "the key is absent, although there is a `key`"
    );
}

/// A line of an HTTP API has its time in seconds, and the route key instead of the resource.
#[test]
fn a_line_of_an_http_api_is_read() {
    let line = r#"{"id":"KxQ2pgF6IAMEPdA=","key":"key-7","time":"1747602530","status":"201","ms":"24","method":"GET","route":"GET /api/v1/users/me","stage":"$default","api":"a1b2c3"}"#;
    let text = |text: &str| Some(text.to_owned());
    let expected = (text("key-7"), 201, 1_747_602_530_000, text("GET"), text("GET /api/v1/users/me"));
    let decoded = decode(line.as_bytes()).unwrap();
    assert_eq!(
        decoded.events[0],
        (CallId::new("KxQ2pgF6IAMEPdA=", 1_747_602_530_000), Some(expected.clone()))
    );
    let envelope = envelope(&vec![line.to_owned(); 3]).to_string();
    for (_, call) in decode(envelope.as_bytes()).unwrap().events {
        assert_eq!(call, Some(expected.clone()), "also with a learned layout");
    }
}

/// A format may have the routes of both kinds of API, of which one is always `-`.
#[test]
fn a_missing_route_does_not_hide_the_route_of_the_other_kind_of_api() {
    for routes in [
        r#""resourcePath":"/usage","routeKey":"-""#,
        r#""routeKey":"-","resourcePath":"/usage""#,
        r#""resourcePath":"-","routeKey":"/usage""#,
    ] {
        let line =
            format!(r#"{{"apiKeyId":"k","requestTimeEpoch":"1764000000000","status":"200",{routes}}}"#);
        // The second event may be read by the layout of the first.
        for (_, call) in decode(envelope(&vec![line.clone(); 2]).to_string().as_bytes()).unwrap().events {
            assert_eq!(call.unwrap().4.as_deref(), Some("/usage"), "{line}");
        }
    }
}

/// An unquoted `$context` variable without a value is written as a bare dash.
#[test]
fn a_bare_dash_of_another_member_does_not_hide_the_call() {
    let line = r#"{"integrationLatency":-,"key":"k","status":200,"time":1764000000000,"ms":-}"#;
    let (_, call) = decode(line.as_bytes()).unwrap().events[0].clone();
    assert_eq!(call, Some((Some("k".to_owned()), 200, 1_764_000_000_000, None, None)));
}

#[test]
fn a_line_that_is_not_json_has_an_error_with_its_position() {
    let mut errors = Vec::new();
    let line = r#"{"status":"200","agent":"a "quoted" name","key":"k"}"#;
    let lines = envelope(&[line.to_owned(), r#"{"status":"200""#.to_owned()]).to_string();
    Decoder::new(Limits::default())
        .decode(lines.as_bytes(), ORIGIN, |event| errors.push(event.call.unwrap_err().to_string()))
        .unwrap();
    assert_eq!(
        errors[0],
        format!(
            "the line is not a JSON object: expected ',' or '}}' at byte {}",
            line.find("quoted").unwrap()
        )
    );
    assert_eq!(errors[1], "the line is not a JSON object: the JSON ends too early");
}

#[test]
fn a_record_of_too_many_events_is_refused_and_costs_little() {
    let mut decoder = Decoder::new(Limits { max_events: 3, ..Limits::default() });
    let mut seen = 0;
    let three = decoder.decode(b"x\nx\nx", ORIGIN, |_| seen += 1).unwrap();
    assert_eq!((three.event_count, seen), (3, 3));
    let error = decoder.decode(b"x\nx\nx\nx", ORIGIN, |_| ()).unwrap_err();
    assert_eq!(error.reason(), "too-many-events");
    let events = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}{{}}]}}"#, "{},".repeat(3));
    assert_eq!(decoder.decode(events.as_bytes(), ORIGIN, |_| ()).unwrap_err().reason(), "too-many-events");
}

#[test]
fn a_line_has_two_mebibytes_and_not_one_byte_more_in_whichever_form() {
    let line = |bytes: usize, escapes: &str| {
        let line =
            |pad: &str| format!(r#"{{"key":"k","status":200,"time":1764000000000,"x":"{escapes}{pad}"}}"#);
        line(&"p".repeat(bytes - line("").len()))
    };
    let envelope = |message: String| {
        format!(
            r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","timestamp":1,"message":"{message}"}}]}}"#
        )
    };
    let forms: [&dyn Fn(usize) -> String; 3] = [
        &|bytes| line(bytes, ""),
        // Read in place: twelve quotes are escaped.
        &|bytes| envelope(line(bytes - 12, "").replace('"', r#"\""#)),
        // Unescaped first: a backslash within a value.
        &|bytes| envelope(line(bytes - 13, r"\n").replace('\\', r"\\").replace('"', r#"\""#)),
    ];
    for (number, form) in forms.iter().enumerate() {
        let reason = |bytes: usize| {
            let mut reason = Some("no event");
            let mut decoder = Decoder::new(Limits::default());
            let visit = |event: ReadEvent<'_>| reason = event.call.err().map(|error| error.reason());
            decoder.decode(form(bytes).as_bytes(), ORIGIN, visit).unwrap();
            reason
        };
        assert_eq!(reason(2 << 20), None, "form {number}");
        assert_eq!(reason((2 << 20) + 1), Some("line-too-long"), "form {number}");
    }
}

#[test]
fn a_member_is_nested_64_levels_deep_and_not_one_more() {
    let reason = |levels: usize| {
        let line = format!(
            r#"{{"key":"k","status":200,"time":1764000000000,"x":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        );
        let mut reason = None;
        let mut decoder = Decoder::new(Limits::default());
        decoder.decode(line.as_bytes(), ORIGIN, |event| reason = event.call.err()).unwrap();
        reason.map(|error| (error.reason(), error.to_string()))
    };
    assert_eq!(reason(64), None);
    let (word, text) = reason(65).unwrap();
    assert!(word == "line-not-json" && text.contains("deeper than 64 levels"), "{text}");
}

/// A record that is mostly bad inflates to far more than the maximum of a stream record.
#[test]
fn parts_fit_back_into_the_stream() {
    let line = |index: u64| {
        let noise = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        json!({"extendedRequestId": format!("{noise:016x}"), "apiKeyId": 7, "requestTimeEpoch": "1764000000000", "status": "200",
            "noise": format!("{:016x}", noise.wrapping_mul(noise | 1)).repeat(20)}).to_string()
    };
    let lines: Vec<String> = (0..6_000).map(line).collect();
    let data = envelope(&lines).to_string().into_bytes();
    assert!(data.len() > 2 << 20);
    let all: Vec<u32> = (0..6_000).collect();
    let parts = parts(&data, &all);
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= 1 << 20));
    let found: usize = parts.iter().map(|part| decode(part).unwrap().events.len()).sum();
    assert_eq!(found, 6_000);
}
