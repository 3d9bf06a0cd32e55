//! JSON Schemas of the outputs of `meter`, and their documentation.
//!
//! `cargo run -p dev -- generate` writes a schema for each command to `docs/schemas`, and the tables of fields to
//! `docs/JSON.md`.

mod markdown;

use output_schema::schema_of;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use crate::{
    attach, classes, cost, customers, dated_lists, doctor, format, given_up, keys, portal, quarantine,
    reconcile, replay, status, stream, traffic, usage, weights,
};

/// Shape of the output of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One document.
    Document,
    /// Any number of documents, one per line.
    Lines,
}

/// The JSON output of a command.
pub struct Output {
    /// Words and options of the command, such as `meter usage KEY --json`.
    pub command: &'static str,
    /// Path of the schema in the repository.
    pub path: &'static str,
    /// Shape of the output.
    pub shape: Shape,
    /// Generates the schema of the document, or of each line.
    pub schema: fn() -> Schema,
}

impl Output {
    /// Returns the schema as JSON.
    pub fn schema(&self) -> Value {
        (self.schema)().to_value()
    }
}

/// An output of `meter format check`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the variants are printed one by one")]
enum FormatCheck {
    /// Of a format
    Format(format::Report),
    /// Of each line
    Line(format::CheckedLine),
    /// After all lines
    Summary(format::SummaryLine),
}

/// Declares an output: the name of its schema, the command, the shape and the type.
macro_rules! output {
    ($name:literal, $command:literal, $shape:ident, $type:ty) => {
        Output {
            command: $command,
            path: concat!("docs/schemas/meter-", $name, ".json"),
            shape: Shape::$shape,
            schema: schema_of::<$type>,
        }
    };
}

/// The JSON outputs of all commands.
pub const OUTPUTS: &[Output] = &[
    output!("keys-create", "meter keys create --owner OWNER --json", Document, keys::CreatedKey),
    output!("keys-list", "meter keys list --json", Lines, keys::Key),
    output!("keys-show", "meter keys show KEY --json", Document, keys::Key),
    output!("keys-update", "meter keys update KEY --json", Document, keys::ChangedKey),
    output!("keys-rotate", "meter keys rotate KEY --json", Document, keys::ChangedKey),
    output!("keys-delete", "meter keys delete KEY --json", Document, keys::ChangedKey),
    output!("keys-check-log", "meter keys check-log --json", Document, keys::LogCheck),
    output!("keys-export", "meter keys export", Lines, keys::ExportedKey),
    output!("keys-import", "meter keys import FILE --json", Document, keys::ImportSummary),
    output!("customers-create", "meter customers create CUSTOMER --json", Document, customers::Customer),
    output!("customers-list", "meter customers list --json", Lines, customers::Customer),
    output!("customers-show", "meter customers show CUSTOMER --json", Document, customers::CustomerWithKeys),
    output!("customers-update", "meter customers update CUSTOMER --json", Document, customers::Customer),
    output!(
        "customers-merge-check",
        "meter customers merge-check FROM INTO --json",
        Document,
        customers::MergeCheck
    ),
    output!(
        "classes-apply",
        "meter classes apply FILE --json",
        Document,
        dated_lists::Added<classes::ClassList>
    ),
    output!("classes-show", "meter classes show --json", Lines, classes::ClassList),
    output!(
        "weights-apply",
        "meter weights apply FILE --json",
        Document,
        dated_lists::Added<weights::WeightList>
    ),
    output!("weights-show", "meter weights show --json", Lines, weights::WeightList),
    output!("classes-test", "meter classes test FILE --json", Lines, classes::ClassCalls),
    output!("usage", "meter usage KEY --json", Document, usage::UsageReport),
    output!("usage-groups", "meter usage --all --json", Lines, usage::GroupUsage<'static>),
    output!("portal-create-key", "meter portal create-key FILE --json", Document, portal::PortalKey),
    output!("portal-public-key", "meter portal public-key FILE --json", Document, portal::PortalKey),
    output!("portal-token", "meter portal token --customer CUSTOMER --json", Document, portal::PortalToken),
    output!("format-check", "meter format check FILE --json", Lines, FormatCheck),
    output!("replay", "meter replay FILE --json", Document, replay::Report),
    output!("quarantine-list", "meter quarantine list --json", Lines, quarantine::QuarantinedRecord),
    output!("quarantine-show", "meter quarantine show --json", Lines, quarantine::QuarantinedRecordWithData),
    output!("quarantine-put-back", "meter quarantine put-back --json", Document, quarantine::PutBackRecords),
    output!(
        "quarantine-discard",
        "meter quarantine discard --yes --json",
        Document,
        quarantine::DiscardedRecords
    ),
    output!("given-up-put-back", "meter given-up put-back --json", Document, given_up::PutBackBatches),
    output!("given-up-list", "meter given-up list --json", Lines, given_up::GivenUpBatchOutput),
    output!("stream-show", "meter stream show --json", Document, stream::StreamOutput),
    output!("stream-reshard", "meter stream reshard --shards N --json", Document, stream::ReshardOutput),
    output!("stream-retention", "meter stream retention --json", Document, stream::RetentionOutput),
    output!("cost", "meter cost --json", Document, cost::CostOutput),
    output!("traffic", "meter traffic --json", Lines, traffic::KeyResponses),
    output!("status", "meter status --json", Document, Vec<status::Graph>),
    output!("reconcile", "meter reconcile --json", Document, reconcile::Comparison),
    output!("attach", "meter attach API --json", Document, attach::AttachmentReport),
    output!("detach", "meter detach API --json", Document, attach::AttachmentReport),
    output!("doctor", "meter doctor --json", Document, Vec<doctor::CheckOutput>),
];

/// Returns the generated files of the outputs of all commands, and of `others`: paths in the repository, and
/// contents.
pub fn files(others: &[Output]) -> Vec<(&'static str, String)> {
    let outputs = || OUTPUTS.iter().chain(others);
    let schemas = outputs().map(|output| (output.path, format!("{:#}\n", output.schema())));
    schemas.chain([("docs/JSON.md", markdown::page(outputs()))]).collect()
}

#[cfg(test)]
mod tests;
