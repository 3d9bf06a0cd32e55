//! Cuts a query into tokens.

use super::error::MalformedQuery;

/// A token of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// A name or a word of the language.
    Word(&'a str),
    /// A name between backticks.
    Quoted(&'a str),
    /// A text between quotes.
    Text(String),
    Number(f64),
    /// A number with a unit, as `5m`.
    Period(u32, &'a str),
    /// A regular expression between slashes.
    Regex(String),
    /// An operator, a bracket, a comma or a bar.
    Symbol(&'a str),
}

const SYMBOLS: [&str; 20] =
    ["!=", "<=", ">=", "=~", "=", "<", ">", "|", ",", "(", ")", "[", "]", "+", "-", "*", "/", "%", "^", "."];

/// Where a token begins and ends in the query.
pub type Place = (usize, usize);

/// Cuts a query into tokens, and says where each stands.
pub fn tokens(query: &str) -> Result<Vec<(Token<'_>, Place)>, MalformedQuery> {
    let mut tokens: Vec<(Token<'_>, Place)> = Vec::new();
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
        let regex_may_stand = matches!(tokens.last(), Some((Token::Word("like") | Token::Symbol("=~"), _)));
        let (token, end) = token(query, at, character, regex_may_stand)?;
        tokens.push((token, (at, end)));
        at = end;
    }
    Ok(tokens)
}

fn token(
    query: &str,
    at: usize,
    character: char,
    regex_may_stand: bool,
) -> Result<(Token<'_>, usize), MalformedQuery> {
    let rest = &query[at..];
    match character {
        '"' | '\'' => {
            let (text, length) = closed(rest, character, true)?;
            Ok((Token::Text(text), at + length))
        }
        '/' if regex_may_stand => {
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

/// Letters, digits, `_` and `@`; names with other characters stand between backticks.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '@')
}

/// What stands up to a closing character, and its length with both ends. A
/// regular expression keeps its backslashes.
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
                        return Err(MalformedQuery::new(format!("\\{escaped} is no escape of a text")));
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

/// A number, or a period of time.
fn number(rest: &str) -> Result<(Token<'_>, usize), MalformedQuery> {
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let unit = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
    let wrong = |text: &str| MalformedQuery::new(format!("{text} is no number"));
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
