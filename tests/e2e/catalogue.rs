//! The event catalogue: imported, listed, and enforced when a publisher asks for it.

use hookwright_proto::v1::{self, import_event_types_request::Source};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Client, Database, config, on_both_stores, start, start_with};

async fn import(client: &mut Client, source: Source) -> Result<v1::ImportEventTypesResponse, Status> {
    let request = v1::ImportEventTypesRequest {
        source: Some(source),
        schema_pointer: String::new(),
    };
    client
        .import_event_types(request)
        .await
        .map(tonic::Response::into_inner)
}

fn document(text: &str) -> Source {
    Source::Document(text.to_owned().into())
}

async fn validated(client: &mut Client, event_type: &str, payload: &str) -> Result<(), Status> {
    let request = v1::PublishRequest {
        event_type: event_type.to_owned(),
        payload: payload.to_owned().into(),
        validate_payload: true,
        ..v1::PublishRequest::default()
    };
    client.publish(request).await.map(|_| ())
}

/// Reason, field and description of a refusal.
fn told(status: &Status) -> (String, String, String) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_error_details();
    let field = details.bad_request().unwrap().field_violations[0].clone();
    (
        details.error_info().unwrap().reason.clone(),
        field.field,
        field.description,
    )
}

async fn listed(client: &mut Client) -> Vec<v1::EventType> {
    let mut request = v1::ListEventTypesRequest {
        page_size: 3,
        page_token: String::new(),
    };
    let mut found = Vec::new();
    loop {
        let page = client
            .list_event_types(request.clone())
            .await
            .unwrap()
            .into_inner();
        found.extend(page.event_types);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

on_both_stores! {
    /// A platform would send its customers events that its own documentation rules out.
    async fn a_validated_publish_accepts_what_the_catalogue_says_and_nothing_else(database: &Database) {
        let (server, mut client) = start(database).await;
        let reason = told(&validated(&mut client, "vault.created", "{}").await.unwrap_err());
        assert_eq!((reason.0.as_str(), reason.1.as_str()), ("UNKNOWN_EVENT_TYPE", "event_type"));
        let imported = import(&mut client, Source::Profile("filedgr".to_owned())).await.unwrap();
        assert_eq!((imported.created_count, imported.updated_count), (7, 0));

        for event_type in listed(&mut client).await {
            validated(&mut client, &event_type.name, &event_type.sample).await.unwrap();
        }
        let events = |listed: v1::ListDeliveriesResponse| listed.deliveries.len();
        crate::harness::register(&mut client, crate::harness::webhook("http://127.0.0.1:9/".to_owned(), "generic", &[])).await;
        let unknown = told(&validated(&mut client, "vault.exploded", "{}").await.unwrap_err());
        assert_eq!((unknown.0.as_str(), unknown.1.as_str()), ("UNKNOWN_EVENT_TYPE", "event_type"));
        let wrong = r#"{"vaultId":"v","name":5,"templateId":"t","owner":"u","createdAt":"2024-01-15T10:30:00Z"}"#;
        let (reason, field, description) = told(&validated(&mut client, "vault.created", wrong).await.unwrap_err());
        assert_eq!((reason.as_str(), field.as_str()), ("PAYLOAD_NOT_OF_SCHEMA", "payload/name"));
        assert!(description.contains("/properties/name/type"), "{description}");
        let dry = v1::DryRunPublishRequest { event_type: "vault.created".to_owned(), payload: wrong.into(), validate_payload: true };
        assert_eq!(told(&client.dry_run_publish(dry).await.unwrap_err()).0, "PAYLOAD_NOT_OF_SCHEMA");
        let stored = client.list_deliveries(v1::ListDeliveriesRequest::default()).await.unwrap().into_inner();
        assert_eq!(events(stored), 0, "nothing was stored");
        // Nobody is held to a catalogue that they do not ask for.
        crate::harness::publish(&mut client, "vault.created", wrong).await;
        server.stop().await.unwrap();
    }

    /// Half an import would refuse events that should go out.
    async fn an_import_is_taken_as_a_whole_replaces_and_can_be_deleted(database: &Database) {
        let (server, mut client) = start(database).await;
        let two = r#"[{"name":"a.b","description":"first","schema":{"type":"object"},"sample":{"x":1}},{"name":"c"}]"#;
        import(&mut client, document(two)).await.unwrap();
        let mixed = r#"[{"name":"c","description":"second"},{"name":"d","schema":{"type":"nope"}}]"#;
        let (reason, field, _) = told(&import(&mut client, document(mixed)).await.unwrap_err());
        assert_eq!((reason.as_str(), field.as_str()), ("INVALID_EVENT_TYPES", "document[1].schema"));
        let read = listed(&mut client).await;
        let names: Vec<_> = read.iter().map(|found| (found.name.as_str(), found.description.as_str())).collect();
        assert_eq!(names, [("a.b", "first"), ("c", "")]);
        assert_eq!((read[0].schema.as_str(), read[0].sample.as_str()), (r#"{"type":"object"}"#, r#"{"x":1}"#));
        let imported = import(&mut client, document(r#"[{"name":"c","description":"second"},{"name":"e"}]"#)).await.unwrap();
        assert_eq!((imported.created_count, imported.updated_count, imported.names), (1, 1, vec!["c".to_owned(), "e".to_owned()]));
        validated(&mut client, "c", "5").await.unwrap();
        client.delete_event_type(v1::DeleteEventTypeRequest { name: "c".to_owned() }).await.unwrap();
        assert_eq!(told(&validated(&mut client, "c", "5").await.unwrap_err()).0, "UNKNOWN_EVENT_TYPE");
        let gone = client.delete_event_type(v1::DeleteEventTypeRequest { name: "c".to_owned() }).await.unwrap_err();
        assert_eq!((gone.code(), gone.get_error_details().error_info().unwrap().reason.as_str()), (Code::NotFound, "EVENT_TYPE_NOT_FOUND"));
        server.stop().await.unwrap();
    }

    /// A schema could make the service call addresses, or stop it.
    async fn hostile_imports_are_refused_and_nothing_is_stored(database: &Database) {
        let (server, mut client) = start(database).await;
        let doubling: Vec<String> = (0..40).map(|n| format!(r##""l{n}":{{"anyOf":[{{"$ref":"#/$defs/l{0}"}},{{"$ref":"#/$defs/l{0}"}}]}}"##, n + 1)).collect();
        let doubling = format!(r##"{{"$ref":"#/$defs/l0","$defs":{{{},"l40":{{}}}}}}"##, doubling.join(","));
        for schema in [
            r#"{"$ref":"http://127.0.0.1:9/x.json"}"#, r##"{"items":{"$ref":"#"}}"##, r#"{"pattern":"(?=(a+))\\1b"}"#,
            r#"{"pattern":"((x{1000}){1000}){1000}"}"#, r#"{"$schema":"http://127.0.0.1:9/meta"}"#, &doubling,
            &format!(r#"{{"const":"{}"}}"#, "x".repeat(70_000)),
        ] {
            let status = import(&mut client, document(&format!(r#"[{{"name":"a","schema":{schema}}}]"#))).await.unwrap_err();
            let (reason, field, _) = told(&status);
            assert_eq!((reason.as_str(), field.as_str()), ("INVALID_EVENT_TYPES", "document[0].schema"), "{schema}");
        }
        for bad in ["", "[]", "{", "5", r#"{"openapi":"3.0.0"}"#, r#"[{"name":"a"},{"name":"a"}]"#] {
            assert_eq!(told(&import(&mut client, document(bad)).await.unwrap_err()).0, "INVALID_EVENT_TYPES", "{bad}");
        }
        assert_eq!(told(&import(&mut client, document(r#"[{"name":"a b"}]"#)).await.unwrap_err()).0, "INVALID_EVENT_TYPE");
        assert_eq!(told(&import(&mut client, Source::Profile("nope".to_owned())).await.unwrap_err()).0, "UNKNOWN_PROFILE");
        assert_eq!(told(&client.import_event_types(v1::ImportEventTypesRequest::default()).await.unwrap_err()).0, "MISSING_FIELD");
        let many: Vec<String> = (0..1_000).map(|number| format!(r#"{{"name":"t{number}"}}"#)).collect();
        import(&mut client, document(&format!("[{}]", many.join(",")))).await.unwrap();
        assert_eq!(told(&import(&mut client, document(r#"[{"name":"one.more"}]"#)).await.unwrap_err()).0, "TOO_MANY_VALUES");
        assert_eq!(listed(&mut client).await.len(), 1_000);
        server.stop().await.unwrap();
    }
}

/// Two nodes would disagree on what may be published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_imports_the_next_validated_publish_of_another_knows() {
    let database = Database::postgresql().await;
    let (first, mut to_first) = start(&database).await;
    let mut second = config(database.address());
    second.node.name = String::from("second");
    let (second, mut to_second) = start_with(second).await;
    for round in 0..20 {
        let text = format!(r#"[{{"name":"a","schema":{{"const":{round}}}}}]"#);
        import(&mut to_first, document(&text)).await.unwrap();
        validated(&mut to_second, "a", &round.to_string()).await.unwrap();
        let refused = validated(&mut to_second, "a", &(round + 1).to_string())
            .await
            .unwrap_err();
        assert_eq!(told(&refused).0, "PAYLOAD_NOT_OF_SCHEMA");
    }
    second.stop().await.unwrap();
    first.stop().await.unwrap();
    database.remove().await;
}
