-- Webhooks that have been failing for a while, so that a restart does not begin the count anew. A node writes a row when a
-- webhook has failed for a minute, and any node removes it with the next success: a few rows, and none for most webhooks.
create table webhook_failing (
    tenant_id  int8 not null,
    webhook_id uuid not null,
    -- The end of the first failed attempt after the last one that succeeded.
    since      timestamptz not null,
    primary key (tenant_id, webhook_id),
    foreign key (tenant_id, webhook_id) references webhook on delete cascade
);
