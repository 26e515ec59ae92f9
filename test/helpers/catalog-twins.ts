/** The same, made in two ways: a comparison finds no difference. */
export interface Twin {
  readonly what: string;
  /** In a schema of the twin's own, on the `search_path`. */
  readonly one: string;
  readonly other: string;
}

export const TWINS: readonly Twin[] = [
  {
    what: "the order of constraints",
    one: "create table t (a integer constraint a_low check (a > 0) constraint a_high check (a < 9))",
    other: `create table t (a integer);
      alter table t add constraint a_high check (a < 9);
      alter table t add constraint a_low check (a > 0)`,
  },
  {
    what: "the order of columns",
    one: "create table t (a integer, b text, c date)",
    other: "create table t (a integer, c date); alter table t add column b text",
  },
  {
    what: "columns that were dropped before",
    one: "create table t (a integer, b text)",
    other: "create table t (a integer, gone text, b text); alter table t drop column gone",
  },
  {
    what: "a constraint that was validated later",
    one: "create table t (a integer, constraint a_low check (a > 0))",
    other: `create table t (a integer);
      alter table t add constraint a_low check (a > 0) not valid;
      alter table t validate constraint a_low`,
  },
  {
    what: "a unique constraint made of an index",
    one: "create table t (a integer, constraint t_a_key unique (a))",
    other: `create table t (a integer);
      create unique index t_a_key on t (a);
      alter table t add constraint t_a_key unique using index t_a_key`,
  },
  {
    what: "names of NOT NULL constraints",
    one: "create table t (a integer not null, b integer not null)",
    other: `create table t (a integer not null, c integer not null);
      alter table t rename column c to b`,
  },
  {
    what: "a partition that was attached",
    one: `create table t (a integer not null default 1, b text, primary key (a)) partition by range (a);
      create index t_b_idx on t (b);
      create table t_1 partition of t for values from (0) to (9)`,
    other: `create table t (a integer not null default 1, b text, primary key (a)) partition by range (a);
      create index t_b_idx on t (b);
      create table t_1 (a integer not null default 1, b text);
      alter table t attach partition t_1 for values from (0) to (9)`,
  },
  {
    what: "a serial column, by its parts",
    one: "create table t (a serial)",
    other: `create sequence t_a_seq as integer;
      create table t (a integer not null default nextval('t_a_seq'));
      alter sequence t_a_seq owned by t.a`,
  },
  {
    what: "enum values that were added",
    one: "create type e as enum ('a', 'b', 'c')",
    other: "create type e as enum ('a', 'c'); alter type e add value 'b' before 'c'",
  },
  {
    what: "a view that was replaced",
    one: "create table t (a integer); create view v as select a from t",
    other: `create table t (a integer);
      create view v as select a from t where a > 1;
      create or replace view v as select a from t`,
  },
  {
    what: "grants that were taken back",
    one: "create table t (a integer)",
    other:
      "create table t (a integer); grant select on t to :reader; revoke select on t from :reader",
  },
  {
    what: "a sequence that was used",
    one: "create sequence s",
    other: "create sequence s; select nextval('s'), nextval('s')",
  },
  {
    what: "a function by another layout of its header",
    one: "create function f(a integer) returns integer language sql immutable as 'select a'",
    other: "CREATE FUNCTION f(a int) RETURNS int IMMUTABLE AS 'select a' LANGUAGE sql",
  },
];
