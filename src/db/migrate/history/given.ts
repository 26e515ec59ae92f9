import { withoutBom } from "../../base/files.ts";
import type { BackfillDefinition } from "../code/backfill-definition.ts";
import type { StepDefinition } from "../code/definition.ts";
import { MigrateError } from "../errors.ts";
import type { BeforeFile, Checksum, CodeFile, History, Migration, Tag } from "../types.ts";
import { checksumOf, EMPTY_HEAD, linkAfter, withCode } from "./checksum.ts";
import type { FoundCode } from "./code-files.ts";
import { type GivenRepeatable, repeatableOf } from "./repeatables.ts";

/** A migration as text: of a history that lies in no folder. */
export interface GivenMigration {
  readonly tag: Tag;
  readonly sql: string;
  /** The file as messages name it. Default `<tag>.sql`. */
  readonly file?: string;
  /** What takes it back. Default: nothing does. */
  readonly down?: string;
  /** A code step, which runs after the SQL. */
  readonly step?: GivenStep;
  /** Of a migration that was loaded from a folder: its code, in place of `step`. */
  readonly code?: CodeFile;
}

/** A code step of a migration that lies in no folder. */
export interface GivenStep {
  /** What defineStep() or defineBackfill() returns. */
  readonly definition: StepDefinition<never> | BackfillDefinition<never>;
  /** Stands for the code in the checksum: another one says that it was edited. */
  readonly version: string;
}

/** Migrations in their order, as values, or what gives them; asked once a call. */
export type GivenHistory =
  | readonly GivenMigration[]
  | (() => readonly GivenMigration[] | Promise<readonly GivenMigration[]>);

/** What messages call the place of a history that was given. */
const GIVEN = "the given history";

/**
 * A history of what was given.
 *
 * @throws MigrateError `history_invalid` where a tag is empty or there twice; what the function throws
 */
export async function readGiven(
  given: GivenHistory,
  before?: BeforeFile,
  repeatables: readonly GivenRepeatable[] = [],
): Promise<History> {
  const list = typeof given === "function" ? await given() : given;
  const seen = new Set<Tag>();
  for (const { tag } of list) {
    if (tag !== "" && !seen.has(tag)) seen.add(tag);
    else {
      throw new MigrateError({
        code: "history_invalid",
        fact: tag === "" ? "A migration has no tag." : `The history has two migrations ${tag}.`,
        outcome: "nothing-run",
        remedy: "Give each migration a tag of its own.",
      });
    }
  }
  const migrations = chained(
    list.map(({ tag, sql, file = `${tag}.sql`, code, step }) => ({
      ...{ tag, sql, file },
      code: code ?? (step && givenCode(tag, step)),
    })),
  );
  return {
    ...{ dir: GIVEN, layout: "0.x", migrations },
    ...{ head: headOfChain(migrations), warnings: [] },
    downs: new Map(list.flatMap(({ tag, down }) => (down === undefined ? [] : [[tag, down]]))),
    ...(before !== undefined && { before }),
    ...(repeatables.length > 0 && {
      repeatables: repeatables
        .map((one) => repeatableOf(one))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    }),
  };
}

function givenCode(tag: Tag, { definition, version }: GivenStep): FoundCode {
  return {
    file: `the given step of ${tag}`,
    path: undefined,
    text: "",
    checksum: checksumOf(`version ${version}`),
    load: async () => definition,
  };
}

/** Migrations of texts in their order: hashed, each linked to the one before. */
export function chained(
  texts: readonly (Pick<Migration, "tag" | "file" | "sql" | "isDamaged" | "when"> & {
    readonly code?: FoundCode | undefined;
  })[],
): readonly Migration[] {
  let link = EMPTY_HEAD;
  return texts.map(({ code, ...text }, index) => {
    const sqlChecksum = checksumOf(text.sql);
    const checksum = code === undefined ? sqlChecksum : withCode(sqlChecksum, code.checksum);
    link = linkAfter(link, text.tag, checksum);
    const sql = withoutBom(text.sql);
    const bom = sql === text.sql ? {} : { hasBom: true };
    const also = code === undefined ? {} : { code: { ...code, sqlChecksum } };
    return { ...text, ...bom, ...also, index, sql, checksum, link };
  });
}

export function headOfChain(migrations: readonly Migration[]): Checksum {
  return migrations.at(-1)?.link ?? EMPTY_HEAD;
}
