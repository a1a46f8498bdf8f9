-- What this table is for is told in migrations/postgres.
create table webhook_failing (
    tenant_id  integer not null,
    webhook_id blob not null,
    since      integer not null,
    primary key (tenant_id, webhook_id),
    foreign key (tenant_id, webhook_id) references webhook on delete cascade
) strict, without rowid;
