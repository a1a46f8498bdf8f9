//! Requests in a platform's words, as this service has them.

use hookwright_core::profile::{
    Api,
    api::{Field, WebhookValue},
};
use hookwright_proto::v1;
use serde_json::Value;

use super::{path, retries::Retries, values};
use crate::http::fault::Fault;

/// A request that registers or changes a webhook.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) webhook: v1::Webhook,
    pub(super) secret: String,
    /// The fields that it sets, as update masks name them.
    pub(super) paths: Vec<&'static str>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    Update,
}

/// Reads the members of a body, or says what is wrong with each.
pub(super) fn read(api: &Api, members: &[(String, Value)], purpose: Purpose) -> Result<Request, Vec<Fault>> {
    let mut request = Request::default();
    let mut retries = Retries::default();
    let mut faults = Vec::new();
    for (name, value) in members {
        let Some(field) = api.webhook_field(name) else {
            faults.push(unknown(api, name));
            continue;
        };
        let result = match field.value {
            WebhookValue::RetryCount | WebhookValue::RetryDelay => retries.note(field, value),
            _ => set(&mut request, api, field, value, purpose),
        };
        match result {
            Err(fault) => faults.push(fault),
            Ok(()) => request.paths.extend(path::of(field.value)),
        }
    }
    match retries.policy(api) {
        Ok(policy) => request.webhook.retry_policy = policy,
        Err(fault) => faults.push(fault),
    }
    // Both names of a schedule stand for one field.
    request.paths.sort_unstable();
    request.paths.dedup();
    if faults.is_empty() {
        Ok(request)
    } else {
        Err(faults)
    }
}

/// Sets one field of a request. `null` is as if the field had never been set.
fn set(
    request: &mut Request,
    api: &Api,
    field: &Field<WebhookValue>,
    value: &Value,
    purpose: Purpose,
) -> Result<(), Fault> {
    if field.value == WebhookValue::Secret {
        return set_secret(request, field, value, purpose);
    }
    let webhook = &mut request.webhook;
    if value.is_null() {
        return Ok(());
    }
    let name = field.name.as_str();
    match field.value {
        WebhookValue::Name => webhook.name = values::text(name, value)?,
        WebhookValue::Url => webhook.url = values::text(name, value)?,
        WebhookValue::EventTypes => webhook.event_types = event_types(name, value)?,
        WebhookValue::Active => webhook.set_state(active(name, value)?),
        WebhookValue::State => webhook.set_state(state(api, name, value)?),
        WebhookValue::Headers => webhook.headers = values::texts_by_name(name, value)?,
        WebhookValue::Attributes => webhook.attributes = values::attributes(name, value)?,
        WebhookValue::Filter => webhook.filter = values::text(name, value)?,
        WebhookValue::Timeout => webhook.timeout = Some(values::duration(field, value)?),
        WebhookValue::Method => webhook.method = values::text(name, value)?,
        WebhookValue::ContentType => webhook.content_type = values::text(name, value)?,
        WebhookValue::MaxInFlight => webhook.max_in_flight = values::count(name, value)?,
        WebhookValue::AlertEmails => webhook.alert_emails = values::texts(name, value)?,
        // Read elsewhere; and from the id on it is not the client's to say, who may send back what it was shown.
        WebhookValue::Secret
        | WebhookValue::RetryCount
        | WebhookValue::RetryDelay
        | WebhookValue::Id
        | WebhookValue::Profile
        | WebhookValue::StateReason
        | WebhookValue::CreateTime
        | WebhookValue::UpdateTime => {}
    }
    Ok(())
}

fn set_secret(
    request: &mut Request,
    field: &Field<WebhookValue>,
    value: &Value,
    purpose: Purpose,
) -> Result<(), Fault> {
    match (purpose, value) {
        (_, Value::Null) => Ok(()),
        (Purpose::Register, value) => {
            request.secret = values::text(&field.name, value)?;
            Ok(())
        }
        (Purpose::Update, _) => Err(Fault::new(
            &field.name,
            "INVALID_FIELD",
            "a secret is not changed in place, because deliveries that are under way are signed with it; POST to \
             …/rotate-secret",
        )),
    }
}

/// For this service an empty list is everything. Who writes one to a platform expects nothing.
fn event_types(name: &str, value: &Value) -> Result<Vec<String>, Fault> {
    let event_types = values::texts(name, value)?;
    if event_types.is_empty() {
        let description = "name at least one event type; \"*\" is all of them";
        return Err(Fault::new(name, "INVALID_FIELD", description));
    }
    Ok(event_types)
}

fn active(name: &str, value: &Value) -> Result<v1::WebhookState, Fault> {
    match value.as_bool() {
        Some(true) => Ok(v1::WebhookState::Active),
        Some(false) => Ok(v1::WebhookState::Paused),
        None => Err(Fault::new(name, "INVALID_FIELD", "true or false is expected")),
    }
}

fn state(api: &Api, name: &str, value: &Value) -> Result<v1::WebhookState, Fault> {
    let words = &api.webhook_states;
    let word = values::text(name, value)?;
    let states = [
        (&words.active, v1::WebhookState::Active),
        (&words.paused, v1::WebhookState::Paused),
        (&words.disabled, v1::WebhookState::Disabled),
    ];
    let found = states.iter().find(|(known, _)| **known == word);
    found.map(|(_, state)| *state).ok_or_else(|| {
        let description = format!("one of {} is expected", words.words().join(", "));
        Fault::new(name, "INVALID_FIELD", description)
    })
}

fn unknown(api: &Api, name: &str) -> Fault {
    let description = match api.nearest_webhook_name(name) {
        Some(near) => format!("there is no such field; did you mean {near}?"),
        None => {
            let settable = api.webhook.iter().filter(|field| field.value.is_settable());
            let names: Vec<&str> = settable.map(|field| field.name.as_str()).collect();
            format!("there is no such field; there are {}", names.join(", "))
        }
    };
    Fault::new(name, "UNKNOWN_FIELD", description)
}
