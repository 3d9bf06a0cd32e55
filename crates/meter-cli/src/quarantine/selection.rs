//! The records of the quarantine that a command works on.

use metering_aws::quarantine_queue::KeptRecord;

/// Minimum number of digits of a digest that select a record.
const MIN_DIGEST_DIGITS: usize = 8;

/// Arguments that select records. All records are selected by default.
#[derive(Debug, Default, clap::Args)]
pub struct Selection {
    /// Select records with this reason, as `meter quarantine list` prints it
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Select records by a sequence number, SHARD/SEQUENCE_NUMBER, or the first digits of a digest
    #[arg(value_name = "RECORD")]
    records: Vec<String>,
}

impl Selection {
    /// Returns `true` if records are selected by name.
    pub fn names_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// Returns `true` if the record is selected.
    pub fn has(&self, record: &KeptRecord) -> bool {
        let has_reason = self.reason.as_ref().is_none_or(|reason| *reason == record.reason);
        has_reason && (self.records.is_empty() || self.records.iter().any(|name| is_named(record, name)))
    }

    /// Describes the selection for a question to the user.
    pub fn description(&self) -> String {
        match (&self.reason, self.records.as_slice()) {
            (None, []) => "all records in quarantine".to_owned(),
            (Some(reason), []) => format!("all records with the reason {reason}"),
            (None, records) => records.join(", "),
            (Some(reason), records) => format!("{} if the reason is {reason}", records.join(", ")),
        }
    }
}

fn is_named(record: &KeptRecord, name: &str) -> bool {
    let is_digest = name.len() >= MIN_DIGEST_DIGITS && record.digest.starts_with(name);
    name == record.record.sequence_number.digits() || name == record.record.to_string() || is_digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
    use metering_core::sequence_number::SequenceNumber;

    #[test]
    fn a_record_is_selected_by_its_number_its_name_its_digest_and_its_reason() {
        let record = KeptRecord {
            record: RecordName {
                shard: ShardName::from_stored("1/r/usage/shardId-000000000000"),
                sequence_number: SequenceNumber::parse("4957").unwrap(),
            },
            arrived_at_ms: 0,
            put_back_from: PutBackFrom::default(),
            reason: "no-status".to_owned(),
            detail: String::new(),
            digest: "ba7816bf8f01cfea".to_owned(),
            payload: Vec::new(),
        };
        let has = |reason: Option<&str>, records: &[&str]| {
            let records = records.iter().map(|name| (*name).to_owned()).collect();
            Selection { reason: reason.map(str::to_owned), records }.has(&record)
        };
        assert!(has(None, &[]) && has(Some("no-status"), &[]) && !has(Some("too-old"), &[]));
        for name in ["4957", "1/r/usage/shardId-000000000000/4957", "ba7816bf"] {
            assert!(has(None, &["1", name]) && has(Some("no-status"), &[name]), "{name}");
            assert!(!has(Some("too-old"), &[name]), "{name}");
        }
        for name in ["495", "ba7816b", "shardId-000000000000/4957"] {
            assert!(!has(None, &[name]), "{name}");
        }
    }
}
