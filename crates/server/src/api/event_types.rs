//! `ListEventTypes`, `ImportEventTypes` and `DeleteEventType`: the catalogue.

use hookwright_proto::v1;
use hookwright_store::{EventType, ImportOutcome};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    page_token,
    validate::{self, Violations},
};
use crate::catalogue::{EVENT_TYPES_MAX, Import, Refusal};

/// What tells a token of this list from others.
const LIST: &str = "event_types";
/// Beyond this payloads are checked on a thread of their own, so that other publishes do not wait.
const INLINE_BYTES_MAX: usize = 16 * 1_024;

impl Service {
    pub(super) async fn list_event_types(
        &self,
        caller: &Caller,
        request: v1::ListEventTypesRequest,
    ) -> Result<v1::ListEventTypesResponse, ApiError> {
        let mut violations = Violations::default();
        let size = violations.check(validate::page_size(request.page_size));
        let after = violations.check(page_token::read_text(
            &LIST,
            &request.page_token,
            validate::is_event_type,
        ));
        let (Some(size), Some(after)) = (size, after) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let page = self
            .store
            .event_types(caller.tenant, after.as_deref(), size)
            .await?;
        Ok(v1::ListEventTypesResponse {
            event_types: page.rows.into_iter().map(event_type).collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |name| page_token::write_text(&LIST, &name)),
        })
    }

    pub(super) async fn import_event_types(
        &self,
        caller: &Caller,
        request: v1::ImportEventTypesRequest,
    ) -> Result<v1::ImportEventTypesResponse, ApiError> {
        use v1::import_event_types_request::Source;
        let pointer = request.schema_pointer;
        let import = match request.source {
            None => {
                return Err(Violation::new(
                    "source",
                    Reason::MissingField,
                    "name a profile, or send a document",
                )
                .into());
            }
            Some(Source::Profile(name)) => {
                let profile = validate::profile("profile", &name, self.directory.registry())?;
                Import::Profile(profile)
            }
            Some(Source::Document(document)) => Import::Document { document, pointer },
        };
        // Compiling a thousand schemas takes a while.
        let event_types = tokio::task::spawn_blocking(move || import.event_types())
            .await
            .map_err(|_| ApiError::Broken("an import"))?
            .map_err(|refused| Violation::new(refused.field, Reason::InvalidEventTypes, refused.problem))?;
        for event_type in &event_types {
            validate::event_type("source", event_type.name.clone()).map_err(|violation| Violation {
                description: format!("{:?}: {}", event_type.name, violation.description),
                ..violation
            })?;
        }
        let outcome = self
            .store
            .import_event_types(caller.tenant, &event_types, EVENT_TYPES_MAX)
            .await?;
        let names = event_types.into_iter().map(|event_type| event_type.name);
        match outcome {
            ImportOutcome::Imported { created, updated } => Ok(v1::ImportEventTypesResponse {
                created_count: u32::try_from(created).unwrap_or(u32::MAX),
                updated_count: u32::try_from(updated).unwrap_or(u32::MAX),
                names: names.collect(),
            }),
            ImportOutcome::TooMany => Err(Violation::new(
                "source",
                Reason::TooManyValues,
                format!(
                    "the catalogue would have more than {EVENT_TYPES_MAX} event types; delete some first"
                ),
            )
            .into()),
        }
    }

    pub(super) async fn delete_event_type(
        &self,
        caller: &Caller,
        request: v1::DeleteEventTypeRequest,
    ) -> Result<v1::DeleteEventTypeResponse, ApiError> {
        let name = validate::event_type("name", request.name)?;
        if self.store.delete_event_type(caller.tenant, &name).await? {
            Ok(v1::DeleteEventTypeResponse {})
        } else {
            Err(ApiError::EventTypeNotFound(name))
        }
    }

    /// Whether the catalogue, as it is in the store at this moment, has the type and its schema accepts the payload.
    pub(super) async fn check_against_catalogue(
        &self,
        caller: &Caller,
        event_type: &str,
        payload: &bytes::Bytes,
    ) -> Result<(), ApiError> {
        let catalogue = self.catalogues.current(caller.tenant).await?;
        let verdict = if payload.len() <= INLINE_BYTES_MAX {
            catalogue.check(event_type, payload)
        } else {
            let (event_type, payload) = (event_type.to_owned(), payload.clone());
            tokio::task::spawn_blocking(move || catalogue.check(&event_type, &payload))
                .await
                .map_err(|_| ApiError::Broken("a validation"))?
        };
        verdict.map_err(|refusal| match refusal {
            Refusal::UnknownType { problem } => {
                Violation::new("event_type", Reason::UnknownEventType, problem).into()
            }
            Refusal::TooLarge { problem } => {
                Violation::new("payload", Reason::PayloadTooLarge, problem).into()
            }
            Refusal::Invalid(faults) => {
                let faults = faults.into_iter();
                let violation = |fault: crate::catalogue::Fault| {
                    Violation::new(
                        format!("payload{}", fault.place),
                        Reason::PayloadNotOfSchema,
                        format!("{} (schema: {})", fault.problem, fault.schema_place),
                    )
                };
                ApiError::Invalid(faults.map(violation).collect())
            }
            Refusal::UnusableSchema { problem } => {
                tracing::error!(event_type, problem, "a stored schema cannot be used");
                ApiError::Broken("a validation")
            }
        })
    }
}

fn event_type(event_type: EventType) -> v1::EventType {
    v1::EventType {
        name: event_type.name,
        description: event_type.description,
        schema: event_type.schema.unwrap_or_default(),
        sample: event_type.sample.unwrap_or_default(),
        update_time: Some(convert::timestamp(event_type.updated_at)),
    }
}
