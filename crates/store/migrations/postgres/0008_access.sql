-- Who may do what, how much, and who did what.

alter table tenant add column created_at timestamptz not null default now();
-- Limits that differ from those of the service. Never searched by, so one document.
alter table tenant add column quotas jsonb not null default '{}';
-- Set when it is deleted. The row stays, under a name that nobody can ask for, because its log names its id.
alter table tenant add column deleted_at timestamptz;
-- Bumped with every change of what is above, so that nodes read what they do not know yet and nothing else.
alter table tenant add column access_version int8 not null default nextval('config_version');
create index tenant_access_version on tenant (access_version);

create table api_key (
    id           uuid primary key,
    tenant_id    int8 not null references tenant,
    name         text not null,
    -- SHA-256 of the key's text. It has 256 random bits: nobody tries them all, however fast the hash is.
    hash         bytea not null,
    -- Bits: 0 admin, 1 publish, 2 read, 3 verify, 4 operator.
    scopes       int2 not null,
    -- The dialect of whoever uses it; null when it has none.
    profile      text,
    created_at   timestamptz not null,
    -- Null for a key without an end.
    expires_at   timestamptz,
    -- Null while it is not revoked. The row goes with the log.
    revoked_at   timestamptz,
    -- Written about once a minute; null before the first use.
    last_used_at timestamptz,
    -- Bumped when it is made or revoked, under the lock that changes of webhooks take.
    version      int8 not null default nextval('config_version')
);

create index api_key_tenant on api_key (tenant_id, id);
create index api_key_version on api_key (version);

-- Who changed what. Written in the transaction of the change, and gone with the log.
create table audit_entry (
    tenant_id  int8 not null,
    -- UUIDv7, so it is the time of the change too.
    id         uuid not null,
    -- The key that was used; null for somebody without one, and for the service itself.
    key_id     uuid,
    -- The key's name at that time, or who else it was.
    actor      text not null,
    -- The address that the request came from; null when none did.
    peer       text,
    -- The method, or what the service did on its own.
    action     text not null,
    -- The id of the webhook or key, or the tenant's name.
    resource   text not null,
    -- Names of what was changed, never values.
    fields     jsonb not null,
    primary key (tenant_id, id)
);

create index audit_entry_resource on audit_entry (tenant_id, resource, id);
-- For retention.
create index audit_entry_id on audit_entry (id);
