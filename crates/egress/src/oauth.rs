//! Access tokens: fetched when needed, kept until shortly before they expire, and asked for once by many.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};
use url::{Url, form_urlencoded};

use crate::{Answer, Exchange, ExchangeError, Guard, OAuth2, client::Transport, credentials::bearer};

/// How long a token is used whose server does not say when it expires.
const LIFETIME_DEFAULT: Duration = Duration::from_mins(5);
/// Longer than this, no token is believed to live.
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// A token is renewed this long before it expires, or after nine tenths of its life.
const RESERVE_MAX: Duration = Duration::from_secs(30);
/// How much of an error code is told on.
const CODE_CHARS_MAX: usize = 64;

/// The tokens of one client at one authorization server.
#[derive(Debug)]
pub(crate) struct TokenSource {
    oauth: OAuth2,
    guard: Guard,
    transport: Arc<Transport>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Token>,
    /// The last failure, for those who were waiting for the same answer.
    failed: Option<(Instant, ExchangeError)>,
}

/// What is sent, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
    renew_at: Instant,
    /// Whether it was fetched for whoever holds this copy.
    pub(crate) is_new: bool,
}

impl TokenSource {
    pub(crate) fn new(oauth: OAuth2, guard: Guard, transport: Arc<Transport>) -> Self {
        Self {
            oauth,
            guard,
            transport,
            state: Mutex::default(),
        }
    }

    /// A token that is good for now. Whoever comes while one is being fetched waits for that one, and shares its failure.
    pub(crate) async fn token(&self) -> Result<Token, ExchangeError> {
        let asked_at = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(token) = state
            .current
            .as_ref()
            .filter(|token| Instant::now() < token.renew_at)
        {
            return Ok(token.clone());
        }
        if let Some((_, error)) = state
            .failed
            .as_ref()
            .filter(|(failed_at, _)| *failed_at > asked_at)
        {
            return Err(error.clone());
        }
        state.current = None;
        match self.fetch().await {
            Ok(token) => {
                state.failed = None;
                state.current = Some(token.clone());
                Ok(Token {
                    is_new: true,
                    ..token
                })
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets a token that a receiver did not take, unless there is a newer one already.
    pub(crate) async fn discard(&self, refused: &Token) {
        let mut state = self.state.lock().await;
        if state
            .current
            .as_ref()
            .is_some_and(|token| token.authorization == refused.authorization)
        {
            state.current = None;
        }
    }

    async fn fetch(&self) -> Result<Token, ExchangeError> {
        let url = self.guard.rules().check(&self.oauth.token_url)?;
        let answer = self
            .transport
            .send(self.request(url))
            .await
            .map_err(|error| match error {
                ExchangeError::BlockedAddress(_) => error,
                error => ExchangeError::NoToken(format!("{}: {error}", self.oauth.token_url)),
            })?;
        read(&answer, Instant::now())
            .map_err(|problem| ExchangeError::NoToken(format!("{} {problem}", self.oauth.token_url)))
    }

    fn request(&self, url: Url) -> Exchange {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.oauth.scopes.is_empty() {
            form.append_pair("scope", &self.oauth.scopes.join(" "));
        }
        if !self.oauth.audience.is_empty() {
            form.append_pair("audience", &self.oauth.audience);
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, self.client_authorization());
        Exchange {
            method: Method::POST,
            url,
            headers,
            body: Bytes::from(form.finish()),
            // The deadline is that of the exchange which needs the token.
            timeout: Duration::MAX,
        }
    }

    /// Both halves are form-encoded first (RFC 6749, section 2.3.1).
    fn client_authorization(&self) -> HeaderValue {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!(
            "{}:{}",
            encode(&self.oauth.client_id),
            encode(&self.oauth.client_secret)
        );
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

/// Reads the answer of RFC 6749, section 5. Nothing of it but the error code gets into a text.
fn read(answer: &Answer, now: Instant) -> Result<Token, String> {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != StatusCode::OK {
        let code: String = json["error"]
            .as_str()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(CODE_CHARS_MAX)
            .collect();
        return Err(match code.as_str() {
            "" => format!("answered {}", answer.status),
            code => format!("answered {} ({code})", answer.status),
        });
    }
    let kind = json["token_type"].as_str().unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(String::from("gives tokens of a type other than Bearer"));
    }
    let authorization = json["access_token"]
        .as_str()
        .and_then(bearer)
        .ok_or("answered 200 without a usable access_token")?;
    // A number by the standard; some servers quote it.
    let seconds = json["expires_in"]
        .as_u64()
        .or_else(|| json["expires_in"].as_str()?.parse().ok());
    let lifetime = seconds
        .map_or(LIFETIME_DEFAULT, Duration::from_secs)
        .min(LIFETIME_MAX);
    let reserve = (lifetime / 10).min(RESERVE_MAX);
    Ok(Token {
        authorization,
        renew_at: now + lifetime.saturating_sub(reserve),
        is_new: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            truncated: false,
        }
    }

    fn lifetime(body: &'static str) -> Duration {
        let now = Instant::now();
        read(&answer(200, body), now).unwrap().renew_at - now
    }

    #[test]
    fn a_token_is_renewed_shortly_before_it_expires() {
        assert_eq!(
            lifetime(r#"{"access_token":"a","expires_in":3600}"#),
            Duration::from_secs(3_570)
        );
        assert_eq!(
            lifetime(r#"{"access_token":"a","expires_in":"100"}"#),
            Duration::from_secs(90)
        );
        assert_eq!(lifetime(r#"{"access_token":"a","expires_in":0}"#), Duration::ZERO);
        assert_eq!(lifetime(r#"{"access_token":"a"}"#), Duration::from_secs(270));
        let long =
            lifetime(r#"{"access_token":"a","expires_in":18446744073709551615,"token_type":"bearer"}"#);
        assert_eq!(long, Duration::from_secs(86_370));
    }

    #[test]
    fn an_answer_without_a_token_is_told_without_its_text() {
        for (status, body, expected) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"s3cret"}"#,
                "answered 401 Unauthorized (invalid_client)",
            ),
            (500, "s3cret", "answered 500 Internal Server Error"),
            (302, "", "answered 302 Found"),
            (200, "s3cret", "answered 200 without a usable access_token"),
            (
                200,
                r#"{"access_token":"a\nb"}"#,
                "answered 200 without a usable access_token",
            ),
            (
                200,
                r#"{"access_token":""}"#,
                "answered 200 without a usable access_token",
            ),
            (
                200,
                r#"{"access_token":"a","token_type":"mac"}"#,
                "gives tokens of a type other than Bearer",
            ),
        ] {
            assert_eq!(read(&answer(status, body), Instant::now()).unwrap_err(), expected);
        }
    }
}
