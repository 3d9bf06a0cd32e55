//! The state of a model, and the steps that change it.

use memory_ports::Store;
use metering_core::batch_run::{Reply, Request};
use metering_core::claims::owner::PutBackFrom;
use metering_core::ports::QuarantinedRecord;
use metering_core::shard::{ArrivedRecord, HeadWrite};

use crate::batches::{ARRIVED_AT_MS, CallNumber, Delivery, Record, Version, shard_name};
use crate::coverage::{Coverage, Event};
use crate::invocation::Invocation;
use crate::shared::Shared;
use crate::storage::{Operation, Rule};

/// The faults, and other actions, that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// Invocations of the function.
    pub invocations: u8,
    /// Requests that are refused, carried out late or repeated, or whose replies are lost.
    pub faults: u8,
    /// Times that the event source mapping begins anew at an earlier record.
    pub replays: u8,
    /// Times that Lambda gives up a batch that failed.
    pub give_ups: u8,
    /// Quarantined records that the operator puts back. Given-up batches need none.
    pub put_backs: u8,
    /// Times that the rows of the key [`REFUSED_KEY`] begin to refuse updates.
    pub refusals: u8,
}

/// The key whose rows may refuse updates, as rows do that are too large.
pub const REFUSED_KEY: &str = "a";

/// A shard, and the event source mapping's position in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shard {
    pub records: Shared<Vec<Record>>,
    /// Number of records that the mapping has passed.
    pub done: usize,
    /// End of the last batch, if the batch failed.
    pub failed: Option<usize>,
    /// The invocation whose response the mapping waits for.
    pub live: Option<Shared<Invocation>>,
}

/// A batch that Lambda gave up, by its shard and the range of its records.
type GivenUp = (usize, usize, usize);

/// An invocation: that of a shard, or one whose response Lambda no longer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Live(usize),
    Zombie(usize),
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    CarriedOut,
    /// Not carried out, and reported as failed.
    Refused,
    /// Carried out, and reported as failed.
    ReplyLost,
    /// Reported as failed, and perhaps carried out later, even after the invocation has ended.
    Late,
    /// Carried out, and sent again, because the SDK lost the reply.
    SentAgain,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub store: Shared<Store>,
    pub shards: Vec<Shard>,
    /// Invocations whose responses Lambda no longer waits for. One that never goes on has crashed.
    pub zombies: Vec<Shared<Invocation>>,
    /// Operations that may still be carried out, although they were reported as failed.
    pub late: Vec<Shared<Operation>>,
    /// The batches in the bucket of given-up records.
    pub given_up: Vec<GivenUp>,
    /// `true` if a batch was ever given up.
    pub has_given_up: bool,
    pub budget: Budget,
}

/// The surroundings of a step.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'p> {
    /// The rule that is removed.
    pub without: Option<Rule>,
    pub coverage: &'p Coverage,
}

impl State {
    /// Creates the initial state, with records of these calls on each shard.
    pub fn new(records: &[Vec<Vec<CallNumber>>], budget: Budget) -> Self {
        let mut state = Self {
            store: Shared::new(Store::default()),
            shards: Vec::new(),
            zombies: Vec::new(),
            late: Vec::new(),
            given_up: Vec::new(),
            has_given_up: false,
            budget,
        };
        for (shard, records) in records.iter().enumerate() {
            let live = None;
            state.shards.push(Shard { records: Shared::new(Vec::new()), done: 0, failed: None, live });
            for calls in records {
                state.append(shard, calls.clone(), PutBackFrom::default());
            }
        }
        state
    }

    /// Puts a record on a shard.
    pub fn append(&mut self, shard: usize, calls: Vec<CallNumber>, put_back_from: PutBackFrom) {
        // Numbers of one digit and two: text order would be wrong. There is room before each for the
        // end of a gap.
        let present: usize = self.shards.iter().map(|shard| shard.records.len()).sum();
        let number = 7 + 2 * u32::try_from(present).unwrap();
        self.shards[shard].records.change(|records| records.push(Record { number, calls, put_back_from }));
    }

    /// Delivers the records up to `end` to a version of the function.
    pub fn invoke(&mut self, shard: usize, end: usize, version: Version) {
        let place = &mut self.shards[shard];
        let records = place.records[place.done..end].to_vec();
        place.live = Some(Shared::new(Invocation::begin(Delivery { shard, records, version }, place.done)));
        place.failed = None;
    }

    pub fn invocation(&self, who: Who) -> &Shared<Invocation> {
        match who {
            Who::Live(shard) => self.shards[shard].live.as_ref().unwrap(),
            Who::Zombie(place) => &self.zombies[place],
        }
    }

    /// Ends an operation of an invocation.
    pub fn complete(&mut self, who: Who, place: usize, outcome: Outcome, surroundings: Surroundings<'_>) {
        let operation = self.invocation(who).operations().nth(place).unwrap().clone();
        let reply = match outcome {
            Outcome::CarriedOut => self.carry_out(&operation, surroundings),
            Outcome::Refused => Reply::Failed,
            Outcome::ReplyLost => {
                self.carry_out(&operation, surroundings);
                Reply::Failed
            }
            Outcome::Late => {
                self.late.push(Shared::new(operation));
                self.late.sort_unstable();
                Reply::Failed
            }
            Outcome::SentAgain => {
                self.carry_out(&operation, surroundings);
                return;
            }
        };
        self.answer(who, place, reply);
    }

    /// Carries an operation out.
    pub fn carry_out(&mut self, operation: &Operation, surroundings: Surroundings<'_>) -> Reply {
        let Surroundings { without, coverage } = surroundings;
        let reply = match operation.read(&self.store, without) {
            Some(reply) => reply,
            None => self.store.change(|store| operation.write(store, without)),
        };
        coverage.reply(operation, &reply);
        reply
    }

    fn answer(&mut self, who: Who, place: usize, reply: Reply) {
        match who {
            Who::Live(shard) => {
                let mut live = self.shards[shard].live.take().unwrap();
                if live.change(|invocation| invocation.answer(place, reply)) {
                    self.respond(shard, live.resume(), live.end());
                } else {
                    self.shards[shard].live = Some(live);
                }
            }
            Who::Zombie(number) => {
                if self.zombies[number].change(|invocation| invocation.answer(place, reply)) {
                    self.zombies.remove(number);
                }
                self.zombies.sort_unstable();
            }
        }
    }

    /// Takes the response of an invocation, which names the record to resume from.
    fn respond(&mut self, shard: usize, resume: usize, end: usize) {
        self.shards[shard].done = resume;
        self.shards[shard].failed = (resume < end).then_some(end);
    }

    /// Ends the wait for the response of an invocation, which fails its batch. It may go on.
    pub fn time_out(&mut self, shard: usize) {
        let Some(live) = self.shards[shard].live.take() else { return };
        self.shards[shard].failed = Some(live.end());
        self.zombies.push(live);
        self.zombies.sort_unstable();
    }

    /// Ends the invocations for which Lambda does not wait. A zombie that never goes on has crashed,
    /// and an operation that is never carried out late is lost.
    pub fn end_zombies(&mut self) {
        self.zombies.clear();
        self.late.clear();
    }

    /// Reads a shard again from an earlier record.
    pub fn replay(&mut self, shard: usize, from: usize) {
        self.time_out(shard);
        self.shards[shard].done = from;
        self.shards[shard].failed = None;
    }

    /// Makes the rows of a key refuse updates.
    pub fn refuse_updates(&mut self) {
        self.store.change(|store| store.refused_keys.insert(REFUSED_KEY.to_owned()));
    }

    /// Makes all rows accept updates, long after the last invocation has ended. An invocation that is
    /// still running could count calls that another has put into quarantine.
    pub fn accept_updates(&mut self) {
        self.end_zombies();
        self.store.change(|store| store.refused_keys.clear());
    }

    /// Gives up the batch that failed.
    pub fn give_up(&mut self, shard: usize) {
        let place = &mut self.shards[shard];
        let Some(end) = place.failed.take() else { return };
        self.given_up.push((shard, place.done, end));
        self.given_up.sort_unstable();
        place.done = end;
        self.has_given_up = true;
    }

    /// Puts a given-up batch back, onto the shard `to`, as `meter given-up put-back` does.
    pub fn put_back_given_up(&mut self, place: usize, to: usize, surroundings: Surroundings<'_>) {
        let (shard, from, end) = self.given_up.remove(place);
        let records = self.shards[shard].records[from..end].to_vec();
        if surroundings.without != Some(Rule::Gap) {
            self.mark_given_up(shard, &records, surroundings);
        }
        for record in records {
            let name = record.name(shard);
            let put_back_from = match surroundings.without {
                Some(Rule::HandOver) => PutBackFrom::default(),
                _ => record.put_back_from.and(&name),
            };
            self.append(to, record.calls, put_back_from);
        }
        surroundings.coverage.add(Event::GivenUpPutBack);
    }

    fn mark_given_up(&mut self, shard: usize, records: &[Record], surroundings: Surroundings<'_>) {
        let name = shard_name(shard);
        let head = self.store.head(&name).cloned().unwrap_or_default();
        let (first, last) = (records[0].sequence_number(), records[records.len() - 1].sequence_number());
        let last = ArrivedRecord { sequence_number: last, arrived_at_ms: ARRIVED_AT_MS };
        if let Some(write) = HeadWrite::giving_up(&name, &head, &first, &last) {
            self.carry_out(&Operation::Tables(Request::WriteHead(write)), surroundings);
        }
    }

    /// Puts a quarantined record back, onto the shard `to`, as `meter quarantine put-back` does. It
    /// may stay in the quarantine.
    pub fn put_back(&mut self, place: usize, to: usize, stays: bool, surroundings: Surroundings<'_>) {
        let kept: QuarantinedRecord = if stays {
            self.store.quarantine[place].clone()
        } else {
            self.store.change(|store| store.quarantine.remove(place))
        };
        let put_back_from = match surroundings.without {
            Some(Rule::HandOver) => PutBackFrom::default(),
            _ => kept.put_back_from.and(&kept.record),
        };
        self.append(to, kept.payload, put_back_from);
        surroundings.coverage.add(Event::QuarantinedPutBack);
    }
}
