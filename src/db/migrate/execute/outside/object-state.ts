import { isServerError } from "../../../connection/session.ts";
import { rollBack } from "../../ledger/replies.ts";
import type { ObjectState, OutsideAction } from "../../outside-types.ts";
import { loadParser } from "../../sql/grammar.ts";
import { NO_SETTINGS } from "../../sql/made-settings.ts";
import type { Statement } from "../../sql/statements.ts";
import type { Execution } from "../execution.ts";
import type { Part } from "../parts.ts";
import { definitionToTry } from "./index-definition.ts";
import { lookAtObject, type ProbeContext, STATE, tryDefinition } from "./probe.ts";

/**
 * What the catalog says of a statement's object now.
 *
 * @throws ServerError where the file's settings or the role's rights do not let it look; SessionLost
 */
export async function stateNow(
  execution: Execution,
  part: Part,
  action: OutsideAction,
): Promise<ObjectState> {
  const text = lookAtObject(action, probeContext(execution, part));
  if (text === undefined) return { kind: action.kind } as ObjectState;
  const found = await ask(execution, "object", text);
  return found as ObjectState;
}

/** The same before the statement: with the definition that the catalog is to show afterwards. */
export async function stateBefore(
  execution: Execution,
  part: Part,
  action: OutsideAction,
  statement: Statement,
): Promise<ObjectState> {
  const state = await stateNow(execution, part, action);
  if (action.kind !== "create-index" || state.kind !== "create-index") return state;
  if (state.table === null || state.partitioned) return state;
  const { scan } = await loadParser();
  const definition = definitionToTry(statement, scan);
  if (definition === undefined) return state;
  const text = tryDefinition(action, definition, probeContext(execution, part));
  try {
    const wanted = await ask(execution, "definition", text);
    return { ...state, wanted: wanted as string };
  } catch (error) {
    // Without the right to make a temporary table, the statement itself will tell.
    if (!isServerError(error)) throw error;
    return state;
  }
}

async function ask(execution: Execution, name: string, text: string): Promise<unknown> {
  const { session } = execution;
  const { reply } = await session.send(name, text);
  const { rows } = await reply.catch(async (error: unknown) => {
    if (isServerError(error)) await rollBack(session);
    throw error;
  });
  return rows.find((row) => STATE in row)?.[STATE] ?? null;
}

/** Behind a pooler a statement outside transactions runs without the file's settings. */
function probeContext({ session, context }: Execution, { segment }: Part): ProbeContext {
  const settings = context.lease.direct ? segment.settings : NO_SETTINGS;
  return { serverVersion: session.serverVersion, settings };
}
