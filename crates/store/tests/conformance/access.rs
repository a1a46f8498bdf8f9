//! Keys, tenants with quotas, and the audit log.

use std::time::Duration;

use hookwright_store::{
    AccessCursor, Actor, Key, KeyCreation, KeyText, NewKey, PageSize, Quotas, Registration, Retention, Scope,
    Scopes, Store, TenantDeletion, TenantId,
};

use crate::harness::{DAY, Harness, secret, settings};

conformance! {
    both:
    a_key_is_read_as_it_was_made,
    a_revoked_key_is_told_to_whoever_reads_what_changed,
    a_tenant_sees_its_own_keys_only,
    no_more_webhooks_are_registered_than_a_tenant_may_have,
    a_deleted_tenant_leaves_nothing_that_opens_a_door,
    changes_of_different_quotas_at_the_same_time_are_both_kept,
    events_are_counted_up_to_a_limit,
    every_change_is_in_the_log_of_its_tenant,
    the_log_of_changes_goes_with_the_log,
}

fn new_key(name: &str, scopes: Scopes) -> NewKey {
    NewKey {
        name: name.to_owned(),
        scopes,
        profile: None,
        expires_at: None,
    }
}

async fn create(store: &Store, tenant: TenantId, new: NewKey) -> (Key, KeyText) {
    match store.create_key(tenant, new).await.unwrap() {
        KeyCreation::Created { key, text } => (*key, text),
        refused => panic!("{refused:?}"),
    }
}

async fn a_key_is_read_as_it_was_made(harness: Harness) {
    // Somebody could do more than was meant, or could not come in at all.
    let store = harness.open().await;
    assert!(!store.has_live_key().await.unwrap());
    let new = NewKey {
        name: String::from("billing"),
        scopes: Scopes::NONE.and(Scope::Publish).and(Scope::Operator),
        profile: Some(String::from("filedgr")),
        expires_at: Some(harness.clock.now().plus(Duration::from_mins(1))),
    };
    let (key, text) = create(&store, TenantId::DEFAULT, new).await;
    assert!(store.has_live_key().await.unwrap());
    let changes = store.access_changes(AccessCursor::default()).await.unwrap();
    let [(read, hash)] = &changes.keys[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(*read, key);
    assert!(hash.is(&text.hash()));
    assert_eq!(text.id(), key.id);

    let (later, earlier) = (
        harness.clock.now().plus(Duration::from_secs(5)),
        harness.clock.now(),
    );
    store.note_keys_used(&[(key.id, later)]).await.unwrap();
    // Another node may be late with what it knows.
    store.note_keys_used(&[(key.id, earlier)]).await.unwrap();
    let page = store
        .keys(TenantId::DEFAULT, None, PageSize::DEFAULT)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].last_used_at, Some(later));
    harness.clock.advance(Duration::from_mins(1));
    assert!(!store.has_live_key().await.unwrap());
}

async fn a_revoked_key_is_told_to_whoever_reads_what_changed(harness: Harness) {
    // Another node would let a thief in until it is restarted.
    let store = harness.open().await;
    let (key, _) = create(&store, TenantId::DEFAULT, new_key("a", Scopes::ALL)).await;
    let known = store
        .access_changes(AccessCursor::default())
        .await
        .unwrap()
        .cursor;
    assert!(store.access_changes(known).await.unwrap().keys.is_empty());
    let revoked = store
        .revoke_key(TenantId::DEFAULT, key.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(revoked.revoked_at, Some(harness.clock.now()));
    let changes = store.access_changes(known).await.unwrap();
    assert_eq!(
        changes.keys.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        [&revoked]
    );

    // Long after, the row goes; what is made then is told all the same.
    harness.clock.advance(DAY * 31);
    store.maintain(Retention::default()).await.unwrap();
    let page = store
        .keys(TenantId::DEFAULT, None, PageSize::DEFAULT)
        .await
        .unwrap();
    assert_eq!(page.rows, []);
    let (next, _) = create(&store, TenantId::DEFAULT, new_key("b", Scopes::ALL)).await;
    let changes = store.access_changes(changes.cursor).await.unwrap();
    assert_eq!(
        changes.keys.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        [&next]
    );
}

async fn a_tenant_sees_its_own_keys_only(harness: Harness) {
    // A customer could lock another one out.
    let store = harness.open().await;
    let tenant = |name: &'static str| {
        let store = store.clone();
        async move {
            store
                .create_tenant(name, Quotas::default())
                .await
                .unwrap()
                .unwrap()
                .id
        }
    };
    let (shop, other) = (tenant("shop").await, tenant("other").await);
    let (key, _) = create(&store, shop, new_key("a", Scopes::ALL)).await;
    assert_eq!(store.keys(other, None, PageSize::DEFAULT).await.unwrap().rows, []);
    assert_eq!(store.revoke_key(other, key.id).await.unwrap(), None);
    assert_eq!(
        store.keys(shop, None, PageSize::DEFAULT).await.unwrap().rows,
        std::slice::from_ref(&key)
    );
    let entries = store
        .audit_entries(other, None, None, PageSize::DEFAULT)
        .await
        .unwrap();
    assert_eq!(entries.rows, []);
}

async fn no_more_webhooks_are_registered_than_a_tenant_may_have(harness: Harness) {
    // A tenant could fill the memory of all nodes.
    let store = harness.open().await;
    let (secrets, tenant) = ([secret(1)], TenantId::DEFAULT);
    let register = || store.register_webhook(tenant, settings(1), &secrets, None, Some(2));
    // At once, as callers come.
    let (one, two, three) = tokio::join!(register(), register(), register());
    let made = [one, two, three].map(Result::unwrap);
    let is_registered = |made: &Registration| matches!(made, Registration::Registered(_));
    assert_eq!(made.iter().filter(|made| is_registered(made)).count(), 2);
    let webhooks = store.tenant_webhooks(tenant).await.unwrap().webhooks;
    assert_eq!(webhooks.len(), 2);
    assert!(
        store
            .delete_webhook(tenant, webhooks[0].webhook.id)
            .await
            .unwrap()
    );
    assert!(is_registered(&register().await.unwrap()));
}

async fn a_deleted_tenant_leaves_nothing_that_opens_a_door(harness: Harness) {
    // A customer that is gone could go on, or a new one would see what the old one had.
    let store = harness.open().await;
    let tenant = store
        .create_tenant("shop", Quotas::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.create_tenant("shop", Quotas::default()).await.unwrap(),
        None
    );
    let (key, _) = create(&store, tenant.id, new_key("a", Scopes::ALL)).await;
    let webhook = store
        .insert_webhook(tenant.id, settings(1), &[secret(1)])
        .await
        .unwrap();
    assert_eq!(
        store.delete_tenant(&tenant).await.unwrap(),
        TenantDeletion::NotEmpty
    );
    let known = store
        .access_changes(AccessCursor::default())
        .await
        .unwrap()
        .cursor;

    store.delete_webhook(tenant.id, webhook.id).await.unwrap();
    assert_eq!(
        store.delete_tenant(&tenant).await.unwrap(),
        TenantDeletion::Deleted
    );
    assert_eq!(
        store.delete_tenant(&tenant).await.unwrap(),
        TenantDeletion::NotFound
    );
    assert_eq!(store.tenant_named("shop").await.unwrap(), None);
    let changes = store.access_changes(known).await.unwrap();
    assert!(
        changes
            .keys
            .iter()
            .any(|(told, _)| told.id == key.id && told.revoked_at.is_some())
    );
    assert!(
        changes
            .tenants
            .iter()
            .any(|told| told.id == tenant.id && told.is_deleted)
    );
    let refused = store
        .create_key(tenant.id, new_key("b", Scopes::ALL))
        .await
        .unwrap();
    assert!(matches!(refused, KeyCreation::NoTenant));

    let again = store
        .create_tenant("shop", Quotas::default())
        .await
        .unwrap()
        .unwrap();
    assert_ne!(again.id, tenant.id);
    let names: Vec<String> = store
        .tenants(None, PageSize::DEFAULT)
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|tenant| tenant.name)
        .collect();
    assert_eq!(names, ["default", "shop"]);
}

async fn changes_of_different_quotas_at_the_same_time_are_both_kept(harness: Harness) {
    // Two operators who raise two limits would undo each other's change, and both be told that it was done.
    let process = harness.process().await;
    let stores = [process.store.clone(), harness.other_view(&process).await];
    let tenant = stores[0]
        .create_tenant("shop", Quotas::default())
        .await
        .unwrap()
        .unwrap();
    for round in 1..=20 {
        let mut changes = tokio::task::JoinSet::new();
        for (number, store) in stores.iter().cycle().take(4).enumerate() {
            let (store, tenant) = (store.clone(), tenant.clone());
            changes.spawn(async move {
                let change = |quotas: &mut Quotas| match number {
                    0 => quotas.publish_per_second = Some(round),
                    1 => quotas.payload_bytes = Some(round),
                    2 => quotas.webhooks = Some(round),
                    _ => quotas.events = Some(round.into()),
                };
                store
                    .change_quotas(&tenant, change, Vec::new())
                    .await
                    .unwrap()
                    .unwrap()
            });
        }
        changes.join_all().await;
        let all = Quotas {
            publish_per_second: Some(round),
            payload_bytes: Some(round),
            webhooks: Some(round),
            events: Some(round.into()),
        };
        assert_eq!(stores[0].tenant_named("shop").await.unwrap().unwrap().quotas, all);
    }
}

async fn events_are_counted_up_to_a_limit(harness: Harness) {
    // A tenant could fill the disk; or counting would cost as much as the log is long.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for _ in 0..3 {
        process.publish_one(&tenant).await;
    }
    let count = |limit| process.store.count_events(tenant.id, limit);
    assert_eq!((count(10).await.unwrap(), count(2).await.unwrap()), (3, 2));
    let other = process.tenant("other", 1).await;
    assert_eq!(process.store.count_events(other.id, 10).await.unwrap(), 0);
}

async fn every_change_is_in_the_log_of_its_tenant(harness: Harness) {
    // Nobody would know who sends a customer's data elsewhere.
    let store = harness.open().await;
    let (admin, _) = create(&store, TenantId::DEFAULT, new_key("ops", Scopes::ALL)).await;
    let actor = |action| Actor {
        key: Some(admin.id),
        name: "ops".into(),
        peer: Some(String::from("192.0.2.1:5000")),
        action,
    };
    let tenant = store
        .create_tenant("shop", Quotas::default())
        .await
        .unwrap()
        .unwrap();
    let webhook = store
        .acting_as(actor("Register"))
        .insert_webhook(tenant.id, settings(1), &[secret(1)])
        .await
        .unwrap();
    store
        .acting_as(actor("UpdateWebhook"))
        .change_webhook(tenant.id, webhook.id, |settings| {
            settings.name = String::from("another");
            settings.url = String::from("https://example.com/another");
            true
        })
        .await
        .unwrap();
    // Changes nothing, and says so.
    store
        .acting_as(actor("PauseWebhook"))
        .change_webhook(tenant.id, webhook.id, |_| false)
        .await
        .unwrap();
    store
        .acting_as(actor("RotateSecret"))
        .rotate_secret(tenant.id, webhook.id, &secret(2), Duration::ZERO)
        .await
        .unwrap();
    store
        .acting_as(actor("DeleteWebhook"))
        .delete_webhook(tenant.id, webhook.id)
        .await
        .unwrap();

    let id = webhook.id.to_string();
    let mut entries = store
        .audit_entries(tenant.id, Some(&id), None, PageSize::DEFAULT)
        .await
        .unwrap()
        .rows;
    entries.reverse();
    let told: Vec<(&str, &[String])> = entries
        .iter()
        .map(|entry| (entry.action.as_str(), &entry.fields[..]))
        .collect();
    let changed = [String::from("name"), String::from("url")];
    assert_eq!(
        told,
        [
            ("Register", &[] as &[String]),
            ("UpdateWebhook", &changed),
            ("RotateSecret", &[]),
            ("DeleteWebhook", &[]),
        ]
    );
    for entry in &entries {
        assert_eq!((entry.key, entry.actor.as_str()), (Some(admin.id), "ops"));
        assert_eq!(entry.peer.as_deref(), Some("192.0.2.1:5000"));
        assert_eq!(entry.tenant, tenant.id);
    }
    let (one, rest) = (PageSize::requested(1).unwrap(), PageSize::DEFAULT);
    let first = store.audit_entries(tenant.id, None, None, one).await.unwrap();
    let others = store
        .audit_entries(tenant.id, None, first.next, rest)
        .await
        .unwrap();
    assert_eq!((first.rows.len(), others.rows.len(), others.next), (1, 3, None));
}

async fn the_log_of_changes_goes_with_the_log(harness: Harness) {
    // It would grow for ever.
    let store = harness.open().await;
    create(&store, TenantId::DEFAULT, new_key("a", Scopes::ALL)).await;
    harness.clock.advance(DAY * 31);
    store.create_tenant("shop", Quotas::default()).await.unwrap();
    store.maintain(Retention::default()).await.unwrap();
    let entries = store
        .audit_entries(TenantId::DEFAULT, None, None, PageSize::DEFAULT)
        .await
        .unwrap();
    assert_eq!(
        entries
            .rows
            .iter()
            .map(|entry| &entry.resource)
            .collect::<Vec<_>>(),
        ["shop"]
    );
}
