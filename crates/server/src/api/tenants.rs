//! `CreateTenant`, `ListTenants`, `UpdateTenant` and `DeleteTenant`.

use hookwright_proto::v1;
use hookwright_store::{Quotas, Tenant, TenantDeletion, TenantId};

use super::{
    Caller, Service,
    access_error::AccessError,
    convert,
    error::{ApiError, Reason, Violation},
    page_token,
    validate::{self, Violations},
};

const LIST: &str = "tenants";

/// A member of a tenant's quotas, by its name in an update mask.
type Field = (&'static str, fn(&mut Quotas, Quotas));

const FIELDS: [Field; 4] = [
    ("quotas.publish_per_second", |quotas, new| {
        quotas.publish_per_second = new.publish_per_second;
    }),
    ("quotas.payload_bytes", |quotas, new| {
        quotas.payload_bytes = new.payload_bytes;
    }),
    ("quotas.webhooks", |quotas, new| quotas.webhooks = new.webhooks),
    ("quotas.events", |quotas, new| quotas.events = new.events),
];

impl Service {
    pub(super) async fn create_tenant(
        &self,
        caller: &Caller,
        request: v1::CreateTenantRequest,
    ) -> Result<v1::CreateTenantResponse, ApiError> {
        let tenant = request.tenant.unwrap_or_default();
        if !validate::is_tenant_name(&tenant.name) {
            return Err(Violation::new("tenant.name", Reason::InvalidName, validate::TENANT_NAME).into());
        }
        let quotas = of_wire(tenant.quotas.unwrap_or_default());
        let created = self
            .store_for(caller)
            .create_tenant(&tenant.name, quotas)
            .await?
            .ok_or(AccessError::TenantExists(tenant.name))?;
        self.keyring.refresh().await?;
        Ok(v1::CreateTenantResponse {
            tenant: Some(to_wire(created)),
        })
    }

    pub(super) async fn list_tenants(
        &self,
        _caller: &Caller,
        request: v1::ListTenantsRequest,
    ) -> Result<v1::ListTenantsResponse, ApiError> {
        let mut violations = Violations::default();
        let size = violations.check(validate::page_size(request.page_size));
        let after = violations.check(page_token::read_text(
            &LIST,
            &request.page_token,
            validate::is_tenant_name,
        ));
        let (Some(size), Some(after)) = (size, after) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let page = self.store.tenants(after.as_deref(), size).await?;
        Ok(v1::ListTenantsResponse {
            tenants: page.rows.into_iter().map(to_wire).collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |name| page_token::write_text(&LIST, &name)),
        })
    }

    pub(super) async fn update_tenant(
        &self,
        caller: &Caller,
        request: v1::UpdateTenantRequest,
    ) -> Result<v1::UpdateTenantResponse, ApiError> {
        let wanted = request.tenant.unwrap_or_default();
        let new = of_wire(wanted.quotas.unwrap_or_default());
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let fields = named_fields(&paths)?;
        let tenant = self.find_tenant(wanted.name).await?;
        let change = |quotas: &mut Quotas| fields.iter().for_each(|(_, change)| change(quotas, new));
        let names = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        let updated = self
            .store_for(caller)
            .change_quotas(&tenant, change, names)
            .await?
            .ok_or(AccessError::TenantNotFound(tenant.name))?;
        self.keyring.refresh().await?;
        Ok(v1::UpdateTenantResponse {
            tenant: Some(to_wire(updated)),
        })
    }

    pub(super) async fn delete_tenant(
        &self,
        caller: &Caller,
        request: v1::DeleteTenantRequest,
    ) -> Result<v1::DeleteTenantResponse, ApiError> {
        let tenant = self.find_tenant(request.name).await?;
        if tenant.id == TenantId::DEFAULT {
            return Err(AccessError::DefaultTenant.into());
        }
        match self.store_for(caller).delete_tenant(&tenant).await? {
            TenantDeletion::Deleted => {}
            TenantDeletion::NotEmpty => return Err(AccessError::TenantNotEmpty(tenant.name).into()),
            TenantDeletion::NotFound => return Err(AccessError::TenantNotFound(tenant.name).into()),
        }
        self.keyring.refresh().await?;
        Ok(v1::DeleteTenantResponse {})
    }

    async fn find_tenant(&self, name: String) -> Result<Tenant, ApiError> {
        if !validate::is_tenant_name(&name) {
            return Err(AccessError::TenantNotFound(name).into());
        }
        let tenant = self.store.tenant_named(&name).await?;
        tenant.ok_or_else(|| AccessError::TenantNotFound(name).into())
    }
}

fn named_fields(paths: &[String]) -> Result<Vec<Field>, Violation> {
    if paths.is_empty() {
        return Err(Violation::new(
            "update_mask",
            Reason::EmptyUpdateMask,
            "name the fields to change",
        ));
    }
    let unknown = paths
        .iter()
        .find(|path| *path != "quotas" && FIELDS.iter().all(|(name, _)| name != path));
    if let Some(unknown) = unknown {
        let known = FIELDS.map(|(name, _)| name).join(", ");
        return Err(Violation::new(
            "update_mask",
            Reason::InvalidUpdateMask,
            format!("{unknown:?} cannot be changed; quotas and its members can: {known}"),
        ));
    }
    let is_named = |name: &str| paths.iter().any(|path| path == "quotas" || path == name);
    Ok(FIELDS.into_iter().filter(|(name, _)| is_named(name)).collect())
}

fn of_wire(quotas: v1::Quotas) -> Quotas {
    Quotas {
        publish_per_second: quotas.publish_per_second,
        payload_bytes: quotas.payload_bytes,
        webhooks: quotas.webhooks,
        events: quotas.events,
    }
}

fn to_wire(tenant: Tenant) -> v1::Tenant {
    v1::Tenant {
        name: tenant.name,
        quotas: Some(v1::Quotas {
            publish_per_second: tenant.quotas.publish_per_second,
            payload_bytes: tenant.quotas.payload_bytes,
            webhooks: tenant.quotas.webhooks,
            events: tenant.quotas.events,
        }),
        create_time: tenant.created_at.map(convert::timestamp),
    }
}
