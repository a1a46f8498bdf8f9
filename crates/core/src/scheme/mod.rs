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
//! headers = ["Acme-Signature"]     # best first; all are read
//! # send = "all"                   # first | all: under which of the names it is sent; the first if absent
//! encoding = "hex"                 # hex | base64
//! item_separator = ","             # absent: the header holds a single signature
//! tag_separator = "="              # absent: signatures have no version tag
//! timestamp_tag = "t"              # absent: the timestamp is elsewhere or nowhere
//! tags = [{ tag = "v1", algorithm = "hmac-sha256" }]   # signed with the first, read all
//!
//! [timestamp]                      # absent: the scheme has none, and old messages cannot be told from new ones
//! # headers = ["Acme-Timestamp"]   # absent: it is in the signature header, under timestamp_tag, or else
//! # body_field = "sentAt"          # a number of the JSON body, which is signed; read after the signature is checked
//! unit = "seconds"                 # seconds | milliseconds
//! tolerance_seconds = 300          # absent: not checked unless the verifier is told to
//!
//! # [id]
//! # headers = ["Acme-Id"]
//! ```
//!
//! The algorithms are `hmac-sha1`, `hmac-sha256`, `hmac-sha512`, `ed25519` and `ecdsa-p256-sha256-der`. The last two
//! are for key pairs: `key` is `hex` or `base64` then, or `standard-webhooks`, whose prefixes `whsk_` and `whpk_` tell
//! halves of pairs from shared secrets, so that only there both kinds can be listed in `tags`.
//!
//! The same keys make a description in JSON. A name is 1 to 64 lower-case letters, digits and hyphens.
//!
//! `content` is literal text with `{body}`, `{form}`, `{ts}`, `{id}`, `{url}` and `{method}` in it; `{{` and `}}`
//! are braces. A timestamp or an id that is configured must be signed: one that is not proves nothing.

mod algorithm;
mod builtin;
mod description;

use std::sync::Arc;

use serde::Deserialize;

pub use self::algorithm::Algorithm;
pub(crate) use self::description::Description;
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
    /// Whether the sender may have signed the URL with its default port written out, or without its port.
    pub(crate) port_may_differ: bool,
}

impl Scheme {
    /// Reads a scheme from its description. The [module documentation](self) has the format.
    pub fn from_toml(text: &str) -> Result<Self, SchemeError> {
        let description: Description = toml::from_str(text).map_err(|error| SchemeError::Syntax {
            message: error.to_string(),
        })?;
        description.try_into()
    }

    /// Reads a scheme from its description in JSON, which has the same keys.
    pub fn from_json(text: &str) -> Result<Self, SchemeError> {
        let description: Description = serde_json::from_str(text).map_err(|error| SchemeError::Syntax {
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

    /// Whether the URL is signed, so that a verifier has to be told the one that the sender used.
    pub fn signs_url(&self) -> bool {
        self.content.uses(Variable::Url)
    }

    /// Whether the method is signed.
    pub fn signs_method(&self) -> bool {
        self.content.uses(Variable::Method)
    }

    /// The algorithms of its signatures, the one that is signed with first.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.signature.algorithms()
    }

    /// Whether messages carry a signed id, so that a receiver can tell repetitions.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Names of the signature header, as many as are sent.
    pub(crate) fn sent_headers(&self) -> &[HeaderName] {
        match self.signature.send {
            Send::First => self.signature.headers.get(..1).unwrap_or_default(),
            Send::All => &self.signature.headers,
        }
    }

    /// Every header that the scheme reads or writes, including alternative names.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        let timestamp = self
            .timestamp
            .iter()
            .flat_map(|timestamp| timestamp.source.headers());
        let id = self.id.iter().flatten();
        self.signature.headers.iter().chain(timestamp).chain(id)
    }
}

/// How the signature header is built.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// Names of the header, best first, at least one.
    pub(crate) headers: Box<[HeaderName]>,
    pub(crate) send: Send,
    pub(crate) encoding: Encoding,
    /// What stands between items: one byte to split at, and spaces that are only written.
    pub(crate) item_separator: Option<Box<str>>,
    pub(crate) form: SignatureForm,
}

/// Under which of its names a signature is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Send {
    /// The preferred one.
    #[default]
    First,
    /// Every one, for receivers of which some read the one and some the other.
    All,
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
    pub(crate) source: TimestampSource,
    pub(crate) unit: TimestampUnit,
    /// How far the timestamp may be from now, in both directions.
    pub(crate) tolerance_seconds: Option<u32>,
}

/// Where a timestamp stands.
#[derive(Debug, Clone)]
pub(crate) enum TimestampSource {
    /// In a header of its own, under one of these names, at least one.
    Header(Box<[HeaderName]>),
    /// In the signature header, under `timestamp_tag`.
    SignatureHeader,
    /// In the JSON body, as a number under this key.
    Body(Box<str>),
}

impl TimestampSource {
    /// Names of its own header, if it has one.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        match self {
            Self::Header(names) => names,
            Self::SignatureHeader | Self::Body(_) => &[],
        }
    }
}

/// What a timestamp counts, from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TimestampUnit {
    #[default]
    Seconds,
    Milliseconds,
}
