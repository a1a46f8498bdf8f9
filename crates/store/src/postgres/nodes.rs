//! Leases, recovery and lanes.

use sqlx::PgTransaction;

use super::{Postgres, lane_numbers, sql_limit};
use crate::{
    EventId, FailPoint, Incarnation, Lane, StoreError, Timestamp,
    node::{LaneMap, Pulse},
};

impl Postgres {
    pub(crate) async fn enlist(
        &self,
        name: &str,
        lease_until: Timestamp,
        low_water: EventId,
    ) -> Result<Incarnation, StoreError> {
        let incarnation = sqlx::query_scalar!(
            "-- store: enlist
            insert into node (incarnation, name, lease_until, low_water)
            values (nextval('node_incarnation'), $1, $2, $3)
            returning incarnation",
            name,
            lease_until.to_sql(),
            low_water.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Incarnation(incarnation))
    }

    pub(crate) async fn is_enlisted(&self, node: Incarnation) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!("select incarnation from node where incarnation = $1", node.0);
        Ok(found.fetch_optional(&self.pool).await?.is_some())
    }

    pub(crate) async fn renew(
        &self,
        node: Incarnation,
        low_water: EventId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Pulse>, StoreError> {
        // A lease that ran out can be renewed as long as the row is there: only its deletion takes anything away.
        let pulse = sqlx::query!(
            r#"-- store: renew
            update node
            set lease_until = $3, low_water = $2
            where incarnation = $1
            returning clock_timestamp() as "store_now!",
                      (select count(*) from node where lease_until > $4 or incarnation = $1) as "nodes!""#,
            node.0,
            low_water.0,
            lease_until.to_sql(),
            now.to_sql()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(pulse.map(|pulse| Pulse {
            nodes: usize::try_from(pulse.nodes).unwrap_or(1),
            store_now: Timestamp::from_sql(pulse.store_now),
        }))
    }

    pub(crate) async fn expired_nodes(&self, now: Timestamp) -> Result<Vec<Incarnation>, StoreError> {
        let expired = sqlx::query_scalar!(
            "select incarnation from node where lease_until < $1",
            now.to_sql()
        );
        Ok(expired
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(Incarnation)
            .collect())
    }

    pub(crate) async fn recover(&self, node: Incarnation, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Waits for publishes of that node which are under way; later ones find no row and store nothing.
        let low_water = sqlx::query_scalar!(
            "delete from node where incarnation = $1 and lease_until < $2 returning low_water",
            node.0,
            now.to_sql()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(low_water) = low_water else {
            return Ok(None);
        };
        FailPoint::RecoverBegun.pass();
        let recovered = hand_over(&mut tx, node, EventId(low_water), now).await?;
        FailPoint::RecoverWritten.pass();
        tx.commit().await?;
        Ok(Some(recovered))
    }

    pub(crate) async fn leave(
        &self,
        node: Incarnation,
        low_water: EventId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let deleted = sqlx::query!("delete from node where incarnation = $1", node.0);
        if deleted.execute(&mut *tx).await?.rows_affected() == 0 {
            // Another node took over already, and all of it.
            return Ok(0);
        }
        let handed_over = hand_over(&mut tx, node, low_water, now).await?;
        tx.commit().await?;
        Ok(handed_over)
    }

    pub(crate) async fn lanes(&self, node: Incarnation, now: Timestamp) -> Result<LaneMap, StoreError> {
        let rows = sqlx::query!(
            r#"-- store: lanes
            select lane,
                   owner,
                   exists (select from node n where n.incarnation = lane.owner and n.lease_until > $1) as "is_owned!"
            from lane"#,
            now.to_sql()
        )
        .fetch_all(&self.pool)
        .await?;
        let mut map = LaneMap::default();
        for row in rows {
            if row.owner == Some(node.0) {
                map.own.insert(Lane(row.lane));
            } else if !row.is_owned {
                map.free += 1;
            }
        }
        Ok(map)
    }

    pub(crate) async fn claim_lanes(
        &self,
        node: Incarnation,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Lane>, StoreError> {
        let lanes = sqlx::query_scalar!(
            "-- store: claim_lanes
            update lane
            set owner = $1
            where lane in (
                select l.lane
                from lane l
                where l.owner is distinct from $1
                  and not exists (select from node n where n.incarnation = l.owner and n.lease_until > $3)
                order by l.lane
                limit $2
                for update skip locked
            )
            returning lane",
            node.0,
            sql_limit(limit),
            now.to_sql()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(lanes.into_iter().map(Lane).collect())
    }

    pub(crate) async fn release_lanes(&self, node: Incarnation, lanes: &[Lane]) -> Result<(), StoreError> {
        sqlx::query!(
            "update lane set owner = null where owner = $1 and lane = any($2)",
            node.0,
            &lane_numbers(lanes)
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Turns what a node held in memory into retry rows, due now, and frees its lanes.
async fn hand_over(
    tx: &mut PgTransaction<'_>,
    node: Incarnation,
    low_water: EventId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    sqlx::query!("update lane set owner = null where owner = $1", node.0)
        .execute(&mut **tx)
        .await?;
    FailPoint::RecoverFreed.pass();
    // Scalar sub-selects and nested loops: without fresh statistics, as after a crash, the planner would hash every
    // attempt of the log to look up a few thousand.
    for setting in ["enable_hashjoin", "enable_mergejoin", "enable_seqscan"] {
        sqlx::query_scalar!("select set_config($1, 'off', true)", setting)
            .fetch_one(&mut **tx)
            .await?;
    }
    let handed_over = sqlx::query!(
        "-- store: recover
        insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at)
        select e.lane, 1, e.tenant_id, w.webhook_id, e.id, $3
        from event e
        cross join lateral unnest(e.webhook_ids[1:e.hot]) w(webhook_id)
        where e.owner = $1 and e.id >= $2
          and (select 1 from attempt a
               where a.lane = e.lane and a.webhook_id = w.webhook_id and a.event_id = e.id limit 1) is null
          and (select 1 from retry r
               where r.lane = e.lane and r.webhook_id = w.webhook_id and r.event_id = e.id limit 1) is null
        on conflict do nothing",
        node.0,
        low_water.0,
        now.to_sql()
    )
    .execute(&mut **tx)
    .await?;
    Ok(handed_over.rows_affected())
}
