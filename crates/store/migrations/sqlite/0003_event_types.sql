-- The event catalogue, as in migrations/postgres.
create table event_type (
    tenant_id   integer not null references tenant,
    name        text not null,
    description text not null,
    schema      text,
    sample      text,
    updated_at  integer not null,
    primary key (tenant_id, name)
) strict, without rowid;

alter table tenant add column catalogue_version integer not null default 0;
