//! Who we say we are to a receiver.

use std::fmt;

use http::HeaderValue;

use crate::{EgressRules, PolicyError, proxy::basic};

/// Longer values are refused by common servers.
const BYTES_MAX: usize = 4 * 1024;
const SCOPES_MAX: usize = 32;

/// What a request is authorised by. `Debug` shows no secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// HTTP Basic (RFC 7617), in UTF-8.
    Basic {
        /// Without a colon.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that does not change.
    Bearer(String),
    /// Tokens of an authorization server.
    OAuth2(OAuth2),
}

/// The client credentials grant (RFC 6749, section 4.4).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OAuth2 {
    /// Where tokens are asked for. The same rules hold as for destinations.
    pub token_url: String,
    /// Who we are there.
    pub client_id: String,
    /// The proof.
    pub client_secret: String,
    /// What the token is for; empty leaves it to the server.
    pub scopes: Vec<String>,
    /// Whom the token is for, where the server wants to know; empty is not sent.
    pub audience: String,
}

impl Credentials {
    /// Checks what can be checked without asking anybody.
    pub fn check(&self, rules: &EgressRules) -> Result<(), PolicyError> {
        match self {
            Self::None => Ok(()),
            Self::Basic { username, password } => {
                if username.is_empty() || username.contains(':') {
                    return Err(refused("the user name must be there and have no colon"));
                }
                visible("the user name", username)?;
                visible("the password", password)
            }
            Self::Bearer(token) => bearer(token)
                .map(drop)
                .ok_or_else(|| refused("the token must be visible ASCII characters, at most 4 KiB")),
            Self::OAuth2(oauth) => oauth.check(rules),
        }
    }

    /// The value of `Authorization`, where it is always the same.
    pub(crate) fn fixed(&self) -> Option<HeaderValue> {
        match self {
            Self::None | Self::OAuth2(_) => None,
            Self::Basic { username, password } => basic(username, password),
            Self::Bearer(token) => bearer(token),
        }
    }
}

impl OAuth2 {
    fn check(&self, rules: &EgressRules) -> Result<(), PolicyError> {
        rules.check(&self.token_url).map_err(PolicyError::TokenUrl)?;
        for (name, value) in [
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
        ] {
            if value.is_empty() {
                return Err(PolicyError::Credentials(format!("{name} is missing")));
            }
            visible(name, value)?;
        }
        visible("the audience", &self.audience)?;
        let is_scope = |scope: &String| {
            !scope.is_empty()
                && scope.len() <= 256
                && scope
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        if self.scopes.len() > SCOPES_MAX || !self.scopes.iter().all(is_scope) {
            return Err(refused(
                "at most 32 scopes of visible ASCII characters, without quotes and backslashes",
            ));
        }
        Ok(())
    }
}

/// `None` when HTTP could not carry the token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let is_sendable =
        (1..=BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .ok()
        .filter(|_| is_sendable)?;
    value.set_sensitive(true);
    Some(value)
}

fn visible(name: &str, value: &str) -> Result<(), PolicyError> {
    if value.len() > BYTES_MAX || value.contains(char::is_control) {
        return Err(PolicyError::Credentials(format!(
            "{name} must be at most 4 KiB, without control characters"
        )));
    }
    Ok(())
}

fn refused(problem: &str) -> PolicyError {
    PolicyError::Credentials(problem.to_owned())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { .. } => f.write_str("Basic([REDACTED])"),
            Self::Bearer(_) => f.write_str("Bearer([REDACTED])"),
            Self::OAuth2(oauth) => oauth.fmt(f),
        }
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("token_url", &self.token_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
