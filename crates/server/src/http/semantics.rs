//! What HTTP has to say about an RPC that its messages do not: statuses, and headers that are fields.

use http::StatusCode;

/// How the answers and headers of a route are meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Semantics {
    /// The status of success.
    pub(super) success: StatusCode,
    /// Where what was made can be read: a path with fields of the response in braces. An answer without them has made
    /// nothing, and is 200.
    pub(super) location: Option<&'static str>,
    /// The field of the request that the `Idempotency-Key` header is.
    pub(super) idempotency_key: Option<&'static str>,
    /// The field of the request that the `If-Match` header is.
    pub(super) if_match: Option<&'static str>,
    /// The field of the request that says what of the body counts. `PUT` means everything, and `PATCH` what is there.
    pub(super) mask: Option<&'static str>,
}

const USUAL: Semantics = Semantics {
    success: StatusCode::OK,
    location: None,
    idempotency_key: None,
    if_match: None,
    mask: None,
};

const EMPTY: Semantics = Semantics {
    success: StatusCode::NO_CONTENT,
    ..USUAL
};

const CREATED: Semantics = Semantics {
    success: StatusCode::CREATED,
    ..USUAL
};

const SPECIAL: &[(&str, Semantics)] = &[
    ("CreateKey", CREATED),
    ("CreateTenant", CREATED),
    (
        "UpdateTenant",
        Semantics {
            mask: Some("update_mask"),
            ..USUAL
        },
    ),
    ("DeleteTenant", EMPTY),
    (
        "Register",
        Semantics {
            success: StatusCode::CREATED,
            location: Some("/v1/webhooks/{webhook.id}"),
            idempotency_key: Some("idempotency_key"),
            ..USUAL
        },
    ),
    (
        "CreateReplay",
        Semantics {
            success: StatusCode::CREATED,
            location: Some("/v1/replays/{replay.id}"),
            ..USUAL
        },
    ),
    (
        // Stored, and on its way.
        "Publish",
        Semantics {
            success: StatusCode::ACCEPTED,
            idempotency_key: Some("idempotency_key"),
            ..USUAL
        },
    ),
    (
        "UpdateWebhook",
        Semantics {
            if_match: Some("webhook.etag"),
            mask: Some("update_mask"),
            ..USUAL
        },
    ),
    (
        "DeleteWebhook",
        Semantics {
            if_match: Some("etag"),
            ..EMPTY
        },
    ),
    ("DeleteEventType", EMPTY),
];

/// Of the RPC of that name.
pub(super) fn of(rpc: &str) -> Semantics {
    SPECIAL
        .iter()
        .find(|(name, _)| *name == rpc)
        .map_or(USUAL, |(_, semantics)| *semantics)
}
