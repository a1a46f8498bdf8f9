//! Every way this crate says no.
//!
//! Two parties can be at fault, and they are told apart by type. [`VerifyError`] and [`EnvelopeError`] are
//! about a request that a stranger sent. [`SecretError`], [`SchemeError`], [`ProfileError`], [`RegistryError`] and
//! [`HandshakeError`] are about our own configuration; they come out of constructors only, so that a receiver
//! with a bad secret fails when it starts and not on its first delivery.
//!
//! Each error has a [`kind`](VerifyError::kind), and each kind a stable [`code`](ErrorKind::code) for logs,
//! metrics and the language bindings. The messages are for people and may change; the codes do not.

use std::fmt;

use thiserror::Error;

use crate::header::HeaderName;

/// What went wrong, without the details: the shape that logs, metrics and the language bindings share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A header that the scheme needs is absent or empty.
    MissingHeader,
    /// A header that must be unique came twice, or came under two names with two values.
    DuplicateHeader,
    /// A header does not follow the grammar of the scheme.
    MalformedHeader,
    /// The signature header is well formed but holds nothing signed with an algorithm that we have a key for.
    NoSupportedSignature,
    /// No signature in the header decodes to the right number of bytes.
    MalformedSignature,
    /// Every signature was computed with another secret or over other bytes.
    SignatureMismatch,
    /// The message id contains characters that would make the signed bytes ambiguous.
    InvalidId,
    /// The timestamp is not a plain decimal number, or is missing from the body where the scheme has it.
    InvalidTimestamp,
    /// The signature is right, but the message is older than the tolerance.
    TimestampTooOld,
    /// The signature is right, but the message claims to come from the future.
    TimestampTooNew,
    /// A secret is empty, or there is none.
    EmptySecret,
    /// A secret cannot be turned into a key for this scheme.
    InvalidSecret,
    /// A key cannot be used to encrypt or to decrypt.
    InvalidKey,
    /// The body is not a JWE in compact form, or not a safe one.
    MalformedJwe,
    /// The body is encrypted with an algorithm that we have no key for.
    UnsupportedAlgorithm,
    /// The body is encrypted to another key, or was changed.
    DecryptionFailed,
    /// The body is authentic but is not the JSON envelope that the profile describes.
    InvalidPayload,
    /// An unsigned header contradicts the signed body.
    HeaderMismatch,
}

impl ErrorKind {
    /// The stable name of the kind, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::DuplicateHeader => "duplicate_header",
            Self::MalformedHeader => "malformed_header",
            Self::NoSupportedSignature => "no_supported_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::SignatureMismatch => "signature_mismatch",
            Self::InvalidId => "invalid_id",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::TimestampTooNew => "timestamp_too_new",
            Self::EmptySecret => "empty_secret",
            Self::InvalidSecret => "invalid_secret",
            Self::InvalidKey => "invalid_key",
            Self::MalformedJwe => "malformed_jwe",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::DecryptionFailed => "decryption_failed",
            Self::InvalidPayload => "invalid_payload",
            Self::HeaderMismatch => "header_mismatch",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a request was refused. The request's sender is at fault, or someone in between.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header that the scheme needs is absent or empty.
    #[error("header {header} is missing or empty; check that the sender signs and that no proxy drops it")]
    MissingHeader {
        /// The header, under its preferred name.
        header: HeaderName,
    },
    /// One header came more than once.
    #[error(
        "header {header} came more than once; exactly one is allowed, because readers pick different ones"
    )]
    DuplicateHeader {
        /// The repeated header.
        header: HeaderName,
    },
    /// Two names for the same thing came with different values.
    #[error(
        "headers {first} and {second} mean the same and differ; the sender must send one, or equal values"
    )]
    ConflictingHeaders {
        /// The preferred name.
        first: HeaderName,
        /// The other name.
        second: HeaderName,
    },
    /// A header does not follow the grammar of the scheme.
    #[error("header {header} {problem}")]
    MalformedHeader {
        /// The header.
        header: HeaderName,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// Nothing in the signature header was made with an algorithm that we have a key for.
    #[error(
        "header {header} holds no signature of a version that this secret can check; check the secret's kind"
    )]
    NoSupportedSignature {
        /// The signature header.
        header: HeaderName,
    },
    /// No signature in the header decodes to the right number of bytes.
    #[error("header {header} holds no signature of the right length and encoding ({expected})")]
    MalformedSignature {
        /// The signature header.
        header: HeaderName,
        /// What a signature looks like in this scheme.
        expected: &'static str,
    },
    /// Every signature was computed with another secret or over other bytes.
    #[error(
        "no signature in {header} matches; check the secret, and that the body is passed exactly as received, \
         not parsed and written again"
    )]
    SignatureMismatch {
        /// The signature header.
        header: HeaderName,
    },
    /// The message id could be read as more than an id.
    #[error("header {header} must be 1 to 256 characters out of A-Z a-z 0-9 _ : @ / + = ~ -")]
    InvalidId {
        /// The id header.
        header: HeaderName,
    },
    /// The timestamp is not a plain decimal number.
    #[error(
        "the timestamp in {header} must be digits only, without sign, spaces or leading zeros, 16 at most"
    )]
    InvalidTimestamp {
        /// The header that carries the timestamp.
        header: HeaderName,
    },
    /// The message is authentic and has no time, although the scheme puts one into the body.
    #[error(
        "the body must hold the time as a number in `{field}`, and does not; without it a replay looks fresh"
    )]
    InvalidBodyTimestamp {
        /// The member of the body.
        field: Box<str>,
    },
    /// The message is authentic and too old: a late retry, a replay, or a clock that is ahead here.
    #[error(
        "the message is {age_seconds} s old and {tolerance_seconds} s are tolerated; check this machine's clock"
    )]
    TimestampTooOld {
        /// Age of the message in whole seconds, rounded up.
        age_seconds: u64,
        /// The tolerance in force.
        tolerance_seconds: u32,
    },
    /// The message is authentic and from the future: a clock is behind here or ahead there.
    #[error(
        "the message is {ahead_seconds} s in the future and {tolerance_seconds} s are tolerated; check the clocks"
    )]
    TimestampTooNew {
        /// Distance into the future in whole seconds, rounded up.
        ahead_seconds: u64,
        /// The tolerance in force.
        tolerance_seconds: u32,
    },
}

impl VerifyError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::MissingHeader { .. } => ErrorKind::MissingHeader,
            Self::DuplicateHeader { .. } | Self::ConflictingHeaders { .. } => ErrorKind::DuplicateHeader,
            Self::MalformedHeader { .. } => ErrorKind::MalformedHeader,
            Self::NoSupportedSignature { .. } => ErrorKind::NoSupportedSignature,
            Self::MalformedSignature { .. } => ErrorKind::MalformedSignature,
            Self::SignatureMismatch { .. } => ErrorKind::SignatureMismatch,
            Self::InvalidId { .. } => ErrorKind::InvalidId,
            Self::InvalidTimestamp { .. } | Self::InvalidBodyTimestamp { .. } => ErrorKind::InvalidTimestamp,
            Self::TimestampTooOld { .. } => ErrorKind::TimestampTooOld,
            Self::TimestampTooNew { .. } => ErrorKind::TimestampTooNew,
        }
    }

    /// The stable code of the kind, such as `signature_mismatch`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}

/// What is wrong with a malformed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// Longer than [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
    TooLong,
    /// More than [`MAX_SIGNATURE_ITEMS`](crate::MAX_SIGNATURE_ITEMS) items.
    TooManyItems,
    /// Nothing in it has the form `tag<separator>signature`.
    NoTaggedSignature,
    /// The header should carry the timestamp and does not.
    NoTimestamp,
    /// The header carries the timestamp twice.
    RepeatedTimestamp,
}

impl fmt::Display for HeaderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is longer than any honest sender makes it",
            Self::TooManyItems => "holds more signatures than any honest sender sends",
            Self::NoTaggedSignature => "holds no version-tagged signature; the scheme's form is different",
            Self::NoTimestamp => "lacks the timestamp that the scheme puts there",
            Self::RepeatedTimestamp => "holds two timestamps; readers would pick different ones",
        })
    }
}

/// Why an authentic body was refused: it is not the envelope that the profile describes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The body is not a JSON object.
    #[error("the body is not a JSON object: {reason}")]
    NotJson {
        /// What kind of mistake, and the line and column; never the content.
        reason: String,
    },
    /// A field of the envelope is absent.
    #[error("the envelope lacks `{field}`")]
    MissingField {
        /// Dotted path of the field.
        field: String,
    },
    /// A field of the envelope comes twice, and JSON readers disagree about which one counts.
    #[error("the envelope has `{field}` twice; readers would pick different ones")]
    DuplicateField {
        /// Dotted path of the field.
        field: String,
    },
    /// A field of the envelope has the wrong type or form.
    #[error("`{field}` in the envelope must be {expected}")]
    InvalidField {
        /// Dotted path of the field.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A header that repeats part of the envelope says something else, and only the envelope is signed.
    #[error("header {header} contradicts the signed body; trust neither")]
    HeaderMismatch {
        /// The unsigned header.
        header: HeaderName,
    },
    /// A header that repeats part of the envelope came more than once.
    #[error("header {header} came more than once")]
    DuplicateHeader {
        /// The repeated header.
        header: HeaderName,
    },
}

impl EnvelopeError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotJson { .. }
            | Self::MissingField { .. }
            | Self::DuplicateField { .. }
            | Self::InvalidField { .. } => ErrorKind::InvalidPayload,
            Self::HeaderMismatch { .. } => ErrorKind::HeaderMismatch,
            Self::DuplicateHeader { .. } => ErrorKind::DuplicateHeader,
        }
    }

    /// The stable code of the kind, such as `invalid_payload`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}

/// Why a secret cannot be used. The text of the secret is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret, or the key inside it, has no bytes: with an empty key anyone can sign.
    #[error("the secret is empty; with an empty key anyone can sign, so set one before starting")]
    Empty,
    /// No secret was given at all.
    #[error("no secret was given; signing and verifying need at least one")]
    None,
    /// More secrets than a rotation ever needs; each one costs a pass over every body.
    #[error("{count} secrets were given and at most {max} are allowed; retire old ones")]
    TooMany {
        /// How many were given.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The secret is longer than [`MAX_SECRET_BYTES`](crate::MAX_SECRET_BYTES).
    #[error("the secret is {length} bytes long and at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The secret begins or ends with white space, most likely the newline of a file or a sloppy paste.
    #[error(
        "the secret begins or ends with white space; remove it, or the two sides will use different keys"
    )]
    SurroundingWhitespace,
    /// The secret contains a control character, most likely an accident of copying.
    #[error("the secret contains a control character")]
    ControlCharacter,
    /// The secret is not in the encoding that the scheme prescribes.
    #[error("the secret is not valid {expected}, which this scheme requires")]
    Undecodable {
        /// The encoding, such as `padded base64, optionally after whsec_`.
        expected: &'static str,
    },
    /// The secret is one half of a key pair. Using it as a shared key would let anyone who knows the public half
    /// sign, so it is refused and not tried.
    #[error(
        "the secret is a public or private key (whpk_/whsk_), not a shared secret; this scheme needs the latter"
    )]
    KeyPair,
    /// The scheme needs half of a key pair and this is none: another length, another curve, a weak key.
    #[error("the secret is not an {algorithm} key; this scheme needs one half of such a key pair")]
    NotAKey {
        /// The algorithm's name.
        algorithm: &'static str,
    },
    /// Signing needs the private half of the pair.
    #[error("the secret is a public key, which can only verify; signing needs the private half of the pair")]
    PublicKey,
    /// The scheme signs with an algorithm that this build leaves out.
    #[error("this build leaves out {algorithm}; build hookwright-core with the feature for it")]
    UnsupportedAlgorithm {
        /// The algorithm's name.
        algorithm: &'static str,
    },
}

impl SecretError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty | Self::None => ErrorKind::EmptySecret,
            Self::TooMany { .. }
            | Self::TooLong { .. }
            | Self::SurroundingWhitespace
            | Self::ControlCharacter
            | Self::Undecodable { .. }
            | Self::KeyPair
            | Self::NotAKey { .. }
            | Self::PublicKey
            | Self::UnsupportedAlgorithm { .. } => ErrorKind::InvalidSecret,
        }
    }

    /// The stable code of the kind, such as `empty_secret`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}

/// Why a scheme description is not a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The text is not TOML or JSON, or has unknown, missing or mistyped keys.
    #[error("{message}")]
    Syntax {
        /// What the parser said, with the line.
        message: String,
    },
    /// The content template does not follow the grammar.
    #[error("content template: {reason}")]
    Content {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name that no scheme can have.
    #[error("name: {0}")]
    Name(#[from] NameError),
    /// A header name that HTTP does not allow.
    #[error(transparent)]
    HeaderName(#[from] HeaderNameError),
    /// Two parts of the description contradict each other.
    #[error("{reason}")]
    Contradiction {
        /// Which ones and why.
        reason: &'static str,
    },
}

/// Why a profile description is not a profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The text is not TOML or JSON, or has unknown, missing or mistyped keys.
    #[error("{message}")]
    Syntax {
        /// What the parser said, with the line.
        message: String,
    },
    /// A name that no profile can have.
    #[error("name: {0}")]
    Name(#[from] NameError),
    /// The profile names a scheme that is neither built in nor was added before it.
    #[error("scheme: {0}")]
    UnknownScheme(#[from] UnknownName),
    /// The scheme that is written out in the profile is not a scheme.
    #[error("scheme: {0}")]
    Scheme(#[from] SchemeError),
    /// A header name that HTTP does not allow.
    #[error(transparent)]
    HeaderName(#[from] HeaderNameError),
    /// Two headers of the profile have the same name, and only one of them could be sent.
    #[error("header {header} is set twice by this profile")]
    HeaderCollision {
        /// The header.
        header: HeaderName,
    },
    /// A template has a variable that does not exist or a brace that does not close.
    #[error("header {header}: {reason}")]
    HeaderTemplate {
        /// The header.
        header: HeaderName,
        /// What is wrong with its template.
        reason: &'static str,
    },
    /// The envelope lacks a part that receivers cannot do without, or has one twice.
    #[error("envelope: {reason}")]
    Envelope {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A number is outside its bounds.
    #[error("{key}: {reason}")]
    OutOfBounds {
        /// The key of the description.
        key: &'static str,
        /// The bounds.
        reason: &'static str,
    },
    /// An attribute cannot be found by what the profile says of it.
    #[error("attribute `{name}`: {reason}")]
    Attribute {
        /// The attribute.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The table that says how the platform's management API writes things cannot be followed.
    #[error("{key}: {reason}")]
    Api {
        /// Where in the description, such as `api.webhook.timeout`.
        key: String,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A definition that schemas share is not a schema, or could not be referred to.
    #[error("definition `{name}`: {reason}")]
    Definition {
        /// The definition.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A schema refers to a definition that is not there.
    #[error(
        "event type `{event_type}`: its schema refers to `#/$defs/{definition}`; add `{definition}` to `definitions`"
    )]
    UnknownDefinition {
        /// The event type.
        event_type: String,
        /// The definition.
        definition: String,
    },
    /// An event type is listed twice, or its sample or schema is not JSON.
    #[error("event type `{name}`: {reason}")]
    EventType {
        /// The event type.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why a handshake description is not a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The text is not TOML or JSON, or has unknown, missing or mistyped keys.
    #[error("{message}")]
    Syntax {
        /// What the parser said, with the line.
        message: String,
    },
    /// A header name that HTTP does not allow.
    #[error(transparent)]
    HeaderName(#[from] HeaderNameError),
    /// One exchange is wrong, or would answer what it must not.
    #[error("exchange `{exchange}`: {reason}")]
    Exchange {
        /// The name of the exchange.
        exchange: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The description as a whole contradicts itself.
    #[error("{reason}")]
    Contradiction {
        /// What contradicts what.
        reason: &'static str,
    },
}

/// A text that HTTP does not allow as the name of a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a header name: 1 to 128 characters out of letters, digits and !#$%&'*+-.^_`|~ are")]
pub struct HeaderNameError {
    /// The offending text, with control characters escaped and cut to a readable length.
    pub text: String,
}

/// A text that cannot be the name of a scheme or a profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` cannot be a name: 1 to 64 lower-case letters, digits and hyphens can")]
pub struct NameError {
    /// The offending text, with control characters escaped and cut to a readable length.
    pub text: String,
}

/// A name that no scheme, or no profile, has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no {kind} `{name}`; {}", self.advice())]
#[non_exhaustive]
pub struct UnknownName {
    /// `scheme` or `profile`.
    pub kind: &'static str,
    /// The name as it was asked for, with control characters escaped and cut to a readable length.
    pub name: String,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
    /// All the names that there are, in alphabetical order.
    pub known: Vec<String>,
}

impl UnknownName {
    fn advice(&self) -> String {
        match &self.suggestion {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => format!("the known ones are {}", self.known.join(", ")),
        }
    }
}

/// Why a scheme or a profile was not added to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The description is not a scheme.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// The description is not a profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There is a scheme of that name already.
    #[error("a scheme named `{name}` {}; give this one another name", origin(*is_builtin))]
    SchemeExists {
        /// The name.
        name: String,
        /// Whether it came with the crate.
        is_builtin: bool,
    },
    /// There is a profile of that name already.
    #[error("a profile named `{name}` {}; give this one another name", origin(*is_builtin))]
    ProfileExists {
        /// The name.
        name: String,
        /// Whether it came with the crate.
        is_builtin: bool,
    },
    /// The management API of another profile is at this path.
    #[error("api.base_path: `{path}` leads to the profile `{profile}` already; give this one another path")]
    BasePathTaken {
        /// The path.
        path: String,
        /// Whose it is.
        profile: String,
    },
}

fn origin(is_builtin: bool) -> &'static str {
    if is_builtin {
        "is built in"
    } else {
        "was added before"
    }
}
