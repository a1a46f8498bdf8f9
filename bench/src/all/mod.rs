//! `all`: every figure that docs/performance.md shows, and the document's table and charts from them.
//!
//! Each test is a process of its own with a command line that the document shows, so whatever is published can be
//! repeated alone. The rounds go over all tests in turn: a machine that grows slower in the meantime shows as spread and
//! does not spoil one test only.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::process::Command;

use self::tests::{Sizes, Test};
use crate::{
    plot::{self, PlotArgs},
    prepared,
    recorded::Recorded,
    scratch::Scratch,
};

mod rows;
mod soaks;
mod table;
mod tests;

#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    /// How often each test is run; those without a target once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) runs: u32,
    /// Small sizes, one run each: shows that everything works. Results, table and charts go to target/bench-quick
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only tests whose names contain one of these, such as `saturation,nodes`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// All tests but those whose names contain one of these, such as `soak,full`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) except: Vec<String>,
    /// Keeps results that are there already instead of measuring again
    #[arg(long)]
    pub(crate) resume: bool,
    /// Measures nothing: writes table and charts of the results that are there
    #[arg(long)]
    pub(crate) render: bool,
    /// The folder that results go to
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    pub(crate) results: PathBuf,
    /// The document that the table goes to, between its markers
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    pub(crate) document: PathBuf,
    /// The folder that charts go to
    #[arg(long, value_name = "DIR", default_value = "docs/images")]
    pub(crate) images: PathBuf,
    /// The service's executable
    #[arg(long, value_name = "FILE", default_value = "target/release/hookwright")]
    pub(crate) service_binary: PathBuf,
    /// Where SQLite files and records go. On a real disk, or writing costs nothing
    #[arg(long, value_name = "DIR", default_value_os_t = env::temp_dir())]
    pub(crate) data_dir: PathBuf,
}

/// Where everything goes.
#[derive(Debug)]
struct Places {
    results: PathBuf,
    document: PathBuf,
    images: PathBuf,
}

/// Returns whether every test passed.
pub(crate) async fn run(args: &AllArgs) -> Result<bool> {
    let sizes = if args.quick { Sizes::QUICK } else { Sizes::FULL };
    let tests = tests::tests(&sizes);
    let places = places(args)?;
    let passed = if args.render {
        true
    } else {
        measure(args, &tests, &places).await?
    };
    let results = Recorded::read_all(&places.results)?;
    plot::run(&PlotArgs {
        results: places.results,
        images: places.images.clone(),
    })?;
    let generated = table::markdown(&tests, &results, &table::charts(&places.images));
    let document = fs::read_to_string(&places.document)
        .with_context(|| format!("reading {}", places.document.display()))?;
    fs::write(&places.document, table::splice(&document, &generated)?)?;
    println!("written     {}", places.document.display());
    Ok(passed)
}

/// Quick results are no figures: they stay away from the document.
fn places(args: &AllArgs) -> Result<Places> {
    if !args.quick {
        fs::create_dir_all(&args.results)?;
        return Ok(Places {
            results: args.results.clone(),
            document: args.document.clone(),
            images: args.images.clone(),
        });
    }
    let folder = Path::new(QUICK_FOLDER);
    let places = Places {
        results: folder.join("results"),
        document: folder.join("performance.md"),
        images: folder.join("images"),
    };
    fs::create_dir_all(&places.results)?;
    fs::copy(&args.document, &places.document)
        .with_context(|| format!("copying {}", args.document.display()))?;
    Ok(places)
}

/// Stores are filled once for each content and copied for each test.
async fn measure(args: &AllArgs, tests: &[Test], places: &Places) -> Result<bool> {
    let filled = Scratch::create(&args.data_dir)?;
    let passed = measure_with(filled.path(), args, tests, places).await;
    prepared::forget(filled.path()).await?;
    passed
}

async fn measure_with(filled_dir: &Path, args: &AllArgs, tests: &[Test], places: &Places) -> Result<bool> {
    let rounds = if args.quick { 1 } else { args.runs };
    let mut failed = Vec::new();
    for round in 1..=rounds {
        let due = tests
            .iter()
            .filter(|test| round <= test.rounds_max && is_wanted(&test.name, args));
        for test in due {
            let file = places.results.join(format!("{}.{round}.json", test.name));
            if args.resume && file.exists() {
                continue;
            }
            println!(
                "\n==> {} ({round} of {}): {}",
                test.name,
                rounds.min(test.rounds_max),
                test.arguments
            );
            // What is left of an earlier measurement must not pass for this one's.
            for stale in [file.clone(), file.with_extension("csv")] {
                if stale.exists() {
                    fs::remove_file(&stale)?;
                }
            }
            let status = Command::new(env::current_exe()?)
                .args(test.arguments.split(' '))
                .arg("--service-binary")
                .arg(&args.service_binary)
                .arg("--data-dir")
                .arg(&args.data_dir)
                .arg("--filled-dir")
                .arg(filled_dir)
                .arg("--json")
                .arg(&file)
                .kill_on_drop(true)
                .status()
                .await?;
            if !status.success() {
                failed.push(format!("{}, run {round}: {status}", test.name));
            }
        }
    }
    for failure in &failed {
        println!("FAILED      {failure}");
    }
    Ok(failed.is_empty())
}

fn is_wanted(name: &str, args: &AllArgs) -> bool {
    let names = |list: &[String]| list.iter().any(|part| name.contains(part.as_str()));
    (args.only.is_empty() || names(&args.only)) && !names(&args.except)
}

const QUICK_FOLDER: &str = "target/bench-quick";

#[cfg(test)]
mod choosing {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn tests_are_chosen_by_parts_of_their_names() {
        let wanted = |line: &str, name: &str| {
            let line = format!("hookwright-bench all {line}");
            match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
                Command::All(args) => is_wanted(name, &args),
                other => panic!("{other:?}"),
            }
        };
        assert!(wanted("", "soak-sqlite"));
        assert!(wanted("--only nodes,soak", "soak-sqlite"));
        assert!(!wanted("--only nodes", "soak-sqlite"));
        assert!(!wanted("--except full,soak", "saturation-postgres-full"));
    }
}
