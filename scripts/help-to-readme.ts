/**
 * `npm run docs:commands`: writes README's table of commands from the command line's own
 * help. With `--check` it writes nothing, and fails if the table differs.
 */
import { readFile, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { createProgram } from "../src/cli/program.ts";
import { examplesOf } from "../src/cli/support/options.ts";

const FILE = "README.md";
const START = "<!-- commands: written by `npm run docs:commands` -->";
const END = "<!-- /commands -->";

const text = await readFile(FILE, "utf8");
const start = text.indexOf(START);
const end = text.indexOf(END);
if (start < 0 || end < start) throw new Error(`${FILE} lacks the lines ${START} and ${END}.`);
const written = `${text.slice(0, start + START.length)}\n${await table()}\n${text.slice(end)}`;
if (!process.argv.includes("--check")) {
  await writeFile(FILE, written);
} else if (written !== text) {
  console.error(
    `The table of commands in ${FILE} differs from --help. Write it with: npm run docs:commands`,
  );
  process.exitCode = 1;
}

async function table(): Promise<string> {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
    scripts: Readonly<Record<string, string>>;
  };
  const program = createProgram(() => undefined);
  const rows = program.commands.map((command) => {
    const script = `db:${command.name()}`;
    return [
      `\`tidemark ${command.name()}${usage(command)}\``,
      script in scripts ? `\`npm run ${script}\`` : "",
      command.description(),
      `\`${exampleOf(command)}\``,
    ];
  });
  const lines = [["command", "here", "does", "for example"], Array(4).fill("---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function exampleOf(command: Command): string {
  const [line] = examplesOf(command);
  if (line === undefined) throw new Error(`${command.name()} has no example.`);
  return line.replaceAll("|", "\\|");
}

/** The arguments, and the options that not every command has. */
function usage(command: Command): string {
  const everywhere = new Set(
    createProgram(() => undefined)
      .commands.find((other) => other.name() === "sum")
      ?.options.map(({ long }) => long)
      .concat("--url", "--embedded", "--ledger-schema", "--connect-timeout"),
  );
  const args = command.registeredArguments.map((argument) =>
    argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`,
  );
  const options = command.options
    .filter(({ long }) => !everywhere.has(long))
    .map(({ flags }) => ` [${flags}]`);
  return [...args, ...options].join("").replaceAll("|", "\\|");
}
