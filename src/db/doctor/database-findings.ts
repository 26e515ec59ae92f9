import { duration, listed, plural } from "../base/text.ts";
import { describeBlocker } from "../migrate/index.ts";
import type { Finding, Scene } from "./doctor-types.ts";
import { fine, wrong } from "./finding.ts";

const MOST_SHOWN = 3;

/** The database: what is left in it, and what is under way there. */
export function databaseFindings(scene: Scene): readonly Finding[] {
  return [...underWay(scene), ...leftBehind(scene), ...ledgerElsewhere(scene)];
}

function underWay(scene: Scene): Finding[] {
  const { long: open, longMs, seesOthers, role, database } = scene;
  const found: Finding[] = [];
  const longer = `for longer than ${longMs / 1_000} s`;
  if (open.length > 0) {
    const shown = open.slice(0, MOST_SHOWN).map(describeBlocker);
    const more = open.length > MOST_SHOWN ? `, and ${open.length - MOST_SHOWN} more` : "";
    found.push(
      wrong(
        "long-transactions",
        "warning",
        `${plural(open.length, "transaction")} ${open.length === 1 ? "is" : "are"} open ${longer}: ${shown.join("; ")}${more}.`,
        "A migration waits for the locks that they hold, and CONCURRENTLY for their end. End them first: select pg_terminate_backend(<pid>).",
      ),
    );
  } else {
    found.push(fine("long-transactions", `No transaction is open ${longer}.`));
  }
  if (!seesOthers) {
    found.push(
      fine(
        "visibility",
        `What other roles' sessions run is not shown to ${role.name}: grant pg_read_all_stats to it, to see them here.`,
      ),
    );
  }
  const old = (database.prepared ?? []).filter(({ forMs }) => forMs >= longMs);
  if (old.length > 0) {
    const list = old.slice(0, MOST_SHOWN).map(({ gid, forMs }) => `${gid} (${duration(forMs)})`);
    found.push(
      wrong(
        "prepared-transactions",
        "warning",
        `${plural(old.length, "prepared transaction")} ${old.length === 1 ? "keeps its" : "keep their"} locks until somebody ends ${old.length === 1 ? "it" : "them"}: ${listed(list)}.`,
        "commit prepared '<name>'; or rollback prepared '<name>';",
      ),
    );
  }
  return found;
}

/** A copy that REINDEX CONCURRENTLY did not come to put in place, or to drop: the index itself is there besides. */
const LEFT_BY_REINDEX = /_cc(new|old)\d*"?$/;

function leftBehind({ database: { invalidIndexes, eventTriggers } }: Scene): Finding[] {
  const found: Finding[] = [];
  if (invalidIndexes === null) {
    found.push(fine("invalid-indexes", "Every index is valid."));
  } else {
    const { length } = invalidIndexes;
    const shown = invalidIndexes.map(({ index, table }) => `${index} on ${table}`);
    found.push(
      wrong(
        "invalid-indexes",
        "warning",
        `${length === 1 ? "1 index is" : `${length} indexes are`} INVALID: written with every row, and used by no query: ${listed(shown)}.`,
        invalidIndexes
          .slice(0, MOST_SHOWN)
          .map(({ index }) => {
            const verb = LEFT_BY_REINDEX.test(index) ? "drop" : "reindex";
            return `${verb} index concurrently ${index};`;
          })
          .join("\n"),
      ),
    );
  }
  if (eventTriggers !== null) {
    const fact = `Event triggers see each change of the schema: ${listed(eventTriggers)}.`;
    found.push(fine("event-triggers", fact));
  }
  return found;
}

function ledgerElsewhere({ database: { refused, publishing } }: Scene): Finding[] {
  const found: Finding[] = [];
  for (const { table, publication } of refused ?? []) {
    found.push(
      wrong(
        "publications",
        "error",
        `The publication ${publication} publishes updates of ${table}, which has no replica identity: the server refuses them.`,
        `alter table ${table} replica identity default;`,
      ),
    );
  }
  if (publishing !== null) {
    found.push(
      wrong(
        "ledger-published",
        "warning",
        `The ledger is published (${listed(publishing)}): a subscriber has its rows, not what they stand for.`,
        "Leave its schema out of the publication, or let nobody migrate the subscriber.",
      ),
    );
  }
  return found;
}
