import { expect, inject, test } from "vitest";
import { backfillText } from "../helpers/backfill.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
const scratch = () => ["--scratch-url", inject("serverUrl")];

test("drift expects what a backfill does at its end once it is done, and not before", async () => {
  await shop.project.write(
    "drizzle/0002_first_note.ts",
    backfillText(
      `table: "notes", set: "author = 'nobody'", where: "author is null", background: true,
       finalize: "alter table notes alter column author set not null"`,
    ),
  );
  await shop.tidemark("migrate");
  expect(await shop.tidemark("drift", ...scratch())).toContain("No drift");
  await shop.tidemark("backfill", "run");
  expect(await shop.tidemark("drift", ...scratch())).toContain("No drift");
  await shop.database.sql`alter table notes alter column author drop not null`;
  expect(await shop.tidemark("drift", ...scratch())).toContain("author");
});
