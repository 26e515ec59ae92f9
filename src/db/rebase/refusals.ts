import { listed } from "../base/text.ts";
import { MigrateError, sqlFileOf, type Tag } from "../migrate/index.ts";
import type { FoundOwn } from "./own.ts";
import type { Sides } from "./sides.ts";

/** @throws MigrateError where this branch's folder is in a state that nobody can sort out but a person */
export function refuseUnclear(sides: Sides, { edited, unsettled, layout, own }: FoundOwn): void {
  const { ref, disk } = sides;
  const files = (tags: readonly Tag[]) =>
    tags.map((tag) => `${disk.dir}/${sqlFileOf(tag, layout)}`);
  if (edited.length > 0) {
    throw refusal(
      `${listed(files(edited))} differs from ${ref}, where it may be applied already.`,
      `Restore it (\`git checkout ${ref} -- ${files(edited)[0]}\`), make the change a new migration, and rebase again.`,
    );
  }
  if (unsettled.length > 0) {
    throw refusal(
      `${listed(unsettled.map((path) => `${disk.dir}/${path}`))} holds a conflict, and no commit of this branch has it whole.`,
      "Settle it yourself, then run `tidemark rebase` again.",
    );
  }
  const damaged = own.filter(({ sql }) => sql.includes("\uFFFD")).map(({ tag }) => tag);
  if (damaged.length > 0) {
    throw refusal(
      `${listed(files(damaged))} holds bytes that are no UTF-8, and cannot be moved unchanged.`,
      "Save it as UTF-8, then run `tidemark rebase` again.",
    );
  }
}

/** The base's migrations are not in this branch yet, nor is its schema. */
export function notMerged({ ref, disk }: Sides, theirs: readonly Tag[]): MigrateError {
  return refusal(
    `${ref} has ${listed(theirs)}, which this branch does not have yet.`,
    `Merge it first (\`git merge ${ref}\`, or \`git rebase ${ref}\`). Leave conflicts in ${disk.dir} as they are, settle those in the schema files, and run \`tidemark rebase --base ${ref}\` again.`,
    "usage",
  );
}

/** Its migrations would be taken for this branch's own, and moved. */
export function behindRemote({ ref }: Sides, newer: string): MigrateError {
  return refusal(
    `${newer} is in this branch, or on its way in, and has commits that ${ref} does not have.`,
    `Name that one: \`tidemark rebase --base ${newer}\`.`,
    "usage",
  );
}

export function otherLayout({ ref, disk }: Sides): MigrateError {
  return refusal(
    `${disk.dir} has another layout than on ${ref}: one of them was converted by \`drizzle-kit up\`.`,
    "Convert this branch too before it is merged (`npx drizzle-kit up`), then rebase.",
  );
}

export function cannotPlace({ ref, disk }: Sides, tags: readonly Tag[]): MigrateError {
  return refusal(
    `${listed(tags)} of ${disk.dir} cannot be put behind the migrations of ${ref}: the name has no number or time that could be raised.`,
    "Rename its files and its journal entry yourself, then run `tidemark rebase` again.",
  );
}

export function halfDone({ dir }: { readonly dir: string }): MigrateError {
  return refusal(
    `A rebase of ${dir} was killed on its last steps.`,
    "Run it without --dry-run: it does the rest first.",
  );
}

function refusal(
  fact: string,
  remedy: string,
  code: "history_invalid" | "usage" = "history_invalid",
): MigrateError {
  return new MigrateError({ code, fact, outcome: "nothing-written", remedy });
}
