//! A documentation says more than the name of its item.

use std::collections::BTreeMap;

use super::{crate_folders, without_tests};

/// A documentation of this many words is likely to repeat a name.
const SHORT_WORDS: usize = 3;

/// The number of short documentations of each crate that has some. A number may
/// only fall.
const COUNTS: &str = include_str!("short_docs.txt");

/// Counts the documentations of at most [`SHORT_WORDS`] words.
fn short_docs(code: &str) -> usize {
    let mut lines = code.lines().map(str::trim_start).peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(mark) = ["///", "//!"].into_iter().find(|mark| line.starts_with(mark)) else { continue };
        let mut words = line[mark.len()..].split_whitespace().count();
        while let Some(next) = lines.next_if(|next| next.starts_with(mark)) {
            words += next[mark.len()..].split_whitespace().count();
        }
        count += usize::from(words <= SHORT_WORDS);
    }
    count
}

#[test]
fn documentations_say_more_than_a_name() {
    let allowed: BTreeMap<&str, usize> = COUNTS
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect();
    let mut more = Vec::new();
    for folder in crate_folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let sources = super::sources_in(&folder.join("src"), "rs");
        let count: usize = sources.iter().map(|(_, text)| short_docs(&without_tests(text))).sum();
        let before = allowed.get(name.as_str()).copied().unwrap_or(0);
        if count > before {
            more.push(format!("{name} {count} (before: {before})"));
        }
    }
    assert!(more.is_empty(), "delete these documentations or say more in them:\n{}", more.join("\n"));
}

#[test]
fn a_short_documentation_is_counted_once() {
    let code = "/// Its name.\nname: String,\n/// One line of\n/// several.\nfn f() {}\n//! The module.\n// not one\n";
    assert_eq!(short_docs(code), 2);
}
