//! What the answers have promised, and whether the service keeps to it: what was refused has left nothing behind, and
//! what was acknowledged is there.

use std::collections::BTreeSet;

use hookwright_proto::v1::{self, publish_stream_response::Result as Answered};
use prost_reflect::DynamicMessage;

use crate::harness::Client;

const PAGE: i32 = 200;

#[derive(Default)]
pub(super) struct Ledger {
    webhooks: BTreeSet<String>,
    events: BTreeSet<String>,
    event_types: BTreeSet<String>,
}

impl Ledger {
    pub(super) fn note(&mut self, method: &str, request: &DynamicMessage, answer: &DynamicMessage) {
        match method {
            "Register" => {
                let answer: v1::RegisterResponse = answer.transcode_to().unwrap();
                assert!(
                    self.webhooks.insert(answer.webhook.unwrap().id),
                    "an id was given twice"
                );
            }
            "DeleteWebhook" => {
                let request: v1::DeleteWebhookRequest = request.transcode_to().unwrap();
                assert!(
                    self.webhooks.remove(&request.id),
                    "what was not there was deleted"
                );
            }
            "Publish" => {
                let answer: v1::PublishResponse = answer.transcode_to().unwrap();
                assert_eq!(self.events.insert(answer.event_id), !answer.duplicate);
            }
            "PublishStream" => {
                let answer: v1::PublishStreamResponse = answer.transcode_to().unwrap();
                if let Answered::Published(answer) = answer.result.unwrap() {
                    assert_eq!(self.events.insert(answer.event_id), !answer.duplicate);
                }
            }
            "SendTest" => {
                let answer: v1::SendTestResponse = answer.transcode_to().unwrap();
                self.events.insert(answer.delivery.unwrap().event_id);
            }
            "ImportEventTypes" => {
                let answer: v1::ImportEventTypesResponse = answer.transcode_to().unwrap();
                self.event_types.extend(answer.names);
            }
            "DeleteEventType" => {
                let request: v1::DeleteEventTypeRequest = request.transcode_to().unwrap();
                assert!(
                    self.event_types.remove(&request.name),
                    "what was not there was deleted"
                );
            }
            _ => {}
        }
    }

    /// Compares with what the service shows.
    pub(super) async fn settle(&self, client: &mut Client) {
        assert_eq!(webhooks(client).await, self.webhooks);
        let listed = event_types(client).await;
        assert_eq!(listed, self.event_types);
        for delivery in deliveries(client).await {
            // The service publishes events of its own, when a webhook is disabled say.
            let is_own = delivery.event_type.starts_with("hookwright.");
            assert!(
                is_own || self.events.contains(&delivery.event_id),
                "nobody was told of {delivery:?}"
            );
        }
    }
}

async fn webhooks(client: &mut Client) -> BTreeSet<String> {
    let (mut found, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = v1::ListWebhooksRequest {
            page_size: PAGE,
            page_token,
        };
        let page = client.list_webhooks(request).await.unwrap().into_inner();
        found.extend(page.webhooks.into_iter().map(|webhook| webhook.id));
        if page.next_page_token.is_empty() {
            return found;
        }
        page_token = page.next_page_token;
    }
}

async fn event_types(client: &mut Client) -> BTreeSet<String> {
    let (mut found, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = v1::ListEventTypesRequest {
            page_size: PAGE,
            page_token,
        };
        let page = client.list_event_types(request).await.unwrap().into_inner();
        found.extend(page.event_types.into_iter().map(|event_type| event_type.name));
        if page.next_page_token.is_empty() {
            return found;
        }
        page_token = page.next_page_token;
    }
}

async fn deliveries(client: &mut Client) -> Vec<v1::Delivery> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListDeliveriesRequest {
            page_size: PAGE,
            page_token,
            ..v1::ListDeliveriesRequest::default()
        };
        let page = client.list_deliveries(request).await.unwrap().into_inner();
        found.extend(page.deliveries);
        if page.next_page_token.is_empty() {
            return found;
        }
        page_token = page.next_page_token;
    }
}
