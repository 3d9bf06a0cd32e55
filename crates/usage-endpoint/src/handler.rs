//! Answers `GET /usage`.

use jiff::Timestamp;
use lambda_support::causes::with_causes;
use metering_core::holder::Holder;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{CountingProgress, PortError};
use metering_core::window::{UtcDay, UtcMonth};
use serde::Serialize;
use serde_json::{Value, json};
use usage_report::groups::{Amount, Group, Property, Sums};
use usage_report::source::{RowsOf, UsageRow, UsageSource};

use crate::answer::{LimitUse, UsageAnswer, UsageEntry};
use crate::request::{BadRequest, Scope, UsageRequest};

/// Maximum number of ledger rows that are read for one answer.
pub const MAX_ROWS: usize = 20_000;
/// Maximum number of entries of `usage` in one answer. An answer of Lambda has at most 6 MB.
pub const MAX_ENTRIES: usize = 10_000;

/// Answers requests from the ledger.
#[derive(Debug)]
pub struct Handler<S, P> {
    /// The ledger and the weights.
    pub source: S,
    /// The progress of counting the stream.
    pub progress: P,
}

/// A request that is not answered.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    /// The ledger cannot be read.
    #[error("the usage cannot be read")]
    Unreadable(#[from] PortError),
    /// More than [`MAX_ROWS`] rows would have to be read. The text is what to do.
    #[error("This usage has more than {MAX_ROWS} rows of the ledger. {0}")]
    TooManyRows(&'static str),
    /// The present month has more than [`MAX_ROWS`] rows of the key, which has a limit.
    #[error(
        "The key has more than {MAX_ROWS} rows of the ledger in this month. Ask the operator for its usage."
    )]
    TooManyRowsOfLimit,
    /// The answer would have more than [`MAX_ENTRIES`] entries.
    #[error(
        "The answer would have more than {MAX_ENTRIES} entries. Ask for fewer days, for longer periods, or for fewer groups."
    )]
    TooManyEntries,
}

/// The counted calls that an answer shows.
struct Usage {
    /// Entries of the answer, by group and period.
    entries: Vec<UsageEntry>,
    /// Sum of the entries.
    total: Amount,
    /// The present month and the calls of the key in it; `None` for a key without a limit.
    used_of_limit: Option<(UtcMonth, u64)>,
    /// Request time of the latest counted call, in milliseconds since 1970.
    last_call_ms: Option<i64>,
}

impl<S: UsageSource, P: CountingProgress> Handler<S, P> {
    /// Answers a request of API Gateway, in the form of a Lambda proxy integration.
    /// Every failure is an answer with its status code.
    pub async fn handle(&self, event: &Value, now_ms: impl Fn() -> i64) -> Value {
        let now_ms = now_ms();
        let request = match UsageRequest::read(event, now_ms) {
            Ok(request) => request,
            Err(BadRequest::Parameter(problem)) => return response(400, &json!({"message": problem})),
            Err(BadRequest::NoKey) => {
                tracing::error!(
                    "GET /usage is not behind the API key authorizer: there is no apiKeyId in its context"
                );
                return response(403, &json!({"message": "Send your API key in the x-api-key header."}));
            }
        };
        self.answer(&request, now_ms).await
    }

    /// Answers a valid request, as [`Self::handle`] does.
    pub async fn answer(&self, request: &UsageRequest, now_ms: i64) -> Value {
        // Read before the ledger, which then shows everything that is counted by then.
        let as_of_ms = self.progress.counted_before_ms().await.unwrap_or_else(|error| {
            tracing::warn!(error = %with_causes(&error), "the progress of the stream cannot be read");
            None
        });
        match self.read(request, now_ms).await {
            Ok(usage) => response(200, &answer(request, usage, as_of_ms, now_ms)),
            Err(Unanswered::Unreadable(error)) => {
                tracing::error!(error = %with_causes(&error), "the usage of a key cannot be read");
                response(
                    503,
                    &json!({"message": "The usage cannot be read now. Please try again in a minute."}),
                )
            }
            Err(refused) => response(400, &json!({"message": refused.to_string()})),
        }
    }

    async fn read(&self, request: &UsageRequest, now_ms: i64) -> Result<Usage, Unanswered> {
        let weights = self.source.weights().await?;
        let mut sums = Sums::new(&request.periods, &weights, request.group_by.clone());
        let (mut rows, mut rows_of_limit, mut last_call_ms, mut used) = (0, 0, None, 0);
        let month = request.monthly_limit.and_then(|_| UtcMonth::at(now_ms).ok());
        let counted_as: Vec<MeteredKey> = match &request.caller {
            Holder::Key(key) => key.counted_as().collect(),
            Holder::Customer(_) => Vec::new(),
        };
        for Reading { of, days, for_answer, for_limit } in readings(request, &counted_as, month) {
            let visit = |row: &UsageRow| {
                *(if for_limit { &mut rows_of_limit } else { &mut rows }) += 1;
                let day = row.breakdown.day;
                if for_answer && request.periods.of_row(row).next().is_some() {
                    sums.add(row);
                    last_call_ms = last_call_ms.max(Some(row.last_call_ms));
                }
                if for_limit && month.is_some_and(|month| day.first_of_month() == month.first_day()) {
                    used += row.hours.iter().sum::<u64>();
                }
                if rows > MAX_ROWS {
                    Err(Unanswered::TooManyRows(fewer_rows(request)))
                } else if rows_of_limit > MAX_ROWS {
                    Err(Unanswered::TooManyRowsOfLimit)
                } else if sums.count() > MAX_ENTRIES {
                    Err(Unanswered::TooManyEntries)
                } else {
                    Ok(())
                }
            };
            self.source.visit_rows(of, days, visit).await?;
        }
        let (mut entries, mut total) = (Vec::new(), Amount::of_no_calls(&weights));
        for (group, period, amount) in sums.finish().sums() {
            total += amount;
            entries.push(entry(&request.group_by, group, period, amount));
        }
        Ok(Usage { entries, total, used_of_limit: month.map(|month| (month, used)), last_call_ms })
    }
}

/// Returns what the caller can do to have fewer rows read.
fn fewer_rows(request: &UsageRequest) -> &'static str {
    match (&request.caller, request.of) {
        (Holder::Key(_), Scope::Customer) => "Ask for fewer days, or for of=key.",
        _ => "Ask for fewer days.",
    }
}

/// A read of the ledger for an answer.
struct Reading<'r> {
    of: RowsOf<'r>,
    days: [UtcDay; 2],
    /// `true` if the answer shows the rows.
    for_answer: bool,
    /// `true` if the rows of the present month are the use of the key's limit.
    for_limit: bool,
}

/// Returns the reads for an answer, and for the limit in `month` if the key has one. `counted_as` are the keys under
/// which the calls of the caller's key are counted. No row is read twice for the usage of a key.
fn readings<'r>(
    request: &'r UsageRequest,
    counted_as: &'r [MeteredKey],
    month: Option<UtcMonth>,
) -> Vec<Reading<'r>> {
    let days = request.periods.utc_days();
    let of_keys = |days, for_answer, for_limit| {
        counted_as.iter().map(move |key| Reading { of: RowsOf::Key(key), days, for_answer, for_limit })
    };
    let month = month.map(UtcMonth::days);
    match (request.caller.customer_id(), request.of, month) {
        (Some(customer_id), Scope::Customer, month) => {
            let of = RowsOf::Customer(customer_id);
            let of_limit = month.into_iter().flat_map(|month| of_keys(month, false, true));
            of_limit.chain([Reading { of, days, for_answer: true, for_limit: false }]).collect()
        }
        // A key that belongs to no customer is its own.
        (_, _, None) => of_keys(days, true, false).collect(),
        (_, _, Some(month)) if days[0] <= month[1] && month[0] <= days[1] => {
            of_keys([days[0].min(month[0]), days[1].max(month[1])], true, true).collect()
        }
        (_, _, Some(month)) => of_keys(days, true, false).chain(of_keys(month, false, true)).collect(),
    }
}

/// Returns a response of a Lambda proxy integration, with a JSON document.
pub fn response(status: u16, body: &impl Serialize) -> Value {
    json!({
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "isBase64Encoded": false,
        "body": json!(body).to_string(),
    })
}

fn entry(by: &[Property], group: &Group, period: &str, amount: Amount) -> UsageEntry {
    let text = |value: &Option<Box<str>>| value.as_deref().map(str::to_owned);
    UsageEntry {
        api_key_id: text(&group.api_key_id),
        route_class: by.contains(&Property::Class).then(|| text(&group.route_class)),
        period: period.to_owned(),
        calls: amount.calls,
        credits: amount.credits_text(),
        response_bytes: amount.response_bytes,
    }
}

fn answer(request: &UsageRequest, usage: Usage, as_of_ms: Option<i64>, now_ms: i64) -> UsageAnswer<'_> {
    let [from, to] = request.days.map(|day| day.to_string());
    UsageAnswer {
        of: request.of.name(),
        api_key_id: request.caller.api_key_id(),
        customer_id: request.caller.customer_id(),
        from,
        to,
        time_zone: &request.time_zone,
        as_of: as_of_ms.and_then(time),
        last_call: usage.last_call_ms.and_then(time),
        read_at: time(now_ms),
        calls: usage.total.calls,
        credits: usage.total.credits_text(),
        response_bytes: usage.total.response_bytes,
        usage: usage.entries,
        limit: limit(request, usage.used_of_limit),
    }
}

/// Limit and use of the present month; `None` for a key without a limit.
fn limit(request: &UsageRequest, used: Option<(UtcMonth, u64)>) -> Option<LimitUse> {
    let (monthly_limit, (month, used)) = request.monthly_limit.zip(used)?;
    let remaining = monthly_limit.saturating_sub(used);
    let resets_at = time(month.next().first_day().start_ms());
    Some(LimitUse { monthly_limit, used, remaining, resets_at })
}

fn time(epoch_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(epoch_ms).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use metering_core::metered_key::Breakdown;
    use metering_core::window::HOURS_PER_DAY;
    use usage_report::weights::{PastHours, WeightLists};

    use super::*;

    /// 2026-11-24T08:34:30Z.
    const NOW_MS: i64 = 1_795_509_270_000;

    /// A ledger in memory.
    #[derive(Default)]
    struct MemorySource {
        rows: Vec<UsageRow>,
        weights: WeightLists,
        is_broken: bool,
        /// `true` if all rows of a customer are visited, whatever their day.
        visits_months: bool,
        /// Whose rows were read, in the order of the reads.
        reads: Mutex<Vec<String>>,
    }

    impl UsageSource for MemorySource {
        async fn visit_rows<E: From<PortError> + Send>(
            &self,
            rows: RowsOf<'_>,
            [from, to]: [UtcDay; 2],
            mut visit: impl FnMut(&UsageRow) -> Result<(), E> + Send,
        ) -> Result<(), E> {
            self.reads.lock().unwrap().push(format!("{rows:?}"));
            let is_asked = |row: &&UsageRow| {
                let key = &row.breakdown.key;
                let is_of = match rows {
                    RowsOf::Key(asked) => key == asked,
                    RowsOf::Customer(asked) => key.customer_id.as_deref() == Some(asked),
                    RowsOf::All => true,
                };
                is_of && (self.visits_months || (from..=to).contains(&row.breakdown.day))
            };
            self.rows.iter().filter(is_asked).try_for_each(&mut visit)
        }

        async fn weights(&self) -> Result<WeightLists, PortError> {
            if self.is_broken {
                return Err(PortError::Refused { operation: "reading".into(), source: "it is gone".into() });
            }
            Ok(self.weights.clone())
        }
    }

    struct Progress;

    impl CountingProgress for Progress {
        async fn counted_before_ms(&self) -> Result<Option<i64>, PortError> {
            Ok(Some(NOW_MS - 1_000))
        }
    }

    fn row(customer: Option<&str>, key: &str, day: &str, calls: u64) -> UsageRow {
        let key = MeteredKey { customer_id: customer.map(Into::into), api_key_id: key.into() };
        let mut hours = [0; HOURS_PER_DAY];
        hours[7] = calls;
        let breakdown = Breakdown { key, route_class: Some("search".into()), day: day.parse().unwrap() };
        UsageRow {
            breakdown,
            hours,
            response_bytes: hours.map(|calls| calls * 500),
            last_call_ms: 1_000 * i64::try_from(calls).unwrap(),
        }
    }

    fn rows() -> Vec<UsageRow> {
        vec![
            row(Some("acme"), "a", "2026-11-23", 1),
            row(Some("acme"), "b", "2026-11-24", 20),
            row(Some("zen"), "a", "2026-11-24", 300),
            row(None, "a", "2026-11-24", 4_000),
            row(Some("acme"), "a", "2026-10-31", 50_000),
        ]
    }

    async fn answer(
        source: MemorySource,
        authorizer: &Value,
        parameters: &Value,
    ) -> (u64, Value, Vec<String>) {
        let event =
            json!({"requestContext": {"authorizer": authorizer}, "queryStringParameters": parameters});
        let handler = Handler { source, progress: Progress };
        let answer = handler.handle(&event, || NOW_MS).await;
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), body, handler.source.reads.into_inner().unwrap())
    }

    #[tokio::test]
    async fn a_key_has_the_calls_of_before_it_had_a_customer() {
        let source = MemorySource { rows: rows(), ..MemorySource::default() };
        let acme = json!({"apiKeyId": "a", "customerId": "acme"});
        let (status, usage, reads) = answer(source, &acme, &Value::Null).await;
        assert_eq!((status, &usage["of"], &usage["calls"]), (200, &json!("key"), &json!(4_001)));
        let days = json!([{"period": "2026-11-23", "calls": 1, "credits": null, "response_bytes": 500},
            {"period": "2026-11-24", "calls": 4_000, "credits": null, "response_bytes": 2_000_000}]);
        assert_eq!(usage["usage"], days);
        assert_eq!((&usage["last_call"], &usage["limit"]), (&json!("1970-01-01T01:06:40Z"), &Value::Null));
        assert_eq!(usage["as_of"], "2026-11-24T08:34:29Z");
        assert_eq!(reads.len(), 2, "no limit, so no month is read");
    }

    #[tokio::test]
    async fn a_customer_has_the_calls_of_its_keys_and_of_nobody_else() {
        let source = MemorySource { rows: rows(), ..MemorySource::default() };
        let acme = json!({"apiKeyId": "a", "customerId": "acme", "usageLimit": "4001"});
        let parameters =
            json!({"of": "customer", "group_by": "key,class", "from": "2026-10-31", "by": "month"});
        let (_, usage, _) = answer(source, &acme, &parameters).await;
        let entry = |key: &str, period: &str, calls: u64| json!({"api_key_id": key, "route_class": "search", "period": period, "calls": calls, "credits": null, "response_bytes": calls * 500});
        let entries = [entry("a", "2026-10", 50_000), entry("a", "2026-11", 1), entry("b", "2026-11", 20)];
        assert_eq!((&usage["calls"], &usage["usage"]), (&json!(50_021), &json!(entries)));
        let limit = json!({"monthly_limit": 4_001, "used": 4_001, "remaining": 0, "resets_at": "2026-12-01T00:00:00Z"});
        assert_eq!(usage["limit"], limit, "the limit is that of the key");

        let source = MemorySource { rows: rows(), ..MemorySource::default() };
        let (_, usage, _) = answer(source, &json!({"apiKeyId": "a"}), &json!({"of": "customer"})).await;
        assert_eq!(usage["calls"], 4_000, "a key without a customer is its own");
    }

    #[tokio::test]
    async fn the_usage_page_has_the_calls_of_its_customer_or_key() {
        let usage = |caller: Holder| async move {
            let source = MemorySource { rows: rows(), ..MemorySource::default() };
            let request = UsageRequest::of_page(caller, &json!({"group_by": "key"}), NOW_MS).unwrap();
            let answer = Handler { source, progress: Progress }.answer(&request, NOW_MS).await;
            serde_json::from_str::<Value>(answer["body"].as_str().unwrap()).unwrap()
        };
        let acme = usage(Holder::Customer("acme".into())).await;
        assert_eq!((&acme["of"], &acme["customer_id"]), (&json!("customer"), &json!("acme")));
        assert_eq!((&acme["calls"], &acme["api_key_id"]), (&json!(21), &Value::Null));
        let key = |customer_id: Option<&str>| {
            let customer_id = customer_id.map(Into::into);
            Holder::Key(MeteredKey { customer_id, api_key_id: "a".into() })
        };
        assert_eq!(usage(key(Some("zen"))).await["calls"], 4_300, "also before it had a customer");
        assert_eq!(usage(key(None)).await["calls"], 4_000);
    }

    #[tokio::test]
    async fn only_a_key_of_a_customer_is_told_to_ask_for_its_own_usage() {
        let problem = |request: UsageRequest| async move {
            let rows = vec![row(Some("acme"), "a", "2026-11-24", 1); MAX_ROWS + 1];
            let source = MemorySource { rows, ..MemorySource::default() };
            Handler { source, progress: Progress }.answer(&request, NOW_MS).await["body"].to_string()
        };
        let event = json!({"requestContext": {"authorizer": {"apiKeyId": "a", "customerId": "acme"}},
            "queryStringParameters": {"of": "customer"}});
        let of_api = problem(UsageRequest::read(&event, NOW_MS).unwrap()).await;
        assert!(of_api.contains("Ask for fewer days, or for of=key."), "{of_api}");
        let acme = Holder::Customer("acme".into());
        let of_page = problem(UsageRequest::of_page(acme, &Value::Null, NOW_MS).unwrap()).await;
        assert!(of_page.contains("Ask for fewer days."), "{of_page}");
    }

    #[tokio::test]
    async fn calls_have_credits_if_there_are_weights() {
        let weights =
            WeightLists::default().with(0, "search 0.5".parse().unwrap(), 0, PastHours::Restate).unwrap();
        let source = MemorySource { rows: rows(), weights: weights.clone(), ..MemorySource::default() };
        let (_, usage, _) =
            answer(source, &json!({"apiKeyId": "b", "customerId": "acme"}), &Value::Null).await;
        assert_eq!((&usage["credits"], &usage["usage"][0]["credits"]), (&json!("10"), &json!("10")));
        let source = MemorySource { weights, ..MemorySource::default() };
        let (_, usage, _) = answer(source, &json!({"apiKeyId": "b"}), &Value::Null).await;
        assert_eq!((&usage["credits"], &usage["usage"]), (&json!("0"), &json!([])));
    }

    #[tokio::test]
    async fn an_answer_that_would_be_too_large_says_what_to_ask_for() {
        let of_rows = |number: usize| async move {
            let rows = vec![row(None, "a", "2026-11-24", 1); number];
            answer(MemorySource { rows, ..MemorySource::default() }, &json!({"apiKeyId": "a"}), &Value::Null)
                .await
        };
        assert_eq!(of_rows(MAX_ROWS).await.0, 200);
        let (status, problem, _) = of_rows(MAX_ROWS + 1).await;
        assert_eq!(status, 400);
        let message = problem["message"].as_str().unwrap();
        assert!(message.ends_with("more than 20000 rows of the ledger. Ask for fewer days."), "{message}");

        let acme = json!({"apiKeyId": "a", "customerId": "acme"});
        let parameters = json!({"of": "customer", "group_by": "key", "by": "hour"});
        let of_keys = |number: usize| {
            let rows = (0..number).map(|key| row(Some("acme"), &key.to_string(), "2026-11-24", 1)).collect();
            answer(MemorySource { rows, ..MemorySource::default() }, &acme, &parameters)
        };
        assert_eq!(of_keys(MAX_ENTRIES).await.0, 200);
        let (status, problem, _) = of_keys(MAX_ENTRIES + 1).await;
        assert_eq!(status, 400);
        assert!(problem["message"].as_str().unwrap().contains("more than 10000 entries. Ask for fewer days"));
    }

    #[tokio::test]
    async fn rows_outside_of_the_days_and_for_the_limit_count_towards_the_limit_of_rows() {
        let mut rows = vec![row(Some("acme"), "a", "2026-11-01", 1); MAX_ROWS - 10];
        rows.extend(vec![row(Some("acme"), "b", "2026-11-24", 1); 11]);
        let source = || MemorySource { rows: rows.clone(), visits_months: true, ..MemorySource::default() };
        let parameters = json!({"of": "customer", "from": "2026-11-24"});
        let acme = json!({"apiKeyId": "c", "customerId": "acme"});
        assert_eq!(answer(source(), &acme, &parameters).await.0, 400, "they were read");
        let limited = json!({"apiKeyId": "a", "usageLimit": 5});
        let rows = vec![row(None, "a", "2026-11-01", 1); MAX_ROWS + 1];
        let source = MemorySource { rows, ..MemorySource::default() };
        assert_eq!(answer(source, &limited, &json!({"from": "2026-10-01", "to": "2026-10-02"})).await.0, 400);
    }

    #[tokio::test]
    async fn the_usage_of_a_key_and_its_limit_are_read_once_if_their_days_overlap() {
        let reads = |parameters: Value| async move {
            let source = MemorySource { rows: rows(), ..MemorySource::default() };
            let limited = json!({"apiKeyId": "a", "usageLimit": 9_000});
            let (_, usage, reads) = answer(source, &limited, &parameters).await;
            (usage["calls"].clone(), usage["limit"]["used"].clone(), reads.len())
        };
        assert_eq!(reads(Value::Null).await, (json!(4_000), json!(4_000), 1));
        let early = json!({"from": "2026-10-31", "to": "2026-11-02"});
        assert_eq!(reads(early).await, (json!(0), json!(4_000), 1), "no day of the limit is in the answer");
        let apart = json!({"from": "2026-10-30", "to": "2026-10-31"});
        assert_eq!(reads(apart).await, (json!(0), json!(4_000), 2));
    }

    #[tokio::test]
    async fn a_zone_s_day_ends_at_its_midnight_also_for_the_latest_call() {
        let hours = |hour: usize, last_call_ms: i64| {
            let mut row = row(None, "a", "2026-11-24", 1);
            row.hours = [0; HOURS_PER_DAY];
            row.hours[hour] = 5;
            UsageRow { last_call_ms, ..row }
        };
        // 05:00 UTC is midnight in New York.
        let mut released = hours(0, 0);
        released.hours = [0; HOURS_PER_DAY];
        let source =
            MemorySource { rows: vec![hours(4, 100), hours(5, 200), released], ..MemorySource::default() };
        let parameters = json!({"time_zone": "America/New_York", "from": "2026-11-23", "to": "2026-11-23"});
        let (_, usage, _) = answer(source, &json!({"apiKeyId": "a"}), &parameters).await;
        assert_eq!((&usage["calls"], &usage["last_call"]), (&json!(5), &json!("1970-01-01T00:00:00.1Z")));
        assert_eq!(usage["usage"][0]["period"], "2026-11-23");
        let row = UsageRow { last_call_ms: 0, ..row(None, "a", "2026-11-24", 0) };
        let source = MemorySource { rows: vec![row], ..MemorySource::default() };
        let (_, usage, _) = answer(source, &json!({"apiKeyId": "a"}), &Value::Null).await;
        assert_eq!((&usage["last_call"], &usage["usage"]), (&Value::Null, &json!([])), "a row without calls");
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_read_is_a_503_without_its_details() {
        let source = MemorySource { is_broken: true, ..MemorySource::default() };
        let (status, problem, _) = answer(source, &json!({"apiKeyId": "a"}), &Value::Null).await;
        assert_eq!(status, 503);
        assert!(!problem.to_string().contains("gone"), "{problem}");
    }
}
