import postgres from "postgres";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { at, CREDITED, INSTANCE, newId, PAYLOAD } from "./account.ts";
import type { Emmett } from "./emmett.ts";
import { compare } from "./sides.ts";

const CLIENTS = 16;
const BATCH = 100;
const COLUMNS =
  "instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload";

interface Appends {
  readonly databases: { readonly ours: string; readonly emmett: string };
  readonly emmett: Emmett;
  readonly rounds: number;
  readonly seconds: number;
}

/** Single events and batches: the store, the floor, emmett. */
export async function compareAppends({ databases, emmett, rounds, seconds }: Appends) {
  const pool = new DatabasePool({ url: databases.ours, max: CLIENTS });
  const raw = postgres(databases.ours, { max: CLIENTS, fetch_types: false });
  const other = emmett.getPostgreSQLEventStore(databases.emmett);
  await other.schema.migrate();
  const store = createEventStore({ pool });
  const common = { clients: CLIENTS, rounds, seconds };
  try {
    await compare({
      ...common,
      name: `push of one event, ${CLIENTS} clients`,
      sides: {
        tidemark: async () => {
          await store.push([at(newId()).append({ expected: "none", events: [CREDITED] })]);
          return 1;
        },
        "floor (pool)": async () => {
          const row = [INSTANCE, "account", newId(), 1, CREDITED.type, 1, "bench", "bank", PAYLOAD];
          await pool.query(ONE_ROW, row);
          return 1;
        },
        "floor (driver)": async () => {
          const row = [INSTANCE, "account", newId(), 1, CREDITED.type, 1, "bench", "bank", PAYLOAD];
          await raw.unsafe(ONE_ROW, row as never[], { prepare: true });
          return 1;
        },
        emmett: async () => {
          await other.appendToStream(newId(), [EMMETTS]);
          return 1;
        },
      },
    });
    const events = Array.from({ length: BATCH }, () => CREDITED);
    await compare({
      ...common,
      name: `push of ${BATCH} events, ${CLIENTS} clients`,
      sides: {
        tidemark: async () => {
          await store.push([at(newId()).append({ expected: "none", events })]);
          return BATCH;
        },
        "floor (values)": async () => {
          const id = newId();
          const rows = events.flatMap(({ type }, i) => [
            INSTANCE,
            "account",
            id,
            i + 1,
            type,
            1,
            "bench",
            "bank",
            PAYLOAD,
          ]);
          await raw.unsafe(MANY_ROWS, rows as never[], { prepare: true });
          return BATCH;
        },
        "floor (json)": async () => {
          const id = newId();
          const rows = events.map(({ type, payload }, i) => {
            return { i: id, s: i + 1, t: type, p: payload };
          });
          await raw.unsafe(JSON_ROWS, [INSTANCE, rows] as never[], { prepare: true });
          return BATCH;
        },
        emmett: async () => {
          await other.appendToStream(newId(), EMMETTS_BATCH);
          return BATCH;
        },
      },
    });
  } finally {
    await pool.close();
    await raw.end();
    await other.close();
  }
}

const EMMETTS = { type: CREDITED.type, data: PAYLOAD };
const EMMETTS_BATCH = Array.from({ length: BATCH }, () => EMMETTS);

const ONE_ROW = `insert into eventstore.events (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

const MANY_ROWS = `insert into eventstore.events (${COLUMNS}) values ${Array.from(
  { length: BATCH },
  (_, row) => `(${Array.from({ length: 9 }, (_, i) => `$${row * 9 + i + 1}`).join(", ")})`,
).join(", ")}`;

const JSON_ROWS = `
  insert into eventstore.events (${COLUMNS})
  select $1, 'account', e.i, e.s, e.t, 1, 'bench', 'bank', e.p
  from jsonb_to_recordset($2) as e (i text, s bigint, t text, p jsonb)`;
