//! `retryCount` and `retryDelay`: a number of retries with one delay, which is a list of equal delays here.

use hookwright_core::profile::{
    Api,
    api::{Field, WebhookValue},
};
use hookwright_proto::v1::{self, retry_policy::Schedule};
use serde_json::Value;

use super::values;
use crate::http::fault::Fault;

/// As many delays as a schedule can have.
const COUNT_MAX: u32 = 100;

/// What a request says about retries.
#[derive(Debug, Default)]
pub(super) struct Retries {
    count: Option<u32>,
    delay: Option<pbjson_types::Duration>,
}

impl Retries {
    /// Takes note of one of the two. `null` is as if it were not there.
    pub(super) fn note(&mut self, field: &Field<WebhookValue>, value: &Value) -> Result<(), Fault> {
        if value.is_null() {
            return Ok(());
        }
        if field.value == WebhookValue::RetryDelay {
            self.delay = Some(values::duration(field, value)?);
            return Ok(());
        }
        let count = values::count(&field.name, value)?;
        if count > COUNT_MAX {
            let description = format!("at most {COUNT_MAX} retries");
            return Err(Fault::new(&field.name, "INVALID_FIELD", description));
        }
        self.count = Some(count);
        Ok(())
    }

    /// The policy that they make; none when there is neither.
    pub(super) fn policy(self, api: &Api) -> Result<Option<v1::RetryPolicy>, Fault> {
        let (count, delay) = match (self.count, self.delay) {
            (None, None) => return Ok(None),
            (Some(count), Some(delay)) => (count, delay),
            (Some(count), None) => (count, default_delay(api)?),
            (None, Some(delay)) => (default_count(api)?, delay),
        };
        let delays = vec![delay; usize::try_from(count).unwrap_or(usize::MAX)];
        Ok(Some(v1::RetryPolicy {
            schedule: Some(Schedule::List(v1::ListSchedule { delays })),
            ..v1::RetryPolicy::default()
        }))
    }
}

/// Count and delay of a policy, if it is of this form.
pub(super) fn of(policy: Option<&v1::RetryPolicy>) -> Option<(u32, Option<pbjson_types::Duration>)> {
    let Schedule::List(list) = policy?.schedule.as_ref()? else {
        return None;
    };
    let first = list.delays.first();
    let are_equal = list.delays.iter().all(|delay| Some(delay) == first);
    let count = u32::try_from(list.delays.len()).ok().filter(|_| are_equal)?;
    Some((count, first.copied()))
}

fn default_count(api: &Api) -> Result<u32, Fault> {
    let field = api.webhook_value(WebhookValue::RetryCount);
    field
        .and_then(|field| field.default)
        .ok_or_else(|| missing(field, "say how often, too"))
}

fn default_delay(api: &Api) -> Result<pbjson_types::Duration, Fault> {
    let field = api.webhook_value(WebhookValue::RetryDelay);
    match field.and_then(|field| Some((field, field.default?))) {
        Some((field, default)) => values::duration(field, &default.into()),
        None => Err(missing(field, "say how long to wait, too")),
    }
}

fn missing(field: Option<&Field<WebhookValue>>, description: &str) -> Fault {
    let name = field.map_or("", |field| field.name.as_str());
    Fault::new(name, "MISSING_FIELD", description)
}
