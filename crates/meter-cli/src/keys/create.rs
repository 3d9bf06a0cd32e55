//! `meter keys create`.

use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metering_aws::key_admin::NewKey;
use metering_core::api_key::KeyDigest;
use metering_core::metered_key::CANARY_KEY_ID;
use rand::RngCore;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::fields::{Fields, Key, check_key_id};
use super::texts::not_blank;
use crate::output::print_json;
use crate::target::{Target, TargetArguments};

/// The prefix of every secret that the meter creates, by which scanners can recognize a leaked secret.
const SECRET_PREFIX: &str = "um_";

/// Arguments of `meter keys create`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Customer who pays for the calls of the key. It cannot be changed later
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Person or team that holds the key [default: the customer]
    #[arg(long, required_unless_present = "customer", value_parser = not_blank)]
    owner: Option<String>,
    /// Id under which usage is counted [default: a random one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Print JSON, as described in docs/schemas/meter-keys-create.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A new key with its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CreatedKey {
    #[serde(flatten)]
    pub key: Key,
    /// The secret, which clients send as `x-api-key`. It is shown only once.
    pub api_key: String,
}

/// Returns a secret of 256 random bits.
pub fn new_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Creates the key and prints its secret.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let key_id = arguments.id.unwrap_or_else(|| format!("key-{:020x}", rand::random::<u128>() >> 48));
    check_key_id(&key_id)?;
    arguments.fields.check_expiry(now_ms())?;
    if key_id == CANARY_KEY_ID && arguments.customer.is_some() {
        bail!(
            "the key of the canary belongs to no customer, because its calls are not billed; omit --customer"
        );
    }
    let secret = new_secret();
    let target = Target::find(&arguments.target).await?;
    if let Some(customer_id) = &arguments.customer {
        target.meter.customers().get(customer_id).await?;
    }
    let key = NewKey::new(key_id, KeyDigest::of_secret(&secret)?, now_ms()).described(|key| {
        key.customer_id.clone_from(&arguments.customer);
        key.owner = arguments.owner.or(arguments.customer).unwrap_or_default();
        arguments.fields.apply(key);
    });
    target.key_admin().create(&key).await?;
    let key = key.record();
    if arguments.json {
        return print_json(&CreatedKey { key: Key::new(key), api_key: secret });
    }
    println!("Created the key {} of {}.\n", key.key_id, key.owner);
    println!("  {secret}\n");
    println!("This is its secret. It is shown only now: only its SHA-256 is stored.");
    if key.key_id == CANARY_KEY_ID {
        println!(
            "\nStore it in the parameter that CANARY_SECRET_PARAMETER of the deployed usage-canary names:\n"
        );
        println!("  aws ssm put-parameter --type SecureString --name PARAMETER --value SECRET");
    }
    Ok(())
}
