//! Values worth trying: such as are right in the place where they are put, and such as are right nowhere.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{documents, learned::Learned};

/// Where requests may point to.
pub(super) struct Surroundings {
    /// URLs of receivers, good and bad ones.
    pub(super) urls: Vec<String>,
    /// A certificate and its key, as PEM.
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Valid, of nothing.
const STRAY_IDS: [&str; 5] = [
    "whk_01h455vb4pex5vsknk084sn02q",
    "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    "dlv_01h455vb4pex5vsknk084sn02q01h455vb4pex5vsknk084sn02q",
    "rpl_00000000000000000000000000",
    "whk_7zzzzzzzzzzzzzzzzzzzzzzzzz",
];
const ODD_TEXTS: [&str; 26] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\nX-A: b",
    "\u{7f}",
    "\u{202e}abc",
    "\u{feff}",
    "\u{1f600}",
    "e\u{301}",
    "\u{fffd}\u{fffe}",
    "'; drop table webhook; --",
    "%s%n%00",
    "../../etc/passwd",
    "whk_",
    "WHK_01H455VB4PEX5VSKNK084SN02Q",
    "null",
    "-1",
    "*",
    "{}",
    "\"",
    "\\",
    "http://127.0.0.1:0/",
    "http://[::ffff:10.0.0.1]/",
    "https://user:password@good.example/#x",
    "hookwright.webhook.failing",
];
pub(super) const EXTREMES: [i64; 13] = [
    0,
    1,
    -1,
    50,
    1_000,
    i64::MAX,
    i64::MIN,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    253_402_300_800,
    -62_135_596_801,
    9_223_372_036_854,
];

/// Values that fit a field of this name wherever it is. A new field is a new line.
const FITTING: &[(&str, &[&str])] = &[
    ("alert_emails", &["ops@example.com"]),
    (
        "content_type",
        &["", "application/json", "text/plain; charset=utf-8"],
    ),
    ("idempotency_key", &["", "", "a", "b", "order-17"]),
    ("key", &["X-Team", "x-a", "vaultId", "id", "status"]),
    ("method", &["", "POST", "PUT", "PATCH"]),
    ("ordering_key", &["", "", "a", "b", "order-17"]),
    ("page_token", &[""]),
    ("paths", PATHS),
    ("permanent_statuses", &["410", "5xx", "400-404"]),
    (
        "profile",
        &[
            "",
            "generic",
            "filedgr",
            "digivault",
            "aetherflow",
            "contractai",
            "standard-webhooks",
        ],
    ),
    (
        "public_key",
        &[r#"{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}"#],
    ),
    (
        "schema_pointer",
        &["", "/properties/data", "/allOf/1/properties/data"],
    ),
    (
        "scheme",
        &[
            "github",
            "stripe",
            "standard-webhooks",
            "slack",
            "square",
            "discord",
        ],
    ),
    ("shared_key", &["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]),
    ("success_statuses", &["200", "2xx", "200-204"]),
];
const PATHS: &[&str] = &[
    "name",
    "url",
    "event_types",
    "headers",
    "retry_policy",
    "timeout",
    "state",
    "filter",
    "attributes",
    "tls",
    "authentication",
    "hold",
    "rate_limit",
    "ordering",
    "encryption",
    "handshake",
];
const SECRETS: &[&str] = &[
    "a secret that is long enough",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];

/// What fits a field of this name in a message of that one.
pub(super) fn fitting(
    random: &mut StdRng,
    message: &str,
    field: &str,
    learned: &Learned,
    around: &Surroundings,
) -> String {
    if let Some((_, values)) = FITTING.iter().find(|(name, _)| *name == field) {
        return pick(random, values);
    }
    let url = |random: &mut StdRng| around.urls.choose(random).cloned().unwrap_or_default();
    match field {
        "event_id" => id(random, learned, "evt"),
        "resume_from" => optional(random, |random| id(random, learned, "rpl")),
        "id" if message.contains("ReplayDelivery") => id(random, learned, "dlv"),
        "id" if message.contains("Replay") => id(random, learned, "rpl"),
        "id" if message.contains("Delivery") => id(random, learned, "dlv"),
        "id" | "webhook_id" => id(random, learned, "whk"),
        "event_type" => event_type(random),
        "event_types" if random.random() => event_type(random),
        "event_types" => format!("{}.*", event_type(random).split('.').next().unwrap_or_default()),
        "name" if message == "DeleteEventTypeRequest" => {
            let known = learned.texts("names").choose(random);
            known.cloned().unwrap_or_else(|| event_type(random))
        }
        "url" | "token_url" => url(random),
        "proxy_url" => optional(random, |random| url(random).replace("/hooks", "")),
        "secret" | "secrets" => optional(random, |random| {
            let known = learned.texts("secret").choose(random);
            known.cloned().unwrap_or_else(|| pick(random, SECRETS))
        }),
        "filter" => documents::filter(random),
        "payload" | "body" | "sample" => documents::payload(random),
        "document" => documents::catalogue(random),
        "ca_certificates" | "client_certificate" => around.certificate.clone(),
        "client_key" => around.key.clone(),
        _ => pick(random, &["", "a", "words of no meaning", "webhook-id", "1"]),
    }
}

/// What fits nowhere, or is what fits with a mistake in it.
pub(super) fn odd(random: &mut StdRng, fitting: &str) -> String {
    match random.random_range(0..10) {
        0..3 => (*ODD_TEXTS.choose(random).unwrap()).to_owned(),
        3 => (*STRAY_IDS.choose(random).unwrap()).to_owned(),
        4 => "x".repeat(
            *[129, 201, 256, 1_025, 4_097, 10_000, 70_000]
                .choose(random)
                .unwrap(),
        ),
        5 => "\u{1f600}\n".repeat(*[60, 300, 3_000].choose(random).unwrap()),
        _ => altered(random, fitting),
    }
}

/// One character more, less or other.
pub(super) fn altered(random: &mut StdRng, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = random.random_range(0..=characters.len());
    let new = *['\0', '\u{1}', '.', '0', 'z', '/', '%', '"', '\u{e9}', ' ', '_']
        .choose(random)
        .unwrap();
    match random.random_range(0..4) {
        0 if place < characters.len() => characters[place] = new,
        1 if place < characters.len() => drop(characters.remove(place)),
        2 => characters.truncate(place),
        _ => characters.insert(place, new),
    }
    characters.into_iter().collect()
}

pub(super) fn event_type(random: &mut StdRng) -> String {
    pick(
        random,
        &[
            "vault.created",
            "vault.deleted",
            "user.created",
            "order.paid",
            "a.b.c",
            "many.n7",
            "webhook.test",
        ],
    )
}

/// Seconds and nanoseconds. None that is right is so long that an answer would have to wait for it.
pub(super) fn time(random: &mut StdRng, is_odd: bool, is_moment: bool) -> (i64, i32) {
    if is_odd {
        let nanos = *[0, -1, 1, 999_999_999, 1_000_000_000, i32::MAX, i32::MIN]
            .choose(random)
            .unwrap();
        return match *EXTREMES.choose(random).unwrap() {
            // Up to a minute is what a test may be waited for.
            1..=60 => (0, nanos),
            seconds => (seconds, nanos),
        };
    }
    if is_moment {
        (random.random_range(1_600_000_000..2_000_000_000), 0)
    } else {
        *[
            (0, 0),
            (0, 100_000_000),
            (0, 5_000_000),
            (1, 0),
            (3_600, 0),
            (86_400, 0),
        ]
        .choose(random)
        .unwrap()
    }
}

fn id(random: &mut StdRng, learned: &Learned, prefix: &str) -> String {
    let stray = || STRAY_IDS.iter().find(|id| id.starts_with(prefix)).unwrap_or(&"");
    let known = learned.ids(prefix).choose(random);
    known.cloned().unwrap_or_else(|| (*stray()).to_owned())
}

fn optional(random: &mut StdRng, some: impl FnOnce(&mut StdRng) -> String) -> String {
    if random.random_range(0..3) == 0 {
        some(random)
    } else {
        String::new()
    }
}

fn pick(random: &mut StdRng, among: &[&str]) -> String {
    among
        .choose(random)
        .map_or_else(String::new, |one| (*one).to_owned())
}
