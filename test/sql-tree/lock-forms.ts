/** Tables of every kind, with rows: what the forms are about. */
export const BASE = `
create table orgs (id int primary key, name text not null, slug text unique);
create type mood as enum ('fine', 'well');
create domain positive as int check (value > 0);
create domain loose as int;
create table users (
  id int primary key, org_id int, boss int, email varchar(100), name text, age int, born timestamp(3),
  seen timestamptz, price numeric(10, 2), code char(3), nick text not null, net cidr, bits varbit(8), feels mood,
  twice int, constraint users_org_id_fkey foreign key (org_id) references orgs,
  constraint age_ok check (age > 0), constraint email_there check (email is not null),
  constraint name_short check (length(name) < 100) not valid);
alter table users add constraint users_boss_fkey foreign key (boss) references users not valid;
create index users_email_idx on users (email);
create unique index users_nick_idx on users (nick);
create unique index users_name_idx on users (name);
create table posts (id int primary key, user_id int references users on delete cascade, body text, slug text, rank int default 1);
create table plain (a int, b int not null, constraint later check (a > -1) not valid);
create unique index plain_a_idx on plain (a);
create unique index plain_b_idx on plain (b);
create index plain_ab_idx on plain (a, b);
create table lone (a int);
create table logs (at date not null, org_id int references orgs, msg text) partition by range (at);
create table logs_2024 partition of logs for values from ('2024-01-01') to ('2025-01-01');
create table logs_rest partition of logs default;
create table logs_2025 (at date not null, org_id int, msg text);
create index logs_msg_idx on logs (msg);
create table hashed (id int primary key, t text) partition by hash (id);
create table hashed_0 partition of hashed for values with (modulus 2, remainder 0);
create table hashed_1 partition of hashed for values with (modulus 2, remainder 1);
create table base (id int, t text);
create table kin () inherits (base);
create table orphan (id int, t text);
create domain tiny as int;
create table amounts (x positive, y int, z tiny, twice int generated always as (y * 2) stored);
alter domain tiny add constraint less check (value < 1000) not valid;
create view user_names as select id, name from users;
create view short_names as select id from user_names;
create materialized view user_count as select 1 as one, count(*) as n from users;
create unique index user_count_idx on user_count (one);
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create function fresh() returns int language sql volatile as 'select (random() * 9)::int';
create trigger users_touch before update on users for each row execute function touch();
create policy mine on users using (true);
create rule quiet as on delete to lone do instead nothing;
create statistics plain_stats on a, b from plain;
create publication pub for table lone;
create schema elsewhere;
create schema doomed;
create table doomed.things (id int primary key, org_id int references orgs);
create sequence numbers;
create domain under as positive;
create domain filled as uuid default gen_random_uuid();
create table mails (id int primary key, email varchar(100), addr varchar(100), at timestamp, st text, c text collate "C", feels mood);
create unique index mails_lower on mails (lower(email));
create index mails_part on mails (id) where addr is not null;
create index mails_at on mails (at);
create index mails_st on mails (st);
create index mails_c on mails (c);
create table keyed (id int primary key, u int unique);
create table keyed_by (id int primary key, k int references keyed (id));
create table parts (id int primary key, t text) partition by range (id);
create table parts_1 partition of parts for values from (0) to (100);
create table parts_2 (id int primary key, t text);
create table parts_by (id int primary key, p int references parts);
create index parts_1_lower on parts_1 (lower(t));
create table tree (id int) partition by range (id);
create table tree_1 partition of tree for values from (0) to (100) partition by range (id);
create table tree_11 partition of tree_1 for values from (0) to (50);
create view keyed_ids as select id from keyed_by;
create view keyed_more as select id from keyed_ids;
create materialized view deep as select count(*) from keyed_more;
insert into orgs select g, 'o' || g, 's' || g from generate_series(1, 9) g;
insert into users (id, org_id, email, name, age, nick, code, net) select g, g % 9 + 1, 'e' || g, 'n' || g, g, 'k' || g, 'abc', '10.0.0.0/8' from generate_series(1, 99) g;
insert into posts (id, user_id, body) select g, g, 'b' from generate_series(1, 99) g;
insert into plain select g, g from generate_series(1, 99) g;
insert into lone select g from generate_series(1, 99) g;
insert into logs select '2024-02-02', 1, 'm' from generate_series(1, 9);
insert into logs select '2030-02-02', 1, 'm' from generate_series(1, 9);
insert into logs_2025 select '2025-02-02', 1, 'm' from generate_series(1, 9);
insert into hashed select g, 't' from generate_series(1, 20) g;
insert into base values (1, 't'); insert into kin values (2, 't'); insert into orphan values (3, 't');
insert into amounts values (1, 1);
insert into mails (id, email, addr, at, st, c, feels) select g, 'e' || g, 'a', now(), 's', 'c', 'fine' from generate_series(1, 9) g;
insert into keyed values (1, 1); insert into keyed_by values (1, 1);
insert into parts values (1, 't'); insert into parts_by values (1, null); insert into parts_2 values (200, 't');
refresh materialized view user_count;
`;

/** Statements that run in a transaction, each alone on the base. Some need a version: `>= 18: …`. */
export const FORMS: readonly string[] = `
alter table users add column c text
alter table users add column c text not null default 'x'
alter table users add column c int default 1 + 1
alter table users add column c timestamptz default now()
alter table users add column c timestamptz default clock_timestamp()
alter table users add column c uuid default gen_random_uuid()
alter table users add column c int default fresh()
alter table users add column c serial
alter table users add column c int generated by default as identity
alter table users add column c int generated always as (age * 2) stored
>= 18: alter table users add column c int generated always as (age * 2) virtual
alter table users add column c positive
alter table users add column c loose
alter table users add column c under
alter table users add column c filled
alter table users add column c int references parts
alter table users add column c int check (c > 0)
alter table users add column c int unique
alter table users add column c int references orgs
alter table users add column c int default 1 references orgs
alter table lone add column c int, add column d int default fresh()
alter table logs add column c int
alter table base add column c int
alter table only logs alter column msg set default 'x'
alter table users drop column seen
alter table users drop column name cascade
alter table users drop column org_id
alter table users drop column id cascade
alter table users alter column age set default 7
alter table users alter column nick drop not null
alter table users alter column age set not null
alter table users alter column email set not null
alter table users alter column nick set not null
alter table logs alter column msg set not null
alter table users alter column email type varchar(200)
alter table users alter column nick type varchar
alter table posts alter column body type varchar(50)
alter table posts alter column body type varchar
alter table users alter column price type numeric(12, 2)
alter table users alter column price type numeric(12, 3)
alter table users alter column price type numeric
alter table users alter column born type timestamp(6)
alter table users alter column born type timestamp
alter table users alter column born type timestamp(1)
alter table users alter column code type char(5)
alter table users alter column code type text
alter table users alter column net type inet
alter table users alter column bits type varbit(16)
alter table users alter column feels type text
alter table users alter column age type bigint
alter table users alter column twice type bigint using twice::bigint
alter table posts alter column body type varchar using body::varchar
alter table posts alter column body type text using upper(body)
alter table posts alter column rank type bigint
alter table posts alter column user_id type bigint
alter table orgs alter column id type bigint
alter table users alter column seen type timestamp
alter table mails alter column email type varchar(200)
alter table mails alter column addr type varchar(200)
alter table mails alter column at type timestamptz
alter table mails alter column at type timestamptz(3)
alter table mails alter column st type bpchar
alter table mails alter column c type text
alter table mails alter column email type varchar using email::char(3)::varchar
alter table mails alter column feels type mood using feels::text::mood
alter table parts alter column t type varchar
alter table users alter column email set not null, drop constraint email_there
alter table users alter column age set statistics 10
alter table users alter column age set (n_distinct = 5)
alter table users alter column name set storage external
alter table plain alter column b add generated by default as identity
alter table users add constraint c check (age < 1000)
alter table users add constraint c check (age < 1000) not valid
alter table users validate constraint name_short
alter table users validate constraint age_ok
alter table users validate constraint users_boss_fkey
alter table posts add constraint c foreign key (rank) references orgs
alter table posts add constraint c foreign key (rank) references orgs not valid
alter table posts add constraint c foreign key (rank) references hashed
alter table logs add constraint c foreign key (org_id) references orgs
>= 18: alter table users add column c int generated always as (id + 1) virtual not null
>= 18: alter table users alter constraint users_org_id_fkey not enforced
>= 18: alter table users add constraint c not null age not valid
>= 18: alter table users add constraint c not null age
alter table users add constraint c unique (code, id)
alter table plain add primary key (a)
alter table plain add constraint c unique using index plain_b_idx
alter table plain add primary key using index plain_b_idx
alter table plain add primary key using index plain_a_idx
alter table plain add constraint c exclude using btree (b with =)
alter table users drop constraint age_ok
alter table users drop constraint users_org_id_fkey
alter table users drop constraint users_pkey cascade
alter table users alter constraint users_org_id_fkey deferrable
alter table users owner to current_user
alter table users set (fillfactor = 70)
alter table users set (autovacuum_enabled = false)
alter table users reset (fillfactor)
alter table users enable row level security
alter table users force row level security
alter table users disable trigger users_touch
alter table users enable trigger all
alter table users replica identity full
alter table users cluster on users_email_idx
alter table users set without cluster
alter table plain set unlogged
alter table plain set logged
>= 17: alter table amounts alter column twice set expression as (y * 3)
alter table amounts alter column twice drop expression
alter table users rename to people
alter table users rename column name to full_name
alter table users rename constraint age_ok to age_fine
alter table base rename column t to u
alter index users_email_idx rename to e
alter table users_email_idx rename to e
alter table users set schema elsewhere
alter table orphan inherit base
alter table kin no inherit base
alter table logs attach partition logs_2025 for values from ('2025-01-01') to ('2026-01-01')
alter table logs detach partition logs_2024
create table logs_2026 partition of logs for values from ('2026-01-01') to ('2027-01-01')
alter table parts attach partition parts_2 for values from (200) to (300)
alter table parts detach partition parts_1
alter table tree detach partition tree_1
create table parts_3 partition of parts for values from (300) to (400)
create sequence s owned by users.age
alter sequence numbers owned by users.age
create table fresh_ones (id int primary key, user_id int references users, org_id int references orgs)
create table fresh_ones (id int references hashed)
create table fresh_ones (like users)
create table fresh_ones () inherits (base)
create table fresh_ones as select * from users where id > 5
create view v as select * from short_names
create or replace view user_names as select id, name from users where id > 1
create materialized view mv as select count(*) from posts
create index on users (age)
create unique index on users (age)
create index on logs (at)
create statistics s on age, name from users
create trigger t before insert on users for each row execute function touch()
create trigger t before insert on logs for each row execute function touch()
create constraint trigger t after insert on users from orgs for each row execute function touch()
create policy p on users using (org_id in (select id from orgs))
alter policy mine on users using (false)
create rule r as on update to plain do instead nothing
create publication p2 for table plain, posts
alter publication pub add table plain
alter publication pub drop table lone
drop table posts
drop table users cascade
drop table logs
drop table logs_2024
drop table lone, plain
drop view short_names
drop view user_names cascade
drop materialized view user_count
drop index users_email_idx
drop index logs_msg_idx
drop trigger users_touch on users
drop policy mine on users
drop rule quiet on lone
drop schema doomed cascade
drop sequence numbers
alter trigger users_touch on users rename to t2
alter policy mine on users rename to p2
truncate lone
truncate users cascade
truncate logs
comment on table users is 'x'
comment on column users.name is 'x'
comment on constraint age_ok on users is 'x'
comment on trigger users_touch on users is 'x'
comment on index users_email_idx is 'x'
reindex table lone
reindex index users_email_idx
cluster users using users_email_idx
refresh materialized view user_count
refresh materialized view concurrently user_count
refresh materialized view deep
alter materialized view user_count rename to c2
alter view user_names rename to n2
alter view user_names set (security_barrier)
alter type mood add value 'great'
alter type mood rename value 'fine' to 'good'
alter domain positive add constraint small check (value < 1000)
alter domain positive add constraint small check (value < 1000) not valid
alter domain positive set not null
alter domain positive set default 3
alter domain tiny validate constraint less
create domain d as text check (value <> '')
create type t as enum ('a')
create function f() returns int language sql as 'select 1'
create extension if not exists plpgsql
create schema s
create sequence s
alter sequence numbers increment 2
grant usage on schema elsewhere to current_user
analyze users
lock table users in share mode
lock table base in exclusive mode
lock users
insert into posts (id, user_id) values (1000, 1)
insert into lone select a from plain
update users set age = age + 1 where id > 5
update logs set msg = 'x'
delete from posts where id = 1
with gone as (delete from posts where id = 1 returning id) insert into lone select id from gone
with old as (select id from users) select count(*) from old
select * from users where id = 1 for update
select 1
`
  .trim()
  .split("\n");
