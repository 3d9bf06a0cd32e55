//! Questions to the operator before something is deleted.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::bail;

use crate::closed_output::stdout;

/// Returns `true` if somebody can answer a question.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks a question on the terminal. The error of an answer other than yes has the words `otherwise`.
pub fn confirm(question: &str, otherwise: &str) -> anyhow::Result<()> {
    print!("{question} [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("{otherwise}");
    }
    Ok(())
}
