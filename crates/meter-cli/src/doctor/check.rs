//! A check, and what it found.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::subject::Subject;

/// Whether an assumption holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Ok,
    /// It does not hold.
    False,
    /// It could not be seen.
    Unknown,
    /// It is not looked at here.
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

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the assumption holds.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// What to do about it; empty where there is nothing to do.
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

    /// The assumption could not be seen.
    pub fn unknown(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, found: found.into(), advice: advice.into() }
    }

    /// The assumption is not looked at here.
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
    /// Its name, which stays.
    pub name: &'static str,
    /// What the code assumes.
    pub assumption: &'static str,
    /// The actions that whoever runs it needs.
    pub permissions: &'static str,
    /// Looks.
    pub run: for<'s> fn(&'s Subject) -> BoxFuture<'s, anyhow::Result<Finding>>,
}

impl Check {
    /// What is found. A check that cannot be made has found something unknown.
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
