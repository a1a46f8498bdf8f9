//! Signatures, timestamps and ids found in a request by their looks, wherever they are and however they are written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::variant::Variant;
use crate::content::{Content, Variable};
use crate::header::{Encoding, HeaderName, MAX_HEADER_BYTES, parse_id, parse_timestamp};
use crate::scheme::{Algorithm, Scheme, Signature, SignatureForm, Timestamp, TimestampSource, TimestampUnit};
use crate::verifier::Request;

/// Most headers that are looked at.
const MAX_HEADERS: usize = 64;
/// Most signatures, timestamps and ids that are tried.
const MAX_SIGNATURES: usize = 6;
const MAX_TIMESTAMPS: usize = 2;
const MAX_IDS: usize = 2;

/// The headers of a request that is put together for the verifier; no platform has them.
const SIGNATURE: &str = "explain-signature";
const TIMESTAMP: &str = "explain-timestamp";
const ID: &str = "explain-id";

/// Something that has the size of a MAC.
pub(super) struct FoundSignature<'a> {
    pub(super) header: &'a str,
    algorithm: Algorithm,
    /// The MAC in lower-case hex.
    hex: String,
    /// In what way the header is not what the scheme expects.
    pub(super) causes: Vec<Variant>,
}

/// A timestamp or an id, and the header that it was in.
#[derive(Clone, Copy)]
struct FoundText<'a> {
    header: &'a str,
    text: &'a str,
    is_expected: bool,
}

/// A proof put together out of what was found: one signature, and where the content needs them a timestamp and an
/// id.
pub(super) struct Proof<'a> {
    pub(super) signature: &'a FoundSignature<'a>,
    timestamp: Option<FoundText<'a>>,
    id: Option<FoundText<'a>>,
}

impl<'a> FoundSignature<'a> {
    /// All that is found, those in the header of the scheme first.
    pub(super) fn all(scheme: &Scheme, request: &Request<'a>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for (header, text) in texts(request) {
            let is_expected = scheme.signature.headers.iter().any(|name| name.matches(header));
            for item in items(text) {
                if let Some(written) = Written::read(item) {
                    found.push(written.found(scheme, header, is_expected));
                }
            }
        }
        // The same signature read with and without its tag is one signature; the reading that fits better stays.
        found.sort_by_key(|signature| signature.causes.len());
        let mut distinct: Vec<Self> = Vec::new();
        for signature in found {
            if distinct.len() == MAX_SIGNATURES {
                break;
            }
            if distinct.iter().all(|earlier| earlier.hex != signature.hex) {
                distinct.push(signature);
            }
        }
        distinct
    }

    /// The proofs that this signature can be part of, when `content` is what is signed.
    pub(super) fn proofs<'b>(
        &'b self,
        scheme: &Scheme,
        content: &Content,
        request: &Request<'b>,
    ) -> Vec<Proof<'b>> {
        let mut proofs = Vec::new();
        for timestamp in wanted(content, Variable::Timestamp, || timestamps(scheme, request)) {
            for id in wanted(content, Variable::Id, || ids(scheme, request)) {
                proofs.push(Proof {
                    signature: self,
                    timestamp,
                    id,
                });
            }
        }
        proofs
    }
}

impl Proof<'_> {
    /// Why the scheme does not see this proof by itself.
    pub(super) fn causes(&self) -> Vec<Variant> {
        let mut causes = self.signature.causes.clone();
        let elsewhere =
            |found: &Option<FoundText<'_>>| found.as_ref().is_some_and(|found| !found.is_expected);
        if (elsewhere(&self.timestamp) || elsewhere(&self.id)) && !causes.contains(&Variant::HeaderName) {
            causes.push(Variant::HeaderName);
        }
        if causes.is_empty() {
            causes.push(Variant::SignatureForm);
        }
        causes
    }

    /// The headers that the parts came in.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let texts = [&self.timestamp, &self.id];
        std::iter::once(self.signature.header).chain(texts.into_iter().flatten().map(|found| found.header))
    }

    /// The headers of a request that says the same in the plainest form.
    pub(super) fn plain_headers(&self) -> Vec<(&str, &[u8])> {
        let mut headers = vec![(SIGNATURE, self.signature.hex.as_bytes())];
        headers.extend(
            self.timestamp
                .as_ref()
                .map(|found| (TIMESTAMP, found.text.as_bytes())),
        );
        headers.extend(self.id.as_ref().map(|found| (ID, found.text.as_bytes())));
        headers
    }

    /// A scheme that reads that form, and otherwise is `scheme` with `content`.
    pub(super) fn plain_scheme(&self, scheme: &Scheme, content: &Content) -> Option<Scheme> {
        let name = |text| HeaderName::parse(text).ok();
        let mut plain = scheme.clone();
        plain.signature = Signature {
            send: plain.signature.send,
            headers: [name(SIGNATURE)?].into(),
            encoding: Encoding::Hex,
            item_separator: None,
            form: SignatureForm::Bare(self.signature.algorithm),
        };
        let timestamp = scheme.timestamp.as_ref();
        if content.uses(Variable::Timestamp) {
            plain.timestamp = Some(Timestamp {
                source: TimestampSource::Header([name(TIMESTAMP)?].into()),
                unit: timestamp.map_or(TimestampUnit::Seconds, |timestamp| timestamp.unit),
                tolerance_seconds: timestamp.and_then(|timestamp| timestamp.tolerance_seconds),
            });
        } else {
            // A timestamp in the body is signed with it; any other is now nowhere.
            plain.timestamp = timestamp
                .filter(|timestamp| matches!(timestamp.source, TimestampSource::Body(_)))
                .cloned();
        }
        plain.id = content.uses(Variable::Id).then_some([name(ID)?].into());
        if !content.uses(Variable::Form) {
            plain.body_digest_query = None;
        }
        plain.content = content.clone();
        Some(plain)
    }
}

/// Whether a scheme uses shared secrets at all; signatures with key pairs are not taken apart.
pub(super) fn has_macs(scheme: &Scheme) -> bool {
    scheme
        .signature
        .algorithms()
        .any(|algorithm| hmac_of(algorithm).is_some())
}

/// The choices for a part: one absent part if the content has no place for it.
fn wanted<'a>(
    content: &Content,
    variable: Variable,
    find: impl FnOnce() -> Vec<FoundText<'a>>,
) -> Vec<Option<FoundText<'a>>> {
    if content.uses(variable) {
        find().into_iter().map(Some).collect()
    } else {
        vec![None]
    }
}

fn timestamps<'a>(scheme: &Scheme, request: &Request<'a>) -> Vec<FoundText<'a>> {
    let own_headers = scheme
        .timestamp
        .iter()
        .flat_map(|timestamp| timestamp.source.headers());
    let tag = match &scheme.signature.form {
        SignatureForm::Tagged { timestamp_tag, .. } => timestamp_tag.as_deref(),
        SignatureForm::Bare(_) => None,
    };
    let mut found = Vec::new();
    for (header, text) in texts(request) {
        let is_signature = scheme.signature.headers.iter().any(|name| name.matches(header));
        let is_own = own_headers.clone().any(|name| name.matches(header));
        if parse_timestamp(text.as_bytes()).is_some() && (is_own || names_a_timestamp(header)) {
            found.push(FoundText {
                header,
                text,
                is_expected: is_own,
            });
        }
        for item in items(text) {
            let tagged = item
                .split_once('=')
                .filter(|(_, value)| parse_timestamp(value.as_bytes()).is_some());
            if let Some((name, text)) = tagged
                && (Some(name) == tag || matches!(name, "t" | "ts" | "timestamp"))
            {
                let is_expected = is_signature && Some(name) == tag;
                found.push(FoundText {
                    header,
                    text,
                    is_expected,
                });
            }
        }
    }
    found.sort_by_key(|found| !found.is_expected);
    found.truncate(MAX_TIMESTAMPS);
    found
}

fn ids<'a>(scheme: &Scheme, request: &Request<'a>) -> Vec<FoundText<'a>> {
    let mut found: Vec<_> = texts(request)
        .filter(|(_, text)| parse_id(text.as_bytes()).is_some())
        .filter_map(|(header, text)| {
            let is_expected = scheme.id.iter().flatten().any(|name| name.matches(header));
            let length = header.len();
            let is_id = length >= 3
                && header
                    .get(length - 3..)
                    .is_some_and(|end| end.eq_ignore_ascii_case("-id"));
            (is_expected || is_id).then_some(FoundText {
                header,
                text,
                is_expected,
            })
        })
        .collect();
    found.sort_by_key(|found| !found.is_expected);
    found.truncate(MAX_IDS);
    found
}

fn names_a_timestamp(header: &str) -> bool {
    let lower = header.to_ascii_lowercase();
    lower.contains("timestamp") || lower.ends_with("-time")
}

/// The headers that are text of a bearable length, without the white space around their values.
fn texts<'a>(request: &Request<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    request
        .headers
        .iter()
        .take(MAX_HEADERS)
        .filter(|(name, value)| name.len() <= 128 && value.len() <= MAX_HEADER_BYTES)
        .filter_map(|(name, value)| Some((*name, str::from_utf8(value).ok()?)))
}

/// The items of a header value, whatever separates them: split at spaces and semicolons, and at commas as well.
fn items(text: &str) -> impl Iterator<Item = &str> {
    // `v1,<base64>` is one item with a comma in it; split at the comma it is read once more, without the tag, and
    // sorted behind.
    let coarse = text.split([' ', ';', '\t']);
    let fine = text
        .split([' ', ';', '\t', ','])
        .filter(move |_| text.contains(','));
    coarse
        .chain(fine)
        .filter(|item| !item.is_empty())
        .take(MAX_SIGNATURES * 4)
}

/// A signature as it stands in a header.
struct Written<'a> {
    tag: Option<(&'a str, char)>,
    encoding: WrittenEncoding,
    is_wrapped: bool,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WrittenEncoding {
    Hex,
    Base64,
    Base64Url,
}

impl<'a> Written<'a> {
    fn read(item: &'a str) -> Option<Self> {
        let inner = item.trim_matches(|character: char| matches!(character, '"' | '\'' | '<' | '>'));
        let is_wrapped = inner.len() != item.len();
        if let Some((encoding, bytes)) = decoded(inner) {
            return Some(Self {
                tag: None,
                encoding,
                is_wrapped,
                bytes,
            });
        }
        let at = inner.find(['=', ',', ':'])?;
        let separator = inner.get(at..)?.chars().next()?;
        let rest = inner.get(at + 1..)?.trim_matches('"');
        let (encoding, bytes) = decoded(rest)?;
        Some(Self {
            tag: Some((inner.get(..at)?, separator)),
            encoding,
            is_wrapped,
            bytes,
        })
    }

    fn found<'h>(self, scheme: &Scheme, header: &'h str, is_expected: bool) -> FoundSignature<'h> {
        let algorithm = match self.bytes.len() {
            20 => Algorithm::HmacSha1,
            32 => Algorithm::HmacSha256,
            _ => Algorithm::HmacSha512,
        };
        let mut causes = Vec::new();
        causes.extend((!is_expected).then_some(Variant::HeaderName));
        causes.extend(self.is_wrapped.then_some(Variant::SignatureWhitespace));
        let expected = match scheme.signature.encoding {
            Encoding::Hex => WrittenEncoding::Hex,
            Encoding::Base64 => WrittenEncoding::Base64,
        };
        causes.extend((self.encoding != expected).then_some(match self.encoding {
            WrittenEncoding::Hex => Variant::SignatureHex,
            WrittenEncoding::Base64 => Variant::SignatureBase64,
            WrittenEncoding::Base64Url => Variant::SignatureBase64Url,
        }));
        causes.extend(self.tag_cause(scheme));
        if scheme.signature.algorithms().all(|known| known != algorithm) {
            causes.extend(hmac_of(algorithm));
        }
        let mut hex = String::with_capacity(128);
        Encoding::Hex.encode(&self.bytes, &mut hex);
        FoundSignature {
            header,
            algorithm,
            hex,
            causes,
        }
    }

    fn tag_cause(&self, scheme: &Scheme) -> Option<Variant> {
        match (&scheme.signature.form, self.tag) {
            (SignatureForm::Bare(_), None) => None,
            (SignatureForm::Bare(_), Some(_)) => Some(Variant::SignaturePrefixExtra),
            (SignatureForm::Tagged { .. }, None) => Some(Variant::SignaturePrefixMissing),
            (SignatureForm::Tagged { separator, tags, .. }, Some((tag, found))) => {
                let is_known = char::from(*separator) == found && tags.iter().any(|known| &*known.tag == tag);
                (!is_known).then_some(Variant::SignatureTag)
            }
        }
    }
}

const fn hmac_of(algorithm: Algorithm) -> Option<Variant> {
    match algorithm {
        Algorithm::HmacSha1 => Some(Variant::AlgorithmHmacSha1),
        Algorithm::HmacSha256 => Some(Variant::AlgorithmHmacSha256),
        Algorithm::HmacSha512 => Some(Variant::AlgorithmHmacSha512),
        Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256Der => None,
    }
}

/// The bytes of a text that has the length of a MAC in one of the encodings.
fn decoded(text: &str) -> Option<(WrittenEncoding, Vec<u8>)> {
    let is_mac = |bytes: &Vec<u8>| matches!(bytes.len(), 20 | 32 | 64);
    if let Some(bytes) = crate::header::decode_hex_secret(text).filter(is_mac) {
        return Some((WrittenEncoding::Hex, bytes));
    }
    let standard = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(&standard).ok().filter(is_mac)?;
    let is_standard = text.len().is_multiple_of(4) && text.trim_end_matches('=') == standard;
    let encoding = if is_standard {
        WrittenEncoding::Base64
    } else {
        WrittenEncoding::Base64Url
    };
    Some((encoding, bytes))
}
