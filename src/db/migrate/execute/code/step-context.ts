import { messageOf } from "../../../base/problem.ts";
import type { StepContext, StepSql } from "../../code/definition.ts";
import { requireFrom } from "../../code/import-module.ts";
import type { CodePlace } from "../execution.ts";
import { StepMisuse } from "./misuse.ts";
import type { StepQueries } from "./step-queries.ts";

/** What a step is given, over its queries. */
export function stepContext(
  { step, code }: CodePlace,
  queries: StepQueries,
  more: {
    readonly signal: AbortSignal;
    readonly databaseName: string;
    readonly log: (line: string) => void;
  },
): StepContext {
  let db: unknown;
  return {
    ...more,
    tag: step.migration.tag,
    attempt: step.attempt,
    sql: sqlOver(queries),
    get db() {
      db ??= drizzleOver(queries, code.file.path);
      return db;
    },
  };
}

function sqlOver(queries: StepQueries): StepSql {
  const ask = (text: string, parameters: readonly unknown[]) => {
    const rows = queries.send(text, parameters, "user").then((reply) => reply.objects());
    // One that nobody awaits is told of when the step ends: its error must not end the process.
    rows.catch(() => undefined);
    return rows;
  };
  const tagged = (strings: TemplateStringsArray, ...values: readonly unknown[]) =>
    ask(
      strings.reduce((text, part, i) => `${text}$${i}${part}`),
      values,
    );
  const query = (text: string, parameters: readonly unknown[] = []) => ask(text, parameters);
  // Which rows come, its user says.
  return Object.assign(tagged, { query }) as StepSql;
}

/** What drizzle-orm/pg-proxy calls for each query. */
type Remote = (
  text: string,
  parameters: readonly unknown[],
  method: "all" | "execute",
) => Promise<{ readonly rows: readonly unknown[] }>;

/** drizzle-orm of the project that the step lies in: it need not be ours. */
function drizzleOver(queries: StepQueries, path: string | undefined): unknown {
  const remote: Remote = async (text, parameters, method) => {
    const reply = await queries.send(text, parameters, "drizzle");
    return { rows: method === "all" ? reply.lists() : reply.objects() };
  };
  let orm: { readonly drizzle: (remote: Remote) => unknown };
  try {
    orm = requireFrom(path, "drizzle-orm/pg-proxy") as typeof orm;
  } catch (cause) {
    throw new StepMisuse(
      `it uses ctx.db, and drizzle-orm cannot be loaded: ${messageOf(cause).split("\n")[0]}`,
      "Install it (npm install drizzle-orm), or use ctx.sql.",
      { cause },
    );
  }
  return orm.drizzle(remote);
}
