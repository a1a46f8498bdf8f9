//! Every route, as every method: with things of another tenant, and with a key of every scope. A route is not what its
//! method is until it has been tried: ids come from paths there, keys from headers, and answers have other shapes.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Map, Value, json};

use super::{
    client, create_key,
    matrix::{Belongings, requests, settle},
    scopes::{SCOPES, promised},
    start,
};
use crate::{
    harness::{Database, Receiver, on_both_stores},
    http::client::{Answer, send, send_with},
};

/// A way to call an RPC.
struct Route {
    verb: String,
    path: String,
    rpc: String,
    /// The field that is the body; `None` without a body, empty when the whole request is.
    body: Option<&'static str>,
}

/// All that the document has.
async fn routes(address: SocketAddr) -> Vec<Route> {
    let document = send(address, "GET", "/openapi.json", "").await.done();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let (_, rpc) = operation["description"]
                .as_str()
                .unwrap()
                .rsplit_once("The RPC `")
                .unwrap();
            let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            let body = schema.map(|schema| match schema.as_str().unwrap().rsplit('/').next() {
                Some("Webhook") => "webhook",
                Some("Tenant") => "tenant",
                _ => "",
            });
            routes.push(Route {
                verb: verb.to_uppercase(),
                path: path.clone(),
                rpc: rpc.trim_end_matches("`.").to_owned(),
                body,
            });
        }
    }
    routes
}

impl Route {
    /// Where a request is sent, and its body. `None` when it is not for this route, which wants an id of it.
    fn written(&self, request: Value) -> Option<(String, String)> {
        let Value::Object(mut fields) = request else {
            panic!("{request} is no message")
        };
        if self.verb == "PUT" {
            // It replaces everything.
            fields.remove("updateMask");
        }
        let mut target = String::new();
        let mut rest = self.path.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            target += before;
            target += &taken(&mut fields, name)?;
            rest = after;
        }
        target += rest;
        let body = match self.body {
            None => None,
            Some("") => Some(Value::Object(std::mem::take(&mut fields))),
            Some(field) => Some(fields.remove(field).unwrap_or_else(|| json!({}))),
        };
        let query: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        Some((target, body.map(|body| body.to_string()).unwrap_or_default()))
    }

    async fn ask(&self, address: SocketAddr, key: &str, request: Value) -> Option<Answer> {
        let (target, body) = self.written(request)?;
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        Some(send_with(address, &self.verb, &target, &headers, &body).await)
    }
}

/// The id that a path wants, out of a request: at the top, or in what it is about.
fn taken(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    let name = name.rsplit('.').next().unwrap();
    let value = match fields.remove(name) {
        Some(value) => value,
        None => fields
            .values_mut()
            .find_map(|inner| inner.as_object_mut()?.remove(name))?,
    };
    Some(value.as_str().unwrap().to_owned())
}

/// What only HTTP has another form for: documents are JSON there, and not bytes.
fn in_json(rpc: &str, request: Value) -> Value {
    match rpc {
        "ImportEventTypes" => json!({ "document": [{ "name": "own.type" }] }),
        _ => request,
    }
}

/// The answer with the ids that were asked for left out.
fn told(answer: &Answer, of: &Belongings) -> (u16, String) {
    let mut text = String::from_utf8(answer.body.to_vec()).unwrap();
    for own in of.all() {
        text = text.replace(own, "…");
    }
    (answer.status.as_u16(), text)
}

on_both_stores! {
    /// A customer could see or change over HTTP what another customer has.
    async fn what_belongs_to_another_tenant_is_on_no_route(database: &Database) {
        let (server, first) = start(database).await;
        let address = server.local_addr();
        let receiver = Receiver::start().await;
        let alpha = settle(&server, &first, "alpha", &receiver).await;
        let beta = settle(&server, &first, "beta", &receiver).await;
        let nobody = Belongings::of_nobody();
        let mut refused = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for route in routes(address).await {
            let rpc = route.rpc.as_str();
            let place = format!("{} {}", route.verb, route.path);
            for (theirs, nobodys) in requests(rpc, &alpha).into_iter().zip(requests(rpc, &nobody)) {
                let Some(of_another) = route.ask(address, &beta.key, in_json(rpc, theirs.clone())).await else {
                    continue;
                };
                let of_nobody = route.ask(address, &beta.key, in_json(rpc, nobodys)).await.unwrap();
                asked.insert(place.clone());
                for own in alpha.all() {
                    let is_echo = !of_another.status.is_success();
                    let body = String::from_utf8_lossy(&of_another.body);
                    assert!(is_echo || !body.contains(own), "{place} {theirs} tells of {own}: {body}");
                }
                let (of_another, of_nobody) = (told(&of_another, &alpha), told(&of_nobody, &nobody));
                assert_eq!(of_another.0, of_nobody.0, "{place} {theirs}: {of_another:?} {of_nobody:?}");
                if of_another.0 >= 300 {
                    assert_eq!(of_another, of_nobody, "{place} {theirs}");
                    let wanted = if rpc.contains("Tenant") { 403 } else { 404 };
                    assert_eq!(of_another.0, wanted, "{place} {theirs}: {of_another:?}");
                    refused.insert(place.clone());
                }
            }
            assert!(asked.contains(&place), "{place} was not asked at all");
        }
        // Each that has the id of something in its path, but for the log: it outlives its webhook, so an id without a log is one
        // with an empty log.
        let is_log = |place: &str| place.ends_with("/deliveries") || place.ends_with("/logs");
        for place in asked.iter().filter(|place| place.contains('{') && !is_log(place)) {
            assert!(refused.contains(place), "{place} was not refused at all");
        }
        assert!(refused.contains("POST /v1/verify") && refused.contains("POST /v1/replays"));
        let kept = routes(address).await.into_iter().find(|route| route.rpc == "GetWebhook").unwrap();
        let kept = kept.ask(address, &alpha.key, json!({ "id": alpha.webhook })).await.unwrap().done();
        assert_eq!((&kept["name"], &kept["url"]), (&json!(""), &json!(receiver.url())));
        server.stop().await.unwrap();
    }

    /// A key for publishing could do by HTTP what it must not by gRPC.
    async fn a_key_permits_on_routes_what_it_permits_elsewhere(database: &Database) {
        let (server, first) = start(database).await;
        let address = server.local_addr();
        let mut operator = client(&server, &first).await;
        let promised = promised();
        let nobody = Belongings::of_nobody();
        for (name, scope) in SCOPES {
            let (_, key) = create_key(&mut operator, name, &[scope], "").await;
            for route in routes(address).await {
                let mut asked = requests(&route.rpc, &nobody).into_iter();
                let request = asked.find(|request| route.written(request.clone()).is_some()).unwrap();
                let answer = route.ask(address, &key, in_json(&route.rpc, request)).await.unwrap();
                let is_refused = answer.status == 403;
                let is_promised = promised[&route.rpc].iter().any(|promised| promised == name);
                assert_eq!(is_refused, !is_promised, "{name}: {} {}: {answer:?}", route.verb, route.path);
                if is_refused {
                    assert_eq!(answer.reason(403), "SCOPE_MISSING");
                }
            }
        }
        server.stop().await.unwrap();
    }
}
