//! Envelopes: the JSON object that a platform wraps around the data of an event.
//!
//! Rendering writes the envelope's fields in the documented order and splices the data in byte by byte. The data
//! is never parsed and written again, because that would change numbers, escapes and the order of keys, and what
//! the publisher handed in is what receivers should get. Reading likewise keeps the data as the bytes it came in.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize as _};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::{EnvelopeError, ProfileError};
use crate::rfc3339;

/// The parts of an event, as a publisher gives them.
#[derive(Debug, Clone, Copy)]
pub struct EventFields<'a> {
    /// The event id with its prefix, such as `evt_…`; the same for every webhook and every attempt.
    pub id: &'a str,
    /// The event type, such as `vault.created`.
    pub event_type: &'a str,
    /// When it happened, in Unix milliseconds.
    pub occurred_at_ms: i64,
    /// The data: a JSON text, which the caller has checked to be one.
    pub data: &'a [u8],
    /// What stands beside the data, by the name of the envelope's field; JSON texts like the data. Those that the
    /// envelope has no field for are not sent; [`Profile::extra_fields`](crate::Profile::extra_fields) has the names.
    pub extras: &'a [(&'a str, &'a [u8])],
}

/// An envelope, taken apart. Fields that the profile's envelope does not have are `None`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParsedEnvelope {
    /// The event id.
    pub id: Option<String>,
    /// The event type.
    pub event_type: Option<String>,
    /// When it happened, in Unix milliseconds.
    pub occurred_at_ms: Option<i64>,
    /// The data, byte for byte as it came.
    pub data: Box<RawValue>,
    /// The extras that came, by field, in the order of the profile, byte for byte.
    pub extras: Vec<(String, Box<RawValue>)>,
}

/// How an envelope is laid out: its fields in order.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    fields: Box<[Field]>,
}

/// One field of an envelope, as it stands in a profile description.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// The key in the JSON object.
    name: String,
    value: FieldValue,
    /// For `data`: the key of a further object around it.
    #[serde(default)]
    inside: Option<String>,
    /// Whether a receiver accepts an envelope without this field. All but extras are always sent.
    #[serde(default)]
    optional: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FieldValue {
    /// The event id.
    Id,
    /// The event type.
    Type,
    /// The time as RFC 3339 text in UTC, whole seconds.
    Rfc3339,
    /// The time as a number of Unix seconds.
    UnixSeconds,
    /// The data.
    Data,
    /// JSON that the publisher may give beside the data.
    Extra,
}

impl Envelope {
    /// Checks that the fields make an envelope: distinct names, each kind at most once, data and type present.
    pub(crate) fn new(fields: Vec<Field>) -> Result<Self, ProfileError> {
        let refused = |reason| Err(ProfileError::Envelope { reason });
        let count =
            |matches: fn(FieldValue) -> bool| fields.iter().filter(|field| matches(field.value)).count();
        if count(|value| value == FieldValue::Data) != 1 || count(|value| value == FieldValue::Type) != 1 {
            return refused("exactly one field must hold the type and exactly one the data");
        }
        if count(|value| value == FieldValue::Id) > 1 || count(FieldValue::is_time) > 1 {
            return refused("the id and the time can be in one field each");
        }
        let mut names: Vec<_> = fields.iter().map(|field| &field.name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return refused("two fields have the same name");
        }
        if fields
            .iter()
            .any(|field| field.inside.is_some() && field.value != FieldValue::Data)
        {
            return refused("only the data can be `inside` a further object");
        }
        if fields
            .iter()
            .any(|field| field.optional && matches!(field.value, FieldValue::Data | FieldValue::Type))
        {
            return refused("the type and the data cannot be optional");
        }
        if fields
            .iter()
            .any(|field| !field.optional && field.value == FieldValue::Extra)
        {
            return refused("an extra must be `optional`, because a publisher may have none");
        }
        Ok(Self {
            fields: fields.into(),
        })
    }

    /// Writes the envelope.
    pub(crate) fn render(&self, event: &EventFields<'_>) -> Vec<u8> {
        let extra_bytes: usize = event.extras.iter().map(|(_, json)| json.len()).sum();
        let mut body = Vec::with_capacity(event.data.len() + extra_bytes + 192);
        for field in &self.fields {
            let extra = event.extra(&field.name);
            if field.value == FieldValue::Extra && extra.is_none() {
                continue;
            }
            push_key(&mut body, &field.name);
            match field.value {
                FieldValue::Id => push_string(&mut body, event.id),
                FieldValue::Type => push_string(&mut body, event.event_type),
                FieldValue::Rfc3339 => push_string(&mut body, &rfc3339::format(event.occurred_at_ms)),
                FieldValue::UnixSeconds => {
                    body.extend_from_slice(event.occurred_at_ms.div_euclid(1000).to_string().as_bytes());
                }
                FieldValue::Data => push_data(&mut body, event.data, field.inside.as_deref()),
                FieldValue::Extra => body.extend_from_slice(extra.unwrap_or_default()),
            }
        }
        body.push(b'}');
        body
    }

    /// Reads an envelope. Fields that it does not know are skipped, so that platforms can add some.
    pub(crate) fn parse(&self, body: &[u8]) -> Result<ParsedEnvelope, EnvelopeError> {
        let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        let values = members(body, &names, "")?;
        let (mut id, mut event_type, mut occurred_at_ms, mut data) = (None, None, None, None);
        let mut extras = Vec::new();
        for (field, value) in self.fields.iter().zip(values) {
            let Some(value) = value else {
                if field.optional {
                    continue;
                }
                return Err(EnvelopeError::MissingField {
                    field: field.name.clone(),
                });
            };
            match field.value {
                FieldValue::Id => id = Some(field.text(&value)?),
                FieldValue::Type => event_type = Some(field.text(&value)?),
                FieldValue::Rfc3339 => occurred_at_ms = Some(field.rfc3339_ms(&value)?),
                FieldValue::UnixSeconds => occurred_at_ms = Some(field.unix_ms(&value)?),
                FieldValue::Data => data = Some(field.data(value)?),
                FieldValue::Extra => extras.push((field.name.clone(), value)),
            }
        }
        // `new` insists on a data field that is not optional, so the loop has found it or returned.
        let data = data.ok_or_else(|| EnvelopeError::MissingField {
            field: "data".to_owned(),
        })?;
        Ok(ParsedEnvelope {
            id,
            event_type,
            occurred_at_ms,
            data,
            extras,
        })
    }

    /// The names of the fields for extras.
    pub(crate) fn extra_fields(&self) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(|field| field.value == FieldValue::Extra)
            .map(|field| field.name.as_str())
    }
}

impl<'a> EventFields<'a> {
    fn extra(&self, name: &str) -> Option<&'a [u8]> {
        let (_, json) = self.extras.iter().find(|(given, _)| *given == name)?;
        Some(json)
    }
}

impl FieldValue {
    const fn is_time(self) -> bool {
        matches!(self, Self::Rfc3339 | Self::UnixSeconds)
    }
}

impl Field {
    fn text(&self, value: &RawValue) -> Result<String, EnvelopeError> {
        let text: Option<String> = serde_json::from_str(value.get()).ok();
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| self.invalid("a string that is not empty"))
    }

    fn rfc3339_ms(&self, value: &RawValue) -> Result<i64, EnvelopeError> {
        let text: Option<String> = serde_json::from_str(value.get()).ok();
        text.and_then(|text| rfc3339::parse(&text))
            .ok_or_else(|| self.invalid("a date and time such as \"2024-01-15T10:30:00Z\""))
    }

    fn unix_ms(&self, value: &RawValue) -> Result<i64, EnvelopeError> {
        let seconds: Option<i64> = serde_json::from_str(value.get()).ok();
        seconds
            .and_then(|seconds| seconds.checked_mul(1000))
            .ok_or_else(|| self.invalid("a whole number of Unix seconds"))
    }

    fn data(&self, value: Box<RawValue>) -> Result<Box<RawValue>, EnvelopeError> {
        let Some(inside) = &self.inside else {
            return Ok(value);
        };
        let inner = members(value.get().as_bytes(), &[inside], &self.name)?
            .pop()
            .flatten();
        inner.ok_or_else(|| EnvelopeError::MissingField {
            field: format!("{}.{inside}", self.name),
        })
    }

    fn invalid(&self, expected: &'static str) -> EnvelopeError {
        EnvelopeError::InvalidField {
            field: self.name.clone(),
            expected,
        }
    }
}

/// The key of a member, and what separates it from what came before.
fn push_key(body: &mut Vec<u8>, name: &str) {
    body.push(if body.is_empty() { b'{' } else { b',' });
    push_string(body, name);
    body.push(b':');
}

fn push_data(body: &mut Vec<u8>, data: &[u8], inside: Option<&str>) {
    match inside {
        Some(name) => {
            body.push(b'{');
            push_string(body, name);
            body.push(b':');
            body.extend_from_slice(data);
            body.push(b'}');
        }
        None => body.extend_from_slice(data),
    }
}

fn push_string(body: &mut Vec<u8>, text: &str) {
    let mut serializer = serde_json::Serializer::new(body);
    // Writing into memory does not fail, and neither does serialising a string.
    text.serialize(&mut serializer)
        .expect("a string always serialises");
}

/// The whole number that the JSON object `body` has under `key`, once and as a number.
pub(crate) fn number(body: &[u8], key: &str) -> Option<i64> {
    let value = members(body, &[key], "").ok()?.pop().flatten()?;
    serde_json::from_str(value.get()).ok()
}

/// The values of the members `names` of the JSON object `text`, in the order of `names`. `path` names the object in
/// errors.
fn members(text: &[u8], names: &[&str], path: &str) -> Result<Vec<Option<Box<RawValue>>>, EnvelopeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut found = Members {
        names,
        values: vec![None; names.len()],
        repeated: None,
    };
    let outcome = deserializer
        .deserialize_map(&mut found)
        .and_then(|()| deserializer.end());
    if let Err(error) = outcome {
        return Err(EnvelopeError::NotJson {
            reason: reason(&error),
        });
    }
    if let Some(name) = found.repeated {
        let field = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        return Err(EnvelopeError::DuplicateField { field });
    }
    Ok(found.values)
}

/// What is wrong with a JSON text. The parser's own message is not used, because it quotes the text, and the text of
/// a webhook does not belong into a log.
fn reason(error: &serde_json::Error) -> String {
    let problem = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Data => "it is something else",
        Category::Syntax | Category::Io => "syntax error",
    };
    format!("{problem}, line {} column {}", error.line(), error.column())
}

/// Collects some members of an object and notes one that comes twice.
struct Members<'n> {
    names: &'n [&'n str],
    values: Vec<Option<Box<RawValue>>>,
    repeated: Option<&'n str>,
}

impl<'de> Visitor<'de> for &mut Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let Some(at) = self.names.iter().position(|name| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            if self.values[at].replace(value).is_some() {
                self.repeated = Some(self.names[at]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(toml: &str) -> Result<Envelope, ProfileError> {
        #[derive(Deserialize)]
        struct Fields {
            envelope: Vec<Field>,
        }
        Envelope::new(toml::from_str::<Fields>(toml).unwrap().envelope)
    }

    fn wrapped() -> Envelope {
        envelope(
            r#"envelope = [
                { name = "id", value = "id" },
                { name = "type", value = "type" },
                { name = "created_at", value = "unix-seconds", optional = true },
                { name = "data", value = "data", inside = "object" },
            ]"#,
        )
        .unwrap()
    }

    #[test]
    fn data_goes_through_byte_by_byte() {
        let data = r#"{ "b":1.0, "a":"\u00e9", "b":123456789012345678901234567890 }"#;
        let event = EventFields {
            id: "webhook_1",
            event_type: "a.\"b\"",
            occurred_at_ms: 1999,
            data: data.as_bytes(),
            extras: &[],
        };
        let body = wrapped().render(&event);
        let expected =
            format!(r#"{{"id":"webhook_1","type":"a.\"b\"","created_at":1,"data":{{"object":{data}}}}}"#);
        assert_eq!(String::from_utf8(body.clone()).unwrap(), expected);
        let parsed = wrapped().parse(&body).unwrap();
        assert_eq!(parsed.data.get(), data);
        assert_eq!(parsed.event_type.as_deref(), Some("a.\"b\""));
        assert_eq!(parsed.occurred_at_ms, Some(1000));
    }

    #[test]
    fn extras_are_sent_when_there_are_some_and_read_when_they_come() {
        let envelope = envelope(
            r#"envelope = [
                { name = "metadata", value = "extra", optional = true },
                { name = "type", value = "type" },
                { name = "data", value = "data" },
                { name = "context", value = "extra", optional = true },
            ]"#,
        )
        .unwrap();
        assert_eq!(
            envelope.extra_fields().collect::<Vec<_>>(),
            ["metadata", "context"]
        );
        let render = |extras: &[(&str, &[u8])]| {
            let body = envelope.render(&EventFields {
                id: "",
                event_type: "a",
                occurred_at_ms: 0,
                data: b"1",
                extras,
            });
            String::from_utf8(body).unwrap()
        };
        assert_eq!(render(&[]), r#"{"type":"a","data":1}"#);
        let body = render(&[("context", b"[ 1.0 ]"), ("type", b"2"), ("other", b"3")]);
        assert_eq!(body, r#"{"type":"a","data":1,"context":[ 1.0 ]}"#);
        assert_eq!(
            render(&[("context", b"{}"), ("metadata", b"{}")]),
            r#"{"metadata":{},"type":"a","data":1,"context":{}}"#
        );

        let parsed = envelope.parse(body.as_bytes()).unwrap();
        let extras: Vec<_> = parsed
            .extras
            .iter()
            .map(|(name, json)| (name.as_str(), json.get()))
            .collect();
        assert_eq!(extras, [("context", "[ 1.0 ]")]);
        let twice = br#"{"type":"a","context":1,"data":1,"context":2}"#;
        assert_eq!(
            envelope.parse(twice).unwrap_err(),
            EnvelopeError::DuplicateField {
                field: "context".into()
            }
        );
    }

    #[test]
    fn an_envelope_that_two_readers_would_read_differently_is_refused() {
        let body = br#"{"id":"a","type":"x","type":"y","created_at":1,"data":{"object":{}}}"#;
        let error = wrapped().parse(body).unwrap_err();
        assert_eq!(error, EnvelopeError::DuplicateField { field: "type".into() });
        // The same key, spelled with an escape.
        let body = br#"{"id":"a","type":"x","t\u0079pe":"y","created_at":1,"data":{"object":{}}}"#;
        assert_eq!(
            wrapped().parse(body).unwrap_err(),
            EnvelopeError::DuplicateField { field: "type".into() }
        );
        let body = br#"{"id":"a","type":"x","data":{"object":{},"object":{}}}"#;
        assert_eq!(
            wrapped().parse(body).unwrap_err(),
            EnvelopeError::DuplicateField {
                field: "data.object".into()
            }
        );
    }

    #[test]
    fn the_error_names_the_field_that_is_wrong() {
        let refusal = |body: &str| wrapped().parse(body.as_bytes()).unwrap_err();
        assert!(matches!(refusal("[]"), EnvelopeError::NotJson { .. }));
        assert!(matches!(refusal("{} x"), EnvelopeError::NotJson { .. }));
        assert_eq!(refusal("{}"), EnvelopeError::MissingField { field: "id".into() });
        assert_eq!(
            refusal(r#"{"id":"a","type":"x","data":{}}"#),
            EnvelopeError::MissingField {
                field: "data.object".into()
            }
        );
        assert!(matches!(
            refusal(r#"{"id":7,"type":"x","data":{"object":1}}"#),
            EnvelopeError::InvalidField { field, .. } if field == "id"
        ));
        assert!(matches!(
            refusal(r#"{"id":"7","type":"x","created_at":1e300,"data":{"object":1}}"#),
            EnvelopeError::InvalidField { field, .. } if field == "created_at"
        ));
    }

    #[test]
    fn a_refusal_does_not_quote_the_body() {
        for body in [
            r#""secret""#,
            r#"{"id":"a","secret"#,
            r#"{"id":1,secret}"#,
            "\u{0}secret",
        ] {
            let error = wrapped().parse(body.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = "[".repeat(500_000) + &"]".repeat(500_000);
        let body = format!(r#"{{"id":"a","more":{deep},"type":"x","data":{{"object":{deep}}}}}"#);
        assert_eq!(
            wrapped().parse(body.as_bytes()).unwrap().data.get().len(),
            deep.len()
        );
    }

    #[test]
    fn fields_that_platforms_add_later_are_skipped() {
        let body = br#"{"api_version":"2","id":"a","type":"x","data":{"object":1,"more":2}}"#;
        let parsed = wrapped().parse(body).unwrap();
        assert_eq!(parsed.data.get(), "1");
        assert_eq!(parsed.occurred_at_ms, None);
    }

    #[test]
    fn an_envelope_without_data_is_not_one() {
        for fields in [
            r#"{ name = "type", value = "type" }"#,
            r#"{ name = "data", value = "data" }"#,
            r#"{ name = "a", value = "type" }, { name = "a", value = "data" }"#,
            r#"{ name = "a", value = "type", optional = true }, { name = "b", value = "data" }"#,
            r#"{ name = "a", value = "type", inside = "x" }, { name = "b", value = "data" }"#,
            r#"{ name = "a", value = "type" }, { name = "b", value = "data" }, { name = "c", value = "extra" }"#,
            r#"{ name = "a", value = "type" }, { name = "b", value = "data" }, { name = "c", value = "rfc3339" },
               { name = "d", value = "unix-seconds" }"#,
        ] {
            assert!(
                envelope(&format!("envelope = [{}]", fields.replace('\n', " "))).is_err(),
                "{fields}"
            );
        }
    }
}
