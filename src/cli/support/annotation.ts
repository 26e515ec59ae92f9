import { relative, resolve } from "node:path";
import type { Finding } from "../../db/verify/index.ts";

/**
 * A finding as a workflow command of GitHub Actions, which shows it at its line of the pull request.
 * Format: "Workflow commands for GitHub Actions", docs.github.com.
 *
 * @param check name of the check that found it
 */
export function annotation(
  check: string,
  { level, fact, remedy, file, line, column }: Finding,
  root = process.env.GITHUB_WORKSPACE,
): string {
  const path = file === undefined || root === undefined ? file : relative(root, resolve(file));
  const properties = {
    ...(path !== undefined && { file: path.replaceAll("\\", "/") }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { col: column }),
    title: `tidemark verify: ${check}`,
  };
  const listed = Object.entries(properties)
    .map(([key, value]) => `${key}=${escapedProperty(String(value))}`)
    .join(",");
  return `::${level} ${listed}::${escaped(`${fact}\n${remedy}`)}`;
}

function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapedProperty(text: string): string {
  return escaped(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
