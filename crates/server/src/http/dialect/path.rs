//! The names of a webhook's fields in update masks and errors, and in a platform's words.

use hookwright_core::profile::{Api, api::WebhookValue};

/// The field of `Webhook` that holds a value, if requests can set it.
pub(super) fn of(value: WebhookValue) -> Option<&'static str> {
    match value {
        WebhookValue::Name => Some("name"),
        WebhookValue::Url => Some("url"),
        WebhookValue::EventTypes => Some("event_types"),
        WebhookValue::Active | WebhookValue::State => Some("state"),
        WebhookValue::Headers => Some("headers"),
        WebhookValue::Attributes => Some("attributes"),
        WebhookValue::Filter => Some("filter"),
        WebhookValue::Timeout => Some("timeout"),
        WebhookValue::RetryCount | WebhookValue::RetryDelay => Some("retry_policy"),
        WebhookValue::Method => Some("method"),
        WebhookValue::ContentType => Some("content_type"),
        WebhookValue::MaxInFlight => Some("max_in_flight"),
        WebhookValue::AlertEmails => Some("alert_emails"),
        // Not a field of `Webhook`, or not settable.
        WebhookValue::Secret
        | WebhookValue::Id
        | WebhookValue::Profile
        | WebhookValue::StateReason
        | WebhookValue::CreateTime
        | WebhookValue::UpdateTime => None,
    }
}

/// An update mask of these fields, as proto3 JSON writes it: `eventTypes,url`.
pub(super) fn mask(fields: &[&str]) -> String {
    let camel = |field: &&str| {
        let mut parts = field.split('_');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |name, part| {
            let (initial, rest) = part.split_at(part.len().min(1));
            name + &initial.to_ascii_uppercase() + rest
        })
    };
    fields.iter().map(camel).collect::<Vec<_>>().join(",")
}

/// A place in a request, such as `webhook.event_types[0]`, in the platform's words: `events[0]`. What has no such word
/// stays as it is.
pub(super) fn in_words(api: &Api, place: &str) -> String {
    if place == "secret" {
        let field = api.webhook_value(WebhookValue::Secret);
        return field.map_or_else(|| place.to_owned(), |field| field.name.clone());
    }
    let Some(inner) = place.strip_prefix("webhook.") else {
        return place.to_owned();
    };
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let end = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    // Delays are what can be wrong with the form of a schedule; their number is checked before.
    if name == "retry_policy" {
        let field = api.webhook_value(WebhookValue::RetryDelay);
        return field.map_or_else(|| place.to_owned(), |field| field.name.clone());
    }
    let field = api.webhook.iter().find(|field| of(field.value) == Some(name));
    field.map_or_else(|| place.to_owned(), |field| format!("{}{rest}", field.name))
}
