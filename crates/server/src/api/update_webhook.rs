//! `UpdateWebhook`: the fields that the mask names.

use std::sync::atomic::{AtomicBool, Ordering};

use hookwright_proto::v1;
use hookwright_store::{WebhookId, WebhookSettings};

use super::{
    Caller, Service, connection, convert,
    error::{ApiError, Reason, Violation},
    settings::{self, Context},
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn update_webhook(
        &self,
        caller: &Caller,
        request: v1::UpdateWebhookRequest,
    ) -> Result<v1::UpdateWebhookResponse, ApiError> {
        let Some(webhook) = request.webhook else {
            return Err(Violation::new(
                "webhook",
                Reason::MissingField,
                "say which webhook to change, and to what",
            )
            .into());
        };
        let id: WebhookId = validate::id("webhook.id", &webhook.id)?;
        let mut paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let tenant = caller.tenant;
        let not_found = || ApiError::WebhookNotFound(id.to_string());
        let current = self.store.webhook(tenant, id).await?.ok_or_else(not_found)?;
        let is_wanted = |version| webhook.etag.is_empty() || webhook.etag == convert::etag(version);
        if !is_wanted(current.updated_at) {
            return Err(ApiError::EtagMismatch(id.to_string()));
        }
        same_profile(&mut paths, &webhook.profile, &current.settings.profile)?;
        let profile = validate::profile(
            "webhook.profile",
            &current.settings.profile,
            self.directory.registry(),
        )?;
        let now = self.store.clock().now();
        let read = |settings: &mut WebhookSettings, violations: &mut Violations| {
            let context = Context {
                profile: &profile,
                egress: &self.egress,
                stop: settings.stop,
                now,
            };
            settings::read_masked(&webhook, &paths, context, settings, violations);
        };
        let mut violations = Violations::default();
        let mut preview = current.settings.clone();
        read(&mut preview, &mut violations);
        violations.check(connection::headers_agree(&preview));
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(ApiError::Invalid(violations));
        }
        let is_named = |field: &str| paths.iter().any(|path| path == field);
        connection::foresee(&preview, is_named, &self.egress).await?;
        let is_shaken =
            preview.url != current.settings.url || preview.handshake != current.settings.handshake;
        if is_shaken {
            self.shake_hands(&mut preview).await?;
        }
        // Read again into what is stored by then: fields that somebody else has just changed stay changed.
        let is_stale = AtomicBool::new(false);
        let updated = self
            .store_for(caller)
            .change_webhook_version(tenant, id, |settings, version| {
                if !is_wanted(version) {
                    is_stale.store(true, Ordering::Relaxed);
                    return false;
                }
                read(settings, &mut Violations::default());
                // Somebody else may have changed the URL meanwhile, and then it was another receiver that agreed.
                if is_shaken && settings.url == preview.url {
                    settings.handshake.clone_from(&preview.handshake);
                }
                true
            })
            .await?
            .ok_or_else(not_found)?;
        if is_stale.into_inner() {
            return Err(ApiError::EtagMismatch(id.to_string()));
        }
        self.directory.reload(tenant).await?;
        Ok(v1::UpdateWebhookResponse {
            webhook: Some(convert::webhook(updated)),
        })
    }
}

/// Takes the profile out of the mask: who replaces a webhook by what it has read may name it, if it is the same.
fn same_profile(paths: &mut Vec<String>, wanted: &str, current: &str) -> Result<(), Violation> {
    let is_profile = |path: &String| path == "profile";
    if paths.iter().any(is_profile) && !wanted.is_empty() && wanted != current {
        return Err(Violation::new(
            "webhook.profile",
            Reason::InvalidUpdateMask,
            format!("it is {current} and cannot be changed; register another webhook"),
        ));
    }
    let names_it = paths.iter().any(is_profile);
    paths.retain(|path| !is_profile(path));
    if names_it && paths.is_empty() && wanted.is_empty() {
        return Err(Violation::new(
            "update_mask",
            Reason::InvalidUpdateMask,
            "profile cannot be changed; register another webhook",
        ));
    }
    Ok(())
}
