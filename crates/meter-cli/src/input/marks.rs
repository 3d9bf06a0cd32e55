//! Marks of the member names by which the forms of objects are recognized.

/// Defines a mark, one bit, for each member name by which forms are recognized.
macro_rules! marks {
    ($($mark:ident = $bit:literal: $($name:literal)|+;)+) => {
        $(#[doc = concat!("Mark of the names ", stringify!($($name)|+), ".")] pub const $mark: u32 = 1 << $bit;)+

        /// Returns the mark of a member name; `0` if it has none.
        pub fn mark_of(name: &[u8]) -> u32 {
            match name {
                $($($name)|+ => $mark,)+
                _ => 0,
            }
        }
    };
}

// Some tools, such as AWS Tools for PowerShell, write member names in Pascal case.
marks! {
    STATUS = 0: b"status";
    MESSAGE_TYPE = 1: b"messageType" | b"logEvents";
    AWSLOGS = 2: b"awslogs";
    KINESIS_BATCH_INFO = 3: b"KinesisBatchInfo";
    EVENTS = 4: b"events" | b"Events";
    RECORDS = 5: b"Records" | b"records";
    RESULTS = 6: b"results" | b"Results";
    ITEMS = 7: b"items" | b"Items";
    MESSAGE = 8: b"message" | b"Message";
    EVENT_FIELD = 9: b"timestamp" | b"Timestamp" | b"eventId" | b"EventId" | b"ingestionTime" | b"IngestionTime";
    KINESIS = 10: b"kinesis";
    DATA = 11: b"Data" | b"data";
    INSIGHTS_MESSAGE = 12: b"@message";
    INSIGHTS_FIELD = 13: b"@timestamp" | b"@ptr" | b"@logStream";
    KEY_SECRET = 14: b"api_key" | b"sha256";
    ITEM = 15: b"Item";
    SEQUENCE = 16: b"SequenceNumber" | b"sequenceNumber" | b"PartitionKey" | b"partitionKey";
    CALL_FIELD = 17: b"requestTimeEpoch" | b"requestTime" | b"time" | b"apiKeyId" | b"key";
}

/// Returns `true` for an object with the marks of a line of the log. The results of a query have a status too.
pub fn is_call(marks: u32) -> bool {
    marks & STATUS != 0 && marks & CALL_FIELD != 0
}

/// Marks of members whose array elements are separate pieces.
pub const CONTAINER: u32 = EVENTS | RECORDS | RESULTS | ITEMS;
