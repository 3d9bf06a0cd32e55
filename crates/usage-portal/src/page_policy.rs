//! The Content Security Policy of the page.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The origins of the pages that may embed the page; empty if no page may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameAncestors(Vec<Box<str>>);

/// A text that is not the origin of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin: write https://HOST or https://HOST:PORT; http is for localhost only")]
pub struct InvalidOrigin(Box<str>);

impl FrameAncestors {
    /// Returns the Content Security Policy, which allows only resources of this function, and nothing inline.
    pub fn policy(&self) -> String {
        let ancestors = if self.0.is_empty() { "'none'".to_owned() } else { self.0.join(" ") };
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
        )
    }
}

impl FromStr for FrameAncestors {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let origins = text.split(',').map(str::trim).filter(|_| !text.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for FrameAncestors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

fn origin(text: &str) -> Result<Box<str>, InvalidOrigin> {
    let invalid = || InvalidOrigin(text.into());
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or_else(invalid)?;
    let is_local = ["localhost", "127.0.0.1"].contains(&authority.host());
    let is_allowed = *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && is_local);
    // A host of other characters could end the directive and begin another one.
    let host = authority.as_str();
    let host = host.strip_prefix("*.").unwrap_or(host);
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte));
    let is_origin = format!("{scheme}://{authority}") == text;
    if is_allowed && is_plain && is_origin { Ok(text.into()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ancestors(text: &str) -> String {
        let policy = text.parse::<FrameAncestors>().unwrap().policy();
        policy.rsplit_once("frame-ancestors ").unwrap().1.to_owned()
    }

    #[test]
    fn the_origins_may_embed_the_page_and_no_others() {
        assert_eq!(ancestors(""), "'none'");
        assert_eq!(ancestors("https://app.example.com"), "https://app.example.com");
        let several = "https://app.example.com, https://*.example.org:8443,http://localhost:3000";
        assert_eq!(several.parse::<FrameAncestors>().unwrap().to_string(), several.replace(", ", ","));
        assert_eq!(ancestors(several), several.replace(',', " ").replace("  ", " "));
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "app.example.com",
            "http://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/billing",
            "https://app.example.com; script-src *",
            "https://a;b",
            "https://user@app.example.com",
            "*",
            "'self'",
            "https://*",
            "https://app.*.com",
            ",",
            "https://app.example.com,",
        ] {
            let problem = text.parse::<FrameAncestors>().unwrap_err().to_string();
            assert!(problem.contains("is not an origin: write https://HOST"), "{text}: {problem}");
        }
    }
}
