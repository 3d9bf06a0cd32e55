//! `meter portal`: tokens with which customers open their usage page, and the keys that sign them.

mod keys;
mod token;

use clap::Subcommand;

pub use keys::PortalKey;
pub use token::PortalToken;

/// Arguments of `meter portal`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a private key that signs tokens, and print its public key
    CreateKey(keys::CreateArguments),
    /// Print the public key of a private key
    PublicKey(keys::PublicArguments),
    /// Sign a token with which a customer opens its usage page
    Token(token::Arguments),
}

/// Runs a subcommand of `meter portal`.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::CreateKey(arguments) => keys::create(&arguments),
        Action::PublicKey(arguments) => keys::show(&arguments),
        Action::Token(arguments) => token::run(&arguments),
    }
}
