//! Conformance: requests with a known verdict, and whether the verifier comes to it.
//!
//! Whoever describes a scheme needs to know that it agrees with the platform. A vector is a request of the platform,
//! or one with a known fault, together with what a verifier has to say about it. Vectors are data, so that every
//! language replays the same ones; `tests/vectors/README.md` in the repository describes the file.
//!
//! ```
//! use hookwright_core::{Registry, conformance::{self, Vectors}};
//!
//! let vectors = Vectors::from_json(r#"{"vectors": [{
//!     "id": "github-hello-world",
//!     "scheme": "github",
//!     "headers": {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
//!     "body": "Hello, World!",
//!     "secrets": ["It's a Secret to Everybody"],
//!     "now": 0,
//!     "expect": "ok"
//! }]}"#)?;
//! let outcomes = conformance::run(&Registry::builtin(), &vectors);
//! assert!(outcomes.iter().all(|outcome| outcome.is_expected()));
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ErrorKind;
use crate::registry::Registry;
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::verifier::{Request, Tolerance, Verifier};

/// The URL of a vector that names none.
const DEFAULT_URL: &str = "https://example.com/webhook";

/// A file of vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Vectors {
    /// About the file, for people and for the programs that made it.
    #[serde(default)]
    pub meta: serde_json::Value,
    /// The vectors, in the order of the file.
    pub vectors: Vec<Vector>,
}

/// A request, and what a verifier has to say about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Description")]
#[non_exhaustive]
pub struct Vector {
    /// What it is called in reports.
    pub id: String,
    /// The name of the scheme.
    pub scheme: String,
    /// The headers in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// The secrets that the verifier accepts, newest first.
    pub secrets: Vec<String>,
    /// The verifier's clock, in Unix seconds.
    pub now: i64,
    /// How far the signed timestamp may be from `now`.
    pub tolerance: Tolerance,
    /// The URL that the request went to.
    pub url: String,
    /// The HTTP method in upper case.
    pub method: String,
    /// What the verifier has to say.
    pub expected: Expected,
}

/// What a verifier has to say about a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// That it is valid.
    Valid,
    /// That it is not, for the first of these reasons, as a code of [`ErrorKind`]. The others are what a verifier that
    /// looks at things in another order may say.
    Refused(Vec<String>),
}

/// What the verifier said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// That it is valid.
    Valid,
    /// That it is not, or that the vector's secrets are no keys of the scheme.
    Refused(ErrorKind),
    /// Nothing: there is no such scheme.
    UnknownScheme,
}

/// A vector and what the verifier said about it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Outcome<'v> {
    /// The vector.
    pub vector: &'v Vector,
    /// What the verifier said.
    pub verdict: Verdict,
}

/// Replays vectors on the schemes of a registry.
pub fn run<'v>(registry: &Registry, vectors: &'v Vectors) -> Vec<Outcome<'v>> {
    let outcome = |vector: &'v Vector| Outcome {
        vector,
        verdict: vector.replay(registry),
    };
    vectors.vectors.iter().map(outcome).collect()
}

impl Vectors {
    /// Reads a file of vectors. A key that no vector has is an error, for a misspelt `tolerance` would quietly test
    /// something else.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl Vector {
    fn replay(&self, registry: &Registry) -> Verdict {
        match registry.scheme(&self.scheme) {
            None => Verdict::UnknownScheme,
            Some(scheme) => self
                .verify(&scheme)
                .map_or_else(Verdict::Refused, |()| Verdict::Valid),
        }
    }

    fn verify(&self, scheme: &Scheme) -> Result<(), ErrorKind> {
        let secrets: Result<Vec<_>, _> = self.secrets.iter().map(|text| Secret::parse(text)).collect();
        let verifier = secrets
            .and_then(|secrets| Verifier::for_scheme(scheme, &secrets))
            .map_err(|error| error.kind())?;
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body: &self.body,
        };
        let verdict = verifier.with_tolerance(self.tolerance).verify(&request, self.now);
        verdict.map(drop).map_err(|error| error.kind())
    }
}

impl Outcome<'_> {
    /// Whether the verifier said what it has to say.
    pub fn is_expected(&self) -> bool {
        match (&self.vector.expected, self.verdict) {
            (Expected::Valid, Verdict::Valid) => true,
            (Expected::Refused(reasons), Verdict::Refused(kind)) => {
                reasons.iter().any(|reason| reason == kind.code())
            }
            (Expected::Valid | Expected::Refused(_), _) => false,
        }
    }
}

/// As a line of a report: `stripe-old: got ok, expected timestamp_too_old`.
impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts are the file's, and a report must not be steered by them.
        let id = self.vector.id.escape_debug();
        write!(f, "{id}: got ")?;
        match self.verdict {
            Verdict::Valid => f.write_str("ok")?,
            Verdict::Refused(kind) => f.write_str(kind.code())?,
            Verdict::UnknownScheme => {
                write!(f, "no scheme named {}", self.vector.scheme.escape_debug())?;
            }
        }
        match &self.vector.expected {
            Expected::Valid => f.write_str(", expected ok"),
            Expected::Refused(reasons) => write!(f, ", expected {}", reasons.join(" or ").escape_debug()),
        }
    }
}

/// A vector as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    id: String,
    scheme: String,
    headers: Headers,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    secrets: Vec<String>,
    now: i64,
    /// Absent: the scheme's; null: off.
    #[serde(default, deserialize_with = "tolerance")]
    tolerance: Tolerance,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    method: Option<String>,
    expect: Expect,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_also_acceptable: Vec<String>,
    // For people: where the vector comes from, and why a bad one is bad.
    #[serde(default, rename = "origin")]
    _origin: IgnoredAny,
    #[serde(default, rename = "source")]
    _source: IgnoredAny,
    #[serde(default, rename = "note")]
    _note: IgnoredAny,
    /// The fields of a form body, which generators of vectors keep beside it.
    #[serde(default, rename = "params")]
    _params: IgnoredAny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Ok,
    Error,
}

impl TryFrom<Description> for Vector {
    type Error = String;

    fn try_from(description: Description) -> Result<Self, String> {
        let refused = |problem: &str| Err(format!("vector {:?}: {problem}", description.id));
        let body = match (&description.body, &description.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => match BASE64.decode(text) {
                Ok(bytes) => bytes,
                Err(_) => return refused("`body_base64` is not padded base64"),
            },
            _ => return refused("it needs exactly one of `body` and `body_base64`"),
        };
        let expected = match (description.expect, description.error) {
            (Expect::Ok, None) if description.error_also_acceptable.is_empty() => Expected::Valid,
            (Expect::Error, Some(error)) => {
                let mut reasons = vec![error];
                reasons.extend(description.error_also_acceptable);
                Expected::Refused(reasons)
            }
            _ => return refused("`error` is for vectors that expect one, and those need it"),
        };
        Ok(Self {
            body,
            expected,
            id: description.id,
            scheme: description.scheme,
            headers: description.headers.0,
            secrets: description.secrets,
            now: description.now,
            tolerance: description.tolerance,
            url: description.url.unwrap_or_else(|| DEFAULT_URL.to_owned()),
            method: description.method.unwrap_or_else(|| "POST".to_owned()),
        })
    }
}

fn tolerance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tolerance, D::Error> {
    let seconds = Option::deserialize(deserializer)?;
    Ok(seconds.map_or(Tolerance::Off, Tolerance::Seconds))
}

/// Headers as they are written down: an object, where a value is a text or a list of texts, or a list of pairs. Their
/// order is kept.
#[derive(Debug)]
struct Headers(Vec<(String, String)>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers as an object or as a list of [name, value]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, OneOrMany>()? {
                    match value {
                        OneOrMany::One(value) => headers.push((name, value)),
                        OneOrMany::Many(values) => {
                            headers.extend(values.into_iter().map(|value| (name.clone(), value)));
                        }
                    }
                }
                Ok(Headers(headers))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(pair) = seq.next_element()? {
                    headers.push(pair);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_any(HeadersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's documented example, with some keys replaced or added. `null` in `changes` takes a key out.
    fn vector(changes: &serde_json::Value) -> Result<Vectors, String> {
        let mut vector = serde_json::json!({
            "id": "hello",
            "scheme": "github",
            "headers": {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
            "body": "Hello, World!",
            "secrets": ["It's a Secret to Everybody"],
            "now": 0,
            "expect": "ok",
        });
        for (key, value) in changes.as_object().unwrap() {
            match value {
                serde_json::Value::Null => vector.as_object_mut().unwrap().remove(key),
                value => vector.as_object_mut().unwrap().insert(key.clone(), value.clone()),
            };
        }
        let text = serde_json::json!({ "vectors": [vector] }).to_string();
        Vectors::from_json(&text).map_err(|error| error.to_string())
    }

    fn report(changes: &serde_json::Value) -> (bool, String) {
        let vectors = vector(changes).unwrap();
        let outcomes = run(&Registry::builtin(), &vectors);
        assert_eq!(outcomes.len(), 1);
        (outcomes[0].is_expected(), outcomes[0].to_string())
    }

    #[test]
    fn a_report_says_what_was_said_and_what_should_have_been() {
        let json = |text: &str| serde_json::from_str(text).unwrap();
        for (changes, is_expected, line) in [
            ("{}", true, "hello: got ok, expected ok"),
            (
                r#"{"body": "Hello"}"#,
                false,
                "hello: got signature_mismatch, expected ok",
            ),
            (
                r#"{"expect": "error", "error": "missing_header"}"#,
                false,
                "hello: got ok, expected missing_header",
            ),
            (
                r#"{"body": "Hello", "expect": "error", "error": "missing_header", "error_also_acceptable": ["signature_mismatch"]}"#,
                true,
                "hello: got signature_mismatch, expected missing_header or signature_mismatch",
            ),
            (
                r#"{"secrets": [""]}"#,
                false,
                "hello: got empty_secret, expected ok",
            ),
            (
                r#"{"secrets": []}"#,
                false,
                "hello: got empty_secret, expected ok",
            ),
            (
                r#"{"scheme": "acme"}"#,
                false,
                "hello: got no scheme named acme, expected ok",
            ),
            (
                r#"{"scheme": "acme", "expect": "error", "error": "missing_header"}"#,
                false,
                "hello: got no scheme named acme, expected missing_header",
            ),
        ] {
            assert_eq!(
                report(&json(changes)),
                (is_expected, line.to_owned()),
                "{changes}"
            );
        }
    }

    #[test]
    fn headers_keep_their_order_however_they_are_written() {
        let pairs =
            [("b", "1"), ("a", "2"), ("b", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read = |headers: &str| {
            let text = format!(
                r#"{{"vectors": [{{"id": "", "scheme": "", "headers": {headers}, "body_base64": "AP8=", "secrets": [],
                    "now": 0, "expect": "ok"}}]}}"#
            );
            Vectors::from_json(&text).map(|mut vectors| vectors.vectors.remove(0))
        };
        let listed = read(r#"[["b", "1"], ["a", "2"], ["b", "3"]]"#).unwrap();
        assert_eq!(listed.headers, pairs);
        assert_eq!(listed.body, [0, 255]);
        assert_eq!(read(r#"{"b": "1", "a": "2", "b": "3"}"#).unwrap().headers, pairs);
        let grouped = read(r#"{"b": ["1", "3"], "a": "2"}"#).unwrap().headers;
        assert_eq!(grouped, [pairs[0].clone(), pairs[2].clone(), pairs[1].clone()]);
        assert!(read(r#"[["b"]]"#).is_err() && read(r#""b: 1""#).is_err());
    }

    #[test]
    fn a_tolerance_is_the_schemes_off_or_a_number() {
        let read = |tolerance: &str| {
            let text = format!(
                r#"{{"vectors": [{{"id": "", "scheme": "", "headers": {{}}, "body": "", "secrets": [], "now": 0,
                    {tolerance} "expect": "ok"}}]}}"#
            );
            Vectors::from_json(&text)
                .map(|vectors| vectors.vectors[0].tolerance)
                .ok()
        };
        assert_eq!(read(""), Some(Tolerance::SchemeDefault));
        assert_eq!(read(r#""tolerance": null,"#), Some(Tolerance::Off));
        assert_eq!(read(r#""tolerance": 0,"#), Some(Tolerance::Seconds(0)));
        assert_eq!(read(r#""tolerance": -1,"#), None);
    }

    #[test]
    fn a_vector_that_would_test_something_else_is_refused_with_its_line() {
        let refused = |changes: serde_json::Value| vector(&changes).unwrap_err();
        assert!(refused(serde_json::json!({"tolerence": 300})).contains("tolerence"));
        assert!(
            refused(serde_json::json!({"body": null})).contains("\"hello\": it needs exactly one of `body`")
        );
        assert!(refused(serde_json::json!({"body_base64": "AA=="})).contains("exactly one"));
        assert!(refused(serde_json::json!({"body": null, "body_base64": "A"})).contains("padded base64"));
        assert!(refused(serde_json::json!({"expect": "error"})).contains("`error`"));
        assert!(refused(serde_json::json!({"error": "missing_header"})).contains("`error`"));
        assert!(refused(serde_json::json!({"expect": "maybe"})).contains("line 1"));
        assert!(refused(serde_json::json!({"expect": "error"})).contains("line 1"));
    }
}
