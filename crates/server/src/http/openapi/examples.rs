//! Example bodies, one for each RPC that has more to say than its path. A test sends them all.

/// The JSON of a request, by the name of its RPC.
pub(super) fn request(rpc: &str) -> Option<&'static str> {
    REQUESTS
        .iter()
        .find(|(name, _)| *name == rpc)
        .map(|(_, example)| *example)
}

const REQUESTS: &[(&str, &str)] = &[
    (
        "Register",
        r#"{"webhook": {"url": "https://example.com/hooks", "profile": "generic", "eventTypes": ["user.*"]}}"#,
    ),
    (
        "UpdateWebhook",
        r#"{"name": "Accounting", "eventTypes": ["invoice.*"], "url": "https://example.com/hooks"}"#,
    ),
    (
        "Publish",
        r#"{"eventType": "user.created", "payload": {"id": "user_1", "balance": 1.00}}"#,
    ),
    (
        "DryRunPublish",
        r#"{"eventType": "user.created", "payload": {"id": "user_1"}}"#,
    ),
    (
        "SendTest",
        r#"{"eventType": "user.created", "payload": {"id": "user_1"}}"#,
    ),
    ("RotateSecret", r#"{"overlap": "3600s"}"#),
    (
        "ImportEventTypes",
        r#"{"document": [{"name": "user.created", "description": "Somebody has signed up.", "sample": {"id": "user_1"}}]}"#,
    ),
    (
        "Verify",
        r#"{"schemeKey": {"scheme": "github", "secrets": ["It's a Secret to Everybody"]},
            "headers": [{"name": "X-Hub-Signature-256",
                         "value": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}],
            "body": "Hello, World!"}"#,
    ),
    (
        "CreateKey",
        r#"{"key": {"name": "billing", "scopes": ["SCOPE_PUBLISH"]}, "timeToLive": "7776000s"}"#,
    ),
    ("UpdateTenant", r#"{"quotas": {"webhooks": 200}}"#),
    ("CreateTenant", r#"{"name": "acme", "quotas": {"webhooks": 100}}"#),
    (
        "CreateReplay",
        r#"{"filter": {"states": ["DELIVERY_STATE_DEAD"]}, "dryRun": true}"#,
    ),
];
