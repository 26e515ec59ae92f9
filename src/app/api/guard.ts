import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Refusal } from "./problem-json.ts";

const MOST_BYTES = 64 * 1024;

/** Refuses a body above 64 KiB, before it is read as a whole. */
export const LIMIT: MiddlewareHandler = bodyLimit({
  maxSize: MOST_BYTES,
  onError: () => {
    throw new Refusal(413, "too_large", `A request has at most ${MOST_BYTES} bytes.`);
  },
});

/** Refuses who does not send the token. Takes the same time for every wrong one. */
export function requireToken(token: string): MiddlewareHandler {
  const wanted = digest(token);
  return async (context, next) => {
    const [, given = ""] = /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "") ?? [];
    if (timingSafeEqual(digest(given), wanted)) return next();
    throw new Refusal(401, "unauthorized", "Send the token: Authorization: Bearer …", {
      "www-authenticate": "Bearer",
    });
  };
}

/**
 * Refuses what the page of another site sends through a browser. Where no token is asked for, it
 * would be let in: it comes from this machine.
 */
export const SAME_ORIGIN: MiddlewareHandler = async (context, next) => {
  if (!isCrossSite(context)) return next();
  throw new Refusal(403, "cross_site", "Another site's page may not send this.");
};

function isCrossSite({ req }: Context): boolean {
  if (req.header("sec-fetch-site") === "cross-site") return true;
  const origin = req.header("origin");
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== req.header("host");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
