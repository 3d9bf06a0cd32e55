//! JSON Schemas of the files that the load test writes.
//!
//! `docs/schemas` has them as files; a test compares these with the types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

use crate::harness::find_rate::Step;
use crate::harness::outcome::Outcome;
use crate::simulation::SimulationResult;

/// Returns each schema as the path of its file in the repository and the text of the file.
pub fn files() -> Vec<(&'static str, String)> {
    [
        (
            "docs/schemas/loadtest-result.json",
            schema_of::<Outcome>("`result.json` of `loadtest run` and `loadtest find-rate`"),
        ),
        ("docs/schemas/loadtest-steps.json", schema_of::<Vec<Step>>("`steps.json` of `loadtest find-rate`")),
        (
            "docs/schemas/loadtest-simulation.json",
            schema_of::<SimulationResult>("`loadtest simulate --json FILE`"),
        ),
    ]
    .map(|(path, schema)| (path, format!("{:#}\n", schema.to_value())))
    .into()
}

/// Generates the schema of a type, without references between types. Default values are left out: they are those of a
/// profile, not of the output, and some depend on the machine.
fn schema_of<T: JsonSchema>(title: &str) -> Schema {
    let without_default = RecursiveTransform(|schema: &mut Schema| drop(schema.remove("default")));
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(without_default);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}

#[cfg(test)]
mod tests;
