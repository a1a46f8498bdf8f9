//! Verifying: from a request and a clock to a verdict.
//!
//! The order of the checks is part of the design. Everything cheap and structural comes first and is bounded, so
//! that a stranger cannot make us work. Then every signature is compared with every key, without stopping at the
//! first hit or miss. Freshness comes last: only then is "too old" a statement about an authentic message and not
//! about a number that anyone can write.

use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::content::{Parts, Variable, body_digest_in_url, sorted_form};
use crate::error::{HeaderProblem, SecretError, VerifyError};
use crate::header::{Encoding, HeaderName, MAX_SIGNATURE_ITEMS, find, parse_id, parse_timestamp, require};
use crate::mac::{Key, Tag, key_ring, sha256};
use crate::profile::Profile;
use crate::scheme::{Algorithm, Scheme, Signature, SignatureForm, TimestampUnit};
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
    /// Nothing is allocated for a request of average shape; only `{form}` needs memory, for the sorted fields.
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

    fn verify<'a>(
        &self,
        request: &Request<'a>,
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Verified<'a>, VerifyError> {
        let scheme = &*self.scheme;
        let (header, value) = require(request.headers, &scheme.signature.headers)?;
        let id = self.id(request)?;
        let line = Line::read(&scheme.signature, header, value)?;
        let timestamp = self.timestamp(request, header, &line)?;
        let candidates = line.candidates(&scheme.signature, &self.keys, header)?;

        let form = form_of(scheme, request);
        let parts = Parts {
            body: request.body,
            form: &form.fields,
            timestamp: timestamp.map_or(&[], |timestamp| timestamp.text),
            id: id.map_or(&[], str::as_bytes),
            url: request.url,
            method: request.method,
        };
        let (matched, secret_index) = self.compare(&candidates, &parts);
        if !bool::from(matched & form.digest_matches) {
            return Err(VerifyError::SignatureMismatch {
                header: header.clone(),
            });
        }
        if let (Some(timestamp), Some(seconds)) = (timestamp, self.tolerance_seconds(tolerance)) {
            check_freshness(timestamp, now, seconds)?;
        }
        Ok(Verified {
            id,
            timestamp: timestamp.map(Instant::seconds),
            scheme: Arc::clone(&scheme.name),
            secret_index,
        })
    }

    fn id<'a>(&self, request: &Request<'a>) -> Result<Option<&'a str>, VerifyError> {
        let Some(names) = &self.scheme.id else {
            return Ok(None);
        };
        let (header, value) = require(request.headers, names)?;
        let id = parse_id(value).ok_or_else(|| VerifyError::InvalidId {
            header: header.clone(),
        })?;
        Ok(Some(id))
    }

    fn timestamp<'a>(
        &self,
        request: &Request<'a>,
        signature_header: &HeaderName,
        line: &Line<'a>,
    ) -> Result<Option<Instant<'a>>, VerifyError> {
        let Some(timestamp) = &self.scheme.timestamp else {
            return Ok(None);
        };
        let (header, text) = match line.timestamp {
            Some(text) => (signature_header, text),
            None if timestamp.headers.is_empty() => {
                return Err(malformed(signature_header, HeaderProblem::NoTimestamp));
            }
            None => require(request.headers, &timestamp.headers)?,
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

    /// Compares every candidate with the MAC under every key of its algorithm. One MAC per key, and no early exit:
    /// neither which secret nor which signature matched can be told from the time it takes.
    fn compare(&self, candidates: &Candidates, parts: &Parts<'_>) -> (Choice, usize) {
        let mut matched = Choice::from(0);
        let mut secret_index = 0_u32;
        for key in &self.keys {
            if !candidates
                .iter()
                .any(|candidate| candidate.algorithm == key.algorithm)
            {
                continue;
            }
            let mut mac = key.mac.clone();
            self.scheme.content.feed(parts, &mut mac);
            let expected = mac.finish();
            let mut hit = Choice::from(0);
            for candidate in candidates
                .iter()
                .filter(|candidate| candidate.algorithm == key.algorithm)
            {
                hit |= expected.matches(&candidate.tag);
            }
            // `MAX_SECRETS` is far below 2^32, so the index keeps its value.
            let this_index = u32::try_from(key.secret_index).unwrap_or_default();
            secret_index.conditional_assign(&this_index, hit & !matched);
            matched |= hit;
        }
        (matched, usize::try_from(secret_index).unwrap_or_default())
    }

    fn tolerance_seconds(&self, tolerance: Tolerance) -> Option<u32> {
        match tolerance {
            Tolerance::SchemeDefault => self.scheme.timestamp.as_ref().and_then(|t| t.tolerance_seconds),
            Tolerance::Off => None,
            Tolerance::Seconds(seconds) => Some(seconds),
        }
    }
}

/// A signature header, taken apart but not yet decoded.
struct Line<'a> {
    value: &'a [u8],
    /// The text of the timestamp, if the scheme puts it here.
    timestamp: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    fn read(signature: &Signature, header: &HeaderName, value: &'a [u8]) -> Result<Self, VerifyError> {
        let line = Self {
            value,
            timestamp: None,
        };
        if line.items(signature).count() > MAX_SIGNATURE_ITEMS {
            return Err(malformed(header, HeaderProblem::TooManyItems));
        }
        let SignatureForm::Tagged {
            separator,
            timestamp_tag: Some(tag),
            ..
        } = &signature.form
        else {
            return Ok(line);
        };
        let mut timestamps = line
            .items(signature)
            .filter_map(|item| split_tag(item, *separator))
            .filter(|(name, _)| *name == tag.as_bytes())
            .map(|(_, text)| text);
        match (timestamps.next(), timestamps.next()) {
            (Some(text), None) => Ok(Self {
                value,
                timestamp: Some(text),
            }),
            (None, _) => Err(malformed(header, HeaderProblem::NoTimestamp)),
            (Some(_), Some(_)) => Err(malformed(header, HeaderProblem::RepeatedTimestamp)),
        }
    }

    /// The items, without the white space around them and without empty ones. A header with a single item is taken
    /// as it is.
    fn items(&self, signature: &Signature) -> impl Iterator<Item = &'a [u8]> {
        let separator = signature.item_separator_byte();
        self.value
            .split(move |byte| Some(*byte) == separator)
            .map(move |item| {
                if separator.is_some() {
                    item.trim_ascii()
                } else {
                    item
                }
            })
            .filter(|item| !item.is_empty())
    }

    /// Decodes the signatures that there are keys for, skipping everything else: versions that we do not know are
    /// a sender's future or its past, and one broken signature says nothing about its neighbour.
    fn candidates(
        &self,
        signature: &Signature,
        keys: &[Key],
        header: &HeaderName,
    ) -> Result<Candidates, VerifyError> {
        let mut candidates = Candidates::default();
        let mut has_tagged = false;
        let mut wanted_bytes = None;
        for item in self.items(signature) {
            let (algorithm, text) = match &signature.form {
                SignatureForm::Bare(algorithm) => (*algorithm, item),
                SignatureForm::Tagged {
                    separator,
                    tags,
                    timestamp_tag,
                } => {
                    let Some((name, text)) = split_tag(item, *separator) else {
                        continue;
                    };
                    let is_timestamp = timestamp_tag.as_ref().is_some_and(|tag| tag.as_bytes() == name);
                    has_tagged |= !is_timestamp;
                    let Some(tagged) = tags.iter().find(|tagged| tagged.tag.as_bytes() == name) else {
                        continue;
                    };
                    (tagged.algorithm, text)
                }
            };
            let has_key = keys.iter().any(|key| key.algorithm == algorithm);
            let Some(bytes) = algorithm.mac_bytes().filter(|_| has_key) else {
                continue;
            };
            wanted_bytes = wanted_bytes.or(Some(bytes));
            if let Some(tag) = signature.encoding.decode(text, bytes) {
                candidates.push(Candidate { algorithm, tag });
            }
        }
        match (candidates.is_empty(), wanted_bytes, &signature.form) {
            (false, ..) => Ok(candidates),
            (true, Some(bytes), _) => Err(malformed_signature(header, signature.encoding, bytes)),
            (true, None, SignatureForm::Tagged { .. }) if !has_tagged => {
                Err(malformed(header, HeaderProblem::NoTaggedSignature))
            }
            (true, None, _) => Err(VerifyError::NoSupportedSignature {
                header: header.clone(),
            }),
        }
    }
}

/// Splits `tag separator rest` at the first separator; base64 may contain more of them.
fn split_tag(item: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = item.iter().position(|byte| *byte == separator)?;
    Some((&item[..at], &item[at + 1..]))
}

/// A decoded signature and the algorithm that it claims.
#[derive(Clone, Copy)]
struct Candidate {
    algorithm: Algorithm,
    tag: Tag,
}

/// The decoded signatures of one header, on the stack.
#[derive(Default)]
struct Candidates {
    slots: [Option<Candidate>; MAX_SIGNATURE_ITEMS],
    length: usize,
}

impl Candidates {
    fn push(&mut self, candidate: Candidate) {
        // `Line::read` has refused headers with more items than slots.
        if let Some(slot) = self.slots.get_mut(self.length) {
            *slot = Some(candidate);
            self.length += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.slots.iter().take(self.length).flatten()
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

fn form_of(scheme: &Scheme, request: &Request<'_>) -> Form {
    let digest = scheme
        .body_digest_query
        .as_ref()
        .and_then(|name| body_digest_in_url(request.url, name));
    match digest {
        // The MAC covers the digest and not the body, so the digest has to be checked here.
        Some(hex) => {
            let actual = sha256(request.body);
            let digest_matches = Encoding::Hex
                .decode(hex.as_bytes(), actual.as_bytes().len())
                .map_or(Choice::from(0), |claimed| {
                    claimed.as_bytes().ct_eq(actual.as_bytes())
                });
            Form {
                fields: Vec::new(),
                digest_matches,
            }
        }
        None if scheme.content.uses(Variable::Form) => Form {
            fields: sorted_form(request.body),
            digest_matches: Choice::from(1),
        },
        None => Form {
            fields: Vec::new(),
            digest_matches: Choice::from(1),
        },
    }
}

fn malformed(header: &HeaderName, problem: HeaderProblem) -> VerifyError {
    VerifyError::MalformedHeader {
        header: header.clone(),
        problem,
    }
}

fn malformed_signature(header: &HeaderName, encoding: Encoding, bytes: usize) -> VerifyError {
    VerifyError::MalformedSignature {
        header: header.clone(),
        expected: encoding.describe(bytes),
    }
}
