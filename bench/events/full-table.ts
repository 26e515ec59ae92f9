import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createPoll, pollBehind } from "../../src/projections/poll.ts";
import { at, CREDITED, newId } from "./account.ts";
import { compare } from "./sides.ts";

const CLIENTS = 16;
const INSTANCES = 100;
const PAGE = 1_000;

interface Sizes {
  readonly databases: { readonly empty: string; readonly full: string };
  readonly rounds: number;
  readonly seconds: number;
  readonly events: number;
}

/** Appends, polls and pages in a table of millions beside a table of one event an instance. */
export async function compareSizes({ databases, rounds, seconds, events }: Sizes) {
  const full = await openFilled(databases.full, events);
  const empty = await openFilled(databases.empty, INSTANCES);
  const [ours, theirs] = [`${events.toLocaleString("en")} events`, "empty"];
  const append = (store: typeof full.store) => async () => {
    await store.push([at(newId(), "i1").append({ expected: "none", events: [CREDITED] })]);
    return 1;
  };
  const names = ["users", "orgs", "balances"];
  // As a runner does between appends, and as the first poll after one.
  const poll = (pool: DatabasePool) => {
    const look = createPoll(pool, names);
    return async () => {
      await look();
      return 1;
    };
  };
  const wholePoll = (pool: DatabasePool) => async () => {
    await pollBehind(pool, names);
    return 1;
  };
  // The last page that a projection reads: a cursor near the end, whatever came before.
  const page = (store: typeof full.store, after: number) => async () => {
    let count = 0;
    for await (const _ of store.readInstance("i2", { after, pageSize: PAGE })) count += 1;
    return Math.max(1, count);
  };
  try {
    await compare({
      name: `push of one event, ${CLIENTS} clients`,
      clients: CLIENTS,
      rounds,
      seconds,
      sides: { [ours]: append(full.store), [theirs]: append(empty.store) },
    });
    for (const { pool } of [full, empty]) await pool.query(ALL_HANDLED);
    await compare({
      name: `poll of 3 projections in ${INSTANCES} instances`,
      clients: 1,
      rounds,
      seconds,
      sides: { [ours]: poll(full.pool), [theirs]: poll(empty.pool) },
    });
    await compare({
      name: "the same, where something was appended",
      clients: 1,
      rounds,
      seconds,
      sides: { [ours]: wholePoll(full.pool), [theirs]: wholePoll(empty.pool) },
    });
    // As many events behind each cursor.
    const tail = await appendTail(full.store);
    const start = await appendTail(empty.store);
    await compare({
      name: `read of the last ${PAGE} events of an instance`,
      clients: 1,
      rounds,
      seconds,
      sides: { [ours]: page(full.store, tail), [theirs]: page(empty.store, start) },
    });
  } finally {
    await full.pool.close();
    await empty.pool.close();
  }
}

const ALL_HANDLED = `
  update projections.current_states
  set position = (select max(global_sequence) from eventstore.events)`;

async function appendTail(store: ReturnType<typeof createEventStore>): Promise<number> {
  const after = (await store.barrier("i2")) ?? 0;
  const events = Array.from({ length: PAGE }, () => CREDITED);
  await store.push([at(newId(), "i2").append({ expected: "none", events })]);
  return after;
}

/** Events of 100 instances, interleaved, each of 50 aggregates; every projection has handled them. */
async function openFilled(url: string, events: number) {
  const pool = new DatabasePool({ url, max: CLIENTS });
  const statements = [
    `insert into eventstore.events (
       instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload
     )
     select 'i' || n % ${INSTANCES}, 'account', 'a' || (n / ${INSTANCES}) / 50, 1 + (n / ${INSTANCES}) % 50,
       'account.credited', 1, 'bench', 'bank',
       '{"amount": 4200, "currency": "EUR", "reference": "RF18 5390 0754 7034", "note": "x"}'
     from generate_series(0, ${events - 1}) n`,
    `insert into projections.current_states (instance_id, projection_name, position)
     select 'i' || i, p, (select max(global_sequence) from eventstore.events)
     from generate_series(0, ${INSTANCES - 1}) i, unnest(array['users', 'orgs', 'balances']) p`,
    `insert into projections.current_states (instance_id, projection_name, position)
     select 'system', p, (select max(global_sequence) from eventstore.events)
     from unnest(array['users', 'orgs', 'balances']) p`,
    "vacuum analyze eventstore.events",
    "checkpoint",
  ];
  for (const statement of statements) await pool.query(statement);
  return { pool, store: createEventStore({ pool }) };
}
