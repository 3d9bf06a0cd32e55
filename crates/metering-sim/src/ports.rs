//! The consumer's ports in a simulation. Each operation waits until the
//! simulation decides its outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memory_ports::Store;
use metering_core::batch_run::{Reply, Request};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::{RecordName, ShardName};
use metering_core::claims::slice_claim::{PageWrite, StoredPage};
use metering_core::class_lists::ClassLists;
use metering_core::ports::{
    ClaimStore, LedgerReply, PortError, Quarantine, QuarantinedRecord, RowRelease, UsageLedger, WriteReply,
};
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{HeadWrite, QuarantinedPart, ShardHead, Verdict};
use metering_core::update_plan::CounterUpdate;
use tokio::sync::oneshot;

/// Number of attempts that the AWS SDK makes for an operation.
pub const SDK_ATTEMPTS: u32 = 2;

/// An operation that the consumer requests of a port.
#[expect(clippy::large_enum_variant, reason = "the larger variant is the usual one")]
#[derive(Debug, Clone)]
pub enum Operation {
    /// An operation on the ledger or the claims.
    Store(Request),
    /// A write to the quarantine.
    Keep(QuarantinedRecord),
    /// A read of the lists of route classes.
    ReadClasses,
}

/// An operation that waits for the simulation.
#[derive(Debug)]
pub struct Pending {
    /// The invocation that requested the operation.
    pub invocation: u64,
    pub operation: Operation,
    /// Receives the reply; `None` if the operation failed or its reply is lost.
    pub reply: oneshot::Sender<Option<Reply>>,
}

/// A transaction that reads show in part.
#[derive(Debug)]
pub struct Torn {
    /// The shard whose head it writes.
    pub shard: ShardName,
    /// The invocation that requested it.
    pub invocation: u64,
    /// Receives the reply when the transaction has ended.
    pub reply: oneshot::Sender<Option<Reply>>,
    pub outcome: Option<Reply>,
    /// `true` if the transaction was carried out.
    pub is_written: bool,
}

/// The state behind the ports.
#[derive(Debug, Default)]
pub struct Backend {
    /// The tables and the quarantine.
    pub store: Store,
    /// Operations that wait for their outcome.
    pub pending: Vec<Pending>,
    /// Operations whose invocation no longer waits, and that are carried out later.
    pub late: Vec<Operation>,
    /// Transactions that reads show in part, until their replies are sent.
    pub torn: Vec<Torn>,
}

impl Backend {
    /// Carries out an operation.
    pub fn carry_out(&mut self, operation: &Operation) -> Reply {
        match operation {
            Operation::Store(request) => self.store.carry_out(request),
            Operation::Keep(record) => {
                self.store.keep(record);
                Reply::Done
            }
            // The reader copies the lists as soon as it has the reply.
            Operation::ReadClasses => Reply::Done,
        }
    }
}

/// The ports of one invocation.
#[derive(Debug, Clone)]
pub struct SimulatedPorts {
    /// The state, shared by all invocations.
    pub backend: Arc<Mutex<Backend>>,
    /// The number of the invocation.
    pub invocation: u64,
}

/// Locks a mutex. The simulation has one thread, so the lock is always free.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn outage() -> PortError {
    PortError::Retryable { operation: "an operation".to_owned(), source: "a simulated outage".into() }
}

impl SimulatedPorts {
    async fn send(&self, operation: Operation) -> Result<Reply, PortError> {
        for _ in 0..SDK_ATTEMPTS {
            let (reply, answer) = oneshot::channel();
            let pending = Pending { invocation: self.invocation, operation: operation.clone(), reply };
            lock(&self.backend).pending.push(pending);
            match answer.await {
                Ok(Some(Reply::Invalid)) => {
                    let source = "a simulated refusal".into();
                    return Err(PortError::Invalid { operation: "an operation".to_owned(), source });
                }
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) | Err(_) => {}
            }
        }
        Err(outage())
    }
}

/// Sends a request and returns the value of the expected reply.
macro_rules! ask {
    ($ports:expr, $request:expr, $reply:pat => $value:expr) => {
        match $ports.send(Operation::Store($request)).await? {
            $reply => Ok($value),
            _ => Err(outage()),
        }
    };
}

impl ClaimStore for SimulatedPorts {
    async fn read_class_lists(&self) -> Result<ClassLists, PortError> {
        self.send(Operation::ReadClasses).await?;
        Ok(lock(&self.backend).store.class_lists.clone())
    }

    async fn read_head(&self, shard: &ShardName) -> Result<Option<ShardHead>, PortError> {
        ask!(self, Request::ReadHead(shard.clone()), Reply::Head(head) => head)
    }

    async fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> Result<Vec<(SequenceNumber, Verdict)>, PortError> {
        let request = Request::ReadVerdicts(shard.clone(), first.clone(), last.clone());
        ask!(self, request, Reply::Verdicts(verdicts) => verdicts)
    }

    async fn write_head(&self, write: &HeadWrite) -> Result<WriteReply, PortError> {
        ask!(self, Request::WriteHead(write.clone()), Reply::Write(reply) => reply)
    }

    async fn mark_kept(&self, record: &RecordName, part: &QuarantinedPart) -> Result<WriteReply, PortError> {
        ask!(self, Request::MarkKept(record.clone(), part.clone()), Reply::Write(reply) => reply)
    }

    async fn read_slice(&self, slice: SliceKey) -> Result<Vec<StoredPage>, PortError> {
        ask!(self, Request::ReadSlice(slice), Reply::Slice(pages) => pages)
    }

    async fn write_page(&self, write: &PageWrite) -> Result<WriteReply, PortError> {
        ask!(self, Request::WritePage(write.clone()), Reply::Write(reply) => reply)
    }
}

impl UsageLedger for SimulatedPorts {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        ask!(self, Request::Apply(update.clone()), Reply::Ledger(reply) => reply)
    }

    async fn release(&self, release: &RowRelease) -> Result<bool, PortError> {
        ask!(self, Request::Release(release.clone()), Reply::Released(has_counted) => has_counted)
    }
}

impl Quarantine for SimulatedPorts {
    async fn keep(&self, record: &QuarantinedRecord) -> Result<(), PortError> {
        self.send(Operation::Keep(record.clone())).await.map(|_| ())
    }
}
