import { expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";
import { readmeExample } from "../helpers/readme-examples.ts";

const shop = useProject();

// That of `rebase` needs git: test/rebase.
test("the README's examples of init, plan, migrate and rollback run as they stand, in turn", async () => {
  await shop.project.write("drizzle/0002_first_note.down.sql", "delete from notes;");
  const shown = [
    ["init", 'create role "shop_app" login'],
    ["plan", "-- 3 pending. Nothing was run."],
    ["migrate", "Applied 3 migrations"],
    ["rollback", "-- loses: rows of table notes (1 row)"],
    ["status", "0 pending"],
  ] as const;
  for (const [command, text] of shown) {
    const screen = await shop.tidemark(...(await readmeExample(command)));
    expect(screen).toMatch(/^exit code 0\n/);
    expect(screen).toContain(text);
  }
});
