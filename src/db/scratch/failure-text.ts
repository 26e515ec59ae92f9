import type { MigrateError } from "../migrate/index.ts";

/** The failure of a run on a scratch database, without the state in which it left that database. */
export function failureText({ recorded, fact }: MigrateError): string {
  return recorded === undefined ? fact : recorded.text.replace(/\nstate: .*$/s, "");
}
