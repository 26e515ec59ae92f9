import { createCommands, projections } from "../src/app/aggregates.ts";
import { acquireEmbeddedServer } from "../src/db/embedded/index.ts";
import { DatabaseMigrator } from "../src/db/migrate/index.ts";
import { DatabasePool } from "../src/db/pool/index.ts";
import { DomainError } from "../src/domain/index.ts";
import { createEventStore } from "../src/eventstore/index.ts";
import { createProjectionRunner } from "../src/projections/index.ts";
import { configuredUrl, DEV_DIR, PROJECT, script } from "./dev-server.ts";
import { SEED_INSTANCE, SEED_ORGS, SEED_PASSWORD, SEED_USERS } from "./seed-data.ts";

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
    const store = createEventStore({ pool });
    const { users, orgs } = createCommands({ store });
    const call = { instanceId: SEED_INSTANCE, creator: "seed" };
    const written = { orgs: 0, users: 0 };
    for (const org of SEED_ORGS) {
      if (await isNew(orgs.add({ ...call, ...org }))) written.orgs += 1;
    }
    for (const user of SEED_USERS) {
      const password = SEED_PASSWORD;
      const add =
        user.kind === "machine"
          ? users.addMachine({ ...call, ...user })
          : users.addHuman({ ...call, ...user, ...(user.isEmailVerified && { password }) });
      if (await isNew(add)) written.users += 1;
    }
    await createProjectionRunner({ pool, store, projections }).catchUp();
    console.log(
      written.orgs + written.users > 0
        ? `Wrote ${written.orgs} organisations and ${written.users} users to the instance ${SEED_INSTANCE}.`
        : `The instance ${SEED_INSTANCE} already has this data: nothing was written.`,
    );
    return 0;
  } finally {
    await pool.close();
  }
}

/** False if it was there already, or was removed since. */
async function isNew(adding: Promise<unknown>): Promise<boolean> {
  try {
    await adding;
    return true;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    if (error.code === "already_exists" || error.code === "not_found") return false;
    throw error;
  }
}
