//! Sends the e-mails that the store has put together, until the server has taken them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hookwright_store::{Digest, Node, Store, StoreError, TenantId, Timestamp, WebhookId};
use tokio_util::sync::CancellationToken;

use super::{
    AlertSettings,
    compose::Mail,
    facts::Facts,
    smtp::{Address, Refusal, Smtp},
};

/// Webhooks looked at in one round.
const BATCH: usize = 1_000;
/// The first wait after an e-mail was not taken; it doubles.
const BACKOFF_MIN: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_mins(10);
/// An e-mail that the server keeps refusing for good is given up after this time: an address that does not exist would be
/// tried for ever.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

pub(super) struct Mailer {
    store: Store,
    node: Arc<Node>,
    smtp: Smtp,
    operators: Vec<Address>,
    interval: Duration,
    /// Of webhooks whose e-mail was not taken.
    waits: HashMap<WebhookId, Wait>,
    /// Of the server.
    outage: Option<Wait>,
}

/// How long something is left alone.
#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Timestamp,
    next: Duration,
}

impl Wait {
    fn longer(before: Option<Self>, now: Timestamp) -> Self {
        let span = before.map_or(BACKOFF_MIN, |wait| wait.next);
        Self {
            until: now.plus(span),
            next: (span * 2).min(BACKOFF_MAX),
        }
    }
}

/// What became of an e-mail.
enum Sent {
    Yes,
    /// There is nobody to send it to any more, or nothing left to tell.
    Pointless,
    No(Refusal),
}

impl Mailer {
    pub(super) fn new(store: &Store, node: &Arc<Node>, smtp: &Smtp, settings: &AlertSettings) -> Self {
        Self {
            store: store.clone(),
            node: Arc::clone(node),
            smtp: smtp.clone(),
            operators: settings.operators.clone(),
            interval: settings.mail_interval,
            waits: HashMap::new(),
            outage: None,
        }
    }

    pub(super) async fn run(mut self, every: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            if let Err(error) = self.send_due(&stop).await {
                tracing::error!(%error, "alert e-mails could not be read; they are kept and tried again");
            }
        }
    }

    async fn send_due(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        if self.outage.is_some_and(|outage| now < outage.until) {
            return Ok(());
        }
        let lanes = self.node.lanes().await;
        let mailed_before = now.minus(self.interval);
        let due = self.store.webhooks_to_mail(&lanes, mailed_before, BATCH).await?;
        self.waits
            .retain(|webhook, _| due.iter().any(|(_, due)| due == webhook));
        for (tenant, webhook) in due {
            if stop.is_cancelled() {
                return Ok(());
            }
            if self.waits.get(&webhook).is_some_and(|wait| now < wait.until) {
                continue;
            }
            if !self.send_one(tenant, webhook, mailed_before, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False when the server is not there, so that there is no point in going on.
    async fn send_one(
        &mut self,
        tenant: TenantId,
        webhook: WebhookId,
        mailed_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(digest) = self.store.digest(tenant, webhook, mailed_before).await? else {
            return Ok(true);
        };
        let refusal = match self.send(&digest).await? {
            Sent::Yes | Sent::Pointless => {
                self.store.digest_sent(&digest).await?;
                self.waits.remove(&webhook);
                self.outage = None;
                return Ok(true);
            }
            Sent::No(refusal) => refusal,
        };
        match refusal {
            Refusal::Unreachable(error) => {
                tracing::error!(
                    error,
                    "the SMTP server cannot be reached; alerts wait until it can"
                );
                self.outage = Some(Wait::longer(self.outage, now));
                Ok(false)
            }
            Refusal::ForGood(error) if digest.made_at.plus(GIVE_UP_AFTER) <= now => {
                tracing::error!(%webhook, error, "the SMTP server refuses an alert for a day; it is given up");
                self.store.digest_sent(&digest).await?;
                Ok(true)
            }
            Refusal::ForGood(error) | Refusal::ForNow(error) => {
                tracing::error!(%webhook, error, "the SMTP server refuses an alert; it is tried again");
                let wait = Wait::longer(self.waits.get(&webhook).copied(), now);
                self.waits.insert(webhook, wait);
                Ok(true)
            }
        }
    }

    async fn send(&self, digest: &Digest) -> Result<Sent, StoreError> {
        let Some(webhook) = self.store.webhook(digest.tenant, digest.webhook).await? else {
            return Ok(Sent::Pointless);
        };
        // They were checked when they were set.
        let owners: Vec<Address> = webhook
            .settings
            .alert_emails
            .iter()
            .filter_map(|email| email.parse().ok())
            .collect();
        // Owners do not see the operators' addresses: those are in the envelope only, unless there are no others.
        let shown = if owners.is_empty() {
            &self.operators
        } else {
            &owners
        };
        let mut recipients = owners.clone();
        recipients.extend(
            self.operators
                .iter()
                .filter(|email| !owners.contains(email))
                .cloned(),
        );
        if recipients.is_empty() {
            return Ok(Sent::Pointless);
        }
        let mut examples = Vec::with_capacity(digest.newest.len());
        for notice in &digest.newest {
            examples.extend(Facts::of(&self.store, &webhook, notice).await?);
        }
        if examples.is_empty() {
            return Ok(Sent::Pointless);
        }
        let mail = Mail {
            digest,
            webhook: &webhook,
            examples: &examples,
        };
        let message = match mail.write(self.smtp.from(), shown) {
            Ok(message) => message,
            Err(error) => return Ok(Sent::No(Refusal::ForGood(error.to_string()))),
        };
        Ok(self.hand_over(recipients, &message).await)
    }

    /// To all at once. If the server does not want one of them, to each alone, so that the others get it.
    async fn hand_over(&self, recipients: Vec<Address>, message: &[u8]) -> Sent {
        let mut refusal = match self.smtp.send(recipients.clone(), message).await {
            Ok(()) => return Sent::Yes,
            Err(Refusal::ForGood(error)) if recipients.len() > 1 => Refusal::ForGood(error),
            Err(refusal) => return Sent::No(refusal),
        };
        let mut taken = false;
        for recipient in recipients {
            match self.smtp.send(vec![recipient.clone()], message).await {
                Ok(()) => taken = true,
                Err(each) => {
                    tracing::warn!(%recipient, error = ?each, "the SMTP server refuses a recipient of alerts");
                    refusal = each;
                }
            }
        }
        if taken { Sent::Yes } else { Sent::No(refusal) }
    }
}
