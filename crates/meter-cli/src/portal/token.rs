//! `meter portal token`: signs a token, offline.

use std::path::PathBuf;

use anyhow::Context;
use deployment::names::LOCAL;
use local_stack::stack::portal_key::PORTAL_KEY_FILE;
use portal_token::{Holder, MAX_LIFETIME_S, Token};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::keys::read;
use crate::keys::duration_ms;
use crate::output::{print_json, time_text};
use crate::target::{Selection, TargetArguments, local_endpoints};

/// Arguments of `meter portal token`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Customer whose usage the token shows
    #[arg(long, value_name = "CUSTOMER", required_unless_present = "api_key_id")]
    customer: Option<String>,
    /// Key whose usage the token shows, instead of that of all keys of the customer; name the customer too if the key
    /// belongs to one
    #[arg(long = "api-key-id", value_name = "KEY")]
    api_key_id: Option<String>,
    /// Time for which the token is valid, as in 15m or 8h; at most 24h
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration_ms)]
    lifetime: i64,
    /// File of the private key, in PKCS #8 as PEM; - is standard input [default: that of the local stack]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// URL of the usage page, the output PortalUrl of the stack [default: that of the local stack]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print a JSON document (docs/schemas/meter-portal-token.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A token with which its holder opens the usage page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PortalToken {
    /// The token, a JSON Web Token.
    pub token: String,
    /// Time from which on the token shows nothing, as RFC 3339.
    pub expires_at: String,
    /// URL that opens the usage page with the token; null if the URL of the page is not known.
    pub url: Option<String>,
}

/// Where the page is and what signs its tokens.
struct Page {
    environment: String,
    key: PathBuf,
    url: Option<String>,
}

/// Signs a token and prints the URL that opens the page, or the token alone if that URL is not known.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let page = page(arguments)?;
    let holder = Holder::new(arguments.customer.as_deref(), arguments.api_key_id.as_deref())?;
    let [now_s, lifetime_s] =
        [now_ms(), arguments.lifetime].map(|time_ms| u64::try_from(time_ms / 1_000).unwrap_or(0));
    let token = Token::new(&page.environment, holder, now_s, lifetime_s)
        .with_context(|| format!("the lifetime has to be from 1s to {}h", MAX_LIFETIME_S / 3_600))?;
    let text = token.signed(&read(&page.key)?)?;
    let url = page.url.map(|url| format!("{}/#{text}", url.trim_end_matches('/')));
    let expires_at = time_text(i64::try_from(token.expires_at_s)? * 1_000);
    if arguments.json {
        return print_json(&PortalToken { token: text, expires_at, url });
    }
    println!("{}", url.unwrap_or(text));
    eprintln!("It is valid until {expires_at}. Everybody who has it can read this usage until then.");
    Ok(())
}

/// Finds the page of the target. Nothing is read from AWS.
fn page(arguments: &Arguments) -> anyhow::Result<Page> {
    let (key, url) = (arguments.key.clone(), arguments.url.clone());
    match arguments.target.selected()? {
        Selection::Aws(environment) => {
            let key = key.context(
                "name the file of the private key with --key, or make one with `meter portal create-key`",
            )?;
            Ok(Page { environment, key, url })
        }
        Selection::Local(data) => Ok(Page {
            environment: LOCAL.to_owned(),
            key: key.unwrap_or_else(|| data.join(PORTAL_KEY_FILE)),
            url: match url {
                Some(url) => Some(url),
                None => Some(local_endpoints(&data)?.portal).filter(|url| !url.is_empty()),
            },
        }),
    }
}
