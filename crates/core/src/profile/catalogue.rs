//! Catalogues: the event types that a platform documents.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ProfileError;

/// An event type that a platform documents. Others can be published too; the catalogue is for people who choose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventType {
    /// The name, such as `vault.created`.
    pub name: String,
    /// What it means, in the platform's words; empty where the platform has none.
    #[serde(default)]
    pub description: String,
    /// The documented example of an event's data, as JSON text.
    #[serde(default)]
    pub sample: Option<String>,
}

/// Checks that names are distinct and samples are JSON.
pub(super) fn check(event_types: &[EventType]) -> Result<(), ProfileError> {
    for (at, event_type) in event_types.iter().enumerate() {
        let refused = |reason| {
            Err(ProfileError::EventType {
                name: event_type.name.clone(),
                reason,
            })
        };
        if event_type.name.is_empty() || !event_type.name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("a name is visible ASCII characters without spaces");
        }
        if event_types[..at]
            .iter()
            .any(|earlier| earlier.name == event_type.name)
        {
            return refused("it is listed twice");
        }
        let is_json = |sample: &String| serde_json::from_str::<&RawValue>(sample).is_ok();
        if !event_type.sample.as_ref().is_none_or(is_json) {
            return refused("its sample is not JSON");
        }
    }
    Ok(())
}
