//! Where the settings of `hookwright serve` come from.
//!
//! A setting is defined once, as an argument of `serve`: its name, type, default, bounds and words. This module makes three
//! places of each: a flag (`--lease 5s`), an environment variable (`HOOKWRIGHT_LEASE`), and a key of a TOML file (`lease =
//! "5s"`), in this order of precedence, and the default behind them. Nothing here knows a setting by its name, so a new
//! argument is at once a key, is checked, shown and documented.
//!
//! ```text
//! what was typed ─► parsed without rules between arguments ─► flags and variables, told apart
//! file           ─► each value parsed alone, with its line   ─┤ the first place that has a value wins,
//!                                                             │ and takes with it what it cannot be used with
//!                                                             ▼
//!                            `serve --a=… --b=…`, parsed by clap with all its rules
//! ```

mod definition;
mod documentation;
mod file;
mod layers;
mod setting;

use clap::{CommandFactory as _, FromArgMatches as _};

pub(crate) use self::{
    definition::definitions,
    documentation::{example, table, write_table},
    layers::PLATFORM_STORE_VARIABLE,
    setting::Settings,
};
use crate::{
    args::{Command, Options},
    commands::{config::ConfigCommand, serve::ServeArgs},
    failure::Failure,
};

/// What was typed, with the settings of the environment and of the file in it.
pub(crate) fn options() -> Result<Options, Failure> {
    let command = definition::with_every_place(Options::command());
    let matches = definition::without_rules(command.clone()).get_matches();
    let mut options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let resolve = |typed| layers::resolve(&command, typed, None);
    match (&mut options.command, matches.subcommand()) {
        (Command::Serve(args), Some((_, typed))) => *args = resolve(typed)?,
        (Command::Config(args), Some((_, typed))) => match (&mut args.command, typed.subcommand()) {
            (ConfigCommand::Show(show), Some((_, typed))) => show.serve = resolve(typed)?,
            (ConfigCommand::Check(check), Some((_, typed))) => {
                // That the file is wrong is what was asked, and not a wrong question.
                check.serve =
                    layers::resolve(&command, typed, check.file.take()).map_err(Failure::into_answer)?;
            }
            _ => {}
        },
        _ => {}
    }
    Ok(options)
}

/// The arguments of `serve`, all of them flags.
fn parse(command: &clap::Command, flags: Vec<std::ffi::OsString>) -> Result<ServeArgs, clap::Error> {
    let words = [command.get_name().into(), "serve".into()];
    let matches = definition::without_variables(command.clone())
        .try_get_matches_from(words.into_iter().chain(flags))?;
    match Options::from_arg_matches(&matches)?.command {
        Command::Serve(args) => Ok(args),
        command => unreachable!("`serve` was parsed as {command:?}"),
    }
}
