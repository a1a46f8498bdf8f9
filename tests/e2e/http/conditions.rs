//! Changes that depend on what was read: `ETag`, `If-Match`, `If-None-Match`, and what `PUT` and `PATCH` mean.

use serde_json::Value;

use super::client::{register, send, send_with};
use crate::harness::{Database, on_both_stores, start};

const URL: &str = "http://127.0.0.1:9/hooks";

on_both_stores! {
    /// Two people who edit a webhook at the same time would undo each other's changes without knowing.
    async fn a_webhook_is_changed_if_it_is_what_was_read(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let path = format!("/v1/webhooks/{}", register(address, URL).await);
        let read = send(address, "GET", &path, "").await;
        let etag = read.header("etag").to_owned();
        let known = send_with(address, "GET", &path, &[("if-none-match", &etag)], "").await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));

        let rename = async |etag: &str, name: &str| {
            let body = serde_json::json!({ "name": name }).to_string();
            send_with(address, "PATCH", &path, &[("if-match", etag)], &body).await
        };
        let (one, two) = tokio::join!(rename(&etag, "one"), rename(&etag, "two"));
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(lost.reason(412), "ETAG_MISMATCH");
        let newer = won.header("etag").to_owned();
        assert_ne!(newer, etag);
        let read = send_with(address, "GET", &path, &[("if-none-match", &etag)], "").await;
        assert_eq!(read.done()["name"], won.json()["name"]);

        let delete = async |etag: &str| send_with(address, "DELETE", &path, &[("if-match", etag)], "").await;
        assert_eq!(delete(&etag).await.reason(412), "ETAG_MISMATCH");
        assert_eq!(delete("\"of another service\"").await.reason(412), "ETAG_MISMATCH");
        assert_eq!(delete("\"a\", \"b\"").await.reason(400), "INVALID_FIELD");
        assert_eq!(delete(&newer).await.status, 204);
        assert_eq!(delete(&newer).await.reason(404), "WEBHOOK_NOT_FOUND");
        server.stop().await.unwrap();
    }

    /// A field that was left out would stay, or one that was not meant would go.
    async fn put_replaces_and_patch_changes(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let path = format!("/v1/webhooks/{}", register(address, URL).await);
        let patched = send(address, "PATCH", &path, r#"{"name": "Accounting", "maxInFlight": 3}"#).await.done();
        assert_eq!((&patched["name"], &patched["url"]), (&"Accounting".into(), &URL.into()));
        let masked = format!("{path}?updateMask=event_types");
        let patched = send(address, "PATCH", &masked, r#"{"eventTypes": ["a.*"], "name": "x"}"#).await.done();
        assert_eq!((&patched["name"], &patched["eventTypes"][0]), (&"Accounting".into(), &"a.*".into()));
        let cleared = send(address, "PATCH", &path, r#"{"name": null}"#).await.done();
        assert_eq!((&cleared["name"], &cleared["maxInFlight"]), (&"".into(), &3.into()));

        // What was read can be sent back.
        let mut read = send(address, "GET", &path, "").await.done();
        let etag = read["etag"].clone();
        read["name"] = "Shipping".into();
        let replaced = send(address, "PUT", &path, &read.to_string()).await.done();
        assert_eq!(replaced["name"], "Shipping");
        // Once: it is another version now.
        assert_eq!(send(address, "PUT", &path, &read.to_string()).await.reason(412), "ETAG_MISMATCH");
        assert_ne!(replaced["etag"], etag);
        let bare = send(address, "PUT", &path, &serde_json::json!({ "url": URL }).to_string()).await.done();
        assert_eq!((&bare["name"], &bare["maxInFlight"], &bare["eventTypes"]), (&"".into(), &0.into(), &Value::Array(vec![])));

        let reason = async |method: &str, body: &str| send(address, method, &path, body).await.reason(400);
        assert_eq!(reason("PATCH", "{}").await, "EMPTY_UPDATE_MASK");
        assert_eq!(reason("PATCH", r#"{"profile": "filedgr"}"#).await, "INVALID_UPDATE_MASK");
        assert_eq!(reason("PUT", "{}").await, "MISSING_FIELD");
        assert_eq!(reason("PATCH", r#"{"id": "whk_other", "name": "x"}"#).await, "CONFLICTING_FIELDS");
        server.stop().await.unwrap();
    }
}
