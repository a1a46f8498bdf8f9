//! `ListDeliveries`: newest event first.

use hookwright_proto::v1;
use hookwright_store::{DeliveryFilter, DeliveryId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    page_token,
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn list_deliveries(
        &self,
        caller: &Caller,
        request: v1::ListDeliveriesRequest,
    ) -> Result<v1::ListDeliveriesResponse, ApiError> {
        let mut violations = Violations::default();
        let filter = violations.check(filter(&request.webhook_id, &request.event_id));
        let state = violations.check(state(request.state));
        let size = violations.check(validate::page_size(request.page_size));
        let list = (
            "deliveries",
            &request.webhook_id,
            &request.event_id,
            request.state,
        );
        let after = violations.check(page_token::read(&list, &request.page_token));
        let (Some(filter), Some(state), Some(size), Some(after)) = (filter, state, size, after) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let tenant = caller.tenant;
        let ended_badly = matches!(
            state,
            Some(v1::DeliveryState::Dead | v1::DeliveryState::Cancelled)
        );
        let page = match filter.in_store {
            // There is an index of those, so that nothing that was delivered is looked at.
            DeliveryFilter::All | DeliveryFilter::Webhook(_) if ended_badly => {
                self.store
                    .ended_deliveries(tenant, filter.webhook, after, size)
                    .await?
            }
            in_store => self.store.deliveries(tenant, in_store, after, size).await?,
        };
        let deliveries = page
            .rows
            .into_iter()
            .filter(|delivery| {
                filter
                    .webhook
                    .is_none_or(|webhook| delivery.id.webhook == webhook)
            })
            .map(convert::delivery)
            .filter(|delivery| state.is_none_or(|state| delivery.state() == state))
            .collect();
        Ok(v1::ListDeliveriesResponse {
            deliveries,
            next_page_token: page
                .next
                .map_or_else(String::new, |id: DeliveryId| page_token::write(&list, &id)),
        })
    }
}

/// What the store lists, and what of it is shown.
struct Filter {
    in_store: DeliveryFilter,
    webhook: Option<hookwright_store::WebhookId>,
}

fn filter(webhook: &str, event: &str) -> Result<Filter, Violation> {
    let webhook = (!webhook.is_empty())
        .then(|| validate::id("webhook_id", webhook))
        .transpose()?;
    let event = (!event.is_empty())
        .then(|| validate::id("event_id", event))
        .transpose()?;
    let in_store = match (webhook, event) {
        (None, None) => DeliveryFilter::All,
        (Some(webhook), None) => DeliveryFilter::Webhook(webhook),
        (_, Some(event)) => DeliveryFilter::Event(event),
    };
    Ok(Filter { in_store, webhook })
}

fn state(number: i32) -> Result<Option<v1::DeliveryState>, Violation> {
    match v1::DeliveryState::try_from(number) {
        Ok(v1::DeliveryState::Unspecified) => Ok(None),
        Ok(state) => Ok(Some(state)),
        Err(_) => Err(Violation::new(
            "state",
            Reason::UnknownState,
            format!("no state has the number {number}"),
        )),
    }
}
