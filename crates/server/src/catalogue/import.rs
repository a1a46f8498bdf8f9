//! Where event types come from: a profile's catalogue, a list, or an OpenAPI document.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use hookwright_core::Profile;
use hookwright_store::{EventType, Timestamp};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{EVENT_TYPES_MAX, Refusal, open_api, schema::Schema};

const DOCUMENT_BYTES_MAX: usize = 2 * 1_024 * 1_024;
const DESCRIPTION_BYTES_MAX: usize = 2_000;
const SAMPLE_BYTES_MAX: usize = 64 * 1_024;

/// A source of event types.
#[derive(Debug)]
pub(crate) enum Import {
    Profile(Arc<Profile>),
    Document {
        document: Bytes,
        /// Where in a schema of an OpenAPI document the payload is.
        pointer: String,
    },
}

/// Why a source is not taken. Nothing of it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// As in the request, such as `document[2].schema`.
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl Refused {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// An event type that is not checked yet.
pub(super) struct Candidate {
    /// Where it is in the request.
    pub(super) field: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) schema: Option<String>,
    pub(super) sample: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    schema: Option<Box<RawValue>>,
    #[serde(default)]
    sample: Option<Box<RawValue>>,
}

impl Import {
    /// The event types of the source, checked, apart from how they are called.
    pub(crate) fn event_types(self) -> Result<Vec<EventType>, Refused> {
        let (source, candidates) = match self {
            Self::Profile(profile) => ("profile", of_profile(&profile)),
            Self::Document { document, pointer } => ("document", of_document(&document, &pointer)?),
        };
        if candidates.is_empty() {
            return Err(Refused::new(source, "there is no event type in it"));
        }
        if candidates.len() > EVENT_TYPES_MAX {
            return Err(Refused::new(
                source,
                format!(
                    "{} event types; at most {EVENT_TYPES_MAX} are accepted",
                    candidates.len()
                ),
            ));
        }
        let mut names = HashSet::new();
        candidates
            .into_iter()
            .map(|candidate| {
                if !names.insert(candidate.name.clone()) {
                    return Err(Refused::new(
                        candidate.field,
                        format!("{:?} is there twice", candidate.name),
                    ));
                }
                check(candidate)
            })
            .collect()
    }
}

fn of_profile(profile: &Profile) -> Vec<Candidate> {
    let event_types = profile.event_types().iter();
    event_types
        .map(|event_type| Candidate {
            field: format!("profile.{}", event_type.name),
            name: event_type.name.clone(),
            description: event_type.description.clone(),
            schema: event_type.schema.clone(),
            sample: event_type.sample.clone(),
        })
        .collect()
}

fn of_document(document: &[u8], pointer: &str) -> Result<Vec<Candidate>, Refused> {
    let refused = |problem: String| Refused::new("document", problem);
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(refused(format!(
            "{} bytes; at most {DOCUMENT_BYTES_MAX} are accepted",
            document.len()
        )));
    }
    let is_list = document.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_list {
        let document: Value = serde_json::from_slice(document).map_err(|error| {
            refused(format!(
                "neither a list of event types nor OpenAPI, as JSON: {error}"
            ))
        })?;
        return open_api::candidates(&document, pointer);
    }
    if !pointer.is_empty() {
        return Err(Refused::new("schema_pointer", "is for OpenAPI documents only"));
    }
    let listed: Vec<Listed> = serde_json::from_slice(document)
        .map_err(|error| refused(format!("not a list of event types: {error}")))?;
    let text = |raw: Box<RawValue>| raw.get().to_owned();
    Ok(listed
        .into_iter()
        .enumerate()
        .map(|(position, listed)| Candidate {
            field: format!("document[{position}]"),
            name: listed.name,
            description: listed.description,
            schema: listed.schema.map(text),
            sample: listed.sample.map(text),
        })
        .collect())
}

fn check(candidate: Candidate) -> Result<EventType, Refused> {
    let Candidate {
        field,
        name,
        description,
        schema,
        sample,
    } = candidate;
    let refused = |part: &str, problem: String| Err(Refused::new(format!("{field}.{part}"), problem));
    // PostgreSQL has no text with a NUL in it.
    if description.len() > DESCRIPTION_BYTES_MAX || description.contains('\0') {
        return refused(
            "description",
            format!("at most {DESCRIPTION_BYTES_MAX} bytes, none of them 0"),
        );
    }
    let compiled = schema.as_deref().map(Schema::compile).transpose();
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(problem) => return refused("schema", problem),
    };
    if let Some(sample) = &sample {
        if sample.len() > SAMPLE_BYTES_MAX {
            return refused(
                "sample",
                format!("{} bytes; at most {SAMPLE_BYTES_MAX}", sample.len()),
            );
        }
        let value: Value = match serde_json::from_str(sample) {
            Ok(value) => value,
            Err(error) => return refused("sample", format!("not JSON: {error}")),
        };
        match compiled.map_or(Ok(()), |compiled| compiled.check(&value)) {
            Ok(()) => {}
            Err(Refusal::Invalid(faults)) => {
                let fault = faults.first().map_or_else(String::new, |fault| {
                    format!(
                        " at {:?}: {} (schema: {})",
                        fault.place, fault.problem, fault.schema_place
                    )
                });
                return refused("sample", format!("its schema does not accept it{fault}"));
            }
            Err(
                Refusal::TooLarge { problem }
                | Refusal::UnknownType { problem }
                | Refusal::UnusableSchema { problem },
            ) => {
                return refused("sample", problem);
            }
        }
    }
    Ok(EventType {
        name,
        description,
        schema,
        sample,
        // The store sets it.
        updated_at: Timestamp::from_unix_micros(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Result<Vec<EventType>, Refused> {
        let document = Bytes::copy_from_slice(text.as_bytes());
        let pointer = String::new();
        Import::Document { document, pointer }.event_types()
    }

    #[test]
    fn every_built_in_catalogue_can_be_imported() {
        // Platforms that we promise to know could not be checked.
        for name in Profile::builtin_names() {
            let profile = Profile::builtin(name).unwrap();
            let count = profile.event_types().len();
            match Import::Profile(profile).event_types() {
                Ok(event_types) => assert_eq!(event_types.len(), count),
                Err(refused) => assert_eq!(
                    (count, refused.problem.as_str()),
                    (0, "there is no event type in it")
                ),
            }
        }
    }

    #[test]
    fn a_list_is_taken_byte_for_byte_and_mistakes_are_placed() {
        let text = r#"[{"name": "a.b", "description": "d", "schema": {"type":  "object", "a": 1}, "sample": {"z":1, "a": 2}}, {"name": "c"}]"#;
        let read = document(text).unwrap();
        assert_eq!(read[0].schema.as_deref(), Some(r#"{"type":  "object", "a": 1}"#));
        assert_eq!(read[0].sample.as_deref(), Some(r#"{"z":1, "a": 2}"#));
        assert_eq!((read[1].schema.as_ref(), read[1].sample.as_ref()), (None, None));
        for (text, field, about) in [
            ("[", "document", "list"),
            ("[]", "document", "no event type"),
            ("{}", "document", "openapi"),
            ("nope", "document", "JSON"),
            (r#"[{"name": "a", "schemas": {}}]"#, "document", "schemas"),
            (r#"[{"name": "a"}, {"name": "a"}]"#, "document[1]", "twice"),
            (
                r#"[{"name": "a", "schema": {"type": "x"}}]"#,
                "document[0].schema",
                "x",
            ),
            (
                r#"[{"name": "a", "schema": {"type": "object"}, "sample": 5}]"#,
                "document[0].sample",
                "object",
            ),
        ] {
            let refused = document(text).unwrap_err();
            assert_eq!(refused.field, field, "{text}: {refused:?}");
            assert!(refused.problem.contains(about), "{text}: {refused:?}");
        }
    }
}
