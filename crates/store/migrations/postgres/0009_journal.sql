-- What happened to deliveries, in an order that can be followed: one row for each transaction that appends attempts, written
-- in that transaction. A row holds what a watcher is told, so that following costs no look-up.
create table journal (
    -- The number of the transaction. Numbers are given when transactions begin to write, and commits come in any order; but
    -- below the smallest number that is still under way (pg_snapshot_xmin) nothing can appear any more. So who reads up to
    -- there, and goes on from there, misses nothing and reads nothing twice.
    place   int8 primary key default pg_current_xact_id()::text::int8,
    made_at timestamptz not null,
    -- The packed changes (crates/store/src/journal.rs), in the order of their attempts.
    changes bytea not null,
    -- Which of them, counted from 1, did not happen because another node had reported the same attempt; null for none.
    skipped int4[]
);

-- Packed already, and read as a whole.
alter table journal alter changes set storage external;

-- For who wants to begin at a time, and for retention.
create index journal_made_at on journal (made_at);

-- Places below this one are not kept any more. One row.
create table journal_start (
    single bool primary key default true check (single),
    place  int8 not null
);

insert into journal_start (place) values (0);
