//! The event source mapping: delivers batches, and handles responses, timeouts
//! and failures as Lambda does.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use access_log::{Decoder, Limits};
use futures_util::task::noop_waker;
use memory_ports::delivery::StreamRecord;
use metering_core::batch_run::RunSettings;
use metering_core::billing_rules::BillingRules;
use metering_core::claims::layout::ClaimLayout;
use metering_core::claims::owner::ShardName;
use rand::Rng;
use usage_consumer::batch::DecodeSettings;
use usage_consumer::consumer::Consumer;
use usage_consumer::executor::Executor;
use usage_consumer::metrics::BatchMetrics;

use super::layouts::InvocationLayout;
use super::{CLAIM_RETENTION_DAYS, GivenUpBatch, Simulation};
use crate::api_log::{Content, DAY_MS};
use crate::faults::Fault;
use crate::ports::{Pending, SimulatedPorts, lock};
use crate::stream::{STREAM_ARN, Shard};
use crate::trace::describe_record;

/// Maximum number of shards in a simulation.
const MAX_SHARDS: usize = 9;
/// Inflation limit of [`Version::Unable`], in bytes.
const UNABLE_MAX_INFLATED_BYTES: usize = 64;
/// Maximum age of a call that [`Version::Strict`] counts, in days.
const STRICT_MAX_CALL_AGE_DAYS: u32 = 10;

/// A running invocation of the function.
pub(super) struct Invocation {
    shard: usize,
    batch: Range<usize>,
    /// `true` if the layout of its claims is the one before.
    has_old_layout: bool,
    future: Pin<Box<dyn Future<Output = Ended>>>,
}

/// The end of an invocation.
pub(super) struct Ended {
    /// The sequence number to resume from, if the batch was not counted as a whole.
    resume: Option<String>,
    /// The decoder. The next invocation with its limits uses it again, as those of one
    /// execution environment do.
    decoder: Decoder,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Invocation").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// A version of the function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Version {
    /// The usual version.
    Able,
    /// A version that counts only more recent calls.
    Strict,
    /// A version that cannot inflate gzipped records.
    Unable,
}

impl Simulation<'_> {
    /// Puts an undelivered record on the stream.
    pub(super) fn deliver(&mut self) {
        if self.undelivered.is_empty() {
            return;
        }
        let place = self.pick(self.undelivered.len());
        let delivery = self.undelivered.swap_remove(place);
        for event in &delivery.events {
            if let Content::Unreadable(number) = event.content {
                self.log.unreadable[number] = true;
            }
        }
        self.put_on_stream(delivery.data, String::new());
    }

    /// Puts a record on an open shard.
    pub(super) fn put_on_stream(&mut self, data: Vec<u8>, partition_key: String) {
        let open: Vec<usize> =
            (0..self.shards.len()).filter(|shard| !self.shards[*shard].is_closed).collect();
        let shard = open[self.pick(open.len())];
        self.next_sequence_number += self.random.random_range(1..4);
        let record = StreamRecord {
            sequence_number: self.next_sequence_number,
            arrived_at_ms: self.now_ms,
            partition_key,
            data,
        };
        if self.trace.is_some() {
            let name = ShardName::new(STREAM_ARN, &self.shards[shard].id);
            let name = name.map_or(String::new(), |name| format!("{name}/{}", record.sequence_number));
            let calls = describe_record(&record.data, &name, record.arrived_at_ms);
            self.trace(|| format!("record {} arrives on shard {shard} with{calls}", record.sequence_number));
        }
        self.promises.add_record(&record);
        self.shards[shard].records.push(record);
    }

    /// Delivers a batch to a random version of the function.
    pub(super) fn invoke_some(&mut self) {
        let version = if self.injects(Fault::StrictVersion, 0.2) {
            Version::Strict
        } else if self.injects(Fault::UnableVersion, 0.1) {
            Version::Unable
        } else {
            Version::Able
        };
        self.invoke(Some(version));
    }

    /// Delivers a batch; `None` means [`Version::Able`]. Returns `false` if there is no batch.
    pub(super) fn invoke(&mut self, version: Option<Version>) -> bool {
        let is_ready = |shard: &usize| self.shards[*shard].has_batch() && self.has_read_ancestors(*shard);
        let ready: Vec<usize> = (0..self.shards.len()).filter(is_ready).collect();
        if ready.is_empty() {
            return false;
        }
        let shard = ready[self.pick(ready.len())];
        let limit = self.random.random_range(1..8);
        let batch = self.shards[shard].take_batch(limit);
        let number = self.next_invocation;
        self.next_invocation += 1;
        let version = version.unwrap_or(Version::Able);
        self.trace(|| format!("invocation {number} ({version:?}) gets shard {shard}'s records {batch:?}"));
        let InvocationLayout { layout, is_old } = self.layout_of_invocation();
        let future = self.handler(number, shard, batch.clone(), version, layout);
        let invocation = Invocation { shard, batch, has_old_layout: is_old, future };
        self.invocations.insert(number, invocation);
        self.shards[shard].live = Some(number);
        self.poll(number);
        true
    }

    /// Returns `true` if all ancestors of a shard are read to their ends. A parent may be without
    /// records, and its own parents not yet read.
    fn has_read_ancestors(&self, shard: usize) -> bool {
        let mut parents = self.shards[shard].parents.iter();
        parents.all(|parent| self.shards[*parent].is_read_to_end() && self.has_read_ancestors(*parent))
    }

    /// Returns the rules of the deployed functions.
    fn billing_rules(&self) -> BillingRules {
        let statuses = if self.log.bills_not_modified { "200-299,304" } else { "200-299" };
        BillingRules {
            billed_statuses: statuses.parse().unwrap_or_else(|_| unreachable!("the statuses are valid")),
            ..BillingRules::default()
        }
    }

    fn handler(
        &mut self,
        invocation: u64,
        shard: usize,
        batch: Range<usize>,
        version: Version,
        claim_layout: ClaimLayout,
    ) -> Pin<Box<dyn Future<Output = Ended>>> {
        let ports = SimulatedPorts { backend: self.backend.clone(), invocation };
        let max_inflated_bytes = match version {
            Version::Unable => UNABLE_MAX_INFLATED_BYTES,
            Version::Able | Version::Strict => Limits::default().max_inflated_bytes,
        };
        let max_call_age_days = match version {
            Version::Strict => STRICT_MAX_CALL_AGE_DAYS,
            Version::Able | Version::Unable => CLAIM_RETENTION_DAYS,
        };
        let has_limit = |decoder: &Decoder| decoder.limits().max_inflated_bytes == max_inflated_bytes;
        let decoder = match self.decoders.iter().position(has_limit) {
            Some(place) => self.decoders.swap_remove(place),
            None => Decoder::new(Limits { max_inflated_bytes, ..Limits::default() }),
        };
        let consumer = Consumer {
            executor: Executor {
                ledger: ports.clone(),
                claims: ports.clone(),
                quarantine: ports,
                concurrency: self.random.random_range(1..5),
                settings: RunSettings { max_call_age_ms: i64::from(CLAIM_RETENTION_DAYS) * DAY_MS },
            },
            decoder: Mutex::new(decoder),
            decode: DecodeSettings { max_call_age_days, claim_layout, rules: self.billing_rules() },
            classes: self.class_copies[usize::from(self.random.random_bool(0.5))].clone(),
        };
        let event = self.shards[shard].event(batch);
        let now_ms = self.now_ms;
        Box::pin(async move {
            // A handler that fails as a whole gets the whole batch again.
            let first = event.records.first().map(|record| record.kinesis.sequence_number.clone());
            let response = consumer.count(&event, now_ms, || now_ms, &mut BatchMetrics::default()).await;
            let resume = match response {
                Ok(response) => response
                    .batch_item_failures
                    .into_iter()
                    .next()
                    .and_then(|failure| failure.item_identifier),
                Err(_) => first,
            };
            let decoder = consumer.decoder.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ended { resume, decoder }
        })
    }

    /// Runs an invocation until it waits or ends.
    pub(super) fn poll(&mut self, number: u64) {
        let Some(invocation) = self.invocations.get_mut(&number) else { return };
        let waker = noop_waker();
        let Poll::Ready(ended) = invocation.future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return;
        };
        let Ended { resume, decoder } = ended;
        self.decoders.push(decoder);
        let Some(Invocation { shard, batch, .. }) = self.invocations.remove(&number) else { return };
        self.trace(|| format!("invocation {number} ends; to resume from: {resume:?}"));
        if self.shards[shard].live == Some(number) {
            self.shards[shard].live = None;
            self.handle_response(shard, batch, resume);
        }
    }

    /// Handles the response of an invocation. After a partial failure, the rest of the batch
    /// is retried or given up.
    fn handle_response(&mut self, shard: usize, batch: Range<usize>, resume: Option<String>) {
        let Some(resume) = resume else { return };
        let records = &self.shards[shard].records;
        let is_resume = |place: &usize| records[*place].sequence_number.to_string() == resume;
        let from = batch.clone().find(is_resume).unwrap_or(batch.start);
        self.counts.add(Fault::PartialFailure);
        if !self.give_up(shard, from..batch.end, 0.1) {
            self.retry(shard, from..batch.end);
        }
    }

    fn retry(&mut self, shard: usize, batch: Range<usize>) {
        let middle = usize::midpoint(batch.start, batch.end);
        let retries = &mut self.shards[shard].retries;
        retries.push_front(batch.clone());
        if middle > batch.start && self.injects(Fault::Bisect, 0.6) {
            let retries = &mut self.shards[shard].retries;
            retries.pop_front();
            retries.push_front(middle..batch.end);
            retries.push_front(batch.start..middle);
        }
    }

    /// Draws whether Lambda gives records up, and puts them in the bucket.
    fn give_up(&mut self, shard: usize, batch: Range<usize>, probability: f64) -> bool {
        let is_given_up = self.injects(Fault::GivenUp, probability);
        if is_given_up {
            self.trace(|| format!("Lambda gives up shard {shard}'s records {batch:?}"));
            self.promises.give_up(&self.shards[shard].records, batch.clone());
            self.given_up.push(GivenUpBatch { shard, batch });
        }
        is_given_up
    }

    /// Makes Lambda consider an invocation failed. The invocation either continues as a zombie,
    /// or ends, and its pending operations may still be carried out.
    pub(super) fn time_out(&mut self) {
        let busy: Vec<usize> =
            (0..self.shards.len()).filter(|shard| self.shards[*shard].live.is_some()).collect();
        if busy.is_empty() {
            return;
        }
        let shard = busy[self.pick(busy.len())];
        let Some(number) = self.shards[shard].live else { return };
        let batch = self.invocations[&number].batch.clone();
        let is_zombie = self.random.random_bool(0.5);
        let fault = if is_zombie { Fault::Zombie } else { Fault::Kill };
        if !self.injects(fault, 1.0) {
            return;
        }
        self.trace(|| format!("Lambda considers invocation {number} failed: {}", fault.name()));
        self.shards[shard].live = None;
        if !is_zombie {
            self.kill(number);
        }
        if self.give_up(shard, batch.clone(), 0.1) {
            if is_zombie {
                self.counts.add(Fault::GivenUpZombie);
            }
        } else {
            self.retry(shard, batch);
        }
    }

    /// Ends the invocations with the layout before. Their batches are retried.
    pub(super) fn end_invocations_with_old_layout(&mut self) {
        let old = self.invocations.iter().filter(|(_, invocation)| invocation.has_old_layout);
        let old: Vec<u64> = old.map(|(number, _)| *number).collect();
        for number in old {
            let Invocation { shard, batch, .. } = &self.invocations[&number];
            let (shard, batch) = (*shard, batch.clone());
            if self.shards[shard].live == Some(number) {
                self.shards[shard].live = None;
                self.retry(shard, batch);
            }
            self.kill(number);
        }
    }

    /// Ends an invocation. Each of its pending operations is carried out late or never.
    fn kill(&mut self, number: u64) {
        self.invocations.remove(&number);
        let backend = self.backend.clone();
        let mut backend = lock(&backend);
        let (killed, others): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut backend.pending)
            .into_iter()
            .partition(|pending| pending.invocation == number);
        backend.pending = others;
        for pending in killed {
            if self.injects(Fault::LateOperation, 0.5) {
                backend.late.push(pending.operation);
            }
        }
    }

    /// Splits a shard or merges two.
    pub(super) fn reshard(&mut self) {
        let open: Vec<usize> =
            (0..self.shards.len()).filter(|shard| !self.shards[*shard].is_closed).collect();
        if self.shards.len() >= MAX_SHARDS || !self.injects(Fault::Reshard, 1.0) {
            return;
        }
        let mut parents = vec![open[self.pick(open.len())]];
        if open.len() > 2 && self.random.random_bool(0.5) {
            parents.extend(open.iter().find(|shard| **shard != parents[0]));
        }
        self.trace(|| format!("shards {parents:?} are resharded"));
        for parent in &parents {
            self.shards[*parent].is_closed = true;
        }
        for _ in 0..3 - parents.len() {
            self.shards.push(Shard::new(self.shards.len(), parents.clone()));
        }
    }

    /// Creates the event source mapping again, so that it reads from an earlier
    /// record. Running invocations continue.
    pub(super) fn replay(&mut self) {
        if !self.injects(Fault::Replay, 1.0) {
            return;
        }
        self.trace(|| "the event source mapping is created again".to_owned());
        for shard in 0..self.shards.len() {
            let checkpoint = self.checkpoint(shard);
            let from = self.random.random_range(self.shards[shard].forgotten..=checkpoint);
            self.shards[shard].read_from(from);
        }
    }

    /// Reads the whole stream again, from its oldest record.
    pub(super) fn replay_all(&mut self) {
        self.trace(|| "the whole stream is read again".to_owned());
        for shard in &mut self.shards {
            shard.read_from(shard.forgotten);
        }
    }

    /// Restarts the event source mapping at its checkpoint, with other batches.
    pub(super) fn restart_mapping(&mut self) {
        let shard = self.pick(self.shards.len());
        if self.injects(Fault::MappingRestart, 1.0) {
            let checkpoint = self.checkpoint(shard);
            self.trace(|| format!("the event source mapping of shard {shard} restarts at {checkpoint}"));
            self.shards[shard].read_from(checkpoint);
        }
    }

    fn checkpoint(&self, shard: usize) -> usize {
        let shard = &self.shards[shard];
        let live = shard.live.and_then(|number| self.invocations.get(&number));
        shard.checkpoint(live.map(|invocation| &invocation.batch)).max(shard.forgotten)
    }
}
