//! The items of the claims table: builders and parsers.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use deployment::settings::SHARD_PARTITION_PREFIX;
use metering_core::claims::owner::ShardName;
use metering_core::claims::page::{Page, PageError};
use metering_core::claims::slice_claim::{PageWrite, StoredPage};
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{
    Beginning, Gap, HeadWrite, OpenRecords, OpenVerdict, QuarantinedPart, ShardHead, Verdict,
};

use crate::key_items::Item;
use crate::schema::TTL_ATTRIBUTE;

/// Sort key of a shard's head.
pub const HEAD: &str = "head";

const RECORD_PREFIX: &str = "record#";
const PAGE_PREFIX: &str = "page#";

/// An item that does not have the form of the claims table.
#[derive(Debug, thiserror::Error)]
#[error("the item {sort_key:?} of the claims has no usable {attribute:?}")]
pub struct MalformedClaim {
    sort_key: String,
    attribute: &'static str,
    source: Option<PageError>,
}

/// Returns the partition key of a shard's head and verdicts.
pub fn shard_pk(shard: &ShardName) -> String {
    format!("{SHARD_PARTITION_PREFIX}{shard}")
}

/// Returns the sort key of the verdict on a record.
pub fn record_sk(record: &SequenceNumber) -> String {
    format!("{RECORD_PREFIX}{}", record.storage_form())
}

pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// Builds an item with its primary key and its time of expiry.
pub fn item<const N: usize>(
    pk: String,
    sk: String,
    expires_at_ms: i64,
    rest: [(&str, AttributeValue); N],
) -> Item {
    let mut item = HashMap::from(rest.map(|(name, value)| (name.to_owned(), value)));
    item.insert("pk".to_owned(), text(pk));
    item.insert("sk".to_owned(), text(sk));
    item.insert(TTL_ATTRIBUTE.to_owned(), number(expires_at_ms / 1_000));
    item
}

/// Builds the item of a shard's head.
pub fn head_item(write: &HeadWrite) -> Item {
    let HeadWrite { shard, head, expires_at_ms, .. } = write;
    let gaps = AttributeValue::L(head.gaps.iter().map(gap_value).collect());
    let counts =
        [("version", number(head.version + 1)), ("gap_count", number(head.gap_count)), ("gaps", gaps)];
    let mut item = item(shard_pk(shard), HEAD.to_owned(), *expires_at_ms, counts);
    for (name, mark) in [("judged", &head.judged), ("committed", &head.committed)] {
        if let Some(mark) = mark {
            item.insert(name.to_owned(), text(mark.storage_form()));
        }
    }
    if let Some(arrival_ms) = head.committed_arrival_ms {
        item.insert("committed_arrival_ms".to_owned(), number(arrival_ms));
    }
    if let Some(open) = &head.open {
        let (name, value) = beginning_value(&open.from);
        item.insert(format!("open_{name}"), value);
        let hashes: Vec<u8> = open.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        item.insert("open_hashes".to_owned(), AttributeValue::B(Blob::new(hashes)));
        let verdicts: Vec<u8> = open.verdicts.iter().flat_map(verdict_bytes).collect();
        item.insert("open_verdicts".to_owned(), AttributeValue::B(Blob::new(verdicts)));
    }
    item
}

/// Length of a verdict that a head knows, in bytes.
const OPEN_VERDICT_BYTES: usize = 12;

fn verdict_bytes(verdict: &OpenVerdict) -> [u8; OPEN_VERDICT_BYTES] {
    let mut bytes = [0; OPEN_VERDICT_BYTES];
    bytes[..8].copy_from_slice(&verdict.record.to_le_bytes());
    bytes[8..].copy_from_slice(&verdict.part.to_le_bytes());
    bytes
}

fn read_open_verdict(bytes: &[u8; OPEN_VERDICT_BYTES]) -> OpenVerdict {
    let [record @ .., a, b, c, d] = *bytes;
    OpenVerdict { record: u64::from_le_bytes(record), part: u32::from_le_bytes([a, b, c, d]) }
}

fn beginning_value(beginning: &Beginning) -> (&'static str, AttributeValue) {
    match beginning {
        Beginning::At(record) => ("at", text(record.storage_form())),
        Beginning::After(record) => ("after", text(record.storage_form())),
    }
}

fn gap_value(gap: &Gap) -> AttributeValue {
    let (name, value) = beginning_value(&gap.from);
    AttributeValue::M(HashMap::from([
        (name.to_owned(), value),
        ("number".to_owned(), number(gap.number)),
        ("before".to_owned(), text(gap.before.storage_form())),
        ("closed_at_ms".to_owned(), number(gap.closed_at_ms)),
    ]))
}

/// Builds the item of a verdict that is written together with a head.
pub fn verdict_item(write: &HeadWrite, (record, verdict): &(SequenceNumber, Verdict)) -> Item {
    let part = part_attribute(&verdict.part);
    let kept = ("kept", AttributeValue::Bool(verdict.is_kept));
    item(shard_pk(&write.shard), record_sk(record), write.expires_at_ms, [part, kept])
}

/// Builds the attribute with the part of a record that goes to quarantine.
pub fn part_attribute(part: &QuarantinedPart) -> (&'static str, AttributeValue) {
    match part {
        QuarantinedPart::Whole => ("whole", AttributeValue::Bool(true)),
        QuarantinedPart::Events(events) => ("events", AttributeValue::B(Blob::new(packed(events)))),
    }
}

/// Builds the item of a page.
pub fn page_item(write: &PageWrite) -> Item {
    let version = write.expected_version.unwrap_or(0) + 1;
    let page = AttributeValue::B(Blob::new(write.page.encode()));
    let sk = format!("{PAGE_PREFIX}{:05}", write.number);
    item(write.slice.to_string(), sk, write.expires_at_ms, [("version", number(version)), ("page", page)])
}

/// Reads the attributes of an item. Its errors name the malformed attribute.
pub struct Reader<'i>(pub &'i Item);

impl<'i> Reader<'i> {
    /// Returns the sort key; empty if the item has none.
    pub fn sort_key(&self) -> &'i str {
        self.0.get("sk").and_then(|value| value.as_s().ok()).map_or("", String::as_str)
    }

    /// Returns the error for a malformed attribute.
    pub fn malformed(&self, attribute: &'static str) -> MalformedClaim {
        MalformedClaim { sort_key: self.sort_key().to_owned(), attribute, source: None }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// Fails if the attribute is not a number of this type.
    pub fn number<T: std::str::FromStr>(&self, attribute: &'static str) -> Result<T, MalformedClaim> {
        let digits = self.0.get(attribute).and_then(|value| value.as_n().ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.malformed(attribute))
    }

    /// Reads a number that may be missing.
    fn optional_number<T: std::str::FromStr>(
        &self,
        attribute: &'static str,
    ) -> Result<Option<T>, MalformedClaim> {
        self.0.contains_key(attribute).then(|| self.number(attribute)).transpose()
    }

    fn mark(&self, attribute: &'static str) -> Result<Option<SequenceNumber>, MalformedClaim> {
        let Some(value) = self.0.get(attribute) else { return Ok(None) };
        let stored = value.as_s().map_err(|_| self.malformed(attribute))?;
        let mark = SequenceNumber::from_storage_form(stored).map_err(|_| self.malformed(attribute))?;
        Ok(Some(mark))
    }

    fn bytes(&self, attribute: &'static str) -> Result<&'i [u8], MalformedClaim> {
        let bytes = self.0.get(attribute).and_then(|value| value.as_b().ok());
        bytes.map(Blob::as_ref).ok_or_else(|| self.malformed(attribute))
    }

    fn beginning(&self, at: &'static str, after: &'static str) -> Result<Option<Beginning>, MalformedClaim> {
        let first = self.mark(at)?.map(Beginning::At);
        Ok(first.or(self.mark(after)?.map(Beginning::After)))
    }
}

/// Parses the head of a shard.
///
/// # Errors
/// Fails if the item is malformed.
pub fn read_head(item: &Item) -> Result<ShardHead, MalformedClaim> {
    let reader = Reader(item);
    let open = reader.beginning("open_at", "open_after")?.map(|from| {
        let hashes = reader.bytes("open_hashes")?.as_chunks().0;
        let verdicts = reader.bytes("open_verdicts")?.as_chunks().0;
        Ok(OpenRecords {
            from,
            hashes: hashes.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
            verdicts: verdicts.iter().map(read_open_verdict).collect(),
        })
    });
    let gaps =
        item.get("gaps").and_then(|value| value.as_l().ok()).ok_or_else(|| reader.malformed("gaps"))?;
    Ok(ShardHead {
        version: reader.number("version")?,
        judged: reader.mark("judged")?,
        committed: reader.mark("committed")?,
        committed_arrival_ms: reader.optional_number("committed_arrival_ms")?,
        open: open.transpose()?,
        gap_count: reader.number("gap_count")?,
        gaps: gaps.iter().map(|gap| read_gap(&reader, gap)).collect::<Result<_, _>>()?,
    })
}

fn read_gap(head: &Reader<'_>, value: &AttributeValue) -> Result<Gap, MalformedClaim> {
    let reader = Reader(value.as_m().map_err(|_| head.malformed("gaps"))?);
    Ok(Gap {
        number: reader.number("number")?,
        from: reader.beginning("at", "after")?.ok_or_else(|| head.malformed("gaps"))?,
        before: reader.mark("before")?.ok_or_else(|| head.malformed("gaps"))?,
        closed_at_ms: reader.number("closed_at_ms")?,
    })
}

/// Parses the verdict on a record.
///
/// # Errors
/// Fails if the item is malformed.
pub fn read_verdict(item: &Item) -> Result<(SequenceNumber, Verdict), MalformedClaim> {
    let reader = Reader(item);
    let stored = reader.sort_key().strip_prefix(RECORD_PREFIX).unwrap_or("");
    let record = SequenceNumber::from_storage_form(stored).map_err(|_| reader.malformed("sk"))?;
    let flag = |name: &str| item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false);
    let part = if flag("whole") {
        QuarantinedPart::Whole
    } else {
        let events = unpacked(reader.bytes("events")?).ok_or_else(|| reader.malformed("events"))?;
        QuarantinedPart::Events(events)
    };
    Ok((record, Verdict { part, is_kept: flag("kept") }))
}

/// Parses a page of claims.
///
/// # Errors
/// Fails if the item is malformed.
pub fn read_page(item: &Item) -> Result<StoredPage, MalformedClaim> {
    let reader = Reader(item);
    let number = reader.sort_key().strip_prefix(PAGE_PREFIX).and_then(|digits| digits.parse().ok());
    let expires_s: i64 = reader.number(TTL_ATTRIBUTE)?;
    let page = Page::decode(reader.bytes("page")?);
    Ok(StoredPage {
        number: number.ok_or_else(|| reader.malformed("sk"))?,
        version: reader.number("version")?,
        expires_at_ms: expires_s * 1_000,
        page: page.map_err(|error| MalformedClaim { source: Some(error), ..reader.malformed("page") })?,
    })
}

/// Encodes ascending numbers as varints of their differences, with seven bits in a byte.
fn packed(numbers: &[u32]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::with_capacity(numbers.len()), 0);
    for number in numbers {
        let mut difference = number - before;
        before = *number;
        while difference >= 0x80 {
            bytes.push(difference.to_le_bytes()[0] | 0x80);
            difference >>= 7;
        }
        bytes.push(difference.to_le_bytes()[0]);
    }
    bytes
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u32>> {
    let (mut numbers, mut before, mut difference, mut shift) = (Vec::new(), 0_u32, 0_u32, 0);
    for byte in bytes {
        difference |= u32::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(difference)?;
            numbers.push(before);
            (difference, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(digits: &str) -> SequenceNumber {
        SequenceNumber::parse(digits).unwrap()
    }

    fn write(head: ShardHead) -> HeadWrite {
        let shard = ShardName::from_stored("1/r/s/shardId-0");
        HeadWrite { shard, head, verdicts: Vec::new(), expires_at_ms: 1_795_509_270_000 }
    }

    #[test]
    fn a_head_round_trips() {
        let gap = |number, from| Gap { number, from, before: mark("40"), closed_at_ms: 7 };
        let head = ShardHead {
            version: 3,
            judged: Some(mark("77")),
            committed: Some(mark("60")),
            committed_arrival_ms: Some(1_795_509_270_000),
            open: Some(OpenRecords {
                from: Beginning::After(mark("60")),
                hashes: vec![1, u32::MAX],
                verdicts: vec![
                    OpenVerdict { record: 1 << 40, part: 3 },
                    OpenVerdict { record: 7, part: u32::MAX },
                ],
            }),
            gap_count: 9,
            gaps: vec![gap(7, Beginning::At(mark("30"))), gap(8, Beginning::After(mark("39")))],
        };
        for head in [ShardHead::default(), head] {
            let written = ShardHead { version: head.version + 1, ..head.clone() };
            assert_eq!(read_head(&head_item(&write(head))).unwrap(), written);
        }
    }

    #[test]
    fn a_verdict_round_trips_and_expires_with_its_head() {
        for part in [QuarantinedPart::Whole, QuarantinedPart::Events(vec![0, 1, 127, 128, 500, 131_071])] {
            let verdict = (mark("77"), Verdict { part, is_kept: false });
            let item = verdict_item(&write(ShardHead::default()), &verdict);
            assert_eq!(item[TTL_ATTRIBUTE], number(1_795_509_270));
            assert_eq!(read_verdict(&item).unwrap(), verdict);
        }
    }

    /// An item has at most 400 KB. Source: DynamoDB Developer Guide, "Quotas and limits".
    #[test]
    fn a_verdict_on_the_most_events_of_a_record_fits_an_item() {
        let events = (0..deployment::environment::variables::MAX_EVENTS.max).collect();
        let verdict = (mark("77"), Verdict { part: QuarantinedPart::Events(events), is_kept: false });
        let item = verdict_item(&write(ShardHead::default()), &verdict);
        assert!(item["events"].as_b().unwrap().as_ref().len() < 390_000);
        assert_eq!(read_verdict(&item).unwrap(), verdict);
    }

    #[test]
    fn a_damaged_item_is_named() {
        let mut item = head_item(&write(ShardHead::default()));
        item.remove("version");
        assert!(
            read_head(&item)
                .unwrap_err()
                .to_string()
                .contains("\"head\" of the claims has no usable \"version\"")
        );
    }
}
