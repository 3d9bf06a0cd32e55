//! Clocks and the index of the keys.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::fmt::rfc2822;
use lambda_support::clock::now_ms;
use metering_aws::schema::HASHED_KEY_INDEX;

use super::check::{Check, Finding};
use super::subject::Subject;

pub const CHECKS: &[Check] = &[
    Check {
        name: "clock_difference",
        assumption: "the clock of this machine, which dates changes of keys, is that of AWS",
        permissions: "none: a refused request tells the time as well",
        run: |subject| Box::pin(clock(subject)),
    },
    Check {
        name: "index_lag",
        assumption: "hashedKey-index follows the table within INDEX_LAG_BOUND_MS, five minutes by default",
        permissions: "dynamodb:Scan of the index and dynamodb:GetItem of the table of keys",
        run: |subject| Box::pin(index_lag(subject)),
    },
];

/// How far the clocks may differ, in milliseconds: an HTTP date has whole
/// seconds, and the answer takes a while.
const CLOCK_TOLERANCE_MS: i64 = 2_000;
/// A name that no table can have, so that the answer is an error, which shows its headers.
const NO_TABLE: &str = "usage-doctor-asks-for-the-time";

async fn clock(subject: &Subject) -> anyhow::Result<Finding> {
    let before_ms = now_ms();
    let answer = subject.target.dynamodb.describe_table().table_name(NO_TABLE).send().await;
    let after_ms = now_ms();
    let Err(error) = answer else {
        return Ok(Finding::unknown(format!("there is a table {NO_TABLE}"), "give it another name"));
    };
    let date = error.raw_response().and_then(|response| response.headers().get("date")).map(str::to_owned);
    let Some(date) = date else {
        return Err(anyhow::Error::new(error).context("DynamoDB does not tell the time"));
    };
    let at = rfc2822::DateTimeParser::new().parse_timestamp(&date);
    let at_ms = at.with_context(|| format!("DynamoDB tells the time {date:?}"))?.as_millisecond();
    Ok(difference(at_ms, before_ms, after_ms))
}

/// A date is a second that began before the answer and ends after the request.
fn difference(at_ms: i64, before_ms: i64, after_ms: i64) -> Finding {
    let ahead_ms = before_ms - (at_ms + 1_000);
    let behind_ms = at_ms - after_ms;
    let apart_ms = ahead_ms.max(behind_ms).max(0);
    let found = match apart_ms {
        0 => "within the second that AWS tells".to_owned(),
        _ if ahead_ms > behind_ms => format!("this machine is {apart_ms} ms ahead of AWS"),
        _ => format!("this machine is {apart_ms} ms behind AWS"),
    };
    if apart_ms > CLOCK_TOLERANCE_MS {
        return Finding::is_false(
            found,
            "set the clock of this machine: end times and expiries of keys are told by it",
        );
    }
    Finding::ok(found)
}

/// How many keys are compared.
const KEYS: i32 = 25;
/// How often a key that differs is looked at again, and after which time.
const LOOKS: u32 = 20;
const LOOK_DELAY: Duration = Duration::from_millis(500);

type Item = HashMap<String, AttributeValue>;

/// Compares keys in the index with the table. Nothing is written, so a lag is
/// seen only while keys change; one beyond the bound of five minutes takes
/// longer than anybody waits here, and is left unknown.
async fn index_lag(subject: &Subject) -> anyhow::Result<Finding> {
    let begun_ms = now_ms();
    let mut looks = 0;
    loop {
        let (keys, differing) = compare(subject).await?;
        let after_ms = now_ms() - begun_ms;
        let Some(differing) = differing else {
            return Ok(match (keys, looks) {
                (0, _) => Finding::unknown("there is no key to compare", "make a key"),
                (_, 0) => Finding::ok(format!("{keys} keys are the same in the index and in the table")),
                _ => Finding::ok(format!("{keys} keys are the same after {after_ms} ms")),
            });
        };
        looks += 1;
        if looks == LOOKS {
            return Ok(Finding::unknown(
                format!("{differing} is not the same in the index and in the table for {after_ms} ms"),
                "run this again within INDEX_LAG_BOUND_MS of the authorizer, and set that above the time that it takes",
            ));
        }
        tokio::time::sleep(LOOK_DELAY).await;
    }
}

/// How many keys were compared, and the first that differs.
async fn compare(subject: &Subject) -> anyhow::Result<(usize, Option<String>)> {
    let (client, table) = (&subject.target.dynamodb, &subject.target.keys_table);
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
