import { describe, expect, test } from "vitest";
import { refuseMusl } from "../../src/db/embedded/binaries.ts";
import { serverEnvironment } from "../../src/db/embedded/launch.ts";
import { parsePidFile } from "../../src/db/embedded/pid-file.ts";
import { parsePasswd } from "../../src/db/embedded/server-user.ts";

describe("parsePasswd", () => {
  test.each([
    [
      "an entry",
      "postgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/sh",
      { name: "postgres", uid: 101, gid: 104 },
    ],
    [
      "macOS's negative numbers",
      "nobody:*:-2:-2:Unprivileged:/var/empty:/bin/false",
      { name: "nobody", uid: -2, gid: -2 },
    ],
  ])("reads %s", (_, line, entry) => {
    expect(parsePasswd(`${line}\n`)).toEqual([entry]);
  });

  test.each([
    ["a comment", "# User Database"],
    ["NIS's marker", "+::::::"],
    ["an empty line", ""],
    ["a line without numbers", "broken:x::"],
  ])("skips %s", (_, line) => {
    expect(parsePasswd(`${line}\nroot:x:0:0::/root:/bin/sh\n`)).toEqual([
      { name: "root", uid: 0, gid: 0 },
    ]);
  });
});

describe("parsePidFile", () => {
  const lines = [
    "4711",
    "/data",
    "1700000000",
    "25432",
    "",
    "127.0.0.1",
    "  1245   32",
    "ready   ",
    "",
  ];

  test("reads a server that takes connections", () => {
    expect(parsePidFile(lines.join("\n"))).toEqual({
      pid: 4711,
      port: 25432,
      startedAt: "1700000000",
      status: "ready",
    });
  });

  test("reads a server that has only begun to write it", () => {
    expect(parsePidFile("4711\n/data\n")).toMatchObject({ pid: 4711, status: "" });
  });

  test.each(["", "\n", "-", "no number\n"])("takes %j for no pid file", (text) => {
    expect(parsePidFile(text)).toBeUndefined();
  });
});

test("the server's environment lacks what would set it up or change its language", () => {
  const env = {
    PATH: "/bin",
    PGDATA: "/x",
    pgport: "1",
    LANG: "de",
    LC_TIME: "de",
    TZ: "Asia/Tokyo",
  };
  expect(serverEnvironment(env)).toEqual({ PATH: "/bin", LC_ALL: "C", TZ: "UTC" });
});

describe("the C library", () => {
  const MUSL = "ld-musl-x86_64.so.1";

  test("of Alpine is refused, with the ways out", () => {
    const refuse = () =>
      refuseMusl("linux-x64", { glibcVersion: undefined, libraries: ["apk", MUSL] });
    expect(refuse).toThrow(
      expect.objectContaining({
        code: "unsupported_platform",
        fact: "No embedded PostgreSQL is published for Linux with musl, such as Alpine (linux-x64).",
        remedy: expect.stringMatching(
          /node:22-slim.*--scratch-url.*\nOr use a server of your own/s,
        ),
      }),
    );
  });

  test.each([
    ["glibc", { glibcVersion: "2.36", libraries: [] }],
    ["glibc, with musl beside it", { glibcVersion: "2.36", libraries: [MUSL] }],
    [
      "one that does not say its name",
      { glibcVersion: undefined, libraries: ["x86_64-linux-gnu"] },
    ],
  ])("%s is fine", (_name, libc) => {
    expect(() => refuseMusl("linux-x64", libc)).not.toThrow();
  });
});
