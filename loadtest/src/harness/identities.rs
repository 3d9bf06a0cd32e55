//! The comparison of calls by their identities.
//!
//! Three sets are compared: the request ids that clients saw in successful responses, the calls in
//! the access log, and the calls that stream records have claimed to count. A call that a client
//! saw answered must be logged, and what is logged must be claimed once, and nothing else. The
//! ledger must have as many calls of each key and hour as the access log. A call without a response
//! that its client saw may be logged or not. If no other calls of the keys were made on the days of
//! the run, the calls in the ledger must also be those of the access log, by their fingerprints. On a
//! stack that the load test has started, this holds for each route class as well.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use access_log::{Decoder, Limits};
use anyhow::Context;
use deployment::settings::UNBILLED_ROUTES;
use metering_aws::call_log::CallLog;
use metering_aws::logged_events::{Judge, LoggedEvent, read_events};
use metering_aws::{DynamoClaimStore, DynamoLedgerCounts};
use metering_core::billing_rules::BillingRules;
use metering_core::call_id::CallId;
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT, LogStreamHash, SliceKey};
use metering_core::claims::owner::Purpose;
use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::ClaimStore;
use metering_core::reconciliation::{ComparedIdentities, DailyIdentities, HourlyCalls, Reconciliation};
use metering_core::window::{CallWindow, DAY_MS, HOUR_MS, hour_start_ms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::harness::client_counts::TimeSpan;
use crate::harness::route_classes::{self, CallsByClass};
use crate::harness::system_under_test::SystemUnderTest;

/// A successful call whose response its client saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AnsweredCall {
    /// Index of the key.
    pub key: u32,
    /// Request id, from the response's header.
    pub request_id: String,
}

/// The result of the comparison, in numbers of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityCheck {
    /// Successful calls whose response a client saw.
    pub answered: u64,
    /// Successful calls of a key in the access log.
    pub logged: u64,
    /// Calls that stream records have claimed to count.
    pub claimed: u64,
    /// Answered calls that are not in the access log, or there with another key.
    pub answered_not_logged: u64,
    /// Logged calls whose response no client saw.
    pub logged_not_answered: u64,
    /// Logged calls that no record has claimed to count.
    pub logged_not_claimed: u64,
    /// Claimed calls that are not in the access log.
    pub claimed_not_logged: u64,
    /// Calls that are claimed to be counted more than once.
    pub claimed_twice: u64,
    /// Number of calls that are in quarantine.
    pub in_quarantine: u64,
    /// Calls that the ledger lacks or has beyond the access log, summed over all keys and hours.
    pub ledger_differences: u64,
    /// Days of keys on which the ledger has as many calls as the access log, but not the same ones.
    #[serde(default)]
    pub days_with_other_calls: u64,
    /// Days of keys and route classes on which the ledger has other calls than the access log.
    #[serde(default)]
    pub class_days_with_other_calls: u64,
}

impl IdentityCheck {
    /// Returns `true` if each call is where it has to be, once.
    pub fn is_exact(&self) -> bool {
        let wrong = [
            self.answered_not_logged,
            self.logged_not_claimed,
            self.claimed_not_logged,
            self.claimed_twice,
            self.in_quarantine,
            self.ledger_differences,
            self.days_with_other_calls,
            self.class_days_with_other_calls,
        ];
        wrong.iter().all(|calls| *calls == 0)
    }

    /// Describes the result in a sentence.
    pub fn sentence(&self) -> String {
        let Self { answered, logged, claimed, logged_not_answered, .. } = self;
        let result = if self.is_exact() {
            "each is where it has to be, once".to_owned()
        } else {
            format!(
                "{} answered calls are not logged, {} logged calls not claimed, {} claimed calls not logged, {} claimed twice, {} in quarantine, the ledger differs from the access log by {}, {} days of keys and {} days of their route classes have other calls",
                self.answered_not_logged,
                self.logged_not_claimed,
                self.claimed_not_logged,
                self.claimed_twice,
                self.in_quarantine,
                self.ledger_differences,
                self.days_with_other_calls,
                self.class_days_with_other_calls
            )
        };
        format!(
            "by identity: {answered} answered calls, {logged} logged ({logged_not_answered} of them without a response that a client saw), {claimed} claimed to be counted; {result}"
        )
    }
}

/// A call in the access log.
struct LoggedCall {
    id: CallId,
    key: MeteredKey,
    route_class: Option<&'static str>,
    requested_at_ms: i64,
}

/// Calls of the access log by request id.
type Logged = HashMap<String, LoggedCall>;

/// The members of an access-log line that the comparison reads by itself.
#[derive(Deserialize)]
struct Line {
    id: String,
    status: String,
}

/// Compares all calls of a run. All calls have to be processed.
///
/// # Errors
/// Returns an error if the access log, the claims or the ledger cannot be read.
pub async fn check(
    system: &SystemUnderTest,
    keys: &[MeteredKey],
    answered: &[AnsweredCall],
    span: TimeSpan,
) -> anyhow::Result<IdentityCheck> {
    let layout: ClaimLayout = DEFAULT_LAYOUT.parse()?;
    let slices = slices(&layout, span);
    let span =
        TimeSpan { from_ms: slices.first().map_or(span.from_ms, |slice| slice.start_ms), to_ms: span.to_ms };
    let logged = logged_calls(system, layout, span).await?;
    let mut check = IdentityCheck { logged: logged.len() as u64, ..IdentityCheck::default() };
    check.compare_answered(keys, answered, &logged);
    check.compare_claims(&claims(system, slices).await?, &logged);
    let (found, identities) = compare_ledger(system, keys, &logged, span).await?;
    check.ledger_differences = found.missing() + found.surplus();
    check.days_with_other_calls = identities.other.len() as u64;
    if system.is_own_stack() {
        check.class_days_with_other_calls = compare_classes(system, keys, &logged).await?;
    }
    Ok(check)
}

/// Returns the slices in which calls of a span are claimed. The default layout has one group.
fn slices(layout: &ClaimLayout, span: TimeSpan) -> Vec<SliceKey> {
    let mut slices: Vec<SliceKey> = (span.from_ms..=span.to_ms)
        .step_by(100)
        .map(|at_ms| layout.slice_of(at_ms, LogStreamHash::default()))
        .collect();
    slices.dedup();
    slices
}

async fn logged_calls(
    system: &SystemUnderTest,
    layout: ClaimLayout,
    span: TimeSpan,
) -> anyhow::Result<Logged> {
    let judge = Judge { layout, rules: BillingRules::except(UNBILLED_ROUTES.parse()?) };
    let groups = vec![system.meter.names.access_log_group.clone()];
    let log = CallLog::new(system.logs.clone(), groups, judge.rules.clone());
    let mut decoder = Decoder::new(Limits::default());
    let mut logged = Logged::new();
    log.events::<anyhow::Error>(span.from_ms, span.to_ms, async |log_group, events| {
        let mut by_log_stream: BTreeMap<String, Vec<LoggedEvent>> = BTreeMap::new();
        for event in events {
            by_log_stream.entry(event.log_stream.clone()).or_default().push(event);
        }
        for events in by_log_stream.into_values() {
            for call in
                read_events(&mut decoder, &judge, log_group, &events).iter().flat_map(|read| &read.calls)
            {
                let message = &events[call.event as usize].message;
                let line: Line =
                    serde_json::from_str(message).context("a line of the access log is malformed")?;
                let (id, requested_at_ms) = (call.id, call.requested_at_ms);
                if (span.from_ms..span.to_ms).contains(&requested_at_ms) {
                    let key = call.key.clone();
                    let route_class = route_classes::class_of(line.status.parse()?);
                    logged.insert(line.id, LoggedCall { id, key, route_class, requested_at_ms });
                }
            }
        }
        Ok(())
    })
    .await
    .context("cannot read the access log")?;
    Ok(logged)
}

/// Reads the claims of slices. Each claimed call has the purposes for which it is claimed.
async fn claims(system: &SystemUnderTest, slices: Vec<SliceKey>) -> anyhow::Result<Vec<(CallId, Purpose)>> {
    let store = DynamoClaimStore::new(system.dynamodb.clone(), &system.meter.names.claims_table);
    let mut claims = Vec::new();
    for slice in slices {
        let pages = store.read_slice(slice).await.context("cannot read the claims")?;
        for run in pages.into_iter().flat_map(|stored| stored.page.runs) {
            claims.extend(run.ids.iter().map(|id| (*id, run.owner.purpose)));
        }
    }
    Ok(claims)
}

/// Compares the calls of the keys, by hour and by identity.
async fn compare_ledger(
    system: &SystemUnderTest,
    keys: &[MeteredKey],
    logged: &Logged,
    span: TimeSpan,
) -> anyhow::Result<(Reconciliation, ComparedIdentities)> {
    let own: HashSet<&MeteredKey> = keys.iter().collect();
    let (mut by_hour, mut by_day) = (HourlyCalls::new(), DailyIdentities::new());
    for call in logged.values().filter(|call| own.contains(&call.key)) {
        let day = CallWindow::at(call.requested_at_ms)?.day;
        *by_hour.entry((call.key.clone(), hour_start_ms(call.requested_at_ms))).or_default() += 1;
        by_day.entry((call.key.clone(), day)).or_default().add(call.id);
    }
    let ledger = DynamoLedgerCounts::new(system.dynamodb.clone(), &system.meter.names.usage_table);
    let (mut counted, mut identities) = (HourlyCalls::new(), DailyIdentities::new());
    let (from_ms, to_ms) = (hour_start_ms(span.from_ms), hour_start_ms(span.to_ms) + HOUR_MS);
    for start_ms in (from_ms - from_ms.rem_euclid(DAY_MS)..to_ms).step_by(usize::try_from(DAY_MS)?) {
        let day = CallWindow::at(start_ms)?.day;
        let calls = ledger.calls_of_day(keys.to_vec(), day).await?;
        identities.extend(calls.identities);
        counted.extend(calls.by_hour);
    }
    counted.retain(|(_, hour_ms), _| (from_ms..to_ms).contains(hour_ms));
    Ok((Reconciliation::compare(&by_hour, &counted), ComparedIdentities::compare(&by_day, &identities)))
}

/// Compares the calls of the keys by route class. Returns the number of keys, days and classes of
/// which the ledger has other calls.
async fn compare_classes(
    system: &SystemUnderTest,
    keys: &[MeteredKey],
    logged: &Logged,
) -> anyhow::Result<u64> {
    let own: HashSet<&MeteredKey> = keys.iter().collect();
    let mut expected = CallsByClass::default();
    let mut days = BTreeSet::new();
    for call in logged.values().filter(|call| own.contains(&call.key)) {
        let day = CallWindow::at(call.requested_at_ms)?.day;
        let breakdown =
            Breakdown { key: call.key.clone(), route_class: call.route_class.map(Into::into), day };
        expected.add(breakdown, call.id, call.requested_at_ms)?;
        days.insert(day);
    }
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(0) };
    let ledger = DynamoLedgerCounts::new(system.dynamodb.clone(), &system.meter.names.usage_table);
    Ok(expected.differences(&ledger.usage_by_class(keys.to_vec(), *first, *last).await?))
}

impl IdentityCheck {
    fn compare_answered(&mut self, keys: &[MeteredKey], answered: &[AnsweredCall], logged: &Logged) {
        let mut seen = HashSet::new();
        for call in answered {
            let is_logged = logged
                .get(&call.request_id)
                .is_some_and(|logged| Some(&logged.key) == keys.get(call.key as usize));
            self.answered_not_logged += u64::from(!is_logged);
            seen.insert(call.request_id.as_str());
        }
        self.answered = answered.len() as u64;
        self.logged_not_answered = logged.keys().filter(|id| !seen.contains(id.as_str())).count() as u64;
    }

    fn compare_claims(&mut self, claims: &[(CallId, Purpose)], logged: &Logged) {
        let in_log: HashSet<CallId> = logged.values().map(|call| call.id).collect();
        let mut to_count = HashSet::new();
        let mut kept = HashSet::new();
        for (id, purpose) in claims {
            match purpose {
                Purpose::Count => self.claimed_twice += u64::from(!to_count.insert(*id)),
                Purpose::Keep | Purpose::Refused => drop(kept.insert(*id)),
            }
        }
        self.claimed = to_count.len() as u64;
        self.in_quarantine = kept.difference(&to_count).count() as u64;
        self.logged_not_claimed = in_log.difference(&to_count).count() as u64;
        self.claimed_not_logged = to_count.difference(&in_log).count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(ids: &[&str]) -> Logged {
        let call = |id: &&str| {
            let call = LoggedCall {
                id: CallId::new(id, 5),
                key: MeteredKey::without_customer("key"),
                route_class: None,
                requested_at_ms: 5,
            };
            ((*id).to_owned(), call)
        };
        ids.iter().map(call).collect()
    }

    fn claim(id: &str, purpose: Purpose) -> (CallId, Purpose) {
        (CallId::new(id, 5), purpose)
    }

    #[test]
    fn a_call_that_is_lost_or_counted_twice_is_found() {
        let logged = logged(&["a", "b", "c"]);
        let mut check = IdentityCheck::default();
        let both = [claim("a", Purpose::Count), claim("b", Purpose::Count), claim("c", Purpose::Count)];
        check.compare_claims(&both, &logged);
        assert!(check.is_exact() && check.claimed == 3, "{check:?}");

        let wrong = [
            claim("a", Purpose::Count),
            claim("a", Purpose::Count),
            claim("b", Purpose::Keep),
            claim("x", Purpose::Count),
        ];
        let mut check = IdentityCheck::default();
        check.compare_claims(&wrong, &logged);
        let found =
            (check.claimed_twice, check.in_quarantine, check.logged_not_claimed, check.claimed_not_logged);
        assert_eq!(found, (1, 1, 2, 1));
        assert!(!check.is_exact() && check.sentence().contains("1 claimed twice"));
    }

    #[test]
    fn other_calls_in_the_ledger_are_no_exact_result() {
        let check = IdentityCheck { class_days_with_other_calls: 1, ..IdentityCheck::default() };
        assert!(!check.is_exact());
        let check = IdentityCheck { days_with_other_calls: 1, ..IdentityCheck::default() };
        assert!(!check.is_exact());
        assert!(
            check.sentence().contains("1 days of keys and 0 days of their route classes have other calls"),
            "{}",
            check.sentence()
        );
    }

    #[test]
    fn an_answered_call_has_to_be_logged_with_its_key() {
        let answered = |key, id: &str| AnsweredCall { key, request_id: id.to_owned() };
        let keys = ["key", "other"].map(MeteredKey::without_customer);
        let mut check = IdentityCheck::default();
        check.compare_answered(&keys, &[answered(0, "a")], &logged(&["a", "b"]));
        assert_eq!((check.answered_not_logged, check.logged_not_answered), (0, 1));
        let mut check = IdentityCheck::default();
        check.compare_answered(&keys, &[answered(1, "a"), answered(0, "x")], &logged(&["a"]));
        assert_eq!((check.answered_not_logged, check.is_exact()), (2, false));
    }
}
