//! What a setting is, and where that was said: for the log and for `hookwright config show`. Secrets are taken out here.

use std::{fmt, path::PathBuf};

use serde_json::{Value, json};
use url::Url;

use super::definition::{Definition, Kind};

const REDACTED: &str = "[redacted]";

/// Every setting of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(super) all: Vec<Setting>,
    /// The file that was read because it is there, and not because it was named.
    pub(super) implicit_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    key: String,
    /// As it may be shown.
    value: Value,
    source: Source,
}

/// Where a value was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    /// The file of a secret.
    SecretFile {
        path: PathBuf,
    },
    Environment {
        variable: String,
    },
    Flag,
}

impl Settings {
    /// Says once, at the start, what is not as it is out of the box.
    pub(crate) fn log(&self) {
        if let Some(file) = &self.implicit_file {
            tracing::info!(file = %file.display(), "settings are read from the file in this folder; --config names another");
        }
        let changed: Vec<String> = self
            .all
            .iter()
            .filter(|setting| setting.source != Source::Default)
            .map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.source))
            .collect();
        if !changed.is_empty() {
            tracing::info!(
                settings = changed.join(", "),
                "settings that are not the defaults"
            );
        }
    }

    /// As a file has them, each with its source.
    pub(crate) fn lines(&self) -> Vec<String> {
        let written = |setting: &Setting| match &setting.value {
            Value::Null => (format!("# {}", setting.key), String::from("not set")),
            value => (
                format!("{} = {}", setting.key, in_toml(value)),
                setting.source.to_string(),
            ),
        };
        let pairs: Vec<(String, String)> = self.all.iter().map(written).collect();
        let width = pairs.iter().map(|(setting, _)| setting.len().min(50)).max();
        let width = width.unwrap_or_default();
        pairs
            .into_iter()
            .map(|(setting, source)| format!("{setting:width$}  # {source}"))
            .collect()
    }

    pub(crate) fn json(&self) -> Value {
        self.all.iter().map(Setting::json).collect()
    }
}

impl Setting {
    /// Without what must not be seen.
    pub(super) fn new(definition: &Definition, values: &[String], source: Source) -> Self {
        let shown = |value: &String| {
            if definition.is_secret() {
                redacted(value)
            } else {
                value.clone()
            }
        };
        let number = || values.first().and_then(|value| value.parse::<i64>().ok());
        let value = match (definition.kind(), values) {
            (Kind::List, values) => values.iter().map(shown).collect(),
            (Kind::Switch, values) => Value::Bool(values.iter().any(|value| value == "true")),
            (_, []) => Value::Null,
            (Kind::Number, _) => number().map_or(Value::Null, Value::from),
            (Kind::Text, [value, ..]) => Value::String(shown(value)),
        };
        Self {
            key: definition.key().to_owned(),
            value,
            source,
        }
    }

    fn json(&self) -> Value {
        let mut described = json!({ "key": self.key, "value": self.value });
        let source = match &self.source {
            Source::Default => json!({ "source": "default" }),
            Source::File { path, line } => {
                json!({ "source": "file", "file": path.display().to_string(), "line": line })
            }
            Source::SecretFile { path } => {
                json!({ "source": "secret file", "file": path.display().to_string() })
            }
            Source::Environment { variable } => json!({ "source": "environment", "variable": variable }),
            Source::Flag => json!({ "source": "flag" }),
        };
        if let (Value::Object(described), Value::Object(source)) = (&mut described, source) {
            described.extend(source);
        }
        described
    }
}

/// How files of settings have a value.
pub(super) fn in_toml(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(in_toml).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::SecretFile { path } => write!(f, "in {}", path.display()),
            Self::Environment { variable } => f.write_str(variable),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// The address in a secret URL, without user, password and parameters; nothing of anything else.
fn redacted(secret: &str) -> String {
    if secret.starts_with("sqlite:") {
        return secret.to_owned();
    }
    let Ok(mut url) = Url::parse(secret) else {
        return REDACTED.to_owned();
    };
    // An @ behind the host is that of a login whose password was not escaped.
    let is_torn = !url.has_host() || url[url::Position::AfterHost..].contains('@');
    if is_torn || url.set_password(None).is_err() {
        return REDACTED.to_owned();
    }
    if !url.username().is_empty() && url.set_username("***").is_err() {
        return REDACTED.to_owned();
    }
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A password would be in the log.
    #[test]
    fn nothing_secret_is_left_of_a_secret() {
        for (secret, shown) in [
            ("postgres://db/hooks", "postgres://db/hooks"),
            (
                "postgres://me:word@db:5432/hooks?sslmode=require",
                "postgres://***@db:5432/hooks",
            ),
            ("postgres://db/hooks?user=me&password=word", "postgres://db/hooks"),
            ("postgres://:word@db/hooks", "postgres://db/hooks"),
            ("postgres://me:wo@rd@db/hooks", "postgres://***@db/hooks"),
            ("postgres://me:wo/rd@db/hooks", REDACTED),
            ("postgres://me:1/word@db/hooks", REDACTED),
            ("postgres://me:1?word@db/hooks", REDACTED),
            ("postgres://me:1#word@db/hooks", REDACTED),
            (
                "smtps://alerts:word@mail.example.com",
                "smtps://***@mail.example.com",
            ),
            ("sqlite:hookwright.db", "sqlite:hookwright.db"),
            ("word", REDACTED),
            ("a:word", REDACTED),
            ("", REDACTED),
        ] {
            assert_eq!(redacted(secret), shown, "{secret}");
        }
    }
}
