//! Prints a file that the stack reads: `access-log.json` or `metrics.json`.
//! `scripts/generate-stack-files.sh` writes them.

#[path = "../tests/common/stack_files.rs"]
mod stack_files;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: stack_file access-log.json|metrics.json")?;
    let files = stack_files::stack_files();
    let (_, file) = files.iter().find(|(file_name, _)| *file_name == name).ok_or("there is no such file")?;
    println!("{file:#}");
    Ok(())
}
