//! Lists that apply from a time on: their files, and how they are shown.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use schemars::JsonSchema;
use serde::Serialize;

use crate::closed_output::stdout;
use crate::output::write_json;

/// A list that a command has added.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Added{L}")]
pub struct Added<L> {
    /// `false` if nothing was changed, because of `--dry-run`.
    pub applied: bool,
    #[serde(flatten)]
    pub list: L,
}

/// Reads a list from a file. `noun` names the kind of list, as in `list of weights`.
pub fn read_file<T: FromStr<Err: Error + Send + Sync + 'static>>(
    file: &Path,
    noun: &str,
) -> anyhow::Result<T> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    text.parse().with_context(|| format!("{shown} is not a {noun}"))
}

/// Prints lists as lines of JSON, or each with `print`, or `if_none` if there are none.
pub fn show<L: Serialize>(
    mut lists: impl ExactSizeIterator<Item = L>,
    is_json: bool,
    if_none: &str,
    print: impl Fn(&L),
) -> anyhow::Result<()> {
    if is_json {
        let mut output = stdout();
        return lists.try_for_each(|list| write_json(&mut output, &list));
    }
    if lists.len() == 0 {
        println!("{if_none}");
    }
    lists.for_each(|list| print(&list));
    Ok(())
}

/// Prints the lines of a list, or `if_empty`, below the time from which it applies.
pub fn print(from: &str, applies: bool, lines: &[String], if_empty: &str) {
    println!("from {from}{}", if applies { ", applies now" } else { "" });
    if lines.is_empty() {
        println!("  {if_empty}");
    }
    for line in lines {
        println!("  {line}");
    }
}
