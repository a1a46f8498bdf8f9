-- What a column means is told in migrations/postgres.

create table notice (
    id          integer primary key autoincrement,
    lane        integer not null,
    tenant_id   integer not null,
    webhook_id  blob not null,
    kind        integer not null check (kind between 0 and 2),
    event_id    blob,
    number      integer,
    change      text,
    happened_at integer not null,
    mail        integer,
    check ((kind = 0) = (event_id is not null)),
    check ((kind = 0) = (number is not null)),
    check ((kind = 1) = (change is not null))
) strict;

create index notice_new on notice (id) where mail is null;
create index notice_mail on notice (webhook_id, mail, id) where mail is not null;

create table alert (
    tenant_id   integer not null,
    webhook_id  blob not null,
    failed_at   integer,
    waiting     integer not null default 0,
    mail_number integer not null default 0,
    mailed_at   integer,
    mail_open   integer not null default 0,
    primary key (tenant_id, webhook_id),
    foreign key (tenant_id, webhook_id) references webhook on delete cascade
) strict, without rowid;
