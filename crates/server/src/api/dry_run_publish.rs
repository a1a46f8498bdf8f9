//! `DryRunPublish`: which webhooks would get an event, and why. Nothing is stored.

use hookwright_proto::v1;

use super::{Caller, Service, clauses, error::ApiError};
use crate::matching::Subject;

/// Webhooks of one answer: with the longest names and values this is about 1 MiB.
const WEBHOOKS_MAX: usize = 1_000;

impl Service {
    pub(super) async fn dry_run_publish(
        &self,
        caller: &Caller,
        request: v1::DryRunPublishRequest,
    ) -> Result<v1::DryRunPublishResponse, ApiError> {
        let request = v1::PublishRequest {
            event_type: request.event_type,
            payload: request.payload,
            validate_payload: request.validate_payload,
            ..v1::PublishRequest::default()
        };
        let event = self.accept_event(caller, request).await?;
        // Read anew: what another node has changed a moment ago is what a publish would see.
        let index = self.directory.reload(caller.tenant).await?;
        let now = self.store.clock().now().unix_seconds();
        let explained = tokio::task::spawn_blocking(move || {
            let subject = Subject::new(&event.event_type, now, &event.payload);
            let live = index.all().iter();
            let (mut matched, others): (Vec<_>, Vec<_>) = live
                .map(|live| clauses::explain(live, &subject, &event.event_type))
                .chain(index.unusable().map(clauses::unusable))
                .partition(|explanation| explanation.matched);
            let matched_count = matched.len();
            matched.extend(others);
            (matched, matched_count)
        });
        let (mut webhooks, matched_count) = explained.await.map_err(|_| ApiError::Broken("a dry run"))?;
        let webhook_count = webhooks.len();
        webhooks.truncate(WEBHOOKS_MAX);
        Ok(v1::DryRunPublishResponse {
            webhooks,
            matched_count: u32::try_from(matched_count).unwrap_or(u32::MAX),
            webhook_count: u32::try_from(webhook_count).unwrap_or(u32::MAX),
        })
    }
}
