//! The fields of a webhook that its owner sets, one entry each: what `Register` reads and `UpdateWebhook` changes.

use hookwright_core::Profile;
use hookwright_egress::Egress;
use hookwright_proto::v1;
use hookwright_store::{Stop, Timestamp, WebhookSettings};

use super::{
    alert, clauses, connection,
    error::{Reason, Violation},
    flow, handshake, ordering, policies,
    validate::{self, Violations},
    webhook_state,
};

/// What a field is checked against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) profile: &'a Profile,
    pub(super) egress: &'a Egress,
    /// What the state is now, and the moment at which it would change.
    pub(super) stop: Option<Stop>,
    pub(super) now: Timestamp,
}

/// Reads one field of a request into the settings, or says what is wrong with it.
type Read = fn(&v1::Webhook, Context<'_>, &mut WebhookSettings) -> Result<(), Violation>;

/// `path: |request, context| value => setting`, or several settings and a tuple of their values
macro_rules! fields {
    ($($path:literal: |$new:ident, $context:ident| $value:expr => $($($setting:ident).+),+;)+) => {
        const FIELDS: &[(&str, Read)] = &[
            $(($path, |$new, $context, settings| {
                ($(settings.$($setting).+),+) = $value?;
                Ok(())
            }),)+
        ];
    };
}

fields! {
    "name": |new, _context| validate::name("webhook.name", new.name.clone()) => name;
    "url": |new, context|
        validate::url("webhook.url", &new.url, context.egress.guard().rules()) => url;
    "event_types": |new, _context|
        validate::event_type_patterns("webhook.event_types", new.event_types.clone()) => event_types;
    "headers": |new, context|
        validate::headers("webhook.headers", new.headers.clone(), context.profile) => headers;
    "retry_policy": |new, _context|
        policies::retry_policy("webhook.retry_policy", new.retry_policy.clone()) => schedule, retry_limits;
    "timeout": |new, _context| validate::timeout("webhook.timeout", new.timeout.as_ref()) => timeout;
    "state": |new, context|
        webhook_state::stop("webhook.state", new.state, context.stop, context.now) => stop;
    "success_statuses": |new, _context|
        policies::statuses("webhook.success_statuses", new.success_statuses.clone()) => success_statuses;
    "hold": |new, _context| policies::hold("webhook.hold", new.hold.as_ref()) => hold;
    "rate_limit": |new, _context| flow::rate_limit("webhook.rate_limit", new.rate_limit.as_ref()) => rate_limit;
    "max_in_flight": |new, _context| flow::max_in_flight("webhook.max_in_flight", new.max_in_flight) => max_in_flight;
    "disable_after": |new, _context|
        flow::disable_after("webhook.disable_after", new.disable_after.as_ref()) => disable_after;
    "encryption": |new, _context|
        validate::encryption("webhook.encryption", new.encryption.as_ref()) => encryption;
    "alert_emails": |new, _context|
        alert::emails("webhook.alert_emails", &new.alert_emails) => alert_emails;
    "filter": |new, _context| clauses::filter("webhook.filter", &new.filter) => filter;
    "attributes": |new, context|
        clauses::attributes("webhook.attributes", new.attributes.clone(), context.profile) => attributes;
    "handshake": |new, _context| handshake::accept("webhook.handshake", new.handshake.as_ref()) => handshake;
    "method": |new, _context| connection::method("webhook.method", &new.method) => connection.method;
    "content_type": |new, _context|
        connection::content_type("webhook.content_type", &new.content_type) => connection.content_type;
    "tls": |new, context| connection::tls("webhook.tls", new.tls.as_ref(), context.egress) => connection.tls;
    "authentication": |new, context|
        connection::authentication("webhook.authentication", new.authentication.as_ref(), context.egress)
            => connection.authentication;
    "proxy_url": |new, context|
        connection::proxy_url("webhook.proxy_url", &new.proxy_url, context.egress) => connection.proxy_url;
    "ordering": |new, _context| ordering::read("webhook.ordering", new.ordering) => ordering;
}

/// All fields of a new webhook.
pub(super) fn read_all(
    new: &v1::Webhook,
    context: Context<'_>,
    settings: &mut WebhookSettings,
    violations: &mut Violations,
) {
    for (_, read) in FIELDS {
        violations.check(read(new, context, settings));
    }
}

/// The fields that the mask names.
pub(super) fn read_masked(
    new: &v1::Webhook,
    paths: &[String],
    context: Context<'_>,
    settings: &mut WebhookSettings,
    violations: &mut Violations,
) {
    if paths.is_empty() {
        let description = format!("name the fields to change: {}", names());
        violations.check::<()>(Err(Violation::new(
            "update_mask",
            Reason::EmptyUpdateMask,
            description,
        )));
    }
    for path in paths {
        let field = FIELDS.iter().find(|(name, _)| name == path);
        let result = match field {
            Some((_, read)) => read(new, context, settings),
            None => Err(Violation::new(
                "update_mask",
                Reason::InvalidUpdateMask,
                format!("{path:?} cannot be changed; {} can", names()),
            )),
        };
        violations.check(result);
    }
}

fn names() -> String {
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
