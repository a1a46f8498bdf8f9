//! Schemes: how a platform signs, written down as data.
//!
//! A scheme says which header carries the signature and how that header is built, where timestamp and message id
//! come from, which bytes are signed, and what kind of key signs them. Nothing about any platform is code; a
//! platform that is not built in needs a description like this one and no release:
//!
//! ```toml
//! name = "acme"
//! title = "Acme"
//! content = "{ts}.{body}"          # see the grammar below
//! key = "utf8"                     # utf8 | base64 | hex | standard-webhooks
//! # algorithm = "hmac-sha256"      # only for a signature without version tags
//!
//! [signature]
//! headers = ["Acme-Signature"]     # best first; the first one is sent, all are read
//! encoding = "hex"                 # hex | base64
//! item_separator = ","             # absent: the header holds a single signature
//! tag_separator = "="              # absent: signatures have no version tag
//! timestamp_tag = "t"              # absent: the timestamp is elsewhere or nowhere
//! tags = [{ tag = "v1", algorithm = "hmac-sha256" }]   # signed with the first, read all
//!
//! [timestamp]                      # absent: the scheme has none, and old messages cannot be told from new ones
//! # headers = ["Acme-Timestamp"]   # absent: it is in the signature header, under timestamp_tag
//! unit = "seconds"                 # seconds | milliseconds
//! tolerance_seconds = 300          # absent: not checked unless the verifier is told to
//!
//! # [id]
//! # headers = ["Acme-Id"]
//! ```
//!
//! `content` is literal text with `{body}`, `{form}`, `{ts}`, `{id}`, `{url}` and `{method}` in it; `{{` and `}}`
//! are braces. A timestamp or an id that is configured must be signed: one that is not proves nothing.

mod builtin;

use std::sync::Arc;

use serde::Deserialize;

use crate::content::{Content, Variable};
use crate::error::SchemeError;
use crate::header::{Encoding, HeaderName};
use crate::secret::KeyFormat;

/// How one platform signs its webhooks.
#[derive(Debug, Clone)]
pub struct Scheme {
    pub(crate) name: Arc<str>,
    title: String,
    reference: Option<String>,
    pub(crate) content: Content,
    pub(crate) key: KeyFormat,
    pub(crate) signature: Signature,
    pub(crate) timestamp: Option<Timestamp>,
    /// The names of the header with the message id.
    pub(crate) id: Option<Box<[HeaderName]>>,
    /// The query parameter that holds the digest of a body that is not a form; only with `{form}`.
    pub(crate) body_digest_query: Option<String>,
}

impl Scheme {
    /// Reads a scheme from its description. The [module documentation](self) has the format.
    pub fn from_toml(text: &str) -> Result<Self, SchemeError> {
        let description: Description = toml::from_str(text).map_err(|error| SchemeError::Syntax {
            message: error.to_string(),
        })?;
        description.try_into()
    }

    /// The built-in scheme of that name.
    pub fn builtin(name: &str) -> Option<Arc<Self>> {
        builtin::find(name)
    }

    /// The names of all built-in schemes, in alphabetical order.
    pub fn builtin_names() -> &'static [&'static str] {
        builtin::NAMES
    }

    /// The short name, such as `standard-webhooks`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for people, such as `Standard Webhooks`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the platform documents the format.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Whether messages carry a signed timestamp, so that a verifier can refuse old ones.
    pub fn has_timestamp(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Whether messages carry a signed id, so that a receiver can tell repetitions.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Every header that the scheme reads or writes, including alternative names.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        let timestamp = self.timestamp.iter().flat_map(|timestamp| &timestamp.headers);
        let id = self.id.iter().flatten();
        self.signature.headers.iter().chain(timestamp).chain(id)
    }
}

/// How the signature header is built.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// Names of the header, best first, at least one.
    pub(crate) headers: Box<[HeaderName]>,
    pub(crate) encoding: Encoding,
    /// What stands between items: one byte to split at, and spaces that are only written.
    pub(crate) item_separator: Option<Box<str>>,
    pub(crate) form: SignatureForm,
}

/// Whether signatures say how they were made.
#[derive(Debug, Clone)]
pub(crate) enum SignatureForm {
    /// The bare signature; the scheme has one algorithm.
    Bare(Algorithm),
    /// `tag separator signature`, and perhaps `timestamp_tag separator timestamp`.
    Tagged {
        /// The byte between tag and signature; the first one counts, because base64 may contain it.
        separator: u8,
        tags: Box<[Tagged]>,
        timestamp_tag: Option<Box<str>>,
    },
}

/// A version tag and the algorithm that it promises.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tagged {
    pub(crate) tag: Box<str>,
    pub(crate) algorithm: Algorithm,
}

impl Signature {
    /// The algorithms of the scheme, the one to sign with first.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let (bare, tags) = match &self.form {
            SignatureForm::Bare(algorithm) => (Some(*algorithm), [].as_slice()),
            SignatureForm::Tagged { tags, .. } => (None, &**tags),
        };
        bare.into_iter().chain(tags.iter().map(|tagged| tagged.algorithm))
    }

    /// The byte at which the header is split into items.
    pub(crate) fn item_separator_byte(&self) -> Option<u8> {
        self.item_separator
            .as_ref()
            .and_then(|separator| separator.bytes().next())
    }
}

/// Where the timestamp is and how fresh it has to be.
#[derive(Debug, Clone)]
pub(crate) struct Timestamp {
    /// Names of its own header; empty when it is in the signature header.
    pub(crate) headers: Box<[HeaderName]>,
    pub(crate) unit: TimestampUnit,
    /// How far the timestamp may be from now, in both directions.
    pub(crate) tolerance_seconds: Option<u32>,
}

/// What a timestamp counts, from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TimestampUnit {
    #[default]
    Seconds,
    Milliseconds,
}

/// A signature algorithm. Schemes may list algorithms that have no keys here yet; such signatures are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-1, RFC 2104. Still sound as a MAC, and only for platforms that offer nothing newer.
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    /// HMAC with SHA-256, RFC 2104.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-512, RFC 2104.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    /// Ed25519, RFC 8032.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    #[serde(rename = "ecdsa-p256-sha256-der")]
    EcdsaP256Sha256Der,
}

impl Algorithm {
    /// The name in scheme descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha512 => "hmac-sha512",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256Der => "ecdsa-p256-sha256-der",
        }
    }

    /// The length of a MAC in bytes, or `None` for signatures with key pairs.
    pub(crate) const fn mac_bytes(self) -> Option<usize> {
        match self {
            Self::HmacSha1 => Some(20),
            Self::HmacSha256 => Some(32),
            Self::HmacSha512 => Some(64),
            Self::Ed25519 | Self::EcdsaP256Sha256Der => None,
        }
    }
}

/// A scheme as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    name: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    reference: Option<String>,
    content: String,
    #[serde(default)]
    adjacent_variables: bool,
    #[serde(default)]
    body_digest_query: Option<String>,
    key: KeyFormat,
    #[serde(default)]
    algorithm: Option<Algorithm>,
    signature: SignatureDescription,
    #[serde(default)]
    timestamp: Option<TimestampDescription>,
    #[serde(default)]
    id: Option<IdDescription>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureDescription {
    headers: Vec<String>,
    encoding: Encoding,
    #[serde(default)]
    item_separator: Option<String>,
    #[serde(default)]
    tag_separator: Option<char>,
    #[serde(default)]
    timestamp_tag: Option<Box<str>>,
    #[serde(default)]
    tags: Vec<Tagged>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampDescription {
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    unit: TimestampUnit,
    #[serde(default)]
    tolerance_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdDescription {
    headers: Vec<String>,
}

impl TryFrom<Description> for Scheme {
    type Error = SchemeError;

    fn try_from(description: Description) -> Result<Self, SchemeError> {
        let content = Content::parse(&description.content, description.adjacent_variables)?;
        let signature = signature(description.signature, description.algorithm)?;
        let timestamp = description.timestamp.as_ref().map(timestamp).transpose()?;
        let id = description.id.map(|id| header_names(&id.headers)).transpose()?;
        let scheme = Self {
            name: description.name.as_str().into(),
            title: description.title.unwrap_or(description.name),
            reference: description.reference,
            content,
            key: description.key,
            signature,
            timestamp,
            id,
            body_digest_query: description.body_digest_query,
        };
        check_agreement(&scheme)?;
        Ok(scheme)
    }
}

fn signature(description: SignatureDescription, bare: Option<Algorithm>) -> Result<Signature, SchemeError> {
    let form = match (bare, description.tag_separator) {
        (Some(algorithm), None) if description.tags.is_empty() && description.timestamp_tag.is_none() => {
            SignatureForm::Bare(algorithm)
        }
        (None, Some(separator)) if !description.tags.is_empty() => SignatureForm::Tagged {
            separator: separator_byte(separator)?,
            tags: description.tags.into(),
            timestamp_tag: description.timestamp_tag,
        },
        _ => {
            return Err(SchemeError::Contradiction {
                reason: "a scheme has either `algorithm`, or `signature.tag_separator` with `signature.tags`",
            });
        }
    };
    if let SignatureForm::Tagged {
        tags, timestamp_tag, ..
    } = &form
    {
        let mut names = tags
            .iter()
            .map(|tagged| &tagged.tag)
            .chain(timestamp_tag)
            .collect::<Vec<_>>();
        names.sort_unstable();
        if names.iter().any(|name| name.is_empty()) || names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SchemeError::Contradiction {
                reason: "tags must be distinct and not empty",
            });
        }
    }
    if let Some(separator) = &description.item_separator {
        let mut characters = separator.chars();
        let split_at = characters.next().unwrap_or('a');
        separator_byte(split_at)?;
        if characters.any(|character| character != ' ') {
            return Err(SchemeError::Contradiction {
                reason: "`signature.item_separator` is one character, and perhaps spaces after it",
            });
        }
    }
    Ok(Signature {
        headers: header_names(&description.headers)?,
        encoding: description.encoding,
        item_separator: description.item_separator.map(Into::into),
        form,
    })
}

fn separator_byte(separator: char) -> Result<u8, SchemeError> {
    u8::try_from(separator)
        .ok()
        .filter(|byte| matches!(byte, b' '..=b'~') && !byte.is_ascii_alphanumeric())
        .ok_or(SchemeError::Contradiction {
            reason: "separators are ASCII characters other than letters and digits",
        })
}

fn timestamp(description: &TimestampDescription) -> Result<Timestamp, SchemeError> {
    let headers = if description.headers.is_empty() {
        Box::default()
    } else {
        header_names(&description.headers)?
    };
    Ok(Timestamp {
        headers,
        unit: description.unit,
        tolerance_seconds: description.tolerance_seconds,
    })
}

fn header_names(names: &[String]) -> Result<Box<[HeaderName]>, SchemeError> {
    if names.is_empty() {
        return Err(SchemeError::Contradiction {
            reason: "`headers` needs at least one name",
        });
    }
    Ok(names
        .iter()
        .map(|name| HeaderName::parse(name))
        .collect::<Result<_, _>>()?)
}

fn check_agreement(scheme: &Scheme) -> Result<(), SchemeError> {
    let contradiction = |reason| Err(SchemeError::Contradiction { reason });
    let timestamp_tag = match &scheme.signature.form {
        SignatureForm::Tagged { timestamp_tag, .. } => timestamp_tag.as_ref(),
        SignatureForm::Bare(_) => None,
    };
    if timestamp_tag.is_some() && scheme.signature.item_separator.is_none() {
        return contradiction("`signature.timestamp_tag` needs `signature.item_separator`");
    }
    match &scheme.timestamp {
        Some(timestamp) if timestamp.headers.is_empty() == timestamp_tag.is_none() => {
            return contradiction("a timestamp has either `timestamp.headers` or `signature.timestamp_tag`");
        }
        None if timestamp_tag.is_some() => {
            return contradiction("`signature.timestamp_tag` needs a `[timestamp]` section");
        }
        _ => {}
    }
    if scheme.timestamp.is_some() != scheme.content.uses(Variable::Timestamp) {
        return contradiction(
            "`[timestamp]` and {ts} in `content` go together: one that is not signed proves nothing",
        );
    }
    if scheme.id.is_some() != scheme.content.uses(Variable::Id) {
        return contradiction(
            "`[id]` and {id} in `content` go together: one that is not signed proves nothing",
        );
    }
    if scheme.body_digest_query.is_some()
        && !(scheme.content.uses(Variable::Form) && scheme.content.uses(Variable::Url))
    {
        return contradiction("`body_digest_query` is for `content` with {url} and {form}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = r#"
        name = "acme"
        content = "{ts}.{body}"
        key = "utf8"
        [signature]
        headers = ["Acme-Signature"]
        encoding = "hex"
        item_separator = ","
        tag_separator = "="
        timestamp_tag = "t"
        tags = [{ tag = "v1", algorithm = "hmac-sha256" }]
        [timestamp]
        tolerance_seconds = 300
    "#;

    #[test]
    fn a_user_can_describe_a_platform_that_is_not_built_in() {
        let scheme = Scheme::from_toml(ACME).unwrap();
        assert_eq!(scheme.name(), "acme");
        assert!(scheme.has_timestamp());
        assert_eq!(
            scheme.headers().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["Acme-Signature"]
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_not_a_silent_default() {
        let error = Scheme::from_toml(&ACME.replace("tolerance_seconds", "tolerance")).unwrap_err();
        assert!(
            matches!(&error, SchemeError::Syntax { message } if message.contains("tolerance")),
            "{error}"
        );
    }

    #[test]
    fn an_unsigned_timestamp_is_refused() {
        let error = Scheme::from_toml(&ACME.replace("{ts}.{body}", "{body}")).unwrap_err();
        assert!(matches!(&error, SchemeError::Contradiction { reason } if reason.contains("proves nothing")));
    }

    #[test]
    fn descriptions_that_contradict_themselves_are_refused() {
        for (from, to) in [
            ("timestamp_tag = \"t\"", ""),
            ("tag_separator = \"=\"", ""),
            ("item_separator = \",\"", ""),
            ("item_separator = \",\"", "item_separator = \"\""),
            ("item_separator = \",\"", "item_separator = \"ab\""),
            ("headers = [\"Acme-Signature\"]", "headers = []"),
            ("headers = [\"Acme-Signature\"]", "headers = [\"Acme Signature\"]"),
            ("key = \"utf8\"", "key = \"utf8\"\nalgorithm = \"hmac-sha256\""),
            ("[timestamp]", "[id]\nheaders = [\"Acme-Id\"]\n[timestamp]"),
        ] {
            assert!(ACME.contains(from));
            assert!(
                Scheme::from_toml(&ACME.replace(from, to)).is_err(),
                "{from} -> {to}"
            );
        }
    }
}
