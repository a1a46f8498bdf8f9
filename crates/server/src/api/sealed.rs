//! Bodies that are encrypted, as far as the service can read them.

use std::borrow::Cow;

use hookwright_core::jwe::{self, DecryptionKey, EncryptionKey, JweError};

/// The envelope in a body whose signature is good. `None` when only the receiver can read it.
pub(super) fn open<'a>(
    body: &'a [u8],
    encryption: Option<&EncryptionKey>,
) -> Result<Option<Cow<'a, [u8]>>, JweError> {
    // By its form and not by the setting: encryption may have been switched since the body was sent.
    if !jwe::is_compact(body) {
        return Ok(Some(Cow::Borrowed(body)));
    }
    let Some(shared) = encryption.filter(|key| key.is_shared()) else {
        return Ok(None);
    };
    // What we encrypt with is what decrypts.
    let Ok(key) = DecryptionKey::parse(&shared.expose_jwk()) else {
        return Ok(None);
    };
    match jwe::decrypt(&[key], body) {
        Ok(envelope) => Ok(Some(Cow::Owned(envelope))),
        // It was sent to a public key, before the webhook had a shared one.
        Err(JweError::UnsupportedAlgorithm) => Ok(None),
        Err(error) => Err(error),
    }
}
