//! The e-mail: plain text, for the person who runs the receiver. Whatever strangers wrote stays a quotation.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use hookwright_store::{Digest, StandingState, Timestamp, Webhook};
use lettre::{
    Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    facts::{Dead, Facts, What},
    smtp::Address,
};

const NAME_CHARS_MAX: usize = 60;
const LINE_CHARS_MAX: usize = 200;
const RESPONSE_LINES_MAX: usize = 10;

/// An e-mail to be written.
pub(super) struct Mail<'a> {
    pub(super) digest: &'a Digest,
    pub(super) webhook: &'a Webhook,
    /// Newest first, at least one.
    pub(super) examples: &'a [Facts],
}

impl Mail<'_> {
    /// The message as it goes over the wire. The same however often it is written.
    pub(super) fn write(&self, from: &Mailbox, to: &[Address]) -> Result<Vec<u8>, lettre::error::Error> {
        // A repetition after a crash has the same id, so that mail programs show one.
        let id = format!(
            "<{}.{}@{}>",
            self.digest.webhook,
            self.digest.number,
            from.email.domain()
        );
        let micros = u64::try_from(self.digest.made_at.unix_micros()).unwrap_or(0);
        let mut message = Message::builder()
            .from(from.clone())
            .message_id(Some(id))
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .subject(self.subject())
            // RFC 3834: no machine is to answer this.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                String::from("auto-generated"),
            ))
            .header(ContentType::TEXT_PLAIN);
        for address in to {
            message = message.to(Mailbox::new(None, address.clone()));
        }
        Ok(message.body(self.text())?.formatted())
    }

    /// What people call the webhook.
    fn title(&self) -> String {
        match one_line(&self.webhook.settings.name, NAME_CHARS_MAX) {
            name if name.trim().is_empty() => format!("Webhook {}", self.digest.webhook),
            name => format!("Webhook \"{name}\""),
        }
    }

    fn subject(&self) -> String {
        let title = self.title();
        let disabled = self.examples.iter().any(|facts| {
            matches!(&facts.what, What::Standing(standing) if standing.state == StandingState::Disabled)
        });
        match (self.digest.dead_count, &self.examples[0].what) {
            _ if disabled => format!("{title} was disabled"),
            (1, What::Dead(dead)) => format!("{title}: {} could not be delivered", dead.event_type),
            (0 | 1, _) => format!("{title} works again"),
            (count, What::Recovered) => format!("{title} works again; {count} deliveries failed"),
            (count, _) => format!("{title}: {count} deliveries failed"),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let count = self.digest.dead_count;
        match count {
            0 => {}
            1 => writeln!(
                text,
                "An event could not be delivered to your webhook, and it is not tried again.\n"
            )?,
            _ => writeln!(
                text,
                "{count} events could not be delivered to your webhook since {}, and they are not tried again.\n",
                moment(self.digest.first_at)
            )?,
        }
        writeln!(text, "Webhook:  {} ({})", self.title(), self.digest.webhook)?;
        writeln!(
            text,
            "URL:      {}",
            one_line(&self.examples[0].url, LINE_CHARS_MAX)
        )?;
        let mut dead_shown = 0;
        for facts in self.examples {
            writeln!(text)?;
            match &facts.what {
                What::Dead(dead) => {
                    dead_shown += 1;
                    write_dead(text, dead)?;
                }
                What::Recovered => writeln!(text, "Deliveries succeed again.")?,
                What::Standing(standing) => {
                    writeln!(
                        text,
                        "The webhook was disabled: {}",
                        one_line(&standing.reason, LINE_CHARS_MAX)
                    )?;
                    if !standing.text.is_empty() {
                        writeln!(text, "{}", one_line(&standing.text, LINE_CHARS_MAX))?;
                    }
                }
            }
        }
        if count > dead_shown {
            writeln!(text, "\n… and {} more.", count - dead_shown)?;
        }
        if count > 0 {
            writeln!(
                text,
                "\nWhat to do: see that the URL above answers with a success (2xx) in time. The events are kept; replay\n\
                 each of them by its delivery's id, or all that failed:\n\n\
                 \x20   hookwright deliveries --webhook {webhook} --state dead\n\
                 \x20   hookwright replay --webhook {webhook} --since 7d",
                webhook = self.digest.webhook
            )?;
        }
        writeln!(
            text,
            "\n-- \nYou get this because your address is set for alerts of this webhook. Answers are not read."
        )
    }
}

fn write_dead(text: &mut String, dead: &Dead) -> std::fmt::Result {
    writeln!(text, "Event:    {} ({})", dead.event_type, dead.delivery.event)?;
    writeln!(text, "Delivery: {}", dead.delivery)?;
    writeln!(
        text,
        "Attempts: {}, the last one at {}",
        dead.attempts,
        moment(dead.ended_at)
    )?;
    let error = dead.error.as_deref().unwrap_or("no error");
    writeln!(text, "Result:   {}", one_line(error, LINE_CHARS_MAX))?;
    let Some(response) = dead.response.as_deref().filter(|response| !response.is_empty()) else {
        return Ok(());
    };
    writeln!(text, "The receiver answered:")?;
    let response = String::from_utf8_lossy(response);
    for line in response.lines().take(RESPONSE_LINES_MAX) {
        writeln!(text, "> {}", one_line(line, LINE_CHARS_MAX))?;
    }
    if response.lines().nth(RESPONSE_LINES_MAX).is_some() {
        writeln!(text, "> …")?;
    }
    Ok(())
}

/// To the second.
fn moment(moment: Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(moment.unix_seconds() * 1_000_000)
}

/// What somebody else wrote, on one line of this length at most. Control characters and those that turn the direction of
/// writing are shown as what they are.
fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == chars_max {
            line.push('…');
            break;
        }
        match character {
            '\t' => line.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                line.extend(character.escape_unicode());
            }
            _ if character.is_control() => line.extend(character.escape_unicode()),
            _ => line.push(character),
        }
    }
    line
}
