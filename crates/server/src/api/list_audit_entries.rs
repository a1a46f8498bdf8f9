//! `ListAuditEntries`: newest first.

use hookwright_proto::v1;
use hookwright_store::{AuditEntry, AuditId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    page_token,
    validate::{self, Violations},
};

/// No id and no name of a tenant is longer.
const RESOURCE_BYTES_MAX: usize = 63;

impl Service {
    pub(super) async fn list_audit_entries(
        &self,
        caller: &Caller,
        request: v1::ListAuditEntriesRequest,
    ) -> Result<v1::ListAuditEntriesResponse, ApiError> {
        let list = ("audit", request.tenant.as_str(), request.resource.as_str());
        let mut violations = Violations::default();
        let size = violations.check(validate::page_size(request.page_size));
        let before = violations.check(page_token::read::<AuditId>(&list, &request.page_token));
        let resource = violations.check(resource(&request.resource));
        let (Some(size), Some(before), Some(resource)) = (size, before, resource) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let whose = self.tenant_asked_for(caller, &request.tenant).await?;
        let page = self.store.audit_entries(whose.id, resource, before, size).await?;
        Ok(v1::ListAuditEntriesResponse {
            entries: page.rows.into_iter().map(to_wire).collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |id| page_token::write(&list, &id)),
        })
    }
}

fn resource(text: &str) -> Result<Option<&str>, Violation> {
    let is_possible = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.len() > RESOURCE_BYTES_MAX || !text.bytes().all(is_possible) {
        return Err(Violation::new(
            "resource",
            Reason::InvalidId,
            "the id of a webhook or a key, or the name of a tenant",
        ));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn to_wire(entry: AuditEntry) -> v1::AuditEntry {
    v1::AuditEntry {
        id: entry.id.to_string(),
        create_time: Some(convert::timestamp(entry.happened_at())),
        key_id: entry.key.map_or_else(String::new, |key| key.to_string()),
        actor: entry.actor,
        peer: entry.peer.unwrap_or_default(),
        action: entry.action,
        resource: entry.resource,
        fields: entry.fields,
    }
}
