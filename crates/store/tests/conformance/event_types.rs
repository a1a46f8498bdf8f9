//! The event catalogue: what is imported is listed, and every change has a version.

use hookwright_store::{EventType, ImportOutcome, Page, PageSize, TenantId, Timestamp};

use crate::harness::Harness;

conformance! {
    both:
    event_types_are_read_as_they_were_imported,
    an_import_is_stored_as_a_whole_or_not_at_all,
    the_version_of_a_catalogue_changes_when_it_does,
    event_types_are_listed_by_name_page_by_page,
    imports_at_the_same_time_do_not_exceed_the_limit,
}

fn event_type(name: &str) -> EventType {
    EventType {
        name: name.to_owned(),
        description: format!("about {name}"),
        schema: Some(String::from("{ \"type\":\"object\" }")),
        sample: None,
        updated_at: Timestamp::from_unix_micros(0),
    }
}

async fn event_types_are_read_as_they_were_imported(harness: Harness) {
    // A payload would be checked against another schema than the one that was imported.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 0).await.id;
    let first = [event_type("a.b"), event_type("a")];
    let outcome = process
        .store
        .import_event_types(tenant, &first, 10)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        ImportOutcome::Imported {
            created: 2,
            updated: 0
        }
    );

    harness.clock.advance(std::time::Duration::from_micros(1_001));
    let second = [
        EventType {
            schema: None,
            sample: Some(String::from("[1]")),
            ..event_type("a.b")
        },
        event_type("c"),
    ];
    let outcome = process
        .store
        .import_event_types(tenant, &second, 10)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        ImportOutcome::Imported {
            created: 1,
            updated: 1
        }
    );

    // A crash takes time.
    let now = harness.clock.now();
    let process = harness.crash(process).await;
    let read = process.store.catalogue(tenant).await.unwrap().event_types;
    let stamped = |event_type: &EventType, updated_at| EventType {
        updated_at,
        ..event_type.clone()
    };
    let earlier = now.minus(std::time::Duration::from_micros(1_001));
    assert_eq!(
        read,
        [
            stamped(&first[1], earlier),
            stamped(&second[0], now),
            stamped(&second[1], now)
        ]
    );
    let other = process.store.catalogue(TenantId::DEFAULT).await.unwrap();
    assert_eq!(other.event_types, [], "a tenant sees its own event types only");
    assert!(process.store.delete_event_type(tenant, "a").await.unwrap());
    assert!(!process.store.delete_event_type(tenant, "a").await.unwrap());
    assert!(
        !process
            .store
            .delete_event_type(TenantId::DEFAULT, "c")
            .await
            .unwrap()
    );
    assert_eq!(
        process.store.catalogue(tenant).await.unwrap().event_types.len(),
        2
    );
}

async fn an_import_is_stored_as_a_whole_or_not_at_all(harness: Harness) {
    // Half a catalogue would refuse events that it should accept.
    let process = harness.process().await;
    let tenant = TenantId::DEFAULT;
    let two = [event_type("a"), event_type("b")];
    process.store.import_event_types(tenant, &two, 2).await.unwrap();
    let before = process.store.catalogue(tenant).await.unwrap();
    let more = [
        EventType {
            description: String::from("changed"),
            ..event_type("a")
        },
        event_type("c"),
    ];
    let outcome = process.store.import_event_types(tenant, &more, 2).await.unwrap();
    assert_eq!(outcome, ImportOutcome::TooMany);
    assert_eq!(process.store.catalogue(tenant).await.unwrap(), before);
    let outcome = process.store.import_event_types(tenant, &two, 2).await.unwrap();
    assert_eq!(
        outcome,
        ImportOutcome::Imported {
            created: 0,
            updated: 2
        }
    );
}

async fn the_version_of_a_catalogue_changes_when_it_does(harness: Harness) {
    // Another node would go on with the schemas that it knows.
    let process = harness.process().await;
    let tenant = TenantId::DEFAULT;
    let mut versions = vec![process.store.catalogue_version(tenant).await.unwrap()];
    process
        .store
        .import_event_types(tenant, &[event_type("a")], 2)
        .await
        .unwrap();
    versions.push(process.store.catalogue_version(tenant).await.unwrap());
    process.store.delete_event_type(tenant, "a").await.unwrap();
    versions.push(process.store.catalogue(tenant).await.unwrap().version);
    assert!(
        versions.is_sorted_by(|earlier, later| earlier < later),
        "{versions:?}"
    );
    process.store.delete_event_type(tenant, "a").await.unwrap();
    assert_eq!(
        process.store.catalogue_version(tenant).await.unwrap(),
        versions[2],
        "nothing changed"
    );
    let shop = process.tenant("shop", 0).await.id;
    assert_eq!(process.store.catalogue_version(shop).await.unwrap(), 0);
}

async fn event_types_are_listed_by_name_page_by_page(harness: Harness) {
    // Some would be listed twice, or never.
    let process = harness.process().await;
    let tenant = TenantId::DEFAULT;
    let names = ["A", "a", "a-b", "a.b", "a.c", "a_b", "b"];
    let imported: Vec<_> = names.iter().rev().map(|name| event_type(name)).collect();
    process
        .store
        .import_event_types(tenant, &imported, 100)
        .await
        .unwrap();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let size = PageSize::requested(2).unwrap();
        let Page { rows, next } = process
            .store
            .event_types(tenant, after.as_deref(), size)
            .await
            .unwrap();
        listed.extend(rows.into_iter().map(|row| row.name));
        match next {
            Some(name) => after = Some(name),
            None => break,
        }
    }
    assert_eq!(listed, names);
}

async fn imports_at_the_same_time_do_not_exceed_the_limit(harness: Harness) {
    // The catalogue that every validated publish compiles would grow without bound.
    let process = harness.process().await;
    let tenant = TenantId::DEFAULT;
    let imports: Vec<_> = (0..8)
        .map(|number| {
            let store = process.store.clone();
            let new = event_type(&format!("type.{number}"));
            tokio::spawn(async move { store.import_event_types(tenant, &[new], 5).await.unwrap() })
        })
        .collect();
    let mut imported = 0;
    for import in imports {
        if import.await.unwrap() != ImportOutcome::TooMany {
            imported += 1;
        }
    }
    assert_eq!(imported, 5);
    let catalogue = process.store.catalogue(tenant).await.unwrap();
    assert_eq!((catalogue.event_types.len(), catalogue.version), (5, 5));
}
