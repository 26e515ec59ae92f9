import { type Logger, pino } from "pino";
import type { AppConfig } from "./config.ts";

export type Log = Logger;

/** Structured lines on stdout; for people where somebody watches. */
export async function createLog(
  { logLevel, appVersion }: Pick<AppConfig, "logLevel" | "appVersion">,
  { pretty }: { readonly pretty: boolean },
): Promise<Log> {
  const base = appVersion === undefined ? {} : { appVersion };
  if (!pretty) return pino({ level: logLevel, base });
  // Loaded where it is used: a deployment has JSON.
  const { default: prettyStream } = await import("pino-pretty");
  return pino(
    { level: logLevel, base },
    prettyStream({ ignore: "time", singleLine: true, sync: true }),
  );
}
