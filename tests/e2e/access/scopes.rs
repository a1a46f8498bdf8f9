//! Every method with a key of every scope.

use std::collections::BTreeMap;

use hookwright_proto::v1;
use serde_json::json;
use tonic::Code;

use super::{call, channel, client, create_key, reason, start};
use crate::harness::{Database, on_both_stores};

pub(super) const SCOPES: [(&str, v1::Scope); 5] = [
    ("admin", v1::Scope::Admin),
    ("publish", v1::Scope::Publish),
    ("read", v1::Scope::Read),
    ("verify", v1::Scope::Verify),
    ("operator", v1::Scope::Operator),
];

/// What docs/access.md promises: method, and the scopes that permit it.
pub(super) fn promised() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../../docs/access.md");
    let (_, table) = text.split_once("| scope | methods |").unwrap();
    let mut promised: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let scopes = cells[1]
            .split(", ")
            .map(|scope| scope.trim_matches('`').to_owned());
        let scopes: Vec<String> = scopes.collect();
        for method in cells[2].split(", ") {
            let before = promised.insert(method.trim_matches('`').to_owned(), scopes.clone());
            assert_eq!(before, None, "{method} is promised twice");
        }
    }
    promised
}

on_both_stores! {
    /// A key for publishing could read everything, or delete it; or a new method would be open to every key.
    async fn a_key_permits_what_is_promised_and_nothing_else(database: &Database) {
        let (server, first) = start(database).await;
        let mut operator = client(&server, &first).await;
        let channel = channel(&server).await;
        let promised = promised();
        let methods = call::methods();
        for method in &methods {
            assert!(promised.contains_key(method.name()), "docs/access.md says nothing of {}", method.name());
        }
        assert_eq!(promised.len(), methods.len(), "docs/access.md tells of methods that there are not");
        for (name, scope) in SCOPES {
            let (_, text) = create_key(&mut operator, name, &[scope], "").await;
            for method in &methods {
                let answer = call::call(&channel, method, &text, json!({})).await;
                let is_refused = matches!(&answer, Err(status) if status.code() == Code::PermissionDenied);
                let is_promised = promised[method.name()].iter().any(|promised| promised == name);
                assert_eq!(is_refused, !is_promised, "{name}: {}: {answer:?}", method.name());
                if let Err(status) = answer && is_refused {
                    assert_eq!(reason(&status), "SCOPE_MISSING");
                }
            }
        }
        server.stop().await.unwrap();
    }

    /// Whoever administers a tenant could make a key to administer all of them.
    async fn nobody_makes_a_key_that_permits_more(database: &Database) {
        let (server, first) = start(database).await;
        let mut operator = client(&server, &first).await;
        let (_, admin) = create_key(&mut operator, "admin", &[v1::Scope::Admin], "").await;
        let mut admin = client(&server, &admin).await;
        let more = super::key("more", &[v1::Scope::Admin, v1::Scope::Operator], "");
        let refused = admin.create_key(more).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
        create_key(&mut admin, "less", &[v1::Scope::Publish], "").await;
        server.stop().await.unwrap();
    }
}
