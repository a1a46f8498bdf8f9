//! The management APIs of the guides, from the first command to the last.

use hookwright_proto::v1;
use hookwright_server::Server;
use serde_json::Value;

use super::{
    answers::compare,
    commands::{Answered, Place},
    guide::Guide,
};
use crate::harness::{
    Answer, Client, Database, Receiver, Request, deliveries_when, on_both_stores, publish, start,
};

/// A guide that is followed on a server of its own.
struct Reader {
    guide: Guide,
    place: Place,
    receiver: Receiver,
    client: Client,
    server: Server,
}

impl Reader {
    /// `receiver_host` is where the guide has its reader's endpoint.
    async fn start(database: &Database, profile: &str, receiver_host: &str) -> Self {
        let (server, client) = start(database).await;
        let receiver = Receiver::start().await;
        // Filedgr's guide has a path of its own, which says enough.
        let by_key = Some(profile).filter(|profile| *profile != "filedgr");
        let mut place = Place::new(format!("http://{}", server.local_addr()), by_key);
        place.replace(receiver_host, receiver.url().strip_suffix("/hooks").unwrap());
        Self {
            guide: Guide::read(profile),
            place,
            receiver,
            client,
            server,
        }
    }

    /// Runs the command of a section, and compares what comes back with what the guide prints.
    async fn follow(&self, heading: &str) -> Answered {
        let section = self.guide.section(heading);
        let answered = self.place.run(&section.command).await;
        if let Some(printed) = &section.answer {
            compare(&answered, printed, &self.place);
        }
        answered
    }

    /// Follows a registration; the id of the guide is that of the new webhook from then on.
    async fn register(&mut self, heading: &str, id_field: &str, id: &str) -> String {
        let answered = self.follow(heading).await;
        let made = text(&answered.body[id_field]);
        self.place.replace(id, &made);
        made
    }

    /// Whether a delivery is signed with the secret that the guide has.
    async fn is_signed_for(&mut self, profile: &str, secret: &str, delivery: &Request) -> bool {
        let request = v1::VerifyRequest {
            key: Some(v1::verify_request::Key::ProfileKey(v1::ProfileKey {
                profile: profile.to_owned(),
                secrets: vec![secret.to_owned()],
            })),
            body: delivery.body.clone(),
            headers: delivery.wire_headers(),
            ..v1::VerifyRequest::default()
        };
        self.client.verify(request).await.unwrap().into_inner().valid
    }

    /// A delivery that fails three times and one that succeeds, in this order.
    async fn deliver_two(&mut self, webhook: &str, failing: &str, succeeding: &str) {
        let delay = pbjson_types::Duration::default();
        let list = v1::ListSchedule {
            delays: vec![delay; 2],
        };
        let policy = v1::RetryPolicy {
            schedule: Some(v1::retry_policy::Schedule::List(list)),
            ..v1::RetryPolicy::default()
        };
        let changed = v1::Webhook {
            id: webhook.to_owned(),
            retry_policy: Some(policy),
            ..v1::Webhook::default()
        };
        crate::harness::update(&mut self.client, changed, &["retry_policy"]).await;
        self.receiver.will_answer([500, 500, 500].map(Answer::Status));
        let failed = publish(&mut self.client, failing, "{}").await;
        let is_dead = |delivery: &v1::Delivery| delivery.state() == v1::DeliveryState::Dead;
        deliveries_when(&mut self.client, &failed, is_dead).await;
        let sent = publish(&mut self.client, succeeding, "{}").await;
        let is_delivered = |delivery: &v1::Delivery| delivery.state() == v1::DeliveryState::Delivered;
        deliveries_when(&mut self.client, &sent, is_delivered).await;
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

on_both_stores! {
    /// Filedgr's customers could not manage their webhooks with the commands that they have.
    async fn filedgrs_guide_works_as_printed(database: &Database) {
        let mut reader = Reader::start(database, "filedgr", "https://api.yourcompany.com").await;
        let service = reader.place.service.clone();
        reader.place.replace("https://api.filedgr.io", &service);

        let webhook = reader.register("Creating a webhook", "webhookId", "webhook_abc123").await;
        reader.follow("Listing webhooks").await;
        reader.follow("Updating a webhook").await;
        reader.deliver_two(&webhook, "vault.data_updated", "vault.created").await;
        let delivery = reader.receiver.next().await;
        assert_eq!(delivery.path, "/filedgr-webhook");
        assert!(reader.is_signed_for("filedgr", "your-webhook-secret-key", &delivery).await);
        reader.follow("Delivery log").await;

        assert_eq!(reader.follow("Deleting a webhook").await.status, 204);
        let gone = reader.follow("Deleting a webhook").await;
        assert_eq!((gone.status, &gone.body["reason"]), (404, &Value::from("WEBHOOK_NOT_FOUND")));
        reader.follow("Configuration options").await;
        reader.server.stop().await.unwrap();
    }

    /// Customers of a platform with the generic guide could neither register, nor test, nor see what arrived.
    async fn the_generic_guide_works_as_printed(database: &Database) {
        let mut reader = Reader::start(database, "generic", "https://yourapp.com").await;
        let service = reader.place.service.clone();
        reader.place.replace("https://api.example.com", &service);

        let webhook = reader.register("Creating a webhook", "id", "hook_123").await;
        reader.place.replace(":id", &webhook);
        reader.follow("Sending a test").await;
        let delivery = reader.receiver.next().await;
        assert!(reader.is_signed_for("generic", "whsec_abc123...", &delivery).await);

        // A log of its own, without the test, and events for nobody else.
        let request = v1::DeleteWebhookRequest { id: webhook, ..v1::DeleteWebhookRequest::default() };
        reader.client.delete_webhook(request).await.unwrap();
        let webhook = reader.register("Creating a webhook", "id", "hook_123").await;
        reader.place.replace(":id", &webhook);
        reader.deliver_two(&webhook, "user.updated", "user.created").await;
        reader.follow("Delivery log").await;
        reader.server.stop().await.unwrap();
    }

    /// ContractAI's clients wait for an id and a status, and DigiVault's and AetherFlow's owners fill in what their dashboards ask.
    async fn a_guide_without_commands_can_be_followed_too(database: &Database) {
        let mut reader = Reader::start(database, "contractai", "https://yourapp.com").await;
        reader.register("Registering a webhook", "id", "webhook_123").await;
        publish(&mut reader.client, "agent.created", r#"{"agent": {"id": "agent_1"}}"#).await;
        let delivery = reader.receiver.next().await;
        assert_eq!(delivery.path, "/contractai");
        assert!(reader.is_signed_for("contractai", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", &delivery).await);
        reader.server.stop().await.unwrap();

        let mut reader = Reader::start(database, "aetherflow", "https://your-endpoint.com").await;
        reader.register("Registering a webhook", "id", "webhook_123").await;
        for workflow in ["wf_other", "wf_abc123"] {
            let data = format!(r#"{{"workflow": {{"id": "{workflow}"}}}}"#);
            publish(&mut reader.client, "workflow.failed", &data).await;
        }
        let delivery = reader.receiver.next().await;
        assert_eq!(delivery.json()["data"]["workflow"]["id"], "wf_abc123", "the filter holds");
        assert!(reader.is_signed_for("aetherflow", "a-secret-of-the-client", &delivery).await);
        reader.server.stop().await.unwrap();

        let mut reader = Reader::start(database, "digivault", "https://yourapp.com").await;
        let answered = {
            let section = reader.guide.section("Registering a webhook");
            reader.place.run(&section.command).await
        };
        let secret = text(&answered.body["secret"]);
        reader.place.replace("whsec_made_up", &secret);
        compare(&answered, reader.guide.section("Registering a webhook").answer.as_ref().unwrap(), &reader.place);
        reader.place.replace(":id", &text(&answered.body["id"]));
        let tested = reader.follow("Sending a test").await;
        let delivery = reader.receiver.next().await;
        assert_eq!(delivery.json()["id"], tested.body["event_id"], "the log has the id that the receiver got");
        assert!(reader.is_signed_for("digivault", &secret, &delivery).await);
        reader.server.stop().await.unwrap();
    }
}

/// A command that is added to a guide would not be run by anything.
#[test]
fn every_section_of_a_guide_is_followed() {
    let expected: [(&str, &[&str]); 5] = [
        (
            "filedgr",
            &[
                "Creating a webhook",
                "Configuration options",
                "Listing webhooks",
                "Updating a webhook",
                "Delivery log",
                "Deleting a webhook",
                "Trying the endpoint by hand",
            ],
        ),
        (
            "generic",
            &[
                "Creating a webhook",
                "Sending a test",
                "Delivery log",
                "Trying the endpoint by hand",
            ],
        ),
        ("contractai", &["Registering a webhook"]),
        ("digivault", &["Registering a webhook", "Sending a test"]),
        (
            "aetherflow",
            &["Registering a webhook", "Trying the endpoint by hand"],
        ),
    ];
    for (name, headings) in expected {
        assert_eq!(Guide::read(name).headings(), headings, "{name}");
    }
}
