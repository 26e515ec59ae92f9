import { type DestinationStream, type Logger, pino } from "pino";
import type { AppConfig } from "./config.ts";

export type Log = Logger;

/** Structured lines on stdout; on a terminal, readable ones. */
export async function createLog(
  { logLevel, appVersion }: Pick<AppConfig, "logLevel" | "appVersion">,
  { pretty }: { readonly pretty: boolean },
): Promise<Log> {
  const stream: DestinationStream & NodeJS.EventEmitter = pretty
    ? // Loaded only if used: a deployment logs JSON.
      (await import("pino-pretty")).default({ ignore: "time", singleLine: true, sync: true })
    : pino.destination({ sync: true });
  // A full disk or a closed pipe must not end the application.
  stream.on("error", () => undefined);
  const base = appVersion === undefined ? {} : { appVersion };
  return pino({ level: logLevel, base }, stream);
}
