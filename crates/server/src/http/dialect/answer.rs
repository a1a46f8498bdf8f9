//! Answers of this service in a platform's words.

use std::collections::BTreeMap;
use std::time::Duration;

use hookwright_core::profile::{
    Api, Profile,
    api::{DeliveryValue, Field, ListValue, WebhookValue},
};
use hookwright_proto::v1;

use super::{json::Json, retries};

/// A webhook. The secret is known only when it was registered just now.
pub(super) fn webhook(api: &Api, webhook: &v1::Webhook, secret: Option<&str>) -> Json {
    object(&api.webhook, |field| webhook_value(api, webhook, secret, field))
}

/// The answer to a registration.
pub(super) fn registered(api: &Api, response: &v1::RegisterResponse, is_secret_generated: bool) -> Json {
    let unset = v1::Webhook::default();
    let shown = webhook(
        api,
        response.webhook.as_ref().unwrap_or(&unset),
        Some(&response.secret),
    );
    let (Json::Object(mut members), Some(registered)) = (shown.clone(), &api.registered) else {
        return shown;
    };
    // Nobody could verify anything if a secret that was made up here were not shown.
    let secret = api
        .webhook_value(WebhookValue::Secret)
        .filter(|_| is_secret_generated);
    members
        .retain(|(name, _)| registered.contains(name) || secret.is_some_and(|secret| secret.name == *name));
    Json::Object(members)
}

/// A page of webhooks.
pub(super) fn webhooks(api: &Api, page: &v1::ListWebhooksResponse) -> Json {
    let items = page.webhooks.iter().map(|shown| webhook(api, shown, None));
    list(&api.webhooks, items.collect(), &page.next_page_token, "")
}

/// A page of deliveries; of one webhook, if they were asked for by it.
pub(super) fn deliveries(
    profile: &Profile,
    api: &Api,
    page: &v1::ListDeliveriesResponse,
    webhook: &str,
) -> Json {
    let items = page.deliveries.iter().map(|shown| delivery(profile, api, shown));
    list(&api.deliveries, items.collect(), &page.next_page_token, webhook)
}

/// A delivery.
pub(super) fn delivery(profile: &Profile, api: &Api, delivery: &v1::Delivery) -> Json {
    object(&api.delivery, |field| {
        delivery_value(profile, api, delivery, field)
    })
}

fn list(fields: &[Field<ListValue>], items: Vec<Json>, next: &str, webhook: &str) -> Json {
    let mut items = Some(items);
    object(fields, |field| match field.value {
        ListValue::Items => items.take().map(Json::List),
        ListValue::NextPageToken => text(next),
        ListValue::WebhookId => text(webhook),
    })
}

fn object<V>(fields: &[Field<V>], mut value_of: impl FnMut(&Field<V>) -> Option<Json>) -> Json {
    let null = |field: &Field<V>| field.null.then_some(Json::Value(serde_json::Value::Null));
    let members = fields.iter().filter_map(|field| {
        let value = value_of(field).or_else(|| null(field))?;
        Some((field.name.clone(), value))
    });
    Json::Object(members.collect())
}

fn webhook_value(
    api: &Api,
    webhook: &v1::Webhook,
    secret: Option<&str>,
    field: &Field<WebhookValue>,
) -> Option<Json> {
    match field.value {
        WebhookValue::Id => text(&webhook.id),
        WebhookValue::Name => text(&webhook.name),
        WebhookValue::Url => text(&webhook.url),
        WebhookValue::Profile => text(&webhook.profile),
        WebhookValue::EventTypes => Some(event_types(webhook)),
        WebhookValue::Secret => text(secret?),
        WebhookValue::Active => Some((webhook.state() == v1::WebhookState::Active).into()),
        WebhookValue::State => Some(webhook_state(api, webhook.state()).into()),
        WebhookValue::StateReason => text(&webhook.status.as_ref()?.text),
        WebhookValue::Headers => {
            // A map of the standard library's has another order every time.
            let sorted: BTreeMap<_, _> = webhook.headers.iter().collect();
            let members = sorted
                .into_iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()));
            some_members(members.collect())
        }
        WebhookValue::Attributes => {
            let sorted: BTreeMap<_, _> = webhook.attributes.iter().collect();
            let members = sorted
                .into_iter()
                .map(|(name, attribute)| (name.clone(), texts(&attribute.values)));
            some_members(members.collect())
        }
        WebhookValue::Filter => text(&webhook.filter),
        WebhookValue::Timeout => duration(field, webhook.timeout.as_ref()?),
        WebhookValue::RetryCount => Some(retries::of(webhook.retry_policy.as_ref())?.0.into()),
        WebhookValue::RetryDelay => duration(field, &retries::of(webhook.retry_policy.as_ref())?.1?),
        WebhookValue::Method => text(&webhook.method),
        WebhookValue::ContentType => text(&webhook.content_type),
        WebhookValue::MaxInFlight => (webhook.max_in_flight > 0).then(|| webhook.max_in_flight.into()),
        WebhookValue::AlertEmails => (!webhook.alert_emails.is_empty()).then(|| texts(&webhook.alert_emails)),
        WebhookValue::CreateTime => time(field, webhook.create_time.as_ref()),
        WebhookValue::UpdateTime => time(field, webhook.update_time.as_ref()),
    }
}

fn delivery_value(
    profile: &Profile,
    api: &Api,
    delivery: &v1::Delivery,
    field: &Field<DeliveryValue>,
) -> Option<Json> {
    let is_delivered = delivery.state() == v1::DeliveryState::Delivered;
    match field.value {
        DeliveryValue::Id => text(&delivery.id),
        DeliveryValue::EventId => text(&event_id(profile, &delivery.event_id)),
        DeliveryValue::EventType => text(&delivery.event_type),
        DeliveryValue::WebhookId => text(&delivery.webhook_id),
        DeliveryValue::State => Some(delivery_state(api, delivery.state()).into()),
        DeliveryValue::HttpStatus => {
            (delivery.last_http_status > 0).then(|| delivery.last_http_status.into())
        }
        DeliveryValue::AttemptCount => Some(delivery.attempt_count.into()),
        DeliveryValue::Duration => duration(field, delivery.last_attempt_duration.as_ref()?),
        DeliveryValue::Error if is_delivered => None,
        DeliveryValue::Error => text(&delivery.last_error).or_else(|| text(&delivery.state_reason)),
        DeliveryValue::CreateTime => time(field, delivery.create_time.as_ref()),
        DeliveryValue::UpdateTime => {
            let latest = delivery.last_attempt_time.as_ref();
            time(field, latest.or(delivery.create_time.as_ref()))
        }
        DeliveryValue::DeliverTime => time(
            field,
            delivery.last_attempt_time.as_ref().filter(|_| is_delivered),
        ),
        DeliveryValue::NextAttemptTime => time(field, delivery.next_attempt_time.as_ref()),
        DeliveryValue::Test => Some(delivery.test.into()),
    }
}

/// For this service an empty list is everything, which a platform's list would not say.
fn event_types(webhook: &v1::Webhook) -> Json {
    if webhook.event_types.is_empty() {
        texts(&["*".to_owned()])
    } else {
        texts(&webhook.event_types)
    }
}

/// As its deliveries have it: a receiver looks for the id that it got.
fn event_id(profile: &Profile, id: &str) -> String {
    match id.split_once('_') {
        Some((_, rest)) => format!("{}_{rest}", profile.event_id_prefix),
        None => id.to_owned(),
    }
}

fn webhook_state(api: &Api, state: v1::WebhookState) -> &str {
    let words = &api.webhook_states;
    match state {
        v1::WebhookState::Active | v1::WebhookState::Unspecified => &words.active,
        v1::WebhookState::Paused => &words.paused,
        v1::WebhookState::Disabled => &words.disabled,
    }
}

fn delivery_state(api: &Api, state: v1::DeliveryState) -> &str {
    let words = &api.delivery_states;
    match state {
        v1::DeliveryState::Scheduled | v1::DeliveryState::Unspecified => &words.scheduled,
        v1::DeliveryState::Leased => &words.leased,
        v1::DeliveryState::Held => &words.held,
        v1::DeliveryState::Delivered => &words.delivered,
        v1::DeliveryState::Dead => &words.dead,
        v1::DeliveryState::Cancelled => &words.cancelled,
    }
}

fn text(text: &str) -> Option<Json> {
    (!text.is_empty()).then(|| text.into())
}

fn texts(texts: &[String]) -> Json {
    Json::List(texts.iter().map(|text| text.as_str().into()).collect())
}

fn some_members(members: Vec<(String, Json)>) -> Option<Json> {
    (!members.is_empty()).then_some(Json::Object(members))
}

fn time<V>(field: &Field<V>, moment: Option<&pbjson_types::Timestamp>) -> Option<Json> {
    let moment = moment?;
    let unix_ms = moment.seconds.saturating_mul(1_000) + i64::from(moment.nanos / 1_000_000);
    Some(field.spelling.write_time(unix_ms).into())
}

fn duration<V>(field: &Field<V>, duration: &pbjson_types::Duration) -> Option<Json> {
    let duration = Duration::try_from(*duration).ok()?;
    Some(field.spelling.write_duration(duration).into())
}
