//! Pages of webhooks and deliveries, and where they are.

use super::{Api, DeliveryValue, ListValue, refused};
use crate::error::ProfileError;

/// Longest base path, in bytes.
const BASE_PATH_BYTES_MAX: usize = 128;
/// First parts of paths that the service has itself.
const RESERVED: [&str; 8] = [
    "v1",
    "docs",
    "openapi.json",
    "health",
    "healthz",
    "metrics",
    "grpc",
    "hookwright",
];

/// A path that reads like one: letters, digits, hyphens and underscores between slashes, and nothing of the service's own.
pub(super) fn check_base_path(path: Option<&str>) -> Result<(), ProfileError> {
    let Some(path) = path else { return Ok(()) };
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let Some(rest) = path
        .strip_prefix('/')
        .filter(|_| path.len() <= BASE_PATH_BYTES_MAX)
    else {
        return refused("base_path", "it starts with a slash and has at most 128 bytes");
    };
    if !rest.split('/').all(is_part) {
        return refused(
            "base_path",
            "it is made of letters, digits, hyphens and underscores between slashes, such as /webhooks",
        );
    }
    let first = rest.split('/').next().unwrap_or_default();
    if RESERVED
        .iter()
        .any(|reserved| first.eq_ignore_ascii_case(reserved))
    {
        return refused("base_path", "the service has paths of its own there");
    }
    Ok(())
}

pub(super) fn check_lists(api: &Api) -> Result<(), ProfileError> {
    for (key, list) in [("webhooks", &api.webhooks), ("deliveries", &api.deliveries)] {
        if !list.iter().any(|field| field.value == ListValue::Items) {
            return refused(key, "it needs a field for the `items`");
        }
    }
    if api
        .webhooks
        .iter()
        .any(|field| field.value == ListValue::WebhookId)
    {
        return refused("webhooks", "a page of webhooks has no `webhook_id`");
    }
    let names_it = |value| matches!(value, DeliveryValue::Id | DeliveryValue::EventId);
    if !api.delivery.iter().any(|field| names_it(field.value)) {
        return refused("delivery", "it needs a field for `id` or `event_id`");
    }
    Ok(())
}
