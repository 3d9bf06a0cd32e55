//! The output of `meter attach` and `meter detach`.

use schemars::JsonSchema;
use serde::Serialize;

use super::api::{ApiState, Change};
use super::plan::Plan;
use crate::output::{print_json, printable_line};

/// The changes of an API.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AttachmentReport {
    /// Id of the API.
    pub api_id: String,
    /// Name of the API.
    pub api_name: String,
    /// Kind of the API: `rest` or `http`.
    pub kind: String,
    /// Name of the stage.
    pub stage: String,
    /// Changes, in the order in which they are made.
    pub changes: Vec<String>,
    /// Notes for the operator.
    pub notes: Vec<String>,
    /// `true` if the changes were made.
    pub applied: bool,
}

/// Prints that a change was made.
pub fn print_done(change: &Change) {
    println!("done: {}", printable_line(&change.to_string()));
}

/// Prints the changes of an API. Those that were made are printed one by one before.
pub fn print(api: &ApiState, plan: &Plan, is_applied: bool, json: bool) -> anyhow::Result<()> {
    let changes: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
    if json {
        return print_json(&AttachmentReport {
            api_id: api.id.clone(),
            api_name: api.name.clone(),
            kind: api.kind.to_string(),
            stage: api.stage.clone(),
            changes,
            notes: plan.notes.clone(),
            applied: is_applied,
        });
    }
    println!("{} API {} ({}), stage {}", api.kind, api.id, printable_line(&api.name), api.stage);
    for change in changes.iter().filter(|_| !is_applied) {
        println!("  change: {}", printable_line(change));
    }
    for note in &plan.notes {
        println!("  note: {}", printable_line(note));
    }
    match (changes.is_empty(), is_applied) {
        (true, _) => println!("Nothing has to be changed."),
        (false, false) => {
            println!("Nothing was changed. Run the command again with --apply to make the changes.");
        }
        (false, true) => {}
    }
    Ok(())
}
