//! The journal: rows in the order of their transactions' numbers, read up to the smallest number that is under way.

use sqlx::PgConnection;

use super::Postgres;
use crate::{
    Change, StoreError, Timestamp,
    journal::{JournalRow, JournalRows, ROWS_MAX, pack},
};

/// Rows removed per statement.
const STEP: i64 = 1_000;

impl Postgres {
    pub(crate) async fn journal_bound(&self) -> Result<i64, StoreError> {
        let bound =
            sqlx::query_scalar!(r#"select pg_snapshot_xmin(pg_current_snapshot())::text::int8 as "bound!""#);
        Ok(bound.fetch_one(&self.pool).await?)
    }

    pub(crate) async fn journal_rows(&self, from: i64, bytes_max: i64) -> Result<JournalRows, StoreError> {
        // One statement, so one snapshot: the rows are seen by the very eyes that see the bound.
        let found = sqlx::query!(
            r#"-- store: journal_rows
            with bounds as materialized (
                select s.place as start, pg_snapshot_xmin(pg_current_snapshot())::text::int8 as bound
                from journal_start s
            )
            select b.start, b.bound as "bound!", exists (select from journal where place >= b.bound) as "has_pending!",
                   j.place as "place?", j.changes as "changes?", j.skipped
            from bounds b
            left join lateral (
                select w.place, w.changes, w.skipped
                from (
                    select r.*, sum(octet_length(r.changes)) over (order by r.place) - octet_length(r.changes) as before
                    from (
                        select place, changes, skipped
                        from journal
                        where place >= $1 and place < b.bound
                        order by place
                        limit $3
                    ) r
                ) w
                where w.before < $2
            ) j on true
            order by j.place"#,
            from,
            bytes_max,
            ROWS_MAX
        )
        .fetch_all(&self.pool)
        .await?;
        let bounds = found.first().ok_or(StoreError::Inconsistent {
            table: "journal_start",
            row: String::from("the only one"),
            problem: String::from("gone"),
        })?;
        Ok(JournalRows {
            start: bounds.start,
            bound: bounds.bound,
            has_pending: bounds.has_pending,
            rows: found
                .into_iter()
                .filter_map(|row| {
                    Some(JournalRow {
                        place: row.place?,
                        changes: row.changes?,
                        skipped: row.skipped.unwrap_or_default(),
                    })
                })
                .collect(),
        })
    }

    pub(crate) async fn journal_row_since(&self, since: Timestamp) -> Result<i64, StoreError> {
        let row = sqlx::query_scalar!(
            // One that is under way may have a smaller place than all that are to be seen.
            r#"select least(min(place), pg_snapshot_xmin(pg_current_snapshot())::text::int8) as "row!"
            from journal
            where made_at >= $1"#,
            since.to_sql()
        );
        Ok(row.fetch_one(&self.pool).await?)
    }

    pub(crate) async fn remove_journal_before(&self, made_at: Timestamp) -> Result<(), StoreError> {
        // Rows and not the bound: who has read all rows there are has missed nothing, however long ago.
        let first_kept = sqlx::query_scalar!(
            "select max(place) + 1
            from journal
            where made_at < $1
              and place < (select least(min(place), pg_snapshot_xmin(pg_current_snapshot())::text::int8)
                           from journal
                           where made_at >= $1)",
            made_at.to_sql()
        )
        .fetch_one(&self.pool)
        .await?;
        let Some(first_kept) = first_kept else {
            return Ok(());
        };
        // Before any of it is gone: who reads from below is told so, and not the rest.
        sqlx::query!("update journal_start set place = $1 where place < $1", first_kept)
            .execute(&self.pool)
            .await?;
        loop {
            let removed = sqlx::query!(
                "delete from journal
                where place in (select place from journal where place < $1 order by place limit $2)",
                first_kept,
                STEP
            )
            .execute(&self.pool)
            .await?
            .rows_affected();
            if removed < STEP.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

/// Tells of attempts that this transaction appends. Once in a transaction.
pub(super) async fn journal(
    connection: &mut PgConnection,
    changes: impl IntoIterator<Item = Change>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into journal (made_at, changes) values ($1, $2)",
        now.to_sql(),
        pack(changes)
    )
    .execute(connection)
    .await?;
    Ok(())
}
