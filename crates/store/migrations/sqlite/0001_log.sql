-- The tables of the PostgreSQL engine, for one process: ids are 16-byte blobs, times are microseconds since 1970,
-- webhook_ids is the ids one after the other. What a column means is told in migrations/postgres.

create table tenant (
    id      integer primary key,
    lane    integer not null,
    name    text not null unique,
    version integer not null default 1
) strict;

create table webhook (
    tenant_id  integer not null references tenant,
    id         blob not null,
    settings   text not null,
    created_at integer not null,
    updated_at integer not null,
    primary key (tenant_id, id)
) strict, without rowid;

create table webhook_secret (
    tenant_id  integer not null,
    webhook_id blob not null,
    position   integer not null,
    value      blob not null,
    primary key (tenant_id, webhook_id, position),
    foreign key (tenant_id, webhook_id) references webhook on delete cascade
) strict, without rowid;

create table event (
    lane        integer not null,
    hot         integer not null,
    tenant_id   integer not null,
    owner       integer not null,
    id          blob not null,
    type        text not null,
    webhook_ids blob not null,
    payload     blob not null,
    primary key (lane, tenant_id, id)
) strict;

-- Recovery and retention walk the log in order of acceptance.
create index event_id on event (id);

create table attempt (
    lane        integer not null,
    number      integer not null,
    outcome     integer not null,
    verdict     integer not null check (verdict between 0 and 3),
    http_status integer,
    latency_us  integer not null,
    webhook_id  blob not null,
    event_id    blob not null,
    started_at  integer not null,
    next_at     integer,
    error       text,
    response    blob,
    primary key (lane, webhook_id, event_id, number),
    check ((verdict = 1) = (next_at is not null))
) strict, without rowid;

create table retry (
    lane       integer not null,
    number     integer not null,
    tenant_id  integer not null,
    webhook_id blob not null,
    event_id   blob not null,
    due_at     integer not null,
    primary key (lane, webhook_id, event_id)
) strict, without rowid;

create index retry_due on retry (lane, webhook_id, due_at);

create table idempotency_key (
    tenant_id   integer not null,
    key         text not null,
    event_id    blob not null,
    fingerprint blob not null,
    created_at  integer not null,
    primary key (tenant_id, key)
) strict, without rowid;

create index idempotency_key_created_at on idempotency_key (created_at);

create table node (
    -- Never used twice, even when the row is gone: events keep naming it.
    incarnation integer primary key autoincrement,
    name        text not null,
    lease_until integer not null,
    low_water   blob not null
) strict;
