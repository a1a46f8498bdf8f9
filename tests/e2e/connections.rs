//! How deliveries are sent when their owner chose something else than a plain POST.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hookwright_proto::v1::{self, authentication::Method};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tonic::Code;

use crate::{
    adversarial::tls_server::{Authority, TlsReceiver},
    errors::assert_refused,
    harness::{
        Answer, Client, Database, PATIENCE, Receiver, config, delivery_when, on_both_stores, publish,
        register, start, start_with, webhook,
    },
};

fn authenticated(url: String, method: Method) -> v1::Webhook {
    v1::Webhook {
        authentication: Some(v1::Authentication { method: Some(method) }),
        ..webhook(url, "generic", &[Duration::ZERO])
    }
}

fn oauth(token_url: String) -> Method {
    Method::Oauth2(v1::OAuth2ClientCredentials {
        token_url,
        client_id: "client 1".to_owned(),
        client_secret: "s3cret:/".to_owned(),
        scopes: vec!["hooks.write".to_owned(), "b".to_owned()],
        audience: "receiver".to_owned(),
    })
}

fn token(text: &str) -> Answer {
    Answer::With {
        status: 200,
        header: ("content-type", "application/json".to_owned()),
        body: format!(r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":3600}}"#).into(),
    }
}

async fn try_register(client: &mut Client, webhook: v1::Webhook) -> Result<v1::Webhook, tonic::Status> {
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        ..v1::RegisterRequest::default()
    };
    client
        .register(request)
        .await
        .map(|answer| answer.into_inner().webhook.unwrap())
}

/// Tunnels what is asked with CONNECT and answers 200 to what is not. Tells the heads of all requests.
async fn proxy(status: u16) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heads, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let heads = heads.clone();
            tokio::spawn(async move { drop(pass_on(stream, status, &heads).await) });
        }
    });
    (address, told)
}

async fn pass_on(
    mut stream: TcpStream,
    status: u16,
    heads: &mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let _ = heads.send(head.clone());
    if status != 200 {
        return stream
            .write_all(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await;
    }
    let Some(rest) = head.strip_prefix("CONNECT ") else {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await?;
        // Closing with unread bytes would reset the connection and might take back what was written.
        stream.shutdown().await?;
        while stream.read(&mut [0; 1_024]).await? > 0 {}
        return Ok(());
    };
    let mut target = TcpStream::connect(rest.split(' ').next().unwrap()).await?;
    stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::io::copy_bidirectional(&mut stream, &mut target)
        .await
        .map(drop)
}

on_both_stores! {
    /// A receiver that wants PUT, or another media type, could not be delivered to; or its signature would not fit.
    async fn method_and_content_type_are_what_the_owner_chose(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let wanted = v1::Webhook {
            method: "PUT".to_owned(),
            content_type: "application/cloudevents+json; charset=utf-8".to_owned(),
            ..webhook(receiver.url(), "generic", &[])
        };
        let shown = try_register(&mut client, wanted).await.unwrap();
        assert_eq!((shown.method.as_str(), shown.content_type.as_str()), ("PUT", "application/cloudevents+json; charset=utf-8"));
        publish(&mut client, "user.created", "{}").await;
        let request = receiver.next().await;
        assert_eq!(request.method, "PUT");
        assert_eq!(request.header("content-type"), "application/cloudevents+json; charset=utf-8");

        let update = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id: shown.id, ..v1::Webhook::default() }),
            update_mask: Some(pbjson_types::FieldMask { paths: vec!["method".to_owned(), "content_type".to_owned()] }),
        };
        let shown = client.update_webhook(update).await.unwrap().into_inner().webhook.unwrap();
        assert_eq!((shown.method.as_str(), shown.content_type.as_str()), ("POST", ""));
        publish(&mut client, "user.created", "{}").await;
        let request = receiver.next().await;
        assert_eq!((request.method.as_str(), request.header("content-type")), ("POST", "application/json"));
        server.stop().await.unwrap();
    }

    /// A receiver behind a login would refuse everything, or the password would be shown to whoever lists webhooks.
    async fn fixed_credentials_are_sent_and_never_shown(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let basic = v1::BasicAuthentication { username: "j\u{f6}rg".to_owned(), password: "s3cret:1".to_owned() };
        let bearer = v1::BearerAuthentication { token: "s3cret.token".to_owned() };
        for (method, sent) in [
            (Method::Basic(basic), format!("Basic {}", STANDARD.encode("j\u{f6}rg:s3cret:1"))),
            (Method::Bearer(bearer), "Bearer s3cret.token".to_owned()),
        ] {
            let shown = try_register(&mut client, authenticated(receiver.url(), method)).await.unwrap();
            assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
            publish(&mut client, "user.created", "{}").await;
            assert_eq!(receiver.next().await.header("authorization"), sent);
            // What is shown is not enough to be sent back: that would take the secret away.
            let update = v1::UpdateWebhookRequest {
                webhook: Some(shown.clone()),
                update_mask: Some(pbjson_types::FieldMask { paths: vec!["authentication".to_owned()] }),
            };
            assert_eq!(client.update_webhook(update).await.unwrap_err().code(), Code::InvalidArgument);
            client.delete_webhook(v1::DeleteWebhookRequest { id: shown.id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }
        server.stop().await.unwrap();
    }

    /// Each delivery would ask for a token of its own, or a withdrawn token would fail all of them.
    async fn tokens_are_fetched_once_kept_and_replaced_when_refused(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let mut authority = Receiver::start().await;
        authority.will_answer([token("one"), token("two")]);
        let shown = try_register(&mut client, authenticated(receiver.url(), oauth(authority.url()))).await.unwrap();
        assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
        for _ in 0..20 {
            publish(&mut client, "user.created", "{}").await;
        }
        for _ in 0..20 {
            assert_eq!(receiver.next().await.header("authorization"), "Bearer one");
        }
        let asked = authority.next().await;
        assert_eq!(asked.body, "grant_type=client_credentials&scope=hooks.write+b&audience=receiver");
        assert_eq!(asked.header("authorization"), format!("Basic {}", STANDARD.encode("client+1:s3cret%3A%2F")));
        assert!(authority.rest().is_empty(), "twenty deliveries share one token");

        receiver.will_answer([Answer::Status(401)]);
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(found.attempts.len(), 1);
        assert_eq!(receiver.next().await.header("authorization"), "Bearer one");
        assert_eq!(receiver.next().await.header("authorization"), "Bearer two");

        // A new token that is refused as well is not the token's fault. The old one is gone, and no new one comes.
        let refusal = Answer::With { status: 401, header: ("x-a", "b".to_owned()), body: r#"{"error":"invalid_client"}"#.into() };
        authority.will_answer([token("three"), refusal.clone(), refusal]);
        receiver.will_answer([Answer::Status(401), Answer::Status(401), Answer::Status(401)]);
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        assert_eq!(found.attempts[0].http_status, 401);
        let told = format!("no access token: {} answered 401 Unauthorized (invalid_client)", authority.url());
        assert_eq!(found.attempts[1].error, told);
        server.stop().await.unwrap();
    }

    /// The authorization server would be a way around the guard.
    async fn a_token_url_is_guarded_like_a_destination(database: &Database) {
        let mut config = config(database.address());
        config.egress = hookwright_server::EgressRules { allow_http: true, ..Default::default() };
        let resolver = crate::adversarial::resolver::Scripted::new([
            crate::adversarial::resolver::to(&["93.184.216.34"]),
            crate::adversarial::resolver::to(&["10.0.0.1"]),
        ]);
        config.resolver = Arc::new(resolver);
        let (server, mut client) = start_with(config).await;
        for (token_url, reason) in [
            ("https://169.254.169.254/token", "BLOCKED_ADDRESS"),
            ("https://user@auth.example/token", "INVALID_URL"),
            ("", "INVALID_URL"),
            ("https://auth.example/token", "BLOCKED_ADDRESS"),
        ] {
            // The destination is an address, so that only the token URL is looked up.
            let wanted = authenticated("https://93.184.216.34/".to_owned(), oauth(token_url.to_owned()));
            let result = try_register(&mut client, wanted.clone()).await;
            let result = if result.is_ok() { try_register(&mut client, wanted).await } else { result };
            assert_refused(result, Code::InvalidArgument, reason, "webhook.authentication.oauth2.token_url");
        }
        server.stop().await.unwrap();
    }

    /// A receiver that knows its senders by certificate could not be delivered to.
    async fn a_client_certificate_is_shown_to_receivers_that_ask(database: &Database) {
        let (server, mut client) = start(database).await;
        let authority = Authority::new();
        let ours = authority.issue("sender.example", 4_000);
        let receiver =
            TlsReceiver::start_with(&authority.issue("127.0.0.1", 4_000), rustls::ALL_VERSIONS, Some(&authority)).await;
        let tls = v1::Tls {
            ca_certificates: authority.pem(),
            client_certificate: ours.certificate_pem(),
            client_key: ours.key_pem(),
            ..v1::Tls::default()
        };
        let wanted = v1::Webhook { tls: Some(tls.clone()), ..webhook(receiver.url(), "contractai", &[]) };
        let shown = try_register(&mut client, wanted.clone()).await.unwrap();
        assert_eq!(shown.tls.as_ref().unwrap().client_certificate, tls.client_certificate);
        assert!(!format!("{shown:?}").contains("PRIVATE KEY"));
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;

        let another = authority.issue("sender.example", 4_000);
        for (bad, field) in [
            (v1::Tls { client_key: String::new(), ..tls.clone() }, "client_key"),
            (v1::Tls { client_certificate: String::new(), ..tls.clone() }, "client_certificate"),
            (v1::Tls { client_key: another.key_pem(), ..tls.clone() }, "client_key"),
            (v1::Tls { client_key: "no key".to_owned(), ..tls.clone() }, "client_key"),
            (v1::Tls { client_certificate: "no certificate".to_owned(), ..tls.clone() }, "client_certificate"),
            (v1::Tls { ca_certificates: "no certificate".to_owned(), ..tls.clone() }, "ca_certificates"),
            (v1::Tls { min_version: 9, ..tls.clone() }, "min_version"),
        ] {
            let result = try_register(&mut client, v1::Webhook { tls: Some(bad), ..wanted.clone() }).await;
            assert_refused(result, Code::InvalidArgument, "INVALID_TLS", &format!("webhook.tls.{field}"));
        }
        server.stop().await.unwrap();
    }

    /// ContractAI promises its customers TLS 1.3, and an older receiver would be delivered to all the same.
    async fn a_profile_can_demand_a_newer_tls(database: &Database) {
        let (server, mut client) = start(database).await;
        let authority = Authority::new();
        let identity = authority.issue("127.0.0.1", 4_000);
        let old = TlsReceiver::start_with(&identity, &[&rustls::version::TLS12], None).await;
        let tls = |min_version| Some(v1::Tls { ca_certificates: authority.pem(), min_version, ..v1::Tls::default() });
        for (profile, min_version, outcome) in [
            ("contractai", 0, v1::Outcome::TlsFailed),
            ("contractai", 1, v1::Outcome::Accepted),
            ("generic", 0, v1::Outcome::Accepted),
            ("generic", 2, v1::Outcome::TlsFailed),
        ] {
            let wanted = v1::Webhook { tls: tls(min_version), ..webhook(old.url(), profile, &[]) };
            let (id, _) = register(&mut client, wanted).await;
            let event = publish(&mut client, "user.created", "{}").await;
            let state = if outcome == v1::Outcome::Accepted { v1::DeliveryState::Delivered } else { v1::DeliveryState::Dead };
            let found = delivery_when(&mut client, &event, state).await;
            assert_eq!(found.attempts[0].outcome(), outcome, "{profile} {min_version}: {}", found.attempts[0].error);
            client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }
        server.stop().await.unwrap();
    }

    /// Where everything leaves through a proxy, nothing would be delivered.
    async fn deliveries_go_through_the_proxy(database: &Database) {
        let mut config = config(database.address());
        config.egress.allow_proxies = true;
        let (server, mut client) = start_with(config).await;
        let authority = Authority::new();
        let secure = TlsReceiver::start(&authority.issue("127.0.0.1", 4_000)).await;
        let (address, mut heads) = proxy(200).await;
        let tls = v1::Tls { ca_certificates: authority.pem(), ..v1::Tls::default() };
        let credentials = format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode("us@er:s3cret"));
        for (url, start) in [
            (secure.url(), format!("CONNECT {} HTTP/1.1\r\n", &secure.url()[8..secure.url().len() - 6])),
            ("http://nowhere.invalid/hooks".to_owned(), "POST http://nowhere.invalid/hooks HTTP/1.1\r\n".to_owned()),
        ] {
            let wanted = v1::Webhook {
                tls: Some(tls.clone()),
                proxy_url: format!("http://us%40er:s3cret@{address}"),
                ..webhook(url, "generic", &[])
            };
            let shown = try_register(&mut client, wanted).await.unwrap();
            assert_eq!(shown.proxy_url, format!("http://us%40er@{address}/"));
            let event = publish(&mut client, "user.created", "{}").await;
            delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
            let head = tokio::time::timeout(PATIENCE, heads.recv()).await.unwrap().unwrap();
            assert!(head.starts_with(&start), "{head}");
            assert!(head.contains(&credentials), "{head}");
            client.delete_webhook(v1::DeleteWebhookRequest { id: shown.id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }

        let (address, _heads) = proxy(407).await;
        let wanted = v1::Webhook { proxy_url: format!("http://{address}"), ..webhook(secure.url(), "generic", &[]) };
        register(&mut client, wanted).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        assert_eq!(found.attempts[0].error, "the proxy wants other credentials (407); look at the webhook's proxy_url");
        server.stop().await.unwrap();
    }

    /// A proxy would be a way around the guard, or a mistake would be found by the first delivery.
    async fn what_cannot_be_used_is_refused_when_it_is_set(database: &Database) {
        let (server, mut client) = start(database).await;
        let good = || webhook("http://127.0.0.1:9/".to_owned(), "generic", &[]);
        let proxied = |url: &str| v1::Webhook { proxy_url: url.to_owned(), ..good() };
        let refused = try_register(&mut client, proxied("http://proxy.example:3128")).await;
        assert!(refused.as_ref().unwrap_err().message().contains("--allow-proxies"));
        assert_refused(refused, Code::InvalidArgument, "INVALID_PROXY", "webhook.proxy_url");
        let basic = |username: &str, password: &str| {
            let basic = v1::BasicAuthentication { username: username.to_owned(), password: password.to_owned() };
            v1::Webhook { authentication: Some(v1::Authentication { method: Some(Method::Basic(basic)) }), ..good() }
        };
        let bearer = v1::BearerAuthentication { token: "a b".to_owned() };
        let bearer = v1::Webhook { authentication: Some(v1::Authentication { method: Some(Method::Bearer(bearer)) }), ..good() };
        for (webhook, reason, field) in [
            (v1::Webhook { method: "GET".to_owned(), ..good() }, "INVALID_METHOD", "webhook.method"),
            (v1::Webhook { method: "put".to_owned(), ..good() }, "INVALID_METHOD", "webhook.method"),
            (v1::Webhook { content_type: "json".to_owned(), ..good() }, "INVALID_CONTENT_TYPE", "webhook.content_type"),
            (v1::Webhook { content_type: "a/b\r\nx: 1".to_owned(), ..good() }, "INVALID_CONTENT_TYPE", "webhook.content_type"),
            (basic("", "p"), "INVALID_AUTHENTICATION", "webhook.authentication.basic"),
            (basic("a:b", "p"), "INVALID_AUTHENTICATION", "webhook.authentication.basic"),
            (basic("a", "p\r\n"), "INVALID_AUTHENTICATION", "webhook.authentication.basic"),
            (basic("a", ""), "INVALID_AUTHENTICATION", "webhook.authentication.basic.password"),
            (bearer, "INVALID_AUTHENTICATION", "webhook.authentication.bearer"),
        ] {
            assert_refused(try_register(&mut client, webhook).await, Code::InvalidArgument, reason, field);
        }
        server.stop().await.unwrap();
    }
}
