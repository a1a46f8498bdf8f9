//! Idempotency keys of registrations: one that is repeated is one webhook.

use std::time::Duration;

use hookwright_core::Secret;
use hookwright_store::{
    PageSize, Quotas, Registration, RegistrationKey, Retention, Rotated, Store, TenantId, Webhook,
    WebhookSettings,
};
use tokio::task::JoinSet;

use crate::harness::{Harness, secret, settings};

conformance! {
    both:
    a_repeated_registration_is_the_same_webhook_with_its_secret,
    a_key_of_another_registration_is_a_mistake,
    repetitions_at_once_are_one_webhook,
    a_repetition_needs_no_room_and_a_refusal_uses_no_key_up,
    a_secret_that_was_rotated_is_not_told_to_who_repeats,
    a_repetition_does_not_bring_a_deleted_webhook_back,
    keys_belong_to_their_tenant_and_end_with_their_time,
}

const DEFAULT: TenantId = TenantId::DEFAULT;

fn key(key: &str, digest: &str) -> RegistrationKey {
    RegistrationKey {
        key: key.to_owned(),
        digest: digest.to_owned(),
    }
}

/// Registers a webhook with a secret of this number.
async fn register(store: &Store, number: u8, key: &RegistrationKey, max: Option<u32>) -> Registration {
    let secrets = [secret(number)];
    store
        .register_webhook(DEFAULT, settings(number.into()), &secrets, Some(key), max)
        .await
        .unwrap()
}

fn registered(registration: Registration) -> Webhook {
    match registration {
        Registration::Registered(webhook) => *webhook,
        other => panic!("{other:?}"),
    }
}

fn repeated(registration: Registration) -> (Webhook, Option<Secret>) {
    match registration {
        Registration::Repeated { webhook, secret } => (*webhook, secret),
        other => panic!("{other:?}"),
    }
}

async fn count(store: &Store) -> usize {
    store
        .webhooks(DEFAULT, None, PageSize::DEFAULT)
        .await
        .unwrap()
        .rows
        .len()
}

async fn a_repeated_registration_is_the_same_webhook_with_its_secret(harness: Harness) {
    // A client whose connection broke would have two webhooks, and its receiver each event twice; or it would have a
    // webhook of which nobody knows the secret.
    let process = harness.process().await;
    let key = key("key", "digest");
    assert!(process.store.registration(DEFAULT, &key).await.unwrap().is_none());
    let webhook = registered(register(&process.store, 1, &key, None).await);

    // Another process answers the same, before it looks at the request and after.
    let process = harness.crash(process).await;
    let looked_up = process.store.registration(DEFAULT, &key).await.unwrap().unwrap();
    let again = register(&process.store, 2, &key, None).await;
    for answer in [looked_up, again] {
        let (same, shown) = repeated(answer);
        assert_eq!(same, webhook);
        assert_eq!(shown.unwrap().expose(), secret(1).expose());
    }
    assert_eq!(count(&process.store).await, 1);

    // As it is now, however it was changed since.
    let renamed = |current: &mut WebhookSettings| {
        current.name = String::from("renamed");
        true
    };
    let renamed = process
        .store
        .change_webhook(DEFAULT, webhook.id, renamed)
        .await
        .unwrap();
    let (same, shown) = repeated(register(&process.store, 2, &key, None).await);
    assert_eq!(Some(same), renamed);
    assert!(shown.is_some());
}

async fn a_key_of_another_registration_is_a_mistake(harness: Harness) {
    // A client that uses a key twice by mistake would believe that its second webhook was registered.
    let store = harness.open().await;
    let webhook = registered(register(&store, 1, &key("key", "one"), None).await);
    let other = key("key", "two");
    let looked_up = store.registration(DEFAULT, &other).await.unwrap().unwrap();
    for refused in [looked_up, register(&store, 2, &other, None).await] {
        assert!(
            matches!(refused, Registration::KeyReused(id) if id == webhook.id),
            "{refused:?}"
        );
    }
    assert_eq!(count(&store).await, 1);
}

async fn repetitions_at_once_are_one_webhook(harness: Harness) {
    // A client that hedges its requests over two nodes would have two webhooks.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    for round in 1..=5 {
        let mut callers = JoinSet::new();
        for (number, store) in (1..=8).zip([&process.store, &other].into_iter().cycle()) {
            let (store, key) = (store.clone(), key(&format!("key {round}"), "digest"));
            callers.spawn(async move { register(&store, number, &key, None).await });
        }
        let answers = callers.join_all().await;
        let is_new = |answer: &&Registration| matches!(answer, Registration::Registered(_));
        assert_eq!(answers.iter().filter(is_new).count(), 1, "{answers:?}");
        let mut ids: Vec<_> = answers
            .into_iter()
            .map(|answer| match answer {
                Registration::Registered(webhook) => webhook.id,
                repetition => repeated(repetition).0.id,
            })
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(count(&process.store).await, round);
    }
}

async fn a_repetition_needs_no_room_and_a_refusal_uses_no_key_up(harness: Harness) {
    // Who fills the quota with the first request would be told that there is no room, and never learn the secret; or who
    // makes room could not register with the key that was refused.
    let store = harness.open().await;
    let first = key("first", "digest");
    let webhook = registered(register(&store, 1, &first, Some(1)).await);
    assert_eq!(repeated(register(&store, 1, &first, Some(1)).await).0, webhook);

    let second = key("second", "digest");
    let refused = register(&store, 2, &second, Some(1)).await;
    assert!(matches!(refused, Registration::TooMany), "{refused:?}");
    assert!(store.registration(DEFAULT, &second).await.unwrap().is_none());
    registered(register(&store, 2, &second, Some(2)).await);
}

async fn a_secret_that_was_rotated_is_not_told_to_who_repeats(harness: Harness) {
    // The new secret is for who rotated it; the old one would be put into a receiver that soon does not accept it.
    let store = harness.open().await;
    let (key, neighbour) = (key("key", "digest"), key("neighbour", "digest"));
    let webhook = registered(register(&store, 1, &key, None).await);
    registered(register(&store, 2, &neighbour, None).await);
    let overlap = Duration::from_hours(1);
    let rotated = store
        .rotate_secret(DEFAULT, webhook.id, &secret(3), overlap)
        .await
        .unwrap();
    assert!(matches!(rotated, Rotated::Done { .. }), "{rotated:?}");
    for _ in 0..2 {
        let (same, shown) = repeated(register(&store, 1, &key, None).await);
        assert_eq!((same.id, shown.is_none()), (webhook.id, true));
        // When the overlap is over, too.
        harness.clock.advance(overlap * 2);
    }
    assert!(repeated(register(&store, 2, &neighbour, None).await).1.is_some());
}

async fn a_repetition_does_not_bring_a_deleted_webhook_back(harness: Harness) {
    // A request that was late would bring back what its sender has deleted meanwhile.
    let store = harness.open().await;
    let first = key("key", "digest");
    let webhook = registered(register(&store, 1, &first, None).await);
    assert!(store.delete_webhook(DEFAULT, webhook.id).await.unwrap());
    for digest in ["digest", "another"] {
        let refused = register(&store, 1, &key("key", digest), None).await;
        assert!(
            matches!(refused, Registration::Deleted(id) if id == webhook.id),
            "{refused:?}"
        );
    }
    assert_eq!(count(&store).await, 0);
}

async fn keys_belong_to_their_tenant_and_end_with_their_time(harness: Harness) {
    // A tenant could find out, or take away, the keys of another; or keys would fill the store.
    let store = harness.open().await;
    let key = key("key", "digest");
    let webhook = registered(register(&store, 1, &key, None).await);
    let tenant = store
        .create_tenant("shop", Quotas::default())
        .await
        .unwrap()
        .unwrap();
    assert!(store.registration(tenant.id, &key).await.unwrap().is_none());
    let other = store
        .register_webhook(tenant.id, settings(1), &[secret(1)], Some(&key), None)
        .await;
    assert_ne!(registered(other.unwrap()).id, webhook.id);

    let retention = Retention::default();
    harness.clock.advance(retention.idempotency_keys);
    store.maintain(retention).await.unwrap();
    assert_eq!(repeated(register(&store, 1, &key, None).await).0.id, webhook.id);
    harness.clock.advance(Duration::from_millis(1));
    store.maintain(retention).await.unwrap();
    assert_ne!(registered(register(&store, 1, &key, None).await).id, webhook.id);
}
