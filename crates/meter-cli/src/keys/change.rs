//! `meter keys update`, `rotate` and `delete`: what every instance of the
//! authorizer has to hear of.

use lambda_support::clock::now_ms;
use lambda_support::invalidation_message::InvalidationMessage;
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::{KeyDigest, KeyRecord};
use serde_json::json;

use super::create::new_secret;
use super::duration::{duration_ms, time_text};
use super::fields::{Fields, key_json};
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys update`.
#[derive(clap::Args)]
pub struct UpdateArguments {
    /// The id of the key
    key: String,
    #[command(flatten)]
    fields: Fields,
    /// Take the monthly limit away
    #[arg(long, conflicts_with = "monthly_limit")]
    no_monthly_limit: bool,
    #[command(flatten)]
    output: ChangeArguments,
}

/// Arguments of `meter keys rotate`.
#[derive(clap::Args)]
pub struct RotateArguments {
    /// The id of the key
    key: String,
    /// How long the present secret stays valid, as in 30m, 24h or "7 days"; 0s ends all earlier ones at once
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
    /// The id of the key
    key: String,
    #[command(flatten)]
    output: ChangeArguments,
}

/// What all changes have in common.
#[derive(clap::Args)]
struct ChangeArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Changes what is known of a key.
pub async fn update(arguments: UpdateArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.output.target).await?;
    let change = |key: &mut KeyRecord| {
        arguments.fields.apply(key);
        if arguments.no_monthly_limit {
            key.monthly_limit = None;
        }
    };
    let changed = target.key_store().update(&arguments.key, now_ms(), change).await?;
    report(&target, &changed, "updated", None, arguments.output.json).await
}

/// Gives a key another secret.
pub async fn rotate(arguments: RotateArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.output.target).await?;
    let secret = new_secret();
    let digest = KeyDigest::of_secret(&secret)?;
    let store = target.key_store();
    let changed = store
        .rotate(&arguments.key, digest, arguments.overlap, arguments.end_previous, now_ms())
        .await
        .map_err(|error| explained(error, &secret))?;
    report(&target, &changed, "rotated", Some(&secret), arguments.output.json).await
}

/// Says until when in the form that people read, and shows a secret that may
/// be in force: it is kept nowhere else.
fn explained(error: KeyStoreError, secret: &str) -> anyhow::Error {
    match error {
        KeyStoreError::StillOverlapping { key_id, valid_until_ms } => anyhow::anyhow!(
            "the key {key_id} was rotated before, and the secret of that time is valid until {}; wait, or end it with --end-previous",
            time_text(valid_until_ms)
        ),
        KeyStoreError::Unknown { key_id, source } => anyhow::Error::new(source).context(format!(
            "DynamoDB did not answer, so it is not known whether the key {key_id} was rotated. Its new secret would be\n\n  {secret}\n\nKeep it, and call the API with it: if the call is denied as unknown, the secret before is still in force, and `meter keys rotate {key_id}` can be run again; if it is admitted, the rotation was carried out"
        )),
        error => error.into(),
    }
}

/// Deletes a key.
pub async fn delete(arguments: DeleteArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.output.target).await?;
    let changed = target.key_store().delete(&arguments.key, now_ms()).await?;
    report(&target, &changed, "deleted", None, arguments.output.json).await
}

/// Tells the instances by message, and the person what holds from when on.
async fn report(
    target: &Target,
    key: &KeyRecord,
    change: &str,
    secret: Option<&str>,
    as_json: bool,
) -> anyhow::Result<()> {
    let returned_ms = now_ms();
    let everywhere_ms = returned_ms.saturating_add_unsigned(target.sync_interval_ms);
    let published = publish(target, key, change, returned_ms).await;
    if let Err(error) = &published {
        tracing::warn!(
            "nobody could be told by message ({error:#}); the change holds all the same, by the invalidation log"
        );
    }
    if as_json {
        let mut document = key_json(key);
        document["change"] = json!(change);
        document["everywhereBy"] = json!(time_text(everywhere_ms));
        document["messagePublished"] = json!(published.is_ok());
        if let Some(secret) = secret {
            document["apiKey"] = json!(secret);
        }
        println!("{document}");
        return Ok(());
    }
    println!("The key {} of {} was {change}.", key.key_id, key.owner);
    let heard = if change == "deleted" { "have stopped admitting it" } else { "know of it" };
    println!("Every instance must {heard} by {}.", time_text(everywhere_ms));
    if let Some(secret) = secret {
        println!("\n  {secret}\n\nThis is its new secret. It is shown only now: only its SHA-256 is kept.");
        match &key.previous {
            Some(previous) => {
                println!("The one before it is valid until {}.", time_text(previous.valid_until_ms));
            }
            None => println!("No secret before it is valid any more."),
        }
    }
    Ok(())
}

/// Tells the instances of a change by message. The message only makes it
/// sooner: the log has the change already.
///
/// # Errors
/// When the message cannot be published.
pub async fn publish(
    target: &Target,
    key: &KeyRecord,
    change: &str,
    changed_at_ms: i64,
) -> anyhow::Result<()> {
    let message = InvalidationMessage {
        api_key_id: key.key_id.clone(),
        sequence: key.version,
        change: change.to_owned(),
        changed_at_ms,
    };
    let topic = target.invalidations_topic().await?;
    Ok(topic.publish_patiently("API key changed", &message.to_json()).await?)
}
