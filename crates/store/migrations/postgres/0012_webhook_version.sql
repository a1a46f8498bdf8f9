-- The tenant's version that a webhook changed with, so that a node reads again what has changed and not all that there is.
-- By a trigger, because nodes of an earlier release change webhooks too while a new one is rolled out. Changes of a tenant's
-- webhooks wait for each other, and the tenant's own version is the last number that each of them takes.
alter table webhook add column version int8 not null default 0;
create index webhook_version on webhook (tenant_id, version);

create function webhook_changed() returns trigger language plpgsql as $$
begin
    new.version = nextval('config_version');
    return new;
end
$$;

create trigger webhook_changed before insert or update on webhook
for each row execute function webhook_changed();
