import { plural } from "../../base/text.ts";
import { MigrateError } from "../errors.ts";
import type { RollbackLoss, RollbackOptions } from "../rollback-types.ts";
import type { Tag } from "../types.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** What a step would take away. */
export interface StepLosses {
  readonly tag: Tag;
  readonly loses: readonly RollbackLoss[];
}

/**
 * Refuses, before anything runs, another database than the one that was named.
 *
 * @throws MigrateError `usage`
 */
export function refuseOtherDatabase(
  { database: named }: Pick<RollbackOptions, "database">,
  { database }: Whereabouts,
): void {
  if (named === undefined || named === database) return;
  throw new MigrateError({
    code: "usage",
    fact: `This is the database ${database}, not ${named}.`,
    outcome: "nothing-run",
    remedy: "Check the URL, and the name that --database gives.",
  });
}

/**
 * Refuses the loss of rows that was not allowed.
 *
 * @throws MigrateError `data_loss`
 */
export function refuseLoss(
  steps: readonly StepLosses[],
  { allowDataLoss, database: named }: Pick<RollbackOptions, "allowDataLoss" | "database">,
  { database, isLocal }: Whereabouts,
): void {
  const losing = steps.filter(({ loses }) => loses.length > 0);
  if (losing.length === 0) return;
  const isNamed = isLocal || named !== undefined;
  if (allowDataLoss && isNamed) return;
  const lines = losing.flatMap(({ tag, loses }) =>
    loses.map((loss) => `\n  ${tag}: ${lossText(loss)}`),
  );
  const flags = `--allow-data-loss${isLocal ? "" : ` --database ${database}`}`;
  throw new MigrateError({
    code: "data_loss",
    fact: `This rollback of the database ${database} would lose rows:${lines.join("")}`,
    outcome: "nothing-run",
    remedy:
      `Make a backup, then allow it: ${flags}.` +
      (isLocal ? "" : " The server is not on this machine, so its database must be named."),
  });
}

/** `table users (12 rows)`. */
export function lossText({ what, rows, isExact }: RollbackLoss): string {
  if (rows === null) return `${what} (its rows cannot be counted)`;
  return `${what} (${isExact ? "" : "about "}${plural(rows, "row")})`;
}
