//! What can be set: read from the definition of `hookwright serve`.

use std::{any::TypeId, error::Error as _, ffi::OsStr, num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, Command, CommandFactory as _, builder::Resettable, value_parser};

use crate::args::Options;

/// The argument that names the file. It cannot be in the file.
pub(super) const FILE_ARGUMENT: &str = "config";

/// What follows the name of a secret in the name of the setting that says which file it is in.
const SECRET_FILE: &str = "-file";

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    argument: Arg,
    /// The settings that it cannot be used with.
    pub(super) conflicts: Vec<String>,
}

/// What a value of a setting looks like in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Switch,
    Number,
    Text,
    List,
}

/// Every setting, in the order of `hookwright serve --help`.
pub(crate) fn definitions() -> Vec<Definition> {
    definitions_of(&with_every_place(Options::command()))
}

pub(super) fn definitions_of(command: &Command) -> Vec<Definition> {
    let serve = serve_of(command);
    let mut found: Vec<Definition> = Vec::new();
    for argument in serve.get_arguments() {
        let definition = Definition {
            argument: argument.clone(),
            conflicts: conflicts(serve, argument),
        };
        if definition.argument.get_long().is_none() || definition.key() == FILE_ARGUMENT {
            continue;
        }
        // The file of a secret was added at the end, and belongs beside it.
        let beside = definition
            .secret_in_file()
            .and_then(|secret| found.iter().position(|other| other.key() == secret))
            .filter(|at| found[*at].is_secret());
        match beside {
            Some(at) => found.insert(at + 1, definition),
            None => found.push(definition),
        }
    }
    found
}

/// Gives each setting a variable, and each secret a second setting: the file that it is in. A secret is an argument whose
/// value in the environment is not to be shown in the help (`hide_env_values`).
pub(super) fn with_every_place(command: Command) -> Command {
    each_serve(command, |serve| {
        let serve = serve.mut_args(|argument| match argument.get_long() {
            Some(long) if argument.get_env().is_none() && is_separable(&argument) => {
                let variable = variable_of(long);
                argument.env(variable)
            }
            _ => argument,
        });
        let files: Vec<Arg> = serve
            .get_arguments()
            .filter(|argument| argument.is_hide_env_values_set())
            .filter_map(|secret| file_of(&serve, secret))
            .collect();
        serve.args(files)
    })
}

/// One value, or a list that can be written into a variable.
fn is_separable(argument: &Arg) -> bool {
    !matches!(argument.get_action(), ArgAction::Append) || argument.get_value_delimiter().is_some()
}

fn variable_of(long: &str) -> String {
    format!("HOOKWRIGHT_{}", long.replace('-', "_").to_uppercase())
}

fn file_of(serve: &Command, secret: &Arg) -> Option<Arg> {
    let long = secret.get_long()?;
    let name = format!("{long}{SECRET_FILE}");
    let file = Arg::new(name.clone())
        .env(variable_of(&name))
        .long(name)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(format!(
            "The file that has the value of --{long}, such as a mounted secret"
        ))
        .conflicts_with(secret.get_id().clone());
    let others = serve.get_arguments().filter(|other| {
        let conflicts = |one: &Arg, with: &Arg| {
            let mut conflicting = serve.get_arg_conflicts_with(one).into_iter();
            conflicting.any(|argument| argument.get_id() == with.get_id())
        };
        conflicts(other, secret) || conflicts(secret, other)
    });
    let file = others.fold(file, |file, other| file.conflicts_with(other.get_id().clone()));
    // Without one it is said too: the last one would count.
    Some(match secret.get_help_heading() {
        Some(heading) => file.help_heading(heading.to_owned()),
        None => file.help_heading(Resettable::Reset),
    })
}

/// For finding out what was typed and what is in the environment: whether it fits together is asked when the file is known.
pub(super) fn without_rules(command: Command) -> Command {
    each_serve(command, |serve| {
        serve.mut_args(|argument| {
            // An empty variable is how a service's environment says "not set".
            let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
            let argument = if argument.get_env().is_some_and(is_empty) {
                argument.env(Resettable::Reset)
            } else {
                argument
            };
            argument
                .requires(Resettable::Reset)
                .conflicts_with(Resettable::Reset)
        })
    })
}

/// For the second look, when everything is a flag.
pub(super) fn without_variables(command: Command) -> Command {
    each_serve(command, |serve| {
        serve.mut_args(|argument| argument.env(Resettable::Reset))
    })
}

/// `serve`, and the commands that take its arguments.
fn each_serve(command: Command, change: impl Fn(Command) -> Command) -> Command {
    command
        .mut_subcommand("serve", &change)
        .mut_subcommand("config", |config| {
            config
                .mut_subcommand("check", &change)
                .mut_subcommand("show", &change)
        })
}

fn serve_of(command: &Command) -> &Command {
    // It is a command of ours; a test goes through it.
    command.find_subcommand("serve").expect("the command `serve`")
}

fn conflicts(serve: &Command, argument: &Arg) -> Vec<String> {
    let names = serve.get_arg_conflicts_with(argument).into_iter();
    names.filter_map(Arg::get_long).map(str::to_owned).collect()
}

impl Definition {
    /// The name in the file, which is that of the flag.
    pub(super) fn key(&self) -> &str {
        self.argument.get_long().unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.argument.get_id().as_str()
    }

    pub(super) fn variable(&self) -> Option<String> {
        self.argument
            .get_env()
            .map(|name| name.to_string_lossy().into_owned())
    }

    pub(super) fn is_secret(&self) -> bool {
        self.argument.is_hide_env_values_set()
    }

    /// The setting whose value is in the file that this one names.
    pub(super) fn secret_in_file(&self) -> Option<&str> {
        self.key().strip_suffix(SECRET_FILE)
    }

    pub(super) fn heading(&self) -> Option<&str> {
        self.argument.get_help_heading()
    }

    /// What it is for, on one line.
    pub(super) fn help(&self) -> String {
        let help = self.argument.get_long_help().or(self.argument.get_help());
        let text = help.map(ToString::to_string).unwrap_or_default();
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.ends_with('.') {
            line.push('.');
        }
        line
    }

    pub(super) fn value_name(&self) -> String {
        let names = self.argument.get_value_names().unwrap_or_default();
        names
            .first()
            .map_or_else(|| self.key().to_uppercase(), ToString::to_string)
    }

    pub(super) fn defaults(&self) -> Vec<String> {
        let values = self.argument.get_default_values().iter();
        values.map(|value| value.to_string_lossy().into_owned()).collect()
    }

    pub(super) fn kind(&self) -> Kind {
        match self.argument.get_action() {
            ArgAction::SetTrue => Kind::Switch,
            ArgAction::Append => Kind::List,
            _ if self.has_type::<bool>() => Kind::Switch,
            _ if self.is_number() => Kind::Number,
            _ => Kind::Text,
        }
    }

    fn is_number(&self) -> bool {
        self.has_type::<u16>()
            || self.has_type::<u32>()
            || self.has_type::<u64>()
            || self.has_type::<usize>()
            || self.has_type::<NonZeroU32>()
    }

    fn has_type<T: 'static>(&self) -> bool {
        self.argument.get_value_parser().type_id() == TypeId::of::<T>()
    }

    /// This setting as flags.
    pub(super) fn flags(&self, values: &[std::ffi::OsString]) -> Vec<std::ffi::OsString> {
        let flag = |value: &std::ffi::OsString| {
            let mut flag = std::ffi::OsString::from(format!("--{}=", self.key()));
            flag.push(value);
            flag
        };
        match (self.argument.get_action(), values) {
            (ArgAction::SetTrue, [value]) if value == "true" => vec![format!("--{}", self.key()).into()],
            (ArgAction::SetTrue, _) => Vec::new(),
            _ => values.iter().map(flag).collect(),
        }
    }

    /// Why a value that was read from a file is none of this setting, in words that do not repeat it.
    pub(super) fn refusal(&self, value: &str) -> Option<String> {
        if matches!(self.argument.get_action(), ArgAction::SetTrue) {
            return None;
        }
        let alone = self
            .argument
            .clone()
            .requires(Resettable::Reset)
            .conflicts_with(Resettable::Reset)
            .env(Resettable::Reset);
        let command = Command::new("").no_binary_name(true).arg(alone);
        let error = command.try_get_matches_from(self.flags(&[value.into()])).err()?;
        let possible = self.argument.get_possible_values();
        Some(match error.source() {
            Some(reason) => reason.to_string(),
            None if !possible.is_empty() => {
                let names: Vec<&str> = possible
                    .iter()
                    .map(clap::builder::PossibleValue::get_name)
                    .collect();
                format!("expected {}", names.join(" or "))
            }
            None => String::from("expected a value"),
        })
    }

    /// What is allowed, as far as the refusal of an impossible value tells.
    pub(super) fn bounds(&self) -> Option<String> {
        let possible = self.argument.get_possible_values();
        match self.kind() {
            Kind::Number => {
                let refusal = self.refusal("-1")?;
                let (from, to) = refusal.strip_prefix("-1 is not in ")?.split_once("..=")?;
                (to != u32::MAX.to_string()).then(|| format!("{from} to {to}"))
            }
            Kind::Text if self.has_type::<Duration>() => self.refusal("0ms"),
            Kind::Text if !possible.is_empty() => {
                let names: Vec<&str> = possible
                    .iter()
                    .map(clap::builder::PossibleValue::get_name)
                    .collect();
                Some(names.join(" or "))
            }
            Kind::Switch | Kind::Text | Kind::List => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(key: &str) -> Definition {
        let mut all = definitions().into_iter();
        all.find(|definition| definition.key() == key).unwrap()
    }

    /// A setting that is added to `serve` could not be given in a file, or not in the environment.
    #[test]
    fn every_argument_of_serve_is_a_setting_in_every_place() {
        let command = with_every_place(Options::command());
        command.clone().debug_assert();
        for argument in serve_of(&command).get_arguments() {
            let id = argument.get_id();
            assert!(argument.get_long().is_some(), "{id} has no long name");
            assert!(
                argument.get_env().is_some(),
                "{id} cannot be read from the environment"
            );
            assert!(
                matches!(
                    argument.get_action(),
                    ArgAction::Set | ArgAction::SetTrue | ArgAction::Append
                ),
                "{id} is given in a way that files cannot express"
            );
            assert!(argument.get_help().is_some(), "{id} has no description");
        }
    }

    /// What two settings have the same variable for would be set to the same value.
    #[test]
    fn no_two_settings_have_the_same_variable() {
        let mut variables: Vec<String> = definitions().iter().filter_map(Definition::variable).collect();
        variables.sort();
        let count = variables.len();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }

    #[test]
    fn type_bounds_and_words_come_from_the_argument() {
        let attempts = definition("attempts-max");
        assert_eq!(attempts.kind(), Kind::Number);
        assert_eq!(attempts.bounds().as_deref(), Some("1 to 100000"));
        assert_eq!(attempts.variable().as_deref(), Some("HOOKWRIGHT_ATTEMPTS_MAX"));
        assert_eq!(attempts.refusal("0").as_deref(), Some("0 is not in 1..=100000"));
        assert_eq!(attempts.refusal("1"), None);
        assert_eq!(definition("lease").bounds().as_deref(), Some("3s to 60s"));
        assert_eq!(definition("grace").bounds(), None);
        assert_eq!(definition("log-format").bounds().as_deref(), Some("text or json"));
        assert_eq!(
            definition("log-format").refusal("xml").as_deref(),
            Some("expected text or json")
        );
        assert_eq!(definition("allow-http").kind(), Kind::Switch);
        assert_eq!(definition("allow-target").kind(), Kind::List);
    }

    #[test]
    fn a_secret_can_be_in_a_file_which_stands_beside_it() {
        let all = definitions();
        let keys: Vec<&str> = all.iter().map(Definition::key).collect();
        let at = keys.iter().position(|key| *key == "store").unwrap();
        assert_eq!(keys[at + 1], "store-file");
        assert_eq!(all[at + 1].conflicts, ["store", "data"]);
        assert!(keys.contains(&"smtp-url-file"));
        assert!(!keys.contains(&"config"), "a file cannot name another");
    }
}
