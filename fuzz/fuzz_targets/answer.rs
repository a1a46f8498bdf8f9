//! Receivers that answer whatever they like, on real sockets: an exchange ends by its deadline, keeps what it reads small,
//! and follows nothing. An input is a word and what is answered, in which the bytes F8 to FC are marks: cut here, pause,
//! repeat this piece, say no more, reset.
//!
//! ```text
//! http1                      or `http2` (frames, inside TLS), `tls` (instead of it), `proxy`, `token`
//! HTTP/1.1 200 OK
//! Content-Length: 2
//!
//! ok
//! ```

#![no_main]

use std::{
    cell::Cell,
    future::ready,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hookwright_egress::{
    ANSWER_BYTES_MAX, ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, AddressRules, Answer, Connection,
    Credentials, Egress, EgressRules, Exchange, ExchangeError, Guard, OAuth2, Policy, ProxyAddress, Resolve,
    Resolving,
};
use hookwright_fuzz::{
    receiver::{DOMAIN, Identity, Layer, Receiver},
    split_line,
};
use http::{HeaderMap, Method};
use libfuzzer_sys::{Corpus, fuzz_target};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use url::Url;

/// An input that says nothing more costs this much time.
const TIMEOUT: Duration = Duration::from_millis(30);
/// An exchange, and with a token that is refused another token and another exchange.
const CONNECTIONS_MAX: usize = 4;

thread_local! {
    static WORLD: World = World::new();
}

struct World {
    runtime: Runtime,
    identity: Identity,
    egress: Egress,
    /// Keeps what is costly to make for connections to receivers with TLS.
    _kept: Connection,
    /// Inputs so far. Each has a name of its own, so that none finds a connection of another.
    count: Cell<u64>,
}

/// Every name is this machine.
#[derive(Debug)]
struct Here;

impl Resolve for Here {
    fn resolve(&self, _: &str) -> Resolving {
        Box::pin(ready(Ok(vec![IpAddr::from([127, 0, 0, 1])])))
    }
}

impl World {
    fn new() -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("the first one");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            // What Rust's own `main` does before everything else. libFuzzer has another one, and without this the first
            // write to a connection that is gone would end the process.
            let _ = signal(SignalKind::pipe()).expect("a handler");
        });
        let identity = Identity::new();
        let rules = EgressRules {
            addresses: AddressRules::Any,
            allow_http: true,
            allow_proxies: true,
            ..EgressRules::default()
        };
        let egress = Egress::new(Guard::with_resolver(rules, Arc::new(Here))).expect("TLS is there");
        let kept = egress.connection(&private(&identity), &Credentials::None);
        Self {
            runtime,
            identity,
            egress,
            _kept: kept.expect("good settings"),
            count: Cell::new(0),
        }
    }

    /// What came of it, and what the receiver was asked.
    fn exchange(&self, kind: Kind, answer: &[u8]) -> (Result<Answer, ExchangeError>, Vec<Vec<u8>>) {
        let layer = match kind {
            Kind::Http2 => Layer::Http2,
            Kind::Http1 | Kind::Tls | Kind::Proxy | Kind::Token => Layer::Plain,
        };
        self.runtime.block_on(async {
            let receiver = Receiver::start(&self.identity, layer, answer).await;
            let outcome = self.ask(kind, receiver.address).await;
            (outcome, receiver.asked())
        })
    }

    async fn ask(&self, kind: Kind, address: SocketAddr) -> Result<Answer, ExchangeError> {
        let number = self.count.replace(self.count.get() + 1);
        let authority = format!("n{number}.{DOMAIN}:{}", address.port());
        let mut policy = Policy::default();
        let mut credentials = Credentials::None;
        let scheme = match kind {
            Kind::Http1 => "http",
            Kind::Tls => "https",
            Kind::Http2 => {
                policy = private(&self.identity);
                "https"
            }
            Kind::Proxy => {
                let proxy = ProxyAddress::parse(&format!("http://{address}"), self.egress.guard().rules());
                policy.proxy = Some(proxy.expect("the receiver's address"));
                "https"
            }
            Kind::Token => {
                credentials = Credentials::OAuth2(OAuth2 {
                    token_url: format!("http://{authority}/token"),
                    client_id: String::from("client"),
                    client_secret: String::from("secret"),
                    scopes: Vec::new(),
                    audience: String::new(),
                });
                "http"
            }
        };
        let connection = self.egress.connection(&policy, &credentials);
        let exchange = Exchange {
            method: Method::POST,
            url: Url::parse(&format!("{scheme}://{authority}/hooks")).expect("a URL"),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
            timeout: TIMEOUT,
        };
        connection.expect("good settings").exchange(exchange).await
    }
}

/// Trust in the receivers of this program, and in nobody else.
fn private(identity: &Identity) -> Policy {
    Policy {
        ca_certificates: Some(identity.authority.clone()),
        ..Policy::default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Http1,
    Http2,
    Tls,
    Proxy,
    Token,
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let (word, answer) = split_line(input);
    let kind = match word {
        b"http1" => Kind::Http1,
        b"http2" => Kind::Http2,
        b"tls" => Kind::Tls,
        b"proxy" => Kind::Proxy,
        b"token" => Kind::Token,
        _ => return Corpus::Reject,
    };
    WORLD.with(|world| {
        let (outcome, asked) = world.exchange(kind, answer);
        match outcome {
            Ok(answer) => check(&answer),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        assert!(asked.len() <= CONNECTIONS_MAX, "{} connections", asked.len());
        for request in asked {
            let starts: &[&[u8]] = match kind {
                Kind::Http1 => &[b"POST /hooks HTTP/1.1\r\n"],
                Kind::Http2 => &[b"PRI * HTTP/2.0\r\n"],
                Kind::Tls => &[b"\x16\x03\x01"],
                Kind::Proxy => &[b"CONNECT "],
                Kind::Token => &[b"POST /token HTTP/1.1\r\n", b"POST /hooks HTTP/1.1\r\n"],
            };
            // Nothing else is ever asked for, wherever an answer points to.
            assert!(
                starts.iter().any(|start| request.starts_with(start)),
                "{request:?}"
            );
        }
    });
    Corpus::Keep
});

fn check(answer: &Answer) {
    assert!(!answer.status.is_informational());
    assert!(answer.body.len() <= ANSWER_BYTES_MAX);
    assert!(!answer.truncated || answer.body.len() == ANSWER_BYTES_MAX);
    assert!(answer.headers.len() <= ANSWER_HEADERS_MAX);
    let bytes: usize = answer
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    // Buffers grow by doubling, and what is in the last of them counts.
    assert!(bytes <= 2 * ANSWER_HEADER_BYTES_MAX, "{bytes} bytes of headers");
}
