//! The journal: one writer, so rows become visible in the order of their numbers.

use sqlx::SqliteConnection;

use super::{Sqlite, blob};
use crate::{
    Change, EventId, StoreError, TenantId, Timestamp,
    journal::{JournalRow, JournalRows, ROWS_MAX, pack},
};

/// Rows removed per transaction.
const STEP: i64 = 500;
/// Kept by SQLite itself, also when the rows are gone.
const BOUND: &str = "coalesce((select seq from sqlite_sequence where name = 'journal'), 0) + 1";

/// Start and bound of the journal, and a row with its place if there is one.
type FoundRow = (i64, i64, Option<i64>, Option<Vec<u8>>);

impl Sqlite {
    pub(crate) async fn journal_bound(&self) -> Result<i64, StoreError> {
        let bound = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select {BOUND}")));
        Ok(bound.fetch_one(&self.readers).await?)
    }

    pub(crate) async fn journal_rows(&self, from: i64, bytes_max: i64) -> Result<JournalRows, StoreError> {
        // One statement reads all of it at one moment.
        let statement = format!(
            "select s.place, {BOUND}, j.place, j.changes
            from journal_start s
            left join (
                select w.place, w.changes
                from (
                    select r.*, sum(octet_length(r.changes)) over (order by r.place) - octet_length(r.changes) as before
                    from (select place, changes from journal where place >= ? order by place limit ?) r
                ) w
                where w.before < ?
            ) j
            order by j.place"
        );
        let found: Vec<FoundRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(from)
            .bind(ROWS_MAX)
            .bind(bytes_max)
            .fetch_all(&self.readers)
            .await?;
        let (start, bound, ..) = found.first().ok_or(StoreError::Inconsistent {
            table: "journal_start",
            row: String::from("the only one"),
            problem: String::from("gone"),
        })?;
        Ok(JournalRows {
            start: *start,
            bound: *bound,
            has_pending: false,
            rows: found
                .into_iter()
                .filter_map(|(.., place, changes)| {
                    Some(JournalRow {
                        place: place?,
                        changes: changes?,
                        skipped: Vec::new(),
                    })
                })
                .collect(),
        })
    }

    pub(crate) async fn journal_row_since(&self, since: Timestamp) -> Result<i64, StoreError> {
        let row = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select coalesce(min(place), {BOUND}) from journal where made_at >= ?"
        )))
        .bind(since.unix_micros());
        Ok(row.fetch_one(&self.readers).await?)
    }

    pub(crate) async fn remove_journal_before(&self, made_at: Timestamp) -> Result<(), StoreError> {
        // Rows and not the bound: who has read all rows there are has missed nothing, however long ago.
        let first_kept: Option<i64> = sqlx::query_scalar(
            "select max(place) + 1
            from journal
            where made_at < ?1
              and place < coalesce((select min(place) from journal where made_at >= ?1), 9223372036854775807)",
        )
        .bind(made_at.unix_micros())
        .fetch_one(&self.readers)
        .await?;
        let Some(first_kept) = first_kept else {
            return Ok(());
        };
        // Before any of it is gone: who reads from below is told so, and not the rest.
        sqlx::query("update journal_start set place = ?1 where place < ?1")
            .bind(first_kept)
            .execute(&mut *self.writer().await?)
            .await?;
        loop {
            let removed = sqlx::query(
                "delete from journal
                where place in (select place from journal where place < ? order by place limit ?)",
            )
            .bind(first_kept)
            .bind(STEP)
            .execute(&mut *self.writer().await?)
            .await?
            .rows_affected();
            if removed < STEP.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

/// Tells of attempts that this transaction appends.
pub(super) async fn journal(
    tx: &mut SqliteConnection,
    changes: impl IntoIterator<Item = Change>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("insert into journal (made_at, changes) values (?, ?)")
        .bind(now.unix_micros())
        .bind(pack(changes))
        .execute(tx)
        .await?;
    Ok(())
}

/// What a change says of its event; empty when retention has removed it.
pub(super) async fn event_type(
    tx: &mut SqliteConnection,
    tenant: TenantId,
    event: EventId,
) -> Result<String, StoreError> {
    let event_type = sqlx::query_scalar("select type from event where lane = ? and tenant_id = ? and id = ?")
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(event.0));
    Ok(event_type.fetch_optional(tx).await?.unwrap_or_default())
}
