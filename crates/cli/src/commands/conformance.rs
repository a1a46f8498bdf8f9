//! `hookwright conformance`.

use std::{fs, path::PathBuf};

use anstream::println;
use clap::Args;
use hookwright_core::conformance::{self, Vectors, Verdict};

use crate::{
    failure::Failure,
    profiles::ProfilesArgs,
    terminal::{BAD, GOOD},
};

#[derive(Debug, Args)]
#[command(
    after_help = "A file holds requests with the verdict that they must get: tests/vectors/README.md in the repository \
                  describes it. Each request that gets another one is a line `id: got …, expected …`.\n\n\
                  Example: hookwright conformance --profiles ./hookwright vectors.json\n\n\
                  Exit codes: 0 all as expected, 1 some are not, 2 a file that cannot be read or a scheme that is not \
                  known."
)]
pub(crate) struct ConformanceArgs {
    /// Files of test vectors.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    profiles: ProfilesArgs,
}

pub(crate) fn run(args: &ConformanceArgs) -> Result<(), Failure> {
    let registry = args.profiles.registry()?;
    // Every file is read before the first is replayed: what cannot be read is not found out after half of a report.
    let files = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (mut total, mut mismatches) = (0_usize, 0_usize);
    let mut unknown = None;
    for vectors in &files {
        for outcome in conformance::run(&registry, vectors) {
            total += 1;
            if !outcome.is_expected() {
                mismatches += 1;
                println!("{outcome}");
            }
            if outcome.verdict == Verdict::UnknownScheme {
                unknown.get_or_insert(&outcome.vector.scheme);
            }
        }
    }
    let (style, verdict) = if mismatches == 0 {
        (GOOD, String::from("all as expected"))
    } else {
        (BAD, format!("{mismatches} not as expected"))
    };
    println!("{total} vectors, {style}{verdict}{style:#}");
    match (unknown.map(|name| registry.find_scheme(name)), mismatches) {
        (Some(Err(error)), _) => Err(Failure::Usage(error.to_string())),
        (_, 0) => Ok(()),
        _ => Err(Failure::Silent),
    }
}

fn read(path: &PathBuf) -> Result<Vectors, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
    let vectors = Vectors::from_json(&text).map_err(|error| refused(&error))?;
    if vectors.vectors.is_empty() {
        // Somebody would take it for a test that passed.
        return Err(refused(&"there are no vectors in it"));
    }
    Ok(vectors)
}
