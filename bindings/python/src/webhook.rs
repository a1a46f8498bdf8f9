//! `Webhook`: secrets and a way to sign, ready to verify.

use std::sync::Arc;

use hookwright_core::handshake::{Handshake, Outcome, Settings};
use hookwright_core::jwe;
use hookwright_core::{Message, Request, Secret, SecretError, Signer, Verifier, receive};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::arguments::{ToleranceArgument, UnixSeconds, profile_of, scheme_of, secrets, warn_about_short};
use crate::body::detached;
use crate::error::{envelope_error, raised, refusal_error, secret_error, verify_error};
use crate::event::VerifiedWebhook;
use crate::headers::{Headers, Wanted, all};
use crate::profile::Profile;
use crate::scheme::Scheme;

/// What `handshake` returns: status, headers, body, and the reason if it was not answered.
type HandshakeReply = (u16, Vec<(String, String)>, Py<PyBytes>, Option<&'static str>);

/// The scheme when neither a scheme nor a profile is named.
const DEFAULT_SCHEME: &str = "standard-webhooks";

/// Verifies and signs webhooks of one platform with one set of secrets.
#[pyclass(frozen, module = "hookwright")]
pub(crate) struct Webhook {
    verifier: Verifier,
    /// Public keys verify and cannot sign; only who tries to sign hears about it.
    signer: Result<Signer, SecretError>,
    scheme: Arc<hookwright_core::Scheme>,
    profile: Option<Arc<hookwright_core::Profile>>,
    wanted: Wanted,
    /// What the platform asks an endpoint, if it asks anything.
    handshake: Option<Arc<Handshake>>,
    /// For answers that are made with the secret.
    secrets: Vec<Secret>,
    /// For payloads that are encrypted to this receiver.
    decryption_keys: Vec<jwe::DecryptionKey>,
}

#[pymethods]
impl Webhook {
    #[new]
    #[pyo3(signature = (
        secret, *, scheme=None, profile=None, tolerance=ToleranceArgument::SCHEME, decryption_keys=None,
        handshake=None,
    ))]
    fn new(
        py: Python<'_>,
        secret: &Bound<'_, PyAny>,
        scheme: Option<&Bound<'_, PyAny>>,
        profile: Option<&Bound<'_, PyAny>>,
        tolerance: ToleranceArgument,
        decryption_keys: Option<&Bound<'_, PyAny>>,
        handshake: Option<&str>,
    ) -> PyResult<Self> {
        let secrets = secrets(secret)?;
        let failed = |error| secret_error(py, error);
        let (verifier, signer, scheme, profile, wanted) = match (scheme, profile) {
            (Some(_), Some(_)) => {
                return Err(PyTypeError::new_err(
                    "pass a scheme or a profile, not both: a profile has its scheme",
                ));
            }
            (None, Some(profile)) => {
                let profile = profile_of(profile)?;
                let verifier = Verifier::for_profile(&profile, &secrets).map_err(failed)?;
                let signer = Signer::for_profile(&profile, &secrets);
                let wanted = Wanted::by_profile(&profile);
                (
                    verifier,
                    signer,
                    Arc::clone(&profile.scheme),
                    Some(profile),
                    wanted,
                )
            }
            (scheme, None) => {
                let scheme = match scheme {
                    Some(scheme) => scheme_of(scheme)?,
                    None => crate::scheme::named(py, DEFAULT_SCHEME)?,
                };
                let verifier = Verifier::for_scheme(&scheme, &secrets).map_err(failed)?;
                let signer = Signer::for_scheme(&scheme, &secrets);
                let wanted = Wanted::by_scheme(&scheme);
                (verifier, signer, scheme, None, wanted)
            }
        };
        warn_about_short(py, &secrets)?;
        let verifier = verifier.with_tolerance(tolerance.0);
        let handshake = match handshake {
            Some(name) => Some(handshake_named(py, name)?),
            None => Handshake::for_scheme(scheme.name()),
        };
        let decryption_keys = decryption_keys.map_or_else(|| Ok(Vec::new()), crate::jwe::decryption_keys)?;
        Ok(Self {
            verifier,
            signer,
            scheme,
            profile,
            wanted,
            handshake,
            secrets,
            decryption_keys,
        })
    }

    #[getter]
    fn scheme(&self) -> Scheme {
        Scheme {
            inner: Arc::clone(&self.scheme),
        }
    }

    #[getter]
    fn profile(&self) -> Option<Profile> {
        self.profile.clone().map(|inner| Profile { inner })
    }

    #[pyo3(signature = (body, headers, *, now=None, method="POST", url=""))]
    fn verify(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = crate::body::body)] body: Bound<'_, PyBytes>,
        headers: &Bound<'_, PyAny>,
        now: Option<UnixSeconds>,
        method: &str,
        url: &str,
    ) -> PyResult<VerifiedWebhook> {
        let now = now.unwrap_or_else(UnixSeconds::now).0;
        let headers = Headers::read(&self.wanted, headers)?;
        let pairs = headers.as_pairs();
        let request = Request {
            method,
            url,
            headers: &pairs,
            body: body.as_bytes(),
        };
        if !self.decryption_keys.is_empty() && jwe::is_compact(request.body) {
            return self.verify_encrypted(py, &body, &request, now);
        }
        let (verified, envelope) = match &self.profile {
            Some(profile) => {
                let received = detached(py, request.body.len(), || {
                    receive(&self.verifier, profile, &request, now)
                });
                let received = received.map_err(|refusal| refusal_error(py, &refusal))?;
                (received.verified, Some(Box::new(received.envelope)))
            }
            None => {
                let verified = detached(py, request.body.len(), || self.verifier.verify(&request, now));
                (verified.map_err(|error| verify_error(py, &error))?, None)
            }
        };
        Ok(VerifiedWebhook {
            message_id: verified.id.map(str::to_owned),
            plaintext: None,
            timestamp: verified.timestamp,
            scheme: verified.scheme,
            secret_index: verified.secret_index,
            envelope,
            body: body.clone().unbind(),
            data: PyOnceLock::new(),
        })
    }

    #[pyo3(signature = (body, *, id=None, timestamp=None, event_type="", method="POST", url=""))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = crate::body::body)] body: Bound<'py, PyBytes>,
        id: Option<&str>,
        timestamp: Option<UnixSeconds>,
        event_type: &str,
        method: &str,
        url: &str,
    ) -> PyResult<Bound<'py, PyDict>> {
        let signer = self.signer.as_ref().map_err(|error| secret_error(py, *error))?;
        let id = match id {
            Some(id) if hookwright_core::is_message_id(id) => id,
            None if !self.needs_id() => "",
            None => {
                return Err(PyTypeError::new_err(
                    "this scheme signs the id of the message: pass id=…",
                ));
            }
            Some(_) => {
                let reason = "an id is 1 to 256 characters out of A-Z a-z 0-9 _ : @ / + = ~ -";
                return Err(PyValueError::new_err(reason));
            }
        };
        let timestamp = timestamp.unwrap_or_else(UnixSeconds::now).0;
        let message = Message {
            id,
            event_type,
            timestamp,
            body: body.as_bytes(),
            method,
            url,
        };
        let signed = detached(py, message.body.len(), || signer.sign(&message));
        let headers = PyDict::new(py);
        for (name, value) in signed {
            headers.set_item(name.as_str(), value)?;
        }
        Ok(headers)
    }

    #[getter]
    fn has_handshake(&self) -> bool {
        self.handshake.is_some()
    }

    /// The reply to a handshake as `(status, headers, body, refusal)`, or `None` for a delivery.
    #[pyo3(signature = (method, url, headers, body, *, verify_token=None, allowed_origins=Vec::new(), now=None))]
    #[expect(clippy::too_many_arguments, reason = "most are keyword arguments in Python")]
    fn handshake(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = crate::body::body)] body: Bound<'_, PyBytes>,
        verify_token: Option<&str>,
        allowed_origins: Vec<String>,
        now: Option<UnixSeconds>,
    ) -> PyResult<Option<HandshakeReply>> {
        let Some(handshake) = &self.handshake else {
            return Ok(None);
        };
        let headers = all(headers)?;
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let request = Request {
            method,
            url,
            headers: &pairs,
            body: body.as_bytes(),
        };
        let origins: Vec<&str> = allowed_origins.iter().map(String::as_str).collect();
        let settings = Settings {
            secrets: &self.secrets,
            verify_token,
            allowed_origins: &origins,
        };
        let now = now.unwrap_or_else(UnixSeconds::now).0;
        let outcome = handshake.answer(&request, &settings, &self.verifier, now);
        let (reply, refusal) = match outcome.map_err(|error| verify_error(py, &error))? {
            Outcome::Answer(reply) => (reply, None),
            Outcome::Refused(reply, refusal) => (reply, Some(refusal.code())),
            Outcome::NotAHandshake | Outcome::NeedsVerification => return Ok(None),
        };
        let headers = reply
            .headers
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value));
        let body = PyBytes::new(py, &reply.body).unbind();
        Ok(Some((reply.status, headers.collect(), body, refusal)))
    }

    fn __repr__(&self) -> String {
        match &self.profile {
            Some(profile) => format!("<hookwright.Webhook profile={}>", profile.name),
            None => format!("<hookwright.Webhook scheme={}>", self.scheme.name()),
        }
    }
}

impl Webhook {
    /// The signature is over the encrypted bytes, and only what it vouches for meets the key.
    fn verify_encrypted(
        &self,
        py: Python<'_>,
        body: &Bound<'_, PyBytes>,
        request: &Request<'_>,
        now: i64,
    ) -> PyResult<VerifiedWebhook> {
        let verified = detached(py, request.body.len(), || self.verifier.verify(request, now));
        let verified = verified.map_err(|error| verify_error(py, &error))?;
        let plaintext = crate::jwe::decrypted(py, request.body, &self.decryption_keys)?;
        let readable = Request {
            body: plaintext.as_bytes(),
            ..*request
        };
        let envelope = match &self.profile {
            Some(profile) => {
                let envelope = profile.parse_request(&readable);
                Some(Box::new(envelope.map_err(|error| envelope_error(py, &error))?))
            }
            None => None,
        };
        Ok(VerifiedWebhook {
            message_id: verified.id.map(str::to_owned),
            timestamp: verified.timestamp,
            scheme: verified.scheme,
            secret_index: verified.secret_index,
            envelope,
            body: body.clone().unbind(),
            plaintext: Some(plaintext.unbind()),
            data: PyOnceLock::new(),
        })
    }

    fn needs_id(&self) -> bool {
        let companions = self.profile.iter().flat_map(|profile| &profile.also_sign);
        std::iter::once(&self.scheme)
            .chain(companions)
            .any(|scheme| scheme.has_id())
    }
}

/// The built-in handshake of that name.
fn handshake_named(py: Python<'_>, name: &str) -> PyResult<Arc<Handshake>> {
    Handshake::builtin(name).ok_or_else(|| {
        let known = Handshake::builtin_names().join(", ");
        let message = format!("there is no handshake {name:?}; the known ones are {known}");
        raised(py, "unknown_handshake", &message, None)
    })
}
