//! Queries of CloudWatch Logs Insights.
//!
//! - A query is read or refused; a query that is read answers for any events, without a panic.
//! - The answer counts the events, and its rows stay within the limit.
//! - Comments and blanks do not change a query.

use local_stack::cloudwatch_logs::insights::{Answer, Event, MAX_ROWS, Query};

use crate::small_stack;

/// Separates the query from the messages of the events, and these from one another.
const SEPARATOR: char = '\u{1e}';

/// Checks the query before the first separator with the messages after it.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    small_stack::run(|| check_text(text));
}

fn check_text(text: &str) {
    let mut parts = text.split(SEPARATOR);
    let query = parts.next().unwrap_or_default();
    let messages: Vec<&str> = parts.collect();
    let Ok(parsed) = Query::parse(query) else { return };
    let answer = answer(&parsed, &messages);
    assert_eq!(answer.scanned_events, messages.len() as u64);
    assert_eq!(answer.scanned_bytes, messages.iter().map(|message| message.len() as u64).sum::<u64>());
    assert!(answer.matched_events <= answer.scanned_events);
    assert!(answer.rows.len() <= MAX_ROWS);
    if let Ok(same) = Query::parse(&format!("# comment\n {query}\n# comment")) {
        assert_eq!(self::answer(&same, &messages), answer, "comments change nothing");
    }
    let one = Query::parse(query).and_then(|query| query.with_limit(1));
    if let Ok(one) = one {
        let limited = self::answer(&one, &messages);
        assert!(limited.rows.len() <= 1 || limited.rows == answer.rows, "a limit of the query is kept");
    }
}

fn answer(query: &Query, messages: &[&str]) -> Answer {
    let mut run = query.run();
    let events: Vec<(i64, &&str)> = (0..).zip(messages).collect();
    for (id, message) in events.into_iter().rev() {
        run.add(&Event {
            id,
            timestamp_ms: 1_795_509_270_000 + id * 60_000,
            ingested_ms: 1_795_509_275_000,
            message,
            log_stream: "stream",
            log: "123456789012:group",
        });
    }
    run.answer()
}
