//! Generates `docs/LOCAL_SERVICES.md` from the tables.

use std::fmt::Write;

use super::Service;

/// Returns the document with the operations and parameters of each service.
pub fn listing(services: &[&Service]) -> String {
    let mut text = String::from(
        "# Services of `meter local`\n\n\
         The local stack refuses an operation or a parameter that is not listed here, with an error that names it. It\n\
         never ignores one. `cargo run -p dev -- generate` writes this file from the tables in\n\
         `crates/local-stack/src/api/tables`, by which the local stack checks requests.\n",
    );
    for service in services {
        let _ = write!(text, "\n## {}\n\n{}\n", service.name, service.differs);
        if !service.operations.is_empty() {
            text.push_str("\n| operation | parameters |\n| --- | --- |\n");
        }
        for operation in service.operations {
            let parameters: Vec<String> =
                operation.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
            let parameters = if parameters.is_empty() { "none".to_owned() } else { parameters.join(", ") };
            let _ = writeln!(text, "| `{}` | {parameters} |", operation.name);
        }
    }
    text
}
