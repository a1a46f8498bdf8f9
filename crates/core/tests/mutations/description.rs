//! What the rules of mutation know about a scheme: its entry in `tests/vectors/schemes.json`, which is not the
//! description that the code under test reads. A scheme without an entry is described by its own file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// A part of the request that the scheme reads from a header of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Signature,
    Timestamp,
    Id,
}

#[derive(Deserialize)]
pub(crate) struct Description {
    pub(crate) signature: Signature,
    content: Vec<Part>,
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    pub(crate) timestamp: Option<Timestamp>,
    /// How the text of a secret becomes a key: `whsec`, `hex`, `base64`, or absent for the bytes of the text.
    #[serde(default)]
    pub(crate) secret: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    headers: Vec<String>,
    pub(crate) encoding: String,
    #[serde(default)]
    item_sep: Option<String>,
    #[serde(default)]
    kv_sep: Option<String>,
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ts_key: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Timestamp {
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default = "one")]
    pub(crate) unit: i64,
    #[serde(default)]
    pub(crate) tolerance: Option<u32>,
    /// The member of the body that holds the time, where it is in no header.
    #[serde(default)]
    pub(crate) body_field: Option<String>,
}

const fn one() -> i64 {
    1
}

#[derive(Deserialize)]
struct Id {
    headers: Vec<String>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    var: Option<String>,
}

impl Description {
    /// The names of the headers that play `role`, best first; none when the scheme has no such header.
    pub(crate) fn names(&self, role: Role) -> &[String] {
        match role {
            Role::Signature => &self.signature.headers,
            Role::Timestamp => self
                .timestamp
                .as_ref()
                .map_or(&[], |timestamp| &timestamp.headers),
            Role::Id => self.id.as_ref().map_or(&[], |id| &id.headers),
        }
    }

    /// What the header `name` is to the scheme.
    pub(crate) fn role(&self, name: &str) -> Option<Role> {
        [Role::Signature, Role::Timestamp, Role::Id]
            .into_iter()
            .find(|role| self.names(*role).iter().any(|n| n.eq_ignore_ascii_case(name)))
    }

    /// Whether the variable is part of what is signed.
    pub(crate) fn signs(&self, variable: &str) -> bool {
        self.content
            .iter()
            .any(|part| part.var.as_deref() == Some(variable))
    }
}

impl Signature {
    /// The byte between items, if there can be several.
    pub(crate) fn item_separator(&self) -> Option<u8> {
        self.item_sep.as_ref().map(|text| text.as_bytes()[0])
    }

    /// The byte between a version tag and its signature, if there are tags.
    pub(crate) fn tag_separator(&self) -> Option<u8> {
        self.kv_sep.as_ref().map(|text| text.as_bytes()[0])
    }

    /// The items of a header value.
    pub(crate) fn items<'a>(&self, value: &'a [u8]) -> Vec<&'a [u8]> {
        match self.item_separator() {
            None => vec![value],
            Some(separator) => value
                .split(|byte| *byte == separator)
                .map(<[u8]>::trim_ascii)
                .filter(|item| !item.is_empty())
                .collect(),
        }
    }

    /// The tag of an item and what it tags, where the scheme has tags.
    pub(crate) fn split<'a>(&self, item: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let separator = self.tag_separator()?;
        let at = item.iter().position(|byte| *byte == separator)?;
        Some((&item[..at], &item[at + 1..]))
    }

    /// The timestamp inside the header, if this item is it.
    pub(crate) fn timestamp<'a>(&self, item: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, text) = self.split(item)?;
        (self.ts_key.as_ref()?.as_bytes() == tag).then_some(text)
    }

    /// A header value out of items.
    pub(crate) fn join(&self, items: &[&[u8]]) -> Vec<u8> {
        items.join(self.item_separator().as_slice())
    }
}

/// The descriptions of all schemes.
pub(crate) struct Descriptions(BTreeMap<String, Value>);

impl Descriptions {
    pub(crate) fn read() -> Self {
        let path = manifest_folder().join("../../tests/vectors/schemes.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    pub(crate) fn find(&self, name: &str) -> Description {
        let value = match self.0.get(name) {
            // The shared descriptions know times in headers only.
            Some(shared)
                if shared.get("timestamp").is_none() && own(name)["timestamp"]["body_field"].is_string() =>
            {
                let mut shared = shared.clone();
                shared["timestamp"] = own(name)["timestamp"].take();
                shared
            }
            Some(shared) => shared.clone(),
            None => own(name),
        };
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// The scheme's own file in the form of the shared descriptions.
fn own(name: &str) -> Value {
    let path = manifest_folder().join("schemes").join(format!("{name}.toml"));
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name} is not described: {error}"));
    let toml: Value = toml::from_str(&text).unwrap();
    let signature = &toml["signature"];
    let tags = signature["tags"].as_array().into_iter().flatten();
    let tags: BTreeMap<_, _> = tags
        .map(|tag| (tag["tag"].as_str().unwrap(), &tag["algorithm"]))
        .collect();
    let variables: Vec<_> = ["body", "form", "ts", "id", "url", "method"]
        .into_iter()
        .filter(|variable| {
            toml["content"]
                .as_str()
                .unwrap()
                .contains(&format!("{{{variable}}}"))
        })
        .map(|variable| serde_json::json!({ "var": variable }))
        .collect();
    let mut shared = serde_json::json!({
        "signature": {
            "headers": signature["headers"],
            "encoding": signature["encoding"],
            "item_sep": signature["item_separator"],
            "kv_sep": signature["tag_separator"],
            "keys": tags,
            "ts_key": signature["timestamp_tag"],
        },
        "content": variables,
        "secret": if toml["key"] == "standard-webhooks" { Value::from("whsec") } else { toml["key"].clone() },
        "id": toml["id"],
    });
    if let Some(timestamp) = toml.get("timestamp") {
        shared["timestamp"] = serde_json::json!({
            "headers": timestamp.get("headers").cloned().unwrap_or_else(|| Value::Array(Vec::new())),
            "unit": if timestamp["unit"] == "milliseconds" { 1000 } else { 1 },
            "tolerance": timestamp["tolerance_seconds"],
            "body_field": timestamp["body_field"],
        });
    }
    shared
}

fn manifest_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
