//! The fields of a row, by the names that they have in files.

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// What usage is counted under.
    KeyId,
    /// Whose key it is.
    Owner,
    /// A name for people.
    Name,
    /// The plan that it is sold under.
    Plan,
    /// The successful calls of a month.
    MonthlyLimit,
    /// When it stops.
    ExpiresAt,
    /// Whatever else is to be known.
    Labels,
    /// The hash of the secret.
    Sha256,
    /// The secret.
    Secret,
    /// A label of API Gateway's keys.
    Description,
    /// Whether API Gateway admits it.
    Enabled,
    /// When it was deleted.
    DeletedAt,
    /// Known, and nothing to import.
    Beside,
}

/// The names, in lower case without `_`, `-` and spaces.
///
/// Sources: API Gateway Developer Guide, "API Gateway API key file format"
/// (`Name`, `Key`, `Description`, `Enabled`, `UsagePlanIds`, in any letter
/// case); API Gateway API Reference, `ApiKey`; the output of `meter keys
/// list` and `meter keys export`.
const NAMES: [(&str, Field); 28] = [
    ("apikeyid", Field::KeyId),
    ("keyid", Field::KeyId),
    ("id", Field::KeyId),
    ("owner", Field::Owner),
    ("customerid", Field::Owner),
    ("name", Field::Name),
    ("plan", Field::Plan),
    ("usageplanids", Field::Plan),
    ("usageplanid", Field::Plan),
    ("monthlylimit", Field::MonthlyLimit),
    ("expiresat", Field::ExpiresAt),
    ("expires", Field::ExpiresAt),
    ("labels", Field::Labels),
    ("tags", Field::Labels),
    ("sha256", Field::Sha256),
    ("apikey", Field::Secret),
    ("key", Field::Secret),
    ("value", Field::Secret),
    ("description", Field::Description),
    ("enabled", Field::Enabled),
    ("deletedat", Field::DeletedAt),
    ("createdat", Field::Beside),
    ("createddate", Field::Beside),
    ("lastupdateddate", Field::Beside),
    ("stagekeys", Field::Beside),
    ("previoussecretvaliduntil", Field::Beside),
    ("state", Field::Beside),
    ("version", Field::Beside),
];

/// The names to write, for a person.
pub const WRITTEN: &str =
    "api_key_id, owner, name, plan, monthly_limit, expires_at, labels, sha256 and api_key";

/// The field with this name, in whatever letter case.
pub fn field(name: &str) -> Option<Field> {
    let plain = plain(name);
    NAMES.iter().find(|(known, _)| *known == plain).map(|(_, field)| *field)
}

/// The name that an unknown one is nearly: it may be a slip, and what it says must not be lost.
pub fn nearly(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    NAMES.iter().map(|(known, _)| *known).find(|known| known.len() >= 5 && is_one_slip(&plain, known))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '\u{feff}')).flat_map(char::to_lowercase).collect()
}

/// Whether one character more, less or other, or two changed places, make one of the other.
fn is_one_slip(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let same = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    let (left, right) = (&left[same..], &right[same..]);
    let tail = |from_left: usize, from_right: usize| left.get(from_left..) == right.get(from_right..);
    let is_swapped = left.len() > 1 && right.len() > 1 && left[0] == right[1] && left[1] == right[0];
    (tail(1, 1) || tail(1, 0) || tail(0, 1) || is_swapped && tail(2, 2))
        && (!left.is_empty() || !right.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_every_spelling_and_slips_are_noticed() {
        for name in ["monthly_limit", "monthlyLimit", "Monthly Limit", "MONTHLY-LIMIT"] {
            assert_eq!(field(name), Some(Field::MonthlyLimit), "{name}");
        }
        for slip in ["montly_limit", "monthly_limits", "monhtly_limit", "monthly_limid", "month_ly__limitt"] {
            assert_eq!((field(slip), nearly(slip)), (None, Some("monthlylimit")), "{slip}");
        }
        for other in ["comment", "limit", "created_by", "nom", "", "planned"] {
            assert_eq!((field(other), nearly(other)), (None, None), "{other}");
        }
    }
}
