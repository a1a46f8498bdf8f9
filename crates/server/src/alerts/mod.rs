//! What happened, told to people: operational events through hookwright itself, and e-mail.
//!
//! ```text
//!   store (notices) ──► notifier ──► Intake (hookwright.* events) ──► webhooks that asked for them
//!                          │
//!                          ▼
//!                   store (e-mails) ──► mailer ──► SMTP
//! ```
//!
//! Both tasks have nothing but the store between them, and remember nothing of importance: what was not told before a crash
//! is told after it. Each node tells about the tenants whose lanes it has. When lanes move, two nodes may do the same for a
//! moment; idempotency keys and message ids make that harmless.

mod compose;
mod event;
mod facts;
mod mailer;
mod notifier;
mod smtp;

use std::{sync::Arc, time::Duration};

use hookwright_store::{Node, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::event::is_operational;
pub use self::smtp::{Address, Smtp, SmtpError};
use self::{mailer::Mailer, notifier::Notifier};
use crate::{directory::Directory, engine::Intake};

/// Who is told what, and how often.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// How e-mail is sent. None is sent without it.
    pub smtp: Option<Smtp>,
    /// Who gets a copy of every alert, of every webhook.
    pub operators: Vec<Address>,
    /// Shortest time between two e-mails about one webhook. What happens meanwhile is told in one.
    pub mail_interval: Duration,
    /// How often to look for something to tell.
    pub look_every: Duration,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            smtp: None,
            operators: Vec::new(),
            mail_interval: Duration::from_mins(15),
            look_every: Duration::from_secs(1),
        }
    }
}

/// The running tasks.
#[derive(Debug)]
pub(crate) struct Alerts {
    stop: CancellationToken,
    notifier: JoinHandle<()>,
    mailer: Option<JoinHandle<()>>,
}

impl Alerts {
    pub(crate) fn start(
        store: &Store,
        node: &Arc<Node>,
        directory: &Arc<Directory>,
        intake: Intake,
        settings: &AlertSettings,
    ) -> Self {
        let stop = CancellationToken::new();
        let notifier = Notifier {
            store: store.clone(),
            node: Arc::clone(node),
            directory: Arc::clone(directory),
            intake,
            sends_mail: settings.smtp.is_some(),
            has_operators: !settings.operators.is_empty(),
        };
        let mailer = settings.smtp.as_ref().map(|smtp| {
            let mailer = Mailer::new(store, node, smtp, settings);
            tokio::spawn(mailer.run(settings.look_every, stop.clone()))
        });
        Self {
            notifier: tokio::spawn(notifier.run(settings.look_every, stop.clone())),
            mailer,
            stop,
        }
    }

    /// Ends both. An e-mail that is being sent has `grace` for it; one that is cut off is sent again by the next start.
    pub(crate) async fn stop(self, grace: Duration) {
        self.stop.cancel();
        let tasks = [Some(self.notifier), self.mailer];
        for mut task in tasks.into_iter().flatten() {
            if tokio::time::timeout(grace, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
    }
}
