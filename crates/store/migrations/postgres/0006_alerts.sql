-- What is to be told about deliveries and webhooks. A notice is written in the statement that gives a delivery up, or in
-- the transaction that changes a webhook's state, so that nothing is told that did not happen, and nothing that happened
-- is forgotten. It is gone once it is told. A delivery that succeeds writes none.

create sequence notice_id;

create table notice (
    lane       int2 not null,
    id         int8 not null default nextval('notice_id'),
    tenant_id  int8 not null,
    webhook_id uuid not null,
    -- 0 a delivery is dead, 1 the webhook's state changed, 2 the webhook accepts deliveries again
    kind       int2 not null,
    -- Of the delivery, and its last attempt. Kind 0 only.
    event_id   uuid,
    number     int2,
    -- State, reason and text. Kind 1 only.
    change     jsonb,
    happened_at timestamptz not null,
    -- Null until its operational event is published; then 0 while it waits for an e-mail, then that e-mail's number.
    mail       int8,
    primary key (lane, id),
    check (kind between 0 and 2),
    check ((kind = 0) = (event_id is not null)),
    check ((kind = 0) = (number is not null)),
    check ((kind = 1) = (change is not null))
);

create index notice_new on notice (lane, id) where mail is null;
create index notice_mail on notice (lane, webhook_id, mail, id) where mail is not null;

-- One row per webhook that there was something to tell about.
create table alert (
    lane        int2 not null,
    tenant_id   int8 not null,
    webhook_id  uuid not null,
    -- Its latest failure; null when deliveries have succeeded since.
    failed_at   timestamptz,
    -- Whether notices wait for an e-mail.
    waiting     bool not null default false,
    -- The latest e-mail: its number, when it was put together, and whether it is still to be sent.
    mail_number int8 not null default 0,
    mailed_at   timestamptz,
    mail_open   bool not null default false,
    primary key (lane, webhook_id),
    foreign key (tenant_id, webhook_id) references webhook on delete cascade
);

-- For the cascade.
create index alert_webhook on alert (tenant_id, webhook_id);
