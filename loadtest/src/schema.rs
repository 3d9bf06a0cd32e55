//! JSON Schemas of the files that the load test writes.
//!
//! `docs/schemas` has them as files; a test compares these with the types.

use output_schema::schema_of;
use schemars::{JsonSchema, Schema};

use crate::harness::find_rate::Step;
use crate::harness::outcome::Outcome;
use crate::simulation::SimulationResult;

/// Returns each schema as the path of its file in the repository and the text of the file.
pub fn files() -> Vec<(&'static str, String)> {
    [
        (
            "docs/schemas/loadtest-result.json",
            titled::<Outcome>("`result.json` of `loadtest run` and `loadtest find-rate`"),
        ),
        ("docs/schemas/loadtest-steps.json", titled::<Vec<Step>>("`steps.json` of `loadtest find-rate`")),
        (
            "docs/schemas/loadtest-simulation.json",
            titled::<SimulationResult>("`loadtest simulate --json FILE`"),
        ),
    ]
    .map(|(path, schema)| (path, format!("{:#}\n", schema.to_value())))
    .into()
}

fn titled<T: JsonSchema>(title: &str) -> Schema {
    let mut schema = schema_of::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}

#[cfg(test)]
mod tests;
