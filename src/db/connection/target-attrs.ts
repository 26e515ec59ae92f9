import type { TargetSessionAttrs } from "../base/url-parameters.ts";

/**
 * What the driver is asked for, in turn, for a `target_session_attrs` of libpq's. For `read-write` and `read-only` it
 * looks only at `default_transaction_read_only`, which is off on a standby too. `undefined`: any server.
 */
export function turnsOf(
  target: TargetSessionAttrs | undefined,
): readonly (TargetSessionAttrs | undefined)[] {
  if (target === "read-write") return ["primary"];
  if (target === "read-only") return ["standby", "read-only"];
  if (target === "prefer-standby") return ["standby", undefined];
  return [target];
}

/** A server answered, and is not what was asked for. */
export class OtherTarget extends Error {
  readonly remedy =
    "Add the host of one that is, or correct target_session_attrs (in the URL, the service or PGTARGETSESSIONATTRS).";

  constructor(target: TargetSessionAttrs, cause: unknown) {
    super(`the server is up, and not what target_session_attrs=${target} asks for`, { cause });
  }
}
