import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, onTestFinished, test, vi } from "vitest";
import { removeContainer, startContainer } from "../../scripts/test-container.ts";
import { acquireEmbeddedServer } from "../../src/db/embedded/index.ts";
import { engineOf, fakeDocker, PULL_FAILS } from "../helpers/fake-docker.ts";

let project: string;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "tidemark-container-"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(project, { recursive: true, force: true });
});

/** The engine of the tests is no engine: a script on the PATH. */
async function withDocker(body?: string) {
  const docker = await fakeDocker(join(project, "bin"), body);
  vi.stubEnv("PATH", docker.path);
  const start = (image: string) => startContainer({ project, image, onProgress: () => undefined });
  return { ...docker, start };
}

/** The image's superuser is postgres: a server where that is so. */
async function serverOfPostgres(): Promise<string> {
  const url = inject("serverUrl");
  if (new URL(url).username === "postgres") return url;
  const server = await acquireEmbeddedServer({
    dir: join(project, "server"),
    database: "postgres",
  });
  onTestFinished(() => server.release());
  return server.url;
}

test.each([
  ["is not there", undefined, "Docker does not answer"],
  ["has no engine", "exit 1", "Docker does not answer"],
  ["hangs", "exec sleep 60", "Docker does not answer"],
  ["cannot pull", PULL_FAILS, "the image postgres:0-nothing cannot be pulled (manifest unknown)"],
  [
    "cannot start the container",
    `case "$1" in
container) exit 1 ;;
run) echo "no space left" >&2 && exit 125 ;;
*) echo 27.0 ;;
esac`,
    "no space left",
  ],
])("where docker %s, that is a reason and no error", async (_what, body, reason) => {
  const docker = await withDocker(body);
  const start = performance.now();
  expect(await docker.start("postgres:0-nothing")).toEqual({ kind: "unavailable", reason });
  expect(performance.now() - start).toBeLessThan(6_000);
});

test("the project's container is started once and reused, replaced for another image, and removed", async () => {
  const serverUrl = await serverOfPostgres();
  const docker = await withDocker(engineOf(serverUrl, join(project, "state")));
  const { host, password } = new URL(serverUrl);
  const url = `postgres://postgres:${password}@${host}/postgres`;
  const runs = async () => (await docker.calls()).filter((call) => call.startsWith("run "));

  expect(await docker.start("postgres:17")).toEqual({ kind: "running", url, started: true });
  expect(await runs()).toEqual([
    expect.stringMatching(
      /^run --detach --name tidemark-test-[0-9a-f]{8} --label tidemark\.test-image=postgres:17 --env POSTGRES_PASSWORD=\S{24} --publish 127\.0\.0\.1::5432 postgres:17 postgres -c fsync=off -c full_page_writes=off -c max_connections=300$/,
    ),
  ]);
  expect(await docker.start("postgres:17")).toEqual({ kind: "running", url, started: false });
  expect(await runs()).toHaveLength(1);
  expect(await docker.start("postgres:16")).toEqual({ kind: "running", url, started: true });
  expect(await runs()).toHaveLength(2);
  expect(await removeContainer(project)).toBe("removed");
  expect(await removeContainer(project)).toBe("not-running");
});
