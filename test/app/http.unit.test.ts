import { describe, expect, test } from "vitest";
import { isLoopback, isPrivateHost, urlOf } from "../../src/app/hosts.ts";
import { publicState, type Readiness } from "../../src/app/readiness.ts";
import { shared } from "../../src/app/shared.ts";
import { MigrateError } from "../../src/db/migrate/index.ts";

describe("an address to listen on", () => {
  test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])(
    "%s is this machine's alone",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  test.each(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com", "127", "example.com"])(
    "%s is not, or it cannot be known",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );

  test.each([
    ["0.0.0.0", "http://localhost:1"],
    ["::1", "http://localhost:1"],
    ["fd00::1", "http://[fd00::1]:1"],
    ["10.0.0.1", "http://10.0.0.1:1"],
  ])("%s is found at %s", (host, url) => {
    expect(urlOf(host, 1)).toBe(url);
  });
});

describe("a Host header", () => {
  test.each([
    "localhost:3000",
    "LOCALHOST",
    "app.localhost:3000",
    "127.0.0.1:13000",
    "[::1]:13000",
    "[fd00::1]",
    "10.244.0.7:13000",
    "tidemark",
    "tidemark.default.svc",
    "tidemark.default.svc.cluster.local:13000",
    "app.test",
  ])("%s can be no website's", (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });

  test.each([
    undefined,
    "",
    "example.com",
    "localhost.example.com",
    "127.0.0.1.example.com:3000",
    "example.com.",
    "localhost.com",
    "nip.io",
    "10-0-0-1.nip.io",
    "a b",
    "evil.example#.local",
    "evil.example/.local",
  ])("%s can be, or is none", (host) => {
    expect(isPrivateHost(host)).toBe(false);
  });
});

describe("what everybody is told", () => {
  const error = new MigrateError({
    code: "migration_failed",
    tag: "0001_secret",
    fact: "a secret",
    remedy: "a secret",
  });
  const holder = {
    runId: "secret",
    host: "secret",
    processId: 1,
    user: "secret",
    backendPid: 1,
    activity: "secret",
    zombie: null,
    since: new Date(),
  };
  test.each<[Readiness, object]>([
    [{ kind: "starting", what: "secret" }, { status: "starting" }],
    [{ kind: "connecting", what: "secret" }, { status: "waiting" }],
    [{ kind: "waiting", what: "secret", holder }, { status: "waiting" }],
    [
      { kind: "migrating", tag: "0001_a", number: 1, total: 2, since: new Date() },
      { status: "migrating", tag: "0001_a" },
    ],
    [
      { kind: "ready", version: "0001_a", newer: true },
      { status: "ready", version: "0001_a" },
    ],
    [
      { kind: "ready", version: undefined, newer: false },
      { status: "ready", version: null },
    ],
    [{ kind: "unavailable", reason: "secret" }, { status: "database unavailable" }],
    [{ kind: "behind", version: "0001_a", tags: ["secret"], error }, { status: "database behind" }],
    [{ kind: "unusable", error }, { status: "database differs" }],
    [
      { kind: "failed", error },
      { status: "failed", tag: "0001_secret" },
    ],
    [{ kind: "pending", tags: ["0001_a"] }, { status: "pending" }],
    [{ kind: "stopping" }, { status: "stopping" }],
  ])("of $kind is its state and the tag", (readiness, state) => {
    expect(publicState(readiness)).toStrictEqual(state);
  });
});

describe("a shared read", () => {
  /** Counts its reads; each is under way until it is told to end. */
  function counted() {
    const ends: ((value: number) => void)[] = [];
    const read = () => new Promise<number>((resolve) => ends.push(resolve));
    return {
      read,
      ends,
      end: async (index: number) => {
        ends[index]?.(index);
        await Promise.resolve();
      },
    };
  }

  test("is one for all who ask while it is under way, and for a while after it", async () => {
    const { read, ends, end } = counted();
    const { get } = shared(read, 60_000);
    const asked = [get(), get()];
    await end(0);
    expect(await Promise.all([...asked, get()])).toEqual([0, 0, 0]);
    expect(ends).toHaveLength(1);
  });

  test("is another one after that, also where the last one failed", async () => {
    let reads = 0;
    const { get } = shared(async () => {
      reads += 1;
      throw new Error(`read ${reads}`);
    }, 1);
    await expect(get()).rejects.toThrow("read 1");
    await expect.poll(() => get().catch(({ message }: Error) => message)).toBe("read 3");
  });

  test("that is forgotten is not given to who asks later, even where it is still under way", async () => {
    const { read, end } = counted();
    const { get, forget } = shared(read, 60_000);
    const before = get();
    forget();
    const after = get();
    await end(1);
    await end(0);
    expect(await Promise.all([before, after, get()])).toEqual([0, 1, 1]);
  });
});
