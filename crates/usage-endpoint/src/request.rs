//! Parses a request: the key of the caller, the days, and how usage is broken down.
//!
//! Key and customer come from the authorizer's context alone, which a client cannot write, or from the token of the
//! usage page. Nothing else in the request names them.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use metering_core::holder::Holder;
use metering_core::metered_key::MeteredKey;
use metering_core::window::UtcDay;
use serde_json::Value;
use usage_report::groups::Property;
use usage_report::periods::{Period, Periods, time_zone};

/// Limit of the days of one answer.
pub const MAX_DAYS: i32 = 100;

/// Whose usage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The usage of the caller's key.
    Key,
    /// The usage of all keys of the caller's customer.
    Customer,
}

impl Scope {
    /// Returns the value of the parameter `of`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Customer => "customer",
        }
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Key, Self::Customer]
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or("write key or customer")
    }
}

/// A valid request.
#[derive(Debug)]
pub struct UsageRequest {
    /// Holder of the API key or of the portal token.
    pub caller: Holder,
    /// Monthly limit of the key, in calls; `None` if it has no limit.
    pub monthly_limit: Option<u64>,
    /// Whose usage is asked for.
    pub of: Scope,
    /// Properties by which usage is grouped: key, route class, both or none.
    pub group_by: Vec<Property>,
    /// First and last day of the answer.
    pub days: [Date; 2],
    /// Time zone of the days.
    pub time_zone: String,
    /// The periods of the answer.
    pub periods: Periods,
}

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRequest {
    /// The method is not behind the API key authorizer.
    NoKey,
    /// A parameter is invalid.
    Parameter(String),
}

/// The parameters of a request as they are written.
#[derive(Debug, Default)]
struct Parameters {
    of: Option<Scope>,
    from: Option<Date>,
    to: Option<Date>,
    by: Option<Period>,
    group_by: Vec<Property>,
    time_zone: Option<String>,
}

impl Parameters {
    fn read(parameters: &Value) -> Result<Self, String> {
        let mut read = Self::default();
        for (name, value) in parameters.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            match name.as_str() {
                "of" => read.of = Some(parsed(name, text)?),
                "from" => read.from = Some(day(name, text)?),
                "to" => read.to = Some(day(name, text)?),
                "by" => read.by = Some(parsed(name, text)?),
                "group_by" => read.group_by = properties(text)?,
                "time_zone" => read.time_zone = Some(text.to_owned()),
                _ => return Err("the parameters are of, from, to, by, group_by and time_zone".to_owned()),
            }
        }
        Ok(read)
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

fn day(name: &str, text: &str) -> Result<Date, String> {
    parsed::<UtcDay>(name, text)?;
    parsed(name, text)
}

fn properties(text: &str) -> Result<Vec<Property>, String> {
    // The caller has one customer.
    let property = |name: &str| name.trim().parse().ok().filter(|property| *property != Property::Customer);
    let properties: Option<Vec<Property>> = text.split(',').map(property).collect();
    properties.ok_or_else(|| "group_by: write key, class or key,class".to_owned())
}

impl UsageRequest {
    /// Parses a request of a REST API, or of an HTTP API with payload format 2.0.
    ///
    /// # Errors
    /// When the context has no key, or a parameter is invalid.
    pub fn read(event: &Value, now_ms: i64) -> Result<Self, BadRequest> {
        let context = &event["requestContext"]["authorizer"];
        // HTTP APIs put the context of a Lambda authorizer one level deeper.
        let context = if context["lambda"].is_object() { &context["lambda"] } else { context };
        let api_key_id = context["apiKeyId"].as_str().filter(|id| !id.is_empty()).ok_or(BadRequest::NoKey)?;
        // REST APIs convert numbers to strings.
        let limit = &context["usageLimit"];
        let monthly_limit = limit.as_u64().or_else(|| limit.as_str()?.parse().ok());
        let customer_id = match &context["customerId"] {
            Value::Null => None,
            Value::String(id) => Some(id.as_str()).filter(|id| !id.is_empty()).map(Into::into),
            // The access log has its text, under which the calls are counted.
            other => Some(other.to_string().into()),
        };
        let key = MeteredKey { customer_id, api_key_id: api_key_id.into() };
        let read = || {
            let parameters = Parameters::read(&event["queryStringParameters"])?;
            let of = parameters.of.unwrap_or(Scope::Key);
            Self::new(Holder::Key(key), of, monthly_limit, parameters, now_ms)
        };
        read().map_err(BadRequest::Parameter)
    }

    /// Parses the query parameters of the usage page, whose token says who asks: `from`, `to`, `by`, `group_by` and
    /// `time_zone`.
    ///
    /// # Errors
    /// Returns what is wrong with a parameter.
    pub fn of_page(caller: Holder, parameters: &Value, now_ms: i64) -> Result<Self, String> {
        let parameters = Parameters::read(parameters)?;
        if parameters.of.is_some() {
            return Err("the parameters are from, to, by, group_by and time_zone".to_owned());
        }
        let of = match caller {
            Holder::Key(_) => Scope::Key,
            Holder::Customer(_) => Scope::Customer,
        };
        Self::new(caller, of, None, parameters, now_ms)
    }

    fn new(
        caller: Holder,
        of: Scope,
        monthly_limit: Option<u64>,
        parameters: Parameters,
        now_ms: i64,
    ) -> Result<Self, String> {
        let Parameters { of: _, from, to, by, group_by, time_zone: name } = parameters;
        let name = name.unwrap_or_else(|| "UTC".to_owned());
        let zone = time_zone(&name).map_err(|error| format!("time_zone: {error}"))?;
        let now = Timestamp::from_millisecond(now_ms).map_err(|_| "the clock of the service is wrong")?;
        let to = to.unwrap_or_else(|| zone.to_datetime(now).date());
        let from = from.unwrap_or_else(|| to.first_of_month());
        if from > to {
            return Err(format!("from {from} is after to {to}"));
        }
        if to.since(from).map_err(|_| "the days are out of range")?.get_days() >= MAX_DAYS {
            return Err(format!("at most {MAX_DAYS} days can be asked for at once"));
        }
        let periods = Periods::new([from, to], zone, by.unwrap_or(Period::Day));
        Ok(Self {
            caller,
            monthly_limit,
            of,
            group_by,
            days: [from, to],
            time_zone: name,
            periods: periods.map_err(|error| format!("time_zone: {error}"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 2026-11-24T08:34:30Z.
    const NOW_MS: i64 = 1_795_509_270_000;

    fn read(authorizer: &Value, parameters: &Value) -> Result<UsageRequest, BadRequest> {
        let event =
            json!({"requestContext": {"authorizer": authorizer}, "queryStringParameters": parameters});
        UsageRequest::read(&event, NOW_MS)
    }

    fn days(request: &UsageRequest) -> [String; 2] {
        request.days.map(|day| day.to_string())
    }

    fn problem(parameters: &Value) -> String {
        match read(&json!({"apiKeyId": "key-1"}), parameters) {
            Err(BadRequest::Parameter(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_key_comes_from_the_authorizer_of_either_kind_of_api() {
        let rest = json!({"apiKeyId": "key-1", "usageLimit": "100", "principalId": "key-1"});
        for authorizer in [rest, json!({"lambda": {"apiKeyId": "key-1", "usageLimit": 100}})] {
            let request = read(&authorizer, &Value::Null).unwrap();
            assert_eq!(
                (&request.caller, request.monthly_limit),
                (&Holder::Key(MeteredKey::without_customer("key-1")), Some(100))
            );
            assert_eq!(days(&request), ["2026-11-01", "2026-11-24"]);
            assert_eq!((request.of, request.group_by.len()), (Scope::Key, 0));
        }
        let of_customer = read(&json!({"apiKeyId": "key-1", "customerId": "acme"}), &Value::Null).unwrap();
        assert_eq!(of_customer.caller.customer_id(), Some("acme"));
    }

    #[test]
    fn a_question_is_read_alike_from_either_payload_format() {
        let parameters = json!({"from": "2026-11-01", "to": "2026-11-02", "of": "customer"});
        let question = |event: Value| UsageRequest::read(&event, NOW_MS);
        let rest = json!({"resource": "/usage", "queryStringParameters": parameters,
            "requestContext": {"authorizer": {"apiKeyId": "key-1"}}});
        let http = json!({"version": "2.0", "routeKey": "GET /usage", "queryStringParameters": parameters,
            "requestContext": {"authorizer": {"lambda": {"apiKeyId": "key-1"}}}});
        for event in [rest, http] {
            let request = question(event).unwrap();
            assert_eq!(
                (days(&request), request.of),
                (["2026-11-01".into(), "2026-11-02".into()], Scope::Customer)
            );
        }
        // Without parameters format 2.0 has no such member; two values of one are joined.
        let bare =
            json!({"version": "2.0", "requestContext": {"authorizer": {"lambda": {"apiKeyId": "key-1"}}}});
        assert_eq!(days(&question(bare.clone()).unwrap())[1], "2026-11-24");
        let mut twice = bare;
        twice["queryStringParameters"] = json!({"from": "2026-11-01,2026-11-02"});
        assert!(matches!(question(twice), Err(BadRequest::Parameter(_))));
    }

    #[test]
    fn nothing_that_a_client_sends_names_a_key_or_a_customer() {
        let key = json!({"apiKeyId": "key-1"});
        for name in ["apiKeyId", "api_key_id", "key", "x-api-key", "customer", "customerId"] {
            assert!(matches!(read(&key, &json!({name: "key-2"})), Err(BadRequest::Parameter(_))));
        }
        assert_eq!(problem(&json!({"of": "acme"})), "of: write key or customer");
        let event = json!({"headers": {"apiKeyId": "key-2"}, "body": "{\"apiKeyId\":\"key-2\"}",
            "pathParameters": {"apiKeyId": "key-2"}, "requestContext": {"authorizer": key}});
        let caller = UsageRequest::read(&event, NOW_MS).unwrap().caller;
        assert_eq!(caller, Holder::Key(MeteredKey::without_customer("key-1")));
        for nobody in [Value::Null, json!({}), json!({"apiKeyId": ""}), json!({"apiKeyId": 7})] {
            assert_eq!(read(&nobody, &Value::Null).unwrap_err(), BadRequest::NoKey);
        }
    }

    #[test]
    fn the_usage_page_is_of_the_holder_of_its_token() {
        let of_page = |caller: Holder, parameters: Value| UsageRequest::of_page(caller, &parameters, NOW_MS);
        let customer = Holder::Customer("acme".into());
        let request = of_page(customer.clone(), json!({"group_by": "key"})).unwrap();
        assert_eq!((request.of, request.group_by.as_slice()), (Scope::Customer, [Property::Key].as_slice()));
        assert_eq!((request.caller.customer_id(), request.caller.api_key_id()), (Some("acme"), None));
        let key = Holder::Key(MeteredKey { customer_id: Some("acme".into()), api_key_id: "key-1".into() });
        assert_eq!(of_page(key, Value::Null).unwrap().of, Scope::Key);
        for parameters in [json!({"of": "customer"}), json!({"customer_id": "zen"})] {
            assert!(of_page(customer.clone(), parameters).unwrap_err().starts_with("the parameters are"));
        }
    }

    #[test]
    fn days_that_make_no_sense_are_named() {
        for day in ["2026-13-01", "20261101", "2026-11-01T00:00:00", ""] {
            assert!(problem(&json!({"from": day})).contains("from: a day is written YYYY-MM-DD"), "{day}");
        }
        assert!(problem(&json!({"from": "2026-11-02", "to": "2026-11-01"})).contains("is after"));
        assert!(
            problem(&json!({"from": "2026-08-16", "to": "2026-11-24"})).contains("at most 100 days"),
            "101 days"
        );
        assert!(
            read(&json!({"apiKeyId": "key-1"}), &json!({"from": "2026-08-17", "to": "2026-11-24"})).is_ok()
        );
        let earlier = read(&json!({"apiKeyId": "key-1"}), &json!({"to": "2026-02-10"})).unwrap();
        assert_eq!(days(&earlier)[0], "2026-02-01");
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        let auckland =
            read(&json!({"apiKeyId": "key-1"}), &json!({"time_zone": "Pacific/Auckland"})).unwrap();
        assert_eq!(days(&auckland), ["2026-11-01", "2026-11-24"]);
        let kiritimati = json!({"time_zone": "Pacific/Kiritimati"});
        let late_ms = NOW_MS + 2 * 3_600_000;
        let event =
            json!({"requestContext": {"authorizer": {"apiKeyId": "k"}}, "queryStringParameters": kiritimati});
        assert_eq!(days(&UsageRequest::read(&event, late_ms).unwrap())[1], "2026-11-25");
        assert!(problem(&json!({"time_zone": "Berlin"})).contains("write it as Europe/Berlin"));
        assert!(problem(&json!({"time_zone": "Asia/Kolkata"})).contains("Use a time zone of whole hours"));
    }

    #[test]
    fn usage_is_grouped_by_key_and_class() {
        let group_by =
            |text: &str| read(&json!({"apiKeyId": "k"}), &json!({"group_by": text})).unwrap().group_by;
        assert_eq!(group_by("key, class"), [Property::Key, Property::Class]);
        for other in ["customer", "route", "key,customer", ""] {
            assert_eq!(problem(&json!({"group_by": other})), "group_by: write key, class or key,class");
        }
        assert!(problem(&json!({"by": "week"})).starts_with("by: usage is added up by hour, day"));
    }
}
