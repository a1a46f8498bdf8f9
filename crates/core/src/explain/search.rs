//! The search: alter the scheme, the secret or the request, and ask the verifier.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use super::body::Arrived;
use super::facts::shown;
use super::found::{FoundSignature, Proof, has_macs};
use super::key::{Reading, readings};
use super::url::spellings;
use super::variant::Variant;
use super::{Finding, MAX_ATTEMPTS, MAX_FINDINGS, MAX_HASHED_BYTES, MAX_PAIR_BODY_BYTES};
use crate::content::{Content, Variable};
use crate::error::VerifyError;
use crate::scheme::Scheme;
use crate::verifier::{Request, Tolerance, Verifier};

/// Other contents that platforms sign, for when the scheme's own does not match.
const CONTENTS: [&str; 9] = [
    "{body}",
    "{ts}.{body}",
    "{id}.{ts}.{body}",
    "{ts}{body}",
    "{ts}:{body}",
    "{ts},{body}",
    "v0:{ts}:{body}",
    "{body}{ts}",
    "{url}{body}",
];

/// A search with its budget.
pub(super) struct Search<'a> {
    scheme: &'a Scheme,
    request: &'a Request<'a>,
    now: i64,
    readings: Vec<Reading>,
    arrived: Rc<Arrived<'a>>,
    pub(super) attempts: usize,
    hashed_bytes: usize,
    pub(super) is_exhausted: bool,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Search<'a> {
    pub(super) fn new(scheme: &'a Scheme, secrets: &[&str], request: &'a Request<'a>, now: i64) -> Self {
        Self {
            scheme,
            request,
            now,
            readings: readings(scheme, secrets),
            arrived: Rc::new(Arrived::new(request.body)),
            attempts: 0,
            hashed_bytes: 0,
            is_exhausted: false,
            findings: Vec::new(),
        }
    }

    /// Looks for single causes first, then for pairs, and stops at the first step that finds something: further
    /// findings would be the same cause in other words.
    pub(super) fn run(&mut self) {
        let singles: [fn(&mut Self); 6] = [
            Self::secrets,
            Self::bodies,
            Self::urls,
            Self::proofs,
            Self::other_schemes,
            Self::contents,
        ];
        let pairs: [fn(&mut Self); 3] = [
            Self::bodies_and_secrets,
            Self::urls_and_secrets,
            Self::proofs_and_more,
        ];
        self.take(&singles);
        if self.findings.is_empty() && self.is_large() {
            self.is_exhausted = true;
        }
        self.take(&pairs);
    }

    fn take(&mut self, steps: &[fn(&mut Self)]) {
        for step in steps {
            if !self.findings.is_empty() || self.is_exhausted {
                break;
            }
            step(self);
        }
    }

    fn secrets(&mut self) {
        for at in 0..self.readings.len() {
            self.try_request(at, self.request, &[]);
        }
    }

    fn bodies(&mut self) {
        self.each_body(|search, request, causes| {
            for at in search.plain_readings() {
                search.try_request(at, request, causes);
            }
        });
    }

    fn bodies_and_secrets(&mut self) {
        self.each_body(|search, request, causes| {
            for at in search.altered_readings() {
                search.try_request(at, request, causes);
            }
        });
    }

    fn urls(&mut self) {
        self.each_target(|search, request, causes| {
            for at in search.plain_readings() {
                search.try_request(at, request, causes);
            }
        });
    }

    fn urls_and_secrets(&mut self) {
        self.each_target(|search, request, causes| {
            for at in search.altered_readings() {
                search.try_request(at, request, causes);
            }
        });
    }

    fn proofs(&mut self) {
        let content = self.scheme.content.clone();
        let readings = self.plain_readings();
        self.each_proof(&content, self.request, &readings, &[]);
    }

    /// The signature elsewhere or written differently, and in addition another secret, body or content.
    fn proofs_and_more(&mut self) {
        let content = self.scheme.content.clone();
        let altered = self.altered_readings();
        self.each_proof(&content, self.request, &altered, &[]);
        self.each_content(|search, content, cause| {
            let altered = search.altered_readings();
            search.each_proof(content, search.request, &altered, &[cause]);
        });
        self.each_body(|search, request, causes| {
            let content = search.scheme.content.clone();
            let readings = search.plain_readings();
            search.each_proof(&content, request, &readings, causes);
        });
    }

    fn contents(&mut self) {
        self.each_content(|search, content, cause| {
            let readings = search.plain_readings();
            search.each_proof(content, search.request, &readings, &[cause]);
        });
    }

    fn other_schemes(&mut self) {
        for name in Scheme::builtin_names() {
            let Some(other) = Scheme::builtin(name).filter(|other| other.name() != self.scheme.name()) else {
                continue;
            };
            // The secret of a scheme with key pairs is a public key, and never becomes the key of a MAC.
            if has_macs(&other) && !has_macs(self.scheme) {
                continue;
            }
            for at in self.plain_readings() {
                if let Some(Match { clock }) = self.verdict(&other, at, self.request) {
                    let message = format!("{}: `{name}`", Variant::OtherScheme.advice());
                    self.found(&[Variant::OtherScheme], clock, at, Some(message));
                }
            }
        }
    }

    /// The readings of the secrets that the scheme prescribes.
    fn plain_readings(&self) -> Vec<usize> {
        self.readings_where(|reading| reading.causes.is_empty())
    }

    fn altered_readings(&self) -> Vec<usize> {
        self.readings_where(|reading| !reading.causes.is_empty())
    }

    fn readings_where(&self, wanted: impl Fn(&Reading) -> bool) -> Vec<usize> {
        (0..self.readings.len())
            .filter(|at| self.readings.get(*at).is_some_and(&wanted))
            .collect()
    }

    /// Calls with every body that may have been signed, each text once.
    fn each_body(&mut self, mut visit: impl FnMut(&mut Self, &Request<'_>, &[Variant])) {
        let arrived = Rc::clone(&self.arrived);
        let mut seen = BTreeSet::from([fingerprint(self.request.body)]);
        let most_causes = if self.is_large() { 2 } else { usize::MAX };
        for (recipe, causes) in arrived.recipes() {
            // The recipes come with the fewest causes first.
            if causes.len() > most_causes {
                break;
            }
            let Some(body) = arrived
                .cooked(recipe)
                .filter(|body| seen.insert(fingerprint(body)))
            else {
                continue;
            };
            let request = Request {
                body: &body,
                ..*self.request
            };
            visit(self, &request, &causes);
            if self.is_done() {
                return;
            }
        }
    }

    /// Calls with every URL and method that may have been signed.
    fn each_target(&mut self, mut visit: impl FnMut(&mut Self, &Request<'_>, &[Variant])) {
        if self.scheme.content.uses(Variable::Url) {
            for (url, causes) in spellings(self.request.url) {
                let request = Request {
                    url: &url,
                    ..*self.request
                };
                visit(self, &request, &causes);
            }
        }
        if self.scheme.content.uses(Variable::Method) {
            for method in ["POST", "GET", "PUT", "PATCH", "DELETE"] {
                if method != self.request.method {
                    let request = Request {
                        method,
                        ..*self.request
                    };
                    visit(self, &request, &[Variant::Method]);
                }
            }
        }
    }

    fn each_content(&mut self, mut visit: impl FnMut(&mut Self, &Content, Variant)) {
        for template in CONTENTS {
            // The templates are constants and parse; a test looks at each.
            let Ok(content) = Content::parse(template, true) else {
                continue;
            };
            let cause = if template == "{body}" && self.scheme.has_timestamp() {
                Variant::TimestampNotSigned
            } else {
                Variant::Content
            };
            visit(self, &content, cause);
            if self.is_done() {
                return;
            }
        }
    }

    /// Tries every signature that the request has anywhere, over `content`.
    fn each_proof(
        &mut self,
        content: &Content,
        request: &Request<'_>,
        readings: &[usize],
        causes: &[Variant],
    ) {
        if !has_macs(self.scheme) {
            return;
        }
        for signature in FoundSignature::all(self.scheme, request) {
            for proof in signature.proofs(self.scheme, content, request) {
                let Some(scheme) = proof.plain_scheme(self.scheme, content) else {
                    continue;
                };
                let plain = Request {
                    headers: &proof.plain_headers(),
                    ..*request
                };
                for at in readings.iter().copied() {
                    if let Some(Match { clock }) = self.verdict(&scheme, at, &plain) {
                        let causes = self.causes_of(&proof, causes, at);
                        let names = header_names(&proof, &causes);
                        self.found(&causes, clock, at, names);
                    }
                }
            }
        }
    }

    /// The reasons of a proof, without saying that the header is built differently when something else explains it.
    fn causes_of(&self, proof: &Proof<'_>, causes: &[Variant], at: usize) -> Vec<Variant> {
        let mut all = proof.causes();
        let has_reading = self
            .readings
            .get(at)
            .is_some_and(|reading| !reading.causes.is_empty());
        if all == [Variant::SignatureForm] && (!causes.is_empty() || has_reading) {
            all.clear();
        }
        all.extend(causes);
        all
    }

    fn try_request(&mut self, at: usize, request: &Request<'_>, causes: &[Variant]) {
        let scheme = self.scheme;
        if let Some(Match { clock }) = self.verdict(scheme, at, request) {
            self.found(causes, clock, at, None);
        }
    }

    /// Whether the request verifies, and if so, what the clock says about it.
    fn verdict(&mut self, scheme: &Scheme, at: usize, request: &Request<'_>) -> Option<Match> {
        let cost = request.body.len();
        if self.is_done() {
            return None;
        }
        if self.attempts >= MAX_ATTEMPTS || self.hashed_bytes.saturating_add(cost) > MAX_HASHED_BYTES {
            self.is_exhausted = true;
            return None;
        }
        let reading = self.readings.get(at)?;
        let altered;
        let scheme = if reading.causes.is_empty() {
            scheme
        } else {
            let mut other = scheme.clone();
            other.key = reading.format;
            altered = other;
            &altered
        };
        let verifier = Verifier::for_scheme(scheme, std::slice::from_ref(&reading.secret)).ok()?;
        self.attempts += 1;
        self.hashed_bytes += cost;
        let timeless = verifier.clone().with_tolerance(Tolerance::Off);
        timeless.verify(request, self.now).ok()?;
        let clock = verifier
            .verify(request, self.now)
            .err()
            .as_ref()
            .and_then(clock_of);
        Some(Match { clock })
    }

    fn found(&mut self, causes: &[Variant], clock: Option<Variant>, at: usize, detail: Option<String>) {
        let Some(reading) = self.readings.get(at) else {
            return;
        };
        let causes: Vec<Variant> = [causes, &reading.causes]
            .concat()
            .into_iter()
            .chain(clock)
            .collect();
        // An explanation with more causes than another one needs is no explanation.
        let is_explained = self
            .findings
            .iter()
            .any(|finding| finding.causes.iter().all(|cause| causes.contains(cause)));
        if causes.is_empty() || (is_explained && !causes.contains(&Variant::OtherScheme)) {
            return;
        }
        let mut message: Vec<String> = causes.iter().map(|cause| cause.advice().to_owned()).collect();
        if let Some(detail) = detail {
            // The detail of another scheme says its advice too.
            message.retain(|advice| !detail.starts_with(advice.as_str()));
            message.insert(0, detail);
        }
        self.findings.push(Finding {
            secret_index: reading.secret_index,
            message: message.join("; "),
            causes,
        });
    }

    fn is_large(&self) -> bool {
        self.request.body.len() > MAX_PAIR_BODY_BYTES
    }

    fn is_done(&self) -> bool {
        self.is_exhausted || self.findings.len() >= MAX_FINDINGS
    }
}

/// The signature matches.
struct Match {
    /// What there is to say about the timestamp nevertheless.
    clock: Option<Variant>,
}

/// The names of the headers of a proof, when they are news.
fn header_names(proof: &Proof<'_>, causes: &[Variant]) -> Option<String> {
    causes.contains(&Variant::HeaderName).then(|| {
        let names: Vec<String> = proof.headers().map(|name| format!("`{}`", shown(name))).collect();
        format!("the proof is in {}", names.join(", "))
    })
}

/// What a verdict says about the clock.
pub(super) fn clock_of(error: &VerifyError) -> Option<Variant> {
    match error {
        VerifyError::TimestampTooOld { .. } => Some(Variant::ClockStale),
        VerifyError::TimestampTooNew { .. } => Some(Variant::ClockEarly),
        _ => None,
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_contents_are_templates() {
        for template in CONTENTS {
            assert!(Content::parse(template, true).is_ok(), "{template}");
        }
    }
}
