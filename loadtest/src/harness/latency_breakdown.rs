//! The latency breakdown: freshness by stage of the pipeline.
//!
//! The ledger row names the stream record that contains a call. The stream has
//! the record's arrival time, and the metric line of the consumer has the times
//! at which its batch was invoked and committed. Of the time between arrival
//! and invocation, at most the last `batch_window_ms` are the batch window. The
//! rest is stream wait: for the next poll or for the batch in flight.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use aws_sdk_kinesis::types::ShardIteratorType;
use deployment::functions::CONSUMER;
use metering_core::sequence_number::SequenceNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::harness::client_counts::TimeSpan;
use crate::harness::probe::{ProbeSample, RecordPosition};
use crate::harness::shard_read::read_page;
use crate::harness::system_under_test::SystemUnderTest;
use crate::histogram::LatencyHistogram;

/// Time after the last read within which the metric line of its batch is expected, in milliseconds.
const LINE_DELAY_MS: i64 = 60_000;

/// Times that the probed calls spent in each stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct LatencyBreakdown {
    /// From the response to the arrival in the stream.
    pub log_delivery: LatencyHistogram,
    /// From the arrival to the start of the batch window.
    pub stream_wait: LatencyHistogram,
    /// From the start of the batch window to the invocation of the consumer.
    pub batch_window: LatencyHistogram,
    /// From the invocation to the commit of the batch.
    pub commit: LatencyHistogram,
    /// From the commit to the read that showed the call: the delay of the measurement.
    pub until_read: LatencyHistogram,
    /// Number of calls whose batch or record was not found.
    pub not_found: u64,
}

impl LatencyBreakdown {
    /// Computes the breakdown of at most `max_samples` probes, evenly spread over all samples.
    ///
    /// # Errors
    /// Returns an error if the stream or the consumer's metric lines cannot be read.
    pub async fn measure(
        system: &SystemUnderTest,
        samples: &[ProbeSample],
        max_samples: usize,
        batch_window_ms: i64,
    ) -> anyhow::Result<Self> {
        let mut breakdown = Self::default();
        let shown: Vec<&ProbeSample> = samples.iter().filter(|sample| sample.record.is_some()).collect();
        let Some(span) = span(&shown) else { return Ok(breakdown) };
        let batches = Batches::read(system, span).await?;
        let step = shown.len().div_ceil(max_samples.max(1)).max(1);
        let chosen: Vec<_> =
            shown.iter().step_by(step).filter_map(|sample| Some((sample, sample.record.as_ref()?))).collect();
        let arrivals = Box::pin(Arrivals::read(system, chosen.iter().map(|(_, record)| *record))).await?;
        for (sample, record) in chosen {
            let shown_ms = sample.shown_ms.unwrap_or(i64::MAX);
            let number = SequenceNumber::parse(&record.sequence_number).ok();
            let batch = number.and_then(|number| batches.find(&record.shard_id, &number, shown_ms));
            match (batch, arrivals.get(record)) {
                (Some(batch), Some(arrived_ms)) => breakdown.add(sample, arrived_ms, batch, batch_window_ms),
                _ => breakdown.not_found += 1,
            }
        }
        Ok(breakdown)
    }

    /// Returns the name and the times of each stage, in order.
    pub fn stages(&self) -> [(&'static str, &LatencyHistogram); 5] {
        [
            ("log delivery", &self.log_delivery),
            ("stream wait", &self.stream_wait),
            ("batch window", &self.batch_window),
            ("commit", &self.commit),
            ("until read", &self.until_read),
        ]
    }

    fn add(&mut self, sample: &ProbeSample, arrived_ms: i64, batch: &Batch, batch_window_ms: i64) {
        let invoked_ms = batch.invoked_at_ms.max(arrived_ms);
        let window_from_ms = arrived_ms.max(invoked_ms - batch_window_ms);
        let shown_ms = sample.shown_ms.unwrap_or(batch.committed_at_ms);
        // A row can be read before the other rows of its batch are written.
        let committed_ms = batch.committed_at_ms.min(shown_ms);
        for (stage, from_ms, to_ms) in [
            (&mut self.log_delivery, sample.answered_ms, arrived_ms),
            (&mut self.stream_wait, arrived_ms, window_from_ms),
            (&mut self.batch_window, window_from_ms, invoked_ms),
            (&mut self.commit, invoked_ms, committed_ms),
            (&mut self.until_read, committed_ms, shown_ms),
        ] {
            stage.record_us(u64::try_from((to_ms - from_ms).max(0) * 1_000).unwrap_or(0));
        }
    }
}

/// Returns the span from the first response to the last read that showed a call.
fn span(shown: &[&ProbeSample]) -> Option<TimeSpan> {
    let counted = || shown.iter().filter_map(|sample| Some((sample.answered_ms, sample.shown_ms?)));
    let from_ms = counted().map(|(answered_ms, _)| answered_ms).min()?;
    let to_ms = counted().map(|(_, shown_ms)| shown_ms).max()?;
    Some(TimeSpan { from_ms, to_ms })
}

/// A batch, as the consumer's metric line describes it.
#[derive(Debug, Clone, Deserialize)]
struct Batch {
    shard_id: String,
    first_sequence_number: String,
    last_sequence_number: String,
    invoked_at_ms: i64,
    committed_at_ms: i64,
}

/// Batches by shard and last record, each with its first record. A failed batch was delivered
/// again, whole or in part, so batches may overlap.
#[derive(Default)]
struct Batches(HashMap<String, BTreeMap<SequenceNumber, Vec<(SequenceNumber, Batch)>>>);

impl Batches {
    /// Adds the batch of a metric line. Ignores other lines.
    fn add(&mut self, line: &str) {
        let Ok(batch) = serde_json::from_str::<Batch>(line) else { return };
        let number = |digits: &str| SequenceNumber::parse(digits).ok();
        let (first, last) = (number(&batch.first_sequence_number), number(&batch.last_sequence_number));
        if let (Some(first), Some(last)) = (first, last) {
            let shard = self.0.entry(batch.shard_id.clone()).or_default();
            shard.entry(last).or_default().push((first, batch));
        }
    }

    /// Returns the last batch that contains a record and was invoked before a read showed the record.
    fn find(&self, shard_id: &str, record: &SequenceNumber, shown_ms: i64) -> Option<&Batch> {
        let ends_later = self.0.get(shard_id)?.range(record..).map(|(_, batches)| batches);
        let has_record =
            |batches: &&Vec<(SequenceNumber, Batch)>| batches.iter().any(|(first, _)| first <= record);
        let batches = ends_later.take_while(has_record).flatten();
        let batches = batches.filter(|(first, batch)| first <= record && batch.invoked_at_ms <= shown_ms);
        batches.map(|(_, batch)| batch).max_by_key(|batch| batch.invoked_at_ms)
    }

    /// Reads the consumer's metric lines of a run.
    async fn read(system: &SystemUnderTest, span: TimeSpan) -> anyhow::Result<Self> {
        let mut batches = Self::default();
        if let Some(local) = &system.local {
            let path = local.data_folder.join("metrics.jsonl");
            let lines =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            lines.lines().for_each(|line| batches.add(line));
            return Ok(batches);
        }
        let group = format!("/aws/lambda/{}", system.meter.names.function(CONSUMER));
        let mut pages = system
            .logs
            .filter_log_events()
            .log_group_name(&group)
            .start_time(span.from_ms)
            .end_time(span.to_ms + LINE_DELAY_MS)
            .filter_pattern("{ $.invoked_at_ms > 0 }")
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("cannot read the log group {group}"))?;
            page.events().iter().filter_map(|event| event.message()).for_each(|line| batches.add(line));
        }
        Ok(batches)
    }
}

/// Arrival times of records in the stream, in milliseconds since 1970.
#[derive(Default)]
struct Arrivals(HashMap<RecordPosition, i64>);

impl Arrivals {
    /// Reads each shard once, from the first of the records to the last. One read for each record
    /// would exceed the read limit of a shard.
    async fn read(
        system: &SystemUnderTest,
        records: impl Iterator<Item = &RecordPosition>,
    ) -> anyhow::Result<Self> {
        let mut wanted: BTreeMap<&str, BTreeMap<SequenceNumber, &RecordPosition>> = BTreeMap::new();
        for record in records {
            if let Ok(number) = SequenceNumber::parse(&record.sequence_number) {
                wanted.entry(&record.shard_id).or_default().insert(number, record);
            }
        }
        let mut arrivals = Self::default();
        for (shard_id, records) in wanted {
            Box::pin(arrivals.read_shard(system, shard_id, &records)).await?;
        }
        Ok(arrivals)
    }

    async fn read_shard(
        &mut self,
        system: &SystemUnderTest,
        shard_id: &str,
        wanted: &BTreeMap<SequenceNumber, &RecordPosition>,
    ) -> anyhow::Result<()> {
        let (Some((_, first)), Some((last, _))) = (wanted.first_key_value(), wanted.last_key_value()) else {
            return Ok(());
        };
        let first = &first.sequence_number;
        let stream = &system.meter.names.stream;
        let iterator = system.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard_id);
        let iterator =
            iterator.shard_iterator_type(ShardIteratorType::AtSequenceNumber).starting_sequence_number(first);
        let iterator = iterator.send().await;
        let mut iterator =
            iterator.with_context(|| format!("cannot find record {first} of {shard_id}"))?.shard_iterator;
        while let Some(token) = iterator.take() {
            let page = read_page(system, &token).await?;
            let mut is_past = page.records.is_empty() && page.millis_behind_latest == Some(0);
            for record in page.records() {
                let Ok(number) = SequenceNumber::parse(record.sequence_number()) else { continue };
                let arrived = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok());
                if let (Some(position), Some(arrived_ms)) = (wanted.get(&number), arrived) {
                    self.0.insert((*position).clone(), arrived_ms);
                }
                is_past |= number >= *last;
            }
            iterator = page.next_shard_iterator.filter(|_| !is_past);
        }
        Ok(())
    }

    fn get(&self, record: &RecordPosition) -> Option<i64> {
        self.0.get(record).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shard: &str, first: u32, last: u32, invoked: i64) -> String {
        format!(
            r#"{{"shard_id":"{shard}","first_sequence_number":"{first}","last_sequence_number":"{last}","invoked_at_ms":{invoked},"committed_at_ms":{}}}"#,
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
            batches.find(shard, &record, 9_000).map(|batch| batch.invoked_at_ms)
        };
        assert_eq!((at("a", "9"), at("a", "10"), at("b", "9")), (Some(1_000), Some(2_000), Some(3_000)));
        assert_eq!(at("a", "25"), Some(5_000), "the second half was delivered again");
        let early = batches.find("a", &SequenceNumber::parse("25").unwrap(), 4_000);
        assert_eq!(early.unwrap().invoked_at_ms, 2_000, "what was shown before was in the first");
        assert_eq!((at("a", "4"), at("a", "31"), at("c", "9")), (None, None, None));
        let sample = ProbeSample {
            due_s: 0.0,
            answered_ms: 100,
            shown_ms: Some(1_050),
            freshness_us: 950_000,
            record: None,
        };
        let mut breakdown = LatencyBreakdown::default();
        let batch = batches.find("a", &SequenceNumber::parse("9").unwrap(), 9_000).unwrap();
        breakdown.add(&sample, 300, batch, 200);
        let ms = breakdown.stages().map(|(_, times)| times.max() / 1_000);
        assert!(
            ms.iter().zip([200, 500, 200, 10, 40]).all(|(found, wanted)| found.abs_diff(wanted) <= 1),
            "{ms:?}"
        );
    }
}
