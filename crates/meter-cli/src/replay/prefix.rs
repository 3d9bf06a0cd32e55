//! Prefixes that commands and exports write before an access-log line.
//!
//! Only known prefixes are removed. An execution log has lines that end with JSON of a client, which are not
//! calls.

use access_log::request_time::parse_request_time;

use crate::input::pieces::split_object;

/// A line that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A call behind a known prefix.
    Message(&'a str),
    /// A line without a call: a known prefix whose object is on the following lines (the format `json` of
    /// `aws logs tail`), or a line that the AWS CLI writes between the rows of a list.
    Ignored,
    /// Any other line.
    Other,
}

/// A word of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A date and time, or milliseconds since 1970.
    Time,
    /// The word `EVENTS`, which the AWS CLI writes before the fields of a list with `--output text`.
    Events,
    /// The name of a group or stream, or an id.
    Name,
}

use Word::{Events, Name, Time};

/// Known prefixes, word by word.
///
/// Sources: CloudWatch Logs User Guide, "Exporting log data to Amazon S3"
/// (time); aws-cli, `awscli/customizations/logs/tail.py` (time; time and
/// stream); awslogs, README (group, stream, time, each of which is
/// optional); AWS SAM CLI, `sam logs` (stream and time); AWS CLI User Guide,
/// "Controlling command output in the AWS CLI" (rows with tabs, the members
/// in the order of their names).
const PREFIXES: [&[Word]; 7] =
    [&[Time], &[Time, Name], &[Name, Time], &[Name, Name], &[Name], &[Name, Name, Time], &[Time, Time]];

/// Known rows of `filter-log-events` and `get-log-events` with `--output text`.
const ROWS: [&[Word]; 2] = [&[Events, Name, Time, Name], &[Events, Time]];

/// Parses a line that is not JSON.
pub fn parse(line: &str) -> Line<'_> {
    let Some((before, object, behind)) = split_object(line) else {
        return if is_ignored(line) { Line::Ignored } else { Line::Other };
    };
    let words: Vec<Word> = before.split_whitespace().take(5).map(word).collect();
    let is_row = ROWS.contains(&words.as_slice());
    let is_prefix = is_row || PREFIXES.contains(&words.as_slice()) && is_plain(before);
    let behind = behind.trim();
    let ends_well = behind.is_empty() || word(behind) == Time && (words.is_empty() || is_row);
    if (words.is_empty() || is_prefix) && ends_well { Line::Message(object) } else { Line::Other }
}

/// Returns `true` if a line without an object is a prefix alone, a searched stream of `filter-log-events`, or
/// the tokens of `get-log-events`.
fn is_ignored(line: &str) -> bool {
    let words: Vec<Word> = line.split_whitespace().take(5).map(word).collect();
    let is_tokens =
        || line.split_once('\t').is_some_and(|(back, on)| back.starts_with("b/") && on.starts_with("f/"));
    words == [Time, Name] || words == [Time] || line.starts_with("SEARCHEDLOGSTREAMS\t") || is_tokens()
}

/// Returns `true` if the words before an object end with white space, and are neither a sentence nor a log
/// level.
fn is_plain(before: &str) -> bool {
    let is_level =
        |word: &str| ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL"].contains(&word);
    before.ends_with([' ', '\t'])
        && before.split_whitespace().all(|word| {
            !word.ends_with([':', '=', ',', ')']) && !word.starts_with(['(', '<', '"']) && !is_level(word)
        })
}

fn word(text: &str) -> Word {
    let is_epoch = || text.len() >= 10 && text.len() <= 13 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "EVENTS" {
        Events
    } else if is_epoch() || is_time(text) {
        Time
    } else {
        Name
    }
}

fn is_time(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && (parse_request_time(text).is_ok() || text.parse::<jiff::civil::DateTime>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prefixes_are_taken_off_and_no_others() {
        let call = r#"{"status":"200","route":"/parts/{id}"}"#;
        for prefix in [
            "2026-11-24T08:34:30.123Z ",
            "2026-11-18T11:06:40 ",
            "2026-11-18T11:06:40.120000+00:00 s1 ",
            "/api/access s1 ",
            "/api/access s1 2026-11-18T11:06:40.120Z ",
            "2026/11/18/[$LATEST]0d8c 2026-11-18T11:06:40.120000 ",
            "1795000000000\t",
            "EVENTS\t000038\t1795000000900\ts1\t",
            "EVENTS\t1795000000900\t",
        ] {
            assert_eq!(parse(&format!("{prefix}{call}")), Line::Message(call), "{prefix}");
        }
        assert_eq!(
            parse(&format!("EVENTS\ta\t1795000000900\ts1\t{call}\t1795000000000")),
            Line::Message(call)
        );
        assert_eq!(parse(&format!("{call}\t1795000000000")), Line::Message(call));
        for other in [
            format!("(0d8c) Method request body before transformations: {call}"),
            format!("2026-11-24T08:34:30.123Z (0d8c) Endpoint response body: {call}"),
            format!("2026-11-24T08:34:30.123Z\t0d8c\tINFO\t{call}"),
            format!("INFO app {call}"),
            format!("body:{call}"),
            format!("{call} and more"),
            "REPORT RequestId: 0d8c".to_owned(),
            "EVENTS\ta".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse(&other), Line::Other, "{other}");
        }
        for ignored in [
            "2022-10-05T08:32:51+00:00 f525e7be",
            "2022-10-05T08:32:51",
            "SEARCHEDLOGSTREAMS\tTrue\ts1",
            "b/3456\tf/3457",
        ] {
            assert_eq!(parse(ignored), Line::Ignored);
        }
    }
}
