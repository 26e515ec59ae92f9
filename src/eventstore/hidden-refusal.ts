import { within } from "../db/base/backoff.ts";
import type { Run } from "./database.ts";
import { eventStoreError, UniqueViolation } from "./event-store-error.ts";
import type { PreparedPush } from "./prepared-push.ts";
import { conflictOf, findEarlier, findTaken, type Refusal, versionOf } from "./refusal.ts";

/** Another connection may have to be waited for, while the caller's transaction holds its own. */
const BESIDE_MS = 2_000;

/**
 * Why a push in a caller's transaction collides with what that transaction cannot see: from `repeatable
 * read` on it sees what was committed before it began, and would collide at every try. So another
 * connection looks for what the violated constraint is about.
 */
export async function explainHidden(
  { run, beside }: { readonly run: Run; readonly beside: Run },
  push: PreparedPush,
  constraint: string | undefined,
): Promise<Refusal> {
  const [isolation] = await run<{ level: string }>(
    "select pg_catalog.current_setting('transaction_isolation') as level",
    [],
  );
  if (isolation?.level === "read committed") return { kind: "unclear" };
  const looking = find({ run, beside }, push, constraint);
  const found = await within(BESIDE_MS, looking, () => new Error("no connection")).catch(
    () => undefined,
  );
  return found ?? { kind: "refused", error: hidden(isolation?.level ?? "unknown") };
}

async function find(
  { run, beside }: { readonly run: Run; readonly beside: Run },
  push: PreparedPush,
  constraint: string | undefined,
): Promise<Refusal | undefined> {
  const earlier = await findEarlier(beside, push);
  if (earlier !== undefined) return earlier;
  if (constraint === "unique_constraints_pk") {
    const taken = await findTaken(beside, push);
    return taken && { kind: "refused", error: new UniqueViolation(taken.type, taken.value) };
  }
  const { instanceId, aggregates } = push;
  for (const aggregate of aggregates) {
    // Fewer, where the transaction itself has appended.
    const actual = await versionOf(beside, instanceId, aggregate);
    if (actual <= (await versionOf(run, instanceId, aggregate))) continue;
    return { kind: "refused", error: await conflictOf(beside, instanceId, aggregate, actual) };
  }
  return undefined;
}

function hidden(level: string) {
  return eventStoreError(
    "usage",
    `The push collides with something that its transaction, in ${level}, does not see.`,
    "Begin the transaction again, or take read committed.",
    { outcome: "nothing-written" },
  );
}
