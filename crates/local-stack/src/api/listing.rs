//! Writes `docs/LOCAL_SERVICES.md` from the tables.

use std::fmt::Write;

use super::Service;

/// Returns the document that lists the operations and parameters of each service.
pub fn listing(services: &[&Service]) -> String {
    let mut text = String::from(
        "# The services of `meter local`\n\n\
         Generated from the tables in `crates/local-stack/src/api/tables`, which also check the\n\
         requests: an operation or a parameter that is not listed is refused with an error that names it, never\n\
         ignored. Write this file with `cargo run -p dev -- generate`.\n",
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
