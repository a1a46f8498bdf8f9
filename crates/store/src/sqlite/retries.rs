//! Retry rows: what is due, webhook by webhook.

use std::sync::Arc;

use bytes::Bytes;

use super::{Sqlite, blob, read_event_id, read_uuid, small, sql_limit};
use crate::{Due, Event, Lane, StoreError, TenantId, Timestamp, Upcoming, Want, WebhookId};

/// number, `due_at`, `tenant_id`, id, type, payload
type DueRow = (i64, i64, i64, Vec<u8>, String, Vec<u8>);

impl Sqlite {
    pub(crate) async fn upcoming(&self, lanes: &[Lane]) -> Result<Vec<Upcoming>, StoreError> {
        // One index seek per webhook that has rows, however many it has.
        let rows: Vec<(i16, Vec<u8>, i64)> = sqlx::query_as(
            "with recursive earliest (lane, webhook_id) as (
                select * from (select lane, webhook_id from retry order by lane, webhook_id limit 1)
                union all
                select (select r.lane from retry r
                        where (r.lane, r.webhook_id) > (earliest.lane, earliest.webhook_id)
                        order by r.lane, r.webhook_id limit 1),
                       (select r.webhook_id from retry r
                        where (r.lane, r.webhook_id) > (earliest.lane, earliest.webhook_id)
                        order by r.lane, r.webhook_id limit 1)
                from earliest
                where earliest.lane is not null
            )
            select lane, webhook_id,
                   (select min(due_at) from retry r where r.lane = earliest.lane and r.webhook_id = earliest.webhook_id)
            from earliest
            where lane is not null",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .filter(|(lane, ..)| lanes.contains(&Lane(*lane)))
            .map(|(lane, webhook, due_at)| {
                Ok(Upcoming {
                    lane: Lane(lane),
                    webhook: WebhookId(read_uuid("retry", &webhook)?),
                    due_at: Timestamp::from_unix_micros(due_at),
                })
            })
            .collect()
    }

    pub(crate) async fn due(&self, wants: &[Want], now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let mut due = Vec::new();
        for want in wants {
            let rows: Vec<DueRow> = sqlx::query_as(
                "select r.number, r.due_at, e.tenant_id, e.id, e.type, e.payload
                from retry r
                join event e on e.lane = r.lane and e.tenant_id = r.tenant_id and e.id = r.event_id
                where r.lane = ? and r.webhook_id = ? and r.due_at <= ?
                order by r.due_at
                limit ?",
            )
            .bind(want.lane.0)
            .bind(blob(want.webhook.0))
            .bind(now.unix_micros())
            .bind(sql_limit(want.limit))
            .fetch_all(&self.readers)
            .await?;
            for (number, due_at, tenant, id, event_type, payload) in rows {
                let event = Event {
                    id: read_event_id(&id)?,
                    tenant: TenantId(tenant),
                    event_type,
                    payload: Bytes::from(payload),
                };
                due.push(Due {
                    event: Arc::new(event),
                    webhook: want.webhook,
                    number: small(number),
                    due_at: Timestamp::from_unix_micros(due_at),
                });
            }
        }
        Ok(due)
    }
}
