//! A check and its finding.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::subject::Subject;

/// Whether an assumption holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The assumption holds.
    Ok,
    /// The assumption does not hold.
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

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the assumption holds.
    pub verdict: Verdict,
    /// The observation.
    pub found: String,
    /// The remedy; empty where there is none.
    pub advice: String,
}

impl Finding {
    /// The assumption holds.
    pub fn ok(found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    /// The assumption does not hold.
    pub fn is_false(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::False, found: found.into(), advice: advice.into() }
    }

    /// The check could not be made.
    pub fn unknown(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, found: found.into(), advice: advice.into() }
    }

    /// The check does not apply to this system.
    pub fn skipped(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, found: found.into(), advice: advice.into() }
    }

    /// The check could not be made.
    fn failed(error: &anyhow::Error, permissions: &str) -> Self {
        let told = format!("{error:#}");
        let is_denied = ["AccessDenied", "not authorized to perform"].iter().any(|sign| told.contains(sign));
        let advice = if is_denied {
            format!("allow {permissions} to whoever runs this")
        } else {
            "run this again; where it says the same, look into the error".to_owned()
        };
        Self::unknown(told, advice)
    }
}

/// A check of one assumption. It writes nothing.
pub struct Check {
    /// A stable name.
    pub name: &'static str,
    /// The assumption of the code.
    pub assumption: &'static str,
    /// The IAM actions that the check needs.
    pub permissions: &'static str,
    /// The function that runs the check.
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
        let finding = Finding::failed(&denied.context("the log cannot be asked"), "logs:StartQuery");
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.advice, "allow logs:StartQuery to whoever runs this");
        assert!(finding.found.contains("cannot be asked") && finding.found.contains("user/u"), "{finding:?}");
        let other = Finding::failed(&anyhow::anyhow!("time-out"), "logs:StartQuery");
        assert!(!other.advice.contains("logs:StartQuery"), "{other:?}");
    }
}
