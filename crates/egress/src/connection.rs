//! What requests are sent through, and how many share it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use http::{HeaderValue, StatusCode, header};

use crate::{
    Answer, Credentials, Exchange, ExchangeError, Guard, OAuth2, Policy, PolicyError, SetupError,
    client::Transport, oauth::TokenSource, tls::Trust,
};

/// Where all connections come from. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Egress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    guard: Guard,
    trust: Trust,
    /// What almost everybody uses; never let go.
    ordinary: Arc<Transport>,
    transports: SharedByKey<Policy, Transport>,
    tokens: SharedByKey<(OAuth2, Policy), TokenSource>,
    #[cfg(feature = "scripted")]
    script: Option<crate::Script>,
}

/// What one destination's requests are sent through. Cheap to clone.
///
/// Connections are shared by all with an equal [`Policy`], tokens by all with equal [`OAuth2`] settings. Both are let
/// go with the last [`Connection`] that uses them, so there are never more than there are different ones in use.
#[derive(Clone, Debug)]
pub struct Connection {
    guard: Guard,
    transport: Arc<Transport>,
    authorization: Authorization,
}

#[derive(Clone, Debug)]
enum Authorization {
    None,
    Fixed(HeaderValue),
    Token(Arc<TokenSource>),
}

impl Egress {
    /// Reads the machine's authorities. No connection is made.
    pub fn new(guard: Guard) -> Result<Self, SetupError> {
        let trust = Trust::load()?;
        let ordinary = Transport::new(&Policy::default(), &guard, &trust)
            .map_err(|error| SetupError::Tls(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            guard,
            trust,
            ordinary: Arc::new(ordinary),
            transports: SharedByKey::default(),
            tokens: SharedByKey::default(),
            #[cfg(feature = "scripted")]
            script: None,
        })))
    }

    /// The same rules and authorities with a script in place of the network.
    #[cfg(feature = "scripted")]
    pub fn scripted(&self, script: crate::Script) -> Result<Self, SetupError> {
        let (guard, trust) = (self.0.guard.clone(), self.0.trust.clone());
        let ordinary = Transport::new(&Policy::default(), &guard, &trust)
            .map_err(|error| SetupError::Tls(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            guard,
            trust,
            ordinary: Arc::new(ordinary.scripted(Some(script.clone()))),
            transports: SharedByKey::default(),
            tokens: SharedByKey::default(),
            script: Some(script),
        })))
    }

    /// What may be reached.
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// What requests with this policy and these credentials are sent through. Nobody is asked for anything yet.
    pub fn connection(&self, policy: &Policy, credentials: &Credentials) -> Result<Connection, PolicyError> {
        let rules = self.0.guard.rules();
        credentials.check(rules)?;
        if policy.proxy.is_some() && !rules.allow_proxies {
            return Err(PolicyError::Proxy(String::from(
                "the operator has not allowed proxies (--allow-proxies)",
            )));
        }
        let authorization = match credentials {
            Credentials::OAuth2(oauth) => Authorization::Token(self.token_source(oauth, policy)?),
            credentials => credentials
                .fixed()
                .map_or(Authorization::None, Authorization::Fixed),
        };
        Ok(Connection {
            guard: self.0.guard.clone(),
            transport: self.transport(policy)?,
            authorization,
        })
    }

    fn transport(&self, policy: &Policy) -> Result<Arc<Transport>, PolicyError> {
        if *policy == Policy::default() {
            return Ok(Arc::clone(&self.0.ordinary));
        }
        self.0.transports.find_or_make(policy, || {
            let transport = Transport::new(policy, &self.0.guard, &self.0.trust)?;
            #[cfg(feature = "scripted")]
            let transport = transport.scripted(self.0.script.clone());
            Ok(transport)
        })
    }

    /// The authorization server is reached through the same proxy. Versions and certificates are the receiver's matter.
    fn token_source(&self, oauth: &OAuth2, policy: &Policy) -> Result<Arc<TokenSource>, PolicyError> {
        let policy = Policy {
            proxy: policy.proxy.clone(),
            ..Policy::default()
        };
        let transport = self.transport(&policy)?;
        self.0.tokens.find_or_make(&(oauth.clone(), policy), || {
            Ok(TokenSource::new(oauth.clone(), self.0.guard.clone(), transport))
        })
    }
}

impl Connection {
    /// Sends one request and reads the answer, within its deadline.
    pub async fn exchange(&self, exchange: Exchange) -> Result<Answer, ExchangeError> {
        // The rules may have become stricter since the URL was accepted.
        self.guard.check_parsed(&exchange.url)?;
        let timeout = exchange.timeout;
        tokio::time::timeout(timeout, self.authorize_and_send(exchange))
            .await
            .map_err(|_| ExchangeError::TimedOut(timeout))?
    }

    async fn authorize_and_send(&self, mut exchange: Exchange) -> Result<Answer, ExchangeError> {
        match &self.authorization {
            Authorization::None => self.transport.send(exchange).await,
            Authorization::Fixed(authorization) => {
                exchange
                    .headers
                    .insert(header::AUTHORIZATION, authorization.clone());
                self.transport.send(exchange).await
            }
            // Two exchanges and more: in a box, so that those without tokens make no room for them.
            Authorization::Token(source) => Box::pin(self.send_with_token(source, exchange)).await,
        }
    }

    /// A token may be withdrawn before it expires, so one that was kept and is refused is replaced, once.
    async fn send_with_token(
        &self,
        source: &TokenSource,
        mut exchange: Exchange,
    ) -> Result<Answer, ExchangeError> {
        let token = source.token().await?;
        exchange
            .headers
            .insert(header::AUTHORIZATION, token.authorization.clone());
        let answer = self.transport.send(exchange.clone()).await?;
        if answer.status != StatusCode::UNAUTHORIZED || token.is_new {
            return Ok(answer);
        }
        source.discard(&token).await;
        let token = source.token().await?;
        exchange
            .headers
            .insert(header::AUTHORIZATION, token.authorization);
        self.transport.send(exchange).await
    }
}

/// Values that live as long as somebody uses them.
#[derive(Debug)]
struct SharedByKey<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for SharedByKey<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V> SharedByKey<K, V> {
    fn find_or_make(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<V, PolicyError>,
    ) -> Result<Arc<V>, PolicyError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(key).and_then(Weak::upgrade) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        if known.len() == known.capacity() {
            // What nobody uses any more goes before the map grows.
            known.retain(|_, value| value.strong_count() > 0);
        }
        known.insert(key.clone(), Arc::downgrade(&value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EgressRules, TlsVersion};

    #[tokio::test]
    async fn equal_policies_share_their_connections_and_different_ones_are_let_go() {
        let egress = Egress::new(Guard::new(EgressRules::default())).unwrap();
        let modern = Policy {
            min_tls: TlsVersion::V1_3,
            ..Policy::default()
        };
        let connect = |policy: &Policy| egress.connection(policy, &Credentials::None).unwrap();
        let many: Vec<_> = (0..10_000).map(|_| connect(&Policy::default())).collect();
        assert!(
            many.iter()
                .all(|one| Arc::ptr_eq(&one.transport, &egress.0.ordinary))
        );
        let (first, second) = (connect(&modern), connect(&modern));
        assert!(Arc::ptr_eq(&first.transport, &second.transport));
        assert!(!Arc::ptr_eq(&first.transport, &many[0].transport));
        let transport = Arc::downgrade(&first.transport);
        drop((first, second));
        assert!(transport.upgrade().is_none());
    }

    #[tokio::test]
    async fn keys_of_what_is_no_longer_used_do_not_pile_up() {
        let egress = Egress::new(Guard::new(EgressRules::default())).unwrap();
        for number in 0..1_000 {
            let oauth = OAuth2 {
                token_url: "https://auth.example/token".to_owned(),
                client_id: format!("client {number}"),
                client_secret: "s3cret".to_owned(),
                scopes: Vec::new(),
                audience: String::new(),
            };
            let credentials = Credentials::OAuth2(oauth);
            let connection = egress.connection(&Policy::default(), &credentials).unwrap();
            assert!(!format!("{connection:?} {credentials:?}").contains("s3cret"));
        }
        assert!(egress.0.tokens.0.lock().unwrap().len() < 10);
    }
}
