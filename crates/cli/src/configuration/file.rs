//! The settings in a TOML file, each with its line.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::definition::{Definition, Kind};
use crate::failure::Failure;

/// A file with every setting and its description has less than a hundredth of this.
const BYTES_MAX: u64 = 1024 * 1024;

/// Problems that are told; a file of something else would have thousands.
const PROBLEMS_MAX: usize = 20;

/// Names that differ more than this from each other are not a typing mistake. It is the limit of clap for flags.
const SIMILARITY_MIN: f64 = 0.7;

/// What a file says about a setting.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) values: Vec<String>,
    pub(super) line: usize,
}

/// Something that keeps a file from being used.
struct Problem {
    line: usize,
    text: String,
}

/// The settings in a file, or everything that is wrong with it.
pub(super) fn read(path: &Path, definitions: &[Definition]) -> Result<Vec<Entry>, Failure> {
    let refused = |text: &dyn fmt::Display| Failure::Usage(format!("{}: {text}", path.display()));
    let bytes = bytes(path, BYTES_MAX).map_err(|problem| refused(&problem))?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let line = line_at(&bytes, error.valid_up_to());
        Failure::Usage(format!("{}:{line}: this is not UTF-8", path.display()))
    })?;
    entries(text, definitions).map_err(|problems| {
        let more = problems.len().saturating_sub(PROBLEMS_MAX);
        let mut lines: Vec<String> = problems
            .iter()
            .take(PROBLEMS_MAX)
            .map(|problem| format!("{}:{}: {}", path.display(), problem.line, problem.text))
            .collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Failure::Usage(lines.join("\n"))
    })
}

/// The one line that a file with a secret has.
pub(super) fn secret(path: &Path) -> Result<String, String> {
    const SECRET_BYTES_MAX: u64 = 64 * 1024;
    let bytes = bytes(path, SECRET_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| String::from("this is not UTF-8"))?;
    // Editors and `echo` end the last line.
    let text = text.trim_end_matches(['\r', '\n']);
    match text {
        "" => Err(String::from("it is empty")),
        text if text.contains(['\r', '\n']) => Err(String::from("it has more than one line")),
        text => Ok(text.to_owned()),
    }
}

fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // What is read is bounded, and not what the file says of its length: a pipe says nothing.
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > max {
        return Err(format!("it is longer than {max} bytes, so it is something else"));
    }
    Ok(bytes)
}

fn entries(text: &str, definitions: &[Definition]) -> Result<Vec<Entry>, Vec<Problem>> {
    let line_of = |offset| line_at(text.as_bytes(), offset);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| Problem {
            line: line_of(error.span().map_or(0, |span| span.start)),
            // The message only: the parser's own rendering quotes the line, which can have a password in it.
            text: error.message().replace('\n', "; "),
        })
        .collect();
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        let (key, line) = (name.get_ref().as_ref(), line_of(name.span().start));
        let problem = match definitions.iter().find(|definition| definition.key() == key) {
            None => unknown(key, value.get_ref(), definitions),
            Some(definition) => match values(definition, value.get_ref()) {
                Ok(values) => {
                    entries.push(Entry {
                        key: key.to_owned(),
                        values,
                        line,
                    });
                    continue;
                }
                Err(reason) => format!("{key}: {reason}"),
            },
        };
        // What the parser could not read it has reported already.
        if !problems.iter().any(|other| other.line == line) {
            problems.push(Problem { line, text: problem });
        }
    }
    if problems.is_empty() {
        entries.sort_by_key(|entry| entry.line);
        return Ok(entries);
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

fn values(definition: &Definition, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let values = match (definition.kind(), value) {
        (Kind::Switch, DeValue::Boolean(value)) => vec![value.to_string()],
        (Kind::Number, DeValue::Integer(value)) => {
            let number = i128::from_str_radix(value.as_str(), value.radix());
            vec![number.map_err(|error| error.to_string())?.to_string()]
        }
        (Kind::Text | Kind::List, DeValue::String(value)) => vec![value.to_string()],
        (Kind::List, DeValue::Array(items)) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(value) => Ok(value.to_string()),
                other => Err(format!("expected a list of texts, and {} is in it", named(other))),
            })
            .collect::<Result<_, _>>()?,
        (kind, other) => {
            let expected = match kind {
                Kind::Switch => "true or false",
                Kind::Number => "a number, without quotes",
                Kind::Text => "text in quotes",
                Kind::List => "a list of texts",
            };
            return Err(format!("expected {expected}, not {}", named(other)));
        }
    };
    match values.iter().find_map(|value| definition.refusal(value)) {
        Some(refusal) => Err(refusal),
        None => Ok(values),
    }
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn unknown(key: &str, value: &DeValue<'_>, definitions: &[Definition]) -> String {
    if key == super::definition::FILE_ARGUMENT {
        return String::from("config: a file cannot name another one");
    }
    let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    if matches!(value, DeValue::Table(_)) {
        let prefix = format!("{key}-");
        let example = definitions
            .iter()
            .find(|definition| definition.key().starts_with(&prefix));
        return match example {
            Some(example) => format!(
                "there are no sections: write {} before the first one, not [{shown}]",
                example.key()
            ),
            None => format!("there are no sections, and no setting begins with `{shown}-`"),
        };
    }
    // Names of flags, as in `--attempts-max`; many files of other programs have underscores.
    let typed = key.replace('_', "-");
    let nearest = definitions
        .iter()
        .map(|definition| (strsim::jaro_winkler(&typed, definition.key()), definition.key()))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match nearest {
        Some((similarity, nearest)) if similarity > SIMILARITY_MIN => {
            format!("there is no setting `{shown}`; did you mean `{nearest}`?")
        }
        _ => format!("there is no setting `{shown}`; `hookwright config example` has all of them"),
    }
}

fn line_at(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

/// The file in this folder that is read when none is named.
pub(super) fn implicit() -> Option<PathBuf> {
    let path = PathBuf::from("hookwright.toml");
    // Also when it cannot be read: that is worth an error.
    std::fs::symlink_metadata(&path).is_ok().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::{super::definitions, *};

    fn read_text(text: &str) -> Result<Vec<Entry>, Vec<String>> {
        entries(text, &definitions()).map_err(|problems| {
            let told = |problem: Problem| format!("{}: {}", problem.line, problem.text);
            problems.into_iter().map(told).collect()
        })
    }

    fn problem(text: &str) -> String {
        let problems = read_text(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap()
    }

    #[test]
    fn every_kind_of_value_is_read_with_its_line() {
        let text = "# ours\nlease = \"5s\"\nattempts-max = 1_000\n\nallow-http = false\nallow-target = [\n  \"10.0.0.0/8\",\n  \"hooks.internal\",\n]\nalert-email = \"ops@example.com\"\n";
        let entry = |key: &str, values: &[&str], line| Entry {
            key: key.to_owned(),
            values: values.iter().map(ToString::to_string).collect(),
            line,
        };
        assert_eq!(
            read_text(text).unwrap(),
            [
                entry("lease", &["5s"], 2),
                entry("attempts-max", &["1000"], 3),
                entry("allow-http", &["false"], 5),
                entry("allow-target", &["10.0.0.0/8", "hooks.internal"], 6),
                entry("alert-email", &["ops@example.com"], 10),
            ]
        );
        assert_eq!(read_text(""), Ok(vec![]));
        assert_eq!(read_text("\u{feff}# from Windows\r\n"), Ok(vec![]));
    }

    /// A misspelt setting would be the default, and nobody would notice.
    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        assert_eq!(
            problem("lisen = \"127.0.0.1:1\""),
            "1: there is no setting `lisen`; did you mean `listen`?"
        );
        assert_eq!(
            problem("\nattempts_max = 1"),
            "2: there is no setting `attempts_max`; did you mean `attempts-max`?"
        );
        assert_eq!(
            problem("[smtp]\nurl = \"smtp://mail\""),
            "1: there are no sections: write smtp-url before the first one, not [smtp]"
        );
        assert_eq!(
            problem("config = \"more.toml\""),
            "1: config: a file cannot name another one"
        );
        let far = problem("\"\\u001b[31m\" = 1");
        assert!(
            far.starts_with("1: there is no setting `\\u{1b}[31m`; `hookwright"),
            "{far}"
        );
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = "lease = \"5m\"\nlisten = 4300\nattempts-max = \"7\"\nattempts-per-webhook-max = 0\n\
            allow-http = \"yes\"\nallow-target = [1]\nlog-format = \"xml\"\nretention-days = 99999999999999999999\n";
        assert_eq!(
            read_text(text).unwrap_err(),
            [
                "1: lease: 3s to 60s",
                "2: listen: expected text in quotes, not a number",
                "3: attempts-max: expected a number, without quotes, not text",
                "4: attempts-per-webhook-max: 0 is not in 1..=10000",
                "5: allow-http: expected true or false, not text",
                "6: allow-target: expected a list of texts, and a number is in it",
                "7: log-format: expected text or json",
                "8: retention-days: number too large to fit in target type",
            ]
        );
        let twice = problem("lease = \"5s\"\nlease = \"6s\"");
        assert!(twice.starts_with("2: duplicate key"), "{twice}");
    }

    /// A password would be in the log of whoever started the service.
    #[test]
    fn a_line_that_cannot_be_read_is_not_repeated() {
        let problems = read_text("grace = \"10s\"\nstore = \"postgres://me:secret-word@db\n").unwrap_err();
        assert!(problems[0].starts_with("2: "), "{problems:?}");
        assert!(!problems.concat().contains("secret-word"), "{problems:?}");
    }

    #[test]
    fn a_secret_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            secret(&path)
        };
        assert_eq!(read(b"word\r\n").as_deref(), Ok("word"));
        assert_eq!(read(b"\n").unwrap_err(), "it is empty");
        assert_eq!(read(b"one\ntwo\n").unwrap_err(), "it has more than one line");
        assert_eq!(read(b"\xff").unwrap_err(), "this is not UTF-8");
        assert!(secret(folder.path()).unwrap_err().starts_with("cannot read it"));
    }
}
