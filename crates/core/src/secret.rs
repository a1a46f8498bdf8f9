//! Secrets: what the two sides share, kept out of logs and wiped when dropped.
//!
//! A [`Secret`] is the *text* that a person sees, copies and configures. What the algorithm is keyed with depends
//! on the scheme: most platforms take the bytes of the text as they are, prefix included; Standard Webhooks
//! decodes the base64 behind `whsec_`. One text can therefore mean two keys, which is why the text is kept and the
//! key is derived per scheme.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::SecretError;
use crate::header::{decode_base64_secret, decode_hex_secret, encode_base64_secret};

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

    /// The bytes that a MAC of a scheme with this key format is keyed with. Never empty.
    pub(crate) fn key_bytes(
        &self,
        format: KeyFormat,
        role: KeyRole,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        if KEY_PAIR_PREFIXES.iter().any(|prefix| self.0.starts_with(prefix)) {
            return Err(SecretError::KeyPair);
        }
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
            None => Err(SecretError::Undecodable {
                expected: format.describe(),
            }),
        }
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
    /// Base64 as above, after an optional `whsec_`.
    StandardWebhooks,
}

impl KeyFormat {
    const fn describe(self) -> &'static str {
        match self {
            Self::Utf8 => "text",
            Self::Base64 => "padded base64",
            Self::Hex => "hex",
            Self::StandardWebhooks => "padded base64 after an optional `whsec_`",
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

const SHARED_PREFIX: &str = "whsec_";

/// The private and public half of a Standard Webhooks key pair. A public key that served as HMAC key would let
/// everyone sign, so neither is ever used as one, whatever the scheme.
const KEY_PAIR_PREFIXES: [&str; 2] = ["whsk_", "whpk_"];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, format: KeyFormat, role: KeyRole) -> Result<Vec<u8>, SecretError> {
        Secret::parse(text)
            .unwrap()
            .key_bytes(format, role)
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
        for format in [KeyFormat::Utf8, KeyFormat::StandardWebhooks] {
            for role in [KeyRole::Primary, KeyRole::Companion] {
                assert_eq!(key("whpk_AAEC", format, role), Err(SecretError::KeyPair));
                assert_eq!(key("whsk_AAEC", format, role), Err(SecretError::KeyPair));
            }
        }
    }

    #[test]
    fn generated_secrets_have_the_standard_form() {
        let secret = Secret::from_random([7; 32]);
        assert_eq!(secret.expose().len(), 50);
        assert_eq!(
            secret
                .key_bytes(KeyFormat::StandardWebhooks, KeyRole::Primary)
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
