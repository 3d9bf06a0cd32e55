//! Reads of DynamoDB are strongly consistent. An eventually consistent read may miss a verdict, a
//! claim or a deletion that was written before it, and no local test sees that: the embedded
//! database is always consistent.
//!
//! Source: `DynamoDB` Developer Guide, "DynamoDB read consistency".

use super::{sources, without_tests};

const READS: [&str; 3] = [".get_item()", ".query()", ".scan()"];
/// The files with a read that may be stale, and the reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("usage_ledger.rs", "it opens the connection; its item does not exist"),
    (
        "usage_source.rs",
        "the scan is for reports on past days; the queries are made consistent where they are sent",
    ),
    ("ledger_items.rs", "its callers add the consistency: a quota may be judged by older usage"),
];

/// Returns the statements of a source that read, up to their semicolons.
fn reads(code: &str) -> impl Iterator<Item = &str> {
    let starts = READS.iter().flat_map(move |read| code.match_indices(read));
    starts.map(move |(start, _)| {
        let rest = &code[start..];
        let end = rest.find(';').into_iter().chain(rest.find("\n}")).min();
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Returns `true` if a read is strongly consistent, or of an index, which never is.
fn is_allowed(read: &str) -> bool {
    read.contains(".consistent_read(true)") || read.contains(".index_name(")
}

#[test]
fn reads_are_strongly_consistent() {
    let files = [sources("crates/metering-aws/src", "rs"), sources("crates/meter-cli/src", "rs")].concat();
    let mut found = Vec::new();
    let mut count = 0;
    for (path, text) in files {
        if EXCEPTIONS.iter().any(|(file, _)| path.ends_with(file)) {
            continue;
        }
        for read in reads(&without_tests(&text)) {
            count += 1;
            if !is_allowed(read) {
                found.push(format!("{}: {read}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "add .consistent_read(true), or an exception:\n{}", found.join("\n"));
    assert!(count > 8, "only {count} reads were found");
}

#[test]
fn a_read_ends_with_its_statement() {
    let code = "a.query().send();\nb.get_item().consistent_read(true).send();";
    let allowed: Vec<bool> = reads(code).map(is_allowed).collect();
    assert_eq!(allowed, [true, false], "get_item, query");
}
