import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readIfThere } from "../base/files.ts";
import { literal } from "../base/quote.ts";
import { runChild } from "../kit/child.ts";
import type { LocatedKit } from "../kit/locate.ts";
import { MigrateError } from "../migrate/index.ts";
import { withAdmin } from "../server/admin.ts";

/**
 * What the project's drizzle-kit makes of a database: a module for drizzle-orm, in its version.
 *
 * @throws MigrateError `config` where drizzle-kit writes none
 */
export async function pullSchema(options: {
  readonly kit: LocatedKit;
  readonly cwd: string;
  readonly url: string;
  readonly ledgerSchema: string;
  readonly signal: AbortSignal | undefined;
}): Promise<string> {
  const { kit, cwd, url, ledgerSchema, signal } = options;
  const root = await mkdtemp(join(tmpdir(), "tidemark-pull-"));
  try {
    const config = join(root, "drizzle.config.ts");
    const out = join(root, "out");
    const schemaFilter = await schemasOf(url, ledgerSchema);
    const text = { dialect: "postgresql", out, dbCredentials: { url }, schemaFilter };
    await writeFile(config, `export default ${JSON.stringify(text)};\n`);
    const { ended, output } = await runChild({
      argv: [kit.bin, "pull", `--config=${config}`],
      ...{ cwd, signal },
      reply: () => undefined,
    });
    const schema = await readIfThere(join(out, "schema.ts"));
    if (schema !== undefined) return withoutUnused(schema).trimEnd().concat("\n");
    throw new MigrateError({
      code: "config",
      fact: `drizzle-kit ${kit.version} pull wrote no schema of the scratch database: it ${ended}.\n${lastLines(output)}`,
      outcome: "nothing-written",
      remedy:
        "It needs a driver in the project: npm install --save-dev postgres (or pg). Then run this again.",
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** drizzle-kit imports more than it uses, which a strict compiler refuses. */
function withoutUnused(text: string): string {
  return text.replace(/^import \{([^}]*)\} from (.*)\n/gm, (line, list: string, from: string) => {
    const rest = text.replace(line, "");
    const used = list
      .split(",")
      .map((name) => name.trim())
      .filter((name) =>
        new RegExp(`(?<![.\\w])${name}\\b`).test(rest.replace(/^import .*$/gm, "")),
      );
    return used.length === 0 ? "" : `import { ${used.join(", ")} } from ${from}\n`;
  });
}

async function schemasOf(url: string, ledgerSchema: string): Promise<readonly string[]> {
  const rows = await withAdmin({ url }, (admin) =>
    admin.ask<{ name: string }>(`
      select nspname as name from pg_catalog.pg_namespace
      where nspname !~ '^pg_' and nspname not in ('information_schema', ${literal(ledgerSchema)})
      order by nspname`),
  );
  return rows.map(({ name }) => name);
}

const MOST_LINES = 10;

function lastLines(output: string): string {
  return output
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-MOST_LINES)
    .map((line) => `  ${line}`)
    .join("\n");
}
