import type { InlineHandler } from "../eventstore/index.ts";
import type { Projection } from "./definition.ts";
import { decoder, kindOf, kindsOf } from "./subscriber.ts";

/**
 * The inline ones among the projections, for `createEventStore({ inline })`. They run in the
 * append's transaction: their tables are never behind, each append pays for them, and a handler that
 * throws undoes the append. They have no position and no quarantine.
 */
export function inlineHandlers(projections: readonly Projection[]): InlineHandler[] {
  return projections
    .filter(({ mode }) => mode === "inline")
    .map((projection) => {
      const kinds = new Set(kindsOf(projection.handles));
      const decode = decoder(projection.handles);
      return async (tx, events) => {
        const handled = events.filter((event) => kinds.has(kindOf(event)));
        if (handled.length > 0) {
          await projection.handle(tx, handled.map(decode), projection.tables);
        }
      };
    });
}
