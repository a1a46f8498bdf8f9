//! Which place has the last word on each setting.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Command, parser::ValueSource};

use super::{
    definition::{Definition, FILE_ARGUMENT, Kind, definitions_of},
    file::{self, Entry},
    setting::{Setting, Settings, Source},
};
use crate::{commands::serve::ServeArgs, failure::Failure};

/// What a service that leaves everything to its platform is given. It counts only where nothing else says where the store
/// is, not even a file: it is often meant for another program.
pub(crate) const PLATFORM_STORE_VARIABLE: &str = "DATABASE_URL";

/// A setting that something was said about.
#[derive(Debug)]
struct Choice<'d> {
    definition: &'d Definition,
    values: Vec<OsString>,
    source: Source,
}

/// The arguments of `serve` with everything in it, from what was typed, what is in the environment, and a file: this one, or
/// the one that they name, or the one in this folder.
pub(super) fn resolve(
    command: &Command,
    typed: &ArgMatches,
    file: Option<PathBuf>,
) -> Result<ServeArgs, Failure> {
    let definitions = definitions_of(command);
    let named = file.or_else(|| typed.get_one::<PathBuf>(FILE_ARGUMENT).cloned());
    let implicit = if named.is_none() { file::implicit() } else { None };
    let path = named.or_else(|| implicit.clone());
    let entries = match &path {
        Some(path) => file::read(path, &definitions)?,
        None => Vec::new(),
    };
    let choices: Vec<Choice<'_>> = definitions
        .iter()
        .filter_map(|definition| {
            choice_of_typed(definition, typed)
                .or_else(|| choice_of_file(definition, &entries, path.as_deref()?))
        })
        .collect();
    let mut choices = without_overruled(choices);
    platform_store(&mut choices, &definitions);
    let (flags, settings) = opened(&choices, &definitions)?;
    let mut args = super::parse(command, flags).map_err(|error| {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // The usage that follows is of a command line that nobody typed.
        let text = text.split("\n\nUsage:").next().unwrap_or(text).trim_end();
        Failure::Usage(match &path {
            Some(path) => format!(
                "{text}\n\nWhat {} says counts as if it had been typed.",
                path.display()
            ),
            None => text.to_owned(),
        })
    })?;
    args.settings = Settings {
        all: settings,
        implicit_file: implicit,
    };
    Ok(args)
}

fn choice_of_typed<'d>(definition: &'d Definition, typed: &ArgMatches) -> Option<Choice<'d>> {
    let source = match typed.value_source(definition.id())? {
        ValueSource::CommandLine => Source::Flag,
        ValueSource::EnvVariable => Source::Environment {
            variable: definition.variable()?,
        },
        _ => return None,
    };
    let values = match definition.kind() {
        // A flag without a value, and a variable that says it in one of many ways.
        Kind::Switch => vec![typed.get_one::<bool>(definition.id())?.to_string().into()],
        _ => typed.get_raw(definition.id())?.map(OsString::from).collect(),
    };
    Some(Choice {
        definition,
        values,
        source,
    })
}

fn choice_of_file<'d>(definition: &'d Definition, entries: &[Entry], path: &Path) -> Option<Choice<'d>> {
    let entry = entries.iter().find(|entry| entry.key == definition.key())?;
    Some(Choice {
        definition,
        values: entry.values.iter().map(OsString::from).collect(),
        source: Source::File {
            path: path.to_owned(),
            line: entry.line,
        },
    })
}

/// `--data` that is typed is not a second opinion beside a `store` in the file but overrules it. Within one place the two
/// contradict each other, and clap says so.
fn without_overruled(choices: Vec<Choice<'_>>) -> Vec<Choice<'_>> {
    let is_overruled = |choice: &Choice<'_>| {
        choices.iter().any(|other| {
            let (one, two) = (choice.definition, other.definition);
            let is_conflict = one.conflicts.iter().any(|key| key == two.key())
                || two.conflicts.iter().any(|key| key == one.key());
            is_conflict && rank(&other.source) > rank(&choice.source)
        })
    };
    let overruled: Vec<bool> = choices.iter().map(is_overruled).collect();
    let judged = choices.into_iter().zip(overruled);
    judged
        .filter_map(|(choice, is_overruled)| (!is_overruled).then_some(choice))
        .collect()
}

fn rank(source: &Source) -> u8 {
    match source {
        Source::Default => 0,
        Source::File { .. } | Source::SecretFile { .. } => 1,
        Source::Environment { .. } => 2,
        Source::Flag => 3,
    }
}

fn platform_store<'d>(choices: &mut Vec<Choice<'d>>, definitions: &'d [Definition]) {
    let Some(store) = definitions.iter().find(|definition| definition.key() == "store") else {
        return;
    };
    let is_said = choices.iter().any(|choice| {
        choice.definition.key() == store.key()
            || choice.definition.conflicts.iter().any(|key| key == store.key())
    });
    match std::env::var_os(PLATFORM_STORE_VARIABLE) {
        Some(url) if !is_said && !url.is_empty() => choices.push(Choice {
            definition: store,
            values: vec![url],
            source: Source::Environment {
                variable: String::from(PLATFORM_STORE_VARIABLE),
            },
        }),
        _ => {}
    }
}

/// Everything as flags and as it may be shown, with what is in the files of secrets.
fn opened(
    choices: &[Choice<'_>],
    definitions: &[Definition],
) -> Result<(Vec<OsString>, Vec<Setting>), Failure> {
    let choice_of = |key: &str| choices.iter().find(|choice| choice.definition.key() == key);
    let (mut flags, mut settings) = (Vec::new(), Vec::new());
    for definition in definitions {
        let secret_file = definitions
            .iter()
            .find(|other| definition.is_secret() && other.secret_in_file() == Some(definition.key()))
            .and_then(|file| choice_of(file.key()));
        let (values, source) = match (choice_of(definition.key()), secret_file) {
            (None, None) => (Vec::new(), Source::Default),
            (None, Some(file)) => {
                let path: PathBuf = file.values.iter().collect();
                let secret = file::secret(&path).map_err(|problem| {
                    Failure::Usage(format!(
                        "{}: {} ({}): {problem}",
                        file.definition.key(),
                        path.display(),
                        file.source
                    ))
                })?;
                (vec![OsString::from(secret)], Source::SecretFile { path })
            }
            (Some(choice), _) => (choice.values.clone(), choice.source.clone()),
        };
        let is_read = definition.secret_in_file().is_some_and(|secret| {
            choice_of(secret).is_none()
                && definitions
                    .iter()
                    .any(|other| other.is_secret() && other.key() == secret)
        });
        if source != Source::Default && !is_read {
            flags.extend(definition.flags(&values));
        }
        let shown: Vec<String> = match source {
            Source::Default => definition.defaults(),
            _ => values
                .iter()
                .map(|value| value.to_string_lossy().into_owned())
                .collect(),
        };
        settings.push(Setting::new(definition, &shown, source));
    }
    Ok((flags, settings))
}
