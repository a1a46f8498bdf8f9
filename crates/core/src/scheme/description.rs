//! A scheme as it is written down, and the checks that make it one.
//!
//! What is accepted here signs messages that it verifies itself, and leaves no doubt about what was signed. The tests
//! try that with descriptions of every kind.

use serde::Deserialize;

use super::{
    Algorithm, Scheme, Send, Signature, SignatureForm, Tagged, Timestamp, TimestampSource, TimestampUnit,
};
use crate::content::{Content, Variable};
use crate::error::SchemeError;
use crate::header::{Encoding, HeaderName};
use crate::registry::check_name;
use crate::secret::KeyFormat;

/// Longest version tag, in bytes: with a tag like this, signatures by [`MAX_SECRETS`](crate::MAX_SECRETS) secrets still
/// fit into one header.
const MAX_TAG_NAME_BYTES: usize = 32;

/// A scheme as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    name: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    reference: Option<String>,
    content: String,
    #[serde(default)]
    adjacent_variables: bool,
    #[serde(default)]
    body_digest_query: Option<String>,
    #[serde(default)]
    port_may_differ: bool,
    key: KeyFormat,
    #[serde(default)]
    algorithm: Option<Algorithm>,
    signature: SignatureDescription,
    #[serde(default)]
    timestamp: Option<TimestampDescription>,
    #[serde(default)]
    id: Option<IdDescription>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureDescription {
    headers: Vec<String>,
    #[serde(default)]
    send: Send,
    encoding: Encoding,
    #[serde(default)]
    item_separator: Option<String>,
    #[serde(default)]
    tag_separator: Option<char>,
    #[serde(default)]
    timestamp_tag: Option<Box<str>>,
    #[serde(default)]
    tags: Vec<Tagged>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampDescription {
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    body_field: Option<Box<str>>,
    #[serde(default)]
    unit: TimestampUnit,
    #[serde(default)]
    tolerance_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdDescription {
    headers: Vec<String>,
}

impl TryFrom<Description> for Scheme {
    type Error = SchemeError;

    fn try_from(description: Description) -> Result<Self, SchemeError> {
        check_name(&description.name)?;
        let content = Content::parse(&description.content, description.adjacent_variables)?;
        let signature = signature(description.signature, description.algorithm)?;
        let timestamp = description.timestamp.map(timestamp).transpose()?;
        let id = description.id.map(|id| header_names(&id.headers)).transpose()?;
        let scheme = Self {
            name: description.name.as_str().into(),
            title: description.title.unwrap_or(description.name),
            reference: description.reference,
            content,
            key: description.key,
            signature,
            timestamp,
            id,
            body_digest_query: description.body_digest_query,
            port_may_differ: description.port_may_differ,
        };
        check_agreement(&scheme)?;
        Ok(scheme)
    }
}

fn signature(description: SignatureDescription, bare: Option<Algorithm>) -> Result<Signature, SchemeError> {
    let form = match (bare, description.tag_separator) {
        (Some(algorithm), None) if description.tags.is_empty() && description.timestamp_tag.is_none() => {
            SignatureForm::Bare(algorithm)
        }
        (None, Some(separator)) if !description.tags.is_empty() => SignatureForm::Tagged {
            separator: separator_byte(separator)?,
            tags: description.tags.into(),
            timestamp_tag: description.timestamp_tag,
        },
        _ => {
            return Err(SchemeError::Contradiction {
                reason: "a scheme has either `algorithm`, or `signature.tag_separator` with `signature.tags`",
            });
        }
    };
    if let Some(separator) = &description.item_separator {
        check_item_separator(separator, description.encoding)?;
    }
    if let SignatureForm::Tagged {
        separator,
        tags,
        timestamp_tag,
    } = &form
    {
        let item_separator = description
            .item_separator
            .as_ref()
            .and_then(|text| text.bytes().next());
        if item_separator == Some(*separator) {
            return Err(SchemeError::Contradiction {
                reason: "`signature.item_separator` and `signature.tag_separator` must differ",
            });
        }
        let is_tag_byte =
            |byte| matches!(byte, b'!'..=b'~') && byte != *separator && Some(byte) != item_separator;
        let is_tag =
            |tag: &str| (1..=MAX_TAG_NAME_BYTES).contains(&tag.len()) && tag.bytes().all(is_tag_byte);
        if !tags
            .iter()
            .map(|tagged| &tagged.tag)
            .chain(timestamp_tag)
            .all(|tag| is_tag(tag))
        {
            return Err(SchemeError::Contradiction {
                reason: "a tag is 1 to 32 visible ASCII characters, none of them a separator of the scheme",
            });
        }
        let mut names = tags
            .iter()
            .map(|tagged| &tagged.tag)
            .chain(timestamp_tag)
            .collect::<Vec<_>>();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SchemeError::Contradiction {
                reason: "tags must be distinct",
            });
        }
    }
    Ok(Signature {
        headers: header_names(&description.headers)?,
        send: description.send,
        encoding: description.encoding,
        item_separator: description.item_separator.map(Into::into),
        form,
    })
}

fn check_item_separator(separator: &str, encoding: Encoding) -> Result<(), SchemeError> {
    let mut characters = separator.chars();
    let split_at = separator_byte(characters.next().unwrap_or('a'))?;
    // Empty items count towards the bound on items, so two spaces would leave room for half as many signatures.
    let is_short = match characters.as_str() {
        "" => true,
        rest => rest == " " && split_at != b' ',
    };
    if !is_short {
        return Err(SchemeError::Contradiction {
            reason: "`signature.item_separator` is one character, and perhaps one space after it",
        });
    }
    if encoding == Encoding::Base64 && matches!(split_at, b'+' | b'/' | b'=') {
        return Err(SchemeError::Contradiction {
            reason: "`signature.item_separator` must not occur in base64",
        });
    }
    Ok(())
}

fn separator_byte(separator: char) -> Result<u8, SchemeError> {
    u8::try_from(separator)
        .ok()
        .filter(|byte| matches!(byte, b' '..=b'~') && !byte.is_ascii_alphanumeric())
        .ok_or(SchemeError::Contradiction {
            reason: "separators are ASCII characters other than letters and digits",
        })
}

fn timestamp(description: TimestampDescription) -> Result<Timestamp, SchemeError> {
    let source = match (description.headers.as_slice(), description.body_field) {
        ([], None) => TimestampSource::SignatureHeader,
        ([], Some(field)) if !field.is_empty() => TimestampSource::Body(field),
        (names, None) => TimestampSource::Header(header_names(names)?),
        _ => {
            return Err(SchemeError::Contradiction {
                reason: "a timestamp has either `timestamp.headers` or a `timestamp.body_field` with a name in it",
            });
        }
    };
    Ok(Timestamp {
        source,
        unit: description.unit,
        tolerance_seconds: description.tolerance_seconds,
    })
}

fn header_names(names: &[String]) -> Result<Box<[HeaderName]>, SchemeError> {
    if names.is_empty() {
        return Err(SchemeError::Contradiction {
            reason: "`headers` needs at least one name",
        });
    }
    Ok(names
        .iter()
        .map(|name| HeaderName::parse(name))
        .collect::<Result<_, _>>()?)
}

fn check_agreement(scheme: &Scheme) -> Result<(), SchemeError> {
    let contradiction = |reason| Err(SchemeError::Contradiction { reason });
    let timestamp_tag = match &scheme.signature.form {
        SignatureForm::Tagged { timestamp_tag, .. } => timestamp_tag.as_ref(),
        SignatureForm::Bare(_) => None,
    };
    if timestamp_tag.is_some() && scheme.signature.item_separator.is_none() {
        return contradiction("`signature.timestamp_tag` needs `signature.item_separator`");
    }
    let timestamp_source = scheme.timestamp.as_ref().map(|timestamp| &timestamp.source);
    match (timestamp_source, timestamp_tag) {
        (Some(TimestampSource::SignatureHeader), None) => {
            return contradiction("a timestamp needs `headers`, `body_field`, or `signature.timestamp_tag`");
        }
        (Some(TimestampSource::Header(_) | TimestampSource::Body(_)), Some(_)) => {
            return contradiction(
                "a timestamp has one place: `signature.timestamp_tag`, or `[timestamp]` says where",
            );
        }
        (None, Some(_)) => return contradiction("`signature.timestamp_tag` needs a `[timestamp]` section"),
        _ => {}
    }
    // What is in the body is signed with it.
    let needs_variable = timestamp_source.is_some_and(|source| !matches!(source, TimestampSource::Body(_)));
    if needs_variable != scheme.content.uses(Variable::Timestamp) {
        return contradiction(
            "`[timestamp]` and {ts} in `content` go together: one that is not signed proves nothing",
        );
    }
    if scheme.id.is_some() != scheme.content.uses(Variable::Id) {
        return contradiction(
            "`[id]` and {id} in `content` go together: one that is not signed proves nothing",
        );
    }
    if scheme.body_digest_query.is_some()
        && !(scheme.content.uses(Variable::Form) && scheme.content.uses(Variable::Url))
    {
        return contradiction("`body_digest_query` is for `content` with {url} and {form}");
    }
    let mut names: Vec<_> = scheme
        .headers()
        .map(|name| name.as_str().to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return contradiction("every header of a scheme has one meaning and is named once");
    }
    if scheme.port_may_differ && !scheme.content.uses(Variable::Url) {
        return contradiction("`port_may_differ` is for `content` with {url}");
    }
    check_key(scheme)
}

/// Checks that the text of a secret can tell what kind of key it holds.
fn check_key(scheme: &Scheme) -> Result<(), SchemeError> {
    let contradiction = |reason| Err(SchemeError::Contradiction { reason });
    let mut algorithms = scheme.signature.algorithms();
    let uses_pairs = scheme.signature.algorithms().any(Algorithm::uses_key_pair);
    if uses_pairs && scheme.key == KeyFormat::Utf8 {
        return contradiction("key pairs are written as hex, base64 or standard-webhooks, not as utf8");
    }
    if uses_pairs && scheme.key != KeyFormat::StandardWebhooks && !algorithms.all(Algorithm::uses_key_pair) {
        return contradiction(
            "shared secrets and key pairs in one scheme need `key = \"standard-webhooks\"`, whose prefixes tell them \
             apart: a public key taken for a shared secret would let everyone sign",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = r#"
        name = "acme"
        content = "{ts}.{body}"
        key = "utf8"
        [signature]
        headers = ["Acme-Signature"]
        encoding = "hex"
        item_separator = ","
        tag_separator = "="
        timestamp_tag = "t"
        tags = [{ tag = "v1", algorithm = "hmac-sha256" }]
        [timestamp]
        tolerance_seconds = 300
    "#;

    #[test]
    fn a_user_can_describe_a_platform_that_is_not_built_in() {
        let scheme = Scheme::from_toml(ACME).unwrap();
        assert_eq!(scheme.name(), "acme");
        assert!(scheme.has_timestamp());
        assert_eq!(
            scheme.headers().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["Acme-Signature"]
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_not_a_silent_default() {
        let error = Scheme::from_toml(&ACME.replace("tolerance_seconds", "tolerance")).unwrap_err();
        assert!(
            matches!(&error, SchemeError::Syntax { message } if message.contains("tolerance")),
            "{error}"
        );
    }

    #[test]
    fn an_unsigned_timestamp_is_refused() {
        let error = Scheme::from_toml(&ACME.replace("{ts}.{body}", "{body}")).unwrap_err();
        assert!(matches!(&error, SchemeError::Contradiction { reason } if reason.contains("proves nothing")));
    }

    #[test]
    fn a_separator_that_occurs_in_the_signature_is_refused() {
        let base64 = ACME.replace("\"hex\"", "\"base64\"");
        assert!(Scheme::from_toml(&base64).is_ok());
        for separator in ["+", "/"] {
            assert!(
                Scheme::from_toml(&base64.replace("\",\"", &format!("{separator:?}"))).is_err(),
                "{separator}"
            );
        }
    }

    #[test]
    fn the_two_kinds_of_keys_share_a_scheme_only_where_secrets_say_which_they_are() {
        let both = r#"{ tag = "v1", algorithm = "hmac-sha256" }, { tag = "v2", algorithm = "ed25519" }"#;
        let both = ACME.replace(r#"{ tag = "v1", algorithm = "hmac-sha256" }"#, both);
        for key in ["utf8", "hex", "base64"] {
            assert!(Scheme::from_toml(&both.replace("utf8", key)).is_err(), "{key}");
        }
        assert!(Scheme::from_toml(&both.replace("utf8", "standard-webhooks")).is_ok());
    }

    #[test]
    fn a_timestamp_in_the_body_is_signed_with_the_body() {
        let in_body = r#"name = "acme"
            content = "{body}"
            key = "utf8"
            algorithm = "hmac-sha256"
            signature = { headers = ["Acme-Signature"], encoding = "hex" }
            timestamp = { body_field = "sentAt", tolerance_seconds = 60 }"#;
        assert!(Scheme::from_toml(in_body).unwrap().has_timestamp());
        assert!(Scheme::from_toml(&in_body.replace("\"sentAt\"", "\"\"")).is_err());
        let both = in_body.replace("body_field", "headers = [\"Acme-Timestamp\"], body_field");
        assert!(Scheme::from_toml(&both).is_err());
    }

    #[test]
    fn descriptions_that_contradict_themselves_are_refused() {
        for (from, to) in [
            ("timestamp_tag = \"t\"", ""),
            ("tag_separator = \"=\"", ""),
            ("item_separator = \",\"", ""),
            ("item_separator = \",\"", "item_separator = \"\""),
            ("item_separator = \",\"", "item_separator = \"ab\""),
            ("headers = [\"Acme-Signature\"]", "headers = []"),
            ("headers = [\"Acme-Signature\"]", "headers = [\"Acme Signature\"]"),
            ("key = \"utf8\"", "key = \"utf8\"\nalgorithm = \"hmac-sha256\""),
            ("[timestamp]", "[id]\nheaders = [\"Acme-Id\"]\n[timestamp]"),
            ("item_separator = \",\"", "item_separator = \",  \""),
            ("item_separator = \",\"", "item_separator = \"=\""),
            ("timestamp_tag = \"t\"", "timestamp_tag = \"v1\""),
            ("timestamp_tag = \"t\"", "timestamp_tag = \"t=\""),
            ("timestamp_tag = \"t\"", "timestamp_tag = \"t,\""),
            ("timestamp_tag = \"t\"", "timestamp_tag = \"t t\""),
            ("timestamp_tag = \"t\"", "timestamp_tag = \"\u{e9}\""),
            ("tag = \"v1\"", "tag = \"0123456789abcdef0123456789abcdef0\""),
            (
                "headers = [\"Acme-Signature\"]",
                "headers = [\"Acme-Signature\", \"acme-signature\"]",
            ),
            ("[timestamp]", "[timestamp]\nbody_field = \"sentAt\""),
            ("[timestamp]", "[timestamp]\nheaders = [\"Acme-Timestamp\"]"),
            ("key = \"utf8\"", "key = \"utf8\"\nport_may_differ = true"),
            ("\"hmac-sha256\"", "\"ed25519\""),
        ] {
            assert!(ACME.contains(from));
            assert!(
                Scheme::from_toml(&ACME.replace(from, to)).is_err(),
                "{from} -> {to}"
            );
        }
    }
}
