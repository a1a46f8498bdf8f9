//! Which method needs which scope. One table; a test fails for a method that is not in it.

use hookwright_store::{Scope, Scopes};

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    /// The method's name.
    pub(crate) method: &'static str,
    /// Any of these is enough.
    pub(crate) scopes: Scopes,
}

macro_rules! permissions {
    ($($method:ident: $($scope:ident)|+;)+) => {
        /// Of a method of the service.
        fn of_method(name: &str) -> Option<Permission> {
            match name {
                $(stringify!($method) => Some(Permission {
                    method: stringify!($method),
                    scopes: Scopes::NONE$(.and(Scope::$scope))+,
                }),)+
                _ => None,
            }
        }

        #[cfg(test)]
        const METHODS: &[&str] = &[$(stringify!($method)),+];
    };
}

permissions! {
    Register: Admin;
    GetWebhook: Read | Admin;
    ListWebhooks: Read | Admin;
    UpdateWebhook: Admin;
    DeleteWebhook: Admin;
    PauseWebhook: Admin;
    ResumeWebhook: Admin;
    RotateSecret: Admin;
    SendTest: Admin;

    Publish: Publish | Admin;
    PublishStream: Publish | Admin;
    DryRunPublish: Read | Admin;
    ListEventTypes: Read | Admin;
    ImportEventTypes: Admin;
    DeleteEventType: Admin;

    ListDeliveries: Read | Admin;
    GetDelivery: Read | Admin;
    GetStats: Read | Admin;
    WatchDeliveries: Read | Admin;
    CancelDelivery: Admin;
    ReplayDelivery: Admin;
    CreateReplay: Admin;
    GetReplay: Read | Admin;
    ListReplays: Read | Admin;
    CancelReplay: Admin;

    Verify: Verify | Admin;

    CreateKey: Admin | Operator;
    ListKeys: Admin | Operator;
    RevokeKey: Admin | Operator;
    ListAuditEntries: Admin | Operator;

    CreateTenant: Operator;
    ListTenants: Operator;
    UpdateTenant: Operator;
    DeleteTenant: Operator;
}

const SERVICE: &str = "/hookwright.v1.WebhookService/";

/// What a call of this path needs.
pub(crate) fn needed(path: &str) -> Permission {
    match path.strip_prefix(SERVICE) {
        // One that is not in the table does not exist, or was forgotten: not for everybody.
        Some(method) => of_method(method).unwrap_or(Permission {
            method: "unknown",
            scopes: Scopes::NONE.and(Scope::Admin),
        }),
        // Reflection: nothing that belongs to anybody, for whoever has any key.
        None => Permission {
            method: "reflection",
            scopes: Scopes::ALL,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hookwright_proto::FILE_DESCRIPTOR_SET;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_that_there_is_has_its_line() {
        let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = descriptors
            .file
            .iter()
            .filter(|file| file.package() == "hookwright.v1")
            .flat_map(|file| &file.service);
        let existing: BTreeSet<String> = services
            .flat_map(|service| {
                assert_eq!(service.name(), "WebhookService", "add the service to `needed`");
                service.method.iter().map(|method| method.name().to_owned())
            })
            .collect();
        let listed: BTreeSet<String> = METHODS.iter().map(|&method| method.to_owned()).collect();
        assert_eq!(existing, listed);
        assert_eq!(METHODS.len(), listed.len());
    }

    #[test]
    fn who_operates_the_service_sees_nothing_of_what_its_tenants_do() {
        for method in METHODS {
            let scopes = of_method(method).unwrap().scopes;
            let is_about_access =
                method.contains("Tenant") || method.contains("Key") || method.contains("Audit");
            assert_eq!(scopes.has(Scope::Operator), is_about_access, "{method}");
        }
    }

    #[test]
    fn a_path_that_nobody_thought_of_is_not_for_everybody() {
        for path in [
            "/hookwright.v1.WebhookService/",
            "/hookwright.v1.WebhookService/register",
        ] {
            assert_eq!(needed(path).scopes, Scopes::NONE.and(Scope::Admin));
        }
    }
}
