//! Versions of a webhook: who changes or deletes what it has read does not undo what it has not.

use hookwright_store::{Removal, Store, Timestamp};

use crate::harness::{Harness, Tenant};

conformance!(both: a_version_is_changed_once, a_version_is_deleted_if_it_is_the_last);

/// Renames the webhook if it was last changed at `version`.
async fn rename(store: &Store, tenant: &Tenant, version: Timestamp, name: &str) {
    store
        .change_webhook_version(tenant.id, tenant.webhooks[0], |settings, current| {
            let is_same = current == version;
            if is_same {
                name.clone_into(&mut settings.name);
            }
            is_same
        })
        .await
        .unwrap()
        .unwrap();
}

async fn a_version_is_changed_once(harness: Harness) {
    // Two people who edit the same webhook at the same time would overwrite each other. The clock stands still, so it
    // cannot be what tells the versions apart.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    let tenant = process.tenant("shop", 1).await;
    let id = tenant.webhooks[0];
    let mut versions = Vec::new();
    for round in 0..10 {
        let read = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
        versions.push(read.updated_at);
        let (one, two) = (format!("one {round}"), format!("two {round}"));
        tokio::join!(
            rename(&process.store, &tenant, read.updated_at, &one),
            rename(&other, &tenant, read.updated_at, &two)
        );
        let changed = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
        assert!([one, two].contains(&changed.settings.name), "{changed:?}");
        // What was read before is no version any more.
        rename(&process.store, &tenant, read.updated_at, "late").await;
        let after = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
        assert_eq!(after, changed);
    }
    assert!(
        versions.is_sorted_by(|earlier, later| earlier < later),
        "{versions:?}"
    );
}

async fn a_version_is_deleted_if_it_is_the_last(harness: Harness) {
    // Who deletes a webhook that somebody has just repaired would delete something else than it has seen.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = tenant.webhooks[0];
    let read = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
    rename(&process.store, &tenant, read.updated_at, "repaired").await;
    let delete = async |version| {
        let removal = process.store.delete_webhook_version(tenant.id, id, version).await;
        removal.unwrap()
    };
    assert_eq!(delete(Some(read.updated_at)).await, Removal::Changed);
    let last = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
    assert_eq!(last.settings.name, "repaired");
    assert_eq!(delete(Some(last.updated_at)).await, Removal::Removed);
    assert_eq!(delete(Some(last.updated_at)).await, Removal::NotFound);
    assert_eq!(delete(None).await, Removal::NotFound);
}
