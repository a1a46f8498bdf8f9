//! What the key may have been, given the text of the secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::variant::Variant;
use crate::scheme::Scheme;
use crate::secret::{KeyFormat, Secret};

/// A secret read in one way.
pub(super) struct Reading {
    pub(super) secret: Secret,
    pub(super) format: KeyFormat,
    /// Why this reading differs from the scheme's; empty for the scheme's own.
    pub(super) causes: Vec<Variant>,
    /// Position of the secret among those given.
    pub(super) secret_index: usize,
}

/// All readings of all secrets, the scheme's own first. Half of a key pair is never read as a shared key: the core
/// refuses it in every format.
pub(super) fn readings(scheme: &Scheme, texts: &[&str]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (secret_index, text) in texts.iter().enumerate() {
        let mut push = |text: &str, format: KeyFormat, causes: &[Variant]| {
            if let Ok(secret) = Secret::parse(text) {
                readings.push(Reading {
                    secret,
                    format,
                    causes: causes.to_vec(),
                    secret_index,
                });
            }
        };
        push(text, scheme.key, &[]);
        let trimmed = text.trim_matches(is_wrapping);
        let mut because: Vec<Variant> = Vec::new();
        if trimmed != *text {
            because.push(Variant::SecretTrimmed);
            push(trimmed, scheme.key, &because);
        }
        let also = |causes: &[Variant]| [because.as_slice(), causes].concat();
        let bare = trimmed.strip_prefix("v1,").unwrap_or(trimmed);
        let bare = bare.strip_prefix("whsec_").unwrap_or(bare);
        if bare != trimmed {
            push(bare, scheme.key, &also(&[Variant::SecretPrefixRemoved]));
        }
        if scheme.key == KeyFormat::Utf8 {
            push(
                trimmed,
                KeyFormat::StandardWebhooks,
                &also(&[Variant::SecretBase64Decoded]),
            );
            push(trimmed, KeyFormat::Hex, &also(&[Variant::SecretHexDecoded]));
            if bare == trimmed {
                push(
                    &format!("whsec_{bare}"),
                    KeyFormat::Utf8,
                    &also(&[Variant::SecretPrefixMissing]),
                );
            }
        } else {
            push(trimmed, KeyFormat::Utf8, &also(&[Variant::SecretNotDecoded]));
            if bare != trimmed {
                let causes = also(&[Variant::SecretNotDecoded, Variant::SecretPrefixRemoved]);
                push(bare, KeyFormat::Utf8, &causes);
            }
            if scheme.key != KeyFormat::Hex {
                push(bare, KeyFormat::Hex, &also(&[Variant::SecretHexDecoded]));
            }
        }
        if let Some(repaired) = repaired_base64(bare).filter(|repaired| repaired != bare) {
            push(
                &repaired,
                KeyFormat::Base64,
                &also(&[Variant::SecretBase64Repaired]),
            );
        }
    }
    readings.sort_by_key(|reading| reading.causes.len());
    readings
}

/// What people copy along with a secret.
fn is_wrapping(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '"' | '\'' | '`' | '\u{feff}' | '\u{200b}' | '“' | '”')
}

/// Base64 in the standard alphabet and with padding, of what may lack both.
fn repaired_base64(text: &str) -> Option<String> {
    let standard = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(standard).ok()?;
    (!bytes.is_empty()).then(|| STANDARD.encode(bytes))
}
