//! Verifying: from a request and a clock to a verdict.
//!
//! The order of the checks is part of the design. Everything cheap and structural comes first and is bounded, so
//! that a stranger cannot make us work. Then every signature is compared with every key, without stopping at the
//! first hit or miss. Freshness comes last: only then is "too old" a statement about an authentic message and not
//! about a number that anyone can write.

use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable as _};

use crate::content::{Parts, Variable, body_digest_in_url, sorted_form, with_port_toggled};
use crate::envelope;
use crate::error::{HeaderProblem, SecretError, VerifyError};
use crate::header::{Encoding, HeaderName, MAX_HEADER_BYTES, find, parse_id, parse_timestamp, require};
use crate::key::{Key, KeyKind, key_ring};
use crate::line::{FirstCandidate, Line};
use crate::mac::sha256;
use crate::profile::Profile;
use crate::scheme::{Scheme, Timestamp, TimestampSource, TimestampUnit};
use crate::secret::{KeyRole, Secret};

/// Verifies requests by one or more schemes. The keys are expanded once; clones share them.
#[derive(Clone)]
pub struct Verifier {
    /// The scheme that is asked for when nobody signed.
    primary: Arc<Lane>,
    companions: Arc<[Lane]>,
    tolerance: Tolerance,
}

/// How far a signed timestamp may be from now, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tolerance {
    /// What the scheme prescribes.
    #[default]
    SchemeDefault,
    /// Do not look. Old messages can then be replayed for ever; remember ids instead.
    Off,
    /// This many seconds, where zero means zero.
    Seconds(u32),
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method in upper case.
    pub method: &'a str,
    /// The URL as the sender sees it, which behind a proxy is not what arrives here.
    pub url: &'a str,
    /// All headers as they came, repeated ones repeated.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The raw body. A body that was parsed and written again is another body.
    pub body: &'a [u8],
}

/// The parts of a request that a scheme reads, for callers that have looked the headers up themselves.
///
/// Looking up is where forgeries slip in: whoever does it has to refuse a header that came twice. When in doubt, use
/// [`Verifier::verify`].
#[derive(Debug, Clone, Copy)]
pub struct SignedParts<'a> {
    /// The value of the signature header.
    pub signature: &'a [u8],
    /// The value of the timestamp header, for schemes that have one.
    pub timestamp: Option<&'a [u8]>,
    /// The value of the id header, for schemes that have one.
    pub id: Option<&'a [u8]>,
    /// The HTTP method in upper case; only some schemes sign it.
    pub method: &'a str,
    /// The URL as the sender sees it; only some schemes sign it.
    pub url: &'a str,
    /// The raw body.
    pub body: &'a [u8],
}

/// What a valid signature vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified<'a> {
    /// The signed message id, if the scheme has one.
    pub id: Option<&'a str>,
    /// The signed time of the attempt in Unix seconds, rounded down, if the scheme has one.
    pub timestamp: Option<i64>,
    /// The name of the scheme that vouches. Of several, it is one with a timestamp if there is any.
    pub scheme: Arc<str>,
    /// Which secret it was: its position in the list given to the constructor.
    pub secret_index: usize,
}

/// One scheme with its keys.
struct Lane {
    scheme: Arc<Scheme>,
    keys: Box<[Key]>,
}

impl Verifier {
    /// Makes a verifier for one scheme. Any one of `secrets` is enough; list the newest first.
    pub fn for_scheme(scheme: &Scheme, secrets: &[Secret]) -> Result<Self, SecretError> {
        let primary = Lane::new(&Arc::new(scheme.clone()), secrets, KeyRole::Primary)?;
        Ok(Self {
            primary: Arc::new(primary),
            companions: Arc::default(),
            tolerance: Tolerance::default(),
        })
    }

    /// Makes a verifier for a profile: its own scheme and its companions.
    ///
    /// At least one of them must have signed, and every one whose signature header is present must be valid. So a
    /// message with a fresh Standard Webhooks signature cannot be replayed on the strength of a platform's
    /// signature without a timestamp, unless someone strips the former; a receiver that wants to exclude even that
    /// verifies by the stronger scheme alone, see [`for_scheme`](Self::for_scheme).
    pub fn for_profile(profile: &Profile, secrets: &[Secret]) -> Result<Self, SecretError> {
        let primary = Lane::new(&profile.scheme, secrets, KeyRole::Primary)?;
        let companions = profile
            .also_sign
            .iter()
            .map(|scheme| Lane::new(scheme, secrets, KeyRole::Companion))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            primary: Arc::new(primary),
            companions: companions.into(),
            tolerance: Tolerance::default(),
        })
    }

    /// The same verifier with another tolerance.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks a request. `now` is Unix time in seconds.
    ///
    /// A shared secret needs no memory per request. Key pairs need the signed bytes in one piece, `{form}` needs the
    /// sorted fields, and a time in the body needs the body read; a header's length never matters.
    pub fn verify<'a>(&self, request: &Request<'a>, now: i64) -> Result<Verified<'a>, VerifyError> {
        let mut verdict: Option<Verified<'a>> = None;
        for lane in &*self.companions {
            if find(request.headers, &lane.scheme.signature.headers)?.is_none() {
                continue;
            }
            let verified = lane.verify(request, now, self.tolerance)?;
            if verdict.as_ref().is_none_or(|earlier| earlier.timestamp.is_none()) {
                verdict = Some(verified);
            }
        }
        let primary_headers = &self.primary.scheme.signature.headers;
        match verdict {
            Some(companion) if find(request.headers, primary_headers)?.is_none() => Ok(companion),
            companion => {
                let primary = self.primary.verify(request, now, self.tolerance)?;
                // A profile's own scheme speaks for the message unless only a companion can say when it was sent.
                let is_fresher =
                    |verified: &Verified<'_>| verified.timestamp.is_some() && primary.timestamp.is_none();
                Ok(companion.filter(is_fresher).unwrap_or(primary))
            }
        }
    }

    /// Checks parts that the caller has looked up, by the verifier's own scheme; companions are not considered.
    pub fn verify_parts<'a>(&self, parts: &SignedParts<'a>, now: i64) -> Result<Verified<'a>, VerifyError> {
        let scheme = &*self.primary.scheme;
        let (Some(signature), timestamp, id) = (
            scheme.signature.headers.first(),
            scheme
                .timestamp
                .as_ref()
                .and_then(|timestamp| timestamp.source.headers().first()),
            scheme.id.as_ref().and_then(|names| names.first()),
        ) else {
            // A scheme without a signature header does not parse.
            return Err(VerifyError::MissingHeader {
                header: HeaderName::nameless(),
            });
        };
        let given = Given {
            signature: (signature, bounded(signature, Some(parts.signature))?),
            timestamp: timestamp
                .map(|name| bounded(name, parts.timestamp).map(|value| (name, value)))
                .transpose()?,
            id: id
                .map(|name| bounded(name, parts.id).map(|value| (name, value)))
                .transpose()?,
            method: parts.method,
            url: parts.url,
            body: parts.body,
        };
        self.primary.check(&given, now, self.tolerance)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The schemes only: a keyed state is as good as the secret.
        let schemes = std::iter::once(&*self.primary)
            .chain(&*self.companions)
            .map(|lane| lane.scheme.name());
        f.write_str("Verifier ")?;
        f.debug_list().entries(schemes).finish()
    }
}

impl Lane {
    fn new(scheme: &Arc<Scheme>, secrets: &[Secret], role: KeyRole) -> Result<Self, SecretError> {
        Ok(Self {
            scheme: Arc::clone(scheme),
            keys: key_ring(scheme, secrets, role)?,
        })
    }

    /// Looks the headers up and checks what they say.
    fn verify<'a>(
        &self,
        request: &Request<'a>,
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Verified<'a>, VerifyError> {
        let scheme = &*self.scheme;
        let signature = require(request.headers, &scheme.signature.headers)?;
        let id = match &scheme.id {
            Some(names) => Some(require(request.headers, names)?),
            None => None,
        };
        let timestamp = match &scheme.timestamp {
            Some(timestamp) if !timestamp.source.headers().is_empty() => {
                Some(require(request.headers, timestamp.source.headers())?)
            }
            _ => None,
        };
        let given = Given {
            signature,
            timestamp,
            id,
            method: request.method,
            url: request.url,
            body: request.body,
        };
        self.check(&given, now, tolerance)
    }

    fn check<'a>(
        &self,
        given: &Given<'a, '_>,
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Verified<'a>, VerifyError> {
        let scheme = &*self.scheme;
        let (header, value) = given.signature;
        let id = given.id.map(|(name, value)| signed_id(name, value)).transpose()?;
        let line = Line::read(&scheme.signature, header, value)?;
        let timestamp = self.signed_timestamp(given, &line)?;
        let first = line.first_candidate(&self.keys)?;

        let form = form_of(scheme, given);
        let parts = Parts {
            body: given.body,
            form: &form.fields,
            timestamp: timestamp.map_or(&[], |timestamp| timestamp.text),
            id: id.map_or(&[], str::as_bytes),
            url: given.url,
            method: given.method,
        };
        let mut matched = self.compare(&line, &first, &parts);
        if scheme.port_may_differ
            && let Some(url) = with_port_toggled(given.url)
        {
            matched = matched.or(self.compare(&line, &first, &Parts { url: &url, ..parts }));
        }
        if !bool::from(matched.choice & form.digest_matches) {
            return Err(VerifyError::SignatureMismatch {
                header: header.clone(),
            });
        }
        let timestamp = self.fresh_timestamp(given, timestamp, now, tolerance)?;
        Ok(Verified {
            id,
            timestamp,
            scheme: Arc::clone(&scheme.name),
            // The index was a `usize` before it became a number of fixed width.
            secret_index: usize::try_from(matched.secret_index).unwrap_or_default(),
        })
    }

    /// The timestamp of the signed bytes, from its header or from the signature header.
    fn signed_timestamp<'a>(
        &self,
        given: &Given<'a, '_>,
        line: &Line<'a, '_>,
    ) -> Result<Option<Instant<'a>>, VerifyError> {
        let Some(timestamp) = &self.scheme.timestamp else {
            return Ok(None);
        };
        let (header, text) = match (&timestamp.source, given.timestamp, line.timestamp()) {
            (TimestampSource::Header(_), Some((header, text)), _) => (header, text),
            (TimestampSource::SignatureHeader, _, Some(text)) => (given.signature.0, text),
            _ => return Ok(None),
        };
        let number = parse_timestamp(text).ok_or_else(|| VerifyError::InvalidTimestamp {
            header: header.clone(),
        })?;
        Ok(Some(Instant {
            text,
            number,
            unit: timestamp.unit,
        }))
    }

    /// The time in Unix seconds, once it is known to be authentic and near enough to `now`.
    fn fresh_timestamp(
        &self,
        given: &Given<'_, '_>,
        signed: Option<Instant<'_>>,
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Option<i64>, VerifyError> {
        let Some(timestamp) = &self.scheme.timestamp else {
            return Ok(None);
        };
        let tolerance_seconds = tolerance.seconds(timestamp);
        let instant = match (&timestamp.source, signed) {
            (TimestampSource::Body(field), _) => {
                let number = envelope::number(given.body, field).filter(|number| *number >= 0);
                match (number, tolerance_seconds) {
                    (Some(number), _) => Instant {
                        text: &[],
                        number,
                        unit: timestamp.unit,
                    },
                    // Nobody asks how old it is.
                    (None, None) => return Ok(None),
                    (None, Some(_)) => {
                        return Err(VerifyError::InvalidBodyTimestamp { field: field.clone() });
                    }
                }
            }
            (_, Some(instant)) => instant,
            (_, None) => return Ok(None),
        };
        if let Some(seconds) = tolerance_seconds {
            check_freshness(instant, now, seconds)?;
        }
        Ok(Some(instant.seconds()))
    }

    /// Compares every signature with every key of its algorithm. One MAC per key, and no early exit: neither which
    /// secret nor which signature matched can be told from the time it takes.
    fn compare<'a>(&self, line: &Line<'a, '_>, first: &FirstCandidate<'a>, parts: &Parts<'_>) -> Matched {
        let mut matched = Matched::default();
        // Key pairs need the signed bytes in one piece.
        let mut message: Option<Vec<u8>> = None;
        for key in &self.keys {
            if !line.claims(key.algorithm, first) {
                continue;
            }
            let candidates = line.candidates(key.algorithm, first);
            let hit = match &key.kind {
                KeyKind::Shared(mac) => {
                    let expected = mac.tag(&self.scheme.content, parts);
                    candidates.fold(Choice::from(0), |hit, tag| hit | expected.matches(&tag))
                }
                KeyKind::Pair(pair) => {
                    let message = message.get_or_insert_with(|| {
                        let mut message = Vec::with_capacity(parts.body.len() + 256);
                        self.scheme.content.feed(parts, &mut message);
                        message
                    });
                    candidates.fold(Choice::from(0), |hit, tag| {
                        hit | Choice::from(u8::from(pair.verifies(message, &tag)))
                    })
                }
            };
            // `MAX_SECRETS` is far below 2^32, so the index keeps its value.
            let secret_index = u32::try_from(key.secret_index).unwrap_or_default();
            matched = matched.or(Matched {
                choice: hit,
                secret_index,
            });
        }
        matched
    }
}

/// What a request says, looked up, with the names under which it came.
struct Given<'a, 'n> {
    signature: (&'n HeaderName, &'a [u8]),
    timestamp: Option<(&'n HeaderName, &'a [u8])>,
    id: Option<(&'n HeaderName, &'a [u8])>,
    method: &'a str,
    url: &'a str,
    body: &'a [u8],
}

/// Whether a signature matched, and under which secret.
#[derive(Clone, Copy)]
struct Matched {
    choice: Choice,
    secret_index: u32,
}

impl Default for Matched {
    fn default() -> Self {
        Self {
            choice: Choice::from(0),
            secret_index: 0,
        }
    }
}

impl Matched {
    /// This match, or else the other, without a branch.
    fn or(self, other: Self) -> Self {
        Self {
            choice: self.choice | other.choice,
            secret_index: u32::conditional_select(&other.secret_index, &self.secret_index, self.choice),
        }
    }
}

/// A value as [`find`] would let it pass: there, and of a bounded length.
fn bounded<'a>(header: &HeaderName, value: Option<&'a [u8]>) -> Result<&'a [u8], VerifyError> {
    match value {
        None | Some([]) => Err(VerifyError::MissingHeader {
            header: header.clone(),
        }),
        Some(value) if value.len() > MAX_HEADER_BYTES => Err(VerifyError::MalformedHeader {
            header: header.clone(),
            problem: HeaderProblem::TooLong,
        }),
        Some(value) => Ok(value),
    }
}

fn signed_id<'a>(header: &HeaderName, value: &'a [u8]) -> Result<&'a str, VerifyError> {
    parse_id(value).ok_or_else(|| VerifyError::InvalidId {
        header: header.clone(),
    })
}

impl Tolerance {
    fn seconds(self, timestamp: &Timestamp) -> Option<u32> {
        match self {
            Self::SchemeDefault => timestamp.tolerance_seconds,
            Self::Off => None,
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// A timestamp, both as it was signed and as a number.
#[derive(Clone, Copy)]
struct Instant<'a> {
    text: &'a [u8],
    number: i64,
    unit: TimestampUnit,
}

impl Instant<'_> {
    /// Unix seconds, rounded down.
    fn seconds(self) -> i64 {
        match self.unit {
            TimestampUnit::Seconds => self.number,
            TimestampUnit::Milliseconds => self.number.div_euclid(1000),
        }
    }
}

/// Refuses what is further from `now` than the tolerance, in either direction.
fn check_freshness(timestamp: Instant<'_>, now: i64, tolerance_seconds: u32) -> Result<(), VerifyError> {
    let per_second = match timestamp.unit {
        TimestampUnit::Seconds => 1,
        TimestampUnit::Milliseconds => 1000,
    };
    // In 128 bits none of this can overflow, whatever the clock says.
    let age = i128::from(now) * per_second - i128::from(timestamp.number);
    if age.abs() <= i128::from(tolerance_seconds) * per_second {
        return Ok(());
    }
    let distance = age.unsigned_abs().div_ceil(per_second.unsigned_abs());
    let distance = u64::try_from(distance).unwrap_or(u64::MAX);
    Err(if age > 0 {
        VerifyError::TimestampTooOld {
            age_seconds: distance,
            tolerance_seconds,
        }
    } else {
        VerifyError::TimestampTooNew {
            ahead_seconds: distance,
            tolerance_seconds,
        }
    })
}

/// What `{form}` stands for, and whether a digest in the URL, if there is one, is that of the body.
struct Form {
    fields: Vec<u8>,
    digest_matches: Choice,
}

fn form_of(scheme: &Scheme, given: &Given<'_, '_>) -> Form {
    let digest = scheme
        .body_digest_query
        .as_ref()
        .and_then(|name| body_digest_in_url(given.url, name));
    match digest {
        // The MAC covers the digest and not the body, so the digest has to be checked here.
        Some(hex) => {
            let actual = sha256(given.body);
            let digest_matches = Encoding::Hex
                .decode(hex.as_bytes(), &(32..=32))
                .map_or(Choice::from(0), |claimed| claimed.matches(&actual));
            Form {
                fields: Vec::new(),
                digest_matches,
            }
        }
        None if scheme.content.uses(Variable::Form) => Form {
            fields: sorted_form(given.body),
            digest_matches: Choice::from(1),
        },
        None => Form {
            fields: Vec::new(),
            digest_matches: Choice::from(1),
        },
    }
}
