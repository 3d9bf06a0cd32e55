//! Texts with wildcards, and numbers, in a filter pattern.

/// A text in which `*` matches any text.
#[derive(Debug, Clone)]
pub struct Text {
    parts: Vec<String>,
}

impl Text {
    pub fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    pub fn has_wildcard(&self) -> bool {
        self.parts.len() > 1
    }

    pub fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else { return text == first };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(place) = rest.find(part.as_str()) else { return false };
            rest = &rest[place + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

/// Parses a number with an optional sign, fraction and exponent.
pub fn number(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if is_number && text.bytes().any(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wildcard_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("2*", "200", true),
            ("2*", "2", true),
            ("2*", "302", false),
            ("*", "", true),
            ("*.html*", "GET /index.html HTTP/1.0", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "x", false),
        ] {
            assert_eq!(Text::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        /// The same as a regular expression in which `*` is `.*`.
        #[test]
        fn wildcards_match_as_their_regular_expression(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let regex = ::regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(Text::new(&pattern).matches(&text), regex.is_match(&text));
        }
    }
}
