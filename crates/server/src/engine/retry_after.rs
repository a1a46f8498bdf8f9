//! `Retry-After`: how long a receiver wants to be left alone (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use hookwright_store::Timestamp;
use http::{HeaderValue, StatusCode};

/// The longest time that a receiver can ask for. A mistake, a date in the wrong year say, must not stop a webhook for ever.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// Until when the receiver wants no request; `None` when it does not say so, or the moment has passed. Only 429 and 503
/// announce a wait: with another status the header is about something else.
pub(super) fn wait_until(
    status: StatusCode,
    retry_after: Option<&HeaderValue>,
    now: Timestamp,
) -> Option<Timestamp> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = retry_after?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are more than the longest wait, too.
        now.plus(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
    } else {
        let since_epoch = httpdate::parse_http_date(text)
            .ok()?
            .duration_since(UNIX_EPOCH)
            .ok()?;
        Timestamp::from_unix_micros(0).plus(since_epoch)
    };
    (asked > now).then(|| asked.min(now.plus(WAIT_MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-01-15T10:30:00Z
    const NOW: Timestamp = Timestamp::from_unix_micros(1_705_314_600_000_000);

    /// The seconds to wait.
    fn wait(status: StatusCode, text: &str) -> Option<u64> {
        let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
        wait_until(status, Some(&value), NOW).map(|moment| moment.since(NOW).as_secs())
    }

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_understood() {
        for (text, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", None),
            ("Mon, 15 Jan 2024 10:30:09 GMT", Some(9)),
            ("Monday, 15-Jan-24 10:31:00 GMT", Some(60)),
            ("Mon Jan 15 10:30:30 2024", Some(30)),
            ("Mon, 15 Jan 2024 10:29:59 GMT", None),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Fri, 31 Dec 2100 23:59:59 GMT", Some(86_400)),
            ("Fri, 31 Dec 1600 23:59:59 GMT", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(wait(StatusCode::TOO_MANY_REQUESTS, text), seconds, "{text:?}");
        }
    }

    #[test]
    fn only_429_and_503_announce_a_wait() {
        assert_eq!(wait(StatusCode::SERVICE_UNAVAILABLE, "7"), Some(7));
        for status in [
            StatusCode::OK,
            StatusCode::FOUND,
            StatusCode::BAD_REQUEST,
            StatusCode::BAD_GATEWAY,
        ] {
            assert_eq!(wait(status, "7"), None, "{status}");
        }
        assert_eq!(wait_until(StatusCode::TOO_MANY_REQUESTS, None, NOW), None);
    }

    proptest! {
        #[test]
        fn whatever_a_receiver_says_the_wait_is_ahead_and_not_too_long(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes)
                && let Some(moment) = wait_until(StatusCode::TOO_MANY_REQUESTS, Some(&value), NOW)
            {
                prop_assert!(moment > NOW && moment <= NOW.plus(WAIT_MAX));
            }
        }
    }
}
