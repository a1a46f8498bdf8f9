//! Settings of a webhook as JSON: the mapping of protocol buffers, so that what the service shows can be given back.

use hookwright_proto::v1;

use crate::{failure::Failure, input::read_bytes};

/// Some settings of a webhook.
pub(crate) struct Settings {
    pub(crate) webhook: v1::Webhook,
    /// The names of those that are given, as `update_mask` has them.
    pub(crate) paths: Vec<String>,
}

impl Settings {
    /// From JSON, `@file`, or `-` for standard input.
    pub(crate) fn read(argument: &str) -> Result<Self, Failure> {
        let bytes = read_bytes(argument)?;
        let refused =
            |error: serde_json::Error| Failure::Usage(format!("these are no settings of a webhook: {error}"));
        let mut members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes).map_err(refused)?;
        let paths = members.keys().map(|name| snake_case(name)).collect();
        // Named and without a value, so it is the default again.
        members.retain(|_, value| !value.is_null());
        let webhook = serde_json::from_value(members.into()).map_err(refused)?;
        Ok(Self { webhook, paths })
    }
}

/// `rateLimit` and `rate_limit` are the same field.
fn snake_case(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            path.push('_');
        }
        path.push(character.to_ascii_lowercase());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_name_the_field() {
        for text in [
            r#"{"maxInFlight": 2, "url": "https://example.com/", "name": null}"#,
            r#"{"max_in_flight": 2, "url": "https://example.com/", "name": null}"#,
        ] {
            let Ok(settings) = Settings::read(text) else {
                panic!("refused");
            };
            assert_eq!(settings.paths, ["max_in_flight", "name", "url"]);
            assert_eq!(
                (settings.webhook.max_in_flight, settings.webhook.name.as_str()),
                (2, "")
            );
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let Err(refused) = Settings::read(r#"{"ratelimit": 5}"#) else {
            panic!("taken for a setting");
        };
        assert!(format!("{refused:?}").contains("ratelimit"), "{refused:?}");
    }
}
