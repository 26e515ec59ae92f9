import {
  buildFactBase,
  type DependencyEdge,
  type Fact,
  type FactBase,
  type StableId,
} from "@supabase/pg-delta/core";
import { extract } from "@supabase/pg-delta/extract";
import { type ReaderPool, withReaderPool } from "./connection.ts";
import { schemaOf } from "./object-names.ts";
import { readTraits, type Trait } from "./traits.ts";

/** The contents of a catalog: pg-delta's facts, and our own for what it does not read. */
export interface CatalogContents {
  readonly facts: FactBase;
  readonly traits: readonly Trait[];
  /** Of the server: `18`. */
  readonly majorVersion: number;
  readonly warnings: readonly CatalogWarning[];
}

export interface CatalogWarning {
  /** Of `unmodeled_kind`: the kind that is not compared. */
  readonly kind: string | undefined;
  readonly text: string;
}

/** Reads everything in one read-only snapshot. @throws CatalogError `config`, `connect`, `unreadable` */
export async function readContents(
  url: string,
  leftOut: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<CatalogContents> {
  const read = async (pool: ReaderPool) => {
    let traits: readonly Trait[] = [];
    const { factBase, diagnostics, pgVersion } = await extract(
      pool as unknown as Parameters<typeof extract>[0],
      {
        handlers: [
          {
            // Not for an extension: this is pg-delta's hook for reading more in its snapshot.
            extension: "tidemark",
            capture: async ({ query }) => {
              traits = await readTraits(query);
              return { facts: [], edges: [] };
            },
          },
        ],
      },
    );
    return {
      facts: withoutSchemas(factBase, leftOut),
      traits: traits.filter(({ schema }) => schema === null || !leftOut.has(schema)),
      majorVersion: Number.parseInt(pgVersion, 10),
      warnings: diagnostics
        .filter(({ severity, code }) => severity !== "info" && code !== "dangling_edge")
        .map(({ message, code, context }) => ({
          text: message,
          kind: code === "unmodeled_kind" ? String(context?.kind) : undefined,
        })),
    };
  };
  return withReaderPool(url, read, signal);
}

function withoutSchemas(base: FactBase, leftOut: ReadonlySet<string>): FactBase {
  if (leftOut.size === 0) return base;
  const stays = (id: StableId) => !leftOut.has(schemaOf(id) ?? "");
  return rebuilt(
    base,
    base.facts().filter(({ id }) => stays(id)),
    base.edges.filter(({ from, to }) => stays(from) && stays(to)),
  );
}

/** The same base with other facts and edges. */
export function rebuilt(
  base: FactBase,
  facts: readonly Fact[],
  edges: readonly DependencyEdge[],
): FactBase {
  const result = buildFactBase([...facts], [...edges], base.source);
  // From these the planner knows what it must refuse.
  result.diagnostics.push(...base.diagnostics);
  return result;
}
