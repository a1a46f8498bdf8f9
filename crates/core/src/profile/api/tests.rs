//! A dialect reads as it is written, and what is wrong with one is said with its key.

use super::*;
use crate::{Profile, Registry, RegistryError};

const ACME: &str = r#"
name = "acme"
scheme = "x-webhook-signature"
event_id_prefix = "evt"
timeout = "10s"
schedule = { delays = ["30s"] }
envelope = [{ name = "type", value = "type" }, { name = "data", value = "data" }]

[api]
base_path = "/acme/hooks"
webhook = [
    { name = "hookId", value = "id" },
    { name = "url", value = "url" },
    { name = "status", value = "state" },
    { name = "timeoutMs", value = "timeout", as = "milliseconds" },
    { name = "retries", value = "retry_count", default = 3 },
    { name = "retryDelay", value = "retry_delay", as = "seconds", default = 5 },
    { name = "created_at", value = "create_time", as = "unix-seconds" },
]
registered = ["hookId", "status"]
webhooks = [{ name = "hooks", value = "items" }, { name = "next", value = "next_page_token" }]
delivery = [{ name = "eventId", value = "event_id" }, { name = "code", value = "http_status", null = true }]
deliveries = [{ name = "log", value = "items" }, { name = "hookId", value = "webhook_id" }]
test_wait = "10s"

[api.webhook_states]
active = "on"
paused = "off"
disabled = "broken"
"#;

fn api(text: &str) -> Result<Api, ProfileError> {
    Profile::from_toml(text).map(|profile| profile.api.unwrap())
}

fn refused(from: &str, to: &str) -> ProfileError {
    assert!(ACME.contains(from), "{from}");
    api(&ACME.replace(from, to)).unwrap_err()
}

#[test]
fn a_dialect_reads_as_it_is_written() {
    let api = api(ACME).unwrap();
    assert_eq!(api.base_path.as_deref(), Some("/acme/hooks"));
    let timeout = api.webhook_field("timeoutMs").unwrap();
    assert_eq!(
        (timeout.value, timeout.spelling),
        (WebhookValue::Timeout, Spelling::Milliseconds)
    );
    assert_eq!(
        api.webhook_value(WebhookValue::RetryDelay).unwrap().default,
        Some(5)
    );
    assert_eq!(api.webhook_value(WebhookValue::Secret), None);
    assert!(api.delivery[1].null && !api.delivery[0].null);
    assert_eq!(api.webhook_states.words(), ["on", "off", "broken"]);
    assert_eq!(api.delivery_states.dead, "dead");
    assert_eq!(api.test_wait, Duration::from_secs(10));
}

#[test]
fn a_slip_of_the_finger_is_recognised_whatever_the_style() {
    // "Unknown field" alone leaves people looking for the difference.
    let api = api(ACME).unwrap();
    for (typed, meant) in [
        ("hookid", Some("hookId")),
        ("hook_id", Some("hookId")),
        ("createdAt", Some("created_at")),
        ("retires", Some("retries")),
        ("colour", None),
        ("u", None),
        (&"x".repeat(1_000_000), None),
    ] {
        assert_eq!(api.nearest_webhook_name(typed), meant);
    }
}

#[test]
fn the_parser_says_what_it_does_not_know() {
    // A misspelt key would be passed over, and answers would lack a field.
    for (from, to, told) in [
        ("value = \"state\"", "value = \"stat\"", "unknown variant `stat`"),
        ("test_wait", "test_weight", "unknown field `test_weight`"),
        ("disabled = \"broken\"", "", "missing field `disabled`"),
        ("as = \"milliseconds\"", "as = \"ms\"", "unknown variant `ms`"),
        ("null = true", "nil = true", "unknown field `nil`"),
        ("default = 3", "default = -3", "invalid value"),
        ("deliveries =", "log =", "unknown field `log`"),
    ] {
        let ProfileError::Syntax { message } = refused(from, to) else {
            panic!("{from} -> {to}")
        };
        assert!(message.contains(told) && message.contains("line "), "{message}");
    }
}

#[test]
fn contradictions_are_named_with_their_key() {
    // An operator has to find the line.
    for (from, to, key) in [
        ("\"/acme/hooks\"", "\"hooks\"", "api.base_path"),
        ("\"/acme/hooks\"", "\"/\"", "api.base_path"),
        ("\"/acme/hooks\"", "\"/a//b\"", "api.base_path"),
        ("\"/acme/hooks\"", "\"/a/{id}\"", "api.base_path"),
        ("\"/acme/hooks\"", "\"/V1/hooks\"", "api.base_path"),
        ("{ name = \"url\", value = \"url\" },", "", "api.webhook"),
        ("value = \"url\"", "value = \"id\"", "api.webhook.url"),
        ("\"timeoutMs\"", "\"url\"", "api.webhook.url"),
        ("\"timeoutMs\"", "\"\"", "api.webhook."),
        (", as = \"milliseconds\"", "", "api.webhook.timeoutMs"),
        (
            "as = \"milliseconds\"",
            "as = \"rfc3339\"",
            "api.webhook.timeoutMs",
        ),
        (
            "as = \"unix-seconds\"",
            "as = \"seconds\"",
            "api.webhook.created_at",
        ),
        (
            "value = \"state\"",
            "value = \"state\", as = \"seconds\"",
            "api.webhook.status",
        ),
        (
            "value = \"state\"",
            "value = \"state\", default = 1",
            "api.webhook.status",
        ),
        (
            "value = \"retry_count\", default = 3",
            "value = \"active\"",
            "api.webhook",
        ),
        (
            "registered = [\"hookId\"",
            "registered = [\"hookid\"",
            "api.registered.hookid",
        ),
        (
            "\"hooks\", value = \"items\"",
            "\"hooks\", value = \"webhook_id\"",
            "api.webhooks",
        ),
        (
            "\"next\", value = \"next_page_token\"",
            "\"next\", value = \"webhook_id\"",
            "api.webhooks",
        ),
        (
            "\"log\", value = \"items\"",
            "\"log\", value = \"next_page_token\"",
            "api.deliveries",
        ),
        ("value = \"event_id\"", "value = \"event_type\"", "api.delivery"),
        (
            "\"10s\"\n\n[api.webhook_states]",
            "\"2m\"\n\n[api.webhook_states]",
            "api.test_wait",
        ),
        ("\"broken\"", "\"off\"", "api.webhook_states"),
        ("\"broken\"", "\"\"", "api.webhook_states"),
    ] {
        let error = refused(from, to);
        assert!(
            matches!(&error, ProfileError::Api { key: told, .. } if told == key),
            "{from} -> {to}: {error}"
        );
    }
}

#[test]
fn the_example_of_the_documentation_is_one() {
    // An operator copies it.
    let page = include_str!("../../../../../docs/http-profiles.md");
    let (_, example) = page.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let (profile, _) = ACME.split_once("[api]").unwrap();
    let api = api(&format!("{profile}{example}")).unwrap();
    assert_eq!(api.base_path.as_deref(), Some("/hooks"));
    // And it lists every value there is.
    for error in [
        refused("value = \"state\"", "value = \"?\""),
        refused("value = \"event_id\"", "value = \"?\""),
        refused("value = \"next_page_token\"", "value = \"?\""),
    ] {
        let text = error.to_string();
        let (_, known) = text.split_once("expected one of").unwrap();
        for value in known.split('`').skip(1).step_by(2) {
            assert!(page.contains(&format!("`{value}`")), "{value}");
        }
    }
}

#[test]
fn a_path_leads_to_one_profile() {
    // Requests would be answered in the words of whichever profile happens to be found first.
    let mut registry = Registry::builtin();
    registry.add_profile_toml(ACME).unwrap();
    let twin = ACME.replace("\"acme\"", "\"twin\"");
    let error = registry.add_profile_toml(&twin).unwrap_err();
    assert!(
        matches!(&error, RegistryError::BasePathTaken { profile, .. } if profile == "acme"),
        "{error}"
    );
    let filedgr = ACME.replace("/acme/hooks", "/webhooks");
    let error = Registry::builtin().add_profile_toml(&filedgr).unwrap_err();
    assert!(
        matches!(&error, RegistryError::BasePathTaken { profile, .. } if profile == "filedgr"),
        "{error}"
    );
}
