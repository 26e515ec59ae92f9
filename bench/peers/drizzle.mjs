// The peer: what drizzle's documentation tells an application to run.
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

const [, , url, migrationsFolder] = process.argv;
const client = postgres(url, { max: 1, onnotice: () => undefined });
await migrate(drizzle(client), { migrationsFolder });
await client.end();
