//! Registering, changing and deleting webhooks.

use std::time::Duration;

use hookwright_proto::v1;

use crate::harness::{
    Answer, Database, Receiver, deliveries_when, delivery_when, on_both_stores, publish, register, start,
    update, webhook,
};

on_both_stores! {
    /// What a platform configured would not be what it reads back, or what is used.
    async fn a_webhook_reads_back_as_registered_and_only_masked_fields_change(database: &Database) {
        let (server, mut client) = start(database).await;
        let wanted = v1::Webhook {
            name: "orders".to_owned(),
            event_types: vec!["vault.*".to_owned()],
            headers: [("X-Team".to_owned(), "a".to_owned())].into(),
            timeout: Some(Duration::from_millis(2_500).into()),
            ..webhook("https://example.com/hooks".to_owned(), "filedgr", &[Duration::from_secs(1)])
        };
        let (id, secret) = register(&mut client, wanted.clone()).await;
        assert!(secret.starts_with("whsec_"));
        let request = v1::GetWebhookRequest { id: id.clone() };
        let read = client.get_webhook(request.clone()).await.unwrap().into_inner().webhook.unwrap();
        let expected = v1::Webhook {
            id: id.clone(),
            state: v1::WebhookState::Active.into(),
            method: "POST".to_owned(),
            ordering: v1::Ordering::None.into(),
            create_time: read.create_time,
            update_time: read.create_time,
            etag: read.etag.clone(),
            // How it is doing; nobody has set it.
            status: read.status.clone(),
            ..wanted.clone()
        };
        assert_eq!(read, expected);

        let change = v1::Webhook { id: id.clone(), name: "billing".to_owned(), url: "not looked at".to_owned(), ..v1::Webhook::default() };
        let updated = update(&mut client, change, &["name", "timeout"]).await;
        assert_eq!((updated.name.as_str(), updated.url.as_str()), ("billing", wanted.url.as_str()));
        assert_eq!(updated.timeout, None, "a masked field without a value is back at its default");
        assert_eq!(updated.event_types, wanted.event_types);
        let read = client.get_webhook(request).await.unwrap().into_inner().webhook.unwrap();
        assert_eq!(v1::Webhook { status: None, ..read }, updated);
        server.stop().await.unwrap();
    }

    /// A platform could not find all its webhooks.
    async fn webhooks_are_listed_newest_first_page_by_page(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(register(&mut client, webhook("https://example.com/".to_owned(), "generic", &[])).await.0);
        }
        ids.reverse();
        let mut listed = Vec::new();
        let mut request = v1::ListWebhooksRequest { page_size: 2, page_token: String::new() };
        loop {
            let page = client.list_webhooks(request.clone()).await.unwrap().into_inner();
            assert!(page.webhooks.len() <= 2);
            listed.extend(page.webhooks.into_iter().map(|webhook| webhook.id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(listed, ids);
        server.stop().await.unwrap();
    }

    /// A customer that switched a webhook off would still receive events, or lose those of the meantime.
    async fn a_disabled_webhook_gets_nothing_until_it_is_active_again(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let set = |state: v1::WebhookState| v1::Webhook { id: id.clone(), state: state.into(), ..v1::Webhook::default() };
        update(&mut client, set(v1::WebhookState::Disabled), &["state"]).await;
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Held).await;
        assert!(receiver.rest().is_empty());
        update(&mut client, set(v1::WebhookState::Active), &["state"]).await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(receiver.next().await.json()["type"], "user.created");
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A deleted webhook would go on receiving retries, or take its log with it.
    async fn deleting_a_webhook_cancels_its_retries_and_keeps_its_log(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[Duration::from_millis(300)])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        deliveries_when(&mut client, &event, |delivery| delivery.state() == v1::DeliveryState::Scheduled).await;
        client.delete_webhook(v1::DeleteWebhookRequest { id: id.clone(), ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Cancelled).await;
        assert_eq!(found.attempts.len(), 1, "the attempt that was made stays in the log");
        assert!(receiver.rest().is_empty());
        let request = v1::ListDeliveriesRequest { webhook_id: id.clone(), ..v1::ListDeliveriesRequest::default() };
        assert_eq!(client.list_deliveries(request).await.unwrap().into_inner().deliveries.len(), 1);
        let again = client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap_err();
        assert_eq!(again.code(), tonic::Code::NotFound);
        server.stop().await.unwrap();
    }
}
