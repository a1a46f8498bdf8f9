//! What the fuzz targets share: a request written down as text, and keys for schemes of every kind.

pub mod receiver;

use hookwright_core::{
    HeaderName, Message, Profile, Request, Scheme, Secret, SecretError, Signer, Tolerance, Verifier,
    VerifyError,
};

/// The message that targets sign when any message will do.
pub const MESSAGE: Message<'static> = Message {
    id: "evt_1",
    event_type: "user.created",
    timestamp: 1_705_314_600,
    body: b"{\"a\":1}",
    method: "POST",
    url: "https://example.com/hooks?x=1",
};

/// A request of a stranger and the receiver that it comes to.
///
/// ```text
/// stripe 1705314600 POST https://example.com/hook      scheme, clock, method, URL
/// whsec_current<TAB>whsec_previous                     secrets
/// Stripe-Signature: t=1705314600,v1=…                  headers, an empty line, the body
///
/// {"a":1}
/// ```
pub struct Situation<'a> {
    /// The name of the scheme, built in or not.
    pub scheme: &'a str,
    /// Unix seconds.
    pub now: i64,
    /// The method.
    pub method: &'a str,
    /// The URL.
    pub url: &'a str,
    /// The secrets as they are configured, good or bad.
    pub secrets: Vec<&'a str>,
    /// Headers and body.
    pub text: Text<'a>,
}

impl<'a> Situation<'a> {
    /// Takes `input` apart. `None` when its first two lines are not text.
    pub fn read(input: &'a [u8]) -> Option<Self> {
        let (situation, rest) = split_line(input);
        let (secrets, rest) = split_line(rest);
        let mut words = str::from_utf8(situation).ok()?.splitn(4, ' ');
        Some(Self {
            scheme: words.next()?,
            now: words.next().unwrap_or_default().parse().unwrap_or(i64::MIN),
            method: words.next().unwrap_or_default(),
            url: words.next().unwrap_or_default(),
            secrets: str::from_utf8(secrets).ok()?.split('\t').collect(),
            text: Text::read(rest),
        })
    }

    /// The request.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: self.method,
            url: self.url,
            headers: &self.text.headers,
            body: self.text.body,
        }
    }
}

/// Header lines and a body, as in HTTP: `Name: value` per line, an empty line, the body.
pub struct Text<'a> {
    /// The headers; lines that are not one are left out.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// Everything behind the empty line.
    pub body: &'a [u8],
}

impl<'a> Text<'a> {
    /// Takes `text` apart. Every text is one, so that the fuzzer wastes nothing on syntax.
    pub fn read(text: &'a [u8]) -> Self {
        let mut headers = Vec::new();
        let mut rest = text;
        loop {
            let (line, after) = split_line(rest);
            rest = after;
            if line.is_empty() {
                return Self { headers, body: rest };
            }
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            if let Ok(name) = str::from_utf8(&line[..colon]) {
                let value = line.get(colon + 1..).unwrap_or_default();
                headers.push((name, value.strip_prefix(b" ").unwrap_or(value)));
            }
        }
    }
}

/// The first line of `text` without its end, and what follows.
pub fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// A signer and a verifier of the scheme with keys of the kind that it takes, if there are any for it.
pub fn keyed_for_scheme(scheme: &Scheme) -> Option<(Signer, Verifier)> {
    keyed(
        |secrets| Signer::for_scheme(scheme, secrets),
        |secrets| Verifier::for_scheme(scheme, secrets),
    )
}

/// The same for everything that a profile signs with.
pub fn keyed_for_profile(profile: &Profile) -> Option<(Signer, Verifier)> {
    keyed(
        |secrets| Signer::for_profile(profile, secrets),
        |secrets| Verifier::for_profile(profile, secrets),
    )
}

fn keyed(
    signer: impl Fn(&[Secret]) -> Result<Signer, SecretError>,
    verifier: impl Fn(&[Secret]) -> Result<Verifier, SecretError>,
) -> Option<(Signer, Verifier)> {
    KEYS.iter().find_map(|(private, public)| {
        let signer = signer(&[Secret::parse(private).ok()?]).ok()?;
        let verifier = verifier(&[Secret::parse(public).ok()?]).ok()?;
        Some((signer, verifier))
    })
}

/// Signs [`MESSAGE`] and verifies what came out.
pub fn round_trip(signer: &Signer, verifier: &Verifier) -> Result<(), VerifyError> {
    let signed = signer.sign(&MESSAGE);
    let headers = borrowed(&signed);
    let request = Request {
        method: MESSAGE.method,
        url: MESSAGE.url,
        headers: &headers,
        body: MESSAGE.body,
    };
    // A scheme that has the time in the body would miss it in this one.
    let verifier = verifier.clone().with_tolerance(Tolerance::Off);
    verifier.verify(&request, MESSAGE.timestamp).map(drop)
}

/// Headers as a request has them.
pub fn borrowed(headers: &[(HeaderName, String)]) -> Vec<(&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// A key to sign with and its counterpart to verify with, for every kind of scheme. The key pairs are published
/// examples: Ed25519 from RFC 8032, section 7.1, test 1, and P-256 from RFC 6979, appendix A.2.5.
const KEYS: [(&str, &str); 6] = [
    // Text, and what Standard Webhooks prescribes.
    (
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    ),
    // Base64.
    (
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    ),
    // Hex.
    (
        "30313233343536373839303132333435363738393031323334353637383930",
        "30313233343536373839303132333435363738393031323334353637383930",
    ),
    // Key pairs: Ed25519 in the form of Standard Webhooks and in hex, P-256 as PKCS #8 and SPKI.
    (
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
        "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\
         d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ),
    (
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg/tS6JVqd\
         Mclh63TGNW1owEm4kjth+mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+\
         n1F3o8KU1EYimQ==",
    ),
];
