//! `CreateKey`, `ListKeys` and `RevokeKey`.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_store::{KEYS_MAX, Key, KeyCreation, KeyId, NewKey, Scope, Scopes, TenantId, Timestamp};

use super::{
    Caller, Service,
    access_error::AccessError,
    convert,
    create_replay::moment,
    error::{ApiError, Reason, Violation},
    page_token,
    validate::{self, Violations},
};
use crate::access::Refusal;

/// A key for longer than this is one without an end.
const TIME_TO_LIVE_MAX: Duration = Duration::from_hours(24 * 365 * 100);

/// The tenant that a request is about.
pub(super) struct Whose {
    pub(super) id: TenantId,
    pub(super) name: String,
}

impl Service {
    pub(super) async fn create_key(
        &self,
        caller: &Caller,
        request: v1::CreateKeyRequest,
    ) -> Result<v1::CreateKeyResponse, ApiError> {
        let Some(key) = request.key else {
            return Err(Violation::new("key", Reason::MissingField, "say what key to make").into());
        };
        let tenant = key.tenant.clone();
        let new = self.read_key(key, request.time_to_live.as_ref())?;
        // Whoever has a key of another kind must not be able to make this one.
        let operator = Scopes::NONE.and(Scope::Operator);
        if new.scopes.meets(operator) && !caller.scopes.meets(operator) {
            return Err(AccessError::Refused(Refusal::ScopeMissing(operator)).into());
        }
        let whose = self.tenant_asked_for(caller, &tenant).await?;
        match self.store_for(caller).create_key(whose.id, new).await? {
            KeyCreation::Created { key, text } => {
                self.keyring.refresh().await?;
                Ok(v1::CreateKeyResponse {
                    key: Some(to_wire(*key, &whose.name)),
                    text: text.expose().to_owned(),
                })
            }
            KeyCreation::TooMany => Err(AccessError::TooManyKeys(KEYS_MAX).into()),
            KeyCreation::NoTenant => Err(AccessError::TenantNotFound(whose.name).into()),
        }
    }

    pub(super) async fn list_keys(
        &self,
        caller: &Caller,
        request: v1::ListKeysRequest,
    ) -> Result<v1::ListKeysResponse, ApiError> {
        let list = ("keys", request.tenant.as_str());
        let mut violations = Violations::default();
        let size = violations.check(validate::page_size(request.page_size));
        let before = violations.check(page_token::read::<KeyId>(&list, &request.page_token));
        let (Some(size), Some(before)) = (size, before) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let whose = self.tenant_asked_for(caller, &request.tenant).await?;
        let page = self.store.keys(whose.id, before, size).await?;
        Ok(v1::ListKeysResponse {
            keys: page
                .rows
                .into_iter()
                .map(|key| to_wire(key, &whose.name))
                .collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |id| page_token::write(&list, &id)),
        })
    }

    pub(super) async fn revoke_key(
        &self,
        caller: &Caller,
        request: v1::RevokeKeyRequest,
    ) -> Result<v1::RevokeKeyResponse, ApiError> {
        let id: KeyId = validate::id("id", &request.id)?;
        let whose = self.tenant_asked_for(caller, &request.tenant).await?;
        let revoked = self.store_for(caller).revoke_key(whose.id, id).await?;
        let key = revoked.ok_or(AccessError::KeyNotFound(request.id))?;
        self.keyring.refresh().await?;
        Ok(v1::RevokeKeyResponse {
            key: Some(to_wire(key, &whose.name)),
        })
    }

    /// The caller's own tenant when none is named. To whoever may not manage others there are none.
    pub(super) async fn tenant_asked_for(&self, caller: &Caller, name: &str) -> Result<Whose, ApiError> {
        if name.is_empty() || *name == *caller.limits.name {
            return Ok(Whose {
                id: caller.tenant,
                name: caller.limits.name.to_string(),
            });
        }
        let not_found = || ApiError::from(AccessError::TenantNotFound(name.to_owned()));
        if !caller.scopes.has(Scope::Operator) || !validate::is_tenant_name(name) {
            return Err(not_found());
        }
        let tenant = self.store.tenant_named(name).await?.ok_or_else(not_found)?;
        Ok(Whose {
            id: tenant.id,
            name: tenant.name,
        })
    }

    fn read_key(
        &self,
        key: v1::Key,
        time_to_live: Option<&pbjson_types::Duration>,
    ) -> Result<NewKey, ApiError> {
        let mut violations = Violations::default();
        let scopes = violations.check(scopes("key.scopes", &key.scopes));
        let name = violations.check(if key.name.is_empty() {
            Err(Violation::new(
                "key.name",
                Reason::MissingField,
                "say who will use it",
            ))
        } else {
            validate::name("key.name", key.name)
        });
        let profile = Some(key.profile).filter(|profile| !profile.is_empty());
        if let Some(profile) = &profile {
            violations.check(validate::profile(
                "key.profile",
                profile,
                self.directory.registry(),
            ));
        }
        let now = self.store.clock().now();
        let expires_at = violations.check(expiry(key.expire_time.as_ref(), time_to_live, now));
        match (name, scopes, expires_at, violations.into_vec()) {
            (Some(name), Some(scopes), Some(expires_at), violations) if violations.is_empty() => Ok(NewKey {
                name,
                scopes,
                profile,
                expires_at,
            }),
            (.., violations) => Err(ApiError::Invalid(violations)),
        }
    }
}

fn scopes(field: &str, scopes: &[i32]) -> Result<Scopes, Violation> {
    if scopes.is_empty() {
        return Err(Violation::new(
            field,
            Reason::MissingField,
            format!("at least one of {}", Scopes::ALL),
        ));
    }
    scopes
        .iter()
        .map(|&scope| match v1::Scope::try_from(scope) {
            Ok(v1::Scope::Admin) => Ok(Scope::Admin),
            Ok(v1::Scope::Publish) => Ok(Scope::Publish),
            Ok(v1::Scope::Read) => Ok(Scope::Read),
            Ok(v1::Scope::Verify) => Ok(Scope::Verify),
            Ok(v1::Scope::Operator) => Ok(Scope::Operator),
            Ok(v1::Scope::Unspecified) | Err(_) => Err(Violation::new(
                field,
                Reason::UnknownScope,
                format!("one of {}", Scopes::ALL),
            )),
        })
        .collect()
}

fn expiry(
    at: Option<&pbjson_types::Timestamp>,
    after: Option<&pbjson_types::Duration>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Violation> {
    let refused =
        |field: &str, description: &str| Err(Violation::new(field, Reason::InvalidExpiry, description));
    match (at, after) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => refused("time_to_live", "give this or key.expire_time, not both"),
        (Some(at), None) => match moment("key.expire_time", Some(at)) {
            Ok(Some(at)) if at > now && at < now.plus(TIME_TO_LIVE_MAX) => Ok(Some(at)),
            _ => refused("key.expire_time", "must be in the future, by 100 years at most"),
        },
        (None, Some(after)) => match validate::duration(after) {
            Some(after) if !after.is_zero() && after < TIME_TO_LIVE_MAX => Ok(Some(now.plus(after))),
            _ => refused("time_to_live", "more than nothing, 100 years at most"),
        },
    }
}

fn to_wire(key: Key, tenant: &str) -> v1::Key {
    let scopes = key.scopes.iter().map(|scope| match scope {
        Scope::Admin => v1::Scope::Admin.into(),
        Scope::Publish => v1::Scope::Publish.into(),
        Scope::Read => v1::Scope::Read.into(),
        Scope::Verify => v1::Scope::Verify.into(),
        Scope::Operator => v1::Scope::Operator.into(),
    });
    v1::Key {
        id: key.id.to_string(),
        name: key.name.to_string(),
        scopes: scopes.collect(),
        profile: key
            .profile
            .map_or_else(String::new, |profile| profile.to_string()),
        tenant: tenant.to_owned(),
        create_time: Some(convert::timestamp(key.created_at)),
        expire_time: key.expires_at.map(convert::timestamp),
        revoke_time: key.revoked_at.map(convert::timestamp),
        last_used_time: key.last_used_at.map(convert::timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_in_the_future_and_said_once() {
        let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let at = |seconds| pbjson_types::Timestamp { seconds, nanos: 0 };
        let after = |seconds| pbjson_types::Duration { seconds, nanos: 0 };
        assert_eq!(expiry(None, None, now), Ok(None));
        let later = now.plus(Duration::from_secs(5));
        assert_eq!(expiry(Some(&at(1_800_000_005)), None, now), Ok(Some(later)));
        assert_eq!(expiry(None, Some(&after(5)), now), Ok(Some(later)));
        for (at, after) in [
            (Some(at(1_800_000_000)), None),
            (Some(at(i64::MAX)), None),
            (None, Some(after(0))),
            (None, Some(after(-1))),
            (None, Some(after(i64::MAX))),
            (Some(at(1_800_000_005)), Some(after(5))),
        ] {
            let refused = expiry(at.as_ref(), after.as_ref(), now);
            assert_eq!(
                refused.map_err(|violation| violation.reason),
                Err(Reason::InvalidExpiry)
            );
        }
    }
}
