import * as yocto from "yoctocolors";

export type Colors = Pick<typeof yocto, "bold" | "dim" | "red" | "green" | "yellow" | "cyan">;

const plain = (text: string) => text;

export function isPainted({ bold }: Colors): boolean {
  return bold !== plain;
}

/**
 * Colours for a stream: only on a terminal, unless FORCE_COLOR asks for them;
 * never with `--no-color`, NO_COLOR or a dumb terminal.
 */
export function colorsFor(
  stream: { readonly isTTY?: boolean },
  wanted: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Colors {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "0";
  const refused = !wanted || Boolean(env.NO_COLOR) || env.TERM === "dumb";
  if (refused || !(stream.isTTY || forced)) {
    return { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };
  }
  const { bold, dim, red, green, yellow, cyan } = yocto;
  return { bold, dim, red, green, yellow, cyan };
}
