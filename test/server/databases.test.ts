import postgres from "postgres";
import { expect, inject, test } from "vitest";
import { withAdmin } from "../../src/db/server/admin.ts";
import { createDatabase, dropDatabase, dropLeftBehind } from "../../src/db/server/databases.ts";
import { newScratchName } from "../../src/db/server/marks.ts";
import { urlOfDatabase } from "../helpers/database.ts";
import { until } from "../helpers/until.ts";

const DAY_S = 86_400;

test("the sweep leaves a database that somebody has connected to since it was listed", async () => {
  await withAdmin({ url: inject("serverUrl") }, async (admin) => {
    const name = newScratchName(admin.nowS() - DAY_S);
    await createDatabase(admin, name);
    const user = postgres(urlOfDatabase(name), { max: 1 });
    const connecting = {
      ...admin,
      ask: async <Row extends object>(statement: string) => {
        if (statement.startsWith("drop") && statement.includes(name)) await user`select 1`;
        return admin.ask<Row>(statement);
      },
    };
    try {
      await dropLeftBehind(connecting, ["scratch"]);
      expect(await user`select 1 as one`).toEqual([{ one: 1 }]);
      await user.end();
      // Its session ends a moment later.
      await until(async () => {
        await dropLeftBehind(admin, ["scratch"]);
        return admin.ask(`select from pg_database where datname = '${name}'`);
      }).toEqual([]);
    } finally {
      await user.end();
      await dropDatabase(admin, name);
    }
  });
});
