import { createInterface } from "node:readline/promises";

/** Whether somebody is there to answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks on the terminal; anything but yes is no, and so are Ctrl-C and Ctrl-D. */
export function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    terminal.once("close", () => resolve(false));
    terminal.question(question).then(
      (answer) => {
        resolve(/^y(es)?$/i.test(answer.trim()));
        terminal.close();
      },
      () => resolve(false),
    );
  });
}
