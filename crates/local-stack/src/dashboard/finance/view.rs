//! The rows of a report that a reader wants to see, in their order.

use std::cmp::Ordering;

use metering_core::window::time_text;
use serde::Deserialize;
use serde_json::{Value, json};
use usage_report::credits::Credits;
use usage_report::groups::{Amount, Group};

use super::query::ReportQuery;
use super::read::{Report, ReportRow};

/// Default and maximum number of rows of an answer.
const PAGE_ROWS: usize = 100;
const MAX_PAGE_ROWS: usize = 1_000;

/// Which rows of a report are shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    #[default]
    All,
    WithUsage,
    WithoutUsage,
    OverLimit,
}

/// The columns by which rows are sorted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Column {
    Customer,
    Key,
    Class,
    Owner,
    Plan,
    #[default]
    Calls,
    Credits,
    ResponseBytes,
    MonthlyLimit,
    LastCall,
}

/// The direction in which rows are sorted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Ascending,
    #[default]
    Descending,
}

/// The rows that the page asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ViewParameters {
    /// Properties by which usage is grouped, separated by commas.
    pub by: String,
    /// Text that a row has to contain.
    filter: String,
    /// Only rows of this customer.
    customer: String,
    show: Shown,
    sort: Column,
    order: Order,
    /// Number of rows to leave out. From the number of rows on, the last page is shown.
    offset: usize,
    rows: Option<usize>,
}

impl ViewParameters {
    /// Returns a page of rows with the sums of all rows that are shown, and of the whole report.
    pub fn document(&self, query: &ReportQuery, report: &Report) -> Value {
        let rows = self.rows(report);
        let credits = report.total.credits.map(|_| Credits::default());
        let mut shown = Amount { credits, ..Amount::default() };
        for row in &rows {
            shown += row.amount;
        }
        let count = self.rows.unwrap_or(PAGE_ROWS).clamp(1, MAX_PAGE_ROWS);
        let last_page = rows.len().saturating_sub(1) / count * count;
        let offset = if self.offset < rows.len() { self.offset } else { last_page };
        let page: Vec<Value> = rows.iter().skip(offset).take(count).map(|row| document(row)).collect();
        let amount = |amount: Amount| json!({"calls": amount.calls, "credits": amount.credits_text(), "response_bytes": amount.response_bytes});
        json!({
            "at_ms": report.at_ms, "from": query.span.from.to_string(), "to": query.span.to.to_string(),
            "zone": query.span.zone,
            "total": amount(report.total), "total_rows": report.rows.len(),
            "shown": amount(shown), "shown_rows": rows.len(), "offset": offset, "rows": page,
        })
    }

    /// Returns the rows that are shown, in their order.
    pub fn rows<'r>(&self, report: &'r Report) -> Vec<&'r ReportRow> {
        let wanted = self.filter.trim().to_lowercase();
        let is_shown = |row: &&ReportRow| {
            let is_of_kind = match self.show {
                Shown::All => true,
                Shown::WithUsage => row.amount.calls > 0,
                Shown::WithoutUsage => row.amount.calls == 0,
                Shown::OverLimit => row.is_over_limit,
            };
            let is_of_customer =
                self.customer.is_empty() || row.group.customer_id.as_deref() == Some(&self.customer);
            is_of_kind && is_of_customer && row.text.contains(&wanted)
        };
        let mut rows: Vec<&ReportRow> = report.rows.iter().filter(is_shown).collect();
        rows.sort_by(|left, right| {
            let compared = self.compare(left, right);
            if self.order == Order::Ascending { compared } else { compared.reverse() }
        });
        rows
    }

    fn compare(&self, left: &ReportRow, right: &ReportRow) -> Ordering {
        match self.sort {
            Column::Customer => left.group.customer_id.cmp(&right.group.customer_id),
            Column::Key => left.group.api_key_id.cmp(&right.group.api_key_id),
            Column::Class => left.group.route_class.cmp(&right.group.route_class),
            Column::Owner => left.owner.cmp(&right.owner),
            Column::Plan => left.plan.cmp(&right.plan),
            Column::Calls => left.amount.calls.cmp(&right.amount.calls),
            Column::Credits => left.amount.credits.cmp(&right.amount.credits),
            Column::ResponseBytes => left.amount.response_bytes.cmp(&right.amount.response_bytes),
            Column::MonthlyLimit => left.monthly_limit.cmp(&right.monthly_limit),
            Column::LastCall => left.last_call_ms.cmp(&right.last_call_ms),
        }
    }
}

fn document(row: &ReportRow) -> Value {
    let Group { customer_id, api_key_id, route_class } = &row.group;
    json!({
        "customer": customer_id, "key": api_key_id, "class": route_class, "owner": row.owner, "plan": row.plan,
        "calls": row.amount.calls, "credits": row.amount.credits_text(), "monthly_limit": row.monthly_limit,
        "is_over_limit": row.is_over_limit, "response_bytes": row.amount.response_bytes,
        "is_deleted": row.is_deleted, "last_call_ms": row.last_call_ms,
    })
}

/// Returns the cells of a row of CSV.
pub fn cells(row: &ReportRow, range: &str) -> [String; 10] {
    let Group { customer_id, api_key_id, route_class } = &row.group;
    let text = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().to_owned();
    let last_call = if row.last_call_ms == 0 { String::new() } else { time_text(row.last_call_ms) };
    [
        text(customer_id),
        text(api_key_id),
        text(route_class),
        row.owner.clone(),
        row.plan.clone(),
        range.to_owned(),
        row.amount.calls.to_string(),
        row.amount.credits_text().unwrap_or_default(),
        row.amount.response_bytes.to_string(),
        last_call,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(customer: &str, key: &str, calls: u64, limit: Option<u64>) -> ReportRow {
        let some = |text: &str| Some(text.into()).filter(|_| !text.is_empty());
        ReportRow {
            group: Group { customer_id: some(customer), api_key_id: some(key), route_class: None },
            amount: Amount { calls, ..Amount::default() },
            owner: format!("owner of {key}"),
            plan: String::new(),
            monthly_limit: limit,
            is_over_limit: limit.is_some_and(|limit| calls > limit),
            is_deleted: false,
            last_call_ms: 0,
            text: format!("{customer} {key} owner of {key}"),
        }
    }

    fn report() -> Report {
        let rows = vec![
            row("acme", "a", 3, Some(2)),
            row("acme", "b", 0, Some(2)),
            row("", "c", 7, None),
            row("umbra", "d", 2, Some(2)),
        ];
        Report { rows, total: Amount { calls: 12, ..Amount::default() }, at_ms: 0, read_at_us: 0, took_us: 0 }
    }

    fn keys(parameters: &str) -> String {
        let view: ViewParameters = serde_json::from_str(parameters).unwrap();
        let report = report();
        let rows = view.rows(&report);
        rows.iter().map(|row| row.group.api_key_id.as_deref().unwrap()).collect()
    }

    #[test]
    fn rows_are_sorted_and_filtered() {
        assert_eq!(keys("{}"), "cadb", "most calls first");
        assert_eq!(keys(r#"{"sort": "key", "order": "ascending"}"#), "abcd");
        assert_eq!(keys(r#"{"show": "with_usage"}"#), "cad");
        assert_eq!(keys(r#"{"show": "without_usage"}"#), "b");
        assert_eq!(keys(r#"{"show": "over_limit"}"#), "a", "as many calls as the limit are not above it");
        assert_eq!(keys(r#"{"filter": " OWNER of C"}"#), "c");
        assert_eq!(keys(r#"{"customer": "acme", "sort": "customer"}"#), "ab");
    }

    #[test]
    fn an_answer_is_a_page_with_the_sums_of_all_that_is_shown() {
        let view: ViewParameters =
            serde_json::from_str(r#"{"rows": 1, "offset": 1, "show": "with_usage"}"#).unwrap();
        let query = ReportQuery::new(&super::super::RangeParameters::default(), "").unwrap();
        let document = view.document(&query, &report());
        assert_eq!((&document["shown_rows"], &document["total_rows"]), (&json!(3), &json!(4)));
        assert_eq!((&document["shown"]["calls"], &document["total"]["calls"]), (&json!(12), &json!(12)));
        assert_eq!(document["rows"].as_array().unwrap().len(), 1);
        assert_eq!(document["rows"][0]["key"], "a");
        assert_eq!(document["rows"][0]["is_over_limit"], true);
    }

    #[test]
    fn an_offset_beyond_the_rows_shows_the_last_page() {
        let query = ReportQuery::new(&super::super::RangeParameters::default(), "").unwrap();
        let offset = |parameters: &str| {
            let view: ViewParameters = serde_json::from_str(parameters).unwrap();
            let document = view.document(&query, &report());
            (document["offset"].as_u64().unwrap(), document["rows"].as_array().unwrap().len())
        };
        assert_eq!(offset(r#"{"rows": 3, "offset": 4}"#), (3, 1));
        assert_eq!(offset(r#"{"rows": 2, "offset": 900}"#), (2, 2));
        assert_eq!(offset(r#"{"rows": 2, "offset": 900, "filter": "nobody"}"#), (0, 0));
    }
}
