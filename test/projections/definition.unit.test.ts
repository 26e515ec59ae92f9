import { DrizzleQueryError, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import { textOf } from "../../src/projections/failures.ts";
import {
  createProjectionRunner,
  defineProjection,
  defineReactor,
  on,
} from "../../src/projections/index.ts";
import { inSchema, namesOf } from "../../src/projections/rebuild/cloned-tables.ts";
import { liveGuard } from "../../src/projections/rebuild/live-guard.ts";
import { createSchedule } from "../../src/projections/schedule.ts";
import { projectionSubscriber } from "../../src/projections/subscriber.ts";
import { tallies, tallySteps } from "../helpers/tally.ts";

const boat = defineAggregate({
  type: "boat",
  events: {
    "boat.moored": event(z.object({ berth: z.string() })),
    "boat.left": event(z.object({})),
  },
});
const berth = defineAggregate({
  type: "berth",
  events: { "berth.closed": event(z.object({ reason: z.number() })) },
});
const handle = async () => undefined;

describe("a definition", () => {
  test("gives the handler the union of the events that it handles", () => {
    defineProjection({
      name: "boats",
      tables: { tallies },
      handles: [on(boat, ["boat.moored"]), on(berth)],
      handle: async (_tx, batch, tables) => {
        for (const one of batch) {
          expectTypeOf(one.type).toEqualTypeOf<"boat.moored" | "berth.closed">();
          expectTypeOf(one.aggregateType).toEqualTypeOf<"boat" | "berth">();
          if (one.type === "boat.moored") expectTypeOf(one.payload.berth).toEqualTypeOf<string>();
          else expectTypeOf(one.payload.reason).toEqualTypeOf<number>();
        }
        expectTypeOf(tables.tallies).toEqualTypeOf<typeof tallies>();
      },
    });
    defineReactor({
      name: "harbour_master",
      handles: [on(boat)],
      react: async ({ type }) => {
        expectTypeOf(type).toEqualTypeOf<"boat.moored" | "boat.left">();
      },
    });
  });

  test("refuses an event that the aggregate does not have", () => {
    // @ts-expect-error there is no such event
    expect(() => on(boat, ["boat.sunk"])).toThrow(/boat has no event boat.sunk/);
  });

  test.each(["", "Users", "users~rebuild", "1st", "a-b", "a".repeat(41)])(
    "refuses %j for a name",
    (name) => {
      expect(() => defineProjection({ name, tables: {}, handles: [], handle })).toThrow(
        expect.objectContaining({ code: "usage" }),
      );
      expect(() => defineReactor({ name, handles: [], react: handle })).toThrow(
        expect.objectContaining({ code: "usage" }),
      );
    },
  );

  test("refuses two of one name in a runner, also an inline one", () => {
    const projection = defineProjection({ name: "p", tables: {}, handles: [], handle });
    const inline = { ...projection, mode: "inline" as const };
    const options = { pool: undefined as never, store: undefined as never };
    expect(() => createProjectionRunner({ ...options, projections: [projection, inline] })).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });
});

describe("tables in another schema", () => {
  const clones = inSchema({ tallies, tallySteps }, "elsewhere") as {
    tallies: typeof tallies;
    tallySteps: typeof tallySteps;
  };
  const db = drizzle({ client: postgres("postgres://nowhere", { max: 0 }) });

  test("stand in every statement that is built with them; the originals stay where they are", () => {
    const statements = [
      db.select().from(clones.tallies).where(eq(clones.tallies.id, "a")),
      db
        .select()
        .from(clones.tallies)
        .leftJoin(clones.tallySteps, eq(clones.tallySteps.id, clones.tallies.id)),
      db
        .insert(clones.tallies)
        .values({ instanceId: "i", id: "a", total: 1, sequences: [] })
        .onConflictDoUpdate({
          target: clones.tallies.id,
          set: { total: sql`${clones.tallies.total} + 1` },
        }),
      db.update(clones.tallies).set({ total: 2 }).where(eq(clones.tallies.id, "a")).returning(),
      db.delete(clones.tallySteps).where(eq(clones.tallySteps.position, 1)),
    ].map((query) => query.toSQL().sql);
    for (const statement of statements) {
      expect(statement).toContain('"elsewhere"."tall');
      expect(statement).not.toContain("projections");
    }
    expect(namesOf(clones)).toEqual([
      { schema: "elsewhere", name: "tallies" },
      { schema: "elsewhere", name: "tally_steps" },
    ]);
    expect(db.select().from(tallies).toSQL().sql).toContain('"projections"."tallies"');
    expect(clones.tallies).toBeInstanceOf(tallies.constructor);
  });
});

describe("the guard of the live tables", () => {
  const check = liveGuard("p", [
    { schema: "projections", name: "users" },
    { schema: "odd.schema", name: 'a"b' },
  ]);

  test.each([
    'insert into "projections"."users" values (1)',
    "select * from projections.users",
    "select * from projections . users u",
    'delete from "projections".users',
    'update "odd.schema"."a""b" set x = 1',
  ])("refuses %s", (text) => {
    expect(() => check(text)).toThrow(expect.objectContaining({ code: "live_table" }));
  });

  test.each([
    'insert into "projections_rebuild_p"."users" values (1)',
    'select * from "projections"."users_archive"',
    "select * from projections.users_archive",
    "select * from my_projections.users",
    'select * from "eventstore"."events"',
  ])("lets %s through", (text) => {
    expect(() => check(text)).not.toThrow();
  });
});

test("an error's text has its causes, and neither the statement nor its parameters", () => {
  const cause = new Error("duplicate key");
  const error = new DrizzleQueryError("insert into secrets values ($1)", ["hunter2"], cause);
  expect(textOf(error)).toBe("duplicate key");
  expect(textOf(new Error("no row", { cause: error }))).toBe("no row: duplicate key");
  expect(textOf(new Error(""))).toBe("an error without a message");
});

test("lanes have their turns one after the other, never two at a time, those first that waited longest", async () => {
  const definition = defineProjection({ name: "p", tables: {}, handles: [], handle });
  const schedule = createSchedule(new Map([["p", projectionSubscriber(definition)]]), 2);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const turns = {
    run: ({ instanceId }: { instanceId: string }) =>
      new Promise<{ isMoving: boolean; isDone: boolean; waitMs: number }>((resolve) => {
        begun.push(instanceId);
        ends.set(instanceId, () => resolve({ isMoving: true, isDone: false, waitMs: 0 }));
      }),
    onDrained: () => undefined,
  };
  const behind = ["a", "b", "c"].map((instanceId) => {
    return { name: "p", instanceId, head: 1, position: 0, isNew: false };
  });
  const end = async (instanceId: string) => {
    ends.get(instanceId)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  schedule.take(behind, turns);
  expect(begun).toEqual(["a", "b"]);
  schedule.take(behind, turns);
  expect(begun).toEqual(["a", "b"]);
  await end("a");
  expect(begun).toEqual(["a", "b", "c"]);
  schedule.take(behind, turns);
  await end("b");
  await end("c");
  expect(begun).toEqual(["a", "b", "c", "a"]);
  schedule.close();
  await end("a");
  expect(schedule.running.size).toBe(0);
});
