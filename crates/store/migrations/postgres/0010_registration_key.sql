-- Idempotency keys of registrations. Written with the webhook, so a repeated registration finds the webhook or makes it, and
-- never a second one. What the request was is in the webhook's settings, sealed: it may have had credentials in it.
create table registration_key (
    tenant_id  int8 not null,
    key        text not null,
    -- Stays when the webhook is gone: who repeats a registration then is told so, and gets no new webhook.
    webhook_id uuid not null,
    -- Since then the webhook has another secret, which the one who rotated it was told, and nobody else.
    is_rotated bool not null default false,
    created_at timestamptz not null,
    primary key (tenant_id, key)
);

-- For rotations.
create index registration_key_webhook on registration_key (tenant_id, webhook_id);
-- For retention.
create index registration_key_created_at on registration_key (created_at);
