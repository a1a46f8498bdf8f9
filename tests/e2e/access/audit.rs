//! Who changed what.

use hookwright_proto::v1;

use super::{client, create_key, create_tenant, start};
use crate::harness::{Database, on_both_stores};

on_both_stores! {
    /// Nobody would know who sends a customer's data elsewhere; or the log would tell secrets.
    async fn changes_are_told_with_who_made_them(database: &Database) {
        let (server, first) = start(database).await;
        let mut operator = client(&server, &first).await;
        create_tenant(&mut operator, "shop", v1::Quotas::default()).await;
        let (admin_id, text) = create_key(&mut operator, "shop admin", &[v1::Scope::Admin], "shop").await;
        let mut admin = client(&server, &text).await;
        let registered = admin.register(v1::RegisterRequest {
            webhook: Some(v1::Webhook {
                url: String::from("http://127.0.0.1:9/one"),
                profile: String::from("generic"),
                headers: [(String::from("x-token"), String::from("header-value"))].into(),
                ..v1::Webhook::default()
            }),
            secret: String::from("secret-of-the-webhook-0123456789"),
            ..v1::RegisterRequest::default()
        });
        let id = registered.await.unwrap().into_inner().webhook.unwrap().id;
        let update = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook {
                id: id.clone(),
                url: String::from("http://127.0.0.1:9/two"),
                headers: [(String::from("x-token"), String::from("another-value"))].into(),
                name: String::new(),
                ..v1::Webhook::default()
            }),
            update_mask: Some(pbjson_types::FieldMask {
                paths: ["url", "headers", "name"].map(String::from).to_vec(),
            }),
        };
        admin.update_webhook(update).await.unwrap();
        admin.pause_webhook(v1::PauseWebhookRequest { id: id.clone() }).await.unwrap();
        admin.pause_webhook(v1::PauseWebhookRequest { id: id.clone() }).await.unwrap();
        let rotate = v1::RotateSecretRequest {
            id: id.clone(),
            secret: String::from("another-secret-0123456789012345"),
            overlap: None,
        };
        admin.rotate_secret(rotate).await.unwrap();
        admin.delete_webhook(v1::DeleteWebhookRequest { id: id.clone(), ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        let (key_id, _) = create_key(&mut admin, "short lived", &[v1::Scope::Read], "").await;
        let revoke = v1::RevokeKeyRequest { id: key_id.clone(), tenant: String::new() };
        admin.revoke_key(revoke).await.unwrap();

        let list = |resource: &str| v1::ListAuditEntriesRequest {
            resource: resource.to_owned(),
            page_size: 2,
            ..v1::ListAuditEntriesRequest::default()
        };
        let mut told = Vec::new();
        let mut request = list(&id);
        loop {
            let page = admin.list_audit_entries(request.clone()).await.unwrap().into_inner();
            told.extend(page.entries);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        told.reverse();
        let actions: Vec<(&str, String)> =
            told.iter().map(|entry| (entry.action.as_str(), entry.fields.join(","))).collect();
        let wanted = [
            ("Register", ""),
            ("UpdateWebhook", "headers,url"),
            ("PauseWebhook", "stop"),
            ("RotateSecret", ""),
            ("DeleteWebhook", ""),
        ];
        assert_eq!(actions, wanted.map(|(action, fields)| (action, fields.to_owned())));
        for entry in &told {
            assert_eq!((entry.actor.as_str(), &entry.key_id), ("shop admin", &admin_id));
            assert!(entry.peer.starts_with("127.0.0.1:"), "{entry:?}");
        }
        let everything = format!("{told:?}");
        for secret in ["header-value", "another-value", "secret-of", "another-secret", "hwk_"] {
            assert!(!everything.contains(secret), "{secret}");
        }
        let of_key = admin.list_audit_entries(list(&key_id)).await.unwrap().into_inner().entries;
        assert_eq!(of_key.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["RevokeKey", "CreateKey"]);

        // Tenants are the operator's business.
        assert_eq!(admin.list_audit_entries(list("shop")).await.unwrap().into_inner().entries, []);
        let of_tenant = operator.list_audit_entries(list("shop")).await.unwrap().into_inner().entries;
        assert_eq!(of_tenant.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["CreateTenant"]);
        server.stop().await.unwrap();
    }
}
