import { listed } from "../base/text.ts";
import type { ChainedSnapshot, Move } from "./chain-0x.ts";
import { type Overlaps, overlapText } from "./conflict.ts";
import type { SchemaLook } from "./schema.ts";
import type { Trial } from "./trial.ts";

/** How the snapshot of a moved migration came about. */
export type SnapshotKind = ChainedSnapshot["kind"] | "schema";

export interface Findings {
  readonly ref: string;
  readonly moves: readonly Move[];
  /** Of the snapshots of the moves. */
  readonly kinds: readonly SnapshotKind[];
  /** What both sides change, and the Drizzle schema has as the own side left it. */
  readonly conflicts: readonly string[];
  readonly overlaps: Overlaps;
  readonly look: SchemaLook;
  readonly left: readonly string[] | undefined;
  readonly trial: Pick<Trial, "untried">;
}

/** What a person should know of, each a sentence without its full stop. */
export function warningsOf(findings: Findings): readonly string[] {
  const { ref, conflicts, overlaps, look, left = [], trial } = findings;
  return [
    ...conflicts.map(
      (what) =>
        `both sides change ${what}: the migration of this branch runs last, and the Drizzle schema says the same`,
    ),
    ...[...overlaps].flatMap(([tag, list]) =>
      list.map((one) => `${overlapText(tag, one)}: yours runs last`),
    ),
    ...lost(findings),
    ...(look.kind === "unread"
      ? [
          `the Drizzle schema was not compared with the newest snapshot: ${look.reason.replace(/\.$/, "")}`,
        ]
      : []),
    ...(left.length > 0
      ? ["the Drizzle schema has changes that no migration has: `tidemark generate` writes them"]
      : []),
    ...(trial.untried === undefined
      ? []
      : [
          `the migrations were not tried behind those of ${ref}, and their down files stay as they were: ${trial.untried}`,
        ]),
  ];
}

function lost({ moves, kinds }: Findings): readonly string[] {
  const tags = moves.filter((_, place) => kinds[place] === "lost").map(({ placed }) => placed.tag);
  return tags.length === 0
    ? []
    : [
        `no snapshot can be made for ${listed(tags)}: the one that it followed is in no commit of this branch or of its base`,
      ];
}
