//! The file format of the request vectors, and a request that can be changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hookwright_core::{Request, Scheme, Secret, Tolerance, Verifier};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) scheme: String,
    headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    pub(crate) secrets: Vec<String>,
    now: i64,
    /// Absent: the scheme's; null: off.
    #[serde(default, deserialize_with = "tolerance")]
    tolerance: Tolerance,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    method: Option<String>,
    expect: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_also_acceptable: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn tolerance<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tolerance, D::Error> {
    let seconds = Option::deserialize(deserializer)?;
    Ok(seconds.map_or(Tolerance::Off, Tolerance::Seconds))
}

impl Vector {
    pub(crate) fn is_ok(&self) -> bool {
        self.expect == "ok"
    }

    /// Whether a verdict, `ok` or the code of an error, is the one that the vector asks for.
    pub(crate) fn accepts(&self, verdict: &str) -> bool {
        verdict == self.error.as_deref().unwrap_or(&self.expect)
            || self.error_also_acceptable.iter().any(|code| code == verdict)
    }

    pub(crate) fn case(&self) -> Case {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            match value {
                OneOrMany::One(value) => headers.push((name.clone(), value.clone().into_bytes())),
                OneOrMany::Many(values) => {
                    headers.extend(values.iter().map(|v| (name.clone(), v.clone().into_bytes())));
                }
            }
        }
        let body = match (&self.body, &self.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => BASE64.decode(text).unwrap(),
            _ => panic!("{}: exactly one of body and body_base64", self.id),
        };
        Case {
            headers,
            body,
            method: self.method.clone().unwrap_or_else(|| "POST".to_owned()),
            url: self
                .url
                .clone()
                .unwrap_or_else(|| "https://example.com/webhook".to_owned()),
            now: self.now,
            tolerance: self.tolerance,
        }
    }
}

/// One request and the clock, free to be changed.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) now: i64,
    pub(crate) tolerance: Tolerance,
}

impl Case {
    /// The position of the secret that matched, or the code of the error.
    pub(crate) fn verdict(&self, verifier: &Verifier) -> Result<usize, &'static str> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body: &self.body,
        };
        let verifier = verifier.clone().with_tolerance(self.tolerance);
        let verdict = verifier.verify(&request, self.now);
        verdict
            .map(|verified| verified.secret_index)
            .map_err(|error| error.code())
    }
}

/// A verifier with these secrets, or the code of the error.
pub(crate) fn verifier<T: AsRef<str>>(scheme: &Scheme, secrets: &[T]) -> Result<Verifier, &'static str> {
    let secrets: Result<Vec<_>, _> = secrets.iter().map(|text| Secret::parse(text.as_ref())).collect();
    Verifier::for_scheme(scheme, &secrets.map_err(|error| error.code())?).map_err(|error| error.code())
}

/// The vectors of one file.
pub(crate) fn read(path: &PathBuf) -> Vec<Vector> {
    #[derive(Deserialize)]
    struct Requests {
        vectors: Vec<Vector>,
    }
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let requests: Requests = serde_json::from_str(&text).unwrap();
    requests.vectors
}
