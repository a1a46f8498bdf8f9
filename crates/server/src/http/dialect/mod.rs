//! Webhooks and deliveries over HTTP in the words of a platform: `webhookId`, `deliveryStatus`, `success`.
//!
//! ```text
//!   request ─► which dialect? ─► its words as ours ─► route, transcode, call ─► our words as its ─► answer
//! ```
//!
//! [`Asked`] is that road: what the transcoder asks at each of its steps. Which words a platform has is data: the table `[api]` of its profile. What follows here only knows where this service
//! has what such a word stands for. Routes without webhooks and deliveries have one form for everybody.

mod answer;
mod asked;
mod choice;
mod json;
mod path;
mod request;
mod retries;
mod values;

use std::sync::Arc;

use hookwright_core::profile::{Api, Profile};
use hookwright_proto::v1;
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::Value;

use self::request::{Purpose, Request};
pub(super) use self::{asked::Asked, choice::Dialects};
use super::{fault::Fault, json::Members};

/// The words of one profile.
#[derive(Debug)]
struct Dialect {
    profile: Arc<Profile>,
    api: Api,
}

/// A request in this service's words.
#[derive(Debug, PartialEq, Eq)]
struct Native {
    /// JSON.
    body: String,
    /// What is in the query beside what the client has there.
    query: Option<String>,
}

impl Dialect {
    /// A request of this RPC in this service's words; `None` when there is nothing to be changed.
    fn request(&self, rpc: &str, body: &str) -> Result<Option<Native>, Vec<Fault>> {
        match rpc {
            "Register" => self.register(body).map(Some),
            "UpdateWebhook" => self.update(body).map(Some),
            // The words of the platforms have no body here. Who sends one asks for something of this service's own.
            "SendTest" if body.trim().is_empty() => Ok(Some(self.test())),
            _ => Ok(None),
        }
    }

    /// The answer of this RPC to a request with this path and body, in the platform's words; `None` when they have none.
    fn answer(&self, rpc: &str, answer: &DynamicMessage, path: &[String], body: &str) -> Option<String> {
        let bytes = answer.encode_to_vec();
        let webhook = |webhook: Option<v1::Webhook>| Some(answer::webhook(&self.api, &webhook?, None));
        let json = match rpc {
            "Register" => {
                let response = v1::RegisterResponse::decode(&*bytes).ok()?;
                Some(answer::registered(&self.api, &response, !self.has_secret(body)))
            }
            "GetWebhook" => webhook(v1::GetWebhookResponse::decode(&*bytes).ok()?.webhook),
            "UpdateWebhook" => webhook(v1::UpdateWebhookResponse::decode(&*bytes).ok()?.webhook),
            "PauseWebhook" => webhook(v1::PauseWebhookResponse::decode(&*bytes).ok()?.webhook),
            "ResumeWebhook" => webhook(v1::ResumeWebhookResponse::decode(&*bytes).ok()?.webhook),
            "ListWebhooks" => {
                let page = v1::ListWebhooksResponse::decode(&*bytes).ok()?;
                Some(answer::webhooks(&self.api, &page))
            }
            "ListDeliveries" => {
                let page = v1::ListDeliveriesResponse::decode(&*bytes).ok()?;
                let webhook = path.first().map_or("", String::as_str);
                Some(answer::deliveries(&self.profile, &self.api, &page, webhook))
            }
            "SendTest" => {
                let delivery = v1::SendTestResponse::decode(&*bytes).ok()?.delivery?;
                Some(answer::delivery(&self.profile, &self.api, &delivery))
            }
            _ => None,
        };
        // Texts, numbers and lists of them: nothing that could not be written.
        serde_json::to_string(&json?).ok()
    }

    fn register(&self, body: &str) -> Result<Native, Vec<Fault>> {
        let mut request = self.read(body, Purpose::Register)?;
        request.webhook.profile.clone_from(&self.profile.name);
        let request = v1::RegisterRequest {
            webhook: Some(request.webhook),
            secret: request.secret,
            ..v1::RegisterRequest::default()
        };
        Ok(Native {
            body: written(&request),
            query: None,
        })
    }

    /// What is not mentioned stays as it is, with `PUT` too: so the platforms' documents use it.
    fn update(&self, body: &str) -> Result<Native, Vec<Fault>> {
        let request = self.read(body, Purpose::Update)?;
        Ok(Native {
            body: written(&request.webhook),
            query: Some(format!("updateMask={}", path::mask(&request.paths))),
        })
    }

    fn test(&self) -> Native {
        let request = v1::SendTestRequest {
            wait: Some(self.api.test_wait.into()),
            ..v1::SendTestRequest::default()
        };
        Native {
            body: written(&request),
            query: None,
        }
    }

    /// Whether a registration brings its secret.
    fn has_secret(&self, body: &str) -> bool {
        self.read(body, Purpose::Register)
            .is_ok_and(|request| !request.secret.is_empty())
    }

    fn read(&self, body: &str, purpose: Purpose) -> Result<Request, Vec<Fault>> {
        request::read(&self.api, &members(body)?, purpose)
    }
}

/// The members of a body, each name once.
fn members(body: &str) -> Result<Vec<(String, Value)>, Vec<Fault>> {
    let malformed = |error: serde_json::Error| vec![Fault::new("", "MALFORMED_JSON", error.to_string())];
    let Members(members) =
        serde_json::from_str(if body.trim().is_empty() { "{}" } else { body }).map_err(malformed)?;
    let mut read: Vec<(String, Value)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        if read.iter().any(|(known, _)| *known == name) {
            return Err(vec![Fault::new(&name, "DUPLICATE_FIELD", "it is there twice")]);
        }
        read.push((name, serde_json::from_str(value.get()).map_err(malformed)?));
    }
    Ok(read)
}

/// Messages of ours have nothing that JSON could not say.
fn written(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests;
