//! Questions to the operator before something is deleted.

use std::io::{BufRead, IsTerminal};

use anyhow::bail;

/// Returns `true` if somebody can answer a question.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks a question on standard error, so that redirected output has only results. Fails with the message
/// `otherwise` unless the answer is yes.
pub fn confirm(question: &str, otherwise: &str) -> anyhow::Result<()> {
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("{otherwise}");
    }
    Ok(())
}
