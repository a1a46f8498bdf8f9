//! Turns notices into operational events, and hands them on to the mailer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hookwright_store::{FailPoint, Node, Notice, PublishError, Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::{event::Operational, facts::Facts};
use crate::{
    directory::Directory,
    engine::{Intake, IntakeError},
    matching::Subject,
};

/// Notices read at a time.
const BATCH: usize = 100;
/// Failing webhooks that are asked about at a time.
const RECOVERIES_MAX: usize = 100;
const BACKOFF_MAX: Duration = Duration::from_secs(30);

pub(super) struct Notifier {
    pub(super) store: Store,
    pub(super) node: Arc<Node>,
    pub(super) directory: Arc<Directory>,
    pub(super) intake: Intake,
    pub(super) sends_mail: bool,
    pub(super) has_operators: bool,
}

/// Why a notice is still to be told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl Notifier {
    pub(super) async fn run(self, every: Duration, stop: CancellationToken) {
        let mut pause = every;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.tell(&stop).await {
                Ok(()) => every,
                Err(error) => {
                    tracing::error!(%error, "alerts could not be told; they are kept and tried again");
                    (pause * 2).min(BACKOFF_MAX.max(every))
                }
            };
        }
    }

    async fn tell(&self, stop: &CancellationToken) -> Result<(), Failure> {
        let lanes = self.node.lanes().await;
        // Before the notices: a recovery that was found is told in this round.
        for recovery in self.store.recoveries(&lanes, RECOVERIES_MAX).await? {
            self.store.note_recovery(&recovery).await?;
        }
        loop {
            let notices = self.store.new_notices(&lanes, BATCH).await?;
            for notice in &notices {
                if stop.is_cancelled() {
                    return Ok(());
                }
                self.tell_one(notice).await?;
            }
            if notices.len() < BATCH {
                return Ok(());
            }
        }
    }

    async fn tell_one(&self, notice: &Notice) -> Result<(), Failure> {
        let webhook = self.store.webhook(notice.tenant, notice.webhook).await?;
        let facts = match &webhook {
            Some(webhook) => Facts::of(&self.store, webhook, notice).await?,
            None => None,
        };
        // Deleted, or gone with retention: there is nothing left that could be done about it.
        let (Some(webhook), Some(facts)) = (webhook, facts) else {
            return Ok(self.store.forget_notice(notice).await?);
        };
        let event = Operational::of(notice, &facts);
        // A webhook that fails at operational events alone is not told to have recovered: that would be one more of them.
        let is_failure = notice.news.is_failure() && event.is_some();
        if let Some(event) = event {
            self.publish(notice, event).await?;
            FailPoint::NoticePublished.pass();
        }
        let has_readers = self.has_operators || !webhook.settings.alert_emails.is_empty();
        let to_mail = self.sends_mail && has_readers && facts.is_worth_a_mail();
        Ok(self.store.notice_published(notice, is_failure, to_mail).await?)
    }

    async fn publish(&self, notice: &Notice, event: Operational) -> Result<(), Failure> {
        let index = self.directory.tenant(notice.tenant).await?;
        let now = self.directory.now().unix_seconds();
        let subject = Subject::new(event.event_type, now, event.payload.as_bytes());
        let is_wanted = !index.matching(&subject).is_empty();
        drop(subject);
        if !is_wanted {
            // Nobody asked for it. A receiver that is down must not fill the log with events that go nowhere.
            return Ok(());
        }
        let published = self
            .intake
            .publish(
                notice.tenant,
                event.event_type.to_owned(),
                Bytes::from(event.payload),
                None,
                Some(event.idempotency_key),
            )
            .await;
        match published {
            // The key was used: told already, when the webhook had another name.
            Ok(_) | Err(IntakeError::Publish(PublishError::KeyReused(_))) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
