//! Who is told when deliveries fail: the part of `hookwright serve` that is about e-mail.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use hookwright_server::{AlertSettings, EmailAddress, Smtp};

use crate::{failure::Failure, input::parse_duration};

/// E-mail about deliveries that were given up. None is sent without --smtp-url.
#[derive(Debug, Args)]
#[command(next_help_heading = "Alerts by e-mail")]
pub(crate) struct AlertArgs {
    /// The mail server: `smtps://user:password@host`, `smtp://user:password@host?tls=required` (STARTTLS), or
    /// `smtp://host` without a login. Better set in the environment than typed.
    #[arg(
        long,
        env = "HOOKWRIGHT_SMTP_URL",
        hide_env_values = true,
        requires = "alert_from",
        value_name = "URL"
    )]
    smtp_url: Option<String>,

    /// Certificates (PEM) to trust besides those of the system when talking to the mail server.
    #[arg(long, env = "HOOKWRIGHT_SMTP_CA", requires = "smtp_url", value_name = "FILE")]
    smtp_ca: Option<PathBuf>,

    /// The sender: `alerts@example.com` or `Example <alerts@example.com>`.
    #[arg(
        long,
        env = "HOOKWRIGHT_ALERT_FROM",
        requires = "smtp_url",
        value_name = "SENDER"
    )]
    alert_from: Option<String>,

    /// Gets a copy of every alert of every webhook, besides the webhook's own --alert-email. Can be given several times.
    #[arg(
        long = "alert-email",
        env = "HOOKWRIGHT_ALERT_EMAIL",
        requires = "smtp_url",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    alert_emails: Vec<EmailAddress>,

    /// Shortest time between two e-mails about one webhook. What happens meanwhile is told in one.
    #[arg(long, default_value = "15m", value_parser = parse_interval, value_name = "DURATION")]
    alert_interval: Duration,
}

impl AlertArgs {
    pub(crate) fn settings(self) -> Result<AlertSettings, Failure> {
        let refused = |error: &dyn ToString| Failure::Usage(error.to_string());
        let authorities = self
            .smtp_ca
            .map(|file| fs::read(&file).map_err(|error| refused(&format!("{}: {error}", file.display()))))
            .transpose()?;
        let smtp = match (self.smtp_url, self.alert_from) {
            (Some(url), Some(from)) => {
                let smtp = Smtp::new(&url, &from, authorities.as_deref());
                Some(smtp.map_err(|error| refused(&error))?)
            }
            _ => None,
        };
        Ok(AlertSettings {
            smtp,
            operators: self.alert_emails,
            mail_interval: self.alert_interval,
            ..AlertSettings::default()
        })
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if !(Duration::from_secs(1)..=Duration::from_hours(24)).contains(&interval) {
        return Err(String::from("1s to 24h"));
    }
    Ok(interval)
}
