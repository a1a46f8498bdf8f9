//! What clients of the platforms send is understood, and what they get is what their documents show.

use hookwright_core::Registry;
use hookwright_proto::v1::retry_policy::Schedule;
use http::Request;
use serde_json::json;

use super::{json::Json, *};

fn dialect(name: &str) -> Dialect {
    let profile = Profile::builtin(name).unwrap();
    let api = profile.api.clone().unwrap();
    Dialect { profile, api }
}

fn registered(name: &str, body: &Value) -> v1::RegisterRequest {
    let native = dialect(name)
        .request("Register", &body.to_string())
        .unwrap()
        .unwrap();
    serde_json::from_str(&native.body).unwrap()
}

fn refused(rpc: &str, body: &str) -> Vec<(String, &'static str, String)> {
    let faults = dialect("filedgr").request(rpc, body).unwrap_err();
    faults
        .into_iter()
        .map(|fault| (fault.field, fault.reason, fault.description))
        .collect()
}

fn seconds(seconds: i64) -> pbjson_types::Duration {
    pbjson_types::Duration { seconds, nanos: 0 }
}

fn at(seconds: i64) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp {
        seconds,
        nanos: 123_456_000,
    }
}

fn shown(json: &Json) -> String {
    serde_json::to_string(json).unwrap()
}

#[test]
fn every_option_of_a_platform_is_understood() {
    // A client's settings would be lost, or mean something else here.
    let request = registered(
        "filedgr",
        &json!({
            "url": "https://example.com/hook",
            "events": ["vault.created"],
            "filters": { "vaultIds": ["vault_1", "vault_2"], "templateIds": [] },
            "secret": "your-webhook-secret-key",
            "timeout": 30,
            "retryCount": 3,
            "retryDelay": 5,
            "active": false,
            "headers": { "X-Custom-Header": "custom-value" },
            "webhookId": "whk_shown_before",
            "createdAt": "2024-01-15T10:30:00Z",
        }),
    );
    let webhook = request.webhook.unwrap();
    assert_eq!(request.secret, "your-webhook-secret-key");
    assert_eq!(webhook.profile, "filedgr");
    assert_eq!(webhook.url, "https://example.com/hook");
    assert_eq!(webhook.event_types, ["vault.created"]);
    assert_eq!(webhook.attributes["vaultIds"].values, ["vault_1", "vault_2"]);
    assert_eq!(webhook.attributes.len(), 1, "an empty filter filters nothing");
    assert_eq!(webhook.timeout, Some(seconds(30)));
    assert_eq!(webhook.state(), v1::WebhookState::Paused);
    assert_eq!(webhook.headers["X-Custom-Header"], "custom-value");
    assert_eq!((webhook.id.as_str(), webhook.create_time), ("", None));
    let delays = vec![seconds(5); 3];
    assert_eq!(
        webhook.retry_policy.unwrap().schedule,
        Some(Schedule::List(v1::ListSchedule { delays }))
    );
}

#[test]
fn half_a_schedule_is_completed_by_the_platforms_own() {
    let delays = |body: Value| match registered("filedgr", &body).webhook.unwrap().retry_policy {
        Some(v1::RetryPolicy {
            schedule: Some(Schedule::List(list)),
            ..
        }) => Some(list.delays),
        _ => None,
    };
    assert_eq!(delays(json!({ "retryCount": 2 })), Some(vec![seconds(5); 2]));
    assert_eq!(delays(json!({ "retryDelay": 7 })), Some(vec![seconds(7); 3]));
    assert_eq!(delays(json!({ "retryCount": 0 })), Some(Vec::new()));
    assert_eq!(delays(json!({ "retryCount": null, "retryDelay": null })), None);
    assert_eq!(delays(json!({})), None);
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    // A PUT of two fields would take the secret filters of a webhook away.
    let update = |body: Value| {
        dialect("filedgr")
            .request("UpdateWebhook", &body.to_string())
            .unwrap()
            .unwrap()
    };
    let native = update(json!({ "events": ["vault.created", "vault.data_updated"], "active": true }));
    assert_eq!(native.query.as_deref(), Some("updateMask=eventTypes,state"));
    let webhook: v1::Webhook = serde_json::from_str(&native.body).unwrap();
    assert_eq!(webhook.event_types.len(), 2);
    assert_eq!(webhook.state(), v1::WebhookState::Active);

    let native = update(json!({ "retryCount": 1, "retryDelay": 1, "timeout": null, "webhookId": "whk_1" }));
    assert_eq!(native.query.as_deref(), Some("updateMask=retryPolicy,timeout"));
    let webhook: v1::Webhook = serde_json::from_str(&native.body).unwrap();
    assert_eq!(webhook.timeout, None, "null takes it back");
}

#[test]
fn what_is_wrong_is_said_in_the_clients_words() {
    let wrong = |field: &str, reason: &'static str, description: &str| {
        (field.to_owned(), reason, description.to_owned())
    };
    let told = refused(
        "Register",
        &json!({
            "event": ["vault.created"],
            "colour": "blue",
            "url": 5,
            "events": ["a", 5],
            "timeout": "30",
            "retryCount": 101,
            "active": "yes",
            "headers": { "A": 1 },
        })
        .to_string(),
    );
    let names = "url, events, filters, secret, timeout, retryCount, retryDelay, active, headers";
    // In the order of the body.
    for expected in [
        wrong(
            "event",
            "UNKNOWN_FIELD",
            "there is no such field; did you mean events?",
        ),
        wrong(
            "colour",
            "UNKNOWN_FIELD",
            &format!("there is no such field; there are {names}"),
        ),
        wrong("url", "INVALID_FIELD", "a text is expected"),
        wrong("events[1]", "INVALID_FIELD", "a text is expected"),
        wrong("timeout", "INVALID_FIELD", "a number of seconds is expected"),
        wrong("retryCount", "INVALID_FIELD", "at most 100 retries"),
        wrong("active", "INVALID_FIELD", "true or false is expected"),
        wrong("headers.A", "INVALID_FIELD", "a text is expected"),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(told.len(), 8);

    assert_eq!(refused("Register", r#"{"events": []}"#)[0].0, "events");
    assert_eq!(
        refused("UpdateWebhook", r#"{"secret": "a-new-one"}"#)[0].0,
        "secret"
    );
    assert_eq!(
        refused("Register", r#"{"url": "a", "url": "b"}"#)[0].1,
        "DUPLICATE_FIELD"
    );
    for malformed in ["{", "[]", "5", "\"url\"", "{} {}"] {
        assert_eq!(
            refused("Register", malformed)[0].1,
            "MALFORMED_JSON",
            "{malformed}"
        );
    }
}

#[test]
fn a_word_for_a_state_is_read_and_written() {
    let webhook = |status: &str| {
        registered("contractai", &json!({ "status": status }))
            .webhook
            .unwrap()
    };
    assert_eq!(webhook("active").state(), v1::WebhookState::Active);
    assert_eq!(webhook("disabled").state(), v1::WebhookState::Disabled);
    let faults = dialect("contractai")
        .request("Register", r#"{"status": "on"}"#)
        .unwrap_err();
    assert_eq!(
        faults[0].description,
        "one of active, paused, disabled is expected"
    );
}

#[test]
fn places_in_errors_have_the_clients_words() {
    let filedgr = dialect("filedgr");
    for (place, word) in [
        ("webhook.event_types[0]", "events[0]"),
        ("webhook.url", "url"),
        ("webhook.retry_policy.list.delays[0]", "retryDelay"),
        ("webhook.state", "active"),
        ("webhook.headers", "headers"),
        ("secret", "secret"),
        ("webhook.tls", "webhook.tls"),
        ("page_size", "page_size"),
        ("", ""),
    ] {
        assert_eq!(path::in_words(&filedgr.api, place), word);
    }
}

fn webhook() -> v1::Webhook {
    let mut webhook = v1::Webhook {
        id: "whk_1".to_owned(),
        url: "https://example.com/hook".to_owned(),
        profile: "filedgr".to_owned(),
        event_types: vec!["vault.created".to_owned()],
        create_time: Some(at(1_705_314_600)),
        ..v1::Webhook::default()
    };
    webhook.set_state(v1::WebhookState::Active);
    webhook
}

#[test]
fn a_webhook_looks_as_documented_and_hides_its_secret() {
    let filedgr = dialect("filedgr");
    let plain = answer::webhook(&filedgr.api, &webhook(), None);
    assert_eq!(
        shown(&plain),
        r#"{"webhookId":"whk_1","url":"https://example.com/hook","events":["vault.created"],"active":true,"createdAt":"2024-01-15T10:30:00Z"}"#
    );
    let mut webhook = webhook();
    webhook.event_types.clear();
    webhook.set_state(v1::WebhookState::Disabled);
    webhook.timeout = Some(seconds(30));
    webhook.headers = [("B", "2"), ("A", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    webhook.attributes.insert(
        "vaultIds".to_owned(),
        v1::AttributeValues {
            values: vec!["v".to_owned()],
        },
    );
    let delays = vec![seconds(5); 3];
    webhook.retry_policy = Some(v1::RetryPolicy {
        schedule: Some(Schedule::List(v1::ListSchedule { delays })),
        ..v1::RetryPolicy::default()
    });
    assert_eq!(
        shown(&answer::webhook(&filedgr.api, &webhook, None)),
        concat!(
            r#"{"webhookId":"whk_1","url":"https://example.com/hook","events":["*"],"filters":{"vaultIds":["v"]},"#,
            r#""timeout":30,"retryCount":3,"retryDelay":5,"active":false,"headers":{"A":"1","B":"2"},"#,
            r#""createdAt":"2024-01-15T10:30:00Z"}"#
        )
    );
    // A schedule of other delays is not of this form, and half of it would mislead.
    webhook.retry_policy = Some(v1::RetryPolicy {
        schedule: Some(Schedule::List(v1::ListSchedule {
            delays: vec![seconds(1), seconds(2)],
        })),
        ..v1::RetryPolicy::default()
    });
    assert!(!shown(&answer::webhook(&filedgr.api, &webhook, None)).contains("retry"));
}

#[test]
fn a_secret_that_was_made_up_here_is_always_shown() {
    // ContractAI's answer has an id and a status; nobody could verify a delivery.
    let contractai = dialect("contractai");
    let response = v1::RegisterResponse {
        webhook: Some(webhook()),
        secret: "whsec_1".to_owned(),
        duplicate: false,
    };
    assert_eq!(
        shown(&answer::registered(&contractai.api, &response, false)),
        r#"{"id":"whk_1","status":"active"}"#
    );
    assert_eq!(
        shown(&answer::registered(&contractai.api, &response, true)),
        r#"{"id":"whk_1","secret":"whsec_1","status":"active"}"#
    );
    assert!(contractai.has_secret(r#"{"secret": "s"}"#));
    for without in [r#"{"secret": ""}"#, r#"{"secret": null}"#, "{}", "", "{"] {
        assert!(!contractai.has_secret(without), "{without}");
    }
}

fn delivery(state: v1::DeliveryState) -> v1::Delivery {
    let mut delivery = v1::Delivery {
        id: "dlv_1".to_owned(),
        event_id: "evt_1".to_owned(),
        event_type: "vault.created".to_owned(),
        webhook_id: "whk_1".to_owned(),
        attempt_count: 1,
        last_http_status: 200,
        create_time: Some(at(1_705_314_600)),
        last_attempt_time: Some(at(1_705_314_601)),
        last_attempt_duration: Some(pbjson_types::Duration {
            seconds: 0,
            nanos: 245_900_000,
        }),
        ..v1::Delivery::default()
    };
    delivery.set_state(state);
    delivery
}

fn logged(name: &str, delivery: &v1::Delivery) -> String {
    let dialect = dialect(name);
    shown(&answer::delivery(&dialect.profile, &dialect.api, delivery))
}

#[test]
fn a_delivery_that_succeeded_looks_as_documented() {
    let delivered = delivery(v1::DeliveryState::Delivered);
    assert_eq!(
        logged("filedgr", &delivered),
        concat!(
            r#"{"eventId":"evt_1","eventType":"vault.created","deliveryStatus":"success","httpStatus":200,"#,
            r#""responseTime":245,"timestamp":"2024-01-15T10:30:01Z","attempts":1}"#
        )
    );
    assert_eq!(
        logged("generic", &delivered),
        concat!(
            r#"{"id":"dlv_1","event_id":"evt_1","status":"success","status_code":200,"attempts":1,"#,
            r#""delivered_at":"2024-01-15T10:30:01Z"}"#
        )
    );
    // DigiVault's deliveries have ids of their own, and its times are numbers.
    let digivault = logged("digivault", &delivered);
    assert!(digivault.contains(r#""event_id":"webhook_1""#), "{digivault}");
    assert!(digivault.contains(r#""delivered_at":1705314601"#), "{digivault}");
}

#[test]
fn a_delivery_that_failed_says_why_and_has_no_status_that_nobody_sent() {
    let mut dead = delivery(v1::DeliveryState::Dead);
    dead.last_http_status = 0;
    dead.attempt_count = 3;
    dead.last_error = "no answer within 30 s".to_owned();
    assert_eq!(
        logged("generic", &dead),
        concat!(
            r#"{"id":"dlv_1","event_id":"evt_1","status":"failed","status_code":null,"attempts":3,"#,
            r#""error":"no answer within 30 s"}"#
        )
    );
    // One that was given up without an attempt has another reason.
    dead.last_error.clear();
    dead.state_reason = "held for too long".to_owned();
    assert!(logged("filedgr", &dead).contains(r#""lastError":"held for too long""#));
    // One that waits for its first attempt took no time yet, and its time is the event's.
    let mut waiting = delivery(v1::DeliveryState::Leased);
    (waiting.last_attempt_time, waiting.last_attempt_duration) = (None, None);
    (waiting.last_http_status, waiting.attempt_count) = (0, 0);
    assert_eq!(
        logged("filedgr", &waiting),
        concat!(
            r#"{"eventId":"evt_1","eventType":"vault.created","deliveryStatus":"pending","httpStatus":null,"#,
            r#""responseTime":null,"timestamp":"2024-01-15T10:30:00Z","attempts":0}"#
        )
    );
}

#[test]
fn pages_have_the_wrapper_of_the_platform() {
    let page = |next: &str| v1::ListDeliveriesResponse {
        deliveries: vec![delivery(v1::DeliveryState::Delivered)],
        next_page_token: next.to_owned(),
    };
    let listed = |name: &str, next: &str, webhook: &str| {
        let dialect = dialect(name);
        shown(&answer::deliveries(
            &dialect.profile,
            &dialect.api,
            &page(next),
            webhook,
        ))
    };
    let filedgr = listed("filedgr", "", "whk_1");
    assert!(
        filedgr.starts_with(r#"{"webhookId":"whk_1","logs":[{"eventId""#),
        "{filedgr}"
    );
    assert!(filedgr.ends_with("]}"), "{filedgr}");
    assert!(listed("filedgr", "more", "whk_1").ends_with(r#"],"nextPageToken":"more"}"#));
    assert!(listed("generic", "", "whk_1").starts_with(r#"{"deliveries":[{"id""#));
    let filedgr = dialect("filedgr");
    let none = answer::webhooks(&filedgr.api, &v1::ListWebhooksResponse::default());
    assert_eq!(shown(&none), r#"{"webhooks":[]}"#);
}

/// What a request comes to: profile, method, path and query.
fn asked(request: &Request<()>) -> Result<(Option<String>, String, String, String), String> {
    let dialects = Dialects::new(Arc::new(Registry::builtin()));
    let (parts, ()) = request.clone().into_parts();
    let asked = dialects.asked(&parts, None).map_err(|fault| fault.description)?;
    let name = asked.dialect.map(|dialect| dialect.profile.name.clone());
    Ok((name, asked.method.to_string(), asked.path, asked.query))
}

#[test]
fn a_request_says_in_one_of_three_ways_whose_words_it_has() {
    let head = |method: &str, uri: &str| Request::builder().method(method).uri(uri).body(()).unwrap();
    let with = |uri: &str, profile: &str| {
        let mut request = head("GET", uri);
        request
            .headers_mut()
            .insert("hookwright-profile", profile.parse().unwrap());
        asked(&request)
    };
    let is = |name: Option<&str>, method: &str, path: &str, query: &str| {
        Ok((
            name.map(str::to_owned),
            method.to_owned(),
            path.to_owned(),
            query.to_owned(),
        ))
    };
    assert_eq!(
        asked(&head("GET", "/v1/webhooks?pageSize=5")),
        is(None, "GET", "/v1/webhooks", "pageSize=5")
    );
    assert_eq!(
        asked(&head("PUT", "/v1/webhooks/whk_1")),
        is(None, "PUT", "/v1/webhooks/whk_1", "")
    );
    let filedgr = Some("filedgr");
    assert_eq!(
        asked(&head("POST", "/webhooks")),
        is(filedgr, "POST", "/v1/webhooks", "")
    );
    assert_eq!(
        asked(&head("GET", "/webhooks/whk_1/logs?pageSize=5")),
        is(filedgr, "GET", "/v1/webhooks/whk_1/logs", "pageSize=5")
    );
    assert_eq!(
        asked(&head("PUT", "/webhooks/whk_1")),
        is(filedgr, "PATCH", "/v1/webhooks/whk_1", "")
    );
    assert_eq!(
        asked(&head("GET", "/webhooksters")),
        is(None, "GET", "/webhooksters", "")
    );
    assert_eq!(
        asked(&head(
            "GET",
            "/v1/webhooks?pageSize=5&profile=generic&pageToken=a%26b"
        )),
        is(
            Some("generic"),
            "GET",
            "/v1/webhooks",
            "pageSize=5&pageToken=a%26b"
        )
    );
    assert_eq!(
        with("/v1/deliveries", "digivault"),
        is(Some("digivault"), "GET", "/v1/deliveries", "")
    );
    assert_eq!(
        with("/webhooks", "generic"),
        is(Some("generic"), "GET", "/v1/webhooks", ""),
        "the header decides"
    );
    assert_eq!(
        with("/v1/webhooks", "standard-webhooks"),
        is(None, "GET", "/v1/webhooks", "")
    );
    // Elsewhere there is nothing to be said in other words, and a parameter of this name is another one.
    assert_eq!(
        asked(&head("GET", "/v1/events?profile=x")),
        is(None, "GET", "/v1/events", "profile=x")
    );
    assert_eq!(
        with("/v1/webhooks", "filedger"),
        Err("there is no profile `filedger`; did you mean `filedgr`?".to_owned())
    );
}

#[test]
fn a_client_is_led_on_by_the_path_that_it_came_by() {
    // `Location` would lead a platform's client to answers that it does not understand.
    let dialects = Dialects::new(Arc::new(Registry::builtin()));
    for (uri, location) in [
        ("/webhooks", "/webhooks/whk_1"),
        ("/v1/webhooks", "/v1/webhooks/whk_1"),
    ] {
        let (parts, ()) = Request::post(uri).body(()).unwrap().into_parts();
        let mut headers = http::HeaderMap::new();
        headers.insert("location", "/v1/webhooks/whk_1".parse().unwrap());
        dialects.asked(&parts, None).unwrap().lead_back(&mut headers);
        assert_eq!(headers["location"], location);
    }
}
