//! `meter keys`: creates, shows, changes and deletes API keys.

mod change;
mod check_log;
mod create;
mod duration;
mod export;
mod fields;
pub mod import;
mod show;
mod texts;

use clap::Subcommand;

pub use change::ChangedKey;
pub use check_log::LogCheck;
pub use create::CreatedKey;
pub use duration::{duration_ms, time_ms};
pub use export::ExportedKey;
pub use fields::{Key, labels_text};
pub use import::ImportSummary;
pub use texts::{label, one_line};

/// Arguments of `meter keys`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a key; its secret is shown once and never stored
    Create(create::Arguments),
    /// List all keys
    List(show::ListArguments),
    /// Show one key, even if it was deleted
    Show(show::ShowArguments),
    /// Change the limit, plan, expiry, name or labels of a key
    Update(change::UpdateArguments),
    /// Replace the secret of a key; the present secret stays valid for a while
    Rotate(change::RotateArguments),
    /// Delete a key, and print when every instance has stopped admitting it
    Delete(change::DeleteArguments),
    /// Compare the invalidation log with the keys, and raise it after it was lost or restored
    CheckLog(check_log::Arguments),
    /// Print the keys and the hashes of their secrets as JSON lines for `meter keys import`
    /// (docs/schemas/meter-keys-export.json)
    Export(export::Arguments),
    /// Import keys of another system, and their changes, from CSV or JSON
    Import(import::Arguments),
}

/// Runs a subcommand of `meter keys`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Create(arguments) => create::run(arguments).await,
        Action::List(arguments) => show::list(arguments).await,
        Action::Show(arguments) => show::show(arguments).await,
        Action::Update(arguments) => change::update(arguments).await,
        Action::Rotate(arguments) => change::rotate(arguments).await,
        Action::Delete(arguments) => change::delete(arguments).await,
        Action::CheckLog(arguments) => check_log::run(arguments).await,
        Action::Export(arguments) => export::run(arguments).await,
        Action::Import(arguments) => import::run(arguments).await,
    }
}
