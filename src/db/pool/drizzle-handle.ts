import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgres from "postgres";
import * as schema from "../schema/index.ts";
import type { Result, Statement } from "./session.ts";

/** Drizzle over the pool or a transaction of it, knowing the tables of `src/db/schema`. */
export type DrizzleHandle = PostgresJsDatabase<typeof schema>;

/** What drizzle needs: statements, and a way to run some atomically. */
export interface DrizzleSource {
  run(statement: Statement): Promise<Result>;
  /** A transaction, or a savepoint within one. */
  atomically<T>(work: (inner: DrizzleSource) => Promise<T>): Promise<T>;
}

export function createDrizzleHandle(source: DrizzleSource): DrizzleHandle {
  return drizzle({ client: clientOver(source) as unknown as postgres.Sql, schema });
}

/**
 * The part of a postgres.js client that drizzle-orm 0.45 uses. Not a real client: drizzle would call
 * its `begin`, which goes on in autocommit when the connection dies, and rewrite its type parsers.
 */
function clientOver(source: DrizzleSource) {
  const atomically = <T>(work: (client: unknown) => Promise<T>) =>
    source.atomically((inner) => work(clientOver(inner)));
  return {
    options: { parsers: {}, serializers: {} },
    unsafe: (text: string, params: readonly unknown[] = []) => {
      let shape: NonNullable<Statement["shape"]> = "drizzle-objects";
      // One tick later, because drizzle asks the returned promise for arrays.
      const result = Promise.resolve().then(() => source.run({ text, params, shape }));
      const values = () => {
        shape = "drizzle";
        return result;
      };
      return Object.assign(result, { values });
    },
    begin: atomically,
    savepoint: atomically,
  };
}
