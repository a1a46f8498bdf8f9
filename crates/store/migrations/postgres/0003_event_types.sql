-- The event catalogue: what a tenant says it publishes. Read as a whole by nodes that check payloads, so small: at most
-- 1,000 rows for a tenant.
create table event_type (
    tenant_id   int8 not null references tenant,
    -- In the order of its bytes, which both engines and Rust agree on.
    name        text collate "C" not null,
    description text not null,
    -- JSON Schema of the payload, byte for byte as imported; null when every payload will do.
    schema      text,
    -- An example of the payload; null when there is none.
    sample      text,
    updated_at  timestamptz not null,
    primary key (tenant_id, name)
);

-- Goes up with every change of the tenant's event types, whose transaction locks the row first. A node that checks a
-- payload reads it, and reads the event types again when it is not the one it knows.
alter table tenant add column catalogue_version int8 not null default 0;
