//! Every bad input has an answer, and changes nothing.

use std::{collections::HashMap, time::Duration};

use hookwright_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Client, Database, Receiver, on_both_stores, publish, register, start, webhook};

/// Code, `ErrorInfo.reason`, and the field that is named.
#[track_caller]
pub(crate) fn assert_refused(
    result: Result<impl std::fmt::Debug, Status>,
    code: Code,
    reason: &str,
    field: &str,
) {
    let status = result.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "hookwright"),
        "{}",
        status.message()
    );
    let fields: Vec<&str> = details
        .bad_request()
        .map(|request| {
            request
                .field_violations
                .iter()
                .map(|violation| violation.field.as_str())
                .collect()
        })
        .unwrap_or_default();
    if field.is_empty() {
        assert!(fields.is_empty(), "{fields:?}");
    } else {
        assert_eq!(fields, [field], "{}", status.message());
    }
}

async fn try_register(client: &mut Client, webhook: v1::Webhook, secret: &str) -> Result<(), Status> {
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        secret: secret.to_owned(),
        ..v1::RegisterRequest::default()
    };
    client.register(request).await.map(|_| ())
}

async fn try_publish(client: &mut Client, event_type: &str, payload: &[u8], key: &str) -> Result<(), Status> {
    let request = v1::PublishRequest {
        event_type: event_type.to_owned(),
        payload: payload.to_vec().into(),
        idempotency_key: key.to_owned(),
        ..v1::PublishRequest::default()
    };
    client.publish(request).await.map(|_| ())
}

fn good() -> v1::Webhook {
    webhook("https://example.com/".to_owned(), "filedgr", &[])
}

fn with_headers(headers: &[(&str, &str)]) -> v1::Webhook {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    v1::Webhook {
        headers: headers.collect::<HashMap<_, _>>(),
        ..good()
    }
}

fn header(name_bytes: usize, value_bytes: usize) -> v1::Header {
    v1::Header {
        name: "n".repeat(name_bytes),
        value: vec![b'v'; value_bytes].into(),
    }
}

on_both_stores! {
    /// A developer could not tell what is wrong with a registration, or would find half of it stored.
    async fn bad_registrations_are_refused_by_field_and_store_nothing(database: &Database) {
        let (server, mut client) = start(database).await;
        let invalid = Code::InvalidArgument;
        let missing = client.register(v1::RegisterRequest::default()).await;
        assert_refused(missing, invalid, "MISSING_FIELD", "webhook");
        let list = |delays: Vec<Duration>| {
            let delays = delays.into_iter().map(Into::into).collect();
            v1::RetryPolicy { schedule: Some(v1::retry_policy::Schedule::List(v1::ListSchedule { delays })), ..v1::RetryPolicy::default() }
        };
        let exponential = v1::ExponentialSchedule {
            base: Some(Duration::from_secs(1).into()),
            max_delay: Some(Duration::from_mins(1).into()),
            factor: 0.5,
            max_attempts: 5,
            jitter: 0,
        };
        let exponential = v1::RetryPolicy { schedule: Some(v1::retry_policy::Schedule::Exponential(exponential)), ..v1::RetryPolicy::default() };
        let url = |url: &str| v1::Webhook { url: url.to_owned(), ..good() };
        let events = |pattern: &str| v1::Webhook { event_types: vec![pattern.to_owned()], ..good() };
        for (webhook, reason, field) in vec![
            (url(""), "MISSING_FIELD", "webhook.url"),
            (url("not a url"), "INVALID_URL", "webhook.url"),
            (url("ftp://example.com/"), "INVALID_URL", "webhook.url"),
            (url("https://user:pass@example.com/"), "INVALID_URL", "webhook.url"),
            (url("https://example.com/#top"), "INVALID_URL", "webhook.url"),
            (v1::Webhook { profile: "filegdr".to_owned(), ..good() }, "UNKNOWN_PROFILE", "webhook.profile"),
            (events("vault created"), "INVALID_EVENT_TYPE", "webhook.event_types[0]"),
            (v1::Webhook { event_types: vec!["a".to_owned(); 101], ..good() }, "TOO_MANY_VALUES", "webhook.event_types"),
            (v1::Webhook { name: "a\nb".to_owned(), ..good() }, "INVALID_NAME", "webhook.name"),
            (with_headers(&[("X-Filedgr-Signature", "x")]), "FORBIDDEN_HEADER", "webhook.headers[\"X-Filedgr-Signature\"]"),
            (with_headers(&[("Host", "x")]), "FORBIDDEN_HEADER", "webhook.headers[\"Host\"]"),
            (with_headers(&[("X-A", "a\r\nb: c")]), "INVALID_HEADER", "webhook.headers[\"X-A\"]"),
            (v1::Webhook { timeout: Some(Duration::ZERO.into()), ..good() }, "INVALID_TIMEOUT", "webhook.timeout"),
            (v1::Webhook { timeout: Some(Duration::from_secs(121).into()), ..good() }, "INVALID_TIMEOUT", "webhook.timeout"),
            (v1::Webhook { state: 9, ..good() }, "UNKNOWN_STATE", "webhook.state"),
            (
                v1::Webhook { retry_policy: Some(list(vec![Duration::from_hours(8 * 24)])), ..good() },
                "INVALID_RETRY_POLICY",
                "webhook.retry_policy.list.delays[0]",
            ),
            (
                v1::Webhook { retry_policy: Some(list(vec![Duration::ZERO; 100])), ..good() },
                "TOO_MANY_VALUES",
                "webhook.retry_policy.list.delays",
            ),
            (
                v1::Webhook { retry_policy: Some(exponential), ..good() },
                "INVALID_RETRY_POLICY",
                "webhook.retry_policy.exponential.factor",
            ),
        ] {
            assert_refused(try_register(&mut client, webhook, "").await, invalid, reason, field);
        }
        for secret in [" padded secret ", "whpk_c2VjcmV0", &"x".repeat(1_025)] {
            assert_refused(try_register(&mut client, good(), secret).await, invalid, "INVALID_SECRET", "secret");
        }
        let both = v1::Webhook { profile: "x".to_owned(), ..url("") };
        let status = try_register(&mut client, both, "").await.unwrap_err();
        let fields = status.get_error_details().bad_request().unwrap().field_violations.len();
        assert_eq!(fields, 2, "everything that is wrong is told at once");
        let listed = client.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap().into_inner();
        assert!(listed.webhooks.is_empty());
        server.stop().await.unwrap();
    }

    /// A policy would not do what its owner wrote.
    async fn bad_policies_are_refused_by_field(database: &Database) {
        let (server, mut client) = start(database).await;
        for (webhook, reason, field) in [
            (
                v1::Webhook { success_statuses: vec!["2xx".to_owned(), "ok".to_owned()], ..good() },
                "INVALID_STATUS",
                "webhook.success_statuses[1]",
            ),
            (v1::Webhook { success_statuses: vec!["200".to_owned(); 21], ..good() }, "TOO_MANY_VALUES", "webhook.success_statuses"),
            (
                v1::Webhook { hold: Some(v1::HoldPolicy { max_deliveries: 1_000_001, max_age: None }), ..good() },
                "INVALID_HOLD_POLICY",
                "webhook.hold.max_deliveries",
            ),
            (
                v1::Webhook { hold: Some(v1::HoldPolicy { max_deliveries: 0, max_age: Some(Duration::from_secs(59).into()) }), ..good() },
                "INVALID_HOLD_POLICY",
                "webhook.hold.max_age",
            ),
            (
                v1::Webhook { retry_policy: Some(v1::RetryPolicy { max_attempts: 101, ..v1::RetryPolicy::default() }), ..good() },
                "INVALID_RETRY_POLICY",
                "webhook.retry_policy.max_attempts",
            ),
            (
                v1::Webhook {
                    retry_policy: Some(v1::RetryPolicy {
                        max_age: Some(Duration::from_hours(721).into()),
                        ..v1::RetryPolicy::default()
                    }),
                    ..good()
                },
                "INVALID_RETRY_POLICY",
                "webhook.retry_policy.max_age",
            ),
            (
                v1::Webhook {
                    retry_policy: Some(v1::RetryPolicy {
                        permanent_statuses: vec!["199".to_owned()],
                        ..v1::RetryPolicy::default()
                    }),
                    ..good()
                },
                "INVALID_STATUS",
                "webhook.retry_policy.permanent_statuses[0]",
            ),
        ] {
            assert_refused(try_register(&mut client, webhook, "").await, Code::InvalidArgument, reason, field);
        }
        server.stop().await.unwrap();
    }

    /// An event that no receiver could parse would be stored and retried for days.
    async fn bad_events_are_refused_by_field_and_store_nothing(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let large = format!("\"{}\"", "x".repeat(256 * 1_024));
        for (event_type, payload, key, reason, field) in [
            ("", &b"{}"[..], "", "MISSING_FIELD", "event_type"),
            ("user created", b"{}", "", "INVALID_EVENT_TYPE", "event_type"),
            ("user.*", b"{}", "", "INVALID_EVENT_TYPE", "event_type"),
            ("user.created", b"", "", "MISSING_FIELD", "payload"),
            ("user.created", b"{", "", "INVALID_PAYLOAD", "payload"),
            ("user.created", b"\"\xff\"", "", "INVALID_PAYLOAD", "payload"),
            ("user.created", large.as_bytes(), "", "PAYLOAD_TOO_LARGE", "payload"),
            ("user.created", b"{}", "a\0b", "INVALID_IDEMPOTENCY_KEY", "idempotency_key"),
        ] {
            let refused = try_publish(&mut client, event_type, payload, key).await;
            assert_refused(refused, Code::InvalidArgument, reason, field);
        }
        try_publish(&mut client, "user.created", b"{}", "key").await.unwrap();
        let reused = try_publish(&mut client, "user.created", b"[]", "key").await;
        assert_refused(reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED", "");
        receiver.next().await;
        let listed = client.list_deliveries(v1::ListDeliveriesRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.deliveries.len(), 1, "of all these, one event is stored");
        server.stop().await.unwrap();
    }

    /// A wrong id or token would look like an empty list.
    async fn bad_ids_tokens_and_masks_are_refused(database: &Database) {
        let (server, mut client) = start(database).await;
        let invalid = Code::InvalidArgument;
        let unknown = "whk_01h455vb4pex5vsknk084sn02q".to_owned();
        let get = |id: &str| v1::GetWebhookRequest { id: id.to_owned() };
        assert_refused(client.get_webhook(get("")).await, invalid, "INVALID_ID", "id");
        assert_refused(client.get_webhook(get("evt_01h455vb4pex5vsknk084sn02q")).await, invalid, "INVALID_ID", "id");
        assert_refused(client.get_webhook(get(&unknown)).await, Code::NotFound, "WEBHOOK_NOT_FOUND", "");
        let delete = v1::DeleteWebhookRequest { id: unknown.clone(), ..v1::DeleteWebhookRequest::default() };
        assert_refused(client.delete_webhook(delete).await, Code::NotFound, "WEBHOOK_NOT_FOUND", "");
        let pause = v1::PauseWebhookRequest { id: unknown.clone() };
        assert_refused(client.pause_webhook(pause).await, Code::NotFound, "WEBHOOK_NOT_FOUND", "");
        let resume = v1::ResumeWebhookRequest { id: "evt_x".to_owned() };
        assert_refused(client.resume_webhook(resume).await, invalid, "INVALID_ID", "id");
        let delivery = v1::GetDeliveryRequest { id: format!("dlv_{0}{0}", &unknown[4..]) };
        assert_refused(client.get_delivery(delivery).await, Code::NotFound, "DELIVERY_NOT_FOUND", "");

        let (id, _) = register(&mut client, good()).await;
        let update = |id: &str, paths: &[&str]| v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id: id.to_owned(), ..v1::Webhook::default() }),
            update_mask: Some(pbjson_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() }),
        };
        assert_refused(client.update_webhook(update(&id, &[])).await, invalid, "EMPTY_UPDATE_MASK", "update_mask");
        assert_refused(client.update_webhook(update(&id, &["profile"])).await, invalid, "INVALID_UPDATE_MASK", "update_mask");
        assert_refused(client.update_webhook(update(&id, &["url"])).await, invalid, "MISSING_FIELD", "webhook.url");
        assert_refused(client.update_webhook(update(&unknown, &["name"])).await, Code::NotFound, "WEBHOOK_NOT_FOUND", "");

        let list = |page_size, page_token: &str| v1::ListWebhooksRequest { page_size, page_token: page_token.to_owned() };
        assert_refused(client.list_webhooks(list(-1, "")).await, invalid, "INVALID_PAGE_SIZE", "page_size");
        assert_refused(client.list_webhooks(list(0, "x")).await, invalid, "INVALID_PAGE_TOKEN", "page_token");
        register(&mut client, good()).await;
        let token = client.list_webhooks(list(1, "")).await.unwrap().into_inner().next_page_token;
        let other_list = v1::ListDeliveriesRequest { page_token: token, ..v1::ListDeliveriesRequest::default() };
        assert_refused(client.list_deliveries(other_list).await, invalid, "INVALID_PAGE_TOKEN", "page_token");
        server.stop().await.unwrap();
    }

    /// A misconfigured verifier would look like a forged request.
    async fn a_verify_that_cannot_be_made_is_an_error(database: &Database) {
        let (server, mut client) = start(database).await;
        let invalid = Code::InvalidArgument;
        let key = |profile: &str, secrets: &[&str]| v1::VerifyRequest {
            key: Some(v1::verify_request::Key::ProfileKey(v1::ProfileKey {
                profile: profile.to_owned(),
                secrets: secrets.iter().map(ToString::to_string).collect(),
            })),
            ..v1::VerifyRequest::default()
        };
        assert_refused(client.verify(v1::VerifyRequest::default()).await, invalid, "MISSING_FIELD", "key");
        assert_refused(client.verify(key("x", &["a"])).await, invalid, "UNKNOWN_PROFILE", "profile_key.profile");
        assert_refused(client.verify(key("filedgr", &[])).await, invalid, "INVALID_SECRET", "profile_key.secrets");
        assert_refused(client.verify(key("filedgr", &[""])).await, invalid, "INVALID_SECRET", "profile_key.secrets[0]");
        let webhook = v1::verify_request::Key::WebhookId("whk_01h455vb4pex5vsknk084sn02q".to_owned());
        let unknown = v1::VerifyRequest { key: Some(webhook), ..v1::VerifyRequest::default() };
        assert_refused(client.verify(unknown).await, Code::NotFound, "WEBHOOK_NOT_FOUND", "");

        let scheme = |scheme: &str, secrets: &[&str]| v1::VerifyRequest {
            key: Some(v1::verify_request::Key::SchemeKey(v1::SchemeKey {
                scheme: scheme.to_owned(),
                secrets: secrets.iter().map(ToString::to_string).collect(),
            })),
            ..v1::VerifyRequest::default()
        };
        assert_refused(client.verify(scheme("", &["a"])).await, invalid, "MISSING_FIELD", "scheme_key.scheme");
        assert_refused(client.verify(scheme("stripe", &[])).await, invalid, "INVALID_SECRET", "scheme_key.secrets");
        assert_refused(client.verify(scheme("stripe", &["a", " "])).await, invalid, "INVALID_SECRET", "scheme_key.secrets[1]");
        assert_refused(client.verify(scheme("standard-webhooks", &["?"])).await, invalid, "INVALID_SECRET", "scheme_key.secrets[0]");
        assert_refused(client.verify(scheme("stripe", &["a"; 11])).await, invalid, "TOO_MANY_VALUES", "scheme_key.secrets");
        assert_refused(client.verify(scheme("square", &["a"])).await, invalid, "MISSING_FIELD", "url");
        let misspelt = client.verify(scheme("Strpe", &["a"])).await;
        assert!(misspelt.as_ref().unwrap_err().message().contains("did you mean `stripe`?"));
        assert_refused(misspelt, invalid, "UNKNOWN_SCHEME", "scheme_key.scheme");
        server.stop().await.unwrap();
    }

    /// Whoever relays strangers' requests could be made to hold the service up with large ones.
    async fn a_request_to_verify_is_bounded_in_every_part(database: &Database) {
        let mut config = crate::harness::config(database.address());
        config.verify_bytes_max = 1_000;
        let (server, mut client) = crate::harness::start_with(config).await;
        let good = || v1::VerifyRequest {
            key: Some(v1::verify_request::Key::SchemeKey(v1::SchemeKey {
                scheme: "github".to_owned(),
                secrets: vec!["a secret".to_owned()],
            })),
            body: vec![b'x'; 1_000].into(),
            headers: vec![header(256, 8_192); 128],
            method: "PATCH".to_owned(),
            url: "u".repeat(8_192),
            ..v1::VerifyRequest::default()
        };
        let answer = client.verify(good()).await.unwrap().into_inner();
        assert_eq!(answer.reason, "missing_header", "at the bounds everything is looked at");
        let with = |change: fn(&mut v1::VerifyRequest)| {
            let mut request = good();
            change(&mut request);
            request
        };
        let second: pbjson_types::Duration = Duration::from_secs(1).into();
        for (request, reason, field) in [
            (with(|request| request.body = vec![b'x'; 1_001].into()), "PAYLOAD_TOO_LARGE", "body"),
            (with(|request| request.headers.push(header(1, 1))), "TOO_MANY_VALUES", "headers"),
            (with(|request| request.headers[7] = header(257, 1)), "INVALID_HEADER", "headers[7].name"),
            (with(|request| request.headers[127] = header(1, 8_193)), "INVALID_HEADER", "headers[127].value"),
            (with(|request| request.method = String::from("post")), "INVALID_METHOD", "method"),
            (with(|request| request.url.push('u')), "INVALID_URL", "url"),
            (
                v1::VerifyRequest { tolerance: Some(second), any_age: true, ..good() },
                "INVALID_TOLERANCE",
                "tolerance",
            ),
        ] {
            assert_refused(client.verify(request).await, Code::InvalidArgument, reason, field);
        }
        // What no part of a request needs is not read, let alone looked at.
        let huge = with(|request| request.body = vec![b'x'; 8 * 1024 * 1024].into());
        assert_eq!(client.verify(huge).await.unwrap_err().code(), Code::OutOfRange);
        server.stop().await.unwrap();
    }

    /// A flood of requests to verify would take the processor from deliveries.
    async fn more_than_the_operators_rate_is_refused_with_the_time_to_wait(database: &Database) {
        let mut config = crate::harness::config(database.address());
        config.verify_per_second_max = std::num::NonZeroU32::new(1);
        let (server, mut client) = crate::harness::start_with(config).await;
        // Only calls that take a second each would all be admitted.
        let mut refused = None;
        for _ in 0..50 {
            match client.verify(v1::VerifyRequest::default()).await.unwrap_err() {
                status if status.code() == Code::ResourceExhausted => {
                    refused = Some(status);
                    break;
                }
                status => assert_eq!(status.code(), Code::InvalidArgument),
            }
        }
        let refused = refused.expect("a refusal");
        let wait = refused.get_error_details().retry_info().and_then(|info| info.retry_delay).expect("RetryInfo");
        assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
        assert_refused(Err::<(), _>(refused), Code::ResourceExhausted, "VERIFY_RATE_EXCEEDED", "");
        publish(&mut client, "user.created", "{}").await;
        server.stop().await.unwrap();

        let mut config = crate::harness::config(database.address());
        config.verify_per_second_max = None;
        let (server, mut client) = crate::harness::start_with(config).await;
        for _ in 0..50 {
            assert_eq!(client.verify(v1::VerifyRequest::default()).await.unwrap_err().code(), Code::InvalidArgument);
        }
        server.stop().await.unwrap();
    }
}
