//! Explaining a refused request: which small change would have made its signature match.
//!
//! "The signature does not match" has few causes in practice: a framework parsed the body and wrote it again, the
//! secret was pasted with a line break, the wrong scheme was chosen. [`explain`] tries them and says which one it is.
//!
//! ```
//! use hookwright_core::{Request, Scheme, explain};
//!
//! // GitHub signed `{"action":"opened"}`; the framework parsed it, and Python's `json.dumps` added a space.
//! let headers: [(&str, &[u8]); 1] = [(
//!     "X-Hub-Signature-256",
//!     b"sha256=5ccdd8275f57d608741ad8390e42e8696ebfcd85607d9c2ef890769dda8f7568",
//! )];
//! let request = Request {
//!     method: "POST",
//!     url: "https://example.com/hook",
//!     headers: &headers,
//!     body: br#"{"action": "opened"}"#,
//! };
//! let scheme = Scheme::builtin("github").unwrap();
//! let explanation = explain::explain(&scheme, &["It's a Secret to Everybody"], &request, 1_705_314_600);
//! assert_eq!(explanation.findings[0].codes(), "body_reserialized_compact");
//! ```
//!
//! # For development only
//!
//! An explanation tells more than a peer may know: whether a signature would match a slightly different request, and
//! how the secret is configured. Show it to the developer who holds the secret, in a terminal or a local log; never
//! send it in a response. It contains no secret, no signature, valid or not, and nothing of the body but its
//! length, a few yes-or-no facts and the first 32 bits of its SHA-256, so it never makes anyone able to sign.
//!
//! # Bounds
//!
//! Bodies up to 1 MiB are explained. From 64 KiB on, body and secret are not varied together, and the body is
//! written again in fewer ways. One search asks the verifier at most 2,048 times and hashes at most 256 MiB. If there
//! was more to try than that, [`Explanation::is_exhausted`] says so. Of the secrets the first sixteen are tried.

mod body;
mod facts;
mod found;
mod json_text;
mod key;
mod search;
#[cfg(test)]
mod tests;
mod url;
mod variant;

use std::fmt;

use serde::Serialize;

pub use self::facts::{Facts, Note};
use self::search::{Search, clock_of};
pub use self::variant::Variant;
use crate::error::{SecretError, VerifyError};
use crate::header::find;
use crate::key::MAX_SECRETS;
use crate::profile::Profile;
use crate::scheme::{Scheme, TimestampUnit};
use crate::secret::Secret;
use crate::verifier::{Request, Tolerance, Verifier};

/// Largest body that is explained.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Most times that the verifier is asked for one explanation.
pub const MAX_ATTEMPTS: usize = 2048;

/// Most bytes of bodies that are hashed for one explanation.
const MAX_HASHED_BYTES: usize = 256 * MAX_BODY_BYTES;

/// Largest body for which everything is combined; a larger one is written again in fewer ways.
const MAX_PAIR_BODY_BYTES: usize = 64 * 1024;

/// Most findings; more would say the same in other words.
const MAX_FINDINGS: usize = 4;

/// Most header names that are listed.
const MAX_HEADERS_LISTED: usize = 64;

/// What is the matter with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What the verifier says: `None` when the request is valid.
    pub failure: Option<Failure>,
    /// What would match, the simplest first.
    pub findings: Vec<Finding>,
    /// What the request looks like.
    pub facts: Facts,
    /// How often the verifier was asked.
    pub attempts: usize,
    /// Whether there was more to try than the bounds allow.
    pub is_exhausted: bool,
}

/// Why the request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The stable code of the error kind, such as `signature_mismatch`.
    pub code: &'static str,
    /// The message of the error.
    pub message: String,
}

/// Something that would have matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// In what ways what was given differs from what was signed. All of them together are one explanation.
    pub causes: Vec<Variant>,
    /// Which of the secrets it was.
    pub secret_index: usize,
    /// What it means and what to do.
    pub message: String,
}

impl Explanation {
    /// Whether the request is valid as it is.
    pub fn is_valid(&self) -> bool {
        self.failure.is_none()
    }
}

impl Finding {
    /// The codes of the causes, with `+` in between.
    pub fn codes(&self) -> String {
        let codes: Vec<&str> = self.causes.iter().map(|cause| cause.code()).collect();
        codes.join("+")
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

impl From<&VerifyError> for Failure {
    fn from(error: &VerifyError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// Explains what `scheme` says about a request. `secrets` are texts, because one that is no secret at all, such as
/// one with a line break behind it, is among the things to explain. `now` is Unix time in seconds.
pub fn explain(scheme: &Scheme, secrets: &[&str], request: &Request<'_>, now: i64) -> Explanation {
    let secrets = secrets.get(..MAX_SECRETS).unwrap_or(secrets);
    let verifier = parsed(secrets).and_then(|secrets| Verifier::for_scheme(scheme, &secrets));
    let mut explanation = Explanation {
        failure: failure(&verifier, request, now),
        findings: Vec::new(),
        facts: Facts::new(scheme, request),
        attempts: 1,
        is_exhausted: false,
    };
    explanation.search(scheme, secrets, request, now);
    explanation
}

/// Like [`explain`], for a profile: the verdict is the profile's, and the explanation is about that of its schemes
/// whose signature header the request has, its own scheme if it has none.
pub fn explain_profile(profile: &Profile, secrets: &[&str], request: &Request<'_>, now: i64) -> Explanation {
    let secrets = secrets.get(..MAX_SECRETS).unwrap_or(secrets);
    let verifier = parsed(secrets).and_then(|secrets| Verifier::for_profile(profile, &secrets));
    let failure = failure(&verifier, request, now);
    let mut explanations = Vec::new();
    for (scheme, _) in profile.schemes() {
        let is_present = !matches!(find(request.headers, &scheme.signature.headers), Ok(None));
        if is_present || explanations.is_empty() {
            let mut explanation = Explanation {
                failure: failure.clone(),
                findings: Vec::new(),
                facts: Facts::new(scheme, request),
                attempts: 1,
                is_exhausted: false,
            };
            explanation.search(scheme, secrets, request, now);
            explanations.push(explanation);
        }
    }
    // A profile has its own scheme at least, so there is an explanation; the other arm only avoids a panic path.
    let best = explanations
        .iter()
        .position(|explanation| !explanation.findings.is_empty())
        .unwrap_or_default();
    if best < explanations.len() {
        return explanations.swap_remove(best);
    }
    Explanation {
        failure,
        findings: Vec::new(),
        facts: Facts::new(&profile.scheme, request),
        attempts: 1,
        is_exhausted: false,
    }
}

impl Explanation {
    fn search(&mut self, scheme: &Scheme, secrets: &[&str], request: &Request<'_>, now: i64) {
        let Some(failure) = &self.failure else { return };
        if request.body.len() > MAX_BODY_BYTES {
            self.is_exhausted = true;
            return;
        }
        if matches!(failure.code, "timestamp_too_old" | "timestamp_too_new") {
            self.findings
                .push(clock_finding(scheme, secrets, request, now, &failure.message));
            return;
        }
        let mut search = Search::new(scheme, secrets, request, now);
        search.run();
        self.attempts += search.attempts;
        self.is_exhausted = search.is_exhausted;
        self.findings = search.findings;
    }
}

fn parsed(secrets: &[&str]) -> Result<Vec<Secret>, SecretError> {
    secrets.iter().map(|text| Secret::parse(text)).collect()
}

fn failure(verifier: &Result<Verifier, SecretError>, request: &Request<'_>, now: i64) -> Option<Failure> {
    match verifier {
        Ok(verifier) => verifier.verify(request, now).err().as_ref().map(Failure::from),
        Err(error) => Some(Failure::from(*error)),
    }
}

/// An authentic message at the wrong time: is it the clock, or a number that counts something else?
fn clock_finding(
    scheme: &Scheme,
    secrets: &[&str],
    request: &Request<'_>,
    now: i64,
    message: &str,
) -> Finding {
    let verifier = parsed(secrets)
        .and_then(|secrets| Verifier::for_scheme(scheme, &secrets))
        .ok();
    let verdict = |scheme: &Scheme| {
        let secrets = parsed(secrets).ok()?;
        Some(
            Verifier::for_scheme(scheme, &secrets)
                .ok()?
                .verify(request, now)
                .map(|verified| verified.secret_index),
        )
    };
    let mut other_unit = scheme.clone();
    if let Some(timestamp) = &mut other_unit.timestamp {
        timestamp.unit = match timestamp.unit {
            TimestampUnit::Seconds => TimestampUnit::Milliseconds,
            TimestampUnit::Milliseconds => TimestampUnit::Seconds,
        };
    }
    let secret_index = verifier
        .and_then(|verifier| verifier.with_tolerance(Tolerance::Off).verify(request, now).ok())
        .map_or(0, |verified| verified.secret_index);
    let (cause, message) = match (verdict(&other_unit), verdict(scheme)) {
        (Some(Ok(_)), _) => (Variant::TimestampUnit, Variant::TimestampUnit.advice().to_owned()),
        (_, Some(Err(error))) => {
            let cause = clock_of(&error).unwrap_or(Variant::ClockStale);
            (cause, format!("{}: {message}", cause.advice()))
        }
        // The profile's verdict came from a companion; its message says all there is.
        _ => (Variant::ClockStale, message.to_owned()),
    };
    Finding {
        causes: vec![cause],
        secret_index,
        message,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(failure) = &self.failure else {
            return f.write_str("valid");
        };
        writeln!(f, "{}: {}", failure.code, failure.message)?;
        for finding in &self.findings {
            writeln!(f, "would match: {}: {}", finding.codes(), finding.message)?;
        }
        if self.findings.is_empty() {
            let tried = self.attempts;
            if self.facts.body_bytes > MAX_BODY_BYTES {
                writeln!(
                    f,
                    "the body is larger than {MAX_BODY_BYTES} bytes, so nothing was tried"
                )?;
            } else if self.is_exhausted {
                writeln!(
                    f,
                    "nothing matched in {tried} tries, and there was more to try than the bounds allow"
                )?;
            } else {
                writeln!(
                    f,
                    "nothing matched in {tried} tries: the secret is another one, or the body differs in a way that \
                     cannot be undone, such as 1.0 written as 1 or keys in another order"
                )?;
            }
        }
        fmt::Display::fmt(&self.facts, f)
    }
}
