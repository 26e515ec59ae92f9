import type { CommandOptions } from "../../src/app/command.ts";

/** What the command `work` needs, for tests of the others. */
export const NO_WORK: CommandOptions["work"] = {
  migratorOf: (url) => ({ url, history: [] }),
  shutdownMs: 0,
  openLog: () => Promise.reject(new Error("not this command")),
};
