//! Splits a query into tokens.

use super::error::MalformedQuery;

/// A token of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// A name in backticks.
    Quoted(&'a str),
    /// A text in quotes.
    Text(String),
    Number(f64),
    /// A number with a unit, such as `5m`.
    Period(u32, &'a str),
    /// A regular expression in slashes.
    Regex(String),
    /// An operator, a bracket, a comma or a pipe.
    Symbol(&'a str),
}

const SYMBOLS: [&str; 20] =
    ["!=", "<=", ">=", "=~", "=", "<", ">", "|", ",", "(", ")", "[", "]", "+", "-", "*", "/", "%", "^", "."];

/// The start and the end of a token in the query, in bytes.
pub type Span = (usize, usize);

/// Splits a query into tokens with their spans.
pub fn tokens(query: &str) -> Result<Vec<(Token<'_>, Span)>, MalformedQuery> {
    let mut tokens: Vec<(Token<'_>, Span)> = Vec::new();
    let mut at = 0;
    while let Some(character) = query[at..].chars().next() {
        if character.is_whitespace() {
            at += character.len_utf8();
            continue;
        }
        if character == '#' {
            at += query[at..].find('\n').unwrap_or(query.len() - at);
            continue;
        }
        let allows_regex = matches!(tokens.last(), Some((Token::Word("like") | Token::Symbol("=~"), _)));
        let (token, end) = token(query, at, character, allows_regex)?;
        tokens.push((token, (at, end)));
        at = end;
    }
    Ok(tokens)
}

fn token(
    query: &str,
    at: usize,
    character: char,
    allows_regex: bool,
) -> Result<(Token<'_>, usize), MalformedQuery> {
    let rest = &query[at..];
    match character {
        '"' | '\'' => {
            let (text, length) = closed(rest, character, true)?;
            Ok((Token::Text(text), at + length))
        }
        '/' if allows_regex => {
            let (text, length) = closed(rest, '/', false)?;
            Ok((Token::Regex(text), at + length))
        }
        '`' => {
            let end = rest[1..].find('`').ok_or_else(|| MalformedQuery::new("a backtick is not closed"))?;
            Ok((Token::Quoted(&rest[1..=end]), at + end + 2))
        }
        _ if character.is_ascii_digit() => number(rest).map(|(token, length)| (token, at + length)),
        _ if is_of_name(character) => {
            let end = rest.find(|c| !(is_of_name(c) || c == '.')).unwrap_or(rest.len());
            Ok((Token::Word(&rest[..end]), at + end))
        }
        _ => SYMBOLS
            .into_iter()
            .find(|symbol| rest.starts_with(symbol))
            .map(|symbol| (Token::Symbol(symbol), at + symbol.len()))
            .ok_or_else(|| MalformedQuery::new(format!("the character {character:?} has no meaning here"))),
    }
}

/// Returns `true` for letters, digits, `_` and `@`. Names with other characters need backticks.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '@')
}

/// Returns the text up to a closing character, and its length including both delimiters. A regular
/// expression keeps its backslashes.
fn closed(rest: &str, closing: char, unescape: bool) -> Result<(String, usize), MalformedQuery> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            _ if character == closing => return Ok((text, place + 1)),
            '\\' => {
                let (_, escaped) =
                    characters.next().ok_or_else(|| MalformedQuery::new("a backslash ends the query"))?;
                match escaped {
                    _ if escaped == closing => {}
                    'n' if unescape => {
                        text.push('\n');
                        continue;
                    }
                    't' if unescape => {
                        text.push('\t');
                        continue;
                    }
                    '\\' if unescape => {}
                    _ if unescape => {
                        return Err(MalformedQuery::new(format!("\\{escaped} is not an escape of a text")));
                    }
                    _ => text.push('\\'),
                }
                text.push(escaped);
            }
            _ => text.push(character),
        }
    }
    Err(MalformedQuery::new(format!("{closing} is not closed")))
}

/// Parses a number or a period.
fn number(rest: &str) -> Result<(Token<'_>, usize), MalformedQuery> {
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let unit = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
    let wrong = |text: &str| MalformedQuery::new(format!("{text} is not a number"));
    if unit > 0 {
        let end = digits + unit;
        let count = rest[..digits].parse().map_err(|_| wrong(&rest[..end]))?;
        return Ok((Token::Period(count, &rest[digits..end]), end));
    }
    let fraction = rest[digits..]
        .strip_prefix('.')
        .map_or(0, |fraction| 1 + fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len()));
    let end = digits + fraction;
    let number = rest[..end].parse().map_err(|_| wrong(&rest[..end]))?;
    Ok((Token::Number(number), end))
}
