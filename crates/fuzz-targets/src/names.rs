//! Names that come with records: sequence numbers, shards and partition keys.

use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::sequence_number::SequenceNumber;

/// Checks a text as each of the names. A line feed separates two texts that are compared.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    check_number(first);
    if let (Ok(left), Ok(right)) = (SequenceNumber::parse(first), SequenceNumber::parse(second)) {
        check_order(&left, &right);
    }
    if let Ok(number) = SequenceNumber::from_storage_form(first) {
        assert_eq!(number.storage_form(), first);
    }
    if let Some(shard) = ShardName::new(first, second) {
        assert_eq!(shard.shard_id(), second);
        assert_eq!(ShardName::from_stored(shard.as_str()), shard);
        assert_eq!(shard.as_str().split('/').count(), 4, "no part can pretend to be another");
    }
    check_partition_key(first);
}

fn check_number(digits: &str) {
    let Ok(number) = SequenceNumber::parse(digits) else { return };
    assert_eq!(SequenceNumber::from_storage_form(number.storage_form()).as_ref(), Ok(&number));
    assert_eq!(SequenceNumber::parse(number.digits()).as_ref(), Ok(&number));
    assert!(number.predecessor() <= number && number <= number.successor());
    if number.successor() != number {
        assert_eq!(number.successor().predecessor(), number);
    }
    if let Ok(value) = digits.parse::<u64>() {
        assert_eq!(number.digits(), value.to_string());
        assert_eq!(number.predecessor().digits(), value.saturating_sub(1).to_string());
    }
}

fn check_order(left: &SequenceNumber, right: &SequenceNumber) {
    let by_value = (left.digits().len(), left.digits()).cmp(&(right.digits().len(), right.digits()));
    assert_eq!(left.cmp(right), by_value);
    assert_eq!(left.storage_form().cmp(right.storage_form()), by_value);
}

fn check_partition_key(key: &str) {
    let put_back = PutBackFrom::from_partition_key(key);
    assert_eq!(PutBackFrom::from_text(&put_back.text()), put_back);
    assert_eq!(PutBackFrom::from_partition_key(&put_back.partition_key("7")), put_back);
    let Ok(sequence_number) = SequenceNumber::parse("7") else { return };
    let record = RecordName { shard: ShardName::from_stored("a/b/c/d"), sequence_number };
    let next = put_back.and(&record);
    assert!(next.contains(&record));
    let key = next.partition_key("0123456789abcdef");
    assert!(key.len() <= 256, "a partition key of Kinesis has at most 256 characters");
    assert_eq!(PutBackFrom::from_partition_key(&key), next);
}
