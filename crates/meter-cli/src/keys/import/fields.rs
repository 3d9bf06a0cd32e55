//! The fields of a row and their names in files.

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    KeyId,
    CustomerId,
    Owner,
    Name,
    Plan,
    MonthlyLimit,
    ExpiresAt,
    Labels,
    /// SHA-256 of the secret, as hexadecimal digits.
    Sha256,
    /// The secret in plain text.
    Secret,
    /// Description of a key of API Gateway, which becomes a label.
    Description,
    /// `true` if API Gateway admits the key.
    Enabled,
    DeletedAt,
    /// `active`, `expired` or `deleted`, as in the output of `meter keys list`.
    State,
    /// A known field that is not imported.
    Ignored,
}

/// The names of the fields, in lower case without `_`, `-` and spaces.
///
/// Sources: API Gateway Developer Guide, "API Gateway API key file format"
/// (`Name`, `Key`, `Description`, `Enabled`, `UsagePlanIds`, in any letter
/// case); API Gateway API Reference, `ApiKey`; the output of `meter keys
/// list` and `meter keys export`.
const NAMES: [(&str, Field); 29] = [
    ("apikeyid", Field::KeyId),
    ("keyid", Field::KeyId),
    ("id", Field::KeyId),
    ("owner", Field::Owner),
    ("customer", Field::CustomerId),
    ("customerid", Field::CustomerId),
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
    ("createdat", Field::Ignored),
    ("createddate", Field::Ignored),
    ("lastupdateddate", Field::Ignored),
    ("stagekeys", Field::Ignored),
    ("previoussecretvaliduntil", Field::Ignored),
    ("state", Field::State),
    ("version", Field::Ignored),
];

/// The documented names, for error messages.
pub const DOCUMENTED_NAMES: &str =
    "api_key_id, customer_id, owner, name, plan, monthly_limit, expires_at, labels, sha256 and api_key";

/// Returns the field with this name. Letter case, `_`, `-` and spaces are ignored.
pub fn field(name: &str) -> Option<Field> {
    let plain = plain(name);
    NAMES.iter().find(|(known, _)| *known == plain).map(|(_, field)| *field)
}

/// Returns the known name that an unknown name is a likely misspelling of. The value of a misspelled field
/// must not be lost.
pub fn similar_name(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    NAMES.iter().map(|(known, _)| *known).find(|known| known.len() >= 5 && is_misspelling(&plain, known))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '\u{feff}')).flat_map(char::to_lowercase).collect()
}

/// Returns `true` if the texts differ by one inserted, removed or replaced character, or by two swapped
/// characters.
fn is_misspelling(left: &str, right: &str) -> bool {
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
    fn names_are_known_in_every_spelling_and_misspellings_are_noticed() {
        for name in ["monthly_limit", "monthlyLimit", "Monthly Limit", "MONTHLY-LIMIT"] {
            assert_eq!(field(name), Some(Field::MonthlyLimit), "{name}");
        }
        for misspelled in
            ["montly_limit", "monthly_limits", "monhtly_limit", "monthly_limid", "month_ly__limitt"]
        {
            assert_eq!(
                (field(misspelled), similar_name(misspelled)),
                (None, Some("monthlylimit")),
                "{misspelled}"
            );
        }
        for other in ["comment", "limit", "created_by", "nom", "", "planned"] {
            assert_eq!((field(other), similar_name(other)), (None, None), "{other}");
        }
    }
}
