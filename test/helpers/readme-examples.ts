import { readFile } from "node:fs/promises";

/** The example of a command in the README's table, as arguments. */
export async function readmeExample(command: string): Promise<readonly string[]> {
  const readme = await readFile("README.md", "utf8");
  const row = readme.split("\n").find((line) => line.startsWith(`| \`tidemark ${command} `));
  const example = / \| `tidemark ([^`]+)` \|$/.exec(row ?? "")?.[1];
  if (example === undefined) throw new Error(`the README has no example of ${command}`);
  return example.split(" ");
}
