//! `meter keys update`, `rotate` and `delete`: changes that every instance of the authorizer has to learn of.

use anyhow::bail;
use metering_aws::key_admin::{KeyChange, MessageOutcome, Rotation};
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::{KeyDigest, KeyRecord};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::create::new_secret;
use super::duration::duration_ms;
use super::fields::{Fields, Key};
use crate::confirmation::{confirm, is_terminal};
use crate::output::{print_json, printable_line, time_text, with_causes};
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys update`.
#[derive(clap::Args)]
pub struct UpdateArguments {
    /// Id of the key
    key: String,
    #[command(flatten)]
    fields: Fields,
    /// Remove the monthly limit
    #[arg(long, conflicts_with = "monthly_limit")]
    no_monthly_limit: bool,
    #[command(flatten)]
    output: ChangeArguments,
}

/// Arguments of `meter keys rotate`.
#[derive(clap::Args)]
pub struct RotateArguments {
    /// Id of the key
    key: String,
    /// Time for which the present secret stays valid, as in 30m, 24h or "7 days"; 0s ends all earlier secrets
    /// at once
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration_ms)]
    overlap: i64,
    /// End the overlap of an earlier rotation
    #[arg(long)]
    end_previous: bool,
    #[command(flatten)]
    output: ChangeArguments,
}

/// Arguments of `meter keys delete`.
#[derive(clap::Args)]
pub struct DeleteArguments {
    /// Id of the key
    key: String,
    /// Do not ask on a terminal
    #[arg(long, short)]
    yes: bool,
    /// Show in words which key would be deleted, and delete nothing
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    #[command(flatten)]
    output: ChangeArguments,
}

/// Arguments that all changes have in common.
#[derive(clap::Args)]
struct ChangeArguments {
    /// Print JSON, as described in docs/JSON.md, docs/schemas/meter-keys-update.json, -rotate.json, -delete.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeKind {
    Updated,
    Rotated,
    Deleted,
}

impl ChangeKind {
    fn participle(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Rotated => "rotated",
            Self::Deleted => "deleted",
        }
    }
}

/// A key after a change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangedKey {
    #[serde(flatten)]
    key: Key,
    /// The change that was made.
    change: ChangeKind,
    /// Time by which every instance of the authorizer knows of the change, as RFC 3339.
    everywhere_by: String,
    /// `true` if the message that makes the change known sooner was published. The change takes effect in any
    /// case.
    message_published: bool,
    /// The new secret, after a rotation. It is shown only once.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

impl ChangedKey {
    fn new(changed: &KeyChange, change: ChangeKind, everywhere_ms: i64, secret: Option<String>) -> Self {
        Self {
            key: Key::new(&changed.key),
            change,
            everywhere_by: time_text(everywhere_ms),
            message_published: changed.message.is_published(),
            api_key: secret,
        }
    }
}

/// Changes the descriptive fields of a key.
pub async fn update(arguments: UpdateArguments) -> anyhow::Result<()> {
    if arguments.fields.is_empty() && !arguments.no_monthly_limit {
        bail!("there is nothing to change; `meter keys update --help` lists the fields");
    }
    arguments.fields.check_expiry(now_ms())?;
    let target = Target::find(&arguments.output.target).await?;
    let change = |key: &mut KeyRecord| {
        arguments.fields.apply(key);
        if arguments.no_monthly_limit {
            key.monthly_limit = None;
        }
    };
    let changed = target.key_admin().update(&arguments.key, now_ms(), change).await?;
    print(&target, &changed, ChangeKind::Updated, None, arguments.output.json)
}

/// Replaces the secret of a key.
pub async fn rotate(arguments: RotateArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.output.target).await?;
    let secret = new_secret();
    let rotation = Rotation {
        digest: KeyDigest::of_secret(&secret)?,
        overlap_ms: arguments.overlap,
        end_previous: arguments.end_previous,
    };
    let changed = target
        .key_admin()
        .rotate(&arguments.key, &rotation, now_ms())
        .await
        .map_err(|error| explained(error, &secret))?;
    print(&target, &changed, ChangeKind::Rotated, Some(secret), arguments.output.json)
}

/// Adds the remedy to an error of a rotation. If the outcome is unknown, the error shows the new secret: it
/// may be in force, and it is stored nowhere.
fn explained(error: KeyStoreError, secret: &str) -> anyhow::Error {
    match error {
        KeyStoreError::StillOverlapping { key_id, valid_until_ms } => anyhow::anyhow!(
            "the key {key_id} was rotated before, and its previous secret is valid until {}; wait, or end it with --end-previous",
            time_text(valid_until_ms)
        ),
        KeyStoreError::OutcomeUnknown { key_id, source } => anyhow::Error::new(source).context(format!(
            "DynamoDB did not answer, so it is not known whether the key {key_id} was rotated. If it was, its new secret is\n\n  {secret}\n\nKeep it, and call the API with it. If the call is admitted, the rotation was carried out. If the call is denied as unknown, the previous secret is still in force; run `meter keys rotate {key_id}` again"
        )),
        error => error.into(),
    }
}

pub async fn delete(arguments: DeleteArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.output.target).await?;
    if arguments.dry_run {
        return show_deletion(&target, &arguments.key).await;
    }
    if is_terminal() && !arguments.yes {
        let key = target.key_store().get(&arguments.key).await?;
        let question = format!(
            "Delete the key {} of {} in {}? Calls with it are denied from then on, and it cannot be restored.",
            key.key_id,
            printable_line(&key.owner),
            target.meter.names.environment
        );
        confirm(&question, "the key was not deleted")?;
    }
    let changed = target.key_admin().delete(&arguments.key, now_ms()).await?;
    print(&target, &changed, ChangeKind::Deleted, None, arguments.output.json)
}

/// Shows the key that would be deleted.
async fn show_deletion(target: &Target, key_id: &str) -> anyhow::Result<()> {
    let key = target.key_store().get(key_id).await?;
    if let Some(deleted_at_ms) = key.deleted_at_ms {
        bail!("the key {} was deleted at {}", key.key_id, time_text(deleted_at_ms));
    }
    println!("The key {} of {} would be deleted.", key.key_id, printable_line(&key.owner));
    Ok(())
}

/// Logs a warning if the message of a change could not be published.
pub fn warn_if_unpublished(changed: &KeyChange) {
    if let MessageOutcome::Failed(error) = &changed.message {
        tracing::warn!(
            "could not publish the invalidation message for {} ({}); the change still takes effect through the invalidation log",
            changed.key.key_id,
            with_causes(error)
        );
    }
}

/// Prints a change and when it is in force everywhere.
fn print(
    target: &Target,
    changed: &KeyChange,
    change: ChangeKind,
    secret: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let everywhere_ms = changed.committed_at_ms.saturating_add_unsigned(target.sync_interval_ms);
    warn_if_unpublished(changed);
    if json {
        return print_json(&ChangedKey::new(changed, change, everywhere_ms, secret));
    }
    let key = &changed.key;
    println!("The key {} of {} was {}.", key.key_id, printable_line(&key.owner), change.participle());
    let known = if change == ChangeKind::Deleted { "stops admitting it" } else { "knows of the change" };
    println!("Every instance {known} by {}.", time_text(everywhere_ms));
    if let Some(secret) = secret {
        println!("\n  {secret}\n\nThis is its new secret. It is shown only now: only its SHA-256 is stored.");
        match &key.previous {
            Some(previous) => {
                println!("The previous secret is valid until {}.", time_text(previous.valid_until_ms));
            }
            None => println!("No earlier secret is valid any more."),
        }
    }
    Ok(())
}
