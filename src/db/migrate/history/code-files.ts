import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readText, withoutBom } from "../../base/files.ts";
import { listed } from "../../base/text.ts";
import { bodyOf, readArtefact, withHead } from "../code/artefact.ts";
import { bundledText } from "../code/bundle.ts";
import { importDefault } from "../code/import-module.ts";
import { MigrateError } from "../errors.ts";
import type { Checksum, CodeFile, Layout, Tag } from "../types.ts";
import { checksumOf } from "./checksum.ts";
import { codeFilesOf } from "./layout.ts";

/** A migration's code, before its SQL is known. */
export type FoundCode = Omit<CodeFile, "sqlChecksum">;

/**
 * Reads the code of the migrations of a folder, without running any of it.
 *
 * @param names what the folder holds
 * @throws MigrateError `history_invalid`
 */
export async function readCodeFiles(
  dir: string,
  layout: Layout,
  tags: readonly Tag[],
  names: readonly string[],
): Promise<ReadonlyMap<Tag, FoundCode>> {
  const there = new Set(names);
  const found = await Promise.all(
    tags.map(async (tag) => {
      const inside = layout === "1.x" ? new Set(await readdir(join(dir, tag))) : there;
      const files = codeFilesOf(tag, layout).filter((name) =>
        inside.has(layout === "1.x" ? name.slice(tag.length + 1) : name),
      );
      return files.length === 0 ? [] : ([[tag, await readCode(dir, tag, files)]] as const);
    }),
  );
  return new Map(found.flat());
}

async function readCode(dir: string, tag: Tag, names: readonly string[]): Promise<FoundCode> {
  const files = await Promise.all(
    names.map(async (name) => {
      const text = withoutBom(await readText(join(dir, name)));
      return { name, text, artefact: readArtefact(text) };
    }),
  );
  const sources = files.filter(({ artefact }) => artefact === undefined);
  // Where what it was compiled from is there too, that counts.
  const [one, ...more] = sources.length > 0 ? sources : files;
  if (one === undefined) throw new TypeError("no file of code was given");
  if (more.length > 0)
    throw ambiguous(
      dir,
      tag,
      [one, ...more].map(({ name }) => name),
    );
  const { name, text, artefact } = one;
  const file = join(dir, name);
  const path = resolve(file);
  if (artefact !== undefined && checksumOf(bodyOf(text)) !== artefact.body) {
    throw edited(tag, file);
  }
  const checksum: Checksum =
    artefact?.source ?? checksumOf(await bundledText({ file, path, text }));
  return { file, path, text, checksum, load: () => importDefault(path, checksumOf(text)) };
}

/** A compiled file with the first line that says what it was compiled from. */
export function compiledText({ checksum }: Pick<CodeFile, "checksum">, body: string): string {
  return withHead({ source: checksum, body: checksumOf(body) }, body);
}

function ambiguous(dir: string, tag: Tag, names: readonly string[]): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    tag,
    fact: `${dir} has more than one file of code for ${tag}: ${listed(names)}.`,
    outcome: "nothing-run",
    remedy: "Keep the one that is meant.",
  });
}

function edited(tag: Tag, file: string): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    tag,
    fact: `${file} was compiled by Tidemark and edited since: its text is not what its first line says.`,
    outcome: "nothing-run",
    remedy: "Compile it again from its source (`tidemark build-steps`); edit only the source.",
    place: { file, line: 1 },
  });
}
