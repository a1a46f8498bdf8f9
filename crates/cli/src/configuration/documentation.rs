//! What can be set, in words: a file to start from, and the table in `docs/configuration.md`.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::Value;

use super::{
    definition::{Definition, Kind},
    setting::in_toml,
};
use crate::failure::Failure;

const TABLE_BEGIN: &str = "<!-- settings: written by `make config-docs` -->\n";
const TABLE_END: &str = "<!-- end of settings -->";

/// Columns of a comment in the example.
const WIDTH: usize = 100;

/// A file with every setting and its default, all of it comments.
pub(crate) fn example(definitions: &[Definition]) -> String {
    let mut text = String::from(
        "# Settings of `hookwright serve`. A flag overrules the environment, which overrules this file.\n\
         # What has a # before it is the default, or an example where there is none.\n",
    );
    for (heading, definitions) in by_heading(definitions) {
        if let Some(heading) = heading {
            let _ = write!(text, "\n\n# {heading}\n");
        }
        for definition in definitions {
            text.push('\n');
            for line in wrapped(&description(definition)) {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "#{} = {}", definition.key(), example_value(definition));
        }
    }
    text
}

/// A table in Markdown for each heading.
pub(crate) fn table(definitions: &[Definition]) -> String {
    let mut text = String::new();
    for (heading, definitions) in by_heading(definitions) {
        let _ = write!(
            text,
            "\n### {}\n\n| setting | default | variable | what it does |\n| --- | --- | --- | --- |\n",
            heading.unwrap_or("Service")
        );
        for definition in definitions {
            let default = default_value(definition).map_or_else(String::new, |value| format!("`{value}`"));
            let variable = definition
                .variable()
                .map_or_else(String::new, |name| format!("`{name}`"));
            let mut what = definition.help();
            if let Some(bounds) = definition.bounds() {
                let _ = write!(what, " Allowed: {bounds}.");
            }
            let _ = writeln!(
                text,
                "| `{}` | {default} | {variable} | {} |",
                definition.key(),
                what.replace('|', "\\|")
            );
        }
    }
    text.push('\n');
    text
}

/// Puts the table between its marks in a page.
pub(crate) fn write_table(page: &Path, definitions: &[Definition]) -> Result<(), Failure> {
    let failed = |problem: &dyn std::fmt::Display| Failure::Failed(format!("{}: {problem}", page.display()));
    let text = fs::read_to_string(page).map_err(|error| failed(&error))?;
    let Some((before, _, after)) = parts(&text) else {
        return Err(failed(&format_args!(
            "there is no {:?} in it",
            TABLE_BEGIN.trim_end()
        )));
    };
    let new = format!("{before}{TABLE_BEGIN}{}{TABLE_END}{after}", table(definitions));
    fs::write(page, new).map_err(|error| failed(&error))
}

/// What is before the table, the table, and what is after it.
fn parts(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(TABLE_BEGIN)?;
    let (table, after) = rest.split_once(TABLE_END)?;
    Some((before, table, after))
}

/// In the order of the first setting of each heading.
fn by_heading(definitions: &[Definition]) -> Vec<(Option<&str>, Vec<&Definition>)> {
    let mut groups: Vec<(Option<&str>, Vec<&Definition>)> = Vec::new();
    for definition in definitions {
        match groups
            .iter_mut()
            .find(|(heading, _)| *heading == definition.heading())
        {
            Some((_, group)) => group.push(definition),
            None => groups.push((definition.heading(), vec![definition])),
        }
    }
    groups
}

fn description(definition: &Definition) -> String {
    let mut text = definition.help();
    if let Some(bounds) = definition.bounds() {
        let _ = write!(text, " Allowed: {bounds}.");
    }
    if let Some(variable) = definition.variable() {
        let _ = write!(text, " Environment: {variable}.");
    }
    text
}

fn default_value(definition: &Definition) -> Option<String> {
    let defaults = definition.defaults();
    match (definition.kind(), defaults.as_slice()) {
        (Kind::Switch, defaults) => Some(defaults.iter().any(|value| value == "true").to_string()),
        (_, []) => None,
        (Kind::Number, [number, ..]) => Some(number.clone()),
        (Kind::Text, [text, ..]) => Some(in_toml(&Value::String(text.clone()))),
        (Kind::List, texts) => Some(in_toml(&texts.iter().cloned().collect())),
    }
}

fn example_value(definition: &Definition) -> String {
    default_value(definition).unwrap_or_else(|| match definition.kind() {
        Kind::List => in_toml(&Value::from(vec![definition.value_name()])),
        _ => in_toml(&Value::from(definition.value_name())),
    })
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        super::{definitions, file},
        *,
    };

    /// Somebody would look a setting up, and read what was true before.
    #[test]
    fn the_page_has_the_table_of_these_definitions() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let text = fs::read_to_string(page).unwrap();
        let (_, written, _) = parts(&text).unwrap();
        assert!(
            written == table(&definitions()),
            "docs/configuration.md is out of date; write it anew with `make config-docs`"
        );
    }

    /// A file made from the example, with a # taken away, would be refused or change something.
    #[test]
    fn the_example_is_a_file_that_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hookwright.toml");
        let definitions = definitions();
        let text = example(&definitions);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            file::read(&path, &definitions).unwrap()
        };
        assert_eq!(read(&text), []);
        for definition in &definitions {
            let commented = format!("#{} = ", definition.key());
            assert_eq!(text.matches(&commented).count(), 1, "{commented}");
            if definition.defaults().is_empty() {
                continue;
            }
            let entries = read(&text.replace(&commented, &commented[1..]));
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].values, definition.defaults(), "{commented}");
        }
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        fs::write(&page, "# Mine\n").unwrap();
        assert!(write_table(&page, &definitions()).is_err());
        fs::write(&page, format!("# Mine\n{TABLE_BEGIN}old\n{TABLE_END}\nend\n")).unwrap();
        write_table(&page, &definitions()).unwrap();
        let text = fs::read_to_string(&page).unwrap();
        assert!(
            text.starts_with("# Mine\n") && text.ends_with("\nend\n") && !text.contains("old\n"),
            "{text}"
        );
    }
}
