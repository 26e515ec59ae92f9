import { hostname } from "node:os";
import type { CliResult } from "./cli.ts";

/**
 * All that a command printed, and its exit code, as one text for a snapshot. What differs
 * from run to run is replaced: times, durations, this machine, and the values given.
 */
export function screen(
  { code, stdout, stderr }: CliResult,
  values: Readonly<Record<string, string>> = {},
): string {
  const plain = (text: string) => {
    let known = text;
    for (const [name, value] of Object.entries(values))
      known = known.replaceAll(value, `<${name}>`);
    return known
      .replaceAll(hostname(), "<host>")
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
      .replace(/\b\d+(\.\d+)? (ms|s)\b/g, "<duration>")
      .replace(/(process|backend) \d+/g, "$1 <pid>")
      .replace(/^\S+ {2,}.*$/gm, (row) => row.replace(/ {2,}/g, "  "));
  };
  const part = (name: string, text: string) => (text === "" ? "" : `--- ${name}\n${plain(text)}`);
  return `exit code ${code}\n${part("stdout", stdout)}${part("stderr", stderr)}`;
}
