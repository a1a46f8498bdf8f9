//! What is to be told to people: deliveries that were given up, webhooks that changed their state or work again.
//!
//! ```text
//!   delivery dead, state changed ──► notice ──► published ──► in an e-mail ──► gone
//! ```
//!
//! Every step is one transaction, so a notice survives whatever happens to the process in between.

use serde::{Deserialize, Serialize};

use crate::{
    DisabledReason, EventId, Lane, StopCause, StoreError, TenantId, Timestamp, WebhookId, WebhookSettings,
};

/// Examples that an e-mail shows.
pub(crate) const EXAMPLES_MAX: usize = 10;

/// Something that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Grows in about the order in which things happen; never used twice.
    pub id: i64,
    /// Whose webhook.
    pub tenant: TenantId,
    /// Which webhook.
    pub webhook: WebhookId,
    /// When it happened.
    pub happened_at: Timestamp,
    /// What happened.
    pub news: News,
}

/// What a notice tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A delivery was given up.
    DeliveryDead {
        /// The event that was not delivered.
        event: EventId,
        /// The number of the last attempt.
        number: u16,
    },
    /// The webhook has this standing from now on.
    StandingChanged(Standing),
    /// Deliveries succeed again.
    Recovered,
}

impl News {
    /// Whether it is about something that does not work, and that is over when a delivery succeeds.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::DeliveryDead { .. } => true,
            Self::StandingChanged(standing) => {
                standing.state == StandingState::Disabled && standing.reason != REASON_OWNER
            }
            Self::Recovered => false,
        }
    }
}

/// Whether a webhook gets deliveries, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it gets deliveries.
    pub state: StandingState,
    /// Stable, in lower case: `owner` when its owner set the state.
    pub reason: String,
    /// For people; empty when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Whether a webhook gets deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingState {
    /// It does.
    Active,
    /// They are held.
    Paused,
    /// It does not, until its owner says otherwise.
    Disabled,
}

/// The reason when a webhook's owner set its state.
pub const REASON_OWNER: &str = "owner";

/// The one place that knows how settings say what standing a webhook has.
pub fn state_of(settings: &WebhookSettings) -> Standing {
    let Some(stop) = settings.stop else {
        return Standing {
            state: StandingState::Active,
            reason: REASON_OWNER.to_owned(),
            text: String::new(),
        };
    };
    let (state, reason) = match stop.cause {
        StopCause::Paused => (StandingState::Paused, REASON_OWNER),
        StopCause::Disabled(DisabledReason::Owner) => (StandingState::Disabled, REASON_OWNER),
        StopCause::Disabled(DisabledReason::Gone) => (StandingState::Disabled, "gone"),
        StopCause::Disabled(DisabledReason::Failing) => (StandingState::Disabled, "failing"),
    };
    Standing {
        state,
        reason: reason.to_owned(),
        text: stop.cause.text().to_owned(),
    }
}

/// The standing that a change of settings brings about; `None` when it stays as it is.
pub(crate) fn changed_standing(before: &Standing, after: &WebhookSettings) -> Option<Standing> {
    let after = state_of(after);
    (before.state != after.state).then_some(after)
}

/// A webhook's notices that are told in one e-mail. The same until it is sent, however often it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Whose webhook.
    pub tenant: TenantId,
    /// Which webhook.
    pub webhook: WebhookId,
    /// Counts this webhook's e-mails; 1 is the first.
    pub number: i64,
    /// When it was put together.
    pub made_at: Timestamp,
    /// Deliveries in it that were given up.
    pub dead_count: u64,
    /// The earliest notice's time.
    pub first_at: Timestamp,
    /// The latest notices, newest first. At most ten.
    pub newest: Vec<Notice>,
}

/// A webhook whose deliveries succeed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whose webhook.
    pub tenant: TenantId,
    /// Which webhook.
    pub webhook: WebhookId,
    /// Its last failure.
    pub failed_at: Timestamp,
    /// When the first delivery succeeded after it, as far as is known.
    pub recovered_at: Timestamp,
}

/// A notice as both engines have it.
#[derive(Debug)]
pub(crate) struct NoticeRow {
    pub(crate) id: i64,
    pub(crate) tenant: TenantId,
    pub(crate) webhook: WebhookId,
    pub(crate) kind: i16,
    pub(crate) event: Option<EventId>,
    pub(crate) number: Option<u16>,
    pub(crate) change: Option<Standing>,
    pub(crate) happened_at: Timestamp,
}

pub(crate) const KIND_DEAD: i16 = 0;
pub(crate) const KIND_STANDING: i16 = 1;
pub(crate) const KIND_RECOVERED: i16 = 2;

impl TryFrom<NoticeRow> for Notice {
    type Error = StoreError;

    fn try_from(row: NoticeRow) -> Result<Self, StoreError> {
        let news = match (row.kind, row.event, row.number, row.change) {
            (KIND_DEAD, Some(event), Some(number), _) => News::DeliveryDead { event, number },
            (KIND_STANDING, _, _, Some(standing)) => News::StandingChanged(standing),
            (KIND_RECOVERED, ..) => News::Recovered,
            (kind, ..) => {
                return Err(StoreError::Inconsistent {
                    table: "notice",
                    row: row.id.to_string(),
                    problem: format!("no kind of notice is {kind} with these columns"),
                });
            }
        };
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            webhook: row.webhook,
            happened_at: row.happened_at,
            news,
        })
    }
}

impl crate::Store {
    /// Notices of these lanes that nothing was done about yet, oldest first.
    pub async fn new_notices(&self, lanes: &[Lane], limit: usize) -> Result<Vec<Notice>, StoreError> {
        self.engine().new_notices(lanes, limit).await
    }

    /// Takes note that a notice's event is published. It goes on to an e-mail, or it is gone. After a failure the webhook is
    /// watched for a recovery.
    pub async fn notice_published(
        &self,
        notice: &Notice,
        is_failure: bool,
        to_mail: bool,
    ) -> Result<(), StoreError> {
        self.engine().notice_published(notice, is_failure, to_mail).await
    }

    /// Forgets a notice that there is nobody to tell about.
    pub async fn forget_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        self.engine().forget_notice(notice).await
    }

    /// Webhooks of these lanes that failed, and to which a delivery has succeeded since.
    pub async fn recoveries(&self, lanes: &[Lane], limit: usize) -> Result<Vec<Recovery>, StoreError> {
        self.engine().recoveries(lanes, limit).await
    }

    /// Turns a recovery into a notice, unless the webhook has failed again or another node was faster.
    pub async fn note_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        self.engine().note_recovery(recovery).await
    }

    /// Webhooks of these lanes that have an e-mail to be sent: one that was put together and not sent, or a new one when
    /// the last one was put together at `mailed_before` or earlier.
    pub async fn webhooks_to_mail(
        &self,
        lanes: &[Lane],
        mailed_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, WebhookId)>, StoreError> {
        self.engine().webhooks_to_mail(lanes, mailed_before, limit).await
    }

    /// The webhook's e-mail that was not sent yet, or a new one of what has come together; `None` when it is not time.
    pub async fn digest(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        mailed_before: Timestamp,
    ) -> Result<Option<Digest>, StoreError> {
        let now = self.clock().now();
        self.engine().digest(tenant, webhook, mailed_before, now).await
    }

    /// Takes note that an e-mail was sent, or that there is nobody to send it to. Its notices are gone.
    pub async fn digest_sent(&self, digest: &Digest) -> Result<(), StoreError> {
        self.engine().digest_sent(digest).await
    }
}
