//! Checks an access-log format: fills it in with various values and checks the resulting lines.

use std::io::Write;

use access_log::log_format::ApiKind;
use anyhow::bail;
use local_stack::call_judge::{Judge, Judgement, Outcome};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::lines::{Processing, describe};
use super::sample::{ABSENT, Format, STATUS, value};
use super::variables::{detect_kind, is_client_text, only_kind};
use crate::closed_output::stdout;
use crate::output::write_json;

/// Maximum size of a format, in bytes. Source: API Gateway
/// Developer Guide, "Quotas for configuring and running a REST API" ("Access log template size").
const MAX_FORMAT_BYTES: usize = 3 << 10;
/// Texts with which a client could change the line: they end a JSON string and begin another.
const HOSTILE_TEXTS: [&str; 3] = ["a \"quoted\" name", "it\\'s", "\",\"status\":\"404\",\"x\":\""];
/// Variables with a key id: from the meter's authorizer, and from API Gateway's own keys.
const KEY_VARIABLES: [&str; 2] = ["authorizer.apiKeyId", "identity.apiKeyId"];

/// A finding about a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// `true` if billable calls may be lost, unreadable or billed wrongly; `false` for a note.
    is_problem: bool,
    /// Subject, as a stable word.
    about: &'static str,
    /// Description and remedy.
    text: String,
}

/// The result of checking a format.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Kind of the API: `rest` or `http`.
    api: String,
    /// Size of the format, in bytes.
    format_bytes: usize,
    /// Size of the sample line, in bytes.
    line_bytes: usize,
    /// Line of an ordinary successful call.
    sample_line: String,
    /// Predicted processing of the sample line.
    sample: Processing,
    /// Problems and notes.
    findings: Vec<Finding>,
}

/// Checks a format and prints the findings.
pub fn check(text: &str, kind: Option<ApiKind>, mut judge: Judge, json: bool) -> anyhow::Result<()> {
    let (report, outcome) = report(text, kind, &mut judge);
    let problems = report.findings.iter().filter(|finding| finding.is_problem).count();
    let mut output = stdout();
    if json {
        write_json(&mut output, &report)?;
    } else {
        print(&report, &outcome, &mut output)?;
    }
    if problems > 0 {
        bail!("calls in this format would be lost, unreadable or billed wrongly: {problems} problems");
    }
    Ok(())
}

/// Returns the problems of a format: calls would be lost, unreadable or billed wrongly.
pub fn problems(text: &str, kind: ApiKind, mut judge: Judge) -> Vec<String> {
    let (report, _) = report(text, Some(kind), &mut judge);
    let problems = report.findings.into_iter().filter(|finding| finding.is_problem);
    problems.map(|finding| finding.text).collect()
}

fn print(report: &Report, outcome: &Outcome, output: &mut impl Write) -> std::io::Result<()> {
    writeln!(output, "Access-log format of {} APIs, {} bytes", report.api, report.format_bytes)?;
    writeln!(output, "Line of a call, {} bytes: {}", report.line_bytes, report.sample_line)?;
    match outcome {
        Outcome::Billed { key, .. } => writeln!(output, "It is delivered, read and billed to {key}.")?,
        other => writeln!(output, "It is not billed: {}", describe(other))?,
    }
    for finding in &report.findings {
        let mark = if finding.is_problem { "problem" } else { "note" };
        writeln!(output, "{mark}: {}", finding.text)?;
    }
    if report.findings.is_empty() {
        writeln!(output, "No problem was found.")?;
    }
    Ok(())
}

/// Checks a format. Returns the report and the outcome of the sample line.
fn report(text: &str, kind: Option<ApiKind>, judge: &mut Judge) -> (Report, Outcome) {
    let format = Format::parse(text);
    let kind = kind.or_else(|| detect_kind(format.names().into_iter())).unwrap_or_default();
    let mut check = Check { format, kind, now_ms: now_ms(), judge, findings: Vec::new() };
    check.check_limits(text);
    check.check_kind();
    let sample_line = check.fill(&[]);
    let sample = check.judge.judge(&sample_line);
    check.check_sample(&sample);
    if sample.outcome.is_billed() {
        check.check_identity(&sample);
        check.check_response_length(&sample);
        check.check_absent_values();
        check.check_client_texts(&sample);
    }
    let line_bytes = sample_line.len();
    let report = Report {
        api: kind.to_string(),
        format_bytes: text.len(),
        line_bytes,
        sample_line,
        sample: Processing::new(&sample),
        findings: check.findings,
    };
    (report, sample.outcome)
}

struct Check<'j> {
    format: Format,
    kind: ApiKind,
    now_ms: i64,
    judge: &'j mut Judge,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn add_problem(&mut self, about: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { is_problem: true, about, text: text.into() });
    }

    fn add_note(&mut self, about: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { is_problem: false, about, text: text.into() });
    }

    /// Builds the line of an ordinary call, with other values for some variables.
    fn fill(&self, other: &[(&str, &str)]) -> String {
        self.format.fill(|name| match other.iter().find(|(variable, _)| *variable == name) {
            Some((_, text)) => (*text).to_owned(),
            // A variable that the kind of API does not have has no value.
            None if only_kind(name).is_some_and(|only| only != self.kind) => ABSENT.to_owned(),
            None => value(name, self.kind, self.now_ms),
        })
    }

    /// Finds what API Gateway refuses.
    fn check_limits(&mut self, text: &str) {
        if text.contains('\n') {
            self.add_problem("line_break", "the format has a line break; API Gateway requires a single line");
        }
        if text.len() > MAX_FORMAT_BYTES {
            let problem =
                format!("the format has {} bytes; API Gateway accepts {MAX_FORMAT_BYTES}", text.len());
            self.add_problem("size", problem);
        }
        if !self.format.has("requestId") && !self.format.has("extendedRequestId") {
            self.add_problem(
                "request_id",
                "the format has neither $context.extendedRequestId nor $context.requestId; API Gateway requires one of them",
            );
        }
    }

    /// Finds variables of the other kind of API.
    fn check_kind(&mut self) {
        let kind = self.kind;
        let is_odd = |name: &&str| only_kind(name).is_some_and(|only| only != kind);
        let odd: Vec<String> = self.format.names().into_iter().filter(is_odd).map(str::to_owned).collect();
        for name in odd {
            let text = format!("{kind} APIs have no $context.{name}; its value is always \"-\"");
            match (name.as_str(), kind) {
                ("resourcePath", _) => {
                    self.add_problem(
                        "kind",
                        format!("{text}, so unbilled routes are not recognized; use $context.routeKey"),
                    );
                }
                ("routeKey", _) => {
                    self.add_problem(
                        "kind",
                        format!("{text}, so unbilled routes are not recognized; use $context.resourcePath"),
                    );
                }
                _ => self.add_note("kind", text),
            }
        }
    }

    /// Finds problems of the line of an ordinary call.
    fn check_sample(&mut self, sample: &Judgement) {
        match &sample.outcome {
            Outcome::Billed { key, .. } => {
                if !KEY_VARIABLES.contains(&key.as_str()) {
                    let text = format!(
                        "the key is not $context.{}, which the authorizer of the meter sets: it is read as {key:?}",
                        KEY_VARIABLES[0]
                    );
                    self.add_problem("key", text);
                }
            }
            Outcome::NotBilled { .. } if sample.status == Some(STATUS) => self.add_problem(
                "key",
                format!("no key id is read; add \"key\":\"$context.{}\"", KEY_VARIABLES[0]),
            ),
            Outcome::NotBilled { reason } => self.add_problem("not_billed", format!("an ordinary call is not billed: {reason}")),
            Outcome::Quarantined { detail, .. } => {
                self.add_problem("unreadable", format!("an ordinary call goes to quarantine: {detail}"));
            }
            Outcome::Lost { detail } | Outcome::Ignored { detail } => self.add_problem(
                "not_delivered",
                format!("the subscription filter does not deliver an ordinary call; write \"status\":\"$context.status\". {detail}"),
            ),
        }
        if sample.status.is_some_and(|status| status != STATUS) {
            self.add_problem("status", "the status is read from another variable; use $context.status");
        }
        if sample.outcome.is_billed() && !self.format.has("authorizer.customerId") {
            self.add_note(
                "customer",
                "no customer is read, so calls of a customer's key are counted for the key alone; add \"customerId\":\"$context.authorizer.customerId\" if keys belong to customers",
            );
        }
        if sample.outcome.is_billed() && !sample.has_route {
            let variable = if self.kind == ApiKind::Http { "routeKey" } else { "resourcePath" };
            self.add_note(
                "route",
                format!("no route is read, so UNBILLED_ROUTES with a path match nothing; add \"route\":\"$context.{variable}\""),
            );
        }
    }

    /// Finds the variable that identifies a call.
    fn check_identity(&mut self, sample: &Judgement) {
        let mut depends = |name: &str| {
            let line = self.fill(&[(name, "another-id")]);
            self.judge.judge(&line).id != sample.id
        };
        let (by_extended, by_request) = (depends("extendedRequestId"), depends("requestId"));
        if !by_extended && !by_request {
            self.add_problem(
                "identity",
                "no request id is read, so a call that is delivered again in other events is counted twice; add \"id\":\"$context.extendedRequestId\", or for an HTTP API $context.requestId",
            );
        } else if self.kind == ApiKind::Rest && !by_extended {
            self.add_note(
                "identity",
                "calls are identified by $context.requestId, which a client of a REST API can choose: calls with the same id in the same millisecond are counted once. Use $context.extendedRequestId",
            );
        }
    }

    /// Finds a length of the response that is read from another variable.
    fn check_response_length(&mut self, sample: &Judgement) {
        let other = self.judge.judge(&self.fill(&[("responseLength", "345")]));
        if sample.response_bytes > 0 && other.response_bytes == sample.response_bytes {
            self.add_problem(
                "response_length",
                "the bytes of responses are read from another variable; use \"bytes\":\"$context.responseLength\", or rename the member",
            );
        }
    }

    /// Checks a line in which API Gateway has written "-" for all values that can be absent.
    fn check_absent_values(&mut self) {
        let needed = ["status", "requestTimeEpoch", "requestTime", "extendedRequestId", "requestId"];
        let names = self.format.names();
        let absent: Vec<(&str, &str)> = names
            .into_iter()
            .filter(|name| !needed.contains(name) && !KEY_VARIABLES.contains(name))
            .map(|name| (name, ABSENT))
            .collect();
        let judgement = self.judge.judge(&self.fill(&absent));
        let unquoted = self.format.unquoted();
        let variables: Vec<String> = unquoted
            .into_iter()
            .filter(|name| absent.iter().any(|(other, _)| other == name))
            .map(|name| format!("$context.{name}"))
            .collect();
        let variables = variables.join(", ");
        if judgement.outcome.is_problem() {
            let problem = format!(
                "a call goes to quarantine if API Gateway writes \"-\" for {}: {}",
                if variables.is_empty() { "a value" } else { &variables },
                describe(&judgement.outcome)
            );
            self.add_problem("absent_value", problem);
        } else if !judgement.readable_line {
            self.add_note(
                "absent_value",
                format!(
                    "put quotes around {variables}: if API Gateway writes \"-\", the line is not JSON. The meter reads it, but the metric ReadableLines does not count it, so that an alarm is raised"
                ),
            );
        }
    }

    /// Checks lines in which a client has chosen hostile texts.
    fn check_client_texts(&mut self, sample: &Judgement) {
        let names: Vec<String> =
            self.format.names().into_iter().filter(|name| is_client_text(name)).map(str::to_owned).collect();
        for name in names {
            let harmed = HOSTILE_TEXTS.iter().find_map(|hostile| {
                let line = self.fill(&[(&name, *hostile)]);
                let judgement = self.judge.judge(&line);
                (!is_same_call(&judgement, sample)).then_some(judgement.outcome)
            });
            if let Some(outcome) = harmed {
                let text = format!(
                    "the client chooses the text of $context.{name}; if it contains a quote, the result is: {}. AWS does not document that such text is escaped. Remove the variable",
                    describe(&outcome)
                );
                self.add_problem("client_text", text);
            }
        }
    }
}

/// Returns `true` if a line is billed as the sample is.
fn is_same_call(judgement: &Judgement, sample: &Judgement) -> bool {
    judgement.outcome == sample.outcome && judgement.status == sample.status && judgement.id == sample.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::billing_rules::BillingRules;
    use metering_core::class_lists::ClassLists;

    fn found(text: &str, kind: Option<ApiKind>) -> (bool, Vec<(bool, &'static str)>) {
        let mut judge = Judge::new(BillingRules::default(), ClassLists::default()).unwrap();
        let (report, outcome) = report(text, kind, &mut judge);
        let findings = report.findings.iter().map(|finding| (finding.is_problem, finding.about)).collect();
        (outcome.is_billed(), findings)
    }

    #[test]
    fn nothing_is_wrong_with_the_documented_formats() {
        for kind in [ApiKind::Rest, ApiKind::Http] {
            assert_eq!(found(kind.access_log_format(), None), (true, vec![]), "{kind}");
            assert_eq!(found(kind.access_log_format(), Some(kind)), (true, vec![]), "{kind}");
            let with_length = kind.access_log_format_with_response_length();
            assert_eq!(found(&with_length, Some(kind)), (true, vec![]), "{with_length}");
        }
        let long = r#"{"extendedRequestId":"$context.extendedRequestId","apiKeyId":"$context.authorizer.apiKeyId","requestTimeEpoch":"$context.requestTimeEpoch","status":"$context.status","resourcePath":"$context.resourcePath"}"#;
        assert_eq!(found(long, None), (true, vec![(false, "customer")]));
    }

    #[test]
    fn each_thing_that_is_wrong_is_found() {
        let rest = ApiKind::Rest.access_log_format();
        let with = |member: &str| rest.replacen('{', &format!("{{{member},"), 1);
        for (format, about) in [
            (rest.replace("\"status\":", "\"code\":"), "not_delivered"),
            (rest.replace("\"key\":", "\"customer\":"), "key"),
            (rest.replace("authorizer.apiKeyId", "authorizer.principalId"), "key"),
            (rest.replace("\"time\":", "\"when\":"), "unreadable"),
            (rest.replace("\"id\":", "\"request\":"), "identity"),
            (rest.replace("$context.status", "$context.integration.status"), "status"),
            (rest.replace("$context.extendedRequestId", "none"), "request_id"),
            (with("\"bytes\":\"$context.integrationLatency\""), "response_length"),
            (rest.replace("\",\"", "\",\n\""), "line_break"),
            (with(&format!("\"pad\":\"{}\"", "x".repeat(3_000))), "size"),
            (with("\"agent\":\"$context.identity.userAgent\""), "client_text"),
            (with("\"path\":\"$context.path\""), "client_text"),
            (rest.replace("\"$context.status\"", "{\"code\":\"$context.status\"}"), "not_delivered"),
        ] {
            let (_, findings) = found(&format, None);
            assert!(findings.contains(&(true, about)), "{about}: {findings:?} of {format}");
        }
        // A route of the other kind of API is never known.
        for (kind, other) in [(ApiKind::Rest, ApiKind::Http), (ApiKind::Http, ApiKind::Rest)] {
            assert!(found(kind.access_log_format(), Some(other)).1.contains(&(true, "kind")), "{kind}");
        }
    }

    #[test]
    fn what_does_no_harm_is_noted() {
        let rest = ApiKind::Rest.access_log_format();
        for (format, about) in [
            (rest.replacen('{', "{\"l\":$context.integrationLatency,", 1), "absent_value"),
            (rest.replace("extendedRequestId", "requestId"), "identity"),
            (rest.replace("\"route\":", "\"resource\":"), "route"),
            (rest.replacen('{', "{\"d\":\"$context.dataProcessed\",", 1), "kind"),
        ] {
            assert_eq!(found(&format, Some(ApiKind::Rest)), (true, vec![(false, about)]), "{format}");
        }
    }
}
