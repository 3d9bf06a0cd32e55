//! `ListShards`, with its filter and pagination.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::error::KinesisError;
use super::super::shard::Shard;
use super::request::{Request, milliseconds};
use super::shards::shard_json;

/// Source: Kinesis API Reference, `ListShards`: 1,000 shards by default.
const DEFAULT_SHARDS: usize = 1_000;
/// Source: Kinesis API Reference, `ListShards`: "Tokens expire after 300 seconds".
const TOKEN_LIFETIME_MS: i64 = 300_000;

/// Content of a `NextToken`: the start of the next page, and the parameters of the first request.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    stream: String,
    created_ms: i64,
    after: String,
    filter: Value,
    issued_ms: i64,
}

impl Page {
    fn first(request: &Request<'_>) -> Result<Self, KinesisError> {
        let stream = request.stream()?;
        let created_ms = request.store.stream_created_ms(&stream)?;
        if request
            .time_ms("StreamCreationTimestamp")
            .is_some_and(|wanted_ms| wanted_ms / 1_000 != created_ms / 1_000)
        {
            return Err(KinesisError::no_stream(&stream));
        }
        let after = request.text("ExclusiveStartShardId").to_owned();
        Ok(Self {
            stream,
            created_ms,
            after,
            filter: request.body["ShardFilter"].clone(),
            issued_ms: request.now_ms,
        })
    }

    /// Reads the page that a token encodes.
    ///
    /// Source of the messages: kinesalite's `listShards`.
    fn next(request: &Request<'_>, token: &str) -> Result<Self, KinesisError> {
        for member in
            ["StreamName", "StreamARN", "StreamCreationTimestamp", "ExclusiveStartShardId", "ShardFilter"]
        {
            if !request.body[member].is_null() {
                return Err(KinesisError::invalid(format!(
                    "NextToken and {member} cannot be provided together."
                )));
            }
        }
        let page =
            URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        let page = page.ok_or_else(|| KinesisError::invalid("Invalid NextToken."))?;
        if request.now_ms - page.issued_ms > TOKEN_LIFETIME_MS {
            return Err(KinesisError::expired_token("The pagination token is older than 300 seconds."));
        }
        if request.store.stream_created_ms(&page.stream)? != page.created_ms {
            return Err(KinesisError::no_stream(&page.stream));
        }
        Ok(page)
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

pub(super) fn list_shards(request: &Request<'_>) -> Result<Value, KinesisError> {
    let mut page = match request.optional("NextToken") {
        Some(token) => Page::next(request, token)?,
        None => Page::first(request)?,
    };
    let horizon_ms = request.store.horizon_ms(&page.stream, request.now_ms)?.max(page.created_ms);
    let is_wanted = filter(&page.filter, horizon_ms)?;
    let mut shards = request.store.unexpired_shards(&page.stream, request.now_ms)?;
    shards.retain(|shard| shard.shard_id > page.after && is_wanted(shard));
    let limit = request.limit("MaxResults", DEFAULT_SHARDS);
    let mut response = json!({"Shards": shards.iter().take(limit).map(shard_json).collect::<Vec<_>>()});
    if let Some(last) = shards.get(limit.saturating_sub(1)).filter(|_| shards.len() > limit) {
        page.after.clone_from(&last.shard_id);
        page.issued_ms = request.now_ms;
        response["NextToken"] = json!(page.token());
    }
    Ok(response)
}

/// Returns `true` for shards that the filter selects.
type Choice = Box<dyn Fn(&Shard) -> bool>;

/// Builds the predicate of a `ShardFilter`. A time before the trim horizon means the trim horizon.
///
/// Source: Kinesis API Reference, `ShardFilter`.
fn filter(filter: &Value, horizon_ms: i64) -> Result<Choice, KinesisError> {
    let (kind, shard_id) =
        (filter["Type"].as_str().unwrap_or("FROM_TRIM_HORIZON"), filter["ShardId"].as_str());
    let time_ms = milliseconds(&filter["Timestamp"]);
    let (needs_id, needs_time) =
        (kind == "AFTER_SHARD_ID", ["AT_TIMESTAMP", "FROM_TIMESTAMP"].contains(&kind));
    for (member, is_there, is_needed) in
        [("ShardId", shard_id.is_some(), needs_id), ("Timestamp", time_ms.is_some(), needs_time)]
    {
        if is_there != is_needed {
            let verb = if is_needed { "must" } else { "cannot" };
            return Err(KinesisError::invalid(format!(
                "{member} {verb} be specified with a ShardFilter of type {kind}"
            )));
        }
    }
    let is_open_at = |at_ms: i64| {
        move |shard: &Shard| {
            shard.created_ms <= at_ms && shard.closed_ms.is_none_or(|closed_ms| closed_ms >= at_ms)
        }
    };
    let is_open_from =
        |from_ms: i64| move |shard: &Shard| shard.closed_ms.is_none_or(|closed_ms| closed_ms >= from_ms);
    let from_ms = time_ms.unwrap_or(horizon_ms).max(horizon_ms);
    Ok(match kind {
        "AFTER_SHARD_ID" => {
            let after = shard_id.unwrap_or_default().to_owned();
            Box::new(move |shard| shard.shard_id > after)
        }
        "AT_LATEST" => Box::new(Shard::is_open),
        "AT_TRIM_HORIZON" | "AT_TIMESTAMP" => Box::new(is_open_at(from_ms)),
        _ => Box::new(is_open_from(from_ms)),
    })
}
