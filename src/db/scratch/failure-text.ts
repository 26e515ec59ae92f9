import type { MigrateError } from "../migrate/index.ts";

/** What a run on a scratch database failed with. In which state it has left that one helps nobody. */
export function failureText({ recorded, fact }: MigrateError): string {
  return recorded === undefined ? fact : recorded.text.replace(/\nstate: .*$/s, "");
}
