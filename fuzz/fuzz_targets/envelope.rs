//! Bodies of strangers: each is refused, or is an envelope that says the same when it is written again.
//!
//! ```text
//! filedgr                                  profile
//! X-Filedgr-Event-Type: vault.created      headers, an empty line, the body
//!
//! {"eventType":"vault.created",…}
//! ```

#![no_main]

use hookwright_core::{EventFields, Profile, Request};
use hookwright_fuzz::{Text, split_line};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let (name, rest) = split_line(input);
    let Some(profile) = str::from_utf8(name).ok().and_then(Profile::builtin) else {
        return Corpus::Reject;
    };
    let Text { headers, body } = Text::read(rest);
    let request = Request {
        method: "POST",
        url: "https://example.com/",
        headers: &headers,
        body,
    };
    let verdict = profile.parse_request(&request);
    let Ok(parsed) = profile.parse(body) else {
        assert!(verdict.is_err());
        return Corpus::Keep;
    };
    // A time that is not in the envelope cannot be lost; one with a fraction loses it, and nothing else.
    let occurred_at_ms = parsed.occurred_at_ms.unwrap_or(0);
    let again = profile.render(&EventFields {
        id: parsed.id.as_deref().unwrap_or("evt_1"),
        event_type: parsed.event_type.as_deref().unwrap_or("a.b"),
        occurred_at_ms,
        data: parsed.data.get().as_bytes(),
        extras: &[],
    });
    let again = profile.parse(&again).expect("what we render we read");
    assert_eq!(again.event_type, parsed.event_type);
    assert_eq!(again.data.get(), parsed.data.get());
    if parsed.id.is_some() {
        assert_eq!(again.id, parsed.id);
    }
    if parsed.occurred_at_ms.is_some() {
        assert_eq!(again.occurred_at_ms, Some(occurred_at_ms.div_euclid(1000) * 1000));
    }
    Corpus::Keep
});
