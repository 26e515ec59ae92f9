import { runner } from "node-pg-migrate";

const [, , databaseUrl, dir] = process.argv;
const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: console.warn, error: console.error };
await runner({ databaseUrl, dir, direction: "up", migrationsTable: "pgmigrations", logger });
