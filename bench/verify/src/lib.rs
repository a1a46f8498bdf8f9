//! One message of Standard Webhooks, the scheme that all libraries under comparison know, in every form in which one
//! of them wants it.

use hookwright_core::{Message, Scheme, Secret, Signer, Verifier};

/// Thirty-two bytes, as the specification recommends.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A signed message.
#[derive(Debug)]
pub struct Signed {
    pub id: String,
    pub timestamp: i64,
    pub timestamp_text: String,
    /// `v1,` and base64.
    pub signature: String,
    pub body: Vec<u8>,
}

impl Signed {
    /// Signs JSON of `bytes` bytes at `timestamp`.
    pub fn new(bytes: usize, timestamp: i64) -> Self {
        let body = format!(r#"{{"type":"bench","data":"{}"}}"#, "x".repeat(bytes - 26)).into_bytes();
        assert_eq!(body.len(), bytes);
        let id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
        let signed = signer().sign(&Message {
            id,
            event_type: "bench",
            timestamp,
            body: &body,
            method: "POST",
            url: "https://example.com/",
        });
        Self {
            id: id.to_owned(),
            timestamp,
            timestamp_text: timestamp.to_string(),
            signature: signed[2].1.clone(),
            body,
        }
    }

    /// The headers of an ordinary request: these three and what HTTP brings along.
    pub fn headers(&self) -> [(&str, &[u8]); 9] {
        [
            ("host", b"hooks.example.com"),
            ("user-agent", b"hookwright/0.1"),
            ("accept", b"*/*"),
            ("content-type", b"application/json"),
            ("content-length", b"1024"),
            ("x-request-id", b"7c0a9a52-5a09-4d0e-a2a7-5c4e5a1f9d3b"),
            ("webhook-id", self.id.as_bytes()),
            ("webhook-timestamp", self.timestamp_text.as_bytes()),
            ("webhook-signature", self.signature.as_bytes()),
        ]
    }
}

/// A verifier of [`SECRET`].
pub fn verifier() -> Verifier {
    Verifier::for_scheme(&scheme(), &[secret()]).expect("the secret fits the scheme")
}

fn signer() -> Signer {
    Signer::for_scheme(&scheme(), &[secret()]).expect("the secret fits the scheme")
}

fn scheme() -> std::sync::Arc<Scheme> {
    Scheme::builtin("standard-webhooks").expect("built in")
}

fn secret() -> Secret {
    Secret::parse(SECRET).expect("a secret")
}
