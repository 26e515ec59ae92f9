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
import { environmentUrl } from "../../src/db/connection/pg-environment.ts";
import { serviceIn } from "../../src/db/connection/service-file.ts";
import { FUZZ_TIMEOUT_MS, fuzzed, REPEAT } from "../helpers/fuzz.ts";
import { refusedOr } from "../helpers/refused.ts";

const timeout = FUZZ_TIMEOUT_MS;
const anything = fc.string({ unit: "binary", maxLength: 30 });
const text = fc.oneof(anything, fc.string({ unit: "grapheme", maxLength: 20 }));

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
        if (resolved.options.path === undefined) expect(port.length).toBe(host.length);
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
          refusedOr(() => serviceIn(noise, "mine", "pg_service.conf"));
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
