//! Commands of a guide, run with `curl`.

use std::process::Stdio;

use serde_json::Value;
use tokio::process;

use super::guide::Command;

/// What stands in for what a guide cannot know, and how a reader is let in.
pub(super) struct Place {
    /// Where the service is, for guides that do not say.
    pub(super) service: String,
    /// Texts of the guide, and what they are here.
    replaced: Vec<(String, String)>,
    /// Lines of curl's configuration file.
    configuration: String,
}

/// What a command was answered with.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A key, and what curl is told about the profile that the key is made for; none where the path says it.
fn key(profile: Option<&str>) -> (String, String) {
    let key = String::from("hwk_on_loopback_any_key_will_do");
    // The header stands for what a key says about its owner.
    let words = profile.map(|profile| format!("header = \"Hookwright-Profile: {profile}\"\n"));
    (key, words.unwrap_or_default())
}

impl Place {
    pub(super) fn new(service: String, profile: Option<&str>) -> Self {
        let (key, words) = key(profile);
        let quiet = "silent\nshow-error\nnoproxy = \"*\"\nmax-time = 30\nwrite-out = \"\\n%{http_code}\"\n";
        Self {
            service,
            replaced: vec![(String::from("YOUR_ACCESS_TOKEN"), key)],
            configuration: format!("{quiet}{words}"),
        }
    }

    /// Replaces a text of the guide from now on.
    pub(super) fn replace(&mut self, from: &str, to: &str) {
        self.replaced.retain(|(known, _)| known != from);
        self.replaced.push((from.to_owned(), to.to_owned()));
    }

    /// A text of the guide as it is here.
    pub(super) fn here(&self, text: &str) -> String {
        self.replaced
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Does what a reader is told to do.
    pub(super) async fn run(&self, command: &Command) -> Answered {
        let script = match command {
            Command::Shell(lines) => {
                assert!(lines.contains("curl "), "{lines}");
                self.here(lines)
            }
            Command::Http { method, path, body } => {
                let url = format!("{}{}", self.service, self.here(path));
                let body = body.as_ref().map(|body| {
                    let body = self.here(body).replace('\'', r"'\''");
                    format!(" -H 'Content-Type: application/json' -d '{body}'")
                });
                format!("curl -X {method} '{url}'{}", body.unwrap_or_default())
            }
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".curlrc"), &self.configuration).unwrap();
        let output = process::Command::new("sh")
            .args(["-c", &script])
            .env("CURL_HOME", folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}\n{errors}");
        let (body, status) = text.rsplit_once('\n').unwrap();
        Answered {
            status: status.parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)),
        }
    }
}
