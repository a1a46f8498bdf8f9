//! Secrets: what the two sides share, kept out of logs and wiped when dropped.
//!
//! A [`Secret`] is the *text* that a person sees, copies and configures. What the algorithm is keyed with depends
//! on the scheme: most platforms take the bytes of the text as they are, prefix included; Standard Webhooks
//! decodes the base64 behind `whsec_`. One text can therefore mean two keys, which is why the text is kept and the
//! key is derived per scheme.
//!
//! Where a scheme signs with key pairs, the text is one half of a pair: `whsk_` (private) and `whpk_` (public) in
//! Standard Webhooks, bare hex or base64 elsewhere. [`Secret`] holds these too, the public one included, so that one
//! list can hold whatever a receiver was given.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::SecretError;
use crate::header::{decode_base64_secret, decode_hex_secret, encode_base64_secret};
use crate::scheme::Algorithm;

/// Longest secret, in bytes of text. The longest that Standard Webhooks allows has 94.
pub const MAX_SECRET_BYTES: usize = 1024;

/// Keys below this many bytes are within reach of guessing; [`Secret::is_short`] tells, and callers warn.
pub const SHORT_KEY_BYTES: usize = 16;

/// A shared secret, as the text that users see.
///
/// It cannot be printed: `Debug` shows `[REDACTED]` and there is no `Display`. Comparison takes the same time
/// wherever the first difference is. The memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text of a secret.
    ///
    /// White space around it is refused and not trimmed: the other side would be keyed with it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.len() > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong {
                length: text.len(),
                max: MAX_SECRET_BYTES,
            });
        }
        if text.trim().len() != text.len() {
            return Err(SecretError::SurroundingWhitespace);
        }
        if text.chars().any(char::is_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Makes a secret out of 32 random bytes: `whsec_` and their base64, the form of the
    /// [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
    /// specification.
    pub fn from_random(mut bytes: [u8; 32]) -> Self {
        // 6 characters of prefix and 44 of base64: the text never moves, so no copy of it is left unwiped.
        let mut text = String::with_capacity(50);
        text.push_str(SHARED_PREFIX);
        encode_base64_secret(&bytes, &mut text);
        bytes.zeroize();
        Self(Zeroizing::new(text))
    }

    /// Makes the private half of an Ed25519 key pair out of 32 random bytes, as Standard Webhooks writes it (`whsk_`).
    pub fn key_pair_from_random(mut bytes: [u8; 32]) -> Self {
        let pair = Zeroizing::new(crate::key_pair::ed25519_from_seed(&bytes));
        bytes.zeroize();
        // 5 characters of prefix and 88 of base64, for the same reason.
        let mut text = String::with_capacity(96);
        text.push_str(PRIVATE_PREFIX);
        encode_base64_secret(pair.as_slice(), &mut text);
        Self(Zeroizing::new(text))
    }

    /// Whether it is the private half of a key pair as Standard Webhooks writes it.
    pub fn is_private_half(&self) -> bool {
        self.0.starts_with(PRIVATE_PREFIX)
    }

    /// The text. Name the reason wherever this is called; each call is a place where a secret can leak.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the key has fewer than 16 bytes. Short secrets work, and callers warn about them.
    pub fn is_short(&self) -> bool {
        let decoded = self
            .0
            .strip_prefix(SHARED_PREFIX)
            .and_then(decode_base64_secret)
            .map(Zeroizing::new);
        decoded.map_or(self.0.len(), |key| key.len()) < SHORT_KEY_BYTES
    }

    /// What to hand to a receiver: the public half of a private key of Standard Webhooks, and otherwise the same
    /// text, because both sides share it or because it is public already.
    #[must_use]
    pub fn for_receiver(&self) -> Self {
        let pair = self
            .0
            .strip_prefix(PRIVATE_PREFIX)
            .and_then(decode_base64_secret)
            .map(Zeroizing::new);
        let Some(public) = pair.as_ref().and_then(|pair| pair.get(32..64)) else {
            return self.clone();
        };
        let mut text = String::with_capacity(50);
        text.push_str(PUBLIC_PREFIX);
        encode_base64_secret(public, &mut text);
        Self(Zeroizing::new(text))
    }

    /// Whether the text can be a key of this algorithm at all, by what its prefix says.
    pub(crate) fn is_of_kind_for(&self, algorithm: Algorithm, format: KeyFormat) -> bool {
        let is_half = [PRIVATE_PREFIX, PUBLIC_PREFIX]
            .iter()
            .any(|prefix| self.0.starts_with(prefix));
        if algorithm.uses_key_pair() {
            is_half || format != KeyFormat::StandardWebhooks
        } else {
            !is_half
        }
    }

    /// The bytes that a MAC of a scheme with this key format is keyed with. Never empty.
    pub(crate) fn shared_key(
        &self,
        format: KeyFormat,
        role: KeyRole,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let decoded = match format {
            KeyFormat::Utf8 => return Ok(self.text_bytes()),
            KeyFormat::Base64 => decode_base64_secret(&self.0),
            KeyFormat::Hex => decode_hex_secret(&self.0),
            KeyFormat::StandardWebhooks => {
                decode_base64_secret(self.0.strip_prefix(SHARED_PREFIX).unwrap_or(&self.0))
            }
        };
        match decoded.map(Zeroizing::new) {
            Some(key) if key.is_empty() => Err(SecretError::Empty),
            Some(key) => Ok(key),
            // The platform's own scheme accepted this text as it is, and refusing it for the companion signature
            // would break a webhook that works. Both sides of the companion derive the same key from the text.
            None if role == KeyRole::Companion => Ok(self.text_bytes()),
            None => Err(undecodable(format)),
        }
    }

    /// The bytes of one half of a key pair.
    pub(crate) fn half_of_pair(&self, format: KeyFormat) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let text = self.0.as_str();
        let decoded = match format {
            // A key pair has no text form of its own; `Scheme` refuses the combination.
            KeyFormat::Utf8 => None,
            KeyFormat::Base64 => decode_base64_secret(text),
            KeyFormat::Hex => decode_hex_secret(text),
            KeyFormat::StandardWebhooks => {
                let half = text
                    .strip_prefix(PRIVATE_PREFIX)
                    .or_else(|| text.strip_prefix(PUBLIC_PREFIX));
                half.and_then(decode_base64_secret)
            }
        };
        decoded.map(Zeroizing::new).ok_or_else(|| undecodable(format))
    }

    fn text_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// How a scheme turns the text of a secret into a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyFormat {
    /// The bytes of the text, prefix and all.
    Utf8,
    /// Padded, canonical base64.
    Base64,
    /// Hex digits, an even number of them.
    Hex,
    /// Base64 as above, after an optional `whsec_`; one half of a key pair after `whsk_` or `whpk_`.
    StandardWebhooks,
}

impl KeyFormat {
    const fn describe(self) -> &'static str {
        match self {
            Self::Utf8 => "text",
            Self::Base64 => "padded base64",
            Self::Hex => "hex",
            Self::StandardWebhooks => "padded base64 after an optional `whsec_`, or after `whsk_` or `whpk_`",
        }
    }
}

/// Whether a scheme is the one that a platform defines, or signs beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyRole {
    /// The scheme that the secret was made for.
    Primary,
    /// A second scheme on the same secret, such as Standard Webhooks beside a platform's own header.
    Companion,
}

fn undecodable(format: KeyFormat) -> SecretError {
    SecretError::Undecodable {
        expected: format.describe(),
    }
}

/// What both sides share, in Standard Webhooks.
const SHARED_PREFIX: &str = "whsec_";

/// The private half of a key pair of Standard Webhooks. Neither half is ever the key of an HMAC, whatever the scheme.
const PRIVATE_PREFIX: &str = "whsk_";

/// The public half of one.
const PUBLIC_PREFIX: &str = "whpk_";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, format: KeyFormat, role: KeyRole) -> Result<Vec<u8>, SecretError> {
        Secret::parse(text)
            .unwrap()
            .shared_key(format, role)
            .map(|key| key.to_vec())
    }

    #[test]
    fn a_secret_never_reaches_a_log() {
        let secret = Secret::parse("correct horse battery staple").unwrap();
        assert_eq!(format!("{secret:?}"), "[REDACTED]");
        assert_eq!(format!("{:?}", Some(&secret)), "Some([REDACTED])");
    }

    #[test]
    fn mistakes_of_copying_are_refused() {
        assert_eq!(Secret::parse(""), Err(SecretError::Empty));
        assert_eq!(Secret::parse("secret\n"), Err(SecretError::SurroundingWhitespace));
        assert_eq!(Secret::parse(" "), Err(SecretError::SurroundingWhitespace));
        assert_eq!(Secret::parse("a\0b"), Err(SecretError::ControlCharacter));
        let long = "x".repeat(1025);
        assert_eq!(
            Secret::parse(&long),
            Err(SecretError::TooLong {
                length: 1025,
                max: 1024
            })
        );
    }

    #[test]
    fn the_scheme_decides_what_the_key_is() {
        let text = "whsec_AAEC";
        assert_eq!(
            key(text, KeyFormat::Utf8, KeyRole::Primary),
            Ok(text.as_bytes().to_vec())
        );
        assert_eq!(
            key(text, KeyFormat::StandardWebhooks, KeyRole::Primary),
            Ok(vec![0, 1, 2])
        );
        assert_eq!(
            key("AAEC", KeyFormat::StandardWebhooks, KeyRole::Primary),
            Ok(vec![0, 1, 2])
        );
        assert_eq!(key("000102", KeyFormat::Hex, KeyRole::Primary), Ok(vec![0, 1, 2]));
        assert_eq!(
            key("whsec_", KeyFormat::StandardWebhooks, KeyRole::Primary),
            Err(SecretError::Empty)
        );
        assert_eq!(
            key("whsec_", KeyFormat::StandardWebhooks, KeyRole::Companion),
            Err(SecretError::Empty)
        );
    }

    #[test]
    fn a_platform_secret_that_is_not_base64_still_signs_beside_the_platform_scheme() {
        let text = "whsec_abc123...";
        assert!(matches!(
            key(text, KeyFormat::StandardWebhooks, KeyRole::Primary),
            Err(SecretError::Undecodable { .. })
        ));
        assert_eq!(
            key(text, KeyFormat::StandardWebhooks, KeyRole::Companion),
            Ok(text.as_bytes().to_vec())
        );
    }

    #[test]
    fn half_a_key_pair_is_never_a_shared_key() {
        for format in [
            KeyFormat::Utf8,
            KeyFormat::Base64,
            KeyFormat::Hex,
            KeyFormat::StandardWebhooks,
        ] {
            for text in ["whpk_AAEC", "whsk_AAEC"] {
                let secret = Secret::parse(text).unwrap();
                assert!(!secret.is_of_kind_for(Algorithm::HmacSha256, format));
                assert!(secret.is_of_kind_for(Algorithm::Ed25519, format));
            }
        }
        let shared = Secret::parse("whsec_AAEC").unwrap();
        assert!(shared.is_of_kind_for(Algorithm::HmacSha256, KeyFormat::StandardWebhooks));
        assert!(!shared.is_of_kind_for(Algorithm::Ed25519, KeyFormat::StandardWebhooks));
    }

    #[test]
    fn a_receiver_gets_the_public_half_only() {
        // RFC 8032, section 7.1, test 1.
        let private =
            "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
        let receiver = Secret::parse(private).unwrap().for_receiver();
        assert_eq!(
            receiver.expose(),
            "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        );
        for text in ["whsec_AAEC", "plain text", "whsk_AAEC", "whpk_AAEC"] {
            assert_eq!(Secret::parse(text).unwrap().for_receiver().expose(), text);
        }
    }

    #[test]
    fn generated_secrets_have_the_standard_form() {
        let secret = Secret::from_random([7; 32]);
        assert_eq!(secret.expose().len(), 50);
        assert_eq!(
            secret
                .shared_key(KeyFormat::StandardWebhooks, KeyRole::Primary)
                .unwrap()
                .as_slice(),
            [7; 32]
        );
        assert!(!secret.is_short());
        assert!(Secret::parse("whsec_AAEC").unwrap().is_short());
        assert!(Secret::parse("fifteen bytes..").unwrap().is_short());
        assert!(!Secret::parse("sixteen bytes...").unwrap().is_short());
    }
}
