//! `meter keys create`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_support::clock::now_ms;
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::usage_record::CANARY_KEY_ID;
use rand::RngCore;
use serde_json::json;

use super::fields::{Fields, check_key_id, key_json};
use crate::target::{Target, TargetArguments};

/// What every secret that the meter makes begins with, so that scanners for
/// leaked secrets can know it.
const SECRET_PREFIX: &str = "um_";

/// Arguments of `meter keys create`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Whose key it is
    #[arg(long)]
    owner: String,
    /// What usage is counted under [default: one that is made up]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A secret of 256 random bits.
pub fn new_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Makes the key and prints its secret.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let key_id = arguments.id.unwrap_or_else(|| format!("key-{:020x}", rand::random::<u128>() >> 48));
    check_key_id(&key_id)?;
    let secret = new_secret();
    let mut key = KeyRecord {
        key_id,
        owner: arguments.owner,
        digest: Some(KeyDigest::of_secret(&secret)?),
        created_at_ms: now_ms(),
        ..KeyRecord::default()
    };
    arguments.fields.apply(&mut key);
    Target::find(&arguments.target).await?.key_store().create(&key).await?;
    if arguments.json {
        let mut document = key_json(&key);
        document["apiKey"] = json!(secret);
        println!("{document}");
    } else {
        println!("Made the key {} of {}.\n", key.key_id, key.owner);
        println!("  {secret}\n");
        println!("This is its secret. It is shown only now: only its SHA-256 is kept.");
        if key.key_id == CANARY_KEY_ID {
            println!(
                "\nPut it where the deployed canary reads it, CANARY_SECRET_PARAMETER of usage-canary:\n"
            );
            println!("  aws ssm put-parameter --type SecureString --name PARAMETER --value SECRET");
        }
    }
    Ok(())
}
