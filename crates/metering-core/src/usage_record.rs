//! The usage record: one API call, as the access log has it.

/// An HTTP status code, 100 to 599 (RFC 9110, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallStatus(u16);

impl CallStatus {
    /// Parses exactly three ASCII digits, the first of them 1 to 5.
    ///
    /// Any other text, such as `"2"`, `"20"` or `"2xx"`, gives `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let [first @ b'1'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *text else {
            return None;
        };
        let digit = |byte: u8| u16::from(byte - b'0');
        Some(Self(digit(first) * 100 + digit(second) * 10 + digit(third)))
    }

    /// Returns the status as a number, 100 to 599.
    pub fn code(self) -> u16 {
        self.0
    }

    /// Returns `true` if the call succeeded: for 200 to 299.
    pub fn is_successful(self) -> bool {
        (200..300).contains(&self.0)
    }
}

/// Maximum length of a response, in bytes: 1 TiB. The sum of a batch then fits into 64 bits.
pub const MAX_RESPONSE_BYTES: u64 = 1_099_511_627_776;

/// One line of the access log, borrowed from the bytes from which it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRecord<'a> {
    /// The id of the API key; `None` for a call of an endpoint that needs no key.
    pub api_key_id: Option<&'a str>,
    /// The id of the key's customer, if the log has it.
    pub customer_id: Option<&'a str>,
    /// The status that the client received.
    pub status: CallStatus,
    /// The HTTP method, if the log has it.
    pub method: Option<&'a str>,
    /// The resource of a REST API or the route key of an HTTP API, if the log has it.
    pub route: Option<&'a str>,
    /// The id of the API, if the log has it.
    pub api_id: Option<&'a str>,
    /// The name of the stage, if the log has it.
    pub stage: Option<&'a str>,
    /// Time of the request, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// Time at which the response was sent, in milliseconds since 1970. It is the request time if
    /// the log does not have the latency.
    pub responded_at_ms: i64,
    /// Length of the response's body, in bytes, at most [`MAX_RESPONSE_BYTES`]. It is 0 if the log does
    /// not have it.
    pub response_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exactly_the_codes_200_to_299_are_successful(code in 100_u16..600) {
            let status = CallStatus::parse(code.to_string().as_bytes()).unwrap();
            prop_assert_eq!(status.code(), code);
            prop_assert_eq!(status.is_successful(), code / 100 == 2);
        }

        #[test]
        fn a_status_is_three_digits_and_nothing_else(text in "[0-9a-z+ -]{0,5}") {
            let expected = text.len() == 3 && text.parse::<u16>().is_ok_and(|code| (100..600).contains(&code) && !text.contains('+'));
            prop_assert_eq!(CallStatus::parse(text.as_bytes()).is_some(), expected);
        }
    }
}
