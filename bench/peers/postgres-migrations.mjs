import pg from "pg";
import { migrate } from "postgres-migrations";

const [, , connectionString, folder] = process.argv;
const client = new pg.Client({ connectionString });
await client.connect();
await migrate({ client }, folder);
await client.end();
