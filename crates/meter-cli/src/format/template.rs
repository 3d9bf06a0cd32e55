//! Checks an access-log format: by filling it in and judging the lines.

use std::io::Write;

use access_log::log_format::ApiKind;
use anyhow::bail;
use lambda_support::clock::now_ms;
use serde::Serialize;

use super::judge::{Judge, Judgement, Outcome};
use super::sample::{ABSENT, Format, STATUS, value};
use super::variables::{is_client_text, kind_of, only_kind};

/// The longest format that API Gateway takes, in bytes. Source: API Gateway
/// Developer Guide, "Quotas for configuring and running a REST API" ("Access log template size").
const MAX_FORMAT_BYTES: usize = 3 << 10;
/// What a client may write to be rude: it ends a text and begins another.
const RUDE_TEXTS: [&str; 3] = ["a \"quoted\" name", "it\\'s", "\",\"status\":\"404\",\"x\":\""];
/// Variables by which a key is known: that of the meter's authorizer, and that of API Gateway's own keys.
const KEY_VARIABLES: [&str; 2] = ["authorizer.apiKeyId", "identity.apiKeyId"];

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether a call to be billed may be lost or unreadable; else it is worth knowing.
    pub is_problem: bool,
    /// What it is about, as a word.
    pub about: &'static str,
    /// What it is, and what to do.
    pub text: String,
}

/// What was found of a format.
#[derive(Debug, Serialize)]
struct Report {
    api: String,
    format_bytes: usize,
    line_bytes: usize,
    sample_line: String,
    sample: Judgement,
    findings: Vec<Finding>,
}

/// Checks a format and prints what was found.
pub fn check(text: &str, kind: Option<ApiKind>, mut judge: Judge, json: bool) -> anyhow::Result<()> {
    let report = report(text, kind, &mut judge);
    let problems = report.findings.iter().filter(|finding| finding.is_problem).count();
    let mut output = std::io::stdout().lock();
    if json {
        writeln!(output, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, &mut output)?;
    }
    if problems > 0 {
        bail!("calls in this format would be lost, unreadable or billed wrongly: {problems} problems");
    }
    Ok(())
}

fn print(report: &Report, output: &mut impl Write) -> std::io::Result<()> {
    writeln!(output, "An access-log format of {} APIs, {} bytes", report.api, report.format_bytes)?;
    writeln!(output, "A line of a call, {} bytes: {}", report.line_bytes, report.sample_line)?;
    match &report.sample.outcome {
        Outcome::Billed { key, .. } => writeln!(output, "It is delivered, read and billed to {key}.")?,
        other => writeln!(output, "It comes to nothing: {}", super::lines::described(other))?,
    }
    for finding in &report.findings {
        let mark = if finding.is_problem { "problem" } else { "note" };
        writeln!(output, "{mark}: {}", finding.text)?;
    }
    if report.findings.is_empty() {
        writeln!(output, "Nothing is wrong with it.")?;
    }
    Ok(())
}

fn report(text: &str, kind: Option<ApiKind>, judge: &mut Judge) -> Report {
    let format = Format::read(text);
    let kind = kind.or_else(|| kind_of(format.names().into_iter())).unwrap_or_default();
    let mut check = Check { format, kind, now_ms: now_ms(), judge, findings: Vec::new() };
    check.form(text);
    check.kinds();
    let sample_line = check.filled(&[]);
    let sample = check.judge.line(&sample_line);
    check.sample(&sample);
    if sample.outcome.is_billed() {
        check.identity(&sample);
        check.absent_values();
        check.client_texts(&sample);
    }
    let line_bytes = sample_line.len();
    Report {
        api: kind.to_string(),
        format_bytes: text.len(),
        line_bytes,
        sample_line,
        sample,
        findings: check.findings,
    }
}

struct Check<'j> {
    format: Format,
    kind: ApiKind,
    now_ms: i64,
    judge: &'j mut Judge,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn problem(&mut self, about: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { is_problem: true, about, text: text.into() });
    }

    fn note(&mut self, about: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { is_problem: false, about, text: text.into() });
    }

    /// A line with the values of a usual call, but for some.
    fn filled(&self, other: &[(&str, &str)]) -> String {
        self.format.fill(|name| match other.iter().find(|(variable, _)| *variable == name) {
            Some((_, text)) => (*text).to_owned(),
            // What the kind of API does not have has no value.
            None if only_kind(name).is_some_and(|only| only != self.kind) => ABSENT.to_owned(),
            None => value(name, self.kind, self.now_ms),
        })
    }

    /// What API Gateway refuses.
    fn form(&mut self, text: &str) {
        if text.contains('\n') {
            self.problem("line_break", "it has a line break inside; API Gateway takes one line");
        }
        if text.len() > MAX_FORMAT_BYTES {
            let problem = format!("it has {} bytes; API Gateway takes {MAX_FORMAT_BYTES}", text.len());
            self.problem("size", problem);
        }
        if !self.format.has("requestId") && !self.format.has("extendedRequestId") {
            self.problem(
                "request_id",
                "it has neither $context.extendedRequestId nor $context.requestId; API Gateway wants one of them",
            );
        }
    }

    fn kinds(&mut self) {
        let kind = self.kind;
        let is_odd = |name: &&str| only_kind(name).is_some_and(|only| only != kind);
        let odd: Vec<String> = self.format.names().into_iter().filter(is_odd).map(str::to_owned).collect();
        for name in odd {
            let text = format!("{kind} APIs have no $context.{name}; its value is always \"-\"");
            match (name.as_str(), kind) {
                ("resourcePath", _) => {
                    self.problem(
                        "kind",
                        format!("{text}, so no unbilled route is known by it; take $context.routeKey"),
                    );
                }
                ("routeKey", _) => {
                    self.problem(
                        "kind",
                        format!("{text}, so no unbilled route is known by it; take $context.resourcePath"),
                    );
                }
                _ => self.note("kind", text),
            }
        }
    }

    /// What is wrong with a usual call.
    fn sample(&mut self, sample: &Judgement) {
        match &sample.outcome {
            Outcome::Billed { key, .. } => {
                if !KEY_VARIABLES.contains(&key.as_str()) {
                    let text = format!(
                        "the key is not $context.{}, which the authorizer of the meter gives: it reads as {key:?}",
                        KEY_VARIABLES[0]
                    );
                    self.problem("key", text);
                }
            }
            Outcome::NotBilled { .. } if sample.status == Some(STATUS) => self.problem(
                "key",
                format!("no key id is read; add \"key\":\"$context.{}\"", KEY_VARIABLES[0]),
            ),
            Outcome::NotBilled { reason } => self.problem("not_billed", format!("a usual call is not billed: {reason}")),
            Outcome::Quarantined { detail, .. } => {
                self.problem("unreadable", format!("a usual call goes to quarantine: {detail}"));
            }
            Outcome::Lost { detail } | Outcome::Ignored { detail } => self.problem(
                "not_delivered",
                format!("the subscription filter does not deliver a usual call; write \"status\":\"$context.status\". {detail}"),
            ),
        }
        if sample.status.is_some_and(|status| status != STATUS) {
            self.problem("status", "the status is that of another variable; take $context.status");
        }
        if sample.outcome.is_billed() && sample.route.1.is_none() {
            let variable = if self.kind == ApiKind::Http { "routeKey" } else { "resourcePath" };
            self.note(
                "route",
                format!("no route is read, so UNBILLED_ROUTES with a path match nothing; add \"route\":\"$context.{variable}\""),
            );
        }
    }

    /// Which request id a call is known by.
    fn identity(&mut self, sample: &Judgement) {
        let mut depends = |name: &str| {
            let line = self.filled(&[(name, "another-id")]);
            self.judge.line(&line).id != sample.id
        };
        let (by_extended, by_request) = (depends("extendedRequestId"), depends("requestId"));
        if !by_extended && !by_request {
            self.problem(
                "identity",
                "no request id is read, so a call that is delivered twice by other events counts twice; add \"id\":\"$context.extendedRequestId\", or of an HTTP API $context.requestId",
            );
        } else if self.kind == ApiKind::Rest && !by_extended {
            self.note(
                "identity",
                "calls are known by $context.requestId, which a client of a REST API can choose: calls with the same one in the same millisecond count once. Take $context.extendedRequestId",
            );
        }
    }

    /// What a call is worth whose line has "-" for whatever API Gateway may not know.
    fn absent_values(&mut self) {
        let needed = ["status", "requestTimeEpoch", "requestTime", "extendedRequestId", "requestId"];
        let names = self.format.names();
        let absent: Vec<(&str, &str)> = names
            .into_iter()
            .filter(|name| !needed.contains(name) && !KEY_VARIABLES.contains(name))
            .map(|name| (name, ABSENT))
            .collect();
        let judgement = self.judge.line(&self.filled(&absent));
        let unquoted = self.format.unquoted();
        let variables: Vec<String> = unquoted
            .into_iter()
            .filter(|name| absent.iter().any(|(other, _)| other == name))
            .map(|name| format!("$context.{name}"))
            .collect();
        let variables = variables.join(", ");
        if judgement.outcome.is_problem() {
            let problem = format!(
                "a call goes to quarantine where API Gateway writes \"-\" for {}: {}",
                if variables.is_empty() { "a value" } else { &variables },
                super::lines::described(&judgement.outcome)
            );
            self.problem("absent_value", problem);
        } else if !judgement.readable_line {
            self.note(
                "absent_value",
                format!(
                    "put quotes around {variables}: where API Gateway writes \"-\" the line is no JSON. The meter reads it, but the metric ReadableLines does not count it, so an alarm goes on"
                ),
            );
        }
    }

    /// What a client can do by the texts that it chooses.
    fn client_texts(&mut self, sample: &Judgement) {
        let names: Vec<String> =
            self.format.names().into_iter().filter(|name| is_client_text(name)).map(str::to_owned).collect();
        for name in names {
            let harmed = RUDE_TEXTS.iter().find_map(|rude| {
                let line = self.filled(&[(&name, *rude)]);
                let judgement = self.judge.line(&line);
                (!is_same_call(&judgement, sample)).then_some(judgement.outcome)
            });
            if let Some(outcome) = harmed {
                let text = format!(
                    "$context.{name} holds text that the client chooses; where it has a quote, this becomes of the call: {}. AWS does not document that such text is escaped. Leave the variable out",
                    super::lines::described(&outcome)
                );
                self.problem("client_text", text);
            }
        }
    }
}

/// Whether a line is billed as the sample is.
fn is_same_call(judgement: &Judgement, sample: &Judgement) -> bool {
    judgement.outcome == sample.outcome && judgement.status == sample.status && judgement.id == sample.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::unbilled::UnbilledRoutes;

    fn found(text: &str, kind: Option<ApiKind>) -> (bool, Vec<(bool, &'static str)>) {
        let mut judge = Judge::new(UnbilledRoutes::default()).unwrap();
        let report = report(text, kind, &mut judge);
        let findings = report.findings.iter().map(|finding| (finding.is_problem, finding.about)).collect();
        (report.sample.outcome.is_billed(), findings)
    }

    #[test]
    fn nothing_is_wrong_with_the_documented_formats() {
        for kind in [ApiKind::Rest, ApiKind::Http] {
            assert_eq!(found(kind.access_log_format(), None), (true, vec![]), "{kind}");
            assert_eq!(found(kind.access_log_format(), Some(kind)), (true, vec![]), "{kind}");
        }
        let long = r#"{"extendedRequestId":"$context.extendedRequestId","apiKeyId":"$context.authorizer.apiKeyId","requestTimeEpoch":"$context.requestTimeEpoch","status":"$context.status","resourcePath":"$context.resourcePath"}"#;
        assert_eq!(found(long, None), (true, vec![]));
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
