//! Events in: one statement and one commit for each batch, and what to do when a batch was not stored as a whole.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Postgres;
use crate::{
    EventId, FailPoint, Incarnation, StoreError, TenantId, Timestamp,
    node::{EventRow, Stored},
};

/// A batch of events, a column each.
#[derive(Default)]
struct EventColumns<'a> {
    lanes: Vec<i16>,
    hot: Vec<i16>,
    tenants: Vec<i64>,
    versions: Vec<i64>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    payloads: Vec<&'a [u8]>,
    keyed: Vec<bool>,
    /// The webhooks of all events one after the other, and which part is whose (from 1, both ends included).
    webhooks: Vec<Uuid>,
    firsts: Vec<i32>,
    lasts: Vec<i32>,
}

/// Deliveries that start as a retry row.
#[derive(Default)]
struct SpilledColumns<'a> {
    events: Vec<Uuid>,
    webhooks: Vec<Uuid>,
    order_keys: Vec<Option<&'a [u8]>>,
}

impl<'a> EventColumns<'a> {
    fn of(rows: &'a [EventRow]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.lanes.push(row.lane.0);
            // Slots are counted by semaphores that are far smaller than this range.
            columns.hot.push(i16::try_from(row.hot).unwrap_or(i16::MAX));
            columns.tenants.push(row.event.tenant.0);
            columns.versions.push(row.tenant_version);
            columns.ids.push(row.event.id.0);
            columns.types.push(&row.event.event_type);
            columns.payloads.push(&row.event.payload);
            columns.keyed.push(row.key.is_some());
            columns.firsts.push(array_index(columns.webhooks.len() + 1));
            columns
                .webhooks
                .extend(row.webhooks.iter().map(|webhook| webhook.0));
            columns.lasts.push(array_index(columns.webhooks.len()));
        }
        columns
    }
}

fn array_index(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

impl Postgres {
    pub(crate) async fn publish(
        &self,
        node: Incarnation,
        rows: &[EventRow],
    ) -> Result<Vec<Stored>, StoreError> {
        let plain = rows.iter().all(|row| {
            row.key.is_none() && !row.is_test && row.hot == row.webhooks.len() && row.ordering_key.is_none()
        });
        let stored = if plain {
            FailPoint::PublishStoring
                .during(self.publish_plain(node, rows))
                .await?
        } else {
            FailPoint::PublishStoring
                .during(self.publish_any(node, rows))
                .await?
        };
        if stored.len() == rows.len() {
            return Ok(vec![Stored::Yes; rows.len()]);
        }
        if stored.is_empty() && !self.is_enlisted(node).await? {
            return Err(StoreError::Fenced);
        }
        let stored: HashSet<Uuid> = stored.into_iter().collect();
        match self.explain_unstored(rows, &stored).await {
            Ok(explained) => Ok(explained),
            Err(error) if stored.is_empty() => Err(error),
            Err(error) => {
                // The others are durable, and must be handed over. To these it says: choose again, which is harmless.
                tracing::warn!(%error, "why some events of a batch were not stored could not be asked");
                let result = |row: &EventRow| {
                    if stored.contains(&row.event.id.0) {
                        Stored::Yes
                    } else {
                        Stored::Stale
                    }
                };
                Ok(rows.iter().map(result).collect())
            }
        }
    }

    /// The statement of nearly every batch: no idempotency keys, no tests, room in memory for every delivery.
    async fn publish_plain(&self, node: Incarnation, rows: &[EventRow]) -> Result<Vec<Uuid>, StoreError> {
        let columns = EventColumns::of(rows);
        // FOR KEY SHARE is the fence: whoever deletes the node's row waits for this commit, and after that delete
        // nothing more is inserted.
        let stored = sqlx::query_scalar!(
            "-- store: publish
            insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload)
            select e.lane, e.hot, e.tenant_id, n.incarnation, e.id, e.type, ($9::uuid[])[e.first:e.last], e.payload
            from (select incarnation from node where incarnation = $1 for key share) n,
                 unnest($2::int2[], $3::int2[], $4::int8[], $5::int8[], $6::uuid[], $7::text[], $8::bytea[],
                        $10::int4[], $11::int4[])
                     e(lane, hot, tenant_id, version, id, type, payload, first, last)
            where e.version = (select t.version from tenant t where t.id = e.tenant_id)
            returning id",
            node.0,
            &columns.lanes,
            &columns.hot,
            &columns.tenants,
            &columns.versions,
            &columns.ids,
            &columns.types as _,
            &columns.payloads as _,
            &columns.webhooks,
            &columns.firsts,
            &columns.lasts
        )
        .fetch_all(&self.events)
        .await?;
        Ok(stored)
    }

    async fn publish_any(&self, node: Incarnation, rows: &[EventRow]) -> Result<Vec<Uuid>, StoreError> {
        let columns = EventColumns::of(rows);
        let mut keys: Vec<_> = rows
            .iter()
            .filter_map(|row| Some((row.event.tenant.0, row.key.as_ref()?, row)))
            .collect();
        // In one order everywhere: two batches that wait for each other's keys would be a deadlock.
        keys.sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
        let key_tenants: Vec<i64> = keys.iter().map(|(tenant, ..)| *tenant).collect();
        let key_texts: Vec<&str> = keys.iter().map(|(_, key, _)| key.key.as_str()).collect();
        let key_events: Vec<Uuid> = keys.iter().map(|(.., row)| row.event.id.0).collect();
        let fingerprints: Vec<&[u8]> = keys
            .iter()
            .map(|(_, key, _)| key.fingerprint.as_slice())
            .collect();
        let tests: Vec<Uuid> = rows
            .iter()
            .filter(|row| row.is_test)
            .map(|row| row.event.id.0)
            .collect();
        let mut spilled = SpilledColumns::default();
        for row in rows {
            for (webhook, queue) in row.cold() {
                spilled.events.push(row.event.id.0);
                spilled.webhooks.push(webhook.0);
                spilled.order_keys.push(queue.map(str::as_bytes));
            }
        }
        let ordering_keys: Vec<Option<&str>> = rows.iter().map(|row| row.ordering_key.as_deref()).collect();
        let stored = sqlx::query_scalar!(
            "-- store: publish with idempotency keys and spilled deliveries
            with incoming as materialized (
                select e.*, n.incarnation
                from (select incarnation from node where incarnation = $1 for key share) n,
                     unnest($2::int2[], $3::int2[], $4::int8[], $5::int8[], $6::uuid[], $7::text[], $8::bytea[],
                            $10::int4[], $11::int4[], $12::bool[], $20::text[])
                         e(lane, hot, tenant_id, version, id, type, payload, first, last, keyed, ordering_key)
                where e.version = (select t.version from tenant t where t.id = e.tenant_id)
            ),
            claimed_key as (
                insert into idempotency_key (tenant_id, key, event_id, fingerprint, created_at)
                select k.tenant_id, k.key, k.event_id, k.fingerprint, $17
                from unnest($13::int8[], $14::text[], $15::uuid[], $16::bytea[]) k(tenant_id, key, event_id, fingerprint)
                where k.event_id in (select id from incoming)
                order by k.tenant_id, k.key
                on conflict do nothing
                returning event_id
            ),
            accepted as (
                insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload, ordering_key, test)
                select lane, hot, tenant_id, incarnation, id, type, ($9::uuid[])[first:last], payload, ordering_key,
                       id = any($22)
                from incoming
                where not keyed or id in (select event_id from claimed_key)
                returning lane, tenant_id, id
            ),
            spilled as (
                insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at, order_key)
                select a.lane, 1, a.tenant_id, s.webhook_id, a.id, $17, s.order_key
                from accepted a
                join unnest($18::uuid[], $19::uuid[], $21::bytea[]) s(event_id, webhook_id, order_key)
                  on s.event_id = a.id
            )
            select id from accepted",
            node.0,
            &columns.lanes,
            &columns.hot,
            &columns.tenants,
            &columns.versions,
            &columns.ids,
            &columns.types as _,
            &columns.payloads as _,
            &columns.webhooks,
            &columns.firsts,
            &columns.lasts,
            &columns.keyed,
            &key_tenants,
            &key_texts as _,
            &key_events,
            &fingerprints as _,
            rows.iter().map(|row| row.event.id.created_at()).max().map(Timestamp::to_sql),
            &spilled.events,
            &spilled.webhooks,
            &ordering_keys as _,
            &spilled.order_keys as _,
            &tests
        )
        .fetch_all(&self.events)
        .await?;
        Ok(stored)
    }

    /// Tells, for each row, whether it was stored, and if not why: its key was taken, or its tenant's webhooks changed.
    async fn explain_unstored(
        &self,
        rows: &[EventRow],
        stored: &HashSet<Uuid>,
    ) -> Result<Vec<Stored>, StoreError> {
        let missing = || rows.iter().filter(|row| !stored.contains(&row.event.id.0));
        let keys: Vec<&str> = missing()
            .filter_map(|row| Some(row.key.as_ref()?.key.as_str()))
            .collect();
        let tenants: Vec<i64> = missing()
            .filter(|row| row.key.is_some())
            .map(|row| row.event.tenant.0)
            .collect();
        let lanes: Vec<i16> = missing()
            .filter(|row| row.key.is_some())
            .map(|row| row.lane.0)
            .collect();
        let taken = sqlx::query!(
            r#"-- store: taken keys
            select k.tenant_id, k.key, k.event_id, k.fingerprint, cardinality(e.webhook_ids) as "delivery_count?"
            from unnest($1::int8[], $2::text[], $3::int2[]) w(tenant_id, key, lane)
            join idempotency_key k on k.tenant_id = w.tenant_id and k.key = w.key
            left join event e on e.lane = w.lane and e.tenant_id = k.tenant_id and e.id = k.event_id"#,
            &tenants,
            &keys as _,
            &lanes
        )
        .fetch_all(&self.pool)
        .await?;
        let taken: HashMap<_, _> = taken
            .iter()
            .map(|row| ((row.tenant_id, row.key.as_str()), row))
            .collect();
        let explain = |row: &EventRow| {
            if stored.contains(&row.event.id.0) {
                return Stored::Yes;
            }
            let Some(key) = &row.key else { return Stored::Stale };
            taken
                .get(&(row.event.tenant.0, key.key.as_str()))
                .map_or(Stored::Stale, |taken| Stored::KeyTaken {
                    event: EventId(taken.event_id),
                    same: taken.fingerprint == key.fingerprint,
                    delivery_count: usize::try_from(taken.delivery_count.unwrap_or(0)).unwrap_or(0),
                })
        };
        Ok(rows.iter().map(explain).collect())
    }

    pub(crate) async fn stored_events(&self, ids: &[EventId]) -> Result<HashSet<EventId>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let stored = sqlx::query_scalar!("select id from event where id = any($1)", &ids);
        Ok(stored
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(EventId)
            .collect())
    }

    pub(crate) async fn heal(
        &self,
        holder: Incarnation,
        tenant: TenantId,
        event: EventId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "-- store: heal
            insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at)
            select e.lane, 1, e.tenant_id, w.webhook_id, e.id, $5
            from event e
            cross join lateral unnest(e.webhook_ids) w(webhook_id)
            where e.lane = $1 and e.tenant_id = $2 and e.id = $3
              and (e.owner = $4 or not exists (select from node n where n.incarnation = e.owner))
              and not exists (
                  select from attempt a
                  where a.lane = e.lane and a.webhook_id = w.webhook_id and a.event_id = e.id)
            on conflict do nothing",
            tenant.lane().0,
            tenant.0,
            event.0,
            holder.0,
            now.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
