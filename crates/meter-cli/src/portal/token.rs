//! `meter portal token`: signs a token, offline.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};
use deployment::names::LOCAL;
use http::Uri;
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
    /// URL of the usage page on AWS, the output PortalUrl of the stack; needs --aws [default: that of the local stack]
    #[arg(long, value_name = "URL", value_parser = PageUrl::from_str)]
    url: Option<PageUrl>,
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

/// The usage page of an environment.
struct Page {
    environment: String,
    /// The file of the private key that signs its tokens.
    key: PathBuf,
    url: Option<PageUrl>,
}

/// The URL of a usage page, to which a token can be added.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PageUrl(String);

impl FromStr for PageUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_authority = text.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some());
        let is_url = has_authority && ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        if !is_url || text.contains('#') {
            return Err("write the URL of the page without a fragment, as in https://HOST/");
        }
        Ok(Self(text.to_owned()))
    }
}

impl PageUrl {
    /// Returns the URL that opens the page with a token. The files of the page are beside it, so its path ends with a
    /// slash.
    fn with_token(&self, token: &str) -> String {
        match self.0.split_once('?') {
            Some((path, query)) => format!("{}/?{query}#{token}", path.trim_end_matches('/')),
            None => format!("{}/#{token}", self.0.trim_end_matches('/')),
        }
    }
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
    let url = page.url.map(|url| url.with_token(&text));
    let expires_at = time_text(i64::try_from(token.expires_at_s)? * 1_000);
    if arguments.json {
        return print_json(&PortalToken { token: text, expires_at, url });
    }
    println!("{}", url.unwrap_or(text));
    eprintln!(
        "It is for the environment {}, and valid until {expires_at}. Everybody who has it can read this usage until then.",
        page.environment
    );
    if arguments.customer.is_none() {
        eprintln!(
            "It does not show calls that are counted for a customer. If the key belongs to one, add --customer."
        );
    }
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
        Selection::Local(_) if url.is_some() => {
            bail!("--url is for a page on AWS: name its environment with --aws, or leave out --url")
        }
        Selection::Local(data) => Ok(Page {
            environment: LOCAL.to_owned(),
            key: key.unwrap_or_else(|| data.join(PORTAL_KEY_FILE)),
            url: Some(local_endpoints(&data)?.portal).filter(|url| !url.is_empty()).map(PageUrl),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_fragment_of_the_url() {
        for (url, expected) in [
            ("https://id.lambda-url.eu-west-1.on.aws/", "https://id.lambda-url.eu-west-1.on.aws/#TOKEN"),
            ("https://app.example.com/billing", "https://app.example.com/billing/#TOKEN"),
            (
                "https://app.example.com/billing?theme=dark",
                "https://app.example.com/billing/?theme=dark#TOKEN",
            ),
            ("http://localhost:8080", "http://localhost:8080/#TOKEN"),
        ] {
            assert_eq!(url.parse::<PageUrl>().unwrap().with_token("TOKEN"), expected);
        }
        for text in [
            "",
            "app.example.com",
            "https://",
            "ftp://example.com",
            "https://app.example.com/#old",
            "https://a b",
        ] {
            assert!(text.parse::<PageUrl>().unwrap_err().contains("https://HOST/"), "{text}");
        }
    }
}
