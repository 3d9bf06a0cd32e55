//! The messages that a pass over the queue has received, and the actions that follow.

use std::collections::{HashMap, HashSet};

use super::message::{KeptRecord, Message};

/// Maximum size of all parts whose payloads are incomplete, in bytes.
pub(super) const MAX_WAITING_BYTES: usize = 64 << 20;

/// The action for a record that was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Keep the record in the queue. It is visible again after the pass.
    Leave,
    /// Delete the record from the queue.
    Delete,
}

/// A message that does not belong to a complete record. It stays in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    /// The message has another format: another program or version wrote it.
    Foreign {
        /// The message id of SQS.
        message_id: String,
        /// The reason why it is not a message of the quarantine queue.
        problem: String,
    },
    /// Parts of a payload are missing.
    Torn {
        /// The shard and sequence number of the record.
        record: String,
        /// The number of parts that were received.
        found: usize,
        /// The number of parts of the payload.
        parts: usize,
    },
    /// The joined parts have another digest than the payload.
    Damaged {
        /// The shard and sequence number of the record.
        record: String,
    },
}

/// The next action for a received message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// No action: other parts are missing, or the message stays.
    Nothing,
    /// Delete the message with this handle: it is a copy of a deleted message.
    Delete(String),
    /// Visit the record, then call [`Received::settle`] with this key.
    Show(String, Box<KeptRecord>),
}

/// The state of a pass.
#[derive(Debug, Default)]
pub(super) struct Received {
    max_waiting_bytes: usize,
    seen: HashSet<String>,
    waiting: HashMap<String, Waiting>,
    waiting_bytes: usize,
    settled: HashMap<String, Fate>,
    /// Handles of the messages of records that are being visited, by key.
    shown: HashMap<String, Vec<String>>,
    /// Handles of the messages that stay in the queue.
    pub left: Vec<String>,
    /// Messages that do not belong to a complete record.
    pub odd: Vec<Odd>,
}

/// The received parts of an incomplete payload.
#[derive(Debug)]
struct Waiting {
    head: Message,
    parts: HashMap<usize, Vec<u8>>,
    handles: Vec<String>,
}

impl Received {
    /// Returns the state at the beginning of a pass, which holds at most `max_waiting_bytes` of incomplete payloads.
    pub fn new(max_waiting_bytes: usize) -> Self {
        Self { max_waiting_bytes, ..Self::default() }
    }

    /// Records a message id. Returns `false` if the message was received before.
    pub fn is_new(&mut self, message_id: &str) -> bool {
        self.seen.insert(message_id.to_owned())
    }

    /// Adds a message and returns the next action.
    pub fn add(&mut self, message_id: &str, body: &str, handle: String) -> Next {
        let (message, data) = match Message::read(body) {
            Ok(read) => read,
            Err(problem) => {
                self.odd.push(Odd::Foreign { message_id: message_id.to_owned(), problem });
                self.left.push(handle);
                return Next::Nothing;
            }
        };
        let key = message.key();
        match self.settled.get(&key) {
            Some(Fate::Delete) => return Next::Delete(handle),
            Some(Fate::Leave) => {
                self.left.push(handle);
                return Next::Nothing;
            }
            None => {}
        }
        let part = message.part();
        let waiting = self.waiting.entry(key.clone()).or_insert_with(|| Waiting {
            head: message,
            parts: HashMap::new(),
            handles: Vec::new(),
        });
        waiting.handles.push(handle);
        self.waiting_bytes += data.len();
        if let Some(copy) = waiting.parts.insert(part, data) {
            self.waiting_bytes -= copy.len();
        }
        if waiting.parts.len() == waiting.head.parts() { self.join(key) } else { self.make_room() }
    }

    fn join(&mut self, key: String) -> Next {
        let Some(waiting) = self.waiting.remove(&key) else { return Next::Nothing };
        let Waiting { head, mut parts, handles } = waiting;
        let mut payload = Vec::new();
        for part in 0..head.parts() {
            payload.extend(parts.remove(&part).unwrap_or_default());
        }
        self.waiting_bytes -= payload.len();
        if let Some(record) = head.joined(payload) {
            self.shown.insert(key.clone(), handles);
            Next::Show(key, Box::new(record))
        } else {
            self.odd.push(Odd::Damaged { record: head.record() });
            self.settled.insert(key, Fate::Leave);
            self.left.extend(handles);
            Next::Nothing
        }
    }

    /// Gives up the largest incomplete payloads while they exceed the maximum size.
    fn make_room(&mut self) -> Next {
        while self.waiting_bytes > self.max_waiting_bytes {
            let largest = self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes());
            let Some(key) = largest.map(|(key, _)| key.clone()) else { break };
            self.give_up(&key);
        }
        Next::Nothing
    }

    fn give_up(&mut self, key: &str) {
        let Some(waiting) = self.waiting.remove(key) else { return };
        self.waiting_bytes -= waiting.bytes();
        let (record, found, parts) = (waiting.head.record(), waiting.parts.len(), waiting.head.parts());
        self.odd.push(Odd::Torn { record, found, parts });
        self.settled.insert(key.to_owned(), Fate::Leave);
        self.left.extend(waiting.handles);
    }

    /// Records the action for a visited record. Returns the handles of the messages to delete.
    pub fn settle(&mut self, key: String, fate: Fate) -> Vec<String> {
        let handles = self.shown.remove(&key).unwrap_or_default();
        self.settled.insert(key, fate);
        match fate {
            Fate::Delete => handles,
            Fate::Leave => {
                self.left.extend(handles);
                Vec::new()
            }
        }
    }

    /// Ends the pass. Incomplete payloads stay in the queue.
    pub fn end(&mut self) {
        let mut waiting: Vec<String> = self.waiting.keys().cloned().collect();
        waiting.sort_unstable();
        for key in waiting {
            self.give_up(&key);
        }
        self.left.extend(self.shown.drain().flat_map(|(_, handles)| handles));
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::claims::owner::{RecordName, ShardName};
    use metering_core::ports::QuarantinedRecord;
    use metering_core::sequence_number::SequenceNumber;

    use crate::quarantine_queue::PART_BYTES;

    /// The bodies of the messages of a record with this many parts.
    fn bodies(digits: u32, parts: usize) -> Vec<String> {
        let record = QuarantinedRecord {
            record: RecordName {
                shard: ShardName::from_stored("1/r/usage/shard"),
                sequence_number: SequenceNumber::parse(&digits.to_string()).unwrap(),
            },
            arrived_at_ms: 0,
            put_back_from: metering_core::claims::owner::PutBackFrom::default(),
            reason: "no-status".into(),
            detail: String::new(),
            payload: vec![0; (parts - 1) * PART_BYTES + 1],
        };
        Message::from_record(&record).iter().map(|message| serde_json::to_string(message).unwrap()).collect()
    }

    #[test]
    fn what_waits_for_other_parts_is_bounded_and_the_rest_goes_on() {
        let mut received = Received::new(3 * PART_BYTES);
        let add = |received: &mut Received, body: &str| received.add("id", body, "handle".to_owned());
        let (large, small) = (bodies(1, 5), bodies(2, 2));
        for body in &large[..3] {
            assert_eq!(add(&mut received, body), Next::Nothing);
        }
        assert_eq!(received.odd, []);
        assert_eq!(add(&mut received, &small[0]), Next::Nothing);
        let torn = Odd::Torn { record: "1/r/usage/shard/1".to_owned(), found: 3, parts: 5 };
        assert_eq!(received.odd, [torn], "the largest makes room");
        assert_eq!(add(&mut received, &large[3]), Next::Nothing);
        assert_eq!(received.left.len(), 4, "a late part of it stays as well");
        let Next::Show(key, record) = add(&mut received, &small[1]) else { panic!("a record is complete") };
        assert_eq!(record.payload.len(), PART_BYTES + 1);
        assert_eq!(received.settle(key, Fate::Delete).len(), 2);
        assert_eq!(
            add(&mut received, &small[0]),
            Next::Delete("handle".to_owned()),
            "a copy shares its fate"
        );
        assert_eq!(received.waiting_bytes, 0);
    }
}
