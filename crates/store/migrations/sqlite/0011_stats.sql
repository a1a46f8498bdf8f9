-- What a column means is told in migrations/postgres.

create table stat (
    tenant_id   integer not null,
    webhook_id  blob not null,
    granularity integer not null check (granularity between 0 and 1),
    started_at  integer not null,
    published   integer not null,
    attempts    integer not null,
    failed_attempts integer not null,
    delivered   integer not null,
    dead        integer not null,
    durations   text not null, -- a JSON array
    primary key (tenant_id, webhook_id, granularity, started_at)
) strict, without rowid;

create index stat_started_at on stat (granularity, started_at);
