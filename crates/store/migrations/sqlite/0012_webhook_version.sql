alter table webhook add column version integer not null default 0;
create index webhook_version on webhook (tenant_id, version);

create trigger webhook_inserted after insert on webhook
begin
    update webhook
    set version = (select max(version) + 1 from tenant)
    where tenant_id = new.tenant_id and id = new.id;
end;

create trigger webhook_changed after update of settings, updated_at on webhook
begin
    update webhook
    set version = (select max(version) + 1 from tenant)
    where tenant_id = new.tenant_id and id = new.id;
end;
