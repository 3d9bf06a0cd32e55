//! JSON Schemas of the outputs of the commands `meter` and `loadtest`.
//!
//! [`schema_of`] generates the schema of a type, [`problems`] checks a document against a schema.

mod validation;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

pub use validation::problems;

/// Generates the schema of an output type, without references between types. Default values are left out: they are
/// those of an input of the same type, and some depend on the machine.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let without_default = RecursiveTransform(|schema: &mut Schema| drop(schema.remove("default")));
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(without_default);
    settings.into_generator().into_root_schema_for::<T>()
}
