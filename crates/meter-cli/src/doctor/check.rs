//! A check and its finding.

use std::fmt;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;

use super::subject::Subject;

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The assumption is true.
    Ok,
    /// The assumption is false.
    False,
    /// The check could not be made.
    Unknown,
    /// The check does not apply to this system.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::False => "false",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        })
    }
}

/// The result of a check with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub found: String,
    /// The remedy; empty if there is none.
    pub advice: String,
}

impl Finding {
    pub fn ok(found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    pub fn is_false(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::False, found: found.into(), advice: advice.into() }
    }

    pub fn unknown(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, found: found.into(), advice: advice.into() }
    }

    pub fn skipped(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, found: found.into(), advice: advice.into() }
    }

    /// Builds the finding of a check that has failed. If a permission is missing, the advice names the
    /// permissions.
    fn failed(error: &anyhow::Error, permissions: &str) -> Self {
        let found = format!("{error:#}");
        let is_denied = ["AccessDenied", "not authorized to perform"].iter().any(|sign| found.contains(sign));
        let advice = if is_denied {
            format!("allow {permissions} to the user who runs this")
        } else {
            "run this again; if the error persists, examine it".to_owned()
        };
        Self::unknown(found, advice)
    }
}

/// A check of one assumption. It writes nothing.
pub struct Check {
    /// Stable name of the check.
    pub name: &'static str,
    /// Assumption of the code, as a sentence without a full stop.
    pub assumption: &'static str,
    /// The IAM actions that the check needs.
    pub permissions: &'static str,
    /// Function that runs the check.
    pub run: for<'s> fn(&'s Subject) -> BoxFuture<'s, anyhow::Result<Finding>>,
}

impl Check {
    /// Runs the check. An error makes the finding unknown.
    pub async fn finding(&self, subject: &Subject) -> Finding {
        (self.run)(subject).await.unwrap_or_else(|error| Finding::failed(&error, self.permissions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_named() {
        let denied =
            anyhow::anyhow!("User: arn:aws:iam::1:user/u is not authorized to perform: logs:StartQuery");
        let finding = Finding::failed(&denied.context("the log cannot be queried"), "logs:StartQuery");
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.advice, "allow logs:StartQuery to the user who runs this");
        assert!(
            finding.found.contains("cannot be queried") && finding.found.contains("user/u"),
            "{finding:?}"
        );
        let other = Finding::failed(&anyhow::anyhow!("time-out"), "logs:StartQuery");
        assert!(!other.advice.contains("logs:StartQuery"), "{other:?}");
    }
}
