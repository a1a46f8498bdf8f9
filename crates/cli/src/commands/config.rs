//! `hookwright config`: what the service would be started with.

use std::path::PathBuf;

use anstream::{print, println};
use clap::{Args, Subcommand};

use super::serve::{self, ServeArgs};
use crate::{configuration, failure::Failure, terminal::GOOD};

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether `serve` could start with these flags, this environment and this file, without starting it.
    Check(Box<CheckArgs>),
    /// Show every setting, and where its value comes from. Secrets are left out.
    Show(Box<ShowArgs>),
    /// Print a file with every setting, its description and its default.
    Example,
    /// Print every setting as a table in Markdown, or write it into a page.
    Docs(DocsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file, as with --config.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// As JSON: a list with an object for each setting.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// The page, which has a mark where the table begins and one where it ends.
    #[arg(value_name = "PAGE")]
    page: Option<PathBuf>,
}

pub(crate) fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Check(args) => {
            serve::check(args.serve).map_err(Failure::into_answer)?;
            println!("{GOOD}ok{GOOD:#}: `hookwright serve` can start with this");
        }
        ConfigCommand::Show(args) if args.json => println!("{:#}", args.serve.settings.json()),
        ConfigCommand::Show(args) => {
            for line in args.serve.settings.lines() {
                println!("{line}");
            }
        }
        ConfigCommand::Example => print!("{}", configuration::example(&configuration::definitions())),
        ConfigCommand::Docs(DocsArgs { page: None }) => {
            print!("{}", configuration::table(&configuration::definitions()));
        }
        ConfigCommand::Docs(DocsArgs { page: Some(page) }) => {
            configuration::write_table(&page, &configuration::definitions())?;
        }
    }
    Ok(())
}
