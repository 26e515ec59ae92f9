// A writer or a projection runner of the loss harness, in a process of its own, until it is killed.

import { setTimeout as sleep } from "node:timers/promises";
import { bigint, bigserial, pgSchema, text } from "drizzle-orm/pg-core";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner, defineProjection, on } from "../../src/projections/index.ts";
import { account, credited } from "./account-definition.ts";

const [, , role, url = "", instances = ""] = process.argv;
const pool = new DatabasePool({ url, max: 4, applicationName: `loss ${role}` });
const store = createEventStore({ pool });

const seen = pgSchema("projections").table("loss_seen", {
  order: bigserial("seen_order", { mode: "number" }),
  instanceId: text("instance_id").notNull(),
  position: bigint("position", { mode: "number" }).notNull(),
});

if (role === "projector") project();
else await write(instances.split(","));

/** Every event of accounts becomes a row, as often as it is handled. */
function project(): void {
  const projection = defineProjection({
    name: "loss",
    tables: { seen },
    handles: [on(account)],
    handle: async (tx, batch, tables) => {
      await tx
        .insert(tables.seen)
        .values(batch.map(({ instanceId, position }) => ({ instanceId, position })));
    },
  });
  createProjectionRunner({ pool, store, projections: [projection] }).start();
}

class RolledBack extends Error {}

async function write(names: readonly string[]): Promise<never> {
  for (;;) {
    const instanceId = names[Math.floor(Math.random() * names.length)] ?? "";
    const intent = account
      .at({ instanceId, id: `a${Math.floor(Math.random() * 20)}`, owner: "o", creator: "c" })
      .append({ expected: "any", events: [credited(1), credited(2)].slice(Math.random() * 2) });
    const chance = Math.random();
    try {
      // Alone, or in a transaction that stays open while other events become visible.
      if (chance < 0.5) await store.push([intent]);
      else {
        await pool.transaction(async (transaction) => {
          await store.push([intent], { transaction });
          await sleep(Math.random() * 20);
          if (chance > 0.95) throw new RolledBack();
        });
      }
    } catch (error) {
      // A busy aggregate's conflict, and a deadlock of two pushes, are part of the game.
      if (!(error instanceof Error)) throw error;
    }
    await sleep(Math.random() * 5);
  }
}
