//! Replays the shared vectors: requests of real platforms, good ones and every kind of bad one.
//!
//! If one of these fails, a receiver refuses a platform's genuine webhook or accepts a forged one. The other
//! language bindings replay the same files.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hookwright_core::{Request, Scheme, Secret, Tolerance, Verifier};
use serde::Deserialize;
use serde_json::Value;

/// Schemes whose signatures need key pairs, which do not exist here yet.
const UNSUPPORTED_SCHEMES: [&str; 2] = ["discord", "sendgrid"];

/// Keys of the same kind, in a scheme that is otherwise supported. Each must be refused by the constructor.
const UNSUPPORTED_KEY_PREFIXES: [&str; 2] = ["whpk_", "whsk_"];

#[derive(Deserialize)]
struct Requests {
    meta: Meta,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Meta {
    error_kinds: Vec<String>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    headers: BTreeMap<String, OneOrMany>,
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
    fn body(&self) -> Vec<u8> {
        match (&self.body, &self.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => BASE64.decode(text).unwrap(),
            _ => panic!("{}: exactly one of body and body_base64", self.id),
        }
    }

    fn headers(&self) -> Vec<(&str, &[u8])> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            match value {
                OneOrMany::One(value) => headers.push((name.as_str(), value.as_bytes())),
                OneOrMany::Many(values) => {
                    headers.extend(values.iter().map(|v| (name.as_str(), v.as_bytes())));
                }
            }
        }
        headers
    }

    fn verdict(&self, scheme: &Scheme) -> Result<(), &'static str> {
        let secrets: Result<Vec<_>, _> = self.secrets.iter().map(|text| Secret::parse(text)).collect();
        let secrets = secrets.map_err(|error| error.code())?;
        let verifier = Verifier::for_scheme(scheme, &secrets).map_err(|error| error.code())?;
        let request = Request {
            method: self.method.as_deref().unwrap_or("POST"),
            url: self.url.as_deref().unwrap_or("https://example.com/webhook"),
            headers: &self.headers(),
            body: &self.body(),
        };
        let verdict = verifier.with_tolerance(self.tolerance).verify(&request, self.now);
        verdict.map(drop).map_err(|error| error.code())
    }

    fn accepts(&self, verdict: Result<(), &'static str>) -> bool {
        let code = verdict.err().unwrap_or("ok");
        let expected = self.error.as_deref().unwrap_or(&self.expect);
        code == expected || self.error_also_acceptable.iter().any(|also| also == code)
    }
}

#[test]
fn every_request_vector_gets_its_verdict() {
    let requests: Requests = serde_json::from_str(&read("requests.json")).unwrap();
    let mut ran: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut skipped_schemes, mut skipped_keys) = (0, 0);
    let mut failures = Vec::new();
    for vector in &requests.vectors {
        if UNSUPPORTED_SCHEMES.contains(&vector.scheme.as_str()) {
            assert!(
                Scheme::builtin(&vector.scheme).is_none(),
                "{} is supported now; run its vectors",
                vector.scheme
            );
            skipped_schemes += 1;
            continue;
        }
        let scheme = Scheme::builtin(&vector.scheme).unwrap_or_else(|| panic!("no scheme {}", vector.scheme));
        let verdict = vector.verdict(&scheme);
        if vector
            .secrets
            .iter()
            .any(|secret| UNSUPPORTED_KEY_PREFIXES.iter().any(|p| secret.starts_with(p)))
        {
            assert_eq!(
                verdict,
                Err("invalid_secret"),
                "{}: keys of this kind are supported now?",
                vector.id
            );
            skipped_keys += 1;
            continue;
        }
        *ran.entry(&vector.scheme).or_default() += 1;
        if !vector.accepts(verdict) {
            failures.push(format!("{}: {verdict:?}, expected {:?}", vector.id, vector.error));
        }
    }
    let total: u32 = ran.values().sum();
    println!("{total} vectors ran in {} schemes: {ran:?}", ran.len());
    println!("skipped: {skipped_schemes} of schemes with key pairs, {skipped_keys} with keys of that kind");
    assert!(
        failures.is_empty(),
        "{} of {total} vectors failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_eq!(
        total as usize + skipped_schemes + skipped_keys,
        requests.vectors.len()
    );

    // A scheme without a single vector is a scheme that nobody has compared with its platform.
    for name in Scheme::builtin_names() {
        assert!(
            ran.contains_key(name) || *name == "workos",
            "no vector ran for {name}"
        );
    }
    // Every kind that the vectors know must be a code of ours, or bindings would map it to nothing.
    for kind in &requests.meta.error_kinds {
        assert!(
            requests
                .vectors
                .iter()
                .any(|vector| vector.error.as_deref() == Some(kind))
                || kind == "invalid_secret",
            "no vector for {kind}"
        );
    }
}

#[test]
fn the_scheme_files_say_what_the_shared_description_says() {
    let shared: BTreeMap<String, Value> = serde_json::from_str(&read("schemes.json")).unwrap();
    let mut compared = 0;
    for (name, shared) in &shared {
        if UNSUPPORTED_SCHEMES.contains(&name.as_str()) {
            continue;
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("schemes")
            .join(format!("{name}.toml"));
        let ours: Value = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let lower = |value: &Value| -> Vec<String> {
            let names = value.as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap().to_lowercase()).collect()
        };
        let signature = &shared["signature"];
        assert_eq!(
            lower(&ours["signature"]["headers"]),
            lower(&signature["headers"]),
            "{name}"
        );
        assert_eq!(ours["signature"]["encoding"], signature["encoding"], "{name}");
        assert_eq!(
            ours["signature"]["item_separator"], signature["item_sep"],
            "{name}"
        );
        assert_eq!(ours["signature"]["tag_separator"], signature["kv_sep"], "{name}");
        assert_eq!(ours["signature"]["timestamp_tag"], signature["ts_key"], "{name}");
        assert_eq!(ours["algorithm"], shared["algorithm"], "{name}");
        assert_eq!(
            lower(&ours["timestamp"]["headers"]),
            lower(&shared["timestamp"]["headers"]),
            "{name}"
        );
        assert_eq!(
            ours["timestamp"]["tolerance_seconds"], shared["timestamp"]["tolerance"],
            "{name}"
        );
        assert_eq!(
            ours["timestamp"]["unit"] == "milliseconds",
            shared["timestamp"]["unit"] == 1000,
            "{name}"
        );
        assert_eq!(
            lower(&ours["id"]["headers"]),
            lower(&shared["id"]["headers"]),
            "{name}"
        );
        let tags = ours["signature"]["tags"].as_array().into_iter().flatten();
        let tags: BTreeMap<_, _> = tags
            .map(|tag| (tag["tag"].as_str().unwrap(), &tag["algorithm"]))
            .collect();
        let keys: BTreeMap<_, _> = signature["keys"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(tag, alg)| (tag.as_str(), alg))
            .collect();
        assert_eq!(tags, keys, "{name}");
        let content: String = shared["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| match (part["lit"].as_str(), part["var"].as_str()) {
                (Some(literal), _) => literal.to_owned(),
                (None, variable) => format!("{{{}}}", variable.unwrap()),
            })
            .collect();
        assert_eq!(ours["content"], content, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 29);
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
