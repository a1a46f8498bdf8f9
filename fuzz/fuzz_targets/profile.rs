//! Descriptions of platforms that users write: each is refused, or describes a platform whose deliveries its own
//! receivers understand and verify.

#![no_main]

use hookwright_core::{EventFields, Profile, Request};
use hookwright_fuzz::{MESSAGE, borrowed, keyed_for_profile, round_trip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(profile) = Profile::from_toml(text) else {
        return;
    };
    let event = EventFields {
        id: MESSAGE.id,
        event_type: MESSAGE.event_type,
        occurred_at_ms: MESSAGE.timestamp * 1000,
        data: MESSAGE.body,
        extras: &[],
    };
    let body = profile.render(&event);
    let headers = profile.extra_headers(&event);
    let request = Request {
        method: MESSAGE.method,
        url: MESSAGE.url,
        headers: &borrowed(&headers),
        body: &body,
    };
    let parsed = profile
        .parse_request(&request)
        .expect("a receiver reads what we render");
    assert_eq!(parsed.data.get().as_bytes(), event.data);
    assert_eq!(parsed.event_type.as_deref(), Some(event.event_type));
    if let Some((signer, verifier)) = keyed_for_profile(&profile) {
        assert_eq!(round_trip(&signer, &verifier), Ok(()));
    }
});
