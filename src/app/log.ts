import { type Logger, pino } from "pino";
import type { AppConfig } from "./config.ts";

export type Log = Logger;

/** Structured lines on stdout; on a terminal, readable ones. */
export async function createLog(
  { logLevel, appVersion }: Pick<AppConfig, "logLevel" | "appVersion">,
  { pretty }: { readonly pretty: boolean },
): Promise<Log> {
  const base = appVersion === undefined ? {} : { appVersion };
  if (!pretty)
    return pino({ level: logLevel, base }, unbreakable(pino.destination({ sync: true })));
  // Loaded only if used: a deployment logs JSON.
  const { default: prettyStream } = await import("pino-pretty");
  return pino(
    { level: logLevel, base },
    unbreakable(prettyStream({ ignore: "time", singleLine: true, sync: true })),
  );
}

/** A full disk or a closed pipe must not end the application. */
function unbreakable<Stream extends { on(event: "error", listener: () => void): unknown }>(
  stream: Stream,
): Stream {
  stream.on("error", () => undefined);
  return stream;
}
