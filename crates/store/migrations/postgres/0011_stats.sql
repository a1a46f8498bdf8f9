-- What happened in a minute and in an hour, counted: for charts, and for who asks whether a webhook fails. The log of attempts
-- is the truth; these are its sums, added by every node every ten seconds. A row is there only if something was counted, so
-- there are never more of a granularity than attempts and events that they count.
create table stat (
    tenant_id   int8 not null,
    -- The nil UUID for the row of the whole tenant, whose deliveries are those of all its webhooks. No reference: a row
    -- outlives its webhook, and goes when it is old.
    webhook_id  uuid not null,
    -- 0 a minute, 1 an hour
    granularity int2 not null,
    started_at  timestamptz not null,
    -- Events that were accepted; of a webhook, those that go to it.
    published   int8 not null,
    attempts    int8 not null,
    failed_attempts int8 not null,
    delivered   int8 not null,
    dead        int8 not null,
    -- How many attempts took how long: a bucket each (crates/store/src/stats/histogram.rs), without the zeros at the end.
    durations   int8[] not null,
    primary key (tenant_id, webhook_id, granularity, started_at),
    check (granularity between 0 and 1)
-- Rows of the running minute and hour are updated again and again. No indexed column changes, so that stays on the page.
) with (fillfactor = 80);

-- For retention.
create index stat_started_at on stat (granularity, started_at);
