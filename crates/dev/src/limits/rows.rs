//! The rows of the table.

use deployment::environment::variables;

use super::Limit::{Constant, Setting};
use super::{Row, Section};

/// The sections of the document.
pub const SECTIONS: &[Section] = &[
    Section { title: "Records and lines", text: "", rows: DECODING },
    Section {
        title: "Batches",
        text: "A batch beyond a limit is counted up to its last record within the limit. Lambda delivers the rest again.",
        rows: BATCHES,
    },
    Section { title: "Claims and shards", text: "", rows: CLAIMS },
    Section { title: "Quarantine and put-backs", text: "", rows: QUARANTINE },
    Section { title: "Keys and the authorizer", text: "", rows: KEYS },
    Section { title: "Usage and reconciliation", text: "", rows: USAGE },
    Section { title: "Input of `meter`", text: "", rows: COMMAND },
    Section {
        title: "Local services",
        text: "The local services have AWS's limits. [LOCAL_SERVICES.md](LOCAL_SERVICES.md) lists those of each parameter.",
        rows: LOCAL,
    },
];

macro_rules! rows {
    ($($what:literal, $limit:expr, $unit:literal, $past:literal, $test:literal;)+) => {
        &[$(Row { what: $what, limit: $limit, unit: $unit, past: $past, test: $test }),+]
    };
}

const DECODING: &[Row] = rows! {
    "inflated size of a record", Setting(variables::MAX_INFLATED_BYTES), "bytes",
    "the record goes to quarantine as a whole: `inflates-too-large`",
    "crates/access-log/src/inflate.rs::a_record_inflates_to_the_limit_and_not_one_byte_further";
    "events of a record", Setting(variables::MAX_EVENTS), "events",
    "the record goes to quarantine as a whole: `too-many-events`",
    "crates/access-log/tests/against_serde_json.rs::a_record_of_too_many_events_is_refused_and_costs_little";
    "line, as it is written in a record", Constant("crates/access-log/src/line.rs", "MAX_LINE_BYTES"), "bytes",
    "the line goes to quarantine: `line-too-long`",
    "crates/access-log/tests/against_serde_json.rs::a_line_has_two_mebibytes_and_not_one_byte_more_in_whichever_form";
    "bad events of a record", Setting(variables::MAX_EVENTS), "events",
    "as the events of a record; the verdict on the most that can be set fits into an item",
    "crates/metering-aws/src/claim_items.rs::a_verdict_on_the_most_events_of_a_record_fits_an_item";
    "bad events that a message describes", Constant("crates/usage-consumer/src/batch.rs", "DESCRIBED_BAD_EVENTS"), "events",
    "further ones are only counted",
    "crates/usage-consumer/tests/quarantine.rs::what_is_mostly_bad_fits_back_into_the_stream";
    "depth of a member of a line", Constant("crates/access-log/src/json_cursor.rs", "MAX_DEPTH"), "levels",
    "the line goes to quarantine: `line-not-json`",
    "crates/access-log/tests/against_serde_json.rs::a_member_is_nested_64_levels_deep_and_not_one_more";
    "key id", Constant("crates/metering-core/src/metered_key.rs", "MAX_KEY_ID_BYTES"), "bytes",
    "the call goes to quarantine: `bad-key-id`",
    "crates/metering-core/src/assessment.rs::a_key_id_that_has_no_room_in_a_row_is_refused";
    "customer id", Constant("crates/metering-core/src/metered_key.rs", "MAX_CUSTOMER_ID_BYTES"), "bytes",
    "the call goes to quarantine: `bad-customer-id`",
    "crates/metering-core/src/assessment.rs::a_call_is_counted_for_the_customer_in_its_line";
    "response of a call", Constant("crates/metering-core/src/usage_record.rs", "MAX_RESPONSE_BYTES"), "bytes",
    "the call counts with no bytes",
    "crates/access-log/src/line.rs::a_response_has_a_tebibyte_and_not_one_byte_more";
    "route classes of a list", Constant("crates/metering-core/src/route_class.rs", "MAX_CLASSES"), "classes",
    "`meter classes apply` refuses the list",
    "crates/metering-core/src/route_class.rs::a_list_is_as_long_as_its_limits_and_no_longer";
    "name of a route class", Constant("crates/metering-core/src/route_class.rs", "MAX_CLASS_NAME_BYTES"), "bytes",
    "`meter classes apply` refuses the list",
    "crates/metering-core/src/route_class.rs::a_list_is_as_long_as_its_limits_and_no_longer";
    "values of a condition of a route class", Constant("crates/metering-core/src/route_class.rs", "MAX_CLASS_CONDITIONS"), "values",
    "`meter classes apply` refuses the list",
    "crates/metering-core/src/route_class.rs::a_list_is_as_long_as_its_limits_and_no_longer";
    "lists of route classes", Constant("crates/metering-core/src/class_lists.rs", "MAX_CLASS_LISTS"), "lists",
    "`meter classes apply` refuses another list",
    "crates/metering-core/src/class_lists.rs::there_are_so_many_lists_and_no_more";
    "age of a call at its arrival", Setting(variables::CLAIM_RETENTION_DAYS), "days",
    "the call goes to quarantine: `too-old`",
    "crates/metering-core/src/assessment.rs::a_call_is_counted_at_its_greatest_age_and_lead_and_not_a_millisecond_beyond";
    "lead of a request time over the arrival", Constant("crates/metering-core/src/assessment.rs", "MAX_CLOCK_LEAD_MS"), "ms",
    "the call goes to quarantine: `in-the-future`",
    "crates/usage-consumer/tests/quarantine.rs::a_clock_may_lead_by_an_hour";
    "learned layouts of events", Constant("crates/access-log/src/layout.rs", "MAX_LAYOUTS"), "layouts",
    "the least used one is forgotten; the general reader reads its events",
    "crates/access-log/src/layout.rs::layouts_are_few_in_all_and_learned_from_each_record";
    "layouts learned from a record", Constant("crates/access-log/src/layout.rs", "MAX_LEARNED_PER_RECORD"), "layouts",
    "the general reader reads the rest of the record",
    "crates/access-log/src/layout.rs::layouts_are_few_in_all_and_learned_from_each_record";
    "event that is learned", Constant("crates/access-log/src/layout.rs", "MAX_EVENT_BYTES"), "bytes",
    "the general reader reads it",
    "crates/access-log/src/layout.rs::a_longer_event_than_the_longest_is_left_to_the_general_reader";
    "digits that a layout reads", Constant("crates/access-log/src/layout.rs", "MAX_DIGITS"), "digits",
    "the general reader reads the event",
    "crates/access-log/src/layout.rs::digits_are_read_as_the_standard_library_reads_them";
    "unbilled routes", Constant("crates/metering-core/src/unbilled.rs", "MAX_UNBILLED_ROUTES"), "entries",
    "the function does not start; the error says what to do",
    "crates/metering-core/src/unbilled.rs::a_hundred_routes_are_unbilled_and_not_one_more";
    "billed statuses and ranges, or those of a route class", Constant("crates/metering-core/src/status_ranges.rs", "MAX_STATUS_RANGES"), "entries",
    "the function does not start, or the list of classes is refused; the error says what to do",
    "crates/metering-core/src/status_ranges.rs::there_are_so_many_ranges_and_no_more";
};

const BATCHES: &[Row] = rows! {
    "calls of a batch", Constant("crates/usage-consumer/src/batch.rs", "MAX_CALLS"), "calls",
    "the next records are delivered again",
    "crates/usage-consumer/tests/quarantine.rs::a_batch_that_does_not_fit_into_memory_is_counted_in_parts";
    "rows of a batch (keys, route classes and days)", Constant("crates/usage-consumer/src/batch.rs", "MAX_ROWS"), "rows",
    "the next records are delivered again",
    "crates/usage-consumer/tests/quarantine.rs::a_batch_of_more_keys_than_can_be_written_in_time_is_counted_in_parts";
    "rows of a record", Constant("crates/usage-consumer/src/batch.rs", "MAX_ROWS"), "rows",
    "the record goes to quarantine as a whole: `too-many-keys`",
    "crates/usage-consumer/tests/quarantine.rs::a_record_of_more_keys_than_can_be_written_in_time_is_kept_whole";
    "inflated text of a batch", Constant("crates/usage-consumer/src/batch.rs", "MAX_TEXT_BYTES"), "bytes",
    "the next records are delivered again",
    "crates/usage-consumer/tests/quarantine.rs::a_batch_that_inflates_without_end_is_read_in_parts";
    "slices of a record", Constant("crates/usage-consumer/src/batch.rs", "MAX_SLICES"), "slices",
    "the record goes to quarantine as a whole: `too-many-slices`",
    "crates/usage-consumer/tests/quarantine.rs::a_record_of_more_slices_than_can_be_claimed_in_time_is_kept_whole";
    "requests in flight", Setting(variables::WRITE_CONCURRENCY), "requests",
    "the next request waits",
    "crates/usage-consumer/tests/one_owner.rs::no_more_requests_are_in_flight_than_the_setting_says";
    "values of a metric in one line", Constant("crates/lambda-support/src/telemetry.rs", "MAX_VALUES"), "values",
    "neighbouring values are merged",
    "crates/lambda-support/src/telemetry.rs::a_long_distribution_keeps_its_ends_and_its_shape";
};

const CLAIMS: &[Row] = rows! {
    "claimed calls of a slice", Constant("crates/metering-core/src/claims/slice_claim.rs", "MAX_SLICE_CALLS"), "calls",
    "the call goes to quarantine",
    "crates/metering-core/tests/batch_run/main.rs::a_call_without_room_in_its_slice_goes_to_quarantine_and_the_others_are_counted";
    "page of claims", Constant("crates/metering-core/src/claims/page.rs", "MAX_PAGE_BYTES"), "bytes",
    "the next page is begun",
    "crates/metering-core/src/claims/slice_claim/tests.rs::a_page_is_closed_before_it_is_longer_than_an_item_may_be";
    "eras of `CLAIM_LAYOUT`", Constant("crates/metering-core/src/claims/layout.rs", "MAX_ERAS"), "eras",
    "the function does not start",
    "crates/metering-core/src/claims/layout.rs::a_layout_has_a_hundred_eras_and_not_one_more";
    "verdicts of one write", Constant("crates/metering-core/src/shard.rs", "MAX_VERDICTS"), "verdicts",
    "the next write has the rest",
    "crates/metering-core/tests/batch_run/main.rs::more_verdicts_than_fit_a_transaction_are_written_one_after_the_other";
    "gaps of a shard", Constant("crates/metering-core/src/shard.rs", "MAX_GAPS"), "gaps",
    "the oldest is forgotten; its records can no longer be put back",
    "crates/metering-core/src/shard.rs::the_oldest_gap_is_forgotten_when_there_are_too_many";
    "age of a gap", Constant("crates/metering-core/src/shard.rs", "GAP_RETENTION_MS"), "ms",
    "the gap is forgotten",
    "crates/metering-core/src/shard.rs::a_forgotten_gap_leaves_the_numbers_of_others_alone";
    "time for which a record is retried", Constant("crates/metering-core/src/batch_run/mod.rs", "MAX_RETRY_MS"), "ms",
    "the claims may have expired, so the call goes to quarantine",
    "crates/metering-core/tests/batch_run/main.rs::a_claim_is_kept_as_long_as_its_call_can_be_counted";
    "digits of a sequence number", Constant("crates/metering-core/src/sequence_number.rs", "MAX_DIGITS"), "digits",
    "the batch is refused as a whole",
    "crates/metering-core/src/sequence_number.rs::refuses_what_kinesis_never_assigns";
};

const QUARANTINE: &[Row] = rows! {
    "payload of a message", Constant("crates/metering-aws/src/quarantine_queue/message.rs", "PART_BYTES"), "bytes",
    "the payload is cut into several messages",
    "crates/metering-aws/src/quarantine_queue/message.rs::the_largest_message_fits_every_queue";
    "detail of a message", Constant("crates/metering-aws/src/quarantine_queue/message.rs", "MAX_DETAIL_BYTES"), "bytes",
    "the detail is cut",
    "crates/metering-aws/src/quarantine_queue/message.rs::the_largest_message_fits_every_queue";
    "incomplete payloads of a pass over the queue", Constant("crates/metering-aws/src/quarantine_queue/received.rs", "MAX_WAITING_BYTES"), "bytes",
    "the largest one is left in the queue",
    "crates/metering-aws/src/quarantine_queue/received.rs::what_waits_for_other_parts_is_bounded_and_the_rest_goes_on";
    "text of a quarantined part", Constant("crates/access-log/src/parts.rs", "MAX_PART_BYTES"), "bytes",
    "the events are cut into several parts",
    "crates/access-log/tests/against_serde_json.rs::parts_fit_back_into_the_stream";
    "record that is put back", Constant("crates/metering-aws/src/put_back.rs", "MAX_RECORD_BYTES"), "bytes",
    "the payload is cut between its events; one that cannot be cut stays in quarantine",
    "crates/metering-aws/src/put_back.rs::what_is_larger_than_a_record_is_cut_between_its_events";
    "payload that is put back", Constant("crates/metering-aws/src/put_back.rs", "MAX_PAYLOAD_BYTES"), "bytes",
    "as above",
    "crates/metering-aws/src/put_back.rs::the_largest_payload_leaves_room_for_any_partition_key";
    "events of a record that is put back as it is", Constant("crates/metering-aws/src/put_back.rs", "MAX_WHOLE_EVENTS"), "events",
    "the record is cut, so that each part has few enough keys and slices",
    "crates/metering-aws/src/put_back.rs::a_payload_of_ten_thousand_events_is_put_back_as_it_is_and_one_of_more_is_cut";
    "records that a record puts back", Constant("crates/metering-core/src/claims/owner.rs", "MAX_PUT_BACK_FROM"), "records",
    "the oldest is forgotten",
    "crates/metering-core/src/claims/owner.rs::a_partition_key_fits_however_often_a_record_is_put_back";
};

const KEYS: &[Row] = rows! {
    "secret", Constant("crates/metering-core/src/api_key.rs", "MAX_SECRET_BYTES"), "bytes",
    "the call is denied (403)",
    "crates/metering-core/src/api_key.rs::a_text_that_no_header_should_carry_is_not_a_secret";
    "different keys in the headers of a request", Constant("crates/api-authorizer/src/key_headers.rs", "MAX_KEYS"), "keys",
    "none more is remembered; the call is denied (403)",
    "crates/api-authorizer/src/event.rs::many_values_of_the_header_are_ambiguous_and_take_no_memory";
    "owner, name, plan and labels of a key together", Constant("crates/metering-core/src/api_key.rs", "MAX_DESCRIPTION_BYTES"), "bytes",
    "the key is not created or changed; the error says what to do",
    "crates/metering-aws/tests/keys.rs::a_description_of_a_key_has_two_kilobytes_and_not_one_byte_more";
    "cached keys, and cached usages", Setting(variables::MAX_CACHED_KEYS), "keys",
    "the least recently used is forgotten",
    "crates/metering-core/src/decision_cache/tests.rs::memory_is_bounded_and_more_changes_than_can_be_remembered_forget_everything";
    "cached secrets without a key", Setting(variables::MAX_CACHED_UNKNOWN), "secrets",
    "the least recently used is forgotten",
    "crates/metering-core/src/decision_cache/tests.rs::memory_is_bounded_and_more_changes_than_can_be_remembered_forget_everything";
    "tombstones", Setting(variables::MAX_TOMBSTONES), "tombstones",
    "the cache is emptied",
    "crates/metering-core/src/decision_cache/tests.rs::memory_is_bounded_and_more_changes_than_can_be_remembered_forget_everything";
    "locks of reads that no task uses", Constant("crates/api-authorizer/src/single_flight.rs", "MAX_UNUSED_LOCKS"), "locks",
    "they are removed",
    "crates/api-authorizer/src/single_flight.rs::locks_that_cancelled_tasks_leave_behind_are_removed_when_there_are_many";
    "entries in a read of the invalidation log", Constant("crates/metering-aws/src/invalidation_log.rs", "MAX_ENTRIES"), "entries",
    "the last entry alone is read, and the cache is emptied",
    "crates/metering-aws/tests/keys.rs::a_read_of_more_changes_than_a_response_holds_is_a_gap_with_the_last_one";
    "key id in a message of the invalidation topic", Constant("crates/metering-core/src/metered_key.rs", "MAX_KEY_ID_BYTES"), "bytes",
    "the message is refused",
    "crates/api-authorizer/src/event.rs::a_notification_of_an_id_that_no_key_has_is_refused";
};

const USAGE: &[Row] = rows! {
    "days of an answer of `GET /usage`", Constant("crates/usage-endpoint/src/request.rs", "MAX_DAYS"), "days",
    "400 with the reason",
    "crates/usage-endpoint/src/request.rs::days_that_make_no_sense_are_named";
    "ledger rows that are read for an answer of `GET /usage`", Constant("crates/usage-endpoint/src/handler.rs", "MAX_ROWS"), "rows",
    "400 with the reason",
    "crates/usage-endpoint/src/handler.rs::an_answer_that_would_be_too_large_says_what_to_ask_for";
    "entries of an answer of `GET /usage`", Constant("crates/usage-endpoint/src/handler.rs", "MAX_ENTRIES"), "entries",
    "400 with the reason",
    "crates/usage-endpoint/src/handler.rs::an_answer_that_would_be_too_large_says_what_to_ask_for";
    "lifetime of a portal token", Constant("crates/portal-token/src/token.rs", "MAX_LIFETIME_S"), "seconds",
    "`meter portal token` refuses it, and the page shows nothing",
    "crates/portal-token/src/token.rs::a_lifetime_has_limits";
    "weight of a call", Constant("crates/usage-report/src/credits.rs", "MAX_WEIGHT_CREDITS"), "credits",
    "`meter weights apply` refuses the list",
    "crates/usage-report/src/credits.rs::a_weight_is_a_decimal_number";
    "classes of a list of weights", Constant("crates/usage-report/src/weights.rs", "MAX_WEIGHTS"), "classes",
    "`meter weights apply` refuses the list",
    "crates/usage-report/src/weights.rs::a_line_that_is_not_understood_is_named";
    "lists of weights", Constant("crates/usage-report/src/weights.rs", "MAX_WEIGHT_LISTS"), "lists",
    "`meter weights apply` refuses another list",
    "crates/usage-report/src/weights.rs::there_are_so_many_lists_and_no_more";
    "rows of an Insights query", Constant("crates/metering-aws/src/call_log/mod.rs", "MAX_ROWS"), "rows",
    "the query is repeated for parts of its time",
    "crates/end-to-end/tests/access_log_lines.rs::of_many_keys_exactly_those_are_reported_that_miss_calls";
    "response that the canary reads", Constant("crates/usage-canary/src/client.rs", "MAX_BODY_BYTES"), "bytes",
    "the call has failed",
    "crates/usage-canary/src/client.rs::a_response_is_a_mebibyte_at_most";
    "differences that the reconciler logs", Constant("crates/usage-reconciler/src/reconciler.rs", "MAX_LOGGED_DIFFERENCES"), "differences",
    "further ones are only counted",
    "crates/usage-reconciler/tests/runs.rs::no_more_differences_are_logged_than_anybody_reads";
};

const COMMAND: &[Row] = rows! {
    "file of keys, compressed or not", Constant("crates/meter-cli/src/keys/import.rs", "MAX_FILE_BYTES"), "bytes",
    "nothing is imported; the error says what to do",
    "crates/meter-cli/src/keys/import.rs::a_file_has_256_mebibytes_and_not_one_byte_more";
    "access-log format that `meter format check` accepts", Constant("crates/meter-cli/src/format/template.rs", "MAX_FORMAT_BYTES"), "bytes",
    "the finding `size`",
    "crates/meter-cli/src/format/template.rs::each_thing_that_is_wrong_is_found";
    "line that `meter format check` reads", Constant("crates/meter-cli/src/format/lines.rs", "MAX_LINE_BYTES"), "bytes",
    "the command fails and asks if the file is a log",
    "crates/meter-cli/src/format/lines.rs::a_line_is_a_mebibyte_at_most";
    "JSON value in a file", Constant("crates/meter-cli/src/input/pieces.rs", "MAX_VALUE_BYTES"), "bytes",
    "the value is read as lines",
    "crates/meter-cli/src/input/pieces.rs::a_value_that_is_too_long_is_read_as_lines";
    "depth of a JSON value in a file", Constant("crates/meter-cli/src/input/scan.rs", "MAX_DEPTH"), "levels",
    "the value is read as lines",
    "crates/meter-cli/src/input/scan.rs::a_value_is_nested_128_levels_deep_and_not_one_more";
    "layers of gzip of a file", Constant("crates/meter-cli/src/input/open.rs", "MAX_GZIP_LAYERS"), "layers",
    "the rest is reported as not JSON",
    "crates/meter-cli/src/input/open.rs::three_layers_of_gzip_are_removed_and_not_one_more";
    "event that `meter replay` sends", Constant("crates/meter-cli/src/replay/packing.rs", "MAX_MESSAGE_BYTES"), "bytes",
    "the event is set aside and reported",
    "crates/meter-cli/src/replay/packing.rs::an_event_is_a_mebibyte_at_most_and_a_record_ends_with_its_text_or_its_events";
    "text of a record that `meter replay` sends", Constant("crates/meter-cli/src/replay/packing.rs", "MAX_RECORD_TEXT_BYTES"), "bytes",
    "the next record is begun",
    "crates/meter-cli/src/replay/packing.rs::an_event_is_a_mebibyte_at_most_and_a_record_ends_with_its_text_or_its_events";
    "record that `meter replay` sends as it is", Constant("crates/meter-cli/src/replay/packing.rs", "MAX_RECORD_BYTES"), "bytes",
    "the record is cut between its events; one that cannot be read is reported",
    "crates/meter-cli/src/replay/packing.rs::a_record_of_a_file_is_sent_as_it_is_unless_it_is_too_large_for_the_stream";
    "record in a file", Constant("crates/meter-cli/src/replay/forms.rs", "MAX_RECORD_BYTES"), "bytes",
    "the record is set aside and reported",
    "crates/meter-cli/src/replay/forms.rs::a_record_in_a_file_has_ten_mebibytes_and_not_one_byte_more";
    "line that is not JSON", Constant("crates/meter-cli/src/input/pieces.rs", "MAX_LINE_BYTES"), "bytes",
    "the line is cut",
    "crates/meter-cli/src/input/pieces.rs::a_cut_document_is_noticed_and_a_long_line_is_cut";
};

const LOCAL: &[Row] = rows! {
    "stream record", Constant("crates/local-stack/src/api/tables/kinesis.rs", "MAX_RECORD_BYTES"), "bytes",
    "`ValidationException`",
    "crates/local-stack/tests/kinesis_limits.rs::a_request_has_at_most_ten_mebibytes_and_a_record_one";
    "`PutRecords` request", Constant("crates/local-stack/src/kinesis/api/records.rs", "MAX_PUT_BYTES"), "bytes",
    "`InvalidArgumentException`",
    "crates/local-stack/tests/kinesis_limits.rs::a_request_has_at_most_ten_mebibytes_and_a_record_one";
    "bytes that a shard takes in a second", Constant("crates/local-stack/src/kinesis/throughput.rs", "BYTES_IN_PER_S"), "bytes",
    "`ProvisionedThroughputExceededException`",
    "crates/local-stack/src/kinesis/throughput.rs::a_shard_takes_a_mebibyte_in_any_second";
    "bytes that a shard gives in a second", Constant("crates/local-stack/src/kinesis/throughput.rs", "BYTES_OUT_PER_S"), "bytes",
    "`ProvisionedThroughputExceededException`",
    "crates/local-stack/src/kinesis/throughput.rs::a_shard_gives_two_mebibytes_and_five_reads_a_second";
    "tags of a stream", Constant("crates/local-stack/src/kinesis/stream.rs", "MAX_TAGS"), "tags",
    "`InvalidArgumentException`",
    "crates/local-stack/tests/kinesis_limits.rs::tags_are_added_replaced_removed_and_limited";
    "filter pattern", Constant("crates/local-stack/src/cloudwatch_logs/filter_pattern/mod.rs", "MAX_CHARACTERS"), "characters",
    "`InvalidParameterException`",
    "crates/local-stack/src/cloudwatch_logs/filter_pattern/tests.rs::a_pattern_has_1024_characters_at_most";
    "depth of an expression of a query", Constant("crates/local-stack/src/cloudwatch_logs/insights/parser.rs", "MAX_DEPTH"), "levels",
    "`MalformedQueryException`",
    "crates/local-stack/src/cloudwatch_logs/insights/tests.rs::an_expression_is_nested_100_levels_deep_and_not_one_more";
    "patterns of a log group with a regular expression", Constant("crates/local-stack/src/cloudwatch_logs/service/filters.rs", "MAX_REGEX_FILTERS"), "patterns",
    "`LimitExceededException`",
    "crates/local-stack/tests/logs.rs::a_log_group_has_five_patterns_with_a_regular_expression";
    "`PutLogEvents` request", Constant("crates/local-stack/src/cloudwatch_logs/service/put_events.rs", "MAX_BATCH_BYTES"), "bytes",
    "`InvalidParameterException`",
    "crates/local-stack/tests/logs.rs::a_batch_is_taken_or_refused_by_the_limits_of_aws";
    "answer of `FilterLogEvents`", Constant("crates/local-stack/src/cloudwatch_logs/service/read_events.rs", "MAX_RESPONSE_BYTES"), "bytes",
    "the next page has the rest",
    "crates/local-stack/tests/logs.rs::an_answer_holds_a_megabyte_of_events_and_goes_on";
    "changes of the metrics in memory", Constant("crates/local-stack/src/cloudwatch/store.rs", "MAX_WAITING"), "changes",
    "they are written to disk",
    "crates/local-stack/src/cloudwatch/store.rs::much_is_written_before_it_fills_the_memory";
};

/// Constants that begin with `MAX_` and limit no input or collection: attempts, pauses, ranges of
/// arguments, and sizes into which any number of items is divided.
#[cfg(test)]
pub const OTHERS: &[&str] = &[
    "MAX_AGE_DAYS",
    "MAX_AMOUNT",
    "MAX_BATCH_WINDOW_S",
    "MAX_COMPARISONS",
    "MAX_CONFLICTS",
    "MAX_DURATION_MS",
    "MAX_FAILURES_IN_A_ROW",
    "MAX_GROUPS",
    "MAX_GUESSES",
    "MAX_INTERVAL_MS",
    "MAX_POLLS",
    "MAX_READS",
    "MAX_REPEATED_ANSWERS",
    "MAX_REPLANS",
    "MAX_TRIES",
    "MAX_UNKNOWN",
    "MAX_WAIT_MS",
];
