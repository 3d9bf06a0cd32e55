//! Prints `docs/LOCAL_SERVICES.md`; `scripts/generate-stack-files.sh` writes it.

use local_stack::api::listing;
use local_stack::api::tables::SERVICES;

fn main() {
    print!("{}", listing(&SERVICES));
}
