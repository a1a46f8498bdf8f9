//! A webhook's settings as egress has them.

use hookwright_core::{Profile, TlsVersion};
use hookwright_egress::{
    ClientIdentity, Connection, Credentials, Egress, EgressRules, OAuth2, Policy, PolicyError, ProxyAddress,
};
use hookwright_store::{Authentication, ConnectionSettings, DeliveryMethod};
use http::Method;

/// What a webhook's deliveries are sent through.
pub(crate) fn connection(
    settings: &ConnectionSettings,
    profile: &Profile,
    egress: &Egress,
) -> Result<Connection, PolicyError> {
    let policy = policy(settings, profile, egress.guard().rules())?;
    egress.connection(&policy, &credentials(settings))
}

fn policy(
    settings: &ConnectionSettings,
    profile: &Profile,
    rules: &EgressRules,
) -> Result<Policy, PolicyError> {
    let proxy = settings
        .proxy_url
        .as_ref()
        .map(|url| ProxyAddress::parse(url.expose(), rules))
        .transpose()?;
    Ok(Policy {
        min_tls: match settings.tls.min_version.unwrap_or(profile.min_tls_version) {
            TlsVersion::V1_2 => hookwright_egress::TlsVersion::V1_2,
            TlsVersion::V1_3 => hookwright_egress::TlsVersion::V1_3,
        },
        ca_certificates: settings.tls.ca_certificates.clone(),
        client: settings.tls.client.as_ref().map(|client| ClientIdentity {
            certificate: client.certificate.clone(),
            key: client.key.expose().to_owned(),
        }),
        proxy,
    })
}

fn credentials(settings: &ConnectionSettings) -> Credentials {
    match &settings.authentication {
        None => Credentials::None,
        Some(Authentication::Basic { username, password }) => Credentials::Basic {
            username: username.clone(),
            password: password.expose().to_owned(),
        },
        Some(Authentication::Bearer { token }) => Credentials::Bearer(token.expose().to_owned()),
        Some(Authentication::OAuth2 {
            token_url,
            client_id,
            client_secret,
            scopes,
            audience,
        }) => Credentials::OAuth2(OAuth2 {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            client_secret: client_secret.expose().to_owned(),
            scopes: scopes.clone(),
            audience: audience.clone(),
        }),
    }
}

pub(crate) fn method(method: DeliveryMethod) -> Method {
    match method {
        DeliveryMethod::Post => Method::POST,
        DeliveryMethod::Put => Method::PUT,
        DeliveryMethod::Patch => Method::PATCH,
    }
}
