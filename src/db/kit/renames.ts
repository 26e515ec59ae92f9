import { inSchema, nameText, parsePair, partText, sameName, shellText } from "./full-names.ts";
import {
  type FullName,
  type Question,
  RENAME_EXAMPLES,
  type Rename,
  type RenameKind,
} from "./model.ts";

/** Options as typed: for each kind, `old=new`. */
export type RenameFlags = Readonly<Partial<Record<RenameKind, readonly string[] | undefined>>>;

const KINDS = Object.keys(RENAME_EXAMPLES) as readonly RenameKind[];

/** The option that answers a question of a kind. */
export function renameOption(kind: RenameKind): string {
  return kind === "column" ? "--rename" : `--rename-${kind}`;
}

/** A rename as an option to paste. */
export function renameText({ kind, from, to }: Rename): string {
  const isMove = ["table", "enum", "sequence", "view"].includes(kind);
  const newName = isMove
    ? from[0] === to[0]
      ? nameText(to.slice(1))
      : to.map(partText).join(".")
    : partText(to.at(-1) ?? "");
  return `${renameOption(kind)} ${shellText(`${nameText(from)}=${newName}`)}`;
}

/** The renames that would answer a question. */
export function renamesFor({ kind, created, candidates }: Question): readonly Rename[] {
  return candidates.map((from) => ({ kind, from, to: created }));
}

/** Parses the options; mistakes in them are added to the problems. */
export function parseRenames(flags: RenameFlags, problems: string[]): readonly Rename[] {
  const renames: Rename[] = [];
  for (const kind of KINDS) {
    for (const text of flags[kind] ?? []) {
      const rename = parseRename(kind, text);
      if (rename === undefined) {
        problems.push(
          `${renameOption(kind)} is ${JSON.stringify(text)}, where old=new is expected, as in ${RENAME_EXAMPLES[kind]}`,
        );
        continue;
      }
      const rival = renames.find(
        (other) =>
          other.kind === kind &&
          (sameName(other.from, rename.from) || sameName(other.to, rename.to)),
      );
      if (rival === undefined) renames.push(rename);
      else problems.push(`${renameText(rival)} and ${renameText(rename)} contradict each other`);
    }
  }
  return renames;
}

function parseRename(kind: RenameKind, text: string): Rename | undefined {
  const pair = parsePair(text);
  if (pair === undefined) return undefined;
  const [from, to] = pair;
  switch (kind) {
    case "schema":
    case "role":
      return from.length === 1 && to.length === 1 ? { kind, from, to } : undefined;
    case "column":
      return inTable(kind, from, to);
    case "policy":
      return from.length === 1 && to.length === 1 ? { kind, from, to } : inTable(kind, from, to);
    default: {
      if (from.length > 2 || to.length > 2) return undefined;
      const full = from.length === 2 ? from : inSchema(from);
      return { kind, from: full, to: to.length === 2 ? to : inSchema(to, full[0]) };
    }
  }
}

/** The new name may be qualified too, with the same table. */
function inTable(kind: RenameKind, from: FullName, to: FullName): Rename | undefined {
  if (from.length < 2 || from.length > 3) return undefined;
  const full = from.length === 3 ? from : inSchema(from);
  const table = full.slice(0, 2);
  const [name] = to.slice(-1);
  if (name === undefined || to.length > 3) return undefined;
  if (to.length > 1) {
    const written = to.slice(0, -1);
    if (!sameName(written.length === 2 ? written : inSchema(written, full[0]), table))
      return undefined;
  }
  return { kind, from: full, to: [...table, name] };
}
