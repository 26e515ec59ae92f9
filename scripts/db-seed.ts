import { sql } from "drizzle-orm";
import { acquireEmbeddedServer } from "../src/db/embedded/index.ts";
import { DatabaseMigrator } from "../src/db/migrate/index.ts";
import { DatabasePool } from "../src/db/pool/index.ts";
import {
  events,
  orgs,
  uniqueConstraints,
  userHumans,
  userMachines,
  userNotifications,
  users,
} from "../src/db/schema/index.ts";
import { configuredUrl, DEV_DIR, PROJECT, script } from "./dev-server.ts";
import { SEED_INSTANCE, SEED_ORGS, SEED_USERS } from "./seed-data.ts";
import {
  humanRow,
  machineRow,
  notificationRow,
  orgEvents,
  orgRows,
  uniqueFields,
  userEvents,
  userRow,
} from "./seed-rows.ts";

await script(async () => {
  if (process.env.NODE_ENV === "production") {
    console.error("NODE_ENV is production: nothing was written. The seed is for development.");
    return 2;
  }
  const url = configuredUrl();
  if (url !== undefined) return seed(url);
  const server = await acquireEmbeddedServer({
    dir: DEV_DIR,
    onProgress: (line) => console.error(line),
  });
  try {
    return await seed(server.url);
  } finally {
    await server.release();
  }
});

async function seed(url: string): Promise<number> {
  const { pending } = await new DatabaseMigrator({ url, dir: `${PROJECT}/drizzle` }).status();
  if (pending > 0) {
    console.error(
      `${pending} migrations are pending: nothing was written. Next: npm run db:migrate`,
    );
    return 3;
  }
  const pool = new DatabasePool({ url });
  try {
    const written = await pool.transaction(async (transaction) => {
      const [there] = await transaction.drizzle
        .select({ id: orgs.id })
        .from(orgs)
        .where(sql`${orgs.instanceId} = ${SEED_INSTANCE}`)
        .limit(1);
      if (there !== undefined) return false;
      // Numbers of events are drawn under the shared lock of their instance, as by every append.
      await transaction.drizzle.execute(
        sql`select pg_advisory_xact_lock_shared(hashtextextended(${`eventstore.events:${SEED_INSTANCE}`}, 0))`,
      );
      const db = transaction.drizzle;
      await db.insert(events).values([...orgEvents(), ...userEvents()]);
      await db.insert(uniqueConstraints).values(uniqueFields());
      await db.insert(orgs).values(orgRows());
      await db.insert(users).values(SEED_USERS.map(userRow));
      await db.insert(userHumans).values(SEED_USERS.flatMap(humanRow));
      await db.insert(userMachines).values(SEED_USERS.flatMap(machineRow));
      await db.insert(userNotifications).values(SEED_USERS.flatMap(notificationRow));
      return true;
    });
    console.log(
      written
        ? `Wrote ${SEED_ORGS.length} organisations and ${SEED_USERS.length} users to the instance ${SEED_INSTANCE}.`
        : `The instance ${SEED_INSTANCE} already has data: nothing was written.`,
    );
    return 0;
  } finally {
    await pool.close();
  }
}
