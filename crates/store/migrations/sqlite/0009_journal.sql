-- What migrations/postgres/0009_journal.sql tells. There is one writer, so rows become visible in the order of their numbers.
create table journal (
    place   integer primary key autoincrement, -- never used twice: places outlive their rows
    made_at integer not null,
    changes blob not null
) strict;

create index journal_made_at on journal (made_at);

create table journal_start (
    single integer primary key check (single = 1),
    place  integer not null
) strict;

insert into journal_start (single, place) values (1, 0);
