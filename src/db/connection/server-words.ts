import { shortened } from "../base/text.ts";
import type { ServerError } from "./session-types.ts";

/** All that the server says of an error: message, SQLSTATE, and a line each for DETAIL, HINT and CONTEXT. */
export function serverWords({ message, code, detail, hint, where }: ServerError): string {
  const lines = Object.entries({ detail, hint, context: where });
  const more = lines.map(([name, text]) => (text ? `\n${name}: ${shortened(text)}` : ""));
  return `${shortened(message)} (SQLSTATE ${code}).${more.join("")}`;
}

/** Code that a user wrote raised it: whatever SQLSTATE that chose, it is no word of the server's own. */
export function isRaised({ routine }: { readonly routine?: string }): boolean {
  return routine === "exec_stmt_raise";
}

/** What to do about it where nothing of the user's should have run. */
export const ASK_WHO_RAISES =
  "A function of this database raised it, most likely an event trigger's (see the context). It decides what may be created here: ask who made it, then run again.";
