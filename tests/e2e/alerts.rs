//! People and programs are told when deliveries are given up: by operational events, and by e-mail.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use hookwright_proto::v1;
use hookwright_server::{Config, Smtp};
use hookwright_store::{Clock, Timestamp};
use tonic_types::StatusExt as _;

use crate::harness::{
    Answer, Client, Database, Door, Receiver, SENDER, SmtpServer, config, deliveries_when, delivery_when,
    on_both_stores, publish, register, start_with, update, webhook,
};

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const OWNER: &str = "owner@customer.example";

/// A service on this clock, that looks for alerts all the time.
fn alerting(database: &Database, clock: &Clock, smtp: Option<Smtp>) -> Config {
    let mut config = config(database.address());
    config.clock = clock.clone();
    // Time moves by hours here, and the node is to stay the same.
    config.node.lease = Duration::from_hours(1_000);
    config.alerts.look_every = Duration::from_millis(5);
    config.alerts.smtp = smtp;
    config
}

/// A webhook whose only attempt fails, with somebody to tell.
fn hopeless(url: String, name: &str) -> v1::Webhook {
    v1::Webhook {
        name: name.to_owned(),
        alert_emails: vec![OWNER.to_owned()],
        event_types: vec![format!("{name}.*")],
        ..webhook(url, "generic", &[])
    }
}

/// Publishes an event that one webhook wants, and waits until it is given up.
async fn fail(client: &mut Client, event_type: &str) -> v1::GetDeliveryResponse {
    let event = publish(client, event_type, "{}").await;
    delivery_when(client, &event, v1::DeliveryState::Dead).await
}

on_both_stores! {
    /// DigiVault promises its customers an e-mail after the last failed attempt. It would not come, or not say what is wrong,
    /// or a receiver's answer would forge parts of it.
    async fn digivaults_customer_gets_an_email_after_the_sixth_failure(database: &Database) {
        let mut smtp = SmtpServer::start(&["--login", "digivault:pass word"]).await;
        let address = smtp.address();
        let url = format!("smtp://digivault:pass%20word@{address}?tls=required");
        let sender = Smtp::new(&url, SENDER, smtp.authority()).unwrap();
        let clock = Clock::manual(START);
        let (server, mut client) = start_with(alerting(database, &clock, Some(sender))).await;
        let mut receiver = Receiver::start().await;
        let answer = Answer::With {
            status: 500,
            header: ("x-any", "1".to_owned()),
            body: Bytes::from_static(b"out of \xff disk\r\n.\r\nRCPT TO:<x@evil.example>\r\nBcc: x@evil.example\r\n\x1b[2Jhidden"),
        };
        receiver.will_answer((0..6).map(|_| answer.clone()));
        let registered = v1::Webhook {
            name: "Bj\u{f6}rn's \u{202e}orders\u{2028}Bcc: x@evil.example".to_owned(),
            url: format!("{}?token=hunter2", receiver.url()),
            retry_policy: None,
            alert_emails: vec![OWNER.to_owned(), "second@customer.example".to_owned()],
            ..webhook(String::new(), "digivault", &[])
        };
        let (webhook, _) = register(&mut client, registered).await;
        let event = publish(&mut client, "contact.created", "{}").await;
        receiver.next().await;
        for (attempts, minutes) in [(2, 1), (3, 5), (4, 15), (5, 60), (6, 360)] {
            delivery_when(&mut client, &event, v1::DeliveryState::Scheduled).await;
            clock.advance(Duration::from_mins(minutes));
            receiver.next().await;
            deliveries_when(&mut client, &event, |delivery| delivery.attempt_count == attempts).await;
        }
        let delivery = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await.delivery.unwrap();

        let mail = smtp.next().await;
        assert!(mail.tls, "the password went over TLS");
        assert_eq!(mail.user.as_deref(), Some("digivault"));
        assert_eq!(mail.from, "alerts@digivault.example");
        assert_eq!(mail.to, [OWNER, "second@customer.example"]);
        assert_eq!(mail.header("from"), SENDER);
        assert_eq!(mail.header("to"), format!("{OWNER}, second@customer.example"));
        assert_eq!(mail.header("auto-submitted"), "auto-generated");
        assert_eq!(mail.header("message-id"), format!("<{webhook}.1@digivault.example>"));
        // 21 minutes and 7 hours after the start.
        assert!(mail.header("date").starts_with("Fri, 15 Jan 2027 15:21:00"), "{}", mail.header("date"));
        assert_eq!(
            mail.header("subject"),
            r#"Webhook "Björn's \u{202e}orders\u{2028}Bcc: x@evil.example": contact.created could not be delivered"#
        );
        let names: BTreeSet<String> = mail.header_names().iter().map(|name| name.to_lowercase()).collect();
        let expected = [
            "auto-submitted", "content-transfer-encoding", "content-type", "date", "from", "message-id", "mime-version",
            "subject", "to",
        ];
        assert!(names.iter().all(|name| expected.contains(&name.as_str())), "{names:?}");

        for line in [
            format!("Webhook:  Webhook \"Björn's \\u{{202e}}orders\\u{{2028}}Bcc: x@evil.example\" ({webhook})"),
            format!("URL:      {}", receiver.url()),
            format!("Event:    contact.created ({event})"),
            format!("Delivery: {}", delivery.id),
            "Result:   answered 500 Internal Server Error".to_owned(),
            "> out of \u{fffd} disk".to_owned(),
            "> .".to_owned(),
            "> RCPT TO:<x@evil.example>".to_owned(),
            "> \\u{1b}[2Jhidden".to_owned(),
        ] {
            assert!(mail.text.lines().any(|found| found == line), "{line:?} in\n{}", mail.text);
        }
        assert!(mail.text.contains("Attempts: 6, the last one at 2027-01-15T15:21:0"), "{}", mail.text);
        assert!(mail.text.contains(&format!("hookwright deliveries --webhook {webhook} --state dead")));
        assert!(!mail.raw.contains("hunter2"), "the URL's query may be a secret");
        server.stop().await.unwrap();
    }

    /// A receiver that is down would fill its owner's mailbox, or a restart would send everything once more or forget it.
    async fn after_the_first_email_failures_come_in_one_digest_across_a_restart(database: &Database) {
        let mut smtp = SmtpServer::start(&[]).await;
        let clock = Clock::manual(START);
        let sender = smtp.plain();
        let start = async || start_with(alerting(database, &clock, Some(sender.clone()))).await;
        let (server, mut client) = start().await;
        let receiver = Receiver::start().await;
        receiver.will_answer((0..30).map(|_| Answer::Status(503)));
        let (orders, _) = register(&mut client, hopeless(receiver.url(), "orders")).await;
        for name in ["mark1", "mark2", "mark3"] {
            register(&mut client, hopeless(receiver.url(), name)).await;
        }
        fail(&mut client, "orders.first").await;
        let mail = smtp.next().await;
        assert_eq!(mail.header("subject"), "Webhook \"orders\": orders.first could not be delivered");

        for number in 1..=7 {
            fail(&mut client, &format!("orders.a{number}")).await;
        }
        server.stop().await.unwrap();
        let (server, mut client) = start().await;
        for number in 1..=6 {
            fail(&mut client, &format!("orders.b{number}")).await;
        }
        // What would be sent too early would be there before the second of these.
        for mark in ["mark1", "mark2"] {
            fail(&mut client, &format!("{mark}.x")).await;
            assert_eq!(smtp.next().await.header("subject"), format!("Webhook \"{mark}\": {mark}.x could not be delivered"));
        }
        clock.advance(Duration::from_mins(15));
        let digest = smtp.next().await;
        assert_eq!(digest.header("subject"), "Webhook \"orders\": 13 deliveries failed");
        assert_eq!(digest.header("message-id"), format!("<{orders}.2@digivault.example>"));
        assert_eq!(digest.text.matches("Event:    orders.").count(), 10, "{}", digest.text);
        assert!(digest.text.contains("orders.b6 (") && !digest.text.contains("orders.a1 ("), "the newest are shown");
        assert!(digest.text.contains("\u{2026} and 3 more."), "{}", digest.text);

        server.stop().await.unwrap();
        let (server, mut client) = start().await;
        clock.advance(Duration::from_mins(15));
        fail(&mut client, "mark3.x").await;
        assert_eq!(
            smtp.next().await.header("subject"),
            "Webhook \"mark3\": mark3.x could not be delivered",
            "nothing is sent twice"
        );
        server.stop().await.unwrap();
    }

    /// A mail server that is down would hold deliveries up, or alerts would be lost while it is.
    async fn an_outage_of_the_mail_server_delays_emails_and_nothing_else(database: &Database) {
        let mut smtp = SmtpServer::start(&[]).await;
        let door = Door::to(smtp.address()).await;
        let clock = Clock::manual(START);
        let sender = Smtp::new(&format!("smtp://{}", door.address()), SENDER, None).unwrap();
        let (server, mut client) = start_with(alerting(database, &clock, Some(sender.clone()))).await;
        let receiver = Receiver::start().await;
        receiver.will_answer((0..2).map(|_| Answer::Status(400)));
        register(&mut client, hopeless(receiver.url(), "one")).await;
        register(&mut client, hopeless(receiver.url(), "two")).await;
        fail(&mut client, "one.x").await;
        door.turns_away(1).await;
        fail(&mut client, "two.x").await;
        let event = publish(&mut client, "one.y", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(door.turned_away(), 1, "the server is left alone for a while");
        clock.advance(Duration::from_secs(5));
        door.turns_away(2).await;
        server.stop().await.unwrap();

        let (server, _client) = start_with(alerting(database, &clock, Some(sender))).await;
        door.turns_away(3).await;
        door.open();
        clock.advance(Duration::from_secs(5));
        let subjects = BTreeSet::from([smtp.next().await, smtp.next().await].map(|mail| mail.header("subject").to_owned()));
        let expected = ["one", "two"].map(|name| format!("Webhook \"{name}\": {name}.x could not be delivered"));
        assert_eq!(subjects, BTreeSet::from(expected));
        server.stop().await.unwrap();
    }

    /// One address that no longer exists would keep everybody else from being told; customers would see operators' addresses.
    async fn a_refused_recipient_costs_nobody_else_the_email(database: &Database) {
        let mut smtp = SmtpServer::start(&["--refuse", "gone@customer.example"]).await;
        let clock = Clock::manual(START);
        let mut config = alerting(database, &clock, Some(smtp.plain()));
        config.alerts.operators = vec!["ops@digivault.example".parse().unwrap()];
        let (server, mut client) = start_with(config).await;
        let receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(400), Answer::Status(400)]);
        let alert_emails = vec!["gone@customer.example".to_owned(), OWNER.to_owned()];
        register(&mut client, v1::Webhook { alert_emails, ..hopeless(receiver.url(), "one") }).await;
        register(&mut client, v1::Webhook { alert_emails: Vec::new(), ..hopeless(receiver.url(), "two") }).await;
        fail(&mut client, "one.x").await;
        let mails = [smtp.next().await, smtp.next().await];
        assert_eq!(mails[0].to, [OWNER]);
        assert_eq!(mails[1].to, ["ops@digivault.example"]);
        assert!(mails.iter().all(|mail| !mail.raw.contains("ops@digivault.example")));
        fail(&mut client, "two.x").await;
        let mail = smtp.next().await;
        assert_eq!(mail.to, ["ops@digivault.example"]);
        assert_eq!(mail.header("to"), "ops@digivault.example", "there is nobody else to address it to");
        server.stop().await.unwrap();
    }

    /// Programs would not learn of failures, or every customer would get other people's; a dead alert would make another one.
    async fn operational_events_reach_those_that_name_them_and_make_no_others(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with(alerting(database, &clock, None)).await;
        let receiver = Receiver::start().await;
        let mut everything = Receiver::start().await;
        let mut operations = Receiver::start().await;
        let mut broken_operations = Receiver::start().await;
        receiver.will_answer([Answer::Status(404)]);
        broken_operations.will_answer((0..9).map(|_| Answer::Status(500)));
        let named = |name: &str, url: String, types: &[&str]| v1::Webhook {
            name: name.to_owned(),
            event_types: types.iter().map(ToString::to_string).collect(),
            ..webhook(url, "standard-webhooks", &[])
        };
        let failing = named("shop", format!("{}?token=hunter2", receiver.url()), &["order.*"]);
        let (failing_id, _) = register(&mut client, failing).await;
        register(&mut client, named("all", everything.url(), &["*"])).await;
        register(&mut client, named("ops", operations.url(), &["hookwright.*"])).await;
        register(&mut client, named("dead ops", broken_operations.url(), &["hookwright.delivery.dead"])).await;

        let event = publish(&mut client, "order.paid", "{}").await;
        let told = operations.next().await.json();
        assert_eq!(told["type"], "hookwright.delivery.dead", "in the envelope of the webhook's profile: {told}");
        let data = &told["data"];
        assert_eq!(data["webhook"]["id"], failing_id);
        assert_eq!(data["webhook"]["name"], "shop");
        assert_eq!(data["webhook"]["url"], receiver.url(), "without the query");
        assert_eq!(data["event"], serde_json::json!({"id": event, "type": "order.paid"}));
        assert_eq!(data["delivery"]["attempts"], 1);
        assert!(data["delivery"]["id"].as_str().unwrap().starts_with("dlv_"));
        assert_eq!(
            data["last_attempt"],
            serde_json::json!({"outcome": "rejected", "http_status": 404, "error": "answered 404 Not Found"})
        );
        assert!(data["time"].as_str().unwrap().starts_with("2027-01-15T08:00:0"), "{data}");

        // The alert that could not be delivered is dead. Whatever it gave rise to would be told before what follows.
        broken_operations.next().await;
        let dead = v1::ListDeliveriesRequest { state: v1::DeliveryState::Dead.into(), ..Default::default() };
        let count = async |client: &mut Client| {
            client.list_deliveries(dead.clone()).await.unwrap().into_inner().deliveries.len()
        };
        crate::harness::until("the alert is dead", async || count(&mut client.clone()).await == 2).await;

        // It works again.
        clock.advance(Duration::from_hours(1));
        publish(&mut client, "order.sent", "{}").await;
        let told = operations.next().await.json();
        assert_eq!((&told["type"], &told["data"]["webhook"]["id"]), (&"hookwright.webhook.recovered".into(), &failing_id.clone().into()));

        // Its owner turns it off and on.
        let state = |state: v1::WebhookState| v1::Webhook { id: failing_id.clone(), state: state.into(), ..Default::default() };
        update(&mut client, state(v1::WebhookState::Disabled), &["state"]).await;
        let told = operations.next().await.json();
        assert_eq!(told["type"], "hookwright.webhook.disabled");
        assert_eq!(told["data"]["reason"], "owner");
        update(&mut client, state(v1::WebhookState::Active), &["state"]).await;
        assert_eq!(operations.next().await.json()["type"], "hookwright.webhook.resumed");

        assert!(broken_operations.rest().is_empty(), "an alert about an alert");
        let types: Vec<serde_json::Value> = everything.rest().iter().map(|request| request.json()["type"].clone()).collect();
        assert_eq!(types, ["order.paid", "order.sent"], "everything is everything that customers publish");

        let request = v1::PublishRequest {
            event_type: "hookwright.delivery.dead".to_owned(),
            payload: "{}".into(),
            ..Default::default()
        };
        let refused = client.publish(request).await.unwrap_err();
        assert_eq!(refused.get_details_error_info().unwrap().reason, "RESERVED_EVENT_TYPE");
        server.stop().await.unwrap();
    }

    /// Alerts would go to somebody's typing error, or a header of ours could be written by a customer.
    async fn addresses_are_checked_when_they_are_set_and_returned(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with(alerting(database, &clock, None)).await;
        let of = |alert_emails: &[&str]| v1::Webhook {
            alert_emails: alert_emails.iter().map(ToString::to_string).collect(),
            ..webhook("http://127.0.0.1:9/".to_owned(), "digivault", &[])
        };
        let eleven = ["a@example.com"; 11];
        for (emails, reason) in [
            (&["a@example.com\r\nBcc: b@example.com"][..], "INVALID_EMAIL"),
            (&["a@example.com", "Ops <ops@example.com>"], "INVALID_EMAIL"),
            (&eleven, "TOO_MANY_VALUES"),
        ] {
            let request = v1::RegisterRequest { webhook: Some(of(emails)), ..Default::default() };
            let refused = client.register(request).await.unwrap_err();
            assert_eq!(refused.get_details_error_info().unwrap().reason, reason);
        }
        let (id, _) = register(&mut client, of(&["a@example.com"])).await;
        update(&mut client, v1::Webhook { id: id.clone(), ..of(&["b@example.com", "c@example.com"]) }, &["alert_emails"]).await;
        let found = client.get_webhook(v1::GetWebhookRequest { id }).await.unwrap().into_inner().webhook.unwrap();
        assert_eq!(found.alert_emails, ["b@example.com", "c@example.com"]);
        server.stop().await.unwrap();
    }
}
