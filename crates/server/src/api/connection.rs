//! How deliveries are sent: what a request says, checked, and what is told of it.

use std::time::Duration;

use hookwright_core::TlsVersion;
use hookwright_egress::{ClientIdentity, Credentials, Egress, OAuth2, Policy, PolicyError, ProxyAddress};
use hookwright_proto::v1::{self, authentication::Method};
use hookwright_store::{
    Authentication, ClientCertificate, DeliveryMethod, Sensitive, TlsSettings, WebhookSettings,
};
use http::HeaderValue;
use url::Url;

use super::{
    error::{ApiError, Reason, Violation},
    validate,
};

const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// How long the name servers of receivers may keep an owner waiting.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(2);

/// Empty is POST.
pub(super) fn method(field: &str, name: &str) -> Result<DeliveryMethod, Violation> {
    match name {
        "" | "POST" => Ok(DeliveryMethod::Post),
        "PUT" => Ok(DeliveryMethod::Put),
        "PATCH" => Ok(DeliveryMethod::Patch),
        _ => Err(Violation::new(field, Reason::InvalidMethod, "POST, PUT or PATCH")),
    }
}

/// None is the profile's.
pub(super) fn content_type(field: &str, text: &str) -> Result<Option<String>, Violation> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let is_sendable = HeaderValue::try_from(text).is_ok_and(|value| value.to_str().is_ok());
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_type = essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if text.len() > CONTENT_TYPE_BYTES_MAX || !is_sendable || !is_type {
        let problem = format!(
            "a media type such as application/cloudevents+json; visible ASCII, at most {CONTENT_TYPE_BYTES_MAX} bytes"
        );
        return Err(Violation::new(field, Reason::InvalidContentType, problem));
    }
    Ok(Some(text.to_owned()))
}

/// Certificates and key are tried out, so that they do not fail at the first delivery.
pub(super) fn tls(field: &str, tls: Option<&v1::Tls>, egress: &Egress) -> Result<TlsSettings, Violation> {
    let Some(tls) = tls else {
        return Ok(TlsSettings::default());
    };
    let refused =
        |name: &str, problem: &str| Violation::new(format!("{field}.{name}"), Reason::InvalidTls, problem);
    let min_version = match v1::TlsVersion::try_from(tls.min_version) {
        Ok(v1::TlsVersion::Unspecified) => None,
        Ok(v1::TlsVersion::TlsVersion12) => Some(TlsVersion::V1_2),
        Ok(v1::TlsVersion::TlsVersion13) => Some(TlsVersion::V1_3),
        Err(_) => return Err(refused("min_version", "no version has this number")),
    };
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let client = match (given(&tls.client_certificate), given(&tls.client_key)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate,
            key: Sensitive::new(key),
        }),
        (Some(_), None) => {
            return Err(refused(
                "client_key",
                "a client certificate needs its key, which is not returned; give it (again)",
            ));
        }
        (None, Some(_)) => {
            return Err(refused(
                "client_certificate",
                "a client key needs its certificate",
            ));
        }
    };
    let settings = TlsSettings {
        min_version,
        ca_certificates: given(&tls.ca_certificates),
        client,
    };
    let policy = Policy {
        ca_certificates: settings.ca_certificates.clone(),
        client: settings.client.as_ref().map(|client| ClientIdentity {
            certificate: client.certificate.clone(),
            key: client.key.expose().to_owned(),
        }),
        ..Policy::default()
    };
    match egress.connection(&policy, &Credentials::None) {
        Ok(_) => Ok(settings),
        Err(error) => {
            let name = match error {
                PolicyError::ClientCertificate(_) => "client_certificate",
                PolicyError::ClientKey(_) => "client_key",
                _ => "ca_certificates",
            };
            Err(refused(name, &error.to_string()))
        }
    }
}

/// None is no authentication.
pub(super) fn authentication(
    field: &str,
    authentication: Option<&v1::Authentication>,
    egress: &Egress,
) -> Result<Option<Authentication>, Violation> {
    let Some(method) = authentication.and_then(|authentication| authentication.method.as_ref()) else {
        return Ok(None);
    };
    let refused = |name: &str, problem: &str| {
        Violation::new(format!("{field}.{name}"), Reason::InvalidAuthentication, problem)
    };
    // It was read from here and is sent back: taking it for a wish to have no secret would lock the service out.
    let again = "a secret is not returned, so give it again";
    let (name, settings, credentials) = match method {
        Method::Basic(basic) => {
            if basic.password.is_empty() {
                return Err(refused("basic.password", again));
            }
            let settings = Authentication::Basic {
                username: basic.username.clone(),
                password: Sensitive::new(&basic.password),
            };
            let credentials = Credentials::Basic {
                username: basic.username.clone(),
                password: basic.password.clone(),
            };
            ("basic", settings, credentials)
        }
        Method::Bearer(bearer) => {
            if bearer.token.is_empty() {
                return Err(refused("bearer.token", again));
            }
            let settings = Authentication::Bearer {
                token: Sensitive::new(&bearer.token),
            };
            ("bearer", settings, Credentials::Bearer(bearer.token.clone()))
        }
        Method::Oauth2(oauth) => {
            if oauth.client_secret.is_empty() {
                return Err(refused("oauth2.client_secret", again));
            }
            let settings = Authentication::OAuth2 {
                token_url: oauth.token_url.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: Sensitive::new(&oauth.client_secret),
                scopes: oauth.scopes.clone(),
                audience: oauth.audience.clone(),
            };
            let credentials = Credentials::OAuth2(OAuth2 {
                token_url: oauth.token_url.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: oauth.client_secret.clone(),
                scopes: oauth.scopes.clone(),
                audience: oauth.audience.clone(),
            });
            ("oauth2", settings, credentials)
        }
    };
    match credentials.check(egress.guard().rules()) {
        Ok(()) => Ok(Some(settings)),
        Err(PolicyError::TokenUrl(error)) => Err(Violation::new(
            format!("{field}.oauth2.token_url"),
            validate::url_reason(&error),
            error.to_string(),
        )),
        Err(error) => Err(refused(name, &error.to_string())),
    }
}

/// None is no proxy.
pub(super) fn proxy_url(field: &str, text: &str, egress: &Egress) -> Result<Option<Sensitive>, Violation> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |problem: String| Violation::new(field, Reason::InvalidProxy, problem);
    let proxy =
        ProxyAddress::parse(text, egress.guard().rules()).map_err(|error| refused(error.to_string()))?;
    if proxy.username().is_some() && !proxy.has_password() {
        return Err(refused(String::from(
            "the password is not returned, so give it again",
        )));
    }
    Ok(Some(Sensitive::new(text)))
}

/// Settings that are fine one by one and not together.
pub(super) fn headers_agree(settings: &WebhookSettings) -> Result<(), Violation> {
    let is_authorization = |name: &String| name.eq_ignore_ascii_case("authorization");
    match settings.headers.0.keys().find(|name| is_authorization(name)) {
        Some(name) if settings.connection.authentication.is_some() => Err(Violation::new(
            format!("webhook.headers[{name:?}]"),
            Reason::ForbiddenHeader,
            "the webhook's authentication sets this header",
        )),
        _ => Ok(()),
    }
}

/// Looks up every name that requests would go to, as long as there is patience, and refuses what must not be dialled.
/// `is_named` says which fields are new.
pub(super) async fn foresee(
    settings: &WebhookSettings,
    is_named: impl Fn(&str) -> bool,
    egress: &Egress,
) -> Result<(), ApiError> {
    let how = &settings.connection;
    let token_url = match &how.authentication {
        Some(Authentication::OAuth2 { token_url, .. }) => token_url.as_str(),
        _ => "",
    };
    let proxy_url = how.proxy_url.as_ref().map_or("", Sensitive::expose);
    let look = async |field: &'static str, at: &'static str, text: &str| {
        // What is no URL is no destination either, and was refused before.
        let url = Url::parse(text).ok().filter(|_| is_named(field))?;
        let blocked = egress.guard().foresee(&url, LOOKUP_PATIENCE).await.err()?;
        Some(Violation::new(at, Reason::BlockedAddress, blocked.to_string()))
    };
    let (url, token, proxy) = tokio::join!(
        look("url", "webhook.url", &settings.url),
        look(
            "authentication",
            "webhook.authentication.oauth2.token_url",
            token_url
        ),
        look("proxy_url", "webhook.proxy_url", proxy_url),
    );
    let violations: Vec<_> = [url, token, proxy].into_iter().flatten().collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(ApiError::Invalid(violations))
    }
}

/// Without the key.
pub(super) fn tls_shown(tls: TlsSettings) -> Option<v1::Tls> {
    if tls == TlsSettings::default() {
        return None;
    }
    let min_version = match tls.min_version {
        None => v1::TlsVersion::Unspecified,
        Some(TlsVersion::V1_2) => v1::TlsVersion::TlsVersion12,
        Some(TlsVersion::V1_3) => v1::TlsVersion::TlsVersion13,
    };
    Some(v1::Tls {
        min_version: min_version.into(),
        ca_certificates: tls.ca_certificates.unwrap_or_default(),
        client_certificate: tls.client.map(|client| client.certificate).unwrap_or_default(),
        client_key: String::new(),
    })
}

/// Without secrets.
pub(super) fn authentication_shown(authentication: Authentication) -> v1::Authentication {
    let method = match authentication {
        Authentication::Basic { username, .. } => Method::Basic(v1::BasicAuthentication {
            username,
            password: String::new(),
        }),
        Authentication::Bearer { .. } => Method::Bearer(v1::BearerAuthentication { token: String::new() }),
        Authentication::OAuth2 {
            token_url,
            client_id,
            scopes,
            audience,
            ..
        } => Method::Oauth2(v1::OAuth2ClientCredentials {
            token_url,
            client_id,
            client_secret: String::new(),
            scopes,
            audience,
        }),
    };
    v1::Authentication { method: Some(method) }
}

/// Without the password.
pub(super) fn proxy_shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return String::new();
    };
    let _ = url.set_password(None);
    url.into()
}
