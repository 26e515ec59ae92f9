import type { Command } from "commander";

/** Moves options that stand before the command after it: `--json status` is `status --json`. */
export function commandFirst(program: Command, argv: readonly string[]): readonly string[] {
  const options = program.commands.flatMap((command) => command.options);
  let at = 0;
  for (let arg = argv[at]; arg?.startsWith("-"); arg = argv[at]) {
    const [flag, value] = splitAtFirst(arg, "=");
    const option = options.find(({ long }) => long === flag);
    if (option === undefined) break;
    at += option.required && value === undefined ? 2 : 1;
  }
  const [command, ...rest] = argv.slice(at);
  if (command === undefined) return argv;
  const before = argv.slice(0, at);
  // The parser refuses an option that no command has, or handles it itself (--help).
  return command.startsWith("-") ? [command, ...rest, ...before] : [command, ...before, ...rest];
}

function splitAtFirst(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
