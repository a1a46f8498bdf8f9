//! Tenants and webhooks: what is written is read, and every change has a version.

use std::{collections::HashSet, time::Duration};

use hookwright_store::{
    DisabledReason, Removal, Rotated, SigningWebhook, Stop, StopCause, TenantId, WebhookSettings,
};

use crate::harness::{Harness, secret, settings};

conformance! {
    both:
    every_rotation_is_another_version,
    a_webhook_is_read_as_it_was_written,
    every_change_has_a_version_of_its_own,
    what_has_changed_since_a_version_is_read_and_nothing_else,
    a_tenant_has_one_id_for_ever,
    a_tenant_sees_its_own_webhooks_only,
}

async fn a_webhook_is_read_as_it_was_written(harness: Harness) {
    // Deliveries would go elsewhere or be signed with other secrets after a restart.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 0).await.id;
    let secrets = [secret(3), secret(1), secret(2)];
    let written = process
        .store
        .insert_webhook(tenant, settings(1), &secrets)
        .await
        .unwrap();
    assert_eq!(
        (written.created_at, written.updated_at),
        (harness.clock.now(), harness.clock.now())
    );

    harness.clock.advance(std::time::Duration::from_micros(1_001));
    let changed = WebhookSettings {
        stop: Some(Stop {
            cause: StopCause::Disabled(DisabledReason::Gone),
            since: harness.clock.now(),
        }),
        ..settings(2)
    };
    let updated = process
        .store
        .update_webhook(tenant, written.id, &changed)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (updated.created_at, updated.updated_at),
        (written.created_at, harness.clock.now())
    );
    assert_eq!(updated.settings, changed);

    let process = harness.crash(process).await;
    assert_eq!(
        process.store.webhook(tenant, written.id).await.unwrap(),
        Some(updated.clone())
    );
    let live = process.store.tenant_webhooks(tenant).await.unwrap();
    assert_eq!(live.webhooks.len(), 1);
    assert_eq!(live.webhooks[0].webhook, updated);
    let exposed = |secrets: &[hookwright_core::Secret]| {
        secrets
            .iter()
            .map(|secret| secret.expose().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        exposed(&live.webhooks[0].secrets),
        exposed(&secrets),
        "the newest secret comes first"
    );

    assert!(process.store.delete_webhook(tenant, written.id).await.unwrap());
    assert!(!process.store.delete_webhook(tenant, written.id).await.unwrap());
    assert_eq!(process.store.webhook(tenant, written.id).await.unwrap(), None);
    assert_eq!(
        process
            .store
            .update_webhook(tenant, written.id, &changed)
            .await
            .unwrap(),
        None
    );
    assert!(
        process
            .store
            .tenant_webhooks(tenant)
            .await
            .unwrap()
            .webhooks
            .is_empty()
    );
}

async fn every_change_has_a_version_of_its_own(harness: Harness) {
    // A node that asks what changed would miss a webhook and never deliver to it.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    let tenants = [process.tenant("a", 0).await.id, process.tenant("b", 0).await.id];
    let mut seen = HashSet::new();
    let mut last = 0;
    let mut ids = Vec::new();
    for round in 0..12 {
        let tenant = tenants[round % 2];
        let store = if round % 3 == 0 { &other } else { &process.store };
        match round % 4 {
            0 | 1 => ids.push(
                store
                    .insert_webhook(tenant, settings(round), &[])
                    .await
                    .unwrap()
                    .id,
            ),
            2 => assert!(
                store
                    .update_webhook(tenant, ids[ids.len() - 2], &settings(round))
                    .await
                    .unwrap()
                    .is_some()
            ),
            _ => assert!(store.delete_webhook(tenant, ids[ids.len() - 1]).await.unwrap()),
        }
        let changed = process.store.tenants_changed_since(last).await.unwrap();
        let version = process.store.tenant_webhooks(tenant).await.unwrap().version;
        assert!(changed.contains(&(tenant, version)), "{changed:?}");
        assert!(version > last && seen.insert(version));
        last = changed.iter().map(|(_, version)| *version).max().unwrap();
        assert!(
            process
                .store
                .tenants_changed_since(last)
                .await
                .unwrap()
                .is_empty()
        );
    }
    // What changes nothing has no version.
    assert!(!process.store.delete_webhook(tenants[0], ids[1]).await.unwrap());
    assert!(
        process
            .store
            .tenants_changed_since(last)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_has_changed_since_a_version_is_read_and_nothing_else(harness: Harness) {
    // A node would go on with old settings and secrets, or deliver to a webhook that was deleted.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    let tenant = process.tenant("shop", 0).await.id;
    let elsewhere = process.tenant("elsewhere", 0).await.id;
    let register = async |number: u8| {
        let registered = other
            .insert_webhook(tenant, settings(number.into()), &[secret(number)])
            .await;
        registered.unwrap().id
    };
    let (first, second) = (register(1).await, register(2).await);
    let read = async |since| {
        let read = process.store.tenant_webhooks_since(tenant, since).await.unwrap();
        let of = |webhook: &SigningWebhook| (webhook.webhook.id, webhook.secrets.len());
        let webhooks: Vec<_> = read.webhooks.iter().map(of).collect();
        (webhooks, read.count, read.version)
    };
    let (all, count, start) = read(-1).await;
    assert_eq!((all, count), (vec![(first, 1), (second, 1)], 2));
    assert_eq!(read(start).await, (vec![], 2, start));

    other
        .update_webhook(tenant, first, &settings(3))
        .await
        .unwrap()
        .unwrap();
    let (changed, count, updated) = read(start).await;
    assert_eq!((changed, count), (vec![(first, 1)], 2));
    let overlap = Duration::from_mins(1);
    other
        .rotate_secret(tenant, second, &secret(4), overlap)
        .await
        .unwrap();
    let (changed, _, rotated) = read(updated).await;
    assert_eq!(changed, [(second, 2)]);
    assert_eq!(read(start).await.0, [(first, 1), (second, 2)]);

    // Only their number tells that one has gone, also when another one has come.
    assert!(other.delete_webhook(tenant, first).await.unwrap());
    let (changed, count, deleted) = read(rotated).await;
    assert_eq!((changed, count), (vec![], 1));
    let third = register(5).await;
    assert_eq!(read(rotated).await.0, [(third, 1)]);
    let (changed, count, registered) = read(deleted).await;
    assert_eq!((changed, count), (vec![(third, 1)], 2));

    other.insert_webhook(elsewhere, settings(6), &[]).await.unwrap();
    assert_eq!(read(registered).await, (vec![], 2, registered));
}

async fn a_tenant_has_one_id_for_ever(harness: Harness) {
    // A tenant's events would be split between two tenants of one name.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    assert_eq!(process.store.tenant("default").await.unwrap(), TenantId::DEFAULT);
    let mut ids = HashSet::new();
    for number in 0..10 {
        let name = format!("tenant {number}");
        let (a, b, c) = tokio::join!(
            process.store.tenant(&name),
            other.tenant(&name),
            process.store.tenant(&name)
        );
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        assert!(a == b && b == c && a != TenantId::DEFAULT);
        assert!(ids.insert(a));
    }
    drop(other);
    let process = harness.crash(process).await;
    assert!(ids.contains(&process.store.tenant("tenant 7").await.unwrap()));
}

async fn a_tenant_sees_its_own_webhooks_only(harness: Harness) {
    // A tenant could read, change or delete the webhooks of another.
    let process = harness.process().await;
    let (a, b) = (process.tenant("a", 1).await, process.tenant("b", 1).await);
    let of_a = a.webhooks[0];
    assert_ne!(a.webhooks, b.webhooks);
    assert_eq!(process.store.webhook(b.id, of_a).await.unwrap(), None);
    assert_eq!(
        process
            .store
            .update_webhook(b.id, of_a, &settings(5))
            .await
            .unwrap(),
        None
    );
    assert!(!process.store.delete_webhook(b.id, of_a).await.unwrap());
    assert!(process.store.webhook(a.id, of_a).await.unwrap().is_some());
}

async fn every_rotation_is_another_version(harness: Harness) {
    // Who has read the webhook before the rotation would change it with an etag that is still good.
    let store = harness.open().await;
    let tenant = TenantId::DEFAULT;
    let webhook = store
        .insert_webhook(tenant, settings(1), &[secret(1)])
        .await
        .unwrap();
    // The clock stands still, and is behind what was noted.
    let mut version = webhook.updated_at;
    for number in 2..=4 {
        let rotated = store
            .rotate_secret(tenant, webhook.id, &secret(number), Duration::ZERO)
            .await;
        let Rotated::Done { webhook: rotated, .. } = rotated.unwrap() else {
            panic!("{number}");
        };
        assert!(rotated.updated_at > version);
        version = rotated.updated_at;
        assert_eq!(store.webhook(tenant, webhook.id).await.unwrap(), Some(*rotated));
    }
    let removal = store
        .delete_webhook_version(tenant, webhook.id, Some(webhook.updated_at))
        .await;
    assert_eq!(removal.unwrap(), Removal::Changed);
}
