//! `hookwright openapi`.

use anstream::println;

use crate::failure::Failure;

pub(crate) fn run() -> Result<(), Failure> {
    let document = hookwright_server::openapi().map_err(|error| Failure::Failed(error.to_string()))?;
    println!("{document:#}");
    Ok(())
}
