-- What a column means is told in migrations/postgres.

alter table webhook_secret add column expires_at integer;

alter table event add column test integer not null default 0;

alter table retry add column replayed_after integer not null default 0;
alter table retry add column replayed_at integer;

create index attempt_ended on attempt (lane, event_id, webhook_id) where verdict > 1;
create index attempt_ended_of_webhook on attempt (lane, webhook_id, event_id) where verdict > 1;

create table replayed (
    lane       integer not null,
    webhook_id blob not null,
    event_id   blob not null,
    after      integer not null,
    replay_id  blob not null,
    primary key (lane, webhook_id, event_id, after)
) strict, without rowid;

create table replay (
    tenant_id      integer not null,
    id             blob not null,
    filter         text not null,
    rate           integer not null,
    deliveries_max integer,
    state          integer not null check (state between 0 and 3),
    matched        integer not null,
    scheduled      integer not null default 0,
    owner          integer,
    cursor_event   blob,
    cursor_webhook blob,
    resumed_from   blob,
    error          text,
    created_at     integer not null,
    updated_at     integer not null,
    primary key (tenant_id, id),
    check ((cursor_event is null) = (cursor_webhook is null))
) strict, without rowid;

create index replay_running on replay (id) where state = 0;
