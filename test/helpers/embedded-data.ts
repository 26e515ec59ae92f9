import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import {
  acquireEmbeddedServer,
  type EmbeddedOptions,
  EmbeddedServerError,
} from "../../src/db/embedded/index.ts";
import { withFolder } from "./embedded-folder.ts";

export function acquire(dir: string, options: Partial<EmbeddedOptions> = {}) {
  return acquireEmbeddedServer({ dir, settings: { fsync: "off" }, ...options });
}

/** Somebody's command: starts or joins, and leaves. */
export async function comeAndGo(dir: string): Promise<void> {
  await (await acquire(dir)).release();
}

/** A test begins in a copy of a folder that was made once for its file, as a later start. */
export function useData(): (use: (dir: string) => Promise<void>) => Promise<void> {
  let template: string;
  beforeAll(async () => {
    template = join(await mkdtemp(join(tmpdir(), "tidemark-template-")), ".tidemark");
    await comeAndGo(template);
  });
  afterAll(() => rm(dirname(template), { recursive: true }));
  return (use) =>
    withFolder(async (dir) => {
      execFileSync("cp", ["-a", template, dir]);
      await use(dir);
    });
}

export async function failure(promise: Promise<unknown>): Promise<EmbeddedServerError> {
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
