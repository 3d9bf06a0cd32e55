//! The command `meter`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(meter_cli::run().await)
}
