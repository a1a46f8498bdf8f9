//! What is read back from a store may have been changed there: a backup restored by hand, a row copied, a bit that fell.
//! None of it panics, and nothing that was sealed opens to anything but what was sealed.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::{TenantId, WebhookId, WebhookSettings};

fn sealer() -> Sealer {
    let keys = EncryptionKeys::parse(&EncryptionKeys::generate("k1").unwrap()).unwrap();
    Sealer::new(Some(keys))
}

fn owner() -> Owner {
    Owner {
        tenant: TenantId::DEFAULT,
        webhook: "whk_01h455vb4pex5vsknk084sn02q".parse::<WebhookId>().unwrap(),
    }
}

/// Documents with the names that settings have, and any values.
fn documents() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "headers",
        "encryption",
        "connection",
        "(sealed)",
        "profile",
        "url",
        "schedule",
        "timeout",
        "authentication",
        "a",
    ])
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Into::into),
        ".{0,10}".prop_map(Into::into),
        ".{0,10}".prop_map(|text: String| json!({ "(sealed)": format!("{PREFIX}k1:{text}") })),
        ".{0,10}".prop_map(|text: String| json!({ "(sealed)": text })),
    ];
    leaf.prop_recursive(4, 30, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((name.clone(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_stored_bytes_are_a_secret_or_an_error(values in vec(vec(any::<u8>(), 0..80), 0..3), text in ".{0,40}") {
        let sealer = sealer();
        let marked = format!("{MARK}{PREFIX}k1:{text}").into_bytes();
        let _ = sealer.read_secrets(owner(), values);
        prop_assert!(sealer.read_secrets(owner(), vec![marked]).is_err());
    }

    #[test]
    fn a_sealed_secret_opens_unchanged_or_not_at_all(secret in "[!-~]{1,60}", place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let sealer = sealer();
        let secret = Secret::parse(&secret);
        prop_assume!(secret.is_ok());
        let secret = secret.unwrap();
        let stored = sealer.write_secret(owner(), &secret).unwrap();
        let read = sealer.read_secrets(owner(), vec![stored.clone()]).unwrap();
        prop_assert_eq!(read[0].expose(), secret.expose());

        // The mark itself is what tells a sealed value from a plain one.
        let place = MARK.len() + place.index(stored.len() - MARK.len());
        let mut changed = stored.clone();
        changed[place] = byte;
        prop_assume!(changed != stored);
        prop_assert!(sealer.read_secrets(owner(), vec![changed]).is_err());
        prop_assert!(sealer.read_secrets(owner(), vec![stored[..place].to_vec()]).is_err());
    }

    #[test]
    fn any_stored_settings_are_read_or_are_an_error(document in documents()) {
        let sealer = sealer();
        let _ = sealer.is_current_document(&document);
        collect_key_ids(&document, &mut std::collections::BTreeSet::new());
        if let Err(error) = sealer.read_settings(owner(), document) {
            prop_assert!(error.to_string().len() < 1_000);
        }
    }

    #[test]
    fn settings_are_read_as_they_were_written(name in "x-[a-z]{1,8}", value in "[ -~]{0,40}", url in "https://[a-z]{1,20}/") {
        let sealer = sealer();
        let mut settings = WebhookSettings::new("generic", &url);
        settings.headers.0.insert(name, value.clone());
        let written = sealer.write_settings(owner(), &settings).unwrap();
        prop_assert!(value.len() < 8 || !written.to_string().contains(&value));
        let read = sealer.read_settings(owner(), written).unwrap();
        prop_assert_eq!(read.headers.0, settings.headers.0);
        prop_assert_eq!(read.url, settings.url);
    }
}
