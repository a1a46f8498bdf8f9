//! What has to do with alerts in requests: who is told, and which event types are the service's own.

use super::error::{Reason, Violation};
use crate::alerts::{self, Address};

const EMAILS_MAX: usize = 10;
/// RFC 5321: 256 octets of a path, less the brackets.
const EMAIL_BYTES_MAX: usize = 254;

/// Addresses, each once.
pub(super) fn emails(field: &str, emails: &[String]) -> Result<Vec<String>, Violation> {
    if emails.len() > EMAILS_MAX {
        return Err(Violation::new(
            field,
            Reason::TooManyValues,
            format!("at most {EMAILS_MAX}"),
        ));
    }
    let mut accepted: Vec<String> = Vec::with_capacity(emails.len());
    for (position, email) in emails.iter().enumerate() {
        // Beyond ASCII not every mail server on the way could pass it on.
        let is_plain = email.len() <= EMAIL_BYTES_MAX && email.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || email.parse::<Address>().is_err() {
            return Err(Violation::new(
                format!("{field}[{position}]"),
                Reason::InvalidEmail,
                "not an e-mail address such as ops@example.com; names beside it, spaces and characters beyond ASCII are \
                 not accepted",
            ));
        }
        if !accepted.contains(email) {
            accepted.push(email.clone());
        }
    }
    Ok(accepted)
}

/// The type, unless it is one that only the service itself publishes.
pub(super) fn not_operational(event_type: String) -> Result<String, Violation> {
    if alerts::is_operational(&event_type) {
        return Err(Violation::new(
            "event_type",
            Reason::ReservedEventType,
            "types that begin with hookwright. are published by the service alone",
        ));
    }
    Ok(event_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address_and_nothing_else() {
        let check =
            |email: &str| emails("alert_emails", &[email.to_owned()]).map_err(|violation| violation.reason);
        for good in ["ops@example.com", "ops+hooks@mail.example.co.uk", "a@[127.0.0.1]"] {
            assert_eq!(check(good), Ok(vec![good.to_owned()]));
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "ops",
            "ops@",
            "@example.com",
            "Ops <ops@example.com>",
            "a@example.com, b@example.com",
            "a@example.com\r\nBcc: b@example.com",
            "a@example.com\n",
            "\u{e4}@example.com",
            "a@ex\u{e4}mple.com",
            "a b@example.com",
            &long,
        ] {
            assert_eq!(check(bad), Err(Reason::InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn ten_addresses_and_each_once() {
        let same = vec![String::from("a@example.com"); 3];
        assert_eq!(emails("alert_emails", &same).unwrap(), ["a@example.com"]);
        let many = vec![String::from("a@example.com"); 11];
        assert_eq!(
            emails("alert_emails", &many).unwrap_err().reason,
            Reason::TooManyValues
        );
    }
}
