//! The keys that sign tokens.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use local_stack::stack::secret_file;
use portal_token::PrivateKey;
use schemars::JsonSchema;
use serde::Serialize;

use crate::input::open::Source;
use crate::output::print_json;

/// Arguments of `meter portal create-key`.
#[derive(clap::Args)]
pub struct CreateArguments {
    /// New file for the private key, which only its owner can read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON document (docs/schemas/meter-portal-create-key.json)
    #[arg(long)]
    json: bool,
}

/// Arguments of `meter portal public-key`.
#[derive(clap::Args)]
pub struct PublicArguments {
    /// File of the private key, in PKCS #8 as PEM; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON document (docs/schemas/meter-portal-public-key.json)
    #[arg(long)]
    json: bool,
}

/// A public key to deploy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PortalKey {
    /// The public key: base64 of its `SubjectPublicKeyInfo`, a value of `PORTAL_PUBLIC_KEYS`.
    pub public_key: String,
}

/// Writes a new private key to a file, and prints its public key.
pub fn create(arguments: &CreateArguments) -> anyhow::Result<()> {
    let file = arguments.file.display();
    let key = PrivateKey::generate()?;
    secret_file::create(&arguments.file, &key.to_pem()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!(
            "{file} exists, and a lost private key cannot be made again: name a new file, or delete this one"
        ),
        _ => anyhow::Error::new(error).context(format!("{file} cannot be written")),
    })?;
    let public_key = key.public_key().to_string();
    if arguments.json {
        return print_json(&PortalKey { public_key });
    }
    println!("The private key is in {file}. Who has it can read the usage of every customer.");
    println!("\nDeploy its public key with the option portal-public-keys:\n\n  {public_key}");
    println!(
        "\nThen sign tokens:\n\n  meter portal token --key {file} --customer CUSTOMER --aws ENVIRONMENT"
    );
    Ok(())
}

/// Prints the public key that belongs to the private key in a file.
pub fn show(arguments: &PublicArguments) -> anyhow::Result<()> {
    let public_key = read(&arguments.file)?.public_key().to_string();
    if arguments.json {
        return print_json(&PortalKey { public_key });
    }
    println!("{public_key}");
    Ok(())
}

/// Reads a private key from a file, or from standard input.
pub(super) fn read(file: &Path) -> anyhow::Result<PrivateKey> {
    let source = Source::from_path(file);
    let pem = source.open().and_then(std::io::read_to_string);
    let pem = pem.with_context(|| format!("the private key {source} cannot be read"))?;
    PrivateKey::from_pem(&pem).with_context(|| format!("{source} cannot be used"))
}
