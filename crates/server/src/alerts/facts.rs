//! What a notice is about, read from the log when it is told.

use bytes::Bytes;
use hookwright_store::{
    DeliveryId, News, Notice, Outcome, REASON_OWNER, Standing, StandingState, Store, StoreError, Timestamp,
    Webhook,
};
use url::Url;

/// What a notice is about.
#[derive(Debug)]
pub(super) struct Facts {
    /// Of the webhook.
    pub(super) name: String,
    /// Without its query, where tokens often are.
    pub(super) url: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Dead(Dead),
    Standing(Standing),
    Recovered,
}

/// A delivery that was given up.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) delivery: DeliveryId,
    pub(super) event_type: String,
    /// All that were made; the rest is about the last one.
    pub(super) attempts: u16,
    pub(super) outcome: Outcome,
    pub(super) http_status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) response: Option<Bytes>,
    pub(super) ended_at: Timestamp,
}

impl Facts {
    /// None when the log no longer has what it is about.
    pub(super) async fn of(
        store: &Store,
        webhook: &Webhook,
        notice: &Notice,
    ) -> Result<Option<Self>, StoreError> {
        let what = match &notice.news {
            News::StandingChanged(standing) => What::Standing(standing.clone()),
            News::Recovered => What::Recovered,
            News::DeliveryDead { event, number } => {
                let id = DeliveryId {
                    event: *event,
                    webhook: notice.webhook,
                };
                let Some(detail) = store.delivery(notice.tenant, id).await? else {
                    return Ok(None);
                };
                // Not simply the last one: it may have been replayed since.
                let attempt = detail
                    .attempts
                    .into_iter()
                    .find(|attempt| attempt.number == *number);
                let Some(attempt) = attempt else { return Ok(None) };
                What::Dead(Dead {
                    delivery: id,
                    event_type: detail.event.event_type,
                    attempts: *number,
                    outcome: attempt.outcome,
                    http_status: attempt.http_status,
                    error: attempt.error,
                    response: attempt.response,
                    ended_at: attempt.started_at.plus(attempt.latency),
                })
            }
        };
        Ok(Some(Self {
            name: webhook.settings.name.clone(),
            url: without_query(&webhook.settings.url),
            what,
        }))
    }

    /// Whether people are to be told by e-mail. What the owner did is known to the owner.
    pub(super) fn is_worth_a_mail(&self) -> bool {
        match &self.what {
            What::Dead(_) | What::Recovered => true,
            What::Standing(standing) => {
                standing.reason != REASON_OWNER
                    && match standing.state {
                        StandingState::Disabled => true,
                        StandingState::Active | StandingState::Paused => false,
                    }
            }
        }
    }
}

fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        // It was checked when it was registered.
        Err(_) => String::new(),
    }
}
