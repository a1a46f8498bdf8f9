-- What an owner does to secrets and deliveries: rotate, test, replay, cancel.

-- Null for a secret without an end. Past it the secret signs nothing and vouches for nothing; the row goes with the next
-- rotation.
alter table webhook_secret add column expires_at timestamptz;

-- Whether it was made by SendTest, for one webhook.
alter table event add column test boolean not null default false;

-- Of a delivery that was replayed: the number of the last attempt before that, from which its schedule counts anew, and
-- when it was. A result that schedules the next attempt leaves both as they are.
alter table retry add column replayed_after int2 not null default 0;
alter table retry add column replayed_at timestamptz;

-- How deliveries ended badly, oldest event first: the dead-letter list, and what replay jobs walk along. Two orders, because
-- either all webhooks are asked for or one. They hold dead and cancelled deliveries only, so success pays nothing for them.
create index attempt_ended on attempt (lane, event_id, webhook_id) where verdict > 1;
create index attempt_ended_of_webhook on attempt (lane, webhook_id, event_id) where verdict > 1;

-- Every replay of a delivery. Attempts with a number above `after` belong to it, up to those of the next replay.
create table replayed (
    lane       int2 not null,
    webhook_id uuid not null,
    event_id   uuid not null,
    after      int2 not null,
    -- Names a row of `replay`, or nothing but itself when a single delivery was replayed.
    replay_id  uuid not null,
    primary key (lane, webhook_id, event_id, after)
);

-- For retention.
create index replayed_event_id on replayed (event_id);

-- A job that replays many deliveries.
create table replay (
    tenant_id      int8 not null,
    id             uuid not null,
    -- Which deliveries. Never searched by, so one document.
    filter         jsonb not null,
    -- Deliveries a second.
    rate           int4 not null,
    -- Null without a limit.
    deliveries_max int8,
    -- 0 running, 1 done, 2 cancelled, 3 failed
    state          int2 not null,
    -- How many matched when the job was made.
    matched        int8 not null,
    scheduled      int8 not null default 0,
    -- The node that works on it; not working any more when its lease has ended.
    owner          int8,
    -- The last delivery that was looked at. It moves in the transaction that schedules, so that no delivery is scheduled
    -- twice, whatever dies. Null before the first.
    cursor_event   uuid,
    cursor_webhook uuid,
    -- The cancelled job that this one goes on with.
    resumed_from   uuid,
    error          text,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    primary key (tenant_id, id),
    check (state between 0 and 3),
    check ((cursor_event is null) = (cursor_webhook is null))
);

create index replay_running on replay (id) where state = 0;
