import { sql } from "drizzle-orm";
import { bigint, pgSchema, text } from "drizzle-orm/pg-core";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner, defineProjection, on } from "../../src/projections/index.ts";
import { account, at, CREDITED, newId, PAYLOAD } from "./account.ts";
import type { Emmett } from "./emmett.ts";
import { print } from "./sides.ts";

const EVENTS = 20_000;
const ACCOUNTS = 400;
const BATCH = 1_000;

const balances = pgSchema("projections").table("bench_balances", {
  id: text("id").primaryKey(),
  balance: bigint("balance", { mode: "number" }).notNull(),
});

interface Projections {
  readonly databases: { readonly ours: string; readonly emmett: string };
  readonly emmett: Emmett;
  readonly rounds: number;
}

/** The balance of each account from its events, in batches of 1,000, one statement each. */
export async function compareProjections({ databases, emmett, rounds }: Projections) {
  const pool = new DatabasePool({ url: databases.ours });
  const store = createEventStore({ pool });
  const other = emmett.getPostgreSQLEventStore(databases.emmett);
  await other.schema.migrate();
  const rates = new Map<string, number[]>([
    ["tidemark", []],
    ["emmett", []],
  ]);
  try {
    await pool.query(
      "create table projections.bench_balances (id text primary key, balance bigint not null)",
    );
    const ids = Array.from({ length: ACCOUNTS }, newId);
    const streams = ids.map((id) => `balance-${id}`);
    const events = Array.from({ length: EVENTS / ACCOUNTS }, () => CREDITED);
    for (const [i, id] of ids.entries()) {
      await store.push([at(id, "projected").append({ expected: "none", events })]);
      await other.appendToStream(
        streams[i] ?? "",
        events.map(({ type }) => ({ type, data: PAYLOAD })),
      );
    }
    for (let round = 0; round < rounds; round += 1) {
      const sides = [
        ["tidemark", () => projectOurs(pool, store, round)],
        ["emmett", () => projectTheirs(emmett, databases.emmett, round)],
      ] as const;
      for (const [side, project] of round % 2 === 0 ? sides : sides.toReversed()) {
        rates.get(side)?.push(await project());
      }
    }
    print(`projection, batches of ${BATCH}`, rates);
  } finally {
    await pool.close();
    await other.close();
  }
}

/** Events a second over all that the database holds, whether they are this projection's or not. */
async function projectOurs(
  pool: DatabasePool,
  store: ReturnType<typeof createEventStore>,
  round: number,
): Promise<number> {
  let handled = 0;
  const projection = defineProjection({
    name: `bench_${round}`,
    tables: { balances },
    handles: [on(account)],
    handle: async (tx, batch, tables) => {
      const sums = new Map<string, number>();
      for (const { aggregateId, payload } of batch) {
        sums.set(aggregateId, (sums.get(aggregateId) ?? 0) + payload.amount);
      }
      await tx
        .insert(tables.balances)
        .values([...sums].map(([id, balance]) => ({ id, balance })))
        .onConflictDoUpdate({
          target: tables.balances.id,
          set: { balance: sql`${tables.balances.balance} + excluded.balance` },
        });
      handled += batch.length;
    },
  });
  const runner = createProjectionRunner({ pool, store, projections: [projection] });
  const start = performance.now();
  await runner.catchUp();
  const took = performance.now() - start;
  await runner.stop();
  return (handled / took) * 1_000;
}

async function projectTheirs(emmett: Emmett, url: string, round: number): Promise<number> {
  let handled = 0;
  const { SQL } = emmett;
  const store = emmett.getPostgreSQLEventStore(url);
  const projection = emmett.postgreSQLRawBatchSQLProjection({
    name: `bench_${round}`,
    canHandle: [CREDITED.type],
    init: () =>
      SQL`create table if not exists bench_balances (id text primary key, balance bigint not null)`,
    evolve: (events: readonly { data: typeof PAYLOAD; metadata: { streamName: string } }[]) => {
      const sums = new Map<string, number>();
      for (const { data, metadata } of events) {
        sums.set(metadata.streamName, (sums.get(metadata.streamName) ?? 0) + data.amount);
      }
      handled += events.length;
      const rows = JSON.stringify([...sums].map(([id, balance]) => ({ id, balance })));
      return [
        SQL`insert into bench_balances as b
          select r.id, r.balance from jsonb_to_recordset(${rows}::jsonb) as r (id text, balance bigint)
          on conflict (id) do update set balance = b.balance + excluded.balance`,
      ];
    },
  });
  const consumer = store.consumer({
    stopWhen: { noMessagesLeft: true },
    pulling: { batchSize: BATCH },
  });
  consumer.projector({ projection });
  const start = performance.now();
  await consumer.start();
  const took = performance.now() - start;
  await consumer.close();
  await store.close();
  return (handled / took) * 1_000;
}
