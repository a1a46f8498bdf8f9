//! Signing: from a message to the headers that prove where it came from.

use std::fmt;
use std::sync::Arc;

use crate::content::{Parts, Variable, body_digest_in_url, sorted_form};
use crate::error::SecretError;
use crate::header::HeaderName;
use crate::key::{Key, KeyKind, key_ring};
use crate::mac::Tag;
use crate::profile::Profile;
use crate::scheme::{Scheme, SignatureForm, TimestampUnit};
use crate::secret::{KeyRole, Secret};

/// Signs messages by one or more schemes. The keys are expanded once; clones share them.
#[derive(Clone)]
pub struct Signer {
    lanes: Arc<[Lane]>,
}

/// One message, as one attempt sends it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The message id, the same for every attempt. Schemes that sign the id need one in the sense of
    /// [`is_message_id`](crate::is_message_id); receivers refuse others.
    pub id: &'a str,
    /// The event type; not signed by any built-in scheme, because it is in the body.
    pub event_type: &'a str,
    /// Unix time of this attempt in seconds. Each attempt gets its own, or receivers would refuse late retries.
    pub timestamp: i64,
    /// The body, exactly as it will be sent.
    pub body: &'a [u8],
    /// The HTTP method in upper case.
    pub method: &'a str,
    /// The URL that the request goes to.
    pub url: &'a str,
}

/// One scheme with its keys.
struct Lane {
    scheme: Arc<Scheme>,
    keys: Box<[Key]>,
}

impl Signer {
    /// Makes a signer for one scheme. `secrets` are the live ones, newest first; while a rotation lasts there are
    /// several, and the message carries a signature by each where the scheme has room for that.
    pub fn for_scheme(scheme: &Scheme, secrets: &[Secret]) -> Result<Self, SecretError> {
        let scheme = Arc::new(scheme.clone());
        Ok(Self {
            lanes: [Lane::new(&scheme, secrets, KeyRole::Primary)?].into(),
        })
    }

    /// Makes a signer for everything that the profile signs with: its own scheme, and its companions.
    pub fn for_profile(profile: &Profile, secrets: &[Secret]) -> Result<Self, SecretError> {
        let lanes = profile
            .schemes()
            .map(|(scheme, role)| Lane::new(scheme, secrets, role))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { lanes: lanes.into() })
    }

    /// The headers to send with `message`, spelled as the platforms spell them.
    pub fn sign(&self, message: &Message<'_>) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::with_capacity(self.lanes.len() * 3);
        for lane in &*self.lanes {
            lane.sign(message, &mut headers);
        }
        headers
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The schemes only: a keyed state is as good as the secret.
        let schemes = self.lanes.iter().map(|lane| lane.scheme.name());
        f.write_str("Signer ")?;
        f.debug_list().entries(schemes).finish()
    }
}

impl Lane {
    fn new(scheme: &Arc<Scheme>, secrets: &[Secret], role: KeyRole) -> Result<Self, SecretError> {
        let mut keys = key_ring(scheme, secrets, role)?.into_vec();
        if !keys.iter().all(|key| key.kind.can_sign()) {
            return Err(SecretError::PublicKey);
        }
        // Each secret signs once, with the first algorithm that it fits; the others are only read.
        keys.dedup_by_key(|key| key.secret_index);
        if scheme.signature.item_separator.is_none() {
            // There is room for one signature, and the newest secret is the one that will stay.
            keys.truncate(1);
        }
        Ok(Self {
            scheme: Arc::clone(scheme),
            keys: keys.into(),
        })
    }

    fn sign(&self, message: &Message<'_>, headers: &mut Vec<(HeaderName, String)>) {
        let scheme = &*self.scheme;
        let timestamp = timestamp_text(scheme, message.timestamp);
        if let Some(name) = scheme.id.as_ref().and_then(|names| names.first()) {
            headers.push((name.clone(), message.id.to_owned()));
        }
        if let Some(name) = scheme
            .timestamp
            .as_ref()
            .and_then(|timestamp| timestamp.source.headers().first())
        {
            headers.push((name.clone(), timestamp.clone()));
        }
        let value = self.signature_value(message, &timestamp);
        headers.extend(
            scheme
                .sent_headers()
                .iter()
                .map(|name| (name.clone(), value.clone())),
        );
    }

    fn signature_value(&self, message: &Message<'_>, timestamp: &str) -> String {
        let scheme = &*self.scheme;
        let form = form_of(scheme, message);
        let parts = Parts {
            body: message.body,
            form: &form,
            timestamp: timestamp.as_bytes(),
            id: message.id.as_bytes(),
            url: message.url,
            method: message.method,
        };
        let item_separator = scheme.signature.item_separator.as_deref().unwrap_or_default();
        let mut value = String::with_capacity(32 + self.keys.len() * 96);
        if let SignatureForm::Tagged {
            separator,
            timestamp_tag: Some(tag),
            ..
        } = &scheme.signature.form
        {
            value.push_str(tag);
            value.push(char::from(*separator));
            value.push_str(timestamp);
        }
        for key in &self.keys {
            if !value.is_empty() {
                value.push_str(item_separator);
            }
            if let SignatureForm::Tagged { separator, tags, .. } = &scheme.signature.form
                && let Some(tagged) = tags.iter().find(|tagged| tagged.algorithm == key.algorithm)
            {
                value.push_str(&tagged.tag);
                value.push(char::from(*separator));
            }
            let tag = signature(&key.kind, scheme, &parts);
            scheme.signature.encoding.encode(tag.as_bytes(), &mut value);
        }
        value
    }
}

fn signature(key: &KeyKind, scheme: &Scheme, parts: &Parts<'_>) -> Tag {
    match key {
        KeyKind::Shared(mac) => mac.tag(&scheme.content, parts),
        KeyKind::Pair(pair) => {
            let mut message = Vec::with_capacity(parts.body.len() + 256);
            scheme.content.feed(parts, &mut message);
            // `Lane::new` has refused keys that cannot sign, and an empty signature would be refused by everyone.
            pair.sign(&message).unwrap_or_else(|| Tag::copy_of(&[]))
        }
    }
}

fn timestamp_text(scheme: &Scheme, unix_seconds: i64) -> String {
    match scheme.timestamp.as_ref().map(|timestamp| timestamp.unit) {
        Some(TimestampUnit::Seconds) => unix_seconds.to_string(),
        Some(TimestampUnit::Milliseconds) => unix_seconds.saturating_mul(1000).to_string(),
        None => String::new(),
    }
}

/// What `{form}` stands for: nothing when the URL vouches for the body, the sorted fields otherwise.
fn form_of(scheme: &Scheme, message: &Message<'_>) -> Vec<u8> {
    let url_vouches = scheme
        .body_digest_query
        .as_ref()
        .is_some_and(|name| body_digest_in_url(message.url, name).is_some());
    if scheme.content.uses(Variable::Form) && !url_vouches {
        sorted_form(message.body)
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::parse(text).unwrap()).collect()
    }

    fn signed(scheme: &str, texts: &[&str]) -> Vec<(String, String)> {
        let signer = Signer::for_scheme(&Scheme::builtin(scheme).unwrap(), &secrets(texts)).unwrap();
        let message = Message {
            id: "msg_1",
            event_type: "test",
            timestamp: 1_614_265_330,
            body: b"{}",
            method: "POST",
            url: "https://example.com/",
        };
        signer
            .sign(&message)
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect()
    }

    #[test]
    fn during_a_rotation_receivers_can_use_either_secret() {
        let headers = signed("standard-webhooks", &["whsec_AAEC", "whsec_AwQF"]);
        assert_eq!(headers[0], ("webhook-id".into(), "msg_1".into()));
        assert_eq!(headers[1], ("webhook-timestamp".into(), "1614265330".into()));
        let items: Vec<_> = headers[2].1.split(' ').collect();
        assert_eq!(items.len(), 2);
        assert!(
            items
                .iter()
                .all(|item| item.starts_with("v1,") && item.len() == 47),
            "{items:?}"
        );
        assert_eq!(
            headers[2].1,
            format!(
                "{} {}",
                signed("standard-webhooks", &["whsec_AAEC"])[2].1,
                items[1]
            )
        );
    }

    #[test]
    fn a_receiver_can_move_from_a_shared_secret_to_a_public_key() {
        // RFC 8032, section 7.1, test 1.
        let pair =
            "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
        let headers = signed("standard-webhooks", &[pair, "whsec_AAEC"]);
        let items: Vec<_> = headers[2].1.split(' ').collect();
        assert!(items[0].starts_with("v1a,") && items[0].len() == 92, "{items:?}");
        assert!(items[1].starts_with("v1,") && items[1].len() == 47, "{items:?}");
    }

    #[test]
    fn a_public_key_cannot_sign() {
        let scheme = Scheme::builtin("standard-webhooks").unwrap();
        let public = secrets(&["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]);
        assert_eq!(
            Signer::for_scheme(&scheme, &public).unwrap_err(),
            SecretError::PublicKey
        );
    }

    #[test]
    fn a_header_with_room_for_one_signature_carries_the_newest() {
        assert_eq!(signed("filedgr", &["new", "old"]), signed("filedgr", &["new"]));
        assert_eq!(signed("github", &["new", "old"]), signed("github", &["new"]));
        assert_eq!(signed("digivault", &["new"])[0].0, "X-DigiVault-Signature");
        assert_eq!(signed("digivault", &["new"]).len(), 1);
    }

    #[test]
    fn receivers_that_read_different_names_can_all_be_served() {
        let both = r#"name = "both"
            content = "{body}"
            key = "utf8"
            algorithm = "hmac-sha256"
            signature = { headers = ["X-DigiVault-Signature", "X-BitVault-Signature"], send = "all", encoding = "hex" }"#;
        let scheme = Scheme::from_toml(both).unwrap();
        let headers = Signer::for_scheme(&scheme, &secrets(&["new"]))
            .unwrap()
            .sign(&Message {
                id: "",
                event_type: "",
                timestamp: 0,
                body: b"{}",
                method: "POST",
                url: "",
            });
        assert_eq!(headers.len(), 2);
        assert_eq!(headers[1].0.as_str(), "X-BitVault-Signature");
        assert_eq!(
            (&headers[0].1, &headers[1].1),
            (&signed("digivault", &["new"])[0].1, &headers[0].1)
        );
    }

    #[test]
    fn timestamps_go_where_the_platform_puts_them() {
        assert!(signed("stripe", &["k"])[0].1.starts_with("t=1614265330,v1="));
        assert!(signed("paddle", &["k"])[0].1.starts_with("ts=1614265330;h1="));
        assert!(signed("workos", &["k"])[0].1.starts_with("t=1614265330000, v1="));
        assert_eq!(signed("hubspot-v3", &["k"])[0].1, "1614265330000");
    }

    #[test]
    fn a_signer_can_be_shared_between_tasks() {
        fn shared<T: Send + Sync + Clone + 'static>() {}
        shared::<Signer>();
    }
}
