import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The relative links of a Markdown file that lead nowhere, each as `file:line: target`. */
export async function brokenLinks(file: string): Promise<readonly string[]> {
  const broken: string[] = [];
  for (const [i, line] of (await proseOf(file)).entries()) {
    for (const [, target = ""] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!(await isThere(file, target))) broken.push(`${file}:${i + 1}: ${target}`);
    }
  }
  return broken;
}

async function isThere(from: string, target: string): Promise<boolean> {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? from : join(dirname(from), path);
  try {
    await access(file);
  } catch {
    return false;
  }
  return anchor === undefined || (await anchorsOf(file)).has(anchor);
}

/** The anchors that GitHub gives a file's headings; a repeated one gets a number. */
async function anchorsOf(file: string): Promise<ReadonlySet<string>> {
  const anchors = new Set<string>();
  for (const line of await linesOf(file)) {
    const heading = /^#+ (.*)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const words = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "");
    const anchor = words.replaceAll(" ", "-");
    let free = anchor;
    for (let n = 1; anchors.has(free); n += 1) free = `${anchor}-${n}`;
    anchors.add(free);
  }
  return anchors;
}

/** The lines of a file; those of its code blocks are empty. */
async function linesOf(file: string): Promise<readonly string[]> {
  let isCode = false;
  return (await readFile(file, "utf8")).split("\n").map((line) => {
    const isFence = line.startsWith("```");
    if (isFence) isCode = !isCode;
    return isFence || isCode ? "" : line;
  });
}

async function proseOf(file: string): Promise<readonly string[]> {
  return (await linesOf(file)).map((line) => line.replace(/`[^`]*`/g, "code"));
}
