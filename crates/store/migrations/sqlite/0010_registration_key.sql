-- What a column means is told in migrations/postgres.
create table registration_key (
    tenant_id  integer not null,
    key        text not null,
    webhook_id blob not null,
    is_rotated integer not null default 0,
    created_at integer not null,
    primary key (tenant_id, key)
) strict, without rowid;

create index registration_key_webhook on registration_key (tenant_id, webhook_id);
create index registration_key_created_at on registration_key (created_at);
