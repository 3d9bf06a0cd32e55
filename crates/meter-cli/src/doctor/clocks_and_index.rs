//! Checks the clock of this machine and the index of the keys.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::fmt::rfc2822;
use metering_aws::schema::HASHED_KEY_INDEX;
use system_clock::now_ms;

use super::check::{Check, Finding};
use super::subject::Subject;

pub const CHECKS: &[Check] = &[
    Check {
        name: "clock_difference",
        assumption: "the clock of this machine, which dates changes of keys, agrees with that of AWS",
        permissions: "none: the response to a refused request has the time",
        run: |subject| Box::pin(clock(subject)),
    },
    Check {
        name: "index_lag",
        assumption: "hashedKey-index follows the table within INDEX_LAG_BOUND_MS, five minutes by default",
        permissions: "dynamodb:Scan of the index and dynamodb:GetItem of the table of keys",
        run: |subject| Box::pin(index_lag(subject)),
    },
];

/// Tolerated difference of the clocks, in milliseconds. An HTTP date has whole seconds, and the response
/// takes time.
const CLOCK_TOLERANCE_MS: i64 = 2_000;
/// Name of a table that does not exist. The SDK gives access to the headers of an error response only.
const NO_TABLE: &str = "usage-doctor-asks-for-the-time";

async fn clock(subject: &Subject) -> anyhow::Result<Finding> {
    let before_ms = now_ms();
    let answer = subject.target.dynamodb.describe_table().table_name(NO_TABLE).send().await;
    let after_ms = now_ms();
    let Err(error) = answer else {
        return Ok(Finding::unknown(format!("there is a table {NO_TABLE}"), "rename the table"));
    };
    let date = error.raw_response().and_then(|response| response.headers().get("date")).map(str::to_owned);
    let Some(date) = date else {
        return Err(anyhow::Error::new(error).context("the response of DynamoDB has no date"));
    };
    let at = rfc2822::DateTimeParser::new().parse_timestamp(&date);
    let at_ms =
        at.with_context(|| format!("the response of DynamoDB has the date {date:?}"))?.as_millisecond();
    Ok(difference(at_ms, before_ms, after_ms))
}

/// Compares the date of a response with the times before the request and after the response. The date stands
/// for a whole second.
fn difference(at_ms: i64, before_ms: i64, after_ms: i64) -> Finding {
    let ahead_ms = before_ms - (at_ms + 1_000);
    let behind_ms = at_ms - after_ms;
    let apart_ms = ahead_ms.max(behind_ms).max(0);
    let found = match apart_ms {
        0 => "the same second as AWS".to_owned(),
        _ if ahead_ms > behind_ms => format!("this machine is {apart_ms} ms ahead of AWS"),
        _ => format!("this machine is {apart_ms} ms behind AWS"),
    };
    if apart_ms > CLOCK_TOLERANCE_MS {
        return Finding::is_false(
            found,
            "set the clock of this machine: it determines the end times and expiries of keys",
        );
    }
    Finding::ok(found)
}

/// Number of keys to compare.
const KEYS: i32 = 25;
/// Maximum number of comparisons while a key differs, and the delay between them.
const MAX_COMPARISONS: u32 = 20;
const COMPARISON_DELAY: Duration = Duration::from_millis(500);

type Item = HashMap<String, AttributeValue>;

/// Compares keys in the index with the table. Because nothing is written, a lag is seen only while keys
/// change. A lag beyond the bound of five minutes takes longer than this check waits, so that the result is
/// unknown.
async fn index_lag(subject: &Subject) -> anyhow::Result<Finding> {
    let started_ms = now_ms();
    let mut comparisons = 0;
    loop {
        let (keys, differing) = compare(subject).await?;
        let after_ms = now_ms() - started_ms;
        let Some(differing) = differing else {
            return Ok(match (keys, comparisons) {
                (0, _) => Finding::unknown("there is no key to compare", "create a key"),
                (_, 0) => Finding::ok(format!("{keys} keys are equal in the index and in the table")),
                _ => Finding::ok(format!("{keys} keys are equal after {after_ms} ms")),
            });
        };
        comparisons += 1;
        if comparisons == MAX_COMPARISONS {
            return Ok(Finding::unknown(
                format!("{differing} differs between the index and the table after {after_ms} ms"),
                "run this again within INDEX_LAG_BOUND_MS of the authorizer, and set INDEX_LAG_BOUND_MS above the time until the keys are equal",
            ));
        }
        tokio::time::sleep(COMPARISON_DELAY).await;
    }
}

/// Returns the number of compared keys and the first key that differs.
async fn compare(subject: &Subject) -> anyhow::Result<(usize, Option<String>)> {
    let (client, table) = (&subject.target.dynamodb, &subject.target.meter.names.keys_table);
    let page = client.scan().table_name(table).index_name(HASHED_KEY_INDEX).limit(KEYS).send().await;
    let page = page.with_context(|| format!("the index of {table} cannot be read"))?;
    for indexed in page.items() {
        let Some(pk) = indexed.get("pk") else { continue };
        let request = client.get_item().table_name(table).key("pk", pk.clone()).consistent_read(true);
        let stored = request.send().await.with_context(|| format!("the table {table} cannot be read"))?.item;
        if version(Some(indexed)) != version(stored.as_ref()) {
            return Ok((page.items().len(), Some(pk.as_s().map_or("a key", String::as_str).to_owned())));
        }
    }
    Ok((page.items().len(), None))
}

fn version(item: Option<&Item>) -> Option<&AttributeValue> {
    item?.get("version")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn clocks_differ_by_more_than_the_answer_and_the_date_explain() {
        for (at_ms, before_ms, after_ms) in
            [(10_000, 10_400, 10_500), (10_000, 9_000, 10_000), (10_000, 13_000, 13_100)]
        {
            assert_eq!(difference(at_ms, before_ms, after_ms).verdict, Verdict::Ok);
        }
        let ahead = difference(10_000, 13_001, 13_100);
        assert!(ahead.verdict == Verdict::False && ahead.found.contains("2001 ms ahead"), "{ahead:?}");
        let behind = difference(10_000, 7_000, 7_500);
        assert!(behind.verdict == Verdict::False && behind.found.contains("2500 ms behind"), "{behind:?}");
    }
}
