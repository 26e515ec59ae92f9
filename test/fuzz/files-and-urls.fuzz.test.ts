import fc from "fast-check";
import pg from "pg";
import { describe, expect, test } from "vitest";
import {
  describeTarget,
  formatUrl,
  readAddress,
  replaceDatabase,
  urlProblem,
} from "../../src/db/base/address.ts";
import { Problem } from "../../src/db/base/problem.ts";
import { resolveUrl, urlWarnings } from "../../src/db/connection/driver-options.ts";
import { passwordIn } from "../../src/db/connection/password-file.ts";
import { environmentUrl, serviceIn } from "../../src/db/connection/pg-environment.ts";
import { parseSinkFile } from "../../src/db/migrate/history/event-sink-file.ts";
import { parseJournal, readJournal } from "../../src/db/migrate/history/journal.ts";
import { recordedSums } from "../../src/db/migrate/history/sum-file.ts";
import { MigrateError } from "../../src/db/migrate/index.ts";
import { FUZZ_TIMEOUT_MS, fuzzed, REPEAT } from "../helpers/fuzz.ts";

const timeout = FUZZ_TIMEOUT_MS;
const anything = fc.string({ unit: "binary", maxLength: 30 });
const text = fc.oneof(anything, fc.string({ unit: "grapheme", maxLength: 20 }));

/** What it gives, or the error of ours; another error fails the property. */
function refusedOr<T>(call: () => T): T | Problem {
  try {
    return call();
  } catch (error) {
    if (error instanceof Problem || error instanceof MigrateError) return error;
    throw error;
  }
}

describe(`a journal (${REPEAT})`, () => {
  const entry = fc.record(
    {
      idx: fc.oneof(fc.nat(9), anything, fc.constant(null)),
      tag: fc.oneof(text, fc.constantFrom("a", "../a", "__proto__", "constructor"), fc.nat()),
      when: fc.oneof(fc.integer(), fc.double(), anything),
      version: fc.oneof(anything, fc.nat(9)),
    },
    { requiredKeys: [] },
  );
  const journal = fc.record(
    {
      version: fc.oneof(fc.constantFrom("5", "6", "7", 7, 99, null), anything),
      dialect: fc.oneof(fc.constantFrom("postgresql", "pg", "mysql", null), anything),
      entries: fc.oneof(fc.array(fc.oneof(entry, fc.jsonValue())), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const anyJournal = fc.oneof(
    journal.map((value) => JSON.stringify(value)),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.tuple(journal, fc.nat(), anything).map(([value, at, scrap]) => {
      const whole = JSON.stringify(value);
      return whole.slice(0, at % whole.length) + scrap + whole.slice((at % whole.length) + 1);
    }),
    anything,
  );

  test("is read, or is no usable journal", { timeout }, () => {
    fc.assert(
      fc.property(anyJournal, (written) => {
        for (const read of [parseJournal, readJournal]) {
          const found = refusedOr(() => read(written, "_journal.json"));
          if (found instanceof Problem) expect(found.code).toBe("history_invalid");
        }
        refusedOr(() => recordedSums(written));
        refusedOr(() => parseSinkFile(written, "event-sink.sql"));
      }),
      fuzzed(3),
    );
  });

  test("that was written comes back", { timeout }, () => {
    const tag = text.filter((name) => !/[/\\\0\r\n]/.test(name) && !["", ".", ".."].includes(name));
    fc.assert(
      fc.property(fc.uniqueArray(tag, { maxLength: 8 }), fc.boolean(), (tags, hasBom) => {
        const entries = tags.map((name, idx) => ({
          idx,
          version: "7",
          when: idx,
          tag: name,
          breakpoints: true,
        }));
        const written = JSON.stringify({ version: "7", dialect: "postgresql", entries }, null, 2);
        expect(parseJournal(`${hasBom ? "\uFEFF" : ""}${written}`, "j")).toEqual(entries);
      }),
      fuzzed(1),
    );
  });
});

describe(`a database URL (${REPEAT})`, () => {
  const PARTS = [
    "postgres://",
    "u",
    ":",
    "pw",
    "@",
    "h",
    "/",
    "d",
    "?",
    "&",
    "=",
    "%",
    "%40",
    "%zz",
    "#",
    "[::1]",
    "[",
    ",",
    "5432",
    "host=",
    "port=",
    "/tmp",
    "sslmode=",
    "require",
    "user=",
    "password=",
    "dbname=",
    "options=",
    "connect_timeout=",
    "service=",
    " ",
    "\n",
    "ä",
    "%00",
    "%ff",
    "+",
  ] as const;
  const anyUrl = fc.oneof(
    fc.array(fc.constantFrom(...PARTS), { maxLength: 12 }).map((parts) => parts.join("")),
    fc
      .array(fc.constantFrom(...PARTS), { maxLength: 12 })
      .map((parts) => `postgres://${parts.join("")}`),
    fc.webUrl(),
    anything,
  );
  const env = fc.dictionary(
    fc.constantFrom(
      "PGHOST",
      "PGPORT",
      "PGUSER",
      "PGDATABASE",
      "PGPASSWORD",
      "PGSSLMODE",
      "PGOPTIONS",
      "PGAPPNAME",
      "PGCONNECT_TIMEOUT",
      "PGSSLROOTCERT",
      "PGTARGETSESSIONATTRS",
      "PGSSLNEGOTIATION",
    ),
    fc.oneof(fc.constantFrom("", "a,b", "1,2", "/tmp", "require", "0", "-1", "x"), text),
  );
  const HOME = "/nonexistent";

  test("is taken apart, or refused without a word of it", { timeout }, () => {
    fc.assert(
      fc.property(anyUrl, env, (url, given) => {
        const address = refusedOr(() => readAddress(url));
        expect(address instanceof Problem).toBe(urlProblem(url) !== undefined);
        describeTarget(url);
        replaceDatabase(url, "other");
        const resolved = refusedOr(() => resolveUrl(url, "tidemark", { HOME, ...given }));
        const warned = refusedOr(() => urlWarnings(url, { HOME, ...given }));
        for (const found of [address, resolved, warned]) {
          if (found instanceof Problem) expect(found.code).toBe("config");
        }
        if (resolved instanceof Problem || !("options" in resolved)) return;
        const { host, port } = resolved.options;
        expect(port.length).toBe(host.length);
        for (const one of port)
          expect(Number.isInteger(one) && one >= 0 && one <= 65_535).toBe(true);
      }),
      fuzzed(4),
    );
  });

  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter(isWellFormed);
  const host = fc.oneof(
    fc.constantFrom("h", "h.example", "127.0.0.1", "::1", "fe80::1", "/tmp/a b", "/cloudsql/p:r:i"),
    fc.domain(),
  );
  const parts = fc.record({
    host,
    port: fc.nat(65_535).map(String),
    user: name,
    password: name,
    database: name,
  });

  test("that we write says what it was made of, to us and to pg", { timeout }, () => {
    fc.assert(
      fc.property(parts, (given) => {
        const url = formatUrl(given);
        const { options } = resolveUrl(url, "tidemark", { HOME });
        const { user, password, database, path } = options;
        expect({ user, password, database }).toEqual({
          user: given.user,
          password: given.password,
          database: given.database,
        });
        if (path === undefined)
          expect([options.host, options.port]).toEqual([[given.host], [Number(given.port)]]);
        else expect(path).toBe(`${given.host}/.s.PGSQL.${given.port}`);
        // pg leaves these encoded in a database's name, and takes dots for a path's.
        if (/[;/?:@&=+$,#%.]/.test(given.database)) return;
        const client = new pg.Client({ connectionString: url });
        expect([client.user, client.password, client.database]).toEqual([
          given.user,
          given.password,
          given.database,
        ]);
        if (path === undefined) expect(client.port).toBe(Number(given.port));
      }),
      fuzzed(2),
    );
  });

  test("leads to another database with all the rest as it was, and is named without its password", {
    timeout,
  }, () => {
    fc.assert(
      fc.property(
        parts,
        name,
        fc.constantFrom("", "sslmode=disable", "dbname=x&connect_timeout=3"),
        ({ password, ...given }, database, query) => {
          const secret = `geheim${password}wort`;
          const made = formatUrl({ ...given, password: secret });
          const url = query === "" ? made : `${made}${made.includes("?") ? "&" : "?"}${query}`;
          const before = readAddress(url);
          const after = readAddress(replaceDatabase(url, database));
          expect(after).toEqual({ ...before, database });
          expect(describeTarget(url)).not.toMatch(/geheim|wort/);
          for (const broken of [
            `${url}#`,
            url.replace("@", "@@"),
            url.replace("postgres", "mysql"),
          ]) {
            const found = refusedOr(() => readAddress(broken));
            if (found instanceof Problem) expect(found.message).not.toMatch(/geheim/);
          }
        },
      ),
      fuzzed(2),
    );
  });

  test("that the environment makes is one that can be read, or refused", { timeout }, () => {
    fc.assert(
      fc.property(env, (given) => {
        const made = refusedOr(() => environmentUrl({ HOME, ...given }));
        if (made === undefined || made instanceof Problem) return;
        refusedOr(() => resolveUrl(made.url, "tidemark", { HOME, ...given }));
      }),
      fuzzed(2),
    );
  });

  test("finds its line in a password file, whatever stands in it", { timeout }, () => {
    const line = fc
      .string({ unit: "grapheme", maxLength: 12 })
      .filter((one) => !/[\r\n\0]/.test(one));
    const escaped = (field: string) => field.replaceAll(/[\\:]/g, "\\$&");
    fc.assert(
      fc.property(
        fc.tuple(line, line, line),
        line,
        anything,
        ([host, database, user], password, noise) => {
          // A line that begins with # is a comment, and * stands for everything.
          if (host.startsWith("#") || host === "") return;
          const fields = [host, "5432", database, user, password].map(escaped).join(":");
          const login = { hosts: [{ name: host, port: "5432" }], user, database };
          expect(passwordIn(`${fields}\n${noise}`, login)).toBe(password);
          passwordIn(noise, login);
          serviceIn(noise, "mine");
        },
      ),
      fuzzed(2),
    );
  });
});

/** What can be encoded at all: no half of a pair. */
function isWellFormed(one: string): boolean {
  return !/[\ud800-\udfff](?![\udc00-\udfff])|\0/u.test(one) && encodable(one);
}

function encodable(one: string): boolean {
  try {
    encodeURIComponent(one);
    return true;
  } catch {
    return false;
  }
}
