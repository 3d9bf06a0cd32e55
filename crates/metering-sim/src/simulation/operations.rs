//! The operations of the consumer: which are carried out, refused, late or without a reply.

use metering_core::batch_run::{Reply, Request};
use metering_core::ports::WriteReply;
use metering_core::shard::HeadWrite;
use rand::Rng;
use tokio::sync::oneshot;

use super::Simulation;
use crate::faults::Fault;
use crate::ports::{Operation, Pending, Torn, lock};
use crate::trace::describe;

/// Invocation number of operations that are carried out late.
const LATE: u64 = u64::MAX;
/// Share of the written heads after which the promise of the stream's progress is checked.
const CHECKED_HEADS: f64 = 0.2;

impl Simulation<'_> {
    /// Completes a pending operation with a random outcome. Returns `false` if none is pending.
    pub(super) fn complete_operation(&mut self, may_fail: bool) -> Result<bool, String> {
        let (count, torn) = {
            let backend = lock(&self.backend);
            (backend.pending.len(), backend.torn.len())
        };
        if count + torn == 0 {
            return Ok(false);
        }
        let place = self.pick(count + torn);
        if place >= count {
            // Most transactions last so long that other invocations read meanwhile.
            if !may_fail || self.random.random_bool(0.1) {
                self.end_torn_transaction(place - count);
            }
            return Ok(true);
        }
        let Pending { invocation, operation, reply } = lock(&self.backend).pending.swap_remove(place);
        if let Operation::Store(Request::WriteHead(write)) = &operation
            && !write.verdicts.is_empty()
            && may_fail
            && self.injects(Fault::TornVerdicts, 0.3)
        {
            self.begin_torn_transaction(invocation, &operation, write, reply);
            return Ok(true);
        }
        let is_of_classes = matches!(operation, Operation::ReadClasses);
        let is_refused = may_fail
            && (is_of_classes && self.injects(Fault::RefusedClasses, 0.2)
                || self.injects(Fault::RefusedOperation, 0.08));
        let outcome = if is_refused {
            None
        } else if may_fail && self.injects(Fault::LateOperation, 0.08) {
            lock(&self.backend).late.push(operation);
            None
        } else {
            let carried_out = self.carry_out(&operation, invocation)?;
            let is_lost = may_fail && self.injects(Fault::LostReply, 0.08);
            (!is_lost).then_some(carried_out)
        };
        // The invocation may have ended.
        drop(reply.send(outcome));
        self.poll(invocation);
        Ok(true)
    }

    /// Carries out a transaction of which reads show a part until it has ended.
    fn begin_torn_transaction(
        &mut self,
        invocation: u64,
        operation: &Operation,
        write: &HeadWrite,
        reply: oneshot::Sender<Option<Reply>>,
    ) {
        let is_lost = self.injects(Fault::LostReply, 0.2);
        let backend = self.backend.clone();
        let mut backend = lock(&backend);
        let random = &mut self.random;
        let carried_out = backend.store.write_torn(write, || random.random_bool(0.5));
        if self.trace.is_some() {
            self.trace(|| {
                format!("  invocation {invocation} {}, visible in part", describe(operation, &carried_out))
            });
        }
        let is_written = carried_out == Reply::Write(WriteReply::Written);
        let outcome = (!is_lost).then_some(carried_out);
        backend.torn.push(Torn { shard: write.shard.clone(), invocation, reply, outcome, is_written });
    }

    fn end_torn_transaction(&mut self, place: usize) {
        let Torn { shard, invocation, reply, outcome, .. } = {
            let mut backend = lock(&self.backend);
            let torn = backend.torn.swap_remove(place);
            if torn.is_written {
                backend.store.show_torn(&torn.shard);
            }
            torn
        };
        self.trace(|| format!("  the transaction of invocation {invocation} on {shard} has ended"));
        drop(reply.send(outcome));
        self.poll(invocation);
    }

    /// Carries out a late operation. Returns `false` if there is none.
    pub(super) fn carry_out_late_operation(&mut self) -> Result<bool, String> {
        let count = lock(&self.backend).late.len();
        if count == 0 {
            return Ok(false);
        }
        let place = self.pick(count);
        let operation = lock(&self.backend).late.swap_remove(place);
        self.carry_out(&operation, LATE)?;
        Ok(true)
    }

    fn carry_out(&mut self, operation: &Operation, invocation: u64) -> Result<Reply, String> {
        let reply = lock(&self.backend).carry_out(operation);
        if self.trace.is_some() {
            let actor = if invocation == LATE {
                "a late operation".to_owned()
            } else {
                format!("invocation {invocation}")
            };
            self.trace(|| format!("  {actor} {}", describe(operation, &reply)));
        }
        if let Operation::Store(metering_core::batch_run::Request::Apply(update)) = operation {
            let was_given_up = self.counts.count(Fault::GivenUp) > 0;
            let store = self.backend.clone();
            let backend = lock(&store);
            self.auditor.check_after_write(&backend.store, &update.row, was_given_up)?;
            drop(backend);
            self.record_usage(&update.row);
        }
        if matches!(operation, Operation::Store(Request::WriteHead(_)))
            && self.random.random_bool(CHECKED_HEADS)
        {
            self.check_progress()?;
        }
        if reply == Reply::Invalid {
            self.counts.add(Fault::RefusedRow);
        }
        Ok(reply)
    }
}
