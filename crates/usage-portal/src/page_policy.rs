//! The Content Security Policy of the page.

use std::fmt;
use std::str::FromStr;

/// The origins of the pages that may embed the page; empty if no page may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameAncestors(Vec<Box<str>>);

/// A text that is not the origin of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an origin: set it to https://HOST, https://HOST:PORT or https://*.DOMAIN in lower case, or to \
     http://localhost:PORT or http://127.0.0.1:PORT, without a path or a slash at its end"
)]
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
    if is_origin(text) { Ok(text.into()) } else { Err(InvalidOrigin(text.into())) }
}

/// Returns `true` if the text is an origin as browsers write it. Only pages of this machine may be without TLS. A host of
/// other characters could end the directive and begin another one.
fn is_origin(text: &str) -> bool {
    let (is_plain, authority) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(authority), _) => (false, authority),
        (_, Some(authority)) => (true, authority),
        _ => return false,
    };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_host = match host.strip_prefix("*.") {
        _ if is_plain => ["localhost", "127.0.0.1"].contains(&host),
        // A domain of one label would be a whole top level.
        Some(domain) => domain.contains('.') && is_name(domain),
        None => is_name(host),
    };
    is_host && port.starts_with(|digit: char| ('1'..='9').contains(&digit)) && port.parse::<u16>().is_ok()
}

/// Returns `true` if the text is the name of a host. No browser lets a page be embedded by an address, apart from
/// 127.0.0.1; the last label of a name begins with a letter. Source: Content Security Policy Level 3, "host-part matches".
fn is_name(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_lowercase()) && text.split('.').all(is_label)
}

/// Returns `true` if the text is a label of a host name, in lower case. Source: RFC 1123, section 2.1.
fn is_label(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_allowed) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    /// The synthesis of the stack is tested with the same cases.
    #[test]
    fn what_is_not_an_origin_is_refused() {
        let cases: Value = serde_json::from_str(include_str!("../test-cases/origins.json")).unwrap();
        let texts = |name: &str| cases[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        for text in texts("origins") {
            assert_eq!(ancestors(text), text);
        }
        for text in texts("other_texts").chain([",", "https://app.example.com,"]) {
            let problem = text.parse::<FrameAncestors>().unwrap_err().to_string();
            assert!(problem.ends_with(cases["remedy"].as_str().unwrap()), "{text}: {problem}");
        }
    }
}
