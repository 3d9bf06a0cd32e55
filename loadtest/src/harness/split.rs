//! Where the time went: freshness in parts.
//!
//! The ledger's row names the record that a call was in; the stream says when
//! that record arrived; the consumer's line says when the batch with it was
//! invoked and committed. What lies between arrival and invocation is the
//! batch window for as long as the window is, up to the invocation, and wait
//! in the stream before that (for the next poll, or for the batch in flight).

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use aws_sdk_kinesis::types::ShardIteratorType;
use metering_core::sequence_number::SequenceNumber;
use serde::{Deserialize, Serialize};

use crate::harness::probe::Sample;
use crate::harness::shard_read::read_page;
use crate::harness::target::Target;
use crate::histogram::{Times, serde_text, times};

/// How long calls were where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Split {
    /// From the answer to the arrival in the stream.
    #[serde(with = "serde_text")]
    pub log_delivery: Times,
    /// From there to the beginning of the batch window: waiting to be read.
    #[serde(with = "serde_text")]
    pub stream_wait: Times,
    /// From there to the invocation: waiting for the batch to fill.
    #[serde(with = "serde_text")]
    pub batch_window: Times,
    /// From there to the commit of the batch.
    #[serde(with = "serde_text")]
    pub commit: Times,
    /// From there to the read that showed it: what measuring adds.
    #[serde(with = "serde_text")]
    pub until_read: Times,
    /// Calls whose batch or record was not found.
    pub not_found: u64,
}

impl Default for Split {
    fn default() -> Self {
        let [log_delivery, stream_wait, batch_window, commit, until_read] = std::array::from_fn(|_| times());
        Self { log_delivery, stream_wait, batch_window, commit, until_read, not_found: 0 }
    }
}

impl Split {
    /// The parts by name, in order.
    pub fn parts(&self) -> [(&'static str, &Times); 5] {
        [
            ("log delivery", &self.log_delivery),
            ("stream wait", &self.stream_wait),
            ("batch window", &self.batch_window),
            ("commit", &self.commit),
            ("until read", &self.until_read),
        ]
    }

    fn add(&mut self, sample: &Sample, arrived_ms: i64, batch: &Batch, batch_window_ms: i64) {
        let invoked_ms = batch.invoked_at_ms.max(arrived_ms);
        let window_from_ms = arrived_ms.max(invoked_ms - batch_window_ms);
        let shown_ms = sample.shown_ms.unwrap_or(batch.committed_at_ms);
        // A row can be read before the other rows of its batch are written.
        let committed_ms = batch.committed_at_ms.min(shown_ms);
        for (part, from_ms, to_ms) in [
            (&mut self.log_delivery, sample.answered_ms, arrived_ms),
            (&mut self.stream_wait, arrived_ms, window_from_ms),
            (&mut self.batch_window, window_from_ms, invoked_ms),
            (&mut self.commit, invoked_ms, committed_ms),
            (&mut self.until_read, committed_ms, shown_ms),
        ] {
            part.saturating_record(u64::try_from((to_ms - from_ms).max(0) * 1_000).unwrap_or(0));
        }
    }
}

/// A batch, as the consumer's line tells of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    shard_id: String,
    first_sequence_number: String,
    last_sequence_number: String,
    invoked_at_ms: i64,
    committed_at_ms: i64,
}

/// Batches by shard and last record, each with its first record; one that
/// failed was delivered again, whole or in part.
#[derive(Default)]
struct Batches(HashMap<String, BTreeMap<SequenceNumber, Vec<(SequenceNumber, Batch)>>>);

impl Batches {
    fn add(&mut self, line: &str) {
        let Ok(batch) = serde_json::from_str::<Batch>(line) else { return };
        let number = |digits: &str| SequenceNumber::parse(digits).ok();
        let (first, last) = (number(&batch.first_sequence_number), number(&batch.last_sequence_number));
        if let (Some(first), Some(last)) = (first, last) {
            let shard = self.0.entry(batch.shard_id.clone()).or_default();
            shard.entry(last).or_default().push((first, batch));
        }
    }

    /// The last batch with a record that was invoked before a read showed it.
    fn with(&self, shard: &str, record: &SequenceNumber, shown_ms: i64) -> Option<&Batch> {
        let ends_later = self.0.get(shard)?.range(record..).map(|(_, batches)| batches);
        let has_record =
            |batches: &&Vec<(SequenceNumber, Batch)>| batches.iter().any(|(first, _)| first <= record);
        let batches = ends_later.take_while(has_record).flatten();
        let batches = batches.filter(|(first, batch)| first <= record && batch.invoked_at_ms <= shown_ms);
        batches.map(|(_, batch)| batch).max_by_key(|batch| batch.invoked_at_ms)
    }

    /// Reads the consumer's lines of a run.
    async fn read(target: &Target, from_ms: i64, to_ms: i64) -> anyhow::Result<Self> {
        let mut batches = Self::default();
        if let Some((_, data)) = &target.local {
            let path = data.join("metrics.jsonl");
            let lines = std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            lines.lines().for_each(|line| batches.add(line));
            return Ok(batches);
        }
        let group = format!("/aws/lambda/{}", target.function("usage-consumer"));
        let mut pages = target
            .logs
            .filter_log_events()
            .log_group_name(&group)
            .start_time(from_ms)
            .end_time(to_ms)
            .filter_pattern("{ $.invokedAtMs > 0 }")
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("the log group {group} cannot be read"))?;
            page.events().iter().filter_map(|event| event.message()).for_each(|line| batches.add(line));
        }
        Ok(batches)
    }
}

/// Works out the parts for at most `samples` of the calls, evenly spread.
///
/// # Errors
/// When the stream or the consumer's lines cannot be read.
pub async fn split(
    target: &Target,
    all: &[Sample],
    samples: usize,
    batch_window_ms: i64,
) -> anyhow::Result<Split> {
    let mut split = Split::default();
    let shown: Vec<&Sample> = all.iter().filter(|sample| sample.record.is_some()).collect();
    let times = || shown.iter().filter_map(|sample| Some((sample.answered_ms, sample.shown_ms?)));
    let (Some(from_ms), Some(to_ms)) = (times().map(|(from, _)| from).min(), times().map(|(_, to)| to).max())
    else {
        return Ok(split);
    };
    let batches = Batches::read(target, from_ms, to_ms + 60_000).await?;
    let step = shown.len().div_ceil(samples.max(1)).max(1);
    let chosen: Vec<_> =
        shown.iter().step_by(step).filter_map(|sample| Some((sample, sample.record.as_ref()?))).collect();
    let arrivals = Box::pin(Arrivals::read(target, chosen.iter().map(|(_, record)| *record))).await?;
    for (sample, (shard, digits)) in chosen {
        let shown_ms = sample.shown_ms.unwrap_or(i64::MAX);
        let batch =
            SequenceNumber::parse(digits).ok().and_then(|record| batches.with(shard, &record, shown_ms));
        match (batch, arrivals.of(shard, digits)) {
            (Some(batch), Some(arrived_ms)) => split.add(sample, arrived_ms, batch, batch_window_ms),
            _ => split.not_found += 1,
        }
    }
    Ok(split)
}

/// When records arrived in the stream, in milliseconds since 1970, by shard and sequence number.
#[derive(Default)]
struct Arrivals(HashMap<(String, String), i64>);

impl Arrivals {
    /// Reads each shard once, from the first of its records to the last: record
    /// by record would be more reads than a shard gives.
    async fn read(target: &Target, records: impl Iterator<Item = &(String, String)>) -> anyhow::Result<Self> {
        let mut wanted: BTreeMap<&str, BTreeMap<SequenceNumber, &str>> = BTreeMap::new();
        for (shard, digits) in records {
            if let Ok(number) = SequenceNumber::parse(digits) {
                wanted.entry(shard).or_default().insert(number, digits);
            }
        }
        let mut arrivals = Self::default();
        for (shard, numbers) in wanted {
            Box::pin(arrivals.read_shard(target, shard, &numbers)).await?;
        }
        Ok(arrivals)
    }

    async fn read_shard(
        &mut self,
        target: &Target,
        shard: &str,
        wanted: &BTreeMap<SequenceNumber, &str>,
    ) -> anyhow::Result<()> {
        let (Some((_, first)), Some((last, _))) = (wanted.first_key_value(), wanted.last_key_value()) else {
            return Ok(());
        };
        let iterator = target.kinesis.get_shard_iterator().stream_name(&target.names.stream).shard_id(shard);
        let iterator = iterator
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .starting_sequence_number(*first);
        let iterator = iterator.send().await;
        let mut iterator =
            iterator.with_context(|| format!("record {first} of {shard} cannot be found"))?.shard_iterator;
        while let Some(token) = iterator.take() {
            let page = read_page(target, &token).await?;
            let mut is_past = page.records.is_empty() && page.millis_behind_latest == Some(0);
            for record in page.records() {
                let Ok(number) = SequenceNumber::parse(record.sequence_number()) else { continue };
                let arrived = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok());
                if let (Some(digits), Some(arrived_ms)) = (wanted.get(&number), arrived) {
                    self.0.insert((shard.to_owned(), (*digits).to_owned()), arrived_ms);
                }
                is_past |= number >= *last;
            }
            iterator = page.next_shard_iterator.filter(|_| !is_past);
        }
        Ok(())
    }

    fn of(&self, shard: &str, digits: &str) -> Option<i64> {
        self.0.get(&(shard.to_owned(), digits.to_owned())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shard: &str, first: u32, last: u32, invoked: i64) -> String {
        format!(
            r#"{{"shardId":"{shard}","firstSequenceNumber":"{first}","lastSequenceNumber":"{last}","invokedAtMs":{invoked},"committedAtMs":{}}}"#,
            invoked + 10
        )
    }

    #[test]
    fn a_record_is_found_in_its_batch_and_the_parts_make_the_whole() {
        let mut batches = Batches::default();
        for text in [
            line("a", 5, 9, 1_000),
            line("a", 10, 30, 2_000),
            line("a", 20, 30, 5_000),
            line("b", 1, 99, 3_000),
            "no JSON".to_owned(),
        ] {
            batches.add(&text);
        }
        let at = |shard: &str, number: &str| {
            let record = SequenceNumber::parse(number).unwrap();
            batches.with(shard, &record, 9_000).map(|batch| batch.invoked_at_ms)
        };
        assert_eq!((at("a", "9"), at("a", "10"), at("b", "9")), (Some(1_000), Some(2_000), Some(3_000)));
        assert_eq!(at("a", "25"), Some(5_000), "the second half was delivered again");
        let early = batches.with("a", &SequenceNumber::parse("25").unwrap(), 4_000);
        assert_eq!(early.unwrap().invoked_at_ms, 2_000, "what was shown before was in the first");
        assert_eq!((at("a", "4"), at("a", "31"), at("c", "9")), (None, None, None));
        let sample = Sample {
            due_s: 0.0,
            answered_ms: 100,
            shown_ms: Some(1_050),
            freshness_us: 950_000,
            record: None,
        };
        let mut split = Split::default();
        let batch = batches.with("a", &SequenceNumber::parse("9").unwrap(), 9_000).unwrap();
        split.add(&sample, 300, batch, 200);
        let ms = split.parts().map(|(_, times)| times.max() / 1_000);
        assert!(
            ms.iter().zip([200, 500, 200, 10, 40]).all(|(found, wanted)| found.abs_diff(wanted) <= 1),
            "{ms:?}"
        );
    }
}
