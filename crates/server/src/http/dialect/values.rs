//! JSON values as the fields of a webhook, or what is expected instead.

use std::{collections::HashMap, time::Duration};

use hookwright_core::profile::api::{Field, Spelling, WebhookValue};
use hookwright_proto::v1;
use serde_json::Value;

use crate::http::fault::Fault;

/// What a duration of the protocol can hold: about 10,000 years. The bounds of a setting are checked where it is set.
const DURATION_MAX: Duration = Duration::from_hours(87_660_000);

pub(super) fn text(name: &str, value: &Value) -> Result<String, Fault> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| expected(name, "a text"))
}

pub(super) fn texts(name: &str, value: &Value) -> Result<Vec<String>, Fault> {
    let list = value
        .as_array()
        .ok_or_else(|| expected(name, "a list of texts"))?;
    list.iter()
        .enumerate()
        .map(|(index, value)| text(&format!("{name}[{index}]"), value))
        .collect()
}

pub(super) fn texts_by_name(name: &str, value: &Value) -> Result<HashMap<String, String>, Fault> {
    let object = value
        .as_object()
        .ok_or_else(|| expected(name, "an object of texts"))?;
    object
        .iter()
        .map(|(key, value)| Ok((key.clone(), text(&format!("{name}.{key}"), value)?)))
        .collect()
}

/// An empty list asks for nothing, and is passed over.
pub(super) fn attributes(name: &str, value: &Value) -> Result<HashMap<String, v1::AttributeValues>, Fault> {
    let object = value
        .as_object()
        .ok_or_else(|| expected(name, "an object of lists"))?;
    let mut attributes = HashMap::new();
    for (key, value) in object {
        let values = texts(&format!("{name}.{key}"), value)?;
        if !values.is_empty() {
            attributes.insert(key.clone(), v1::AttributeValues { values });
        }
    }
    Ok(attributes)
}

pub(super) fn count(name: &str, value: &Value) -> Result<u32, Fault> {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| expected(name, "a whole number"))
}

pub(super) fn duration(field: &Field<WebhookValue>, value: &Value) -> Result<pbjson_types::Duration, Fault> {
    let unit = if field.spelling == Spelling::Milliseconds {
        "a number of milliseconds"
    } else {
        "a number of seconds"
    };
    field
        .spelling
        .read_duration(value)
        .filter(|duration| *duration < DURATION_MAX)
        .map(Into::into)
        .ok_or_else(|| expected(&field.name, unit))
}

fn expected(name: &str, what: &str) -> Fault {
    Fault::new(name, "INVALID_FIELD", format!("{what} is expected"))
}
