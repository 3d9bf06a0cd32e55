//! Pages: the claims of one slice, packed into items of the store.
//!
//! The pages of a slice form a chain. A call is claimed if it is in one of them. New calls go to
//! the last page until it is closed because of its size. Then another page follows. A closed page
//! gets no new calls. A reader of the chain therefore knows every claim of the slice for as long as
//! the last page does not change.

use crate::call_id::CallId;
use crate::claims::owner::{Owner, Purpose, RecordName, ShardName};
use crate::sequence_number::SequenceNumber;

/// Length from which on a page gets no further calls, in bytes. A write costs one write unit per
/// kilobyte of the whole page, so additions to a long page are expensive; each page costs at least
/// one write.
pub const CLOSED_FROM_BYTES: usize = 8 * 1024;

/// Maximum length of a page, in bytes. A DynamoDB item has at most 400 KB.
///
/// Source: DynamoDB Developer Guide, "Quotas and limits", item size.
pub const MAX_PAGE_BYTES: usize = 256 * 1024;

const FORMAT: u8 = 1;
const CLOSED: u8 = 1;

/// Consecutive calls that one record claimed for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// The record that claimed the calls, and its purpose.
    pub owner: Owner,
    /// The claimed calls, in the order of their claims.
    pub ids: Vec<CallId>,
}

/// The claims in one item of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Page {
    /// `true` if the page gets no further calls.
    pub is_closed: bool,
    /// The claims, in the order in which they were made.
    pub runs: Vec<Run>,
}

/// Bytes that are not a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The page has a format that this version does not know.
    #[error("the page of claims has the format {format}; this version reads the format {FORMAT}")]
    Format {
        /// The number of the format, which is the first byte.
        format: u8,
    },
    /// The page is cut or damaged.
    #[error("the page of claims is damaged at byte {position}")]
    Damaged {
        /// Zero-based position of the byte that cannot be read.
        position: usize,
    },
}

impl Page {
    /// Encodes the page for storage, with about 12 bytes a call and 30 bytes a run.
    pub fn encode(&self) -> Vec<u8> {
        let mut shards: Vec<&ShardName> = Vec::new();
        let mut body =
            Vec::with_capacity(self.runs.iter().map(|run| 48 + run.ids.len() * CallId::BYTES).sum());
        for run in &self.runs {
            let RecordName { shard, sequence_number } = &run.owner.record;
            let index = shards.iter().position(|known| *known == shard).unwrap_or_else(|| {
                shards.push(shard);
                shards.len() - 1
            });
            body.push(match run.owner.purpose {
                Purpose::Count => 0,
                Purpose::Keep => 1,
                Purpose::Refused => 2,
            });
            write_number(&mut body, index);
            write_digits(&mut body, sequence_number.digits());
            write_number(&mut body, run.ids.len());
            for id in &run.ids {
                body.extend(id.to_bytes());
            }
        }
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.extend([FORMAT, if self.is_closed { CLOSED } else { 0 }]);
        write_number(&mut bytes, shards.len());
        for shard in shards {
            write_number(&mut bytes, shard.as_str().len());
            bytes.extend(shard.as_str().as_bytes());
        }
        bytes.extend(body);
        bytes
    }

    /// Decodes a stored page.
    ///
    /// # Errors
    /// When the bytes were not written by [`Self::encode`] in this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, PageError> {
        match bytes {
            [FORMAT, ..] => {}
            [format, ..] => return Err(PageError::Format { format: *format }),
            [] => return Err(PageError::Damaged { position: 0 }),
        }
        let mut reader = Reader { bytes, position: 1 };
        reader.page().ok_or(PageError::Damaged { position: reader.position })
    }

    /// Returns an upper bound of the stored length, in bytes.
    pub fn encoded_bytes(&self) -> usize {
        8 + self.runs.iter().map(Run::encoded_bytes).sum::<usize>()
    }
}

impl Run {
    /// Returns an upper bound of the run's length in a page, in bytes. It includes the name of the
    /// shard, although runs of the same shard share it.
    pub fn encoded_bytes(&self) -> usize {
        let RecordName { shard, sequence_number } = &self.owner.record;
        shard.as_str().len() + sequence_number.digits().len() / 2 + 16 + self.ids.len() * CallId::BYTES
    }
}

/// Writes a number in base 128, the lowest seven bits first.
fn write_number(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Writes the number of decimal digits, then the digits, two to a byte.
fn write_digits(bytes: &mut Vec<u8>, digits: &str) {
    write_number(bytes, digits.len());
    for pair in digits.as_bytes().chunks(2) {
        let low = pair.get(1).map_or(0, |digit| digit - b'0');
        bytes.push((pair[0] - b'0') << 4 | low);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn page(&mut self) -> Option<Page> {
        let is_closed = match self.byte()? {
            0 => false,
            CLOSED => true,
            _ => return None,
        };
        let mut shards = Vec::new();
        for _ in 0..self.number()? {
            let length = self.number()?;
            let name = std::str::from_utf8(self.take(length)?).ok()?;
            shards.push(ShardName::from_stored(name));
        }
        let mut runs = Vec::new();
        while self.position < self.bytes.len() {
            runs.push(self.run(&shards)?);
        }
        Some(Page { is_closed, runs })
    }

    fn run(&mut self, shards: &[ShardName]) -> Option<Run> {
        let purpose = match self.byte()? {
            0 => Purpose::Count,
            1 => Purpose::Keep,
            2 => Purpose::Refused,
            _ => return None,
        };
        let shard = shards.get(self.number()?)?.clone();
        let sequence_number = self.sequence_number()?;
        let count = self.number()?;
        let ids = self.take(count.checked_mul(CallId::BYTES)?)?;
        let ids = ids.as_chunks().0.iter().map(|bytes| CallId::from_bytes(*bytes)).collect();
        Some(Run { owner: Owner { purpose, record: RecordName { shard, sequence_number } }, ids })
    }

    fn sequence_number(&mut self) -> Option<SequenceNumber> {
        let length = self.number()?;
        let mut digits = String::with_capacity(length.min(256));
        for pair in self.take(length.div_ceil(2))? {
            digits.push(char::from(b'0' + (pair >> 4)));
            digits.push(char::from(b'0' + (pair & 0xf)));
        }
        digits.truncate(length);
        let number = SequenceNumber::parse(&digits).ok()?;
        (number.digits() == digits).then_some(number)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.position..self.position.checked_add(length)?)?;
        self.position += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run() -> impl Strategy<Value = Run> {
        let purpose = prop_oneof![Just(Purpose::Count), Just(Purpose::Keep), Just(Purpose::Refused)];
        let owner = ("[a-c]", "0|[1-9][0-9]{0,127}", purpose);
        (owner, proptest::collection::vec(any::<[u8; 12]>(), 0..20)).prop_map(
            |((shard, digits, purpose), ids)| Run {
                owner: Owner {
                    purpose,
                    record: RecordName {
                        shard: ShardName::from_stored(&shard),
                        sequence_number: SequenceNumber::parse(&digits).unwrap(),
                    },
                },
                ids: ids.into_iter().map(CallId::from_bytes).collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn a_page_round_trips(is_closed in any::<bool>(), runs in proptest::collection::vec(run(), 0..12)) {
            let page = Page { is_closed, runs };
            let bytes = page.encode();
            prop_assert!(bytes.len() <= page.encoded_bytes());
            prop_assert_eq!(Page::decode(&bytes).unwrap(), page);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Page::decode(&bytes);
            bytes.insert(0, FORMAT);
            let _ = Page::decode(&bytes);
        }

        #[test]
        fn a_cut_page_is_refused_or_cut_between_runs(runs in proptest::collection::vec(run(), 1..4), cut in 1_usize..40) {
            let mut bytes = Page { is_closed: false, runs: runs.clone() }.encode();
            bytes.truncate(bytes.len().saturating_sub(cut));
            // A cut between two runs leaves a shorter page. The store writes a page as a whole.
            if let Ok(page) = Page::decode(&bytes) {
                prop_assert!(runs.starts_with(&page.runs));
            }
        }
    }

    #[test]
    fn a_call_takes_twelve_bytes_and_a_record_about_thirty() {
        let ids = (0..200).map(|number| CallId::new("call", number)).collect();
        let digits = "49".to_owned() + &"7".repeat(54);
        let record = RecordName {
            shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
            sequence_number: SequenceNumber::parse(&digits).unwrap(),
        };
        let run = Run { owner: Owner { purpose: Purpose::Count, record }, ids };
        let one = Page { is_closed: false, runs: vec![run.clone()] }.encode().len();
        let two = Page { is_closed: false, runs: vec![run.clone(), run] }.encode().len();
        assert_eq!(two - one, 200 * 12 + 33);
    }

    #[test]
    fn a_page_with_a_long_run_and_a_long_name_round_trips_and_its_bound_is_close() {
        let ids: Vec<CallId> = (0..20_000).map(|number| CallId::new("call", number)).collect();
        let record = RecordName {
            shard: ShardName::from_stored(&"shard".repeat(40)),
            sequence_number: SequenceNumber::parse(&"7".repeat(55)).unwrap(),
        };
        let run = Run { owner: Owner { purpose: Purpose::Refused, record }, ids };
        let page = Page { is_closed: true, runs: vec![run] };
        let bytes = page.encode();
        assert!((bytes.len()..bytes.len() + 24).contains(&page.encoded_bytes()), "{}", bytes.len());
        assert_eq!(Page::decode(&bytes), Ok(page));
    }
}
