import { colorsFor, isPainted } from "./colors.ts";
import { visible } from "./visible.ts";

export type Output = Readonly<ReturnType<typeof createOutput>>;

export interface OutputFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** False with `--no-color`. */
  readonly color?: boolean;
}

/** Where a command writes: results on stdout, everything else on stderr. */
export function createOutput(flags: OutputFlags) {
  const { stdout, stderr } = process;
  const json = flags.json ?? false;
  const quiet = flags.quiet ?? false;
  const wanted = flags.color ?? true;
  let isTold = false;
  const colors = colorsFor(stdout, wanted, process.env);
  const errorColors = colorsFor(stderr, wanted, process.env);
  const write = (stream: NodeJS.WriteStream, text: string) => {
    stream.write(text.endsWith("\n") ? text : `${text}\n`);
  };
  // In a pipe a script is a script, byte by byte.
  const result = (text: string) => (stdout.isTTY ? visible(text, isPainted(colors)) : text);
  const remark = (text: string) => write(stderr, visible(text, isPainted(errorColors)));
  return {
    /** A result for people; nothing with `--json`. */
    print: (text: string): void => {
      if (!json) write(stdout, result(text));
    },
    /** The JSON object of `--json`: anything after the first is dropped. */
    json: (value: unknown): void => {
      if (!json || isTold) return;
      isTold = true;
      write(stdout, JSON.stringify(value, null, stdout.isTTY ? 2 : 0));
    },
    /** One of many JSON objects, one per line, with `--json`. */
    jsonLine: (value: unknown): void => {
      if (json) write(stdout, JSON.stringify(value));
    },
    /** Progress and remarks; nothing with `--quiet`. */
    note: (text: string): void => {
      if (!quiet) remark(text);
    },
    /** Always. */
    error: remark,
    mode: json ? "json" : "text",
    quiet,
    /** Somebody watches stderr. */
    live: stderr.isTTY === true && !quiet,
    colors,
    errorColors,
  };
}
