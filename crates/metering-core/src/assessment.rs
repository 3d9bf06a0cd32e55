//! The decision to bill a call.

use crate::billing_rules::BillingRules;
use crate::class_lists::ClassLists;
use crate::metered_key::{CallBreakdown, MAX_CUSTOMER_ID_BYTES, MAX_KEY_ID_BYTES, TOTALS_KEY_ID};
use crate::usage_record::UsageRecord;
use crate::window::{CallWindow, WindowError};

/// The reason why a well-formed call is not billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The status is not one of [`BillingRules::billed_statuses`].
    UnbilledStatus,
    /// The route or the method is one of [`BillingRules::unbilled`].
    Unbilled,
    /// The call has no key id: it is of a public endpoint.
    NoApiKey,
}

/// The reason why a well-formed call can be neither billed nor skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImplausibleCall {
    /// The request time is before [`PlausibleTimes::earliest_ms`].
    #[error("the request time {requested_at_ms} ms is before {earliest_ms} ms, the oldest the ledger keeps")]
    TooOld {
        /// The request time, in milliseconds since 1970.
        requested_at_ms: i64,
        /// The earliest accepted time, in milliseconds since 1970.
        earliest_ms: i64,
    },
    /// The request time is after [`PlausibleTimes::latest_ms`].
    #[error(
        "the request time {requested_at_ms} ms is after {latest_ms} ms, when it had already reached the stream"
    )]
    InTheFuture {
        /// The request time, in milliseconds since 1970.
        requested_at_ms: i64,
        /// The latest accepted time, in milliseconds since 1970.
        latest_ms: i64,
    },
    /// The key id is longer than [`MAX_KEY_ID_BYTES`].
    #[error("the key id has {bytes} bytes, more than {MAX_KEY_ID_BYTES}")]
    KeyIdTooLong {
        /// Length of the key id, in bytes.
        bytes: usize,
    },
    /// The customer id is longer than [`MAX_CUSTOMER_ID_BYTES`].
    #[error("the customer id has {bytes} bytes, more than {MAX_CUSTOMER_ID_BYTES}")]
    CustomerIdTooLong {
        /// Length of the customer id, in bytes.
        bytes: usize,
    },
    /// The key id is [`TOTALS_KEY_ID`].
    #[error("the key id {TOTALS_KEY_ID:?} is reserved for the totals of the ledger")]
    KeyIdReserved,
    /// The request time is outside the range of calendar days.
    #[error("the request time is not a calendar time")]
    NoWindow(#[source] WindowError),
}

impl ImplausibleCall {
    /// Returns the reason as a word for metrics and grouping.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooOld { .. } => "too-old",
            Self::InTheFuture { .. } => "in-the-future",
            Self::KeyIdTooLong { .. } | Self::KeyIdReserved => "bad-key-id",
            Self::CustomerIdTooLong { .. } => "bad-customer-id",
            Self::NoWindow(_) => "bad-request-time",
        }
    }
}

/// The range of plausible request times in a record.
///
/// The range depends on the time at which the record arrived in the stream, which is part of the
/// record. A retry, or a replay years later, therefore decides the same. A comparison with the
/// present time would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlausibleTimes {
    /// The earliest request time, in milliseconds since 1970.
    pub earliest_ms: i64,
    /// The latest request time, in milliseconds since 1970.
    pub latest_ms: i64,
}

/// Maximum time by which the clock of a producer may be ahead of the stream's, in milliseconds.
pub const MAX_CLOCK_LEAD_MS: i64 = crate::window::HOUR_MS;

impl PlausibleTimes {
    /// The range of all times.
    pub const ANY: Self = Self { earliest_ms: i64::MIN, latest_ms: i64::MAX };

    /// Returns the range for a record that arrived at `arrived_at_ms`, if calls are counted for
    /// `retention_days` after they were made.
    pub fn for_arrival(arrived_at_ms: i64, retention_days: u32) -> Self {
        let retention_ms = i64::from(retention_days) * crate::window::DAY_MS;
        Self {
            earliest_ms: arrived_at_ms.saturating_sub(retention_ms).max(0),
            latest_ms: arrived_at_ms.saturating_add(MAX_CLOCK_LEAD_MS),
        }
    }
}

/// The decision to bill a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assessment<'a> {
    /// The call is counted in the row of this breakdown.
    Billable(CallBreakdown<'a>),
    /// The call is not billed, for this reason.
    Skipped(SkipReason),
}

impl<'a> UsageRecord<'a> {
    /// Decides if this call is billed.
    ///
    /// ```
    /// use metering_core::class_lists::ClassLists;
    /// use metering_core::billing_rules::BillingRules;
    /// use metering_core::assessment::{Assessment, PlausibleTimes, SkipReason};
    /// use metering_core::usage_record::{CallStatus, UsageRecord};
    ///
    /// let call = UsageRecord {
    ///     api_key_id: Some("key-1"),
    ///     customer_id: Some("acme"),
    ///     status: CallStatus::parse(b"200").expect("three digits"),
    ///     method: Some("GET"),
    ///     route: Some("/orders/{id}"),
    ///     api_id: None,
    ///     stage: None,
    ///     requested_at_ms: 1_795_509_270_000, // 2026-11-24T08:34:30Z
    ///     responded_at_ms: 1_795_509_270_042,
    ///     response_bytes: 0,
    /// };
    /// let times = PlausibleTimes::for_arrival(1_795_509_275_000, 35);
    /// let classes = ClassLists::from_stored(vec![(0, "reads GET *".parse()?)]);
    /// let Assessment::Billable(breakdown) = call.assess(times, &BillingRules::default(), &classes)? else {
    ///     panic!("a successful call of a key is billed")
    /// };
    /// assert_eq!((breakdown.customer_id, breakdown.api_key_id), (Some("acme"), "key-1"));
    /// assert_eq!(breakdown.route_class, Some("reads"));
    /// assert_eq!(breakdown.day.to_string(), "2026-11-24");
    ///
    /// let rules = BillingRules::except("/orders/{id}".parse()?);
    /// assert_eq!(call.assess(times, &rules, &classes)?, Assessment::Skipped(SkipReason::Unbilled));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a call that would be billed has an implausible time, key id or customer id. Such a call
    /// goes to quarantine.
    pub fn assess(
        &self,
        times: PlausibleTimes,
        rules: &BillingRules,
        classes: &'a ClassLists,
    ) -> Result<Assessment<'a>, ImplausibleCall> {
        if !rules.billed_statuses.contains(self.status) {
            return Ok(Assessment::Skipped(SkipReason::UnbilledStatus));
        }
        // Before the key: a CORS preflight has none, which is not worth a warning.
        if rules.unbilled.contains(self.method, self.route) {
            return Ok(Assessment::Skipped(SkipReason::Unbilled));
        }
        let Some(api_key_id) = self.api_key_id else {
            return Ok(Assessment::Skipped(SkipReason::NoApiKey));
        };
        if api_key_id.len() > MAX_KEY_ID_BYTES {
            return Err(ImplausibleCall::KeyIdTooLong { bytes: api_key_id.len() });
        }
        if api_key_id == TOTALS_KEY_ID {
            return Err(ImplausibleCall::KeyIdReserved);
        }
        if let Some(bytes) = self.customer_id.map(str::len).filter(|bytes| *bytes > MAX_CUSTOMER_ID_BYTES) {
            return Err(ImplausibleCall::CustomerIdTooLong { bytes });
        }
        let requested_at_ms = self.requested_at_ms;
        if requested_at_ms < times.earliest_ms {
            return Err(ImplausibleCall::TooOld { requested_at_ms, earliest_ms: times.earliest_ms });
        }
        if requested_at_ms > times.latest_ms {
            return Err(ImplausibleCall::InTheFuture { requested_at_ms, latest_ms: times.latest_ms });
        }
        let CallWindow { day, .. } = CallWindow::at(requested_at_ms).map_err(ImplausibleCall::NoWindow)?;
        Ok(Assessment::Billable(CallBreakdown {
            customer_id: self.customer_id,
            api_key_id,
            route_class: classes.class_of(self),
            day,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage_record::CallStatus;
    use proptest::prelude::*;

    const TIMES: PlausibleTimes = PlausibleTimes { earliest_ms: 1_000, latest_ms: 1_000_000 };

    fn record(status: &str, api_key_id: Option<&'static str>, requested_at_ms: i64) -> UsageRecord<'static> {
        let status = CallStatus::parse(status.as_bytes()).unwrap();
        UsageRecord {
            api_key_id,
            customer_id: None,
            status,
            method: Some("GET"),
            route: Some("/orders/{id}"),
            api_id: None,
            stage: None,
            requested_at_ms,
            responded_at_ms: requested_at_ms,
            response_bytes: 0,
        }
    }

    proptest! {
        #[test]
        fn a_billable_call_is_successful_has_a_key_and_a_plausible_time(
            code in 100_u16..600, has_key in any::<bool>(), requested_at_ms in -2_000_000_i64..2_000_000,
        ) {
            let call = record(&code.to_string(), has_key.then_some("key-1"), requested_at_ms);
            match call.assess(TIMES, &BillingRules::default(), ClassLists::none()) {
                Ok(Assessment::Billable(breakdown)) => {
                    prop_assert!(code / 100 == 2 && has_key && (1_000..=1_000_000).contains(&requested_at_ms));
                    let day = CallWindow::at(requested_at_ms).unwrap().day;
                    prop_assert_eq!(breakdown, CallBreakdown::of_key("key-1", day));
                }
                Ok(Assessment::Skipped(SkipReason::UnbilledStatus)) => prop_assert!(code / 100 != 2),
                Ok(Assessment::Skipped(SkipReason::NoApiKey)) => prop_assert!(code / 100 == 2 && !has_key),
                Ok(Assessment::Skipped(SkipReason::Unbilled)) => prop_assert!(false, "every route is billed"),
                Err(_) => prop_assert!(code / 100 == 2 && has_key && !(1_000..=1_000_000).contains(&requested_at_ms)),
            }
        }
    }

    #[test]
    fn a_key_id_that_has_no_room_in_a_row_is_refused() {
        let long: &'static str = Box::leak("k".repeat(257).into_boxed_str());
        assert_eq!(
            record("200", Some(long), 5_000).assess(TIMES, &BillingRules::default(), ClassLists::none()),
            Err(ImplausibleCall::KeyIdTooLong { bytes: 257 })
        );
        assert_eq!(
            record("200", Some(TOTALS_KEY_ID), 5_000).assess(
                TIMES,
                &BillingRules::default(),
                ClassLists::none()
            ),
            Err(ImplausibleCall::KeyIdReserved)
        );
    }

    #[test]
    fn a_call_is_counted_for_the_customer_in_its_line() {
        let assess = |customer_id: &'static str| {
            let call = UsageRecord { customer_id: Some(customer_id), ..record("200", Some("key-1"), 5_000) };
            call.assess(TIMES, &BillingRules::default(), ClassLists::none())
        };
        let longest: &'static str = Box::leak("c".repeat(64).into_boxed_str());
        let day = CallWindow::at(5_000).unwrap().day;
        let breakdown = CallBreakdown { customer_id: Some(longest), ..CallBreakdown::of_key("key-1", day) };
        assert_eq!(assess(longest), Ok(Assessment::Billable(breakdown)));
        let too_long: &'static str = Box::leak("c".repeat(65).into_boxed_str());
        assert_eq!(assess(too_long).unwrap_err(), ImplausibleCall::CustomerIdTooLong { bytes: 65 });
        assert_eq!(assess(too_long).unwrap_err().reason(), "bad-customer-id");
    }

    #[test]
    fn the_longest_key_id_and_the_first_and_last_plausible_times_are_billed() {
        let longest: &'static str = Box::leak("k".repeat(256).into_boxed_str());
        let assess = |requested_at_ms| {
            record("200", Some(longest), requested_at_ms).assess(
                TIMES,
                &BillingRules::default(),
                ClassLists::none(),
            )
        };
        for requested_at_ms in [1_000, 1_000_000] {
            assert!(matches!(assess(requested_at_ms), Ok(Assessment::Billable(_))), "{requested_at_ms}");
        }
        let reason = |requested_at_ms| assess(requested_at_ms).unwrap_err().reason();
        assert_eq!([999, 1_000_001].map(reason), ["too-old", "in-the-future"]);
    }

    #[test]
    fn a_call_is_counted_at_its_greatest_age_and_lead_and_not_a_millisecond_beyond() {
        let arrived_at_ms = 100 * crate::window::DAY_MS;
        let times = PlausibleTimes::for_arrival(arrived_at_ms, 35);
        let assess =
            |time| record("200", Some("k"), time).assess(times, &BillingRules::default(), ClassLists::none());
        let (oldest, newest) =
            (arrived_at_ms - 35 * crate::window::DAY_MS, arrived_at_ms + crate::window::HOUR_MS);
        assert!(assess(oldest).is_ok() && assess(newest).is_ok());
        assert_eq!(assess(oldest - 1).unwrap_err().reason(), "too-old");
        assert_eq!(assess(newest + 1).unwrap_err().reason(), "in-the-future");
    }

    #[test]
    fn successful_calls_of_an_unbilled_route_are_skipped_with_a_key_and_without() {
        let rules = BillingRules::except("/orders/{id}".parse().unwrap());
        let assess = |status, key| record(status, key, 5_000).assess(TIMES, &rules, ClassLists::none());
        assert_eq!(assess("200", Some("key-1")), Ok(Assessment::Skipped(SkipReason::Unbilled)));
        assert_eq!(assess("204", None), Ok(Assessment::Skipped(SkipReason::Unbilled)));
        assert_eq!(assess("404", None), Ok(Assessment::Skipped(SkipReason::UnbilledStatus)));
    }

    #[test]
    fn a_call_is_billed_if_its_status_is_one_of_those_of_the_deployment() {
        let rules = BillingRules { billed_statuses: "200,304".parse().unwrap(), ..BillingRules::default() };
        let is_billed = |status| {
            let assessment = record(status, Some("key-1"), 5_000).assess(TIMES, &rules, ClassLists::none());
            matches!(assessment, Ok(Assessment::Billable(_)))
        };
        assert_eq!(["200", "304", "201", "404"].map(is_billed), [true, true, false, false]);
    }

    #[test]
    fn plausible_times_follow_the_arrival_of_the_record() {
        let times = PlausibleTimes::for_arrival(100 * crate::window::DAY_MS, 10);
        assert_eq!(times.earliest_ms, 90 * crate::window::DAY_MS);
        assert_eq!(
            times.latest_ms,
            100 * crate::window::DAY_MS + crate::window::HOUR_MS,
            "a clock may lead by an hour"
        );
        assert_eq!(PlausibleTimes::for_arrival(0, 10).earliest_ms, 0, "a negative time is never plausible");
    }
}
