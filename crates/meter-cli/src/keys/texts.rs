//! Texts that describe keys and customers, such as owners and names.

/// Takes a text of one line. Control characters would change what a terminal shows, and break lines of tables.
///
/// # Errors
/// When the text has a control character.
pub fn one_line(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) {
        return Err("write one line without control characters, such as line breaks".to_owned());
    }
    Ok(text.to_owned())
}

/// Takes a text of one line that is not blank.
///
/// # Errors
/// When the text is blank or has a control character.
pub fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("write more than a blank text".to_owned());
    }
    one_line(text)
}

/// Parses the label `NAME=VALUE`.
///
/// # Errors
/// When the text is no label.
pub fn label(text: &str) -> Result<(String, String), String> {
    match one_line(text)?.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not a label; write it as NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_that_a_terminal_shows_as_it_is() {
        assert_eq!(one_line("Müller & Söhne 😀"), Ok("Müller & Söhne 😀".to_owned()));
        assert_eq!(one_line(""), Ok(String::new()));
        for text in ["red \u{1b}[31m", "two\nlines", "\u{9b}31m", "\0"] {
            assert!(one_line(text).is_err() && not_blank(text).is_err() && label(text).is_err(), "{text:?}");
        }
        assert!(not_blank(" ").is_err() && not_blank("acme").is_ok());
    }

    #[test]
    fn a_label_has_a_name_and_a_value() {
        assert_eq!(label("stage=prod=eu"), Ok(("stage".to_owned(), "prod=eu".to_owned())));
        assert!(label("=prod").is_err() && label("prod").is_err() && label("a=b\nc").is_err());
    }
}
