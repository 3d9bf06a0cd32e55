//! Checks the behaviour of CloudWatch Logs Insights on the lines of the access log.

use std::collections::BTreeMap;

use anyhow::Context;

use super::check::{Check, Finding};
use super::subject::Subject;

const PERMISSIONS: &str = "logs:StartQuery and logs:GetQueryResults";
const REPORT: &str = "do not rely on `meter reconcile` until this is understood, and report it";
const NO_CALLS: &str = "make some calls, or check more --hours";

pub const CHECKS: &[Check] = &[
    Check {
        name: "insights_text_arithmetic",
        assumption: "text that is a number takes part in arithmetic",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(arithmetic(subject)),
    },
    Check {
        name: "insights_hour_grouping",
        assumption: "grouping by a computed hour counts each call once, as a plain count does",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(grouping(subject)),
    },
    Check {
        name: "insights_rows_without_hour",
        assumption: "each line has an epoch, so that no call has to be assigned to its hour by the text of its time",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(without_hour(subject)),
    },
    Check {
        name: "insights_matched_statistics",
        assumption: "the statistics of a query have the number of lines that it matched",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(statistics(subject)),
    },
    Check {
        name: "unique_request_ids",
        assumption: "no two lines have the same request id and time",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(unique_ids(subject)),
    },
];

/// Queries epochs, as text or number, and the hours calculated from them.
const EPOCHS: &str = "fields coalesce(requestTimeEpoch, time) as epoch\n\
    | filter epoch like /^[0-9]+$/\n\
    | fields floor(epoch / 3600) as hour\n\
    | display epoch, hour\n\
    | limit 100";

async fn arithmetic(subject: &Subject) -> anyhow::Result<Finding> {
    let answer = subject.log.ask(EPOCHS, subject.from_ms, subject.to_ms).await;
    let rows = answer.context("the access log cannot be queried")?.rows;
    if rows.is_empty() {
        return Ok(Finding::unknown("no line with an epoch", NO_CALLS));
    }
    Ok(match rows.iter().find(|row| !is_divided(row)) {
        None => Finding::ok(format!("{} epochs were divided", rows.len())),
        Some(row) => Finding::is_false(format!("epoch / 3600 gives {row:?}"), REPORT),
    })
}

/// Returns `true` if the hour of a row is its epoch divided by 3,600, rounded down.
fn is_divided(row: &BTreeMap<String, String>) -> bool {
    let number = |name| row.get(name).and_then(|text: &String| text.parse::<f64>().ok());
    let (Some(epoch), Some(hour)) = (number("epoch"), number("hour")) else { return false };
    ((epoch / 3_600.0).floor() - hour).abs() < 0.5
}

async fn grouping(subject: &Subject) -> anyhow::Result<Finding> {
    let counted = subject.counted_twice().await?;
    let grouped = counted.with_hour + counted.without_hour;
    let found = format!("{} calls counted plainly, {grouped} by hour", counted.plainly);
    Ok(match (counted.plainly, grouped) {
        (0, 0) => Finding::unknown(found, NO_CALLS),
        (plainly, grouped) if plainly == grouped => Finding::ok(found),
        _ => Finding::is_false(found, format!("run this again with more --settle-minutes; {REPORT}")),
    })
}

async fn without_hour(subject: &Subject) -> anyhow::Result<Finding> {
    let counted = subject.counted_twice().await?;
    let found = format!("{} of {} calls have no epoch", counted.without_hour, counted.plainly);
    Ok(match (counted.plainly, counted.without_hour) {
        (0, _) => Finding::unknown(found, NO_CALLS),
        (_, 0) => Finding::ok(found),
        _ => Finding::is_false(
            found,
            "set the access-log format of docs/OPERATION.md, whose time is an epoch; these calls are counted, but each comparison needs an additional query for them",
        ),
    })
}

async fn statistics(subject: &Subject) -> anyhow::Result<Finding> {
    let counted = subject.counted_twice().await?;
    let found = format!("{} lines matched, {} calls", counted.matched_lines, counted.plainly);
    Ok(match (counted.plainly, counted.matched_lines) {
        (0, _) => Finding::unknown(found, NO_CALLS),
        (calls, lines) if lines >= calls => Finding::ok(found),
        _ => Finding::is_false(found, "report this: the log would be divided into too few parts"),
    })
}

/// Queries identities that several lines have. `count_distinct` cannot be used, because it is an
/// approximation if a field has many values. AWS documents no such limit for `count(*)` by group.
///
/// Source: CloudWatch Logs User Guide, "stats", aggregation functions.
const SHARED_IDS: &str = "fields coalesce(id, extendedRequestId, requestId) as call_id, coalesce(requestTimeEpoch, time, requestTime) as called_at\n\
    | filter ispresent(call_id) and call_id not in [\"-\", \"\"]\n\
    | stats count(*) as times by call_id, called_at\n\
    | filter times > 1\n\
    | sort times desc\n\
    | limit 5";
const LINES_WITH_ID: &str = "fields coalesce(id, extendedRequestId, requestId) as call_id\n\
    | filter ispresent(call_id) and call_id not in [\"-\", \"\"]\n\
    | stats count(*) as lines";

async fn unique_ids(subject: &Subject) -> anyhow::Result<Finding> {
    let ask = |query| subject.log.ask(query, subject.from_ms, subject.to_ms);
    let lines = ask(LINES_WITH_ID).await.context("the access log cannot be queried")?;
    let lines = lines.rows.first().and_then(|row| row.get("lines")).map_or("0", String::as_str);
    let shared = ask(SHARED_IDS).await.context("the access log cannot be queried")?.rows;
    if lines == "0" {
        return Ok(Finding::unknown("no line with a request id", NO_CALLS));
    }
    let Some(row) = shared.first() else {
        return Ok(Finding::ok(format!("{lines} lines, all with different identities")));
    };
    let field = |name| row.get(name).map_or("-", String::as_str);
    Ok(Finding::is_false(
        format!(
            "{} lines have the request id {} and the time {}",
            field("times"),
            field("call_id"),
            field("called_at")
        ),
        "examine these lines: if they are several calls, only one of them is billed; if API Gateway logged one call several times, it is billed once and `meter reconcile` shows a difference",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_is_missing_or_wrong_is_found() {
        let row = |epoch: &str, hour: &str| {
            BTreeMap::from([("epoch".to_owned(), epoch.to_owned()), ("hour".to_owned(), hour.to_owned())])
        };
        assert!(is_divided(&row("7200", "2")) && is_divided(&row("7199", "1.0000")));
        assert!(!is_divided(&row("7200", "3")) && !is_divided(&row("7200", "")));
        assert!(!is_divided(&BTreeMap::from([("epoch".to_owned(), "7200".to_owned())])));
    }
}
