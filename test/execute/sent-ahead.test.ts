import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";

const database = useDatabase();
// Each takes the server so long that the next could be sent meanwhile.
const folder = useHistory(
  Object.fromEntries(
    Object.entries(countingHistory(6)).map(([tag, sql]) => [tag, `${sql}\nselect pg_sleep(0.1);`]),
  ),
);

// PgBouncer up to 1.20 gives the replies to what a killed client has sent ahead to the next one.
test.each([
  { query: "?pgbouncer=true", what: "behind a pooler none is sent before the last is answered" },
  { query: "", what: "on a direct connection they are" },
])("messages sent ahead: $what", async ({ query }) => {
  let unanswered = 0;
  let most = 0;
  const migrator = new DatabaseMigrator(
    { url: database.url + query, dir: folder.dir },
    {
      onFailpoint: ({ phase }) => {
        if (phase === "before") unanswered += 1;
        if (phase === "after") unanswered -= 1;
        most = Math.max(most, unanswered);
      },
    },
  );
  expect((await migrator.migrate()).applied).toHaveLength(6);
  if (query === "") expect(most).toBeGreaterThan(1);
  else expect(most).toBe(1);
});
