import { expect, test } from "vitest";
import { backfillMigrator } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();

/** A type, what makes 200 different values of it from `i`, and what is to be there before. */
test.each([
  ["uuid", "gen_random_uuid()"],
  ["text", "md5(i::text)"],
  [
    "text",
    "case when i = 7 then '' when i = 8 then E'a''b\\\\c\\n' when i = 9 then repeat('ä', 1000) else 'ß' || i || '\"' end",
  ],
  [
    "text collate ci",
    "'w' || i",
    "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
  ],
  [
    "text collate de",
    "chr(64 + i)",
    "create collation de (provider = icu, locale = 'de-u-kn-true')",
  ],
  ["char(5)", "lpad(i::text, 3, ' ')"],
  [
    "timestamptz",
    "case i when 1 then '-infinity' when 2 then 'infinity' when 3 then '0044-03-15 BC'::timestamptz else '1890-01-01'::timestamptz + i * interval '1 year 0.000001 s' end",
  ],
  ["timestamp", "'2020-01-01'::timestamp + i * interval '1 us'"],
  [
    "date",
    "case i when 1 then '-infinity' when 2 then '4000-01-01 BC'::date else '1999-12-01'::date + i end",
  ],
  ["interval", "i * interval '-1 month 3 days 0.5 s'"],
  [
    "numeric",
    "case i when 1 then 'NaN' when 2 then 'Infinity' when 3 then '-Infinity' else (i - 100) * 1e-20 end",
  ],
  [
    "float8",
    "case i when 1 then 'NaN' when 2 then 'Infinity' when 3 then '-Infinity' else 0.1 + (i - 100) * 1e-16 end",
  ],
  ["float4", "0.1::float4 * i"],
  ["bigint", "(i - 100) * 9e14::bigint"],
  ["int", "i - 100"],
  ["bytea", "decode(md5(i::text), 'hex')"],
  [
    "mood",
    "('m' || i)::mood",
    "do $$ begin execute 'create type mood as enum (' || (select string_agg(quote_literal('m' || i), ',' order by md5(i::text)) from generate_series(1, 200) i) || ')'; end $$",
  ],
  ["positive", "i", "create domain positive as int check (value > 0)"],
  ["inet", "'10.0.0.0'::inet + i"],
  ["int[]", "array[i % 7, null, -i]"],
  ["jsonb", "jsonb_build_object('a', i % 3, 'b', array[i])"],
  ["boolean", "i = 1"],
  ["money", "(i - 100)::numeric::money"],
  ["bit varying", "i::bit(10)::varbit"],
  ["macaddr", "('08:00:2b:01:02:' || lpad(to_hex(i), 2, '0'))::macaddr"],
  [
    "tstzrange",
    "tstzrange('2020-01-01'::timestamptz, '2020-01-02'::timestamptz + i * interval '1 s')",
  ],
  ['"char"', `(33 + i % 90)::int::"char"`],
  ["name", "('n' || i)::name"],
])("each row is filled once by a key of the type %s (%s)", async (type, value, before = "") => {
  await database.sql.unsafe(`${before};
    do $$ begin
      execute format('alter database %I set datestyle = ''German, DMY''', current_database());
      execute format('alter database %I set timezone = ''Asia/Kathmandu''', current_database());
      execute format('alter database %I set bytea_output = ''escape''', current_database());
      execute format('alter database %I set lc_monetary = ''C''', current_database());
      execute format('alter database %I set intervalstyle = ''sql_standard''', current_database());
      execute format('alter database %I set standard_conforming_strings = off', current_database());
      execute format('alter database %I set default_transaction_isolation = serializable', current_database());
      execute format('alter database %I set default_transaction_read_only = on', current_database());
    end $$`);
  await database.sql.unsafe(`create table keyed ("The Key" ${type} primary key, n int not null default 0);
    insert into keyed select ${value} from generate_series(1, 200) i on conflict do nothing`);
  await backfillMigrator(database.url, {
    "0001_fill": { table: "keyed", set: "n = n + 1", batch: { size: 3, max: 3 } },
  }).migrate({ allowExisting: true });
  const found = await database.sql`select n, count(*) > 1 as "isMany" from keyed group by n`;
  expect(found).toEqual([{ n: 1, isMany: true }]);
});
