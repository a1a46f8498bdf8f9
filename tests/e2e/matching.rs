//! Which webhooks an event goes to: types, attributes and filters, and what a dry run says of them.

use std::collections::HashMap;

use hookwright_proto::v1::{self, MatchReason};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{
    Client, Database, Receiver, list_all, on_both_stores, publish, register, start, webhook,
};

fn attributes(pairs: &[(&str, &[&str])]) -> HashMap<String, v1::AttributeValues> {
    let values = |values: &[&str]| v1::AttributeValues {
        values: values.iter().map(ToString::to_string).collect(),
    };
    pairs
        .iter()
        .map(|(name, wanted)| ((*name).to_owned(), values(wanted)))
        .collect()
}

/// A webhook that is told apart by its name. Nobody listens there, and nothing is tried again.
fn wanting(name: &str, profile: &str, types: &[&str]) -> v1::Webhook {
    v1::Webhook {
        name: name.to_owned(),
        event_types: types.iter().map(ToString::to_string).collect(),
        ..webhook("http://127.0.0.1:9/".to_owned(), profile, &[])
    }
}

async fn dry_run(client: &mut Client, event_type: &str, payload: &str) -> v1::DryRunPublishResponse {
    let request = v1::DryRunPublishRequest {
        event_type: event_type.to_owned(),
        payload: payload.to_owned().into(),
        validate_payload: false,
    };
    client.dry_run_publish(request).await.unwrap().into_inner()
}

fn of<'a>(answer: &'a v1::DryRunPublishResponse, name: &str) -> &'a v1::MatchExplanation {
    answer
        .webhooks
        .iter()
        .find(|explanation| explanation.webhook_name == name)
        .unwrap()
}

/// The ids of the webhooks that an event went to, sorted.
async fn destinations(client: &mut Client, event: &str) -> Vec<String> {
    let request = v1::ListDeliveriesRequest {
        event_id: event.to_owned(),
        ..v1::ListDeliveriesRequest::default()
    };
    let listed = list_all(client, request).await;
    let mut found: Vec<String> = listed.into_iter().map(|delivery| delivery.webhook_id).collect();
    found.sort();
    found
}

async fn refused(client: &mut Client, webhook: v1::Webhook) -> (String, String, String) {
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        ..v1::RegisterRequest::default()
    };
    let status = client.register(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_error_details();
    let field = &details.bad_request().unwrap().field_violations[0];
    (
        details.error_info().unwrap().reason.clone(),
        field.field.clone(),
        field.description.clone(),
    )
}

on_both_stores! {
    /// A Filedgr customer would get events of other vaults, templates and users, or miss those of their own.
    async fn every_filter_of_filedgr_lets_its_own_events_through(database: &Database) {
        let (server, mut client) = start(database).await;
        for (name, wanted) in [
            ("vaults", attributes(&[("vaultIds", &["vault_1", "vault_2"])])),
            ("templates", attributes(&[("templateIds", &["template_a"])])),
            ("users", attributes(&[("userIds", &["user_1"])])),
            ("vaults of user", attributes(&[("vaultIds", &["vault_1"]), ("userIds", &["user_1"])])),
            ("all", HashMap::new()),
        ] {
            register(&mut client, v1::Webhook { attributes: wanted, ..wanting(name, "filedgr", &["vault.*"]) }).await;
        }
        for (event_type, payload, gets_it) in [
            ("vault.created", r#"{"vaultId":"vault_1","templateId":"template_a","owner":"user_1"}"#, &["vaults", "templates", "users", "vaults of user", "all"][..]),
            ("vault.data_updated", r#"{"vaultId":"vault_2","uploadedBy":"user_1"}"#, &["vaults", "users", "all"]),
            ("vault.permission_changed", r#"{"vaultId":"vault_1","userId":"user_1","changedBy":"user_9"}"#, &["vaults", "all"]),
            ("vault.accessed", r#"{"vaultId":"vault_9","userId":"user_1"}"#, &["users", "all"]),
            ("vault.created", "{}", &["all"]),
            ("vault.created", "null", &["all"]),
            ("stream.data_received", r#"{"vaultId":"vault_1"}"#, &[]),
        ] {
            let answer = dry_run(&mut client, event_type, payload).await;
            let matched: Vec<_> = answer.webhooks.iter().filter(|found| found.matched).map(|found| found.webhook_name.as_str()).collect();
            assert_eq!(matched, gets_it, "{event_type} {payload}");
            let event = publish(&mut client, event_type, payload).await;
            assert_eq!(destinations(&mut client, &event).await.len(), gets_it.len(), "{event_type} {payload}");
        }
        let answer = dry_run(&mut client, "vault.created", r#"{"vaultId":"vault_9"}"#).await;
        let vaults = of(&answer, "vaults");
        assert_eq!((vaults.reason(), vaults.attribute.as_str(), vaults.attribute_value.as_str()), (MatchReason::AttributeDiffers, "vaultIds", "vault_9"));
        let templates = of(&answer, "templates");
        assert_eq!((templates.reason(), templates.attribute.as_str()), (MatchReason::AttributeMissing, "templateIds"));
        server.stop().await.unwrap();
    }

    /// A customer would see why in one place and something else happen in the other.
    async fn a_dry_run_and_a_publish_agree_on_everything(database: &Database) {
        let (server, mut client) = start(database).await;
        let types: [&[&str]; 6] = [&[], &["*"], &["order.*"], &["order.created"], &["order.created", "user.*"], &["order.line.*"]];
        let filters = ["", "data.amount > 10", "data.customer.tags.exists(t, t == 'gold')", "has(data.amount) && type == 'order.created'", "data.missing == 1"];
        let wanted: [&[(&str, &[&str])]; 3] = [&[], &[("/customer/id", &["c_1", "7"])], &[("/amount", &["5", "20"]), ("/customer/id", &["c_1"])]];
        for (number, types) in types.iter().enumerate() {
            for filter in filters {
                for (at, wanted) in wanted.iter().enumerate() {
                    let disabled = (number + at) % 4 == 3;
                    let state = if disabled { v1::WebhookState::Disabled } else { v1::WebhookState::Active };
                    register(&mut client, v1::Webhook {
                        filter: filter.to_owned(),
                        attributes: attributes(wanted),
                        state: state.into(),
                        ..wanting("w", "generic", types)
                    }).await;
                }
            }
        }
        for event_type in ["order.created", "order", "order.line.added", "user.created", "x"] {
            for payload in [
                r#"{"amount":20,"customer":{"id":"c_1","tags":["gold"]}}"#, r#"{"amount":5,"customer":{"id":7}}"#, r#"{"amount":"20"}"#,
                r#"{"customer":{"id":["c_2","c_1"],"tags":[]}}"#, "[]", "5",
            ] {
                let answer = dry_run(&mut client, event_type, payload).await;
                assert_eq!((answer.webhook_count, answer.webhooks.len()), (90, 90));
                let mut said: Vec<_> = answer.webhooks.iter().filter(|found| found.matched).map(|found| found.webhook_id.clone()).collect();
                said.sort();
                assert_eq!(said.len(), usize::try_from(answer.matched_count).unwrap());
                assert!(answer.webhooks.iter().all(|found| found.matched == matches!(found.reason(), MatchReason::Matched | MatchReason::Held) && !found.text.is_empty()));
                let event = publish(&mut client, event_type, payload).await;
                assert_eq!(destinations(&mut client, &event).await, said, "{event_type} {payload}");
            }
        }
        server.stop().await.unwrap();
    }

    /// A dry run on the production system would send something to a customer.
    async fn a_dry_run_stores_nothing(database: &Database) {
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let answer = dry_run(&mut client, "a.b", "{}").await;
        assert_eq!(answer.matched_count, 1);
        let listed = client.list_deliveries(v1::ListDeliveriesRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.deliveries, []);
        let bad = v1::DryRunPublishRequest { event_type: "a b".to_owned(), payload: "{".into(), validate_payload: false };
        assert_eq!(client.dry_run_publish(bad).await.unwrap_err().code(), Code::InvalidArgument);
        server.stop().await.unwrap();
    }

    /// A customer would learn of a mistake in a filter from events that never come.
    async fn what_can_never_match_is_refused_when_it_is_registered(database: &Database) {
        let (server, mut client) = start(database).await;
        let filter = |filter: &str| v1::Webhook { filter: filter.to_owned(), ..wanting("f", "filedgr", &[]) };
        for (text, about) in [
            ("data.amount >", "at character 14"), ("amount > 1", "there is no"), ("'text'", "true or false"),
            ("data.a.exists(x, data.b.exists(y, x == y))", "inside of a loop"), ("data.a.matches('(a+)+$')", "matches"),
        ] {
            let (reason, field, description) = refused(&mut client, filter(text)).await;
            assert_eq!((reason.as_str(), field.as_str()), ("INVALID_FILTER", "webhook.filter"), "{text}");
            assert!(description.contains(about), "{text}: {description}");
        }
        for hostile in ["(".repeat(1_000), "true && ".repeat(2_000), "[".repeat(999), "data.a.exists(x, ".repeat(58), "-".repeat(1_000)] {
            assert_eq!(refused(&mut client, filter(&hostile)).await.0, "INVALID_FILTER");
        }
        let with = |profile: &str, pairs: &[(&str, &[&str])]| v1::Webhook { attributes: attributes(pairs), ..wanting("a", profile, &[]) };
        let (reason, field, description) = refused(&mut client, with("filedgr", &[("vaultId", &["v"])])).await;
        assert_eq!((reason.as_str(), field.as_str()), ("UNKNOWN_ATTRIBUTE", "webhook.attributes[\"vaultId\"]"));
        assert!(description.contains("templateIds, userIds, vaultIds"), "{description}");
        assert_eq!(refused(&mut client, with("digivault", &[("/id", &["v"])])).await.0, "UNKNOWN_ATTRIBUTE");
        assert_eq!(refused(&mut client, with("generic", &[("id", &["v"])])).await.0, "UNKNOWN_ATTRIBUTE");
        assert_eq!(refused(&mut client, with("filedgr", &[("vaultIds", &[])])).await.0, "INVALID_ATTRIBUTE");
        let many: Vec<String> = (0..17).map(|number| format!("/a{number}")).collect();
        let many: Vec<(&str, &[&str])> = many.iter().map(|name| (name.as_str(), &["v"][..])).collect();
        assert_eq!(refused(&mut client, with("standard-webhooks", &many)).await.0, "TOO_MANY_VALUES");
        let listed = client.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.webhooks, [], "nothing was stored");
        server.stop().await.unwrap();
    }

    /// A filter that was changed would go on as it was; and nobody could tell why a delivery was made.
    async fn filters_read_back_change_and_explain_a_delivery(database: &Database) {
        let (server, mut client) = start(database).await;
        let wanted = v1::Webhook {
            filter: "data.amount > 10".to_owned(),
            attributes: attributes(&[("/customer/id", &["c_1"])]),
            ..wanting("w", "generic", &["order.*"])
        };
        let (id, _) = register(&mut client, wanted.clone()).await;
        let read = client.get_webhook(v1::GetWebhookRequest { id: id.clone() }).await.unwrap().into_inner().webhook.unwrap();
        assert_eq!((&read.filter, &read.attributes), (&wanted.filter, &wanted.attributes));
        let event = publish(&mut client, "order.created", r#"{"amount":11,"customer":{"id":"c_1"}}"#).await;
        let listed = client.list_deliveries(v1::ListDeliveriesRequest { event_id: event.clone(), ..Default::default() }).await.unwrap().into_inner();
        let request = v1::GetDeliveryRequest { id: listed.deliveries[0].id.clone() };
        let explanation = client.get_delivery(request.clone()).await.unwrap().into_inner().match_explanation.unwrap();
        assert_eq!((explanation.reason(), explanation.event_type_pattern.as_str()), (MatchReason::Matched, "order.*"));

        let change = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id: id.clone(), filter: "data.amount > 11".to_owned(), ..v1::Webhook::default() }),
            update_mask: Some(pbjson_types::FieldMask { paths: vec!["filter".to_owned()] }),
        };
        let changed = client.update_webhook(change).await.unwrap().into_inner().webhook.unwrap();
        assert_eq!(changed.attributes, wanted.attributes);
        let explanation = client.get_delivery(request.clone()).await.unwrap().into_inner().match_explanation.unwrap();
        assert_eq!(explanation.reason(), MatchReason::FilterFalse, "by the settings of now");
        let again = publish(&mut client, "order.created", r#"{"amount":11,"customer":{"id":"c_1"}}"#).await;
        assert_eq!(destinations(&mut client, &again).await, Vec::<String>::new());
        client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        assert_eq!(client.get_delivery(request).await.unwrap().into_inner().match_explanation, None);
        server.stop().await.unwrap();
    }
}

/// `scripts/with-postgres cargo test --release -p hookwright-tests --test e2e filtered_webhooks -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; a loaded machine would make it lie"]
#[expect(clippy::print_stdout, reason = "a measurement")]
async fn a_thousand_filtered_webhooks() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let payload = r#"{"amount":120,"currency":"EUR","customer":{"id":"c_1","tags":["gold"]},"lines":[{"sku":"a","count":1},{"sku":"b","count":2}]}"#;
    let time = async |client: &mut Client, what: &str| {
        publish(client, "order.created", payload).await;
        let started = std::time::Instant::now();
        for _ in 0..200 {
            publish(client, "order.created", payload).await;
        }
        println!("{what}: {:?} for each publish", started.elapsed() / 200);
    };
    time(&mut client, "no webhook").await;
    for number in 0..1_000 {
        let filter = format!(
            "data.amount > {} && data.currency == 'USD' || data.lines.exists(l, l.sku == 'z')",
            number % 200
        );
        register(
            &mut client,
            v1::Webhook {
                filter,
                ..wanting("w", "generic", &["order.*"])
            },
        )
        .await;
    }
    time(&mut client, "1,000 filtered webhooks, none of which match").await;
    server.stop().await.unwrap();
    database.remove().await;
}
