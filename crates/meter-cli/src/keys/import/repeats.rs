//! Rows of one file that describe the same key.

use std::collections::HashMap;

use metering_core::api_key::KeyDigest;

use super::values::{DescribedRow, Row};

/// Rejects rows that contradict an earlier row about the same key, because it is not known which row is
/// right. Equal rows are kept.
pub fn reject_contradictions(rows: &mut [Row]) {
    let mut by_digest: HashMap<KeyDigest, usize> = HashMap::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for place in 0..rows.len() {
        let Ok(key) = &rows[place].key else { continue };
        let earlier = [
            ("secret", key.digest.and_then(|digest| by_digest.get(&digest).copied())),
            ("key id", by_id.get(&key.id()).copied()),
        ];
        let other = |what: usize| rows[what].key.as_ref().is_ok_and(|other: &DescribedRow| other != key);
        let problem = earlier.into_iter().find_map(|(what, earlier)| {
            let earlier = earlier.filter(|earlier| other(*earlier))?;
            Some(format!(
                "it has the same {what} as line {} with other values; remove one of the rows",
                rows[earlier].line
            ))
        });
        if let Some(problem) = problem {
            rows[place].key = Err(problem);
            continue;
        }
        if let Some(digest) = key.digest {
            by_digest.entry(digest).or_insert(place);
        }
        by_id.entry(key.id()).or_insert(place);
    }
}
