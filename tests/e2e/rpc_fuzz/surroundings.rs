//! The world that the server under test lives in: names that resolve to this machine, elsewhere or nowhere, and
//! receivers that answer well, badly or not at all.

use std::{future::ready, io, net::IpAddr, sync::Arc};

use hookwright_server::{AllowedTarget, Config, EgressRules, Resolve, Resolving};
use hookwright_store::EncryptionKeys;

use super::values::Surroundings;
use crate::{
    adversarial::{raw_server::raw_server, tls_server::Authority},
    harness::{Database, Receiver, config},
};

/// A server that may deliver to this machine by its address and to nothing else that is private.
pub(super) fn hardened(database: &Database) -> Config {
    let mut config = config(database.address());
    config.egress = EgressRules {
        allowed: vec![AllowedTarget::Network("127.0.0.1/32".parse().unwrap())],
        allow_http: true,
        allow_proxies: true,
        ..EgressRules::default()
    };
    config.resolver = Arc::new(Names);
    config
}

pub(super) fn keys() -> EncryptionKeys {
    EncryptionKeys::parse(&EncryptionKeys::generate("k1").unwrap()).unwrap()
}

pub(super) fn of(receiver: &Receiver) -> Surroundings {
    let authority = Authority::new();
    let identity = authority.issue("good.example", 2099);
    Surroundings {
        urls: vec![
            receiver.url(),
            receiver.url().replace("127.0.0.1", "good.example"),
            receiver.url().replace("http:", "https:"),
            raw_server("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", None),
            raw_server(
                "HTTP/1.1 503 No\r\nRetry-After: 99999999999999999999\r\nContent-Length: 2\r\n\r\nno",
                None,
            ),
            raw_server(
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
                None,
            ),
            raw_server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n\0\u{1b}[", None),
            raw_server("SSH-2.0-OpenSSH_9.9\r\n", None),
            // Nobody listens on the port of "discard".
            "http://127.0.0.1:9/hooks".to_owned(),
            "https://private.example/hooks".to_owned(),
            "https://nowhere.example/hooks".to_owned(),
        ],
        certificate: identity.certificate_pem(),
        key: identity.key_pem(),
    }
}

#[derive(Debug)]
struct Names;

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Resolving {
        let address = match host {
            "good.example" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
            "private.example" => Ok(vec![IpAddr::from([10, 0, 0, 1])]),
            _ => Err(io::Error::other("no such name")),
        };
        Box::pin(ready(address))
    }
}
