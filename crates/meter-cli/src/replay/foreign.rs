//! Recognizes files without calls, and describes what to do about them.

use serde_json::Value;

/// A kind of file without calls.
struct Kind {
    matches: fn(&[u8]) -> bool,
    /// Description of the file, and the remedy.
    advice: &'static str,
}

/// Kinds of binary files, recognized by their first bytes.
const BINARY: [Kind; 8] = [
    Kind {
        matches: |head| head.starts_with(b"PK\x03\x04"),
        advice: "it is a zip archive; unpack it and pass the files in it",
    },
    Kind {
        matches: |head| head.starts_with(b"PAR1"),
        advice: "it is a Parquet file; query it with Athena and save the result as CSV",
    },
    Kind {
        matches: |head| head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        advice: "it is compressed with zstd; pipe it in: `zstd -dc FILE | meter replay -`",
    },
    Kind {
        matches: |head| head.starts_with(b"BZh"),
        advice: "it is compressed with bzip2; pipe it in: `bzip2 -dc FILE | meter replay -`",
    },
    Kind {
        matches: |head| head.starts_with(b"\xfd7zXZ"),
        advice: "it is compressed with xz; pipe it in: `xz -dc FILE | meter replay -`",
    },
    Kind {
        matches: |head| head.starts_with(&[0xf3, 0x89, 0x9a, 0xc2]),
        advice: "it is a record that the Kinesis Producer Library has aggregated; set AggregationEnabled to false",
    },
    Kind {
        matches: |head| matches!(head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]),
        advice: "it is compressed with zlib; compress it with gzip instead",
    },
    Kind { matches: |head| head.contains(&0), advice: "it is a binary file; pass an access log" },
];

/// Kinds of text files, recognized by their first line.
const TEXTS: [Kind; 8] = [
    Kind {
        matches: |line| line.starts_with(b"<"),
        advice: "its lines are XML; set the stage's access-log format to the documented format in JSON",
    },
    Kind {
        matches: is_common_log,
        advice: "its lines are in the Common Log Format; set the stage's access-log format to the documented format in JSON",
    },
    Kind {
        matches: |line| line.starts_with(b"events:") || line.starts_with(b"- ") || line == b"---",
        advice: "it is YAML; run the AWS CLI with `--output json`",
    },
    Kind {
        matches: |line| line.starts_with(b"|") || line.starts_with(b"+-") || line.starts_with(b"-----"),
        advice: "it is a text table; run the AWS CLI with `--output json`",
    },
    Kind { matches: is_key_header, advice: "it is a file of API keys; `meter keys import` reads it" },
    Kind {
        matches: is_execution_log,
        advice: "its lines are an execution log; pass the stage's access log, which is another log group",
    },
    Kind {
        matches: |line| {
            !line.contains(&b'{') && line.iter().filter(|byte| b",;\t".contains(byte)).count() >= 2
        },
        advice: "its lines are separated values without a header that names `status` and `requestTimeEpoch`; add a header, or set the stage's access-log format to the documented format in JSON",
    },
    Kind { matches: |line| line.starts_with(b"Permission"), advice: "it is the test file of an export" },
];

/// Describes a binary file; `None` if the bytes can be text.
pub fn binary(head: &[u8]) -> Option<&'static str> {
    advice(&BINARY, head)
}

/// Describes a text file without calls by its first line.
pub fn text(sample: &str) -> String {
    let first_line = sample.lines().next().unwrap_or_default().trim();
    if let Ok(Value::Object(members)) = serde_json::from_str(sample) {
        return object(&members);
    }
    let advice = advice(&TEXTS, first_line.as_bytes());
    advice.unwrap_or("its lines are not JSON objects; pass an access log in JSON").to_owned()
}

fn advice(kinds: &[Kind], head: &[u8]) -> Option<&'static str> {
    kinds.iter().find(|kind| (kind.matches)(head)).map(|kind| kind.advice)
}

/// Describes an object that is not a call: the members that it has and those that it lacks.
fn object(members: &serde_json::Map<String, Value>) -> String {
    let inside = members.iter().find(|(_, value)| value.get("status").is_some());
    if let (Some((name, _)), false) = (inside, members.contains_key("status")) {
        return format!(
            "its lines have \"status\" inside of {name:?}; the fields have to be at the top level, so set the stage's access-log format to the documented format"
        );
    }
    let mut names: Vec<String> = members.keys().take(8).map(|name| format!("{name:?}")).collect();
    if names.len() < members.len() {
        names.push("…".to_owned());
    }
    format!(
        "its objects have the members {}, and a call has at least \"status\" with three digits, a request time and a key id; pass an access log, or set the stage's access-log format to the documented format",
        names.join(", ")
    )
}

/// Recognizes `ADDRESS IDENTITY USER [TIME] "METHOD PATH PROTOCOL" STATUS LENGTH`.
fn is_common_log(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut parts = line.splitn(2, " [");
    let words = parts.next().unwrap_or_default().split(' ').count();
    words == 3 && parts.next().is_some_and(|rest| rest.contains("] \""))
}

fn is_key_header(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let mut columns = line.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"'));
    columns.any(|column| ["api_key", "sha256", "usageplanids"].contains(&column))
}

/// Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs".
fn is_execution_log(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    ["Starting execution for request", "Method request", "Endpoint re", "Successfully completed execution"]
        .iter()
        .any(|words| line.contains(words))
        || line.starts_with("REPORT RequestId")
        || line.starts_with("START RequestId")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_calls_is_named() {
        for (sample, words) in [
            (r#"127.0.0.1 - - [18/Nov/2026:11:06:40 +0000] "GET /a HTTP/1.1" 200 12"#, "Common Log Format"),
            ("<request id=\"0d8c\">", "XML"),
            ("0d8c,200,1795000000000", "without a header"),
            ("owner;api_key", "meter keys import"),
            ("events:\n- eventId: a", "YAML"),
            ("---------\n|  FilterLogEvents  |", "--output json"),
            ("(0d8c) Starting execution for request: 0d8c", "execution log"),
            (r#"{"http":{"status":"200"},"key":"a"}"#, "inside of \"http\""),
            (r#"{"level":"info","message":"hello"}"#, "\"level\", \"message\", and a call has at least"),
            ("hello", "not JSON objects"),
        ] {
            assert!(text(sample).contains(words), "{sample}: {}", text(sample));
        }
        for (head, words) in [
            (b"PK\x03\x04".as_slice(), "zip"),
            (&[0xf3, 0x89, 0x9a, 0xc2, 1], "Kinesis Producer Library"),
            (b"\x00\x01", "binary"),
        ] {
            assert!(binary(head).unwrap().contains(words));
        }
        assert_eq!(binary(b"{\"status\":200}"), None);
    }
}
