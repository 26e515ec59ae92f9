import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type BranchProject,
  cloneOf,
  createBranchProject,
  orgs,
  users,
} from "../helpers/branches.ts";

let bare: BranchProject;

beforeAll(async () => {
  bare = await createBranchProject("1.x");
});
afterAll(() => bare?.remove());

const mood = (...values: readonly string[]) =>
  `export const mood = pgEnum("mood", ${JSON.stringify(values)});\n`;

test("moves folders of 1.x behind the base's: new times, parents, values of an enum", async () => {
  const here = await cloneOf(bare, "1.x");
  await here.table("moods", mood("ok"));
  await here.done("generate", "mood");
  await here.commit("mood");
  await here.git("checkout", "--quiet", "-b", "mine");
  await here.table("orgs", orgs);
  await here.done("generate", "orgs");
  await here.table("moods", mood("sad", "ok"));
  await here.done("generate", "sad");
  await here.commit("mine");
  await here.git("checkout", "--quiet", "main");
  await here.table("moods", mood("ok", "happy"));
  await here.table("users", users("top age: integer(),", "middle name: text(),"));
  await here.done("generate", "happy");
  await here.commit("happy");
  await here.git("checkout", "--quiet", "mine");
  await here.clash("merge", "main");
  await here.table("moods", mood("sad", "ok", "happy"));

  const { code, stdout, stderr } = await here.type("rebase", "--base", "main", "--json");
  expect(code, stderr).toBe(0);
  const { moved } = JSON.parse(stdout) as {
    moved: { from: string; to: string; snapshot: string }[];
  };
  expect(moved.map(({ to, snapshot }) => `${to.slice(15)} ${snapshot}`)).toEqual([
    "orgs derived",
    "sad derived",
  ]);
  const tags = [
    ...new Set(
      Object.keys(await here.files()).flatMap(
        (file) => /^(.*)\/migration\.sql$/.exec(file)?.[1] ?? [],
      ),
    ),
  ].toSorted();
  expect(tags.map((tag) => tag.slice(15))).toEqual(["users", "mood", "happy", "orgs", "sad"]);
  const snapshots = await Promise.all(
    tags.map(
      async (tag) =>
        JSON.parse(await here.read(`${tag}/snapshot.json`)) as { id: string; prevIds: string[] },
    ),
  );
  expect(snapshots.slice(1).map(({ prevIds }) => prevIds)).toEqual(
    snapshots.slice(0, -1).map(({ id }) => [id]),
  );
  await here.commit("merged");
  expect(await here.done("rebase", "--base", "main")).toContain("Nothing to move");
  const verified = await here.type("verify", "--base", "main", "--json");
  const { checks } = JSON.parse(verified.stdout) as { checks: { status: string }[] };
  expect(
    checks.filter(({ status }) => status !== "passed"),
    verified.stderr,
  ).toEqual([]);
});
