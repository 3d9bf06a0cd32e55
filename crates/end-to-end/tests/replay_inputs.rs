//! `meter replay` with files in many forms, and its report on files that it cannot read.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use end_to_end::binaries;
use end_to_end::meter::{documented, stdout};
use flate2::Compression;
use flate2::write::GzEncoder;
use meter_cli::exit_codes::INTERRUPTED;
use serde_json::{Value, json};

const EPOCH_MS: u64 = 1_795_509_270_000;

fn command(arguments: &[&str]) -> Command {
    let binaries = binaries();
    let mut command = Command::new(binaries.join("meter"));
    command.arg("replay").args(arguments).args(["--binaries", binaries.to_str().unwrap()]);
    command.env("RUST_BACKTRACE", "0");
    command
}

fn replay(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Returns the JSON report of a replay, whether or not it succeeded.
fn report(output: &Output) -> Value {
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    documented("replay", &output.stdout)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes files into a folder.
fn write(folder: &Path, files: &[(&str, Vec<u8>)]) -> Vec<PathBuf> {
    let write = |(name, content): &(&str, Vec<u8>)| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    };
    files.iter().map(write).collect()
}

/// Returns a line with a request id.
fn call(key: &str, number: usize) -> Value {
    json!({
        "extendedRequestId": format!("{key}-{number}="), "apiKeyId": key, "status": "200",
        "requestTimeEpoch": (EPOCH_MS + number as u64).to_string(), "resourcePath": "/parts/{id}",
    })
}

/// Returns a line without a request id.
fn line(key: &str, status: &str) -> String {
    json!({"apiKeyId": key, "status": status, "requestTimeEpoch": EPOCH_MS.to_string()}).to_string()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, order: fn(u16) -> [u8; 2], mark: &[u8]) -> Vec<u8> {
    [mark.to_vec(), text.encode_utf16().flat_map(order).collect()].concat()
}

/// Concatenates the texts of all items.
fn each<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect()
}

/// Four calls of a key, in the parts from which the forms are built.
struct Calls {
    values: Vec<Value>,
    lines: Vec<String>,
    events: Vec<Value>,
}

impl Calls {
    fn new(key: &str) -> Self {
        let values: Vec<Value> = (0..4).map(|number| call(key, number)).collect();
        let lines: Vec<String> = values.iter().map(Value::to_string).collect();
        let events = lines.iter().enumerate().map(|(number, line)| {
            json!({"logStreamName": "s1", "timestamp": EPOCH_MS, "message": line, "ingestionTime": EPOCH_MS + 900,
                "eventId": format!("{key}{number:052}")})
        });
        let events = events.collect();
        Self { values, lines, events }
    }

    fn prefixed(&self, prefix: &str) -> String {
        each(&self.lines, |line| format!("{prefix}{line}\n"))
    }

    fn printed(&self) -> String {
        each(&self.values, |value| format!("{value:#}\n"))
    }

    /// Returns subscription records of two calls each, with a control message between them.
    fn records(&self) -> Vec<String> {
        let record = |lines: &[String]| {
            let events: Vec<Value> = lines
                .iter()
                .map(|line| json!({"id": line[22..40], "timestamp": EPOCH_MS, "message": line}))
                .collect();
            json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events})
                .to_string()
        };
        let control = json!({"messageType": "CONTROL_MESSAGE", "logGroup": "", "logStream": "", "logEvents":
            [{"id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health of destination"}]});
        vec![record(&self.lines[..2]), control.to_string(), record(&self.lines[2..])]
    }

    /// Returns the records, gzipped and in base64.
    fn encoded(&self) -> Vec<String> {
        self.records().iter().map(|record| STANDARD.encode(gzip(record.as_bytes()))).collect()
    }

    fn kinesis_event(&self) -> Value {
        let record = |data: &String| {
            json!({"kinesis": {"kinesisSchemaVersion": "1.0", "sequenceNumber": "4960", "data": data,
                    "approximateArrivalTimestamp": 1_795_509_300.5},
                "eventSource": "aws:kinesis", "eventID": "shardId-000000000000:4960",
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:111122223333:stream/usage"})
        };
        json!({"Records": self.encoded().iter().map(record).collect::<Vec<_>>()})
    }

    fn insights_rows(&self, name: &str, value: &str) -> Vec<Value> {
        let row = |line: &String| json!([{name: "@timestamp", value: "2026-11-18 11:06:40.000"}, {name: "@message", value: line}]);
        self.lines.iter().map(row).collect()
    }

    fn csv(&self, separator: char) -> String {
        let row =
            |line: &String| format!("2026-11-18 11:06:40.000{separator}{}{separator}s1\r\n", quoted(line));
        format!("@timestamp{separator}@message{separator}@logStream\r\n")
            + &self.lines.iter().map(row).collect::<String>()
    }
}

/// Returns a cell of CSV.
fn quoted(line: &str) -> String {
    format!("\"{}\"", line.replace('"', "\"\""))
}

/// Builds a file of calls.
type Form = (&'static str, fn(&Calls) -> Vec<u8>);

const LINES: [Form; 17] = [
    ("lines", |calls| calls.lines.join("\n").into()),
    ("lines-crlf", |calls| calls.lines.join("\r\n\r\n").into()),
    ("lines-with-arrays", |calls| {
        let call = json!({"apiKeyId": "other", "status": "200", "requestTimeEpoch": EPOCH_MS.to_string()});
        let arrays = [json!({"items": [call]}), json!({"records": []}), json!({"events": ["{}"]})];
        let line = |(line, array): (&String, &Value)| {
            let array = array.to_string();
            format!("{},{}\n", &array[..array.len() - 1], &line[1..])
        };
        calls.lines.iter().zip(arrays.iter().cycle()).map(line).collect::<String>().into()
    }),
    ("lines-gzipped", |calls| gzip(calls.lines.join("\n").as_bytes())),
    ("lines-gzipped-twice", |calls| gzip(&gzip(calls.lines.join("\n").as_bytes()))),
    ("lines-without-newline", |calls| calls.lines.concat().into()),
    ("lines-with-commas", |calls| calls.lines.join(",\n").into()),
    ("members-without-newline", |calls| calls.lines.iter().flat_map(|line| gzip(line.as_bytes())).collect()),
    ("utf8-mark", |calls| format!("\u{feff}{}", calls.lines.join("\n")).into()),
    ("utf16-le", |calls| utf16(&calls.lines.join("\r\n"), u16::to_le_bytes, b"\xff\xfe")),
    ("utf16-be", |calls| utf16(&calls.lines.join("\r\n"), u16::to_be_bytes, b"\xfe\xff")),
    ("export", |calls| gzip(calls.prefixed("2026-11-24T08:34:30.123Z ").as_bytes())),
    ("tail-short", |calls| calls.prefixed("2026-11-18T11:06:40 ").into()),
    ("tail-detailed", |calls| calls.prefixed("2026-11-18T11:06:40.120000+00:00 s1 ").into()),
    ("tail-json", |calls| {
        each(&calls.values, |value| format!("2026-11-18T11:06:40+00:00 s1\n{value:#}\n")).into()
    }),
    ("awslogs", |calls| calls.prefixed("/api/access s1 ").into()),
    ("rows-as-text", |calls| {
        let row = |line| format!("EVENTS\t0038\t{EPOCH_MS}\ts1\t{line}\t{EPOCH_MS}\n");
        (calls.lines.iter().map(row).collect::<String>() + "SEARCHEDLOGSTREAMS\tTrue\ts1\n").into()
    }),
];

const JSON: [Form; 12] = [
    ("printed", |calls| calls.printed().into()),
    ("printed-array", |calls| format!("{:#}", json!(calls.values)).into()),
    ("array", |calls| json!(calls.values).to_string().into()),
    ("utf16-printed", |calls| utf16(&calls.printed(), u16::to_le_bytes, b"\xff\xfe")),
    ("strings", |calls| each(&calls.lines, |line| format!("{}\n", json!(line))).into()),
    ("query-texts", |calls| format!("{:#}", json!(calls.lines)).into()),
    ("query-texts-as-text", |calls| calls.lines.join("\t").into()),
    ("query-events", |calls| format!("{:#}", json!(calls.events)).into()),
    ("query-pairs", |calls| {
        format!("{:#}", json!(calls.lines.iter().map(|line| json!([EPOCH_MS, line])).collect::<Vec<_>>()))
            .into()
    }),
    ("events", |calls| format!("{:#}", json!({"events": calls.events, "searchedLogStreams": []})).into()),
    ("pages-printed", |calls| {
        let page = |events: &[Value]| format!("{:#}\n", json!({"events": events, "nextToken": "x"}));
        (page(&calls.events[..2]) + &page(&[]) + &page(&calls.events[2..])).into()
    }),
    ("pages", |calls| {
        let page = |events: &[Value]| json!({"events": events, "searchedLogStreams": []}).to_string() + "\n";
        (page(&calls.events[..2]) + &page(&calls.events[2..])).into()
    }),
];

const RECORDS: [Form; 15] = [
    ("records-gzipped", |calls| calls.records().iter().flat_map(|record| gzip(record.as_bytes())).collect()),
    ("records-gzipped-with-newlines", |calls| {
        let delimited = |record: &String| [gzip(record.as_bytes()), b"\n".to_vec()].concat();
        calls.records().iter().flat_map(delimited).chain([0; 512]).collect()
    }),
    ("records-without-newline", |calls| calls.records().concat().into()),
    ("records", |calls| calls.records().join("\n").into()),
    ("logs-event", |calls| {
        let data = |data| format!("{:#}", json!({"awslogs": {"data": data}}));
        calls.encoded().iter().map(data).collect::<String>().into()
    }),
    ("firehose-body", |calls| {
        let records: Vec<Value> = calls.encoded().iter().map(|data| json!({"data": data})).collect();
        json!({"requestId": "9ec6", "timestamp": EPOCH_MS, "records": records}).to_string().into()
    }),
    ("kinesis-event", |calls| format!("{:#}", calls.kinesis_event()).into()),
    ("kinesis-event-of-lines", |calls| {
        let data = STANDARD.encode(calls.lines.join("\n"));
        json!({"Records": [{"kinesis": {"data": data}}]}).to_string().into()
    }),
    ("get-records", |calls| {
        let record = |data| json!({"SequenceNumber": "4960", "Data": data, "PartitionKey": "p"});
        let records: Vec<Value> = calls.encoded().iter().map(record).collect();
        format!("{:#}", json!({"Records": records, "MillisBehindLatest": 0})).into()
    }),
    ("query-data-as-text", |calls| (calls.encoded().join("\t") + "\n").into()),
    ("query-data", |calls| format!("{:#}", json!(calls.encoded())).into()),
    ("query-data-of-lines", |calls| {
        let encoded: Vec<String> = calls.lines.iter().map(|line| STANDARD.encode(line)).collect();
        encoded.join("\n").into()
    }),
    ("given-up", |calls| {
        json!({"requestContext": {"condition": "RetryAttemptsExhausted"}, "responseContext": {"statusCode": 200},
            "version": "1.0", "timestamp": "2026-11-18T12:30:00.000Z", "KinesisBatchInfo": {"batchSize": 3},
            "payload": calls.kinesis_event().to_string()})
        .to_string()
        .into()
    }),
    ("given-up-payload", |calls| json!(calls.kinesis_event().to_string()).to_string().into()),
    ("powershell-events", |calls| {
        let event = |line| json!({"EventId": null, "Message": line, "Timestamp": EPOCH_MS});
        let events: Vec<Value> = calls.lines.iter().map(event).collect();
        utf16(&format!("{:#}", json!({"Events": events})), u16::to_le_bytes, b"\xff\xfe")
    }),
];

const TABLES: [Form; 9] = [
    ("insights-results", |calls| {
        let rows = calls.insights_rows("field", "value");
        format!("{:#}", json!({"results": rows, "statistics": {}, "status": "Complete"})).into()
    }),
    ("insights-query", |calls| format!("{:#}", json!(calls.insights_rows("field", "value"))).into()),
    ("insights-console", |calls| {
        let row = |value| json!({"@timestamp": "2026-11-18 11:06:40.000", "@message": value});
        json!(calls.values.iter().map(row).collect::<Vec<_>>()).to_string().into()
    }),
    ("insights-csv", |calls| calls.csv(',').into()),
    ("insights-csv-excel", |calls| format!("\u{feff}{}", calls.csv(';')).into()),
    ("insights-csv-tabs", |calls| calls.csv('\t').into()),
    ("console-csv", |calls| {
        let row = |line: &String| format!("{EPOCH_MS},{}\n", quoted(line));
        ("timestamp,message\n".to_owned() + &calls.lines.iter().map(row).collect::<String>()).into()
    }),
    ("console-csv-excel", |calls| {
        let row = |line: &String| format!("{};{EPOCH_MS};s1\r\n", quoted(line));
        let rows = calls.lines.iter().map(row).collect::<String>();
        format!("\u{feff}Message;Timestamp;Log stream\r\n{rows}").into()
    }),
    ("athena", |calls| {
        let row = |value: &Value| {
            let field = |name: &str| format!("\"{}\"", value[name].as_str().unwrap());
            ["apiKeyId", "status", "requestTimeEpoch", "extendedRequestId"].map(field).join(",") + "\n"
        };
        let header = "\"apikeyid\",\"status\",\"requesttimeepoch\",\"extendedrequestid\"\n".to_owned();
        (header + &calls.values.iter().map(row).collect::<String>()).into()
    }),
];

#[test]
fn every_form_that_people_have_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let forms: Vec<Form> = [LINES.as_slice(), &JSON, &RECORDS, &TABLES].concat();
    let files: Vec<(&str, Vec<u8>)> =
        forms.iter().map(|(name, make)| (*name, make(&Calls::new(name)))).collect();
    write(folder.path(), &files);
    let report = report(&replay(&[text(folder.path()), "--json"]));
    let mut names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let expected: Vec<Value> = names.iter().map(|name| json!({"api_key_id": name, "calls": 4})).collect();
    assert_eq!(report["usage"], json!(expected), "{report:#}");
    assert_eq!(report["quarantined"], json!({}));
    for file in report["files"].as_array().unwrap() {
        assert_eq!((&file["status"], &file["calls"]), (&json!("read"), &json!(4)), "{file}");
    }
}

#[test]
fn a_file_without_calls_is_named_and_the_command_fails() {
    let kinesis =
        |data: &[u8]| json!({"Records": [{"kinesis": {"data": STANDARD.encode(data)}}]}).to_string();
    let cases: [(&str, Vec<u8>, &str); 14] = [
        (
            "clf",
            b"10.0.0.1 - - [18/Nov/2026:11:06:40 +0000] \"GET /a HTTP/1.1\" 200 5\n".into(),
            "Common Log Format",
        ),
        ("xml", b"<request id=\"0d8c\"><status>200</status></request>\n".into(), "XML"),
        ("csv", b"0d8c,200,1795509270000,key-acme\n".into(), "separated values without a header"),
        ("nested", br#"{"response":{"status":"200"},"apiKeyId":"a"}"#.into(), "inside of \"response\""),
        (
            "app-log",
            br#"{"level":"info","msg":"hello"}"#.into(),
            "\"level\", \"msg\", and a call has at least",
        ),
        ("keys-csv", b"owner,api_key\nacme,secret\n".into(), "`meter keys import` reads it"),
        (
            "keys-json",
            br#"[{"owner":"acme","sha256":"00"}]"#.into(),
            "`meter keys import` reads files of keys",
        ),
        ("dynamodb", br#"{"Items":[{"pk":{"S":"a"}}],"Count":1}"#.into(), "item of a table"),
        ("zip", b"PK\x03\x04\x14\x00".into(), "zip archive"),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstd -dc"),
        ("kpl", kinesis(&[0xf3, 0x89, 0x9a, 0xc2, 0x0a, 0xff]).into(), "Kinesis Producer Library"),
        (
            "no-payload",
            br#"{"version":"1.0","KinesisBatchInfo":{"batchSize":3}}"#.into(),
            "it has no payload",
        ),
        ("yaml", b"events:\n- eventId: '38'\n  message: hello\n".into(), "--output json"),
        ("no-base64", br#"{"Records":[{"kinesis":{"data":"?"}}]}"#.into(), "its data cannot be decoded"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<(&str, Vec<u8>)> =
        cases.iter().map(|(name, content, _)| (*name, content.clone())).collect();
    write(folder.path(), &files);
    let output = replay(&[text(folder.path()), "--json"]);
    let report = report(&output);
    let files = report["files"].as_array().unwrap();
    for (name, _, words) in &cases {
        let path = folder.path().join(name);
        let file = files.iter().find(|file| file["file"] == text(&path)).unwrap();
        assert_eq!(file["status"], "not_recognised", "{file}");
        assert!(file["detail"].as_str().unwrap().contains(words), "{file}");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("14 files could not be read"), "{errors}");
    assert_eq!((files.len(), &report["calls"]), (14, &json!(0)));
}

#[test]
fn a_report_for_programs_has_names_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        line("a", "200"),
        line("a", "404"),
        line("-", "200"),
        "{\"status\":200,\"apiKeyId\":-,\"requestTimeEpoch\"}".to_owned(),
        line("b", "2xx"),
        line("a", "201"),
        json!({"apiKeyId": "a", "status": 200, "requestTimeEpoch": 86_400_000}).to_string(),
    ];
    let files = write(
        folder.path(),
        &[
            ("calls.jsonl", lines.join("\r\n").into()),
            ("empty", vec![]),
            ("aws-logs-write-test", b"x".into()),
        ],
    );
    let files: Vec<&str> = files.iter().map(|path| text(path)).collect();
    let output = replay(&[files[0], files[1], files[2], files[0], "--json"]);
    let read = json!({"file": files[0], "status": "read", "calls": 5, "unreadable": 2, "left_out": 0, "detail": format!(
        "2 lines cannot be read; line 4: the line is not a JSON object: expected ':' at byte 45")});
    let mut found = report(&output);
    let too_old = found["quarantined"]["too-old"]["example"].take();
    assert!(too_old.as_str().unwrap().contains("calls.jsonl line 7: the request time 86400000"), "{too_old}");
    let example = |line: &str| format!("{} line {line}", files[0]);
    assert_eq!(
        found,
        json!({
            "usage": [{"api_key_id": "a", "calls": 2}], "calls": 2,
            "skipped": {"unbilled_status": 2, "unbilled_route": 0, "no_api_key_id": 2, "seen_before": 5},
            "quarantined": {
                "line-not-json": {"lines": 1, "records": 0,
                    "example": example("4: the line is not a JSON object: expected ':' at byte 45")},
                "bad-status": {"lines": 1, "records": 0,
                    "example": example("5: the status \"2xx\" is not an HTTP status of three digits")},
                "too-old": {"lines": 1, "records": 0, "example": null},
            },
            "files": [read, {"file": files[1], "status": "empty", "calls": 0, "unreadable": 0, "left_out": 0,
                "detail": "it is empty"}, read, {"file": files[2], "status": "left_out", "calls": 0, "unreadable": 0,
                "left_out": 0, "detail": "the test file that CloudWatch Logs writes before an export"}],
        })
    );
    let printed = stdout(&replay(&[files[0], files[1]]));
    for words in [
        "Skipped: 1 calls without a key id",
        "Quarantined: 1 line, line-not-json; for example: ",
        "expected ':' at byte 45",
        "empty: it is empty",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

#[test]
fn standard_input_and_pipes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<u8> =
        Calls::new("a").records().iter().flat_map(|record| gzip(record.as_bytes())).collect();
    for name in ["-", "/dev/stdin"] {
        let mut process = command(&[name, "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(&records).unwrap();
        let report = report(&process.wait_with_output().unwrap());
        assert_eq!(report["usage"], json!([{"api_key_id": "a", "calls": 4}]), "{report}");
    }
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, records).unwrap())
    };
    let report = report(&replay(&[text(&pipe), "--json"]));
    writer.join().unwrap();
    assert_eq!(report["calls"], 4, "{report}");
}

#[test]
fn calls_in_files_that_overlap_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let events: Vec<Value> = (0..10)
        .map(|number| json!({"eventId": format!("{number:056}"), "timestamp": EPOCH_MS, "message": line("b", "200")}))
        .collect();
    let calls: Vec<String> = (0..10).map(|number| call("a", number).to_string()).collect();
    let page = |events: &[Value]| json!({"events": events}).to_string().into_bytes();
    write(
        folder.path(),
        &[
            ("day1.jsonl", calls[..6].join("\n").into()),
            ("day2.json", format!("[{}]", calls[4..].join(",")).into()),
            ("day1.json", page(&events[..6])),
            ("day2-events.json", page(&events[4..])),
        ],
    );
    let found = report(&replay(&[text(folder.path()), "--json"]));
    let usage = json!([{"api_key_id": "a", "calls": 10}, {"api_key_id": "b", "calls": 10}]);
    assert_eq!((&found["usage"], &found["skipped"]["seen_before"]), (&usage, &json!(4)));
}

#[test]
fn a_file_that_has_grown_counts_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("calls.jsonl"));
    // These lines are identical, so only their number distinguishes them.
    for (lines, wrapped) in [(450, false), (450, true), (460, false)] {
        let content = vec![line("a", "200"); lines].join("\n").into_bytes();
        std::fs::write(&file, if wrapped { gzip(&content) } else { content }).unwrap();
        let found = report(&replay(&[text(&file), "--json", "--data", text(&data)]));
        assert_eq!(found["calls"], lines, "{found}");
    }
}

#[test]
fn what_breaks_off_is_said_and_what_came_before_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Calls::new("a");
    let whole = gzip(vec![calls.lines.join("\n"); 500].join("\n").as_bytes());
    let events = json!({"events": calls.events}).to_string();
    for (content, words) in [
        (whole[..whole.len() - 4].to_vec(), "the rest cannot be read"),
        (events[..events.len() - 2].into(), "the file ends within a document"),
    ] {
        let file = write(folder.path(), &[("cut", content)]);
        let output = replay(&[text(&file[0]), "--json"]);
        let found = report(&output);
        assert_eq!((&found["calls"], &found["files"][0]["status"]), (&json!(4), &json!("failed")), "{found}");
        assert!(found["files"][0]["detail"].as_str().unwrap().contains(words) && !output.status.success());
    }
}

#[test]
fn a_replay_that_is_stopped_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = command(&["-"])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let left = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        // The replay has started its stack and waits for input that never arrives.
        let mut started = (0..).map(|_| left().any(|path| path.join("endpoints.json").exists()));
        assert!(started.any(|is_there| is_there || process.try_wait().unwrap().is_some()));
        assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
        let input = process.stdin.take();
        let output = process.wait_with_output().unwrap();
        drop(input);
        assert_eq!(
            output.status.code(),
            Some(INTERRUPTED.into()),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(left().collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }
}
