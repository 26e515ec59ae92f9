import { Problem } from "../../base/problem.ts";
import { type ConnectOptions, connect } from "../../connection/connect.ts";
import { ofConnection } from "./thrown.ts";

/**
 * Connects for a call, and runs its first query.
 *
 * @throws MigrateError `connect`, `config`; the signal's reason
 */
export async function openLedger(
  options: ConnectOptions,
  firstQuery: string,
): ReturnType<typeof connect> {
  try {
    return await connect(options, firstQuery);
  } catch (error) {
    throw error instanceof Problem ? ofConnection(error) : error;
  }
}
