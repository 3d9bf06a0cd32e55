//! `meter keys`: makes, shows, changes and deletes API keys.

mod change;
mod check_log;
mod create;
mod duration;
mod export;
mod fields;
mod import;
mod show;

use clap::Subcommand;

/// Arguments of `meter keys`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key; its secret is shown once and kept nowhere
    Create(create::Arguments),
    /// Show all keys
    List(show::ListArguments),
    /// Show one key, also one that was deleted
    Show(show::ShowArguments),
    /// Change the limit, plan, expiry, name or labels of a key
    Update(change::UpdateArguments),
    /// Give a key another secret; the present one stays valid for a while
    Rotate(change::RotateArguments),
    /// Delete a key for good, and say when every instance must have stopped admitting it
    Delete(change::DeleteArguments),
    /// Compare the invalidation log with the keys, and raise it where it was lost or restored
    CheckLog(check_log::Arguments),
    /// Print the keys and the hashes of their secrets, as `meter keys import` reads them
    Export(export::Arguments),
    /// Take over keys of another system, from CSV or JSON, and what has changed of them
    Import(import::Arguments),
}

/// Does it.
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
