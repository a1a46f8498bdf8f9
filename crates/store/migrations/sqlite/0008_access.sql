-- What a column means is told in migrations/postgres.

alter table tenant add column created_at integer not null default 0;
alter table tenant add column quotas text not null default '{}';
alter table tenant add column deleted_at integer;
alter table tenant add column access_version integer not null default 1;
create index tenant_access_version on tenant (access_version);

create table api_key (
    id           blob primary key,
    tenant_id    integer not null references tenant,
    name         text not null,
    hash         blob not null,
    scopes       integer not null,
    profile      text,
    created_at   integer not null,
    expires_at   integer,
    revoked_at   integer,
    last_used_at integer,
    version      integer not null
) strict, without rowid;

create index api_key_tenant on api_key (tenant_id, id);
create index api_key_version on api_key (version);

create table audit_entry (
    tenant_id integer not null,
    id        blob not null,
    key_id    blob,
    actor     text not null,
    peer      text,
    action    text not null,
    resource  text not null,
    fields    text not null,
    primary key (tenant_id, id)
) strict, without rowid;

create index audit_entry_resource on audit_entry (tenant_id, resource, id);
create index audit_entry_id on audit_entry (id);
