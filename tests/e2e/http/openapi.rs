//! The document, and the page that shows it.

use serde_json::Value;

use super::client::send;
use crate::{
    command_line::{run, stdout},
    harness::{Database, start},
};

/// Everybody who generates a client from the document would get what the service does not do.
#[tokio::test]
async fn the_document_is_whole_and_the_page_needs_nothing_else() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    let document = send(address, "GET", "/openapi.json", "").await.done();
    assert_eq!(document["openapi"], "3.1.0");
    let printed = run(&["openapi"]);
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&printed)).unwrap(),
        document
    );
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    // Words of the proto files.
    let webhook = &document["components"]["schemas"]["Webhook"]["properties"];
    assert!(
        webhook["url"]["description"]
            .as_str()
            .unwrap()
            .starts_with("Where deliveries are sent.")
    );
    assert_eq!(webhook["createTime"]["readOnly"], true);

    let page = send(address, "GET", "/docs", "").await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!html.contains("//"), "something is fetched from elsewhere");
    for path in ["/docs/reference.css", "/docs/reference.js"] {
        assert!(html.contains(path));
        assert_eq!(send(address, "GET", path, "").await.status, 200);
    }
    server.stop().await.unwrap();
    database.remove().await;
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(reference) = value.as_str().filter(|_| name == "$ref") {
                    found.push(reference.to_owned());
                }
                collect_references(value, found);
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| collect_references(element, found)),
        _ => {}
    }
}
