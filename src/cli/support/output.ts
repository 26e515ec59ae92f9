import { type Colors, colorsFor } from "./colors.ts";

/** Where a command writes: results on stdout, everything else on stderr. */
export interface Output {
  /** A result for people; nothing with `--json`. */
  readonly print: (text: string) => void;
  /** The JSON object of `--json`: anything after the first is dropped. */
  readonly json: (value: unknown) => void;
  /** One of many JSON objects, one per line, with `--json`. */
  readonly jsonLine: (value: unknown) => void;
  /** Progress and remarks; nothing with `--quiet`. */
  readonly note: (text: string) => void;
  /** Always. */
  readonly error: (text: string) => void;
  readonly mode: "text" | "json";
  readonly quiet: boolean;
  /** Somebody watches stderr. */
  readonly live: boolean;
  readonly colors: Colors;
  readonly errorColors: Colors;
}

export interface OutputFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** False with `--no-color`. */
  readonly color?: boolean;
}

export function createOutput(flags: OutputFlags): Output {
  const { stdout, stderr } = process;
  const json = flags.json ?? false;
  const quiet = flags.quiet ?? false;
  const wanted = flags.color ?? true;
  let isTold = false;
  const write = (stream: NodeJS.WriteStream, text: string) => {
    stream.write(text.endsWith("\n") ? text : `${text}\n`);
  };
  return {
    print: (text) => {
      if (!json) write(stdout, text);
    },
    json: (value) => {
      if (!json || isTold) return;
      isTold = true;
      write(stdout, JSON.stringify(value, null, stdout.isTTY ? 2 : 0));
    },
    jsonLine: (value) => {
      if (json) write(stdout, JSON.stringify(value));
    },
    note: (text) => {
      if (!quiet) write(stderr, text);
    },
    error: (text) => write(stderr, text),
    mode: json ? "json" : "text",
    quiet,
    live: stderr.isTTY === true && !quiet,
    colors: colorsFor(stdout, wanted, process.env),
    errorColors: colorsFor(stderr, wanted, process.env),
  };
}
